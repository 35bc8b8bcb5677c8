// The work in Go, on one processor: called and answering as the programs in src/bin.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	depth       = 100
	unsupported = 3
)

type meter struct {
	user, kernel time.Duration
	faults       int64
}

func used() meter {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return meter{time.Duration(usage.Utime.Nano()), time.Duration(usage.Stime.Nano()), usage.Minflt}
}

func (m meter) cpu() time.Duration {
	now := used()
	return now.user + now.kernel - m.user - m.kernel
}

func (m meter) nsPer(times int) float64 {
	return float64(m.cpu().Nanoseconds()) / float64(times)
}

func check(right bool) {
	if !right {
		panic("a wrong result")
	}
}

func answer(figures ...float64) {
	texts := make([]string, len(figures))
	for i, figure := range figures {
		texts[i] = strconv.FormatFloat(figure, 'f', -1, 64)
	}
	fmt.Println(strings.Join(texts, " "))
}

func memory() int {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		panic(err)
	}
	defer file.Close()
	kib := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if fields[0] == "VmRSS:" || fields[0] == "VmPTE:" {
			number, _ := strconv.Atoi(fields[1])
			kib += number
		}
	}
	return kib * 1024
}

func nap(task, n int) time.Duration {
	scattered := (uint64(task)*1_000_003 + uint64(n)) * 2_654_435_761 & 0xffff_ffff
	return time.Duration(1_000+scattered%9_001) * time.Microsecond
}

func spin(times int) int {
	for i := 0; i < times; i++ {
		runtime.Gosched()
	}
	return times
}

// spawn makes a goroutine whose result comes through a channel.
func spawn(body func() int) <-chan int {
	result := make(chan int, 1)
	go func() { result <- body() }()
	return result
}

func sum(results []<-chan int) int {
	total := 0
	for _, result := range results {
		total += <-result
	}
	return total
}

//go:noinline
func descend(depth, times int) int {
	if depth == 0 {
		return spin(times)
	}
	return descend(depth-1, times) + 1
}

// metered is a task of yields: the first one meters, from when all have begun until its own last yield.
func metered(task, each int) int {
	spin(2)
	if task > 0 {
		check(spin(each) == each)
		return 0
	}
	meter := used()
	check(spin(each) == each)
	return int(meter.cpu())
}

func yields(tasks, each int) float64 {
	results := make([]<-chan int, tasks)
	for i := range results {
		i := i
		results[i] = spawn(func() int { return metered(i, each) })
	}
	return float64(sum(results)) / float64(tasks*each)
}

func roundTrips(times int) float64 {
	there, back := make(chan int, 1), make(chan int, 1)
	meter := used()
	echo := spawn(func() int {
		for i := 0; i < times; i++ {
			back <- <-there + 1
		}
		return times
	})
	for i := 0; i < times; i++ {
		there <- i
		check(<-back == i+1)
	}
	check(<-echo == times)
	return meter.nsPer(times)
}

func spawnAwait(times int) float64 {
	meter := used()
	for i := 0; i < times; i++ {
		check(<-spawn(func() int { return i }) == i)
	}
	return meter.nsPer(times)
}

func burst(tasks int, body func(int) int) []float64 {
	meter := used()
	results := make([]<-chan int, tasks)
	for i := range results {
		i := i
		results[i] = spawn(func() int { return body(i) })
	}
	check(sum(results) == tasks*(tasks-1)/2)
	now := used()
	return []float64{
		meter.nsPer(tasks),
		float64((now.kernel - meter.kernel).Nanoseconds()) / float64(tasks),
		float64(now.faults-meter.faults) / float64(tasks),
	}
}

func bursts(tasks int, body func(int) int) {
	answer(append(burst(tasks, body), burst(tasks, body)...)...)
}

func contended(tasks, each int) float64 {
	var lock sync.Mutex
	count := 0
	meter := used()
	results := make([]<-chan int, tasks)
	for i := range results {
		results[i] = spawn(func() int {
			for j := 0; j < each; j++ {
				lock.Lock()
				before := count
				runtime.Gosched()
				count = before + 1
				lock.Unlock()
			}
			return each
		})
	}
	check(sum(results) == tasks*each && count == tasks*each)
	return meter.nsPer(tasks * each)
}

// lull makes goroutines that sleep for an hour, and returns when they do.
func lull(tasks int) {
	started := 0
	var lock sync.Mutex
	for i := 0; i < tasks; i++ {
		go func() {
			lock.Lock()
			started++
			lock.Unlock()
			time.Sleep(time.Hour)
		}()
	}
	for all := false; !all; {
		runtime.Gosched()
		lock.Lock()
		all = started == tasks
		lock.Unlock()
	}
}

func sleeping(tasks int) {
	before, meter := memory(), used()
	lull(tasks)
	start := meter.nsPer(tasks) / 1_000
	answer(float64(memory()-before)/float64(tasks), start)
	os.Exit(0)
}

func sleeps(tasks, each int) float64 {
	meter := used()
	results := make([]<-chan int, tasks)
	for i := range results {
		i := i
		results[i] = spawn(func() int {
			for n := 0; n < each; n++ {
				time.Sleep(nap(i, n))
			}
			return each
		})
	}
	check(sum(results) == tasks*each)
	return meter.nsPer(tasks * each)
}

func timeouts(alive, times int) float64 {
	lull(alive)
	meter := used()
	done := 0
	for i := 0; i < times; i++ {
		limited, cancel := context.WithTimeout(context.Background(), time.Hour)
		done += spin(1)
		check(limited.Err() == nil)
		cancel()
	}
	check(done == times)
	return meter.nsPer(times)
}

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		stream, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go func() {
			defer stream.Close()
			buffer := make([]byte, 1024)
			for {
				count, err := stream.Read(buffer)
				if err != nil {
					return
				}
				if _, err := stream.Write(buffer[:count]); err != nil {
					return
				}
			}
		}()
	}
}

func serveHTTP() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	hello := func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("Content-Type", "text/plain")
		io.WriteString(answer, "Hello, World!")
	}
	// As long for the head of a request as hyper gives by default.
	server := http.Server{Handler: http.HandlerFunc(hello), ReadHeaderTimeout: 30 * time.Second}
	panic(server.Serve(listener))
}

func main() {
	runtime.GOMAXPROCS(1)
	number := func(at int) int {
		number, err := strconv.Atoi(os.Args[at])
		check(err == nil)
		return number
	}
	a, b := number(2), number(3)
	switch os.Args[1] {
	case "version":
		fmt.Println(strings.TrimPrefix(runtime.Version(), "go"))
	case "yield":
		answer(yields(a, b))
	case "round_trip":
		answer(roundTrips(a))
	case "spawn_await":
		answer(spawnAwait(a))
	case "spawn_all":
		bursts(a, func(n int) int { return n })
	case "park_all":
		bursts(a, func(n int) int { return spin(1) + n - 1 })
	case "yield_below":
		meter := used()
		check(descend(depth, a) == a+depth)
		answer(meter.nsPer(a))
	case "descend":
		meter := used()
		for i := 0; i < a; i++ {
			check(descend(depth, 1) == 1+depth)
		}
		answer(meter.nsPer(a))
	case "lock":
		answer(contended(a, b))
	case "sleeping":
		sleeping(a)
	case "sleeps":
		answer(sleeps(a, b))
	case "timeouts":
		answer(timeouts(a, b))
	case "echo":
		serve()
	case "http":
		serveHTTP()
	default:
		os.Exit(unsupported)
	}
}
