//! Ctrl-C, as a process meets it: signals, exit statuses, dispositions.
//!
//! `run` handles Ctrl-C on the main thread of a program only, which the usual test harness keeps for itself. So
//! this is a program of its own: each test starts it again as a child, and sends the child its signals.

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    unix::main()
}

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod unix {
    use coro_core::signal::{SignalKind, ctrl_c, signal};
    use coro_core::{KeyboardInterrupt, prelude::*};
    use std::io::{BufRead, BufReader, Read};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{ChildStdout, Command, ExitCode, ExitStatus, Stdio};
    use std::rc::Rc;
    use std::time::Instant;

    /// Tells the children from the parent, and which one is to be.
    const CHOICE: &str = "CORO_INTERRUPT_CHILD";

    type Test = (&'static str, fn());

    const TESTS: &[Test] = &[
        ("the_first_cancels_main_which_cleans_up", the_first_cancels_main_which_cleans_up),
        ("run_raises_keyboard_interrupt", run_raises_keyboard_interrupt),
        ("a_main_that_swallows_it_goes_on", a_main_that_swallows_it_goes_on),
        ("the_second_ends_the_process_at_once", the_second_ends_the_process_at_once),
        ("the_second_ends_a_main_that_never_awaits", the_second_ends_a_main_that_never_awaits),
        ("the_second_calls_the_handler_from_before", the_second_calls_the_handler_from_before),
        ("run_restores_the_disposition", run_restores_the_disposition),
        ("an_ignored_signal_stays_ignored", an_ignored_signal_stays_ignored),
        ("a_run_that_does_not_want_it_leaves_it_alone", a_run_that_does_not_want_it_leaves_it_alone),
        ("a_run_on_another_thread_leaves_it_alone", a_run_on_another_thread_leaves_it_alone),
        ("ctrl_c_takes_the_place_of_cancelling_main", ctrl_c_takes_the_place_of_cancelling_main),
        ("a_handler_of_the_loop_takes_every_one", a_handler_of_the_loop_takes_every_one),
        (
            "a_handler_of_the_loop_outlives_run_and_not_the_loop",
            a_handler_of_the_loop_outlives_run_and_not_the_loop,
        ),
        ("one_that_comes_when_main_has_ended_is_not_lost", one_that_comes_when_main_has_ended_is_not_lost),
        ("a_fork_under_run_is_ended_by_the_first", a_fork_under_run_is_ended_by_the_first),
        (
            "a_second_one_after_the_first_fell_through_is_handled",
            a_second_one_after_the_first_fell_through_is_handled,
        ),
    ];

    /// Who is started in the background by a shell ignores SIGINT, and so would the children.
    #[allow(unsafe_code)]
    fn heed_interrupts() {
        // SAFETY: no handler is installed.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    }

    pub(super) fn main() -> ExitCode {
        if let Ok(choice) = std::env::var(CHOICE) {
            return child(&choice);
        }
        heed_interrupts();
        // As cargo passes it on: a filter, and options, of which `--exact` and `--list` have a meaning here.
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let has = |option: &str| arguments.iter().any(|argument| argument == option);
        let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
        let wanted = |name: &str| {
            let fits =
                |filter: &&&String| if has("--exact") { name == **filter } else { name.contains(&***filter) };
            !has("--ignored") && (filters.is_empty() || filters.iter().any(|filter| fits(&filter)))
        };
        let (chosen, others): (Vec<&Test>, Vec<&Test>) = TESTS.iter().partition(|(name, _)| wanted(name));
        if has("--list") {
            chosen.iter().for_each(|(name, _)| println!("{name}: test"));
            return ExitCode::SUCCESS;
        }
        let started = Instant::now();
        println!("\nrunning {} tests", chosen.len());
        let mut failed = 0;
        for (name, test) in &chosen {
            let passed = std::panic::catch_unwind(test).is_ok();
            failed += usize::from(!passed);
            println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        }
        let verdict = if failed == 0 { "ok" } else { "FAILED" };
        let (passed, filtered, took) = (chosen.len() - failed, others.len(), started.elapsed().as_secs_f64());
        print!("\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; ");
        println!("{filtered} filtered out; finished in {took:.2}s\n");
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
    }

    // The programs of the children.

    async_fn! {
        /// Waits for Ctrl-C, then cleans up for so long.
        async fn work(cleanup: Duration) {
            println!("ready");
            if let Err(error) = try_await!(sleep(secs(3600))) {
                println!("cleaning up");
                await!(sleep(cleanup));
                println!("cleaned up");
                raise!(error);
            }
        }

        async fn swallows() {
            println!("ready");
            println!("{}", try_await!(sleep(secs(3600))).is_err());
            await!(sleep(millis(1)));
        }

        async fn never_awaits() {
            println!("ready");
            raise_interrupt();
            println!("counted"); // main has no await at which it could be cancelled
            raise_interrupt();
            println!("never");
        }
    }

    async_fn! {
        async fn waits_for_it() {
            get_running_loop()?.call_soon(|| println!("ready")); // when it is awaited
            await!(ctrl_c());
            println!("ctrl_c");
            await!(work(millis(1))); // the next one cancels main
        }

        async fn handles_it() {
            let event_loop = get_running_loop()?;
            let pressed = Rc::new(Semaphore::new(0));
            let handler = pressed.clone();
            event_loop.add_signal_handler(SignalKind::interrupt(), move || handler.release())?;
            println!("ready");
            for n in 1..=3 {
                await!(pressed.acquire()).forget();
                println!("handled {n}");
            }
            event_loop.remove_signal_handler(SignalKind::interrupt());
            await!(work(millis(1)));
        }

        /// Its handler, which only says so, ends nothing; so the second one reaches it.
        async fn falls_through() {
            println!("ready");
            if let Err(error) = try_await!(sleep(secs(3600))) {
                println!("cancelled");
                raise_interrupt();
                println!("fell through");
                let mut signals = signal(SignalKind::interrupt())?;
                raise_interrupt();
                println!("{:?}", signals.anext()?);
                raise!(error);
            }
        }
    }

    fn outlives() -> Result<()> {
        let mut runner = coro_core::Runner::new();
        runner.run(coroutine(|| {
            get_running_loop()?.add_signal_handler(SignalKind::interrupt(), || println!("handled"))
        }))?;
        raise_interrupt(); // no loop runs
        runner.run(sleep(millis(1)))?;
        runner.close()?;
        println!("ready");
        raise_interrupt();
        println!("never");
        Ok(())
    }

    /// Between two runs the loop has a handler; the second takes it away.
    fn ignored_but_handled() -> Result<()> {
        let mut runner = coro_core::Runner::new();
        let interrupt = SignalKind::interrupt();
        runner.run(coroutine(|| get_running_loop()?.add_signal_handler(interrupt, || ())))?;
        runner.run(coroutine(|| {
            assert!(get_running_loop()?.remove_signal_handler(interrupt));
            raise_interrupt();
            sleep(millis(1)).co_await()
        }))?;
        runner.close()
    }

    #[allow(unsafe_code)]
    fn forks() -> Result<()> {
        // SAFETY: the child only raises a signal and exits.
        let child = unsafe { libc::fork() };
        if child == 0 {
            raise_interrupt();
            // SAFETY: it ends the child at once.
            unsafe { libc::_exit(0) };
        }
        let mut status = 0;
        // SAFETY: it waits for the child of just now.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        println!("the child was ended by {}", libc::WTERMSIG(status));
        sleep(millis(1)).co_await()
    }

    fn child(choice: &str) -> ExitCode {
        give_up_after_a_minute();
        let result = match choice {
            "short cleanup" => coro_core::run(work(millis(1))),
            "long cleanup" => coro_core::run(work(secs(3600))),
            "swallows" => coro_core::run(swallows()),
            "never awaits" => coro_core::run(never_awaits()),
            "with a handler" => {
                set_disposition(says_so as extern "C" fn(libc::c_int) as libc::sighandler_t);
                coro_core::run(work(secs(3600)))
            }
            "after run" => coro_core::run(sleep(millis(1))).inspect(|()| {
                println!("ready");
                raise_interrupt();
                println!("never");
            }),
            "ctrl_c" => coro_core::run(waits_for_it()),
            "a handler of the loop" => coro_core::run(handles_it()),
            "outlives run" => outlives(),
            "at the end" => {
                println!("ready");
                coro_core::run(coroutine(|| {
                    raise_interrupt();
                    Ok(())
                }))
            }
            "after the end" => {
                println!("ready");
                coro_core::run(coroutine(|| {
                    get_running_loop()?.call_soon(raise_interrupt);
                    Ok(())
                }))
            }
            "forks" => coro_core::run(coroutine(forks)),
            "falls through" => {
                set_disposition(returns as extern "C" fn(libc::c_int) as libc::sighandler_t);
                coro_core::run(falls_through())
            }
            "ignored" => {
                set_disposition(libc::SIG_IGN);
                raise_interrupt();
                coro_core::run(coroutine(|| {
                    raise_interrupt();
                    sleep(millis(1)).co_await()
                }))
            }
            "ignored but handled" => {
                set_disposition(libc::SIG_IGN);
                ignored_but_handled()
            }
            "not wanted" => coro_core::RunBuilder::new().handle_interrupts(false).run(work(secs(3600))),
            "another thread" => std::thread::spawn(|| coro_core::run(work(secs(3600))))
                .join()
                .expect("the signal ends it before"),
            _ => unreachable!("the parent asks for one of these"),
        };
        match result {
            Ok(()) => println!("went on"),
            Err(error) if error.is::<KeyboardInterrupt>() => println!("KeyboardInterrupt"),
            Err(error) => println!("{error:?}"),
        }
        ExitCode::SUCCESS
    }

    #[allow(unsafe_code)]
    fn give_up_after_a_minute() {
        // SAFETY: it only sets a timer; its signal ends the process.
        unsafe { libc::alarm(60) };
    }

    #[allow(unsafe_code)]
    fn set_disposition(handler: libc::sighandler_t) {
        // SAFETY: `handler` is SIG_IGN, or a function that does nothing, or only writes and exits.
        unsafe { libc::signal(libc::SIGINT, handler) };
    }

    #[allow(unsafe_code)]
    fn raise_interrupt() {
        // SAFETY: it only raises a signal, whose handlers are the library's or there are none.
        unsafe { libc::raise(libc::SIGINT) };
    }

    extern "C" fn returns(_signal: libc::c_int) {}

    #[allow(unsafe_code)]
    extern "C" fn says_so(_signal: libc::c_int) {
        let text = b"the handler from before\n";
        // SAFETY: both calls are async-signal-safe, and the buffer is as long as it says.
        unsafe {
            libc::write(1, text.as_ptr().cast(), text.len());
            libc::_exit(7);
        }
    }

    // The tests.

    /// A child process, and what it prints. It does not outlive a test that fails.
    struct Child {
        process: std::process::Child,
        stdout: BufReader<ChildStdout>,
    }

    impl Child {
        fn start(choice: &str) -> Self {
            let this = std::env::current_exe().expect("a running program has a file");
            Self::spawn(Command::new(this).env(CHOICE, choice))
        }

        /// The example, which cargo builds together with the tests.
        fn example(name: &str) -> Self {
            let this = std::env::current_exe().expect("a running program has a file");
            let profile = this.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
            let file = profile.join("examples").join(name);
            assert!(file.exists(), "{} is missing: run `cargo build --examples`", file.display());
            Self::spawn(&mut Command::new(file))
        }

        fn spawn(command: &mut Command) -> Self {
            let mut process = command.stdout(Stdio::piped()).spawn().expect("it can be run");
            let stdout = process.stdout.take().expect("it is piped");
            Self { process, stdout: BufReader::new(stdout) }
        }

        /// Waits for it to print this line.
        fn expect(&mut self, line: &str) {
            let mut printed = String::new();
            self.stdout.read_line(&mut printed).expect("it prints UTF-8");
            assert_eq!(printed.trim_end_matches('\n'), line);
        }

        #[allow(unsafe_code)]
        fn interrupt(&self) {
            let id = self.process.id().try_into().expect("a process id is a pid_t");
            // SAFETY: it only sends a signal, to a child that was not waited for yet.
            assert_eq!(unsafe { libc::kill(id, libc::SIGINT) }, 0);
        }

        /// Waits for its end; gives what is left of its output, and how it ended.
        fn end(mut self) -> (String, ExitStatus) {
            let mut rest = String::new();
            self.stdout.read_to_string(&mut rest).expect("it prints UTF-8");
            let status = self.process.wait().expect("it can be waited for");
            (rest, status)
        }
    }

    impl Drop for Child {
        fn drop(&mut self) {
            // One that has ended already cannot be killed, which is as good.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    fn the_first_cancels_main_which_cleans_up() {
        let mut child = Child::example("keyboard_interrupt");
        child.expect("working for ten seconds: press Ctrl-C");
        child.interrupt();
        let (printed, status) = child.end();
        assert_eq!(printed, "\ncleaning up\ncleaned up\n");
        assert_eq!(status.code(), Some(130), "{status}");
    }

    fn run_raises_keyboard_interrupt() {
        let mut child = Child::start("short cleanup");
        child.expect("ready");
        child.interrupt();
        let (printed, status) = child.end();
        assert_eq!(printed, "cleaning up\ncleaned up\nKeyboardInterrupt\n");
        assert!(status.success(), "{status}");
    }

    fn a_main_that_swallows_it_goes_on() {
        let mut child = Child::start("swallows");
        child.expect("ready");
        child.interrupt();
        let (printed, status) = child.end();
        assert_eq!(printed, "true\nwent on\n");
        assert!(status.success(), "{status}");
    }

    fn the_second_ends_the_process_at_once() {
        let mut child = Child::start("long cleanup");
        child.expect("ready");
        child.interrupt();
        child.expect("cleaning up");
        child.interrupt();
        assert_ended_by_interrupt(child);
    }

    fn the_second_ends_a_main_that_never_awaits() {
        let mut child = Child::start("never awaits");
        child.expect("ready");
        child.expect("counted");
        assert_ended_by_interrupt(child);
    }

    fn the_second_calls_the_handler_from_before() {
        let mut child = Child::start("with a handler");
        child.expect("ready");
        child.interrupt();
        child.expect("cleaning up");
        child.interrupt();
        let (printed, status) = child.end();
        assert_eq!((&*printed, status.code()), ("the handler from before\n", Some(7)));
    }

    fn run_restores_the_disposition() {
        let mut child = Child::start("after run");
        child.expect("ready");
        assert_ended_by_interrupt(child);
    }

    fn an_ignored_signal_stays_ignored() {
        for choice in ["ignored", "ignored but handled"] {
            let (printed, status) = Child::start(choice).end();
            assert_eq!(printed, "went on\n");
            assert!(status.success(), "{status}");
        }
    }

    fn a_run_that_does_not_want_it_leaves_it_alone() {
        let mut child = Child::start("not wanted");
        child.expect("ready");
        child.interrupt();
        assert_ended_by_interrupt(child);
    }

    fn a_run_on_another_thread_leaves_it_alone() {
        let mut child = Child::start("another thread");
        child.expect("ready");
        child.interrupt();
        assert_ended_by_interrupt(child);
    }

    fn ctrl_c_takes_the_place_of_cancelling_main() {
        let mut child = Child::start("ctrl_c");
        child.expect("ready");
        child.interrupt();
        child.expect("ctrl_c");
        child.expect("ready");
        child.interrupt();
        let (printed, status) = child.end();
        assert_eq!(printed, "cleaning up\ncleaned up\nKeyboardInterrupt\n");
        assert!(status.success(), "{status}");
    }

    fn a_handler_of_the_loop_takes_every_one() {
        let mut child = Child::start("a handler of the loop");
        child.expect("ready");
        for line in ["handled 1", "handled 2", "handled 3"] {
            child.interrupt();
            child.expect(line);
        }
        // It was removed: now they are for `run` again.
        child.expect("ready");
        child.interrupt();
        let (printed, status) = child.end();
        assert_eq!(printed, "cleaning up\ncleaned up\nKeyboardInterrupt\n");
        assert!(status.success(), "{status}");
    }

    fn a_handler_of_the_loop_outlives_run_and_not_the_loop() {
        let mut child = Child::start("outlives run");
        child.expect("handled");
        child.expect("ready");
        assert_ended_by_interrupt(child);
    }

    fn one_that_comes_when_main_has_ended_is_not_lost() {
        for choice in ["at the end", "after the end"] {
            let mut child = Child::start(choice);
            child.expect("ready");
            assert_ended_by_interrupt(child);
        }
    }

    fn a_fork_under_run_is_ended_by_the_first() {
        let (printed, status) = Child::start("forks").end();
        assert_eq!(printed, format!("the child was ended by {}\nwent on\n", libc::SIGINT));
        assert!(status.success(), "{status}");
    }

    fn a_second_one_after_the_first_fell_through_is_handled() {
        let mut child = Child::start("falls through");
        child.expect("ready");
        child.interrupt();
        let (printed, status) = child.end();
        assert_eq!(printed, "cancelled\nfell through\nSome(SIGINT)\nKeyboardInterrupt\n");
        assert!(status.success(), "{status}");
    }

    fn assert_ended_by_interrupt(child: Child) {
        let (printed, status) = child.end();
        assert_eq!(printed, "");
        assert_eq!(status.signal(), Some(libc::SIGINT), "{status}");
    }
}
