//! Parity with asyncio: ports of small asyncio programs, each compared line by line with what CPython printed.
//!
//! Beside each `NAME.rs` lies `NAME.trace`, the output of the Python program under a virtual clock: CPython 3.13 is
//! the specification. A port has the structure of the Python program. [`harness`] runs it and compares; its tables
//! hold everything in which the two may differ. What interrupts needs the main thread of a process and is run by
//! `tests/parity_interrupt.rs`.

mod harness;

/// One module and one test for each scenario, and the list of all.
macro_rules! scenarios {
    ($($name:ident)*) => {
        $(
            mod $name;

            #[test]
            fn $name() {
                harness::check(stringify!($name), include_str!(concat!(stringify!($name), ".trace")), $name::scenario);
            }
        )*

        const PORTED: &[&str] = &[$(stringify!($name)),*];

        /// The traces and the ports, in the order of `PORTED`.
        const SCENARIOS: &[(&str, fn() -> coro_core::Result<()>)] =
            &[$((include_str!(concat!(stringify!($name), ".trace")), $name::scenario)),*];
    };
}

scenarios! {
    s01_coroutine_type
    s02_await_plain
    s03_hello_world
    s04_fetch_page_local
    s05_read_file
    s06_gather_three
    s07_create_task
    s08_execution_order
    s09_web_scraper_local
    s10_debug_logging
    s11_homework_average
    s12_coffee_and_pastry
    s13_my_function
    s14_isawaitable
    s15_custom_awaitable
    s16_two_tasks_gather
    s17_future_of_a_task
    s18_future_states
    s19_future_cancelled
    s20_future_methods
    s21_task_repr_states
    s22_nested_loop_refused
    s23_start_of_main
    s24_main_never_awaited
    s25_await_fetch_data
    s26_two_coroutines_in_turn
    s27_three_tasks
    s28_gather_results
    s29_task_group
    s30_lock_resource
    s31_semaphore_two
    s32_event_set
    s33_hello_world_and_object
    s34_send_by_hand
    s35_egg_boiler_in_turn
    s36_egg_boiler_gather
    s37_asynccontextmanager
    s38_connection_class
    s39_async_generator
    s40_async_comprehension
    s41_reflection
    s42_three_ways_to_run
    s43_send_and_throw
    s44_task_cancel
    s45_bare_yield_awaitable
    s46_task_object
    s47_done_callback
    s48_get_running_loop
    s49_task_is_future
    s50_count_three
    s51_calling_is_not_running
    s52_say_after
    s53_blocking_and_async_sleep
    s54_await_keyword
    s55_await_rules
    s56_async_generator_one
    s57_nested_coroutine
    s58_nested_task
    s59_generator_based
    s60_run_once
    s61_run_inside_loop
    s62_runner
    s63_runner_methods
    s64_gather_call_api
    s65_gather_rules
    s67_future_awaited_by_many
    s68_task_group_both
    s69_task_group_rules
    s001_gen_send_just_started
    s003_gen_throw_before_start
    s005_gen_ignores_close
    s007_gen_yield_from_throw
    s009_gen_yield_from_iterator
    s011_gen_reentrancy
    s013_gen_states
    s015_gen_exception_context
    s021_coro_close
    s023_coro_throw
    s027_task_awaits_itself
    s029_deep_await
    s041_call_soon_in_callback
    s043_timer_order
    s045_thousand_tasks
    s047_future_wakes_waiters
    s049_rounds_to_finish
    s051_lazy_start
    s061_cancel_during_await
    s063_cancelling_counter
    s065_cancel_message
    s067_cancel_inner_task
    s069_cancel_inner_swallows
    s071_shield_inner_ends
    s073_cancel_gather_child
    s075_cancel_next_lock_holder
    s077_cancel_condition_wait
    s079_cancel_self
    s081_cancel_after_wakeup
    s083_cancel_turns_into_error
    s085_cancel_wait_caller
    s087_cancel_put_waiter
    s089_cancel_reacquiring_condition
    s091_timeout_nested
    s093_timeout_reschedule
    s095_timeout_body_swallows
    s097_timeout_own_error
    s099_wait_for_waits_for_cleanup
    s101_wait_for_cancelled
    s103_timeout_loop
    s105_timeout_and_shield
    s107_shield_inner_fails_alone
    s111_group_error_order
    s113_group_body_error
    s115_group_cancel_outside
    s117_group_child_creates_child
    s119_group_child_cancelled
    s121_group_child_swallows
    s123_group_except_star
    s131_gather_duplicates
    s133_gather_return_exceptions
    s135_gather_done_states
    s141_wait_first_exception
    s143_wait_wrong_arguments
    s145_wait_two_waiters
    s151_as_completed_errors
    s153_as_completed_late_reader
    s161_future_callbacks_on_cancel
    s163_task_destroyed_pending
    s165_future_repr
    s167_callback_removal_too_late
    s169_ensure_future_kinds
    s171_lock_errors
    s173_event_set_then_clear
    s175_condition_wait_for
    s177_semaphore_counts
    s179_semaphore_release_many
    s181_barrier_abort
    s183_event_cancelled_waiter
    s191_lifo_queue
    s193_queue_maxsize
    s195_queue_getters_fifo
    s197_queue_get_timeout
    s201_agen_athrow
    s203_agen_left_by_break
    s205_agen_reentrancy
    s207_agen_stop_async_iteration
    s209_agen_cancel_outside
    s211_agen_pipeline
    s213_async_for_forms
    s221_acm_enter_fails
    s223_asynccontextmanager_decorator
    s225_exit_stack_pop_all
    s227_acm_several
    s231_context_callbacks
    s233_context_to_thread
    s241_runner_errors
    s243_loop_closed
    s247_run_main_cancelled
    s251_call_at_past
    s253_executor_exception
    s255_add_reader_writer
    s257_handler_that_raises
    s259_run_until_complete_stopped
    s261_debug_wrong_thread
    s263_base_exception_in_task
    s265_executor_cancel
    s271_reader_line_limit
    s273_reader_readuntil
    s275_reader_exception
    s281_drain_slow_reader
    s283_server_close
    s285_peer_resets
    s287_protocol_callbacks
    s289_pause_reading
    s291_unix_server
    s293_connect_refused
    s295_large_transfer
    s301_subprocess_signals
    s303_subprocess_dialogue
    s321_retry_backoff
    s323_readers_writer_lock
    s325_random_cancels
    s327_happy_eyeballs
    s329_debug_slow_task
    s331_philosophers
    s333_coroutine_trampoline
    s401_eager_done_at_creation
    s403_eager_suspends
    s405_eager_current_task
    s407_eager_gather_and_group
    s411_queue_shutdown
    s413_queue_shutdown_waiters
    s421_as_completed_async_for
    s431_wait_for_same_round
    s433_wait_for_same_task
    s441_condition_notify_passed_on
    s451_group_cancel_and_error_same_round
    s453_group_refuses_task
    s461_uncancel_in_time
    s463_timeout_error_in_context
    s471_server_close_clients
    s481_generator_close_value
    s491_run_with_loop_factory
    s493_task_get_coro_and_context
    s901_wait_for_zero_rounds
    s903_rounds_after_main
    s905_timeout_repr
    s907_gather_cancel_message
    s909_many_callbacks_repr
    s911_queue_wakeup_and_cancel
    s913_condition_corners
    s915_barrier_corners
    s917_as_completed_limits
    s919_eager_corners
    s921_gather_evaluates_first
    s923_exit_leaves_the_loop
    s925_exit_in_groups
    s927_exit_at_shutdown
    s929_cancel_counts_nested
    s931_cancel_in_wake_round
    s933_shield_corners
    s935_join_and_shutdown
    s937_notify_and_cancel
    s939_exact_rounds
    s941_groups_split
    s943_contexts_of_tasks
    s945_runner_corners
    s947_timers_and_handles
    s949_done_callbacks
    s951_never_retrieved
    s953_futures_of_other_loops
    s957_agen_states
    s959_exit_stack_errors
    s955_exception_handler
    s961_eager_groups_and_limits
    s963_wait_corners
    s965_task_corners
    s967_locks_and_cancels
    s969_wait_for_corners
    s971_threadsafe_calls
    s981_subprocess_communicate
    s983_subprocess_returncode
    s985_subprocess_stream_ends
    s987_subprocess_protocol
    s989_subprocess_errors
    s991_subprocess_limit
    s1001_protocol_rounds
    s1003_write_after_end
    s1005_readuntil_variants
    s1007_reader_waiters
    s1009_flow_of_protocols
    s1011_drain_corners
    s1013_half_close
    s1015_server_corners
    s1017_failing_callbacks
    s1019_client_callbacks
    s1021_datagram_endpoint
    s1023_connect_errors
    s1025_large_writes
    s1027_pipes
    s1029_task_stack
    s1031_gen_delegate_to_started
    s1033_agen_thrown_and_closed
    s1041_where_reading_goes_on
    s1040_stop_iteration
}

/// As a loop on the real clock does, which looks at the clock and the poller every 16 rounds only.
#[test]
fn every_scenario_prints_the_same_on_loops_that_seldom_look_at_the_clock() {
    for (name, (trace, scenario)) in PORTED.iter().zip(SCENARIOS) {
        harness::check_sampled(16, name, trace, *scenario);
    }
}

/// Run by `tests/parity_interrupt.rs`.
const ON_MAIN_THREAD: [&str; 3] =
    ["s245_sigint_cleans_others", "s311_sigint_handler_replaces", "s66_keyboard_interrupt"];

#[test]
fn every_trace_is_compared_or_listed_as_not_ported() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity");
    let mut traces: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder of the traces")
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".trace").map(str::to_owned))
        .collect();
    traces.sort();
    let not_ported = harness::NOT_PORTED.iter().map(|(name, _)| *name);
    let mut known: Vec<&str> = PORTED.iter().copied().chain(not_ported).chain(ON_MAIN_THREAD).collect();
    known.sort_unstable();
    assert_eq!(traces, known);
}

#[test]
fn what_was_not_taken_over_is_not_here() {
    for name in harness::NOT_TAKEN_OVER.iter().flat_map(|(_, names)| *names) {
        let trace = format!("{}/tests/parity/{name}.trace", env!("CARGO_MANIFEST_DIR"));
        assert!(!std::path::Path::new(&trace).exists(), "{name} is ported or waits in NOT_PORTED");
    }
}

#[test]
fn the_table_of_differences_names_only_ports() {
    for name in harness::scenarios_with_differences() {
        assert!(PORTED.contains(&name), "there is no port {name}");
    }
}

#[test]
fn a_line_that_differs_is_missing_or_is_too_many_is_noticed() {
    let compare = |recorded: &str, printed: &[&str]| {
        let printed: Vec<String> = printed.iter().map(|line| (*line).to_owned()).collect();
        harness::compare("none", recorded, &printed).is_ok()
    };
    assert!(compare("[t=0.000] a\n[t=1.000] b\n", &["[t=0.000] a", "[t=1.000] b"]));
    assert!(!compare("[t=0.000] a\n[t=1.000] b\n", &["[t=1.000] b", "[t=0.000] a"]));
    assert!(!compare("[t=0.000] a\n", &["[t=0.001] a"]));
    assert!(!compare("[t=0.000] a\n[t=1.000] b\n", &["[t=0.000] a"]));
    assert!(!compare("[t=0.000] a\n", &["[t=0.000] a", "[t=0.000] a"]));
    assert!(!compare("[t=0.000] True\n", &["[t=0.000] false"]));
}

#[test]
fn values_are_compared_in_pythons_spelling() {
    let same =
        |recorded: &str, printed: &str| harness::compare("none", recorded, &[printed.to_owned()]).is_ok();
    assert!(same("['a', None] True", "[\"a\", ()] true"));
    assert!(same("<coroutine object main at 0xADDR>", "<coroutine object main at 0x7f0012345678>"));
    assert!(same("f() running at FILE:LINE>", "f() running at tests/parity/main.rs:12:5>"));
    assert!(!same("f()", "fNone"));
    assert!(!same("untrue", "unTrue"));
}

#[test]
fn an_entry_of_the_table_that_matches_no_line_is_noticed() {
    let report = harness::compare("s54_await_keyword", "[t=0.000] something else\n", &[]).unwrap_err();
    assert!(report.contains("the table is wrong"), "{report}");
}
