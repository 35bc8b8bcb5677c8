//! hyper over our sockets: a server and a client, both on one loop.

mod common;

use std::convert::Infallible;
use std::io::{IoSlice, Read, Write as _};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::{Log, run};
use coro_core::compat::hyper::{HyperIo, HyperTimer};
use coro_core::net::{TcpListener, TcpStream};
use coro_core::prelude::*;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Sleep, Timer, Write};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut text = path.into_bytes();
    text.extend_from_slice(&body);
    Ok(Response::new(Full::new(Bytes::from(text))))
}

/// Serves connections; each takes any number of requests.
fn serve(listener: TcpListener) -> Result<()> {
    for stream in listener.incoming() {
        let mut server = hyper::server::conn::http1::Builder::new();
        server.timer(HyperTimer).header_read_timeout(secs(30));
        let connection = server.serve_connection(HyperIo::new(stream?), service_fn(answer));
        create_task(async move {
            // A client that leaves in the middle is no error of the server.
            let _ = connection.await;
        });
    }
    Ok(())
}

#[test]
fn two_hundred_requests_go_over_one_connection() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = create_task(coroutine(move || serve(listener)));
        let io = HyperIo::new(TcpStream::connect(address)?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).co_await()??;
        let connection = create_task(connection);
        for n in 0..200_usize {
            let body = Full::new(Bytes::from(vec![b'x'; n * n]));
            let request = Request::post(format!("/eggs/{n}")).header("host", "kitchen").body(body)?;
            // hyper tells when it can take the next one; the await suspends this task.
            sender.ready().co_await()??;
            let response = sender.send_request(request).co_await()??;
            assert_eq!(response.status(), StatusCode::OK);
            let bytes = response.into_body().collect().co_await()??.to_bytes();
            let text = format!("/eggs/{n}");
            assert_eq!(bytes.len(), text.len() + n * n);
            assert!(bytes.starts_with(text.as_bytes()));
        }
        drop(sender);
        connection.co_await()??;
        server.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_client_that_says_nothing_is_let_go_by_the_clock_of_the_loop() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = create_task(coroutine(move || serve(listener)));
        let stream = TcpStream::connect(address)?;
        let before = get_running_loop()?.time();
        (&stream).write_all(b"GET / HTTP/1.1\r\n")?;
        let said = std::io::read_to_string(stream)?;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
        assert_eq!(get_running_loop()?.time() - before, secs(30));
        server.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn fifty_clients_ask_at_once() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = create_task(coroutine(move || serve(listener)));
        let done = Rc::new(std::cell::Cell::new(0));
        let clients = (0..50).map(|n| {
            let done = done.clone();
            coroutine(move || {
                let io = HyperIo::new(TcpStream::connect(address)?);
                let (mut sender, connection) = hyper::client::conn::http1::handshake(io).co_await()??;
                create_task(connection);
                for _ in 0..4 {
                    let request =
                        Request::get("/").header("host", "kitchen").body(Full::new(Bytes::new()))?;
                    sender.ready().co_await()??;
                    let response = sender.send_request(request).co_await()??;
                    response.into_body().collect().co_await()??;
                    done.set(done.get() + 1);
                }
                Ok(n)
            })
        });
        gather(clients).co_await()?;
        assert_eq!(done.get(), 200);
        server.cancel();
        Ok(())
    })
    .unwrap();
}

/// Runs `f` under a virtual clock, and in real time.
fn on_both_clocks<F: FnOnce() -> Result<()> + 'static>(f: fn() -> F) {
    run(f()).unwrap();
    coro_core::run(coroutine(f())).unwrap();
}

fn now() -> Result<Duration> {
    Ok(get_running_loop()?.time())
}

/// Checks that so much time has passed, and not much more.
fn passed(since: Duration, time: Duration) -> Result<()> {
    let passed = now()? - since;
    assert!(passed >= time && passed < time + secs(20), "{passed:?} for {time:?}");
    Ok(())
}

/// Polls it once; who does not wait for it is not told.
fn begin(nap: &mut Pin<Box<dyn Sleep>>) -> Poll<()> {
    nap.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls it, then has `then` be done, and polls it no more before it tells. Gives how often it told.
fn wait_after(mut nap: Pin<Box<dyn Sleep>>, then: impl FnOnce(&mut Pin<Box<dyn Sleep>>)) -> Result<usize> {
    let (mut polls, mut then) = (0, Some(then));
    let waiting = std::future::poll_fn(|context| {
        polls += 1;
        let polled = nap.as_mut().poll(context);
        if let Some(then) = then.take() {
            then(&mut nap);
        }
        polled
    });
    waiting.co_await()?;
    Ok(polls - 1)
}

fn reset(nap: &mut Pin<Box<dyn Sleep>>, time: Duration) {
    HyperTimer.reset(nap, HyperTimer.now() + time);
}

#[test]
fn a_sleep_that_is_reset_tells_once_at_its_new_time() {
    on_both_clocks(|| {
        || {
            for (first, second) in [(20, 50), (3_600_000, 20), (20, 20)] {
                let start = now()?;
                let told = wait_after(HyperTimer.sleep(millis(first)), |nap| reset(nap, millis(second)))?;
                assert_eq!(told, 1, "from {first} to {second}");
                passed(start, millis(second))?;
            }
            Ok(())
        }
    });
}

#[test]
fn a_sleep_is_reset_before_it_is_polled_and_after_it_was_over() {
    on_both_clocks(|| {
        || {
            let start = now()?;
            let mut nap = HyperTimer.sleep(secs(3600));
            reset(&mut nap, millis(10));
            nap.as_mut().co_await()?;
            assert!(begin(&mut nap).is_ready(), "it is over still");
            reset(&mut nap, millis(10));
            assert!(begin(&mut nap).is_pending());
            nap.as_mut().co_await()?;
            passed(start, millis(20))?;
            reset(&mut nap, millis(0));
            nap.co_await()
        }
    });
}

#[test]
fn a_sleep_of_another_timer_is_replaced_when_it_is_reset() {
    struct Never;
    impl Future for Never {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }
    impl Sleep for Never {}
    run(|| {
        let mut nap: Pin<Box<dyn Sleep>> = Box::pin(Never);
        reset(&mut nap, secs(5));
        nap.co_await()?;
        assert_eq!(now()?, secs(5));
        Ok(())
    })
    .unwrap();
}

#[test]
fn sleeps_that_follow_dropped_ones_keep_their_own_times() {
    on_both_clocks(|| {
        || {
            let start = now()?;
            for n in 1..2000 {
                let mut naps = [HyperTimer.sleep(secs(n)), HyperTimer.sleep(millis(15))];
                naps.iter_mut().for_each(|nap| assert!(begin(nap).is_pending()));
            }
            // Later, earlier, and in between; the entries of the dropped ones come up meanwhile.
            let times = [40, 20, 60, 10, 30].map(millis);
            let done = gather(times.map(|time| {
                coroutine(move || {
                    assert_eq!(wait_after(HyperTimer.sleep(time), |_| {})?, 1);
                    passed(start, time)?;
                    now()
                })
            }))
            .co_await()?;
            assert!(times.iter().zip(&done).all(|(time, done)| *done - start >= *time));
            assert!(now()? - start < secs(30), "nobody waits for what was dropped");
            Ok(())
        }
    });
}

#[test]
fn sleeps_of_one_moment_are_over_in_the_order_in_which_they_were_begun() {
    common::run_ordered(|| {
        let log = Log::new();
        assert!(begin(&mut HyperTimer.sleep(secs(5))).is_pending()); // and dropped
        let [first, second] = [(); 2].map(|()| log.clone());
        let of_the_loop = create_task(coroutine(move || {
            sleep(secs(5)).co_await()?;
            first.push("of the loop");
            Ok(())
        }));
        let of_hyper = create_task(coroutine(move || {
            HyperTimer.sleep(secs(5)).co_await()?;
            second.push("of hyper");
            Ok(())
        }));
        of_the_loop.co_await()?;
        of_hyper.co_await()?;
        assert_eq!(log.take(), ["of the loop", "of hyper"]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_loop_does_not_wait_for_dropped_sleeps() {
    let error = coro_core::run(coroutine(|| {
        assert!(begin(&mut HyperTimer.sleep(secs(3600))).is_pending());
        std::future::pending::<()>().co_await()
    }))
    .unwrap_err();
    assert!(error.is::<coro_core::Deadlock>(), "{error}");
}

#[test]
fn a_slack_of_the_loop_holds_for_these_sleeps_too() {
    let slack = coro_core::RunBuilder::new().timer_slack(millis(5));
    slack
        .run(coroutine(|| {
            let start = now()?;
            assert!(begin(&mut HyperTimer.sleep(millis(1))).is_pending());
            for time in [3, 7, 12] {
                assert_eq!(wait_after(HyperTimer.sleep(millis(time)), |_| {})?, 1);
            }
            passed(start, millis(22))
        }))
        .unwrap();
}

#[test]
fn a_waker_of_the_user_is_told_once_and_let_go_of() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    on_both_clocks(|| {
        || {
            let [told, dropped] = [(); 2].map(|()| Arc::new(Count(AtomicUsize::new(0))));
            let wakers = [&told, &dropped].map(|count| Waker::from(Arc::clone(count)));
            let mut nap = HyperTimer.sleep(millis(10));
            for waker in wakers.iter().rev() {
                assert!(nap.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
            }
            let mut other = HyperTimer.sleep(millis(10));
            assert!(other.as_mut().poll(&mut Context::from_waker(&wakers[1])).is_pending());
            drop((wakers, other));
            assert_eq!(Arc::strong_count(&dropped), 1);
            sleep(millis(30)).co_await()?;
            assert_eq!((told.0.load(Ordering::SeqCst), dropped.0.load(Ordering::SeqCst)), (1, 0));
            assert_eq!(Arc::strong_count(&told), 1);
            assert!(begin(&mut nap).is_ready());
            Ok(())
        }
    });
}

#[test]
fn a_sleep_goes_on_in_another_loop() {
    let mut naps = Vec::new();
    for _ in 0..5 {
        let earlier = naps.pop();
        // The core of this loop may be where that of the last one was.
        let nap = coro_core::run(coroutine(move || {
            if let Some(nap) = earlier {
                assert_eq!(wait_after(nap, |_| {})?, 1);
            }
            assert_eq!(wait_after(HyperTimer.sleep(millis(5)), |_| {})?, 1);
            let mut nap = HyperTimer.sleep(millis(15));
            let mut unused = HyperTimer.sleep(millis(15)); // its entry goes with the loop
            assert!(begin(&mut nap).is_pending() && begin(&mut unused).is_pending());
            Ok(nap)
        }));
        naps.push(nap.unwrap());
    }
}

#[test]
fn loops_of_one_thread_keep_their_dropped_sleeps_apart() {
    let [one, other] = [(); 2].map(|()| coro_core::LoopBuilder::new().build().unwrap());
    for event_loop in [&one, &other, &one, &other] {
        let naps = coroutine(|| {
            assert_eq!(wait_after(HyperTimer.sleep(millis(10)), |_| {})?, 1);
            assert!(begin(&mut HyperTimer.sleep(millis(5))).is_pending());
            Ok(())
        });
        event_loop.run_until_complete(naps).unwrap();
    }
}

#[test]
fn a_sleep_goes_on_in_another_thread_or_ends_there() {
    coro_core::run(coroutine(|| {
        for reset_there in [false, true] {
            let mut naps = [10, 20, 3_600_000].map(|time| HyperTimer.sleep(millis(time)));
            naps.iter_mut().for_each(|nap| assert!(begin(nap).is_pending()));
            let elsewhere = to_thread(move || {
                let [nap, mut other, long] = naps;
                drop(long);
                coro_core::run(coroutine(move || {
                    if reset_there {
                        reset(&mut other, millis(5));
                    }
                    let naps = [nap, other].map(|nap| coroutine(move || wait_after(nap, |_| {})));
                    gather(naps).co_await()
                }))
            });
            assert_eq!(elsewhere.co_await()??, [1, 1]);
            assert_eq!(wait_after(HyperTimer.sleep(millis(5)), |_| {})?, 1);
        }
        Ok(())
    }))
    .unwrap();
}

#[test]
fn a_client_is_let_go_so_long_after_its_last_request() {
    coro_core::run(coroutine(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = create_task(coroutine(move || {
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(HyperTimer).header_read_timeout(millis(700));
            let connection = http.serve_connection(HyperIo::new(listener.accept()?.0), service_fn(answer));
            drop(connection.co_await()?);
            Ok(())
        }));
        let mut stream = TcpStream::connect(address)?;
        let mut last = now()?;
        for _ in 0..5 {
            sleep(millis(100)).co_await()?;
            last = now()?;
            stream.write_all(b"GET /egg HTTP/1.1\r\nhost: kitchen\r\n\r\n")?;
            assert_ne!(stream.read(&mut [0; 1000])?, 0);
        }
        assert_eq!(stream.read(&mut [0])?, 0);
        passed(last, millis(700))?;
        server.co_await()
    }))
    .unwrap();
}

#[test]
fn pieces_are_written_in_their_order_whatever_their_length() {
    run(|| {
        let (near, mut far) = coro_core::net::UnixStream::pair()?;
        let reader = create_task(coroutine(move || {
            let mut all = Vec::new();
            far.read_to_end(&mut all)?;
            Ok(all)
        }));
        let mut io = HyperIo::new(near);
        assert!(io.is_write_vectored());
        let mut expected = Vec::new();
        for lengths in [&[][..], &[0, 0], &[3], &[2, 0, 7], &[2000, 48], &[2000, 49], &[10, 300_000, 1]] {
            let pieces = Vec::from_iter(lengths.iter().zip(b'a'..).map(|(&length, byte)| vec![byte; length]));
            let all = pieces.concat();
            let write = |context: &mut Context<'_>| {
                let slices = Vec::from_iter(pieces.iter().map(|piece| IoSlice::new(piece)));
                Pin::new(&mut io).poll_write_vectored(context, &slices)
            };
            let written = std::future::poll_fn(write).co_await()??;
            assert!(written > 0 || all.is_empty());
            expected.extend_from_slice(&all[..written]);
        }
        drop(io);
        assert_eq!(reader.co_await()?, expected);
        Ok(())
    })
    .unwrap();
}
