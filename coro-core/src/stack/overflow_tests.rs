//! Overflows end the process, so each of these runs itself again in a child, and reads what it says.

use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use super::super::{DEFAULT_STACK_SIZE, take};
use super::*;

const IN_CHILD: &str = "CORO_STACK_TEST_CHILD";

/// Runs `body` in a child process; returns the signal that ended it and what it wrote to fd 2.
fn in_child(test: &str, body: fn()) -> (Option<i32>, String) {
    if std::env::var(IN_CHILD).as_deref() == Ok(test) {
        body();
        std::process::exit(0);
    }
    let module = module_path!().split_once("::").unwrap().1;
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&format!("{module}::{test}"), "--exact", "--nocapture"])
        .env(IN_CHILD, test)
        .output()
        .unwrap();
    (output.status.signal(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs `body` on a pooled stack.
fn on_stack(body: fn()) {
    let stack = take(DEFAULT_STACK_SIZE).unwrap();
    corosensei::Coroutine::<(), (), (), _>::with_stack(stack, move |_, ()| body()).resume(());
}

fn overflow() {
    fn deep(level: u64) -> u64 {
        let frame = black_box([level; 64]);
        if level == u64::MAX { 0 } else { deep(level + 1) + frame[3] }
    }
    black_box(deep(0));
}

fn write_to_null() {
    let null = ptr::without_provenance_mut::<u8>(black_box(8));
    // SAFETY: none; the fault is what the test is about, in a process of its own.
    unsafe { null.write_volatile(1) };
}

fn name(to: &mut dyn Write) {
    let _ = write!(to, "task 'Task-{}' (coroutine 'boil' defined at src/main.rs:4)", 7);
}

#[test]
fn an_overflow_names_the_task_and_aborts() {
    let (signal, said) = in_child("an_overflow_names_the_task_and_aborts", || {
        set_describe(name);
        on_stack(overflow);
    });
    assert_eq!(signal, Some(libc::SIGABRT), "{said}");
    let line = "coro: task 'Task-7' (coroutine 'boil' defined at src/main.rs:4) \
                overflowed its stack of 256 KiB (its guard was touched at 0x";
    assert!(said.contains(line) && said.contains("raise it with .stack_size(512 * 1024)\n"), "{said}");
}

#[test]
fn an_overflow_without_a_name_is_told_all_the_same() {
    let (signal, said) = in_child("an_overflow_without_a_name_is_told_all_the_same", || on_stack(overflow));
    assert_eq!(signal, Some(libc::SIGABRT), "{said}");
    assert!(said.contains("coro: a coroutine overflowed its stack of 256 KiB"), "{said}");
}

#[test]
fn a_fault_while_telling_the_name_does_not_hide_the_overflow() {
    let (signal, said) = in_child("a_fault_while_telling_the_name_does_not_hide_the_overflow", || {
        set_describe(|to| {
            let _ = to.write_str("half a name");
            write_to_null();
        });
        on_stack(overflow);
    });
    assert_eq!(signal, Some(libc::SIGABRT), "{said}");
    assert!(said.contains("coro: a coroutine overflowed its stack of 256 KiB"), "{said}");
}

#[test]
fn a_name_that_is_too_long_leaves_room_for_the_advice() {
    let (signal, said) = in_child("a_name_that_is_too_long_leaves_room_for_the_advice", || {
        set_describe(|to| (0..2_000).for_each(|_| to.write_str("x").unwrap()));
        on_stack(overflow);
    });
    assert_eq!(signal, Some(libc::SIGABRT), "{said}");
    assert!(said.contains("xx overflowed its stack of 256 KiB"), "{said}");
    assert!(said.contains("raise it with .stack_size(512 * 1024)\n"), "{said}");
}

#[test]
fn any_other_fault_ends_as_it_would_without_us() {
    let (signal, said) = in_child("any_other_fault_ends_as_it_would_without_us", || on_stack(write_to_null));
    // A sanitizer has a handler of its own, which then is the one before ours.
    assert!(signal == Some(libc::SIGSEGV) || said.contains("Sanitizer"), "{signal:?} {said}");
    assert!(!said.contains("coro:"), "{said}");
}

#[test]
fn an_overflow_of_the_threads_own_stack_is_the_standard_librarys_to_tell() {
    let (signal, said) =
        in_child("an_overflow_of_the_threads_own_stack_is_the_standard_librarys_to_tell", || {
            on_stack(|| ());
            overflow();
        });
    let by_std = signal == Some(libc::SIGABRT) && said.contains("has overflowed its stack");
    assert!((by_std || said.contains("Sanitizer")) && !said.contains("coro:"), "{signal:?} {said}");
}

#[test]
fn a_handler_that_was_there_before_still_gets_its_faults() {
    extern "C" fn before(signal: libc::c_int) {
        let said = if signal == libc::SIGSEGV { "seen before\n" } else { "which?\n" };
        // SAFETY: both calls may be made in a signal handler, and `said` is a valid slice.
        unsafe {
            libc::write(2, said.as_ptr().cast(), said.len());
            libc::_exit(0);
        }
    }
    let (signal, said) = in_child("a_handler_that_was_there_before_still_gets_its_faults", || {
        // SAFETY: the handler makes safe calls only.
        unsafe { libc::signal(libc::SIGSEGV, before as *const () as usize) };
        on_stack(|| ());
        write_to_null();
    });
    assert_eq!((signal, said.contains("seen before")), (None, true), "{said}");
}

#[test]
fn an_entry_of_an_unmapped_slab_is_forgotten_and_used_again() {
    let at = |start| Slots { start, len: 0x4_0000, stride: 0x1_0000, guard: 0x4000, size: 0xc000 };
    // Addresses that no mapping of a test process has.
    let first = publish(at(0x10_0000));
    assert!(guard_at(0x10_0000).is_some() && guard_at(0x13_3fff).is_some());
    assert!(guard_at(0x10_4000).is_none() && guard_at(0x14_0000).is_none() && guard_at(0xf_ffff).is_none());
    drop(first);
    assert!(guard_at(0x10_0000).is_none());
    let second = publish(at(0x20_0000));
    assert!(guard_at(0x20_0000).is_some() && guard_at(0x10_0000).is_none());
    drop(second);
}
