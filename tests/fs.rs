//! Files: what std's do, without blocking the loop; nothing that was read or written is lost when a task is cancelled.

mod common;

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};

use common::{event_loop, next_round, reported, run, run_ordered};
use coro_core::fs::{self, File};
use coro_core::prelude::*;
use coro_core::{Cancelled, RuntimeError};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

type Job = Box<dyn FnOnce() + Send>;

/// Holds every job of the running loop back until it is told to let one go.
struct Gate {
    held: Rc<RefCell<Vec<Job>>>,
    worker: Sender<Job>,
}

impl Gate {
    fn close() -> Result<Self> {
        let (worker, jobs) = channel::<Job>();
        std::thread::spawn(move || jobs.into_iter().for_each(|job| job()));
        let held = Rc::new(RefCell::new(Vec::new()));
        let jobs = held.clone();
        get_running_loop()?.set_default_executor(move |job| jobs.borrow_mut().push(job));
        Ok(Self { held, worker })
    }

    fn waiting(&self) -> usize {
        self.held.borrow().len()
    }

    /// Goes through the rounds until a job waits.
    fn wait(&self) -> Result<()> {
        for _ in 0..100 {
            if self.waiting() > 0 {
                return Ok(());
            }
            next_round()?;
        }
        panic!("no job came");
    }

    /// Runs the first job that waits.
    fn let_go(&self) {
        let job = self.held.borrow_mut().remove(0);
        self.worker.send(job).unwrap();
    }

    /// Lets all jobs pass from now on.
    fn open(self) -> Result<()> {
        while self.waiting() > 0 {
            self.let_go();
        }
        let worker = self.worker;
        get_running_loop()?.set_default_executor(move |job| worker.send(job).unwrap());
        Ok(())
    }
}

#[test]
fn a_big_file_comes_back_as_it_was_written() {
    let folder = folder();
    let path = folder.path().join("big");
    let data: Vec<u8> = (0..5_000_003_u32).map(|n| (n % 251) as u8).collect();
    run(|| {
        let mut file = File::create_new(&path)?;
        file.write_all(&data)?;
        assert_eq!(file.metadata()?.len(), data.len() as u64);
        file.rewind()?;
        let mut all = Vec::new();
        assert_eq!(file.read_to_end(&mut all)?, data.len());
        assert!(all == data);
        assert_eq!(fs::read(&path)?, data);
        // In pieces that fit nothing.
        file.rewind()?;
        let mut pieces = Vec::new();
        let mut piece = vec![0; 300_001];
        loop {
            match file.read(&mut piece)? {
                0 => break,
                count => pieces.extend_from_slice(&piece[..count]),
            }
        }
        assert!(pieces == data);
        Ok(())
    })
    .unwrap();
}

#[test]
fn reading_writing_and_seeking_are_those_of_std() {
    let folder = folder();
    let path = folder.path().join("file");
    run(|| {
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        assert_eq!(file.write(b"")?, 0);
        let parts = [IoSlice::new(b"six "), IoSlice::new(b""), IoSlice::new(b"brown eggs\n")];
        assert_eq!(file.write_vectored(&parts)?, 15);
        write!(file, "{} and {}", 1, 2)?;
        assert_eq!(file.stream_position()?, 22);
        assert_eq!(file.seek(SeekFrom::Start(4))?, 4);
        let (mut one, mut two) = ([0; 5], [0; 3]);
        let count = file.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)])?;
        assert_eq!((count, &one, &two), (8, b"brown", b" eg"));
        assert_eq!(file.read(&mut [])?, 0);
        assert_eq!(file.seek(SeekFrom::Current(-3))?, 9);
        assert_eq!(file.seek(SeekFrom::End(-7))?, 15);
        let mut rest = String::from("rest: ");
        assert_eq!(file.read_to_string(&mut rest)?, 7);
        assert_eq!(rest, "rest: 1 and 2");
        assert_eq!(file.seek(SeekFrom::Current(-1_000)).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(file.seek(SeekFrom::Current(i64::MIN)).unwrap_err().kind(), ErrorKind::InvalidInput);
        file.set_len(3)?;
        assert_eq!(fs::read_to_string(&path)?, "six");
        file.sync_data()?;
        file.sync_all()?;
        file.flush()?;
        let lines: Vec<String> = BufReader::new(File::open(&path)?).lines().collect::<Result<_, _>>()?;
        assert_eq!(lines, ["six"]);
        // What another floor of the std library reads through it.
        assert_eq!(io::read_to_string(File::open(&path)?)?, "six");
        Ok(())
    })
    .unwrap();
}

#[cfg(unix)]
#[test]
fn reads_and_writes_at_an_offset_leave_the_place_alone() {
    let folder = folder();
    let path = folder.path().join("file");
    run(|| {
        let mut file = File::create_new(&path)?;
        file.write_all(b"six eggs")?;
        file.seek(SeekFrom::Start(1))?;
        assert_eq!(file.write_at(b"EG", 4)?, 2);
        let mut word = [0; 100];
        assert_eq!(file.read_at(&mut word, 3)?, 5);
        assert_eq!(&word[..5], b" EGgs");
        assert_eq!(file.read_at(&mut word, 100)?, 0);
        assert_eq!(io::read_to_string(&file)?, "ix EGgs");
        Ok(())
    })
    .unwrap();
}

#[test]
fn errors_have_the_kind_of_std_the_path_and_the_number_of_the_system() {
    let folder = folder();
    let missing = folder.path().join("missing");
    run(|| {
        let std = std::fs::read(&missing).unwrap_err();
        let failures: Vec<io::Error> = vec![
            fs::read(&missing).unwrap_err(),
            fs::read_to_string(&missing).unwrap_err(),
            File::open(&missing).unwrap_err(),
            fs::metadata(&missing).unwrap_err(),
            fs::symlink_metadata(&missing).unwrap_err(),
            fs::canonicalize(&missing).unwrap_err(),
            fs::remove_file(&missing).unwrap_err(),
            fs::remove_dir(&missing).unwrap_err(),
            fs::remove_dir_all(&missing).unwrap_err(),
            fs::read_link(&missing).unwrap_err(),
            fs::read_dir(&missing).unwrap_err(),
            fs::create_dir(missing.join("below")).unwrap_err(),
            fs::copy(&missing, folder.path().join("to")).unwrap_err(),
            fs::rename(&missing, folder.path().join("to")).unwrap_err(),
            fs::hard_link(&missing, folder.path().join("to")).unwrap_err(),
        ];
        for error in failures {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            let text = error.to_string();
            assert!(
                text.starts_with(missing.to_str().unwrap()) && text.ends_with(&std.to_string()),
                "{text}"
            );
            let error = Error::new(error);
            let source = std::error::Error::source(&*error).unwrap().downcast_ref::<io::Error>().unwrap();
            assert_eq!(source.raw_os_error(), std.raw_os_error());
        }
        let renaming = fs::rename(&missing, "elsewhere").unwrap_err().to_string();
        assert!(renaming.contains(" -> elsewhere: "), "{renaming}");
        fs::write(&missing, [0xff])?;
        assert_eq!(fs::read_to_string(&missing).unwrap_err().kind(), ErrorKind::InvalidData);
        let mut file = File::open(&missing)?;
        assert_eq!(file.read_to_string(&mut String::new()).unwrap_err().kind(), ErrorKind::InvalidData);
        assert!(file.write(b"x").is_err(), "it is open to be read");
        Ok(())
    })
    .unwrap();
}

#[test]
fn off_any_loop_the_calls_are_made_in_place() {
    let folder = folder();
    let path = folder.path().join("file");
    fs::write(&path, "six eggs").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "six eggs");
    let mut file = File::open(&path).unwrap();
    file.read_exact(&mut [0; 4]).unwrap();
    // A generator without a loop, too; and the file goes on to another thread, and into a task.
    let mut generator = coro_core::generator(move |y: &coro_core::Yielder<u8>| {
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        y.yield_(byte[0])?;
        Ok(file)
    });
    assert_eq!(generator.next().unwrap().unwrap(), b'e');
    let coro_core::GeneratorState::Returned(mut file) = generator.send(()).unwrap() else { unreachable!() };
    std::thread::scope(|scope| {
        scope.spawn(|| (&file).read_exact(&mut [0]).unwrap());
    });
    run(|| {
        let mut rest = String::new();
        file.read_to_string(&mut rest)?;
        assert_eq!(rest, "gs");
        Ok(())
    })
    .unwrap();
    let entries: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(entries.len(), 1);
}

#[test]
fn where_nothing_can_suspend_there_is_an_error_and_nothing_happens() {
    let folder = folder();
    let path = folder.path().join("file");
    run(|| {
        let file = Rc::new(File::create(&path)?);
        let refused = move |path: &Path, place: &str| {
            let errors = [
                fs::write(path.with_extension("new"), "x").unwrap_err(),
                (&*file).write(b"x").unwrap_err(),
                (&*file).read(&mut [0]).unwrap_err(),
                (&*file).flush().unwrap_err(),
                file.metadata().unwrap_err(),
            ];
            for error in errors {
                let error = Error::new(error);
                assert!(error.is::<RuntimeError>(), "{error:?}");
                assert_eq!(error.to_string(), format!("cannot await {place}"));
            }
        };
        let (done, calls) = (coro_core::Future::new(), (path.clone(), refused.clone()));
        let seen = done.clone();
        get_running_loop()?.call_soon(move || {
            calls.1(&calls.0, "in a callback: only tasks can wait");
            seen.set_result(()).unwrap();
        });
        done.co_await()?;
        let calls = (path.clone(), refused.clone());
        create_task(async move { calls.1(&calls.0, "in the poll of a task made from a std future") })
            .co_await()?;
        coro_core::no_suspend(|| refused(&path, "inside no_suspend()"));
        assert_eq!(fs::metadata(&path)?.len(), 0);
        assert!(!fs::exists(path.with_extension("new"))?);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_coroutine_driven_by_hand_hands_the_wait_to_its_driver() {
    let folder = folder();
    let path = folder.path().join("file");
    run(|| {
        let by_hand = path.clone();
        let mut writing = coroutine(move || Ok(fs::write(by_hand, "six")?));
        let mut step = writing.send(None)?;
        while let coro_core::Step::Suspended(awaited) = step {
            coro_core::suspend(awaited)?;
            step = writing.send(None)?;
        }
        assert_eq!(fs::read_to_string(&path)?, "six");
        Ok(())
    })
    .unwrap();
}

#[test]
fn other_tasks_run_while_a_thread_reads() {
    let folder = folder();
    let path = folder.path().join("file");
    std::fs::write(&path, "six").unwrap();
    run_ordered(|| {
        let gate = Gate::close()?;
        let reading = create_task(coroutine(move || Ok(fs::read_to_string(path)?)));
        gate.wait()?;
        assert!(!reading.done());
        gate.open()?;
        assert_eq!(reading.co_await()?, "six");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_job_holds_the_virtual_clock() {
    let folder = folder();
    run(|| {
        let timer = create_task(sleep(secs(3600)));
        for round in 0..20 {
            let path = folder.path().join(round.to_string());
            fs::write(&path, "six")?;
            assert_eq!(fs::read(&path)?, b"six");
        }
        assert!(!timer.done());
        assert_eq!(get_running_loop()?.time(), Duration::ZERO);
        timer.cancel();
        Ok(())
    })
    .unwrap();
}

/// Cancels a task that does `operation` on `file`, in each state: while it waits for its turn; while the thread has
/// not begun; when the thread is done and the task does not know yet. What the task raised.
fn cancel_at(
    state: u32,
    file: &Rc<File>,
    operation: impl FnOnce(&File) -> io::Result<()> + 'static,
) -> Result<Error> {
    let gate = Gate::close()?;
    let blocker = (state == 0).then(|| {
        let file = file.clone();
        create_task(coroutine(move || Ok(file.metadata().map(drop)?)))
    });
    if state == 0 {
        gate.wait()?;
    }
    let victim = create_task(coroutine({
        let file = file.clone();
        move || Ok(operation(&file)?)
    }));
    if state > 0 {
        gate.wait()?;
    }
    match state {
        0 => (0..3).try_for_each(|_| next_round())?,
        1 => {}
        _ => {
            gate.let_go();
            // The thread takes jobs in order: behind this one, the operation is done.
            let (said, heard) = channel();
            gate.worker.send(Box::new(move || said.send(()).unwrap())).unwrap();
            heard.recv().unwrap();
        }
    }
    victim.cancel();
    let error = victim.co_await().unwrap_err();
    gate.open()?;
    if let Some(blocker) = blocker {
        blocker.co_await()?;
    }
    Ok(error)
}

#[test]
fn a_cancelled_read_loses_nothing() {
    let folder = folder();
    let path = folder.path().join("file");
    std::fs::write(&path, "0123456789").unwrap();
    for state in 0..3 {
        run_ordered(|| {
            let file = Rc::new(File::options().read(true).write(true).open(&path)?);
            (&*file).read_exact(&mut [0; 2])?;
            let error = cancel_at(state, &file, |mut file| {
                let mut bytes = [0; 6];
                file.read(&mut bytes).map(drop)
            })?;
            assert!(error.is::<Cancelled>(), "{error:?}");
            assert_eq!((&*file).stream_position()?, 2, "a seek knows of it, {state}");
            let error = cancel_at(state, &file, |mut file| file.read_to_end(&mut Vec::new()).map(drop))?;
            assert!(error.is_cancelled());
            let mut some = [0; 3];
            (&*file).read_exact(&mut some)?;
            assert_eq!(&some, b"234");
            let mut rest = String::from("rest ");
            (&*file).read_to_string(&mut rest)?;
            assert_eq!(rest, "rest 56789");
            // A write goes where the reader is, not where the thread had come to.
            (&*file).seek(SeekFrom::Start(3))?;
            cancel_at(state, &file, |mut file| file.read(&mut [0; 4]).map(drop))?;
            (&*file).write_all(b"X")?;
            assert_eq!(fs::read_to_string(&path)?, "012X456789");
            (&*file).seek(SeekFrom::Start(3))?;
            (&*file).write_all(b"3")?;
            // So does who gets the file of std.
            cancel_at(state, &file, |mut file| file.read(&mut [0; 4]).map(drop))?;
            let mut file = Rc::into_inner(file).unwrap().into_std()?;
            assert_eq!(io::read_to_string(&mut file)?, "456789");
            Ok(())
        })
        .unwrap_or_else(|error| panic!("state {state}: {error:?}"));
    }
}

#[test]
fn a_cancelled_write_goes_on_to_its_end_once_it_has_begun() {
    let folder = folder();
    for state in 0..3 {
        let path = folder.path().join(state.to_string());
        run_ordered(|| {
            let file = Rc::new(File::create(&path)?);
            let error = cancel_at(state, &file, |mut file| file.write(&[b'x'; 100_000]).map(drop))?;
            assert!(error.is_cancelled());
            (&*file).write_all(b"end")?;
            let begun = if state == 0 { 0 } else { 100_000 };
            assert_eq!(fs::metadata(&path)?.len(), begun + 3);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("state {state}: {error:?}"));
    }
}

#[test]
fn the_error_of_a_cancelled_write_is_raised_by_the_next_operation() {
    let folder = folder();
    let path = folder.path().join("file");
    std::fs::write(&path, "six").unwrap();
    run_ordered(|| {
        let file = Rc::new(File::open(&path)?); // cannot be written
        assert!(cancel_at(1, &file, |mut file| file.write(b"x").map(drop))?.is_cancelled());
        let error = (&*file).flush().unwrap_err();
        assert_eq!(error.raw_os_error(), (&*file).write(b"x").unwrap_err().raw_os_error());
        (&*file).flush()?; // told once
        cancel_at(1, &file, |mut file| file.write(b"x").map(drop))?;
        assert!((&*file).read(&mut [0]).is_err());
        assert_eq!(io::read_to_string(&*file)?, "six");
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_error_that_nobody_is_left_to_see_is_reported() {
    let folder = folder();
    let path = folder.path().join("file");
    std::fs::write(&path, "six").unwrap();
    let (result, reports) = reported(|| {
        run_ordered(|| {
            let file = Rc::new(File::open(&path)?);
            cancel_at(2, &file, |mut file| file.write(b"x").map(drop))?;
            drop(file);
            Ok(())
        })
    });
    result.unwrap();
    assert!(reports.iter().any(|report| report.contains("write that was cancelled")), "{reports:?}");
}

#[test]
fn a_file_dropped_in_the_middle_of_a_write_is_written_and_closed() {
    let folder = folder();
    let path = folder.path().join("file");
    run_ordered(|| {
        let gate = Gate::close()?;
        let opening = create_task(coroutine({
            let path = path.clone();
            move || Ok(File::create(path)?)
        }));
        gate.wait()?;
        gate.let_go();
        let file = opening.co_await()?;
        let writing = create_task(coroutine(move || {
            let mut file = file;
            Ok(file.write_all(b"six eggs")?)
        }));
        gate.wait()?;
        writing.cancel();
        assert!(writing.co_await().unwrap_err().is_cancelled()); // and the file is gone with it
        gate.open()
    })
    .unwrap(); // waits for the job
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "six eggs");
}

#[test]
fn tasks_use_one_file_in_the_order_of_coming() {
    let folder = folder();
    let path = folder.path().join("file");
    run_ordered(|| {
        let file = File::create(&path)?;
        TaskGroup::scope(|group| {
            for number in 0..50 {
                let file = &file;
                group.create_task(coroutine(move || {
                    let mut file = file.try_clone()?;
                    writeln!(file, "{number}")?;
                    Ok(())
                }));
            }
            Ok(())
        })?;
        let lines: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        assert_eq!(fs::read_to_string(&path)?.lines().collect::<Vec<_>>(), lines);
        Ok(())
    })
    .unwrap();
}

#[test]
fn loops_and_threads_use_one_file_without_tearing_it() {
    let folder = folder();
    let path = folder.path().join("file");
    let file = File::create(&path).unwrap();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let mut file = file.try_clone().unwrap();
            scope.spawn(move || {
                let mut write = move || -> io::Result<()> {
                    (0..50).try_for_each(|_| file.write_all(format!("{number}{number}{number}\n").as_bytes()))
                };
                match number % 2 {
                    0 => write().unwrap(),
                    _ => coro_core::run(coroutine(move || Ok(write()?))).unwrap(),
                }
            });
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 200);
    assert!(text.lines().all(|line| ["000", "111", "222", "333"].contains(&line)));
}

#[test]
fn a_loop_closed_by_force_leaves_the_file_to_others() {
    let folder = folder();
    let path = folder.path().join("file");
    std::fs::write(&path, "0123456789").unwrap();
    let file = File::open(&path).unwrap();
    let (jobs, held) = channel::<Job>();
    let event_loop = event_loop();
    let task = event_loop.create_task(coroutine({
        let mut file = file.try_clone().unwrap();
        move || {
            get_running_loop()?.set_default_executor(move |job| jobs.send(job).unwrap());
            Ok(file.read(&mut [0; 4]).map(drop)?)
        }
    }));
    event_loop.run_until_complete(sleep(Duration::ZERO)).unwrap();
    event_loop.run_until_complete(sleep(Duration::ZERO)).unwrap();
    let job = held.try_recv().unwrap();
    drop(task);
    reported(|| event_loop.close().unwrap());
    drop(event_loop);
    std::thread::scope(|scope| {
        // Waits until the job that is still there has been run.
        let reading = scope.spawn(|| io::read_to_string(&file).unwrap());
        scope.spawn(job);
        assert_eq!(reading.join().unwrap(), "0123456789");
    });
    assert_eq!((&file).stream_position().unwrap(), 10);
}

#[test]
fn a_job_that_is_never_run_gives_the_file_back() {
    let folder = folder();
    let path = folder.path().join("file");
    run(|| {
        let mut file = File::create(&path)?;
        get_running_loop()?.set_default_executor(drop);
        assert!(Error::new(file.write(b"x").unwrap_err()).is::<RuntimeError>());
        get_running_loop()?.set_default_executor(|job| drop(std::thread::spawn(job)));
        file.write_all(b"y")?;
        assert_eq!(fs::read_to_string(&path)?, "y");
        get_running_loop()?.shutdown_default_executor(None).co_await()?;
        let late = Error::new(file.write(b"x").unwrap_err());
        assert_eq!(late.to_string(), "Executor shutdown has been called");
        Ok(())
    })
    .unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "y");
}

#[test]
fn a_destructor_may_write_unless_the_thread_unwinds() {
    struct Writes<'a>(&'a File, Rc<RefCell<Vec<bool>>>);
    impl Drop for Writes<'_> {
        fn drop(&mut self) {
            let written = coro_core::cleanup(|| self.0.write_all(b"bye ")).is_ok();
            self.1.borrow_mut().push(written);
        }
    }
    common::quiet_panics();
    let folder = folder();
    let path = folder.path().join("file");
    run(|| {
        let file = File::create(&path)?;
        let written = Rc::new(RefCell::new(Vec::new()));
        drop(Writes(&file, written.clone()));
        let panicking = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _writes = Writes(&file, written.clone());
            panic!("meant: to unwind");
        }));
        assert!(panicking.is_err());
        assert_eq!(*written.borrow(), [true, false]);
        assert_eq!(fs::read_to_string(&path)?, "bye ");
        Ok(())
    })
    .unwrap();
}

#[test]
fn cancelling_calls_about_paths_does_not_stop_them() {
    let folder = folder();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, "six").unwrap();
    run_ordered(|| {
        let gate = Gate::close()?;
        let renaming = create_task(coroutine({
            let (from, to) = (from.clone(), to.clone());
            move || Ok(fs::rename(from, to)?)
        }));
        gate.wait()?;
        renaming.cancel();
        let error = renaming.co_await().unwrap_err();
        assert!(error.is::<Cancelled>(), "{error:?}");
        gate.open()
    })
    .unwrap();
    assert!(to.exists() && !from.exists());
}

#[test]
fn folders_are_listed_in_batches_and_no_entry_is_lost_by_a_cancellation() {
    let folder = folder();
    for number in 0..150 {
        std::fs::write(folder.path().join(number.to_string()), "").unwrap();
    }
    std::fs::create_dir(folder.path().join("below")).unwrap();
    run_ordered(|| {
        let mut entries = fs::read_dir(folder.path())?;
        let gate = Gate::close()?;
        let entries = Rc::new(RefCell::new(&mut entries));
        TaskGroup::scope(|group| {
            let asking = entries.clone();
            let victim = group.create_task(coroutine(move || {
                asking.borrow_mut().next();
                Ok(())
            }));
            gate.wait()?;
            victim.cancel();
            next_round()?;
            next_round()?;
            gate.open()
        })?;
        let mut names = Vec::new();
        let mut folders = 0;
        while let Some(entry) = entries.borrow_mut().anext()? {
            folders += u32::from(entry.file_type()?.is_dir());
            assert_eq!(entry.metadata()?.is_dir(), entry.file_type()?.is_dir());
            names.push(entry.file_name().into_string().unwrap());
        }
        assert_eq!((names.len(), folders), (151, 1));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 151);
        assert!(entries.borrow_mut().next().is_none());
        Ok(())
    })
    .unwrap();
}

#[test]
fn folders_are_made_and_removed() {
    let folder = folder();
    let below = folder.path().join("a/b/c");
    run(|| {
        assert!(fs::create_dir(&below).is_err());
        fs::create_dir_all(&below)?;
        fs::create_dir_all(&below)?;
        assert_eq!(fs::create_dir(&below).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::remove_dir(folder.path().join("a")).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
        fs::remove_dir(&below)?;
        fs::DirBuilder::new().recursive(true).create(&below)?;
        fs::write(below.join("file"), "six")?;
        fs::remove_dir_all(folder.path().join("a"))?;
        assert!(!fs::exists(&below)?);
        Ok(())
    })
    .unwrap();
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_as_it_comes_and_keeps_what_a_cancelled_read_took() {
    let (reader, mut writer) = io::pipe().unwrap();
    let file = Rc::new(File::from_std(std::fs::File::from(std::os::fd::OwnedFd::from(reader))));
    run_ordered(|| {
        let reading = create_task(coroutine({
            let file = file.clone();
            move || Ok((&*file).read(&mut [0; 100])?)
        }));
        next_round()?;
        next_round()?;
        reading.cancel();
        assert!(reading.co_await().unwrap_err().is_cancelled());
        writer.write_all(b"six eggs")?; // the thread has it now
        let mut word = [0; 4];
        (&*file).read_exact(&mut word)?;
        assert_eq!(&word, b"six ");
        assert_eq!((&*file).seek(SeekFrom::Start(0)).unwrap_err().kind(), ErrorKind::NotSeekable);
        assert_eq!((&*file).read(&mut word)?, 4);
        assert_eq!(&word, b"eggs");
        Ok(())
    })
    .unwrap();
}

#[test]
fn files_are_send_and_sync() {
    fn send_and_sync<T: Send + Sync>() {}
    send_and_sync::<File>();
    send_and_sync::<fs::ReadDir>();
    send_and_sync::<fs::DirEntry>();
    send_and_sync::<fs::OpenOptions>();
}
