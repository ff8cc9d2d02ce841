//! Small logs as users posted them, each with a fault of reading that it once showed.

// Helpers of tests may panic like the tests themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;

use virtopsy_klog::{Kind, Lock, Log, PreemptCount, Splat, scan_log};

fn log(name: &str) -> Log {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lock_cases");
    let text = std::fs::read(folder.join(name)).unwrap();
    scan_log(&text[..]).unwrap()
}

fn one(name: &str) -> Splat {
    let mut log = log(name);
    assert_eq!(log.splats.len(), 1, "{name}: {:#?}", log.splats);
    log.splats.remove(0)
}

fn task(splat: &Splat) -> Option<(&str, i64)> {
    splat.task.as_ref().map(|t| (t.comm.as_str(), t.pid))
}

fn functions(splat: &Splat) -> Vec<&str> {
    splat.trace.iter().map(|f| f.function.as_str()).collect()
}

fn name_and_place(lock: &Option<Lock>) -> (&str, &str) {
    let lock = lock.as_ref().unwrap();
    (&lock.name, lock.at.as_deref().unwrap_or(""))
}

#[test]
fn frames_of_arm_that_are_called_from_a_module_are_frames() {
    for name in [
        "m04-arm-frame-called-from-module.log",
        "m04b-arm-new-form.log",
    ] {
        let s = one(name);
        let expected = ["show_stack", "platform_drv_probe", "driver_probe_device"];
        assert_eq!(functions(&s), expected, "{name}");
    }
    let text = "BUG: using smp_processor_id() in preemptible [00000000] code: a/1\n\
         CPU: 0 PID: 1 Comm: a Not tainted 3.14.2 #2\n\
         [<8001540c>] (f [one]) from [<7f01546c>] (g+0x10/0x14 [two])\n";
    let log = scan_log(text.as_bytes()).unwrap();
    let frame = &log.splats[0].trace[0];
    assert_eq!(
        (&*frame.function, frame.module.as_deref()),
        ("g", Some("two"))
    );
}

#[test]
fn a_frame_behind_the_mark_of_a_stack_is_a_frame() {
    let s = one("m05-frame-behind-stack-mark.log");
    let reliable: Vec<bool> = s.trace.iter().map(|f| f.reliable).collect();
    assert_eq!(
        functions(&s),
        [
            "dump_stack",
            "lockdep_rcu_suspicious",
            "native_safe_halt",
            "default_idle"
        ]
    );
    assert_eq!(reliable, [true, true, false, true]);
}

#[test]
fn a_header_before_the_trace_of_another_report_does_not_take_it() {
    let log = log("m06-second-header-steals-the-trace.log");
    let [a, b] = &log.splats[..] else {
        panic!("{:#?}", log.splats)
    };
    assert_eq!(task(a), Some(("aaa", 109_077)));
    assert_eq!(a.at.as_deref(), Some("a_thread+0xf5/0x200 [a]"));
    assert_eq!(functions(a), ["dump_stack_lvl", "a_thread"]);
    assert_eq!(task(b), Some(("bbb", 109_076)));
    assert_eq!(b.at.as_deref(), Some("b_try_get+0x1b/0xb0 [b]"));
    assert!(b.trace.is_empty() && b.cut);
}

#[test]
fn a_header_behind_the_text_of_another_cpu_begins_a_report() {
    let s = one("m07-header-behind-another-text.log");
    assert_eq!(s.kind, Kind::BadUnlockBalance);
    assert_eq!(task(&s), Some(("daemon", 1094)));
    assert_eq!(name_and_place(&s.lock).0, "gate_mutex");
    assert_eq!(s.at.as_deref(), Some("mutex_unlock+0x18/0x1c"));
    let quoted = "[    1.000000] see also [ INFO: possible recursive locking detected ]\n\
         [    2.000000] eth0: link up\n";
    assert!(scan_log(quoted.as_bytes()).unwrap().splats.is_empty());
}

#[test]
fn a_lock_that_is_due_may_come_in_pieces() {
    for name in [
        "m08-lock-in-fragments-with-caller-ids.log",
        "m08b-fragments-alone.log",
    ] {
        let s = one(name);
        assert_eq!(
            name_and_place(&s.lock),
            ("&p->pi_lock", "try_to_wake_up+0x4c/0xd30"),
            "{name}"
        );
        assert_eq!(
            name_and_place(&s.other_lock),
            ("(console_sem).lock", "up+0x1c/0xf0"),
            "{name}"
        );
    }
}

#[test]
fn a_circular_report_without_its_end_names_the_lock_and_place_of_its_header() {
    let s = one("m09-cut-circular-names-the-wrong-function.log");
    assert!(s.cut && s.cycle.is_empty());
    assert_eq!(s.guilty.as_deref(), Some("takedown_cpu"));
    assert!(
        s.sentence.starts_with(
            "ppc64_cpu (PID 4980) takes (complete)&st->done in takedown_cpu() while it holds sparse_irq_lock"
        ),
        "{}",
        s.sentence
    );
    assert!(s.title.contains("(complete)&st->done") && s.title.contains("sparse_irq_lock"));
}

#[test]
fn lockdeps_own_functions_are_not_guilty() {
    let s = one("m10-title-names-lockdeps-own-function.log");
    assert_eq!(s.guilty.as_deref(), Some("__percpu_counter_sum"));
}

#[test]
fn a_warn_behind_its_message_on_one_line_is_a_report() {
    let s = one("m17-warn-behind-its-message.log");
    assert_eq!(s.kind, Kind::RcuVoluntarySwitch);
    assert_eq!((task(&s), s.cpu), (Some(("bash", 817)), Some(1)));
    assert_eq!(functions(&s), ["__schedule", "foo"]);
}

#[test]
fn an_address_without_0x_is_not_the_name_of_a_lock() {
    let s = one("m18-spinlock-address-as-name.log");
    assert_eq!(name_and_place(&s.lock).0, "0xc398cb2c");
    assert!(!s.title.contains("c398cb2c") && !s.signature.contains("c398cb2c"));
}

#[test]
fn the_count_of_scheduling_while_atomic_is_taken_apart() {
    let atomic = one("m19-preempt-count-lost.log").atomic.unwrap();
    assert_eq!(atomic.preempt_count, Some(0x1000_0100));
    let softirq = PreemptCount {
        softirq: 1,
        ..PreemptCount::default()
    };
    assert_eq!(atomic.contexts, Some(softirq));
}

#[test]
fn the_locks_shown_with_a_hung_task_are_kept_beside_the_reports() {
    let log = log("m20-held-locks-dump-not-shown.log");
    assert!(log.splats.is_empty());
    let held = log.attachments.iter().find(|a| !a.held.is_empty()).unwrap();
    let task = held.task.as_ref().unwrap();
    assert_eq!((&*task.comm, task.pid), ("kworker/u8:102", 403_349));
    assert_eq!(held.held[0].lock.name, "&ctx->uring_lock");
}

#[test]
fn the_debug_line_of_2_6_is_a_sleep_in_atomic_context() {
    let s = one("m22-debug-header-of-2.6.log");
    assert_eq!(s.kind, Kind::AtomicSleep);
    assert_eq!(s.location.as_deref(), Some("include/linux/rwsem.h:43"));
    let atomic = s.atomic.unwrap();
    assert_eq!((atomic.in_atomic, atomic.irqs_disabled), (Some(1), Some(0)));
}

#[test]
fn the_pid_of_a_warning_line_is_kept_without_a_name() {
    let s = one("m23-pid-of-old-WARNING-line.log");
    assert_eq!((task(&s), s.cpu), (Some(("", 1)), Some(0)));
}

#[test]
fn a_lock_that_lost_its_first_column_is_the_one_that_is_due() {
    let s = one("m26-column-one-lost.log");
    assert_eq!(
        name_and_place(&s.lock),
        ("&bus->mdio_lock", "mdio_mux_read+0x38/0xa0")
    );
    assert_eq!(
        name_and_place(&s.other_lock),
        ("&bus->mdio_lock", "mdiobus_read+0x44/0x88")
    );
}
