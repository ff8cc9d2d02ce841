//! Logs as they are: several CPUs at once, pieces of lines, what another report breaks off, and what
//! merely looks like a report.

// Helpers of tests may panic like the tests themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use virtopsy_klog::{Kind, Splat, scan_log, scan_text};

fn scan(log: &str) -> Vec<Splat> {
    scan_text(log.as_bytes()).unwrap()
}

fn reliable(splat: &Splat) -> Vec<&str> {
    splat
        .trace
        .iter()
        .filter(|f| f.reliable)
        .map(|f| f.function.as_str())
        .collect()
}

#[test]
fn two_cpus_without_caller_ids_are_told_apart_by_pid_and_shape() {
    let got = scan(include_str!("logs/interleaved.log"));
    assert_eq!(got.len(), 1);
    let s = &got[0];
    assert_eq!((s.kind, s.first_line), (Kind::SuspiciousRcu, 4));
    assert_eq!(
        s.task.as_ref().map(|t| (t.comm.as_str(), t.pid)),
        Some(("reader", 200))
    );
    let held: Vec<_> = s
        .held
        .iter()
        .map(|h| (h.index, h.lock.name.as_str(), h.lock.at.as_deref()))
        .collect();
    assert_eq!(
        held,
        [
            (0, "rcu_read_lock", Some("outer_lock+0x10/0x20")),
            (1, "&sk->lock", Some("inner_lock+0x10/0x20"))
        ]
    );
    assert_eq!(
        reliable(s),
        [
            "dump_stack",
            "lockdep_rcu_suspicious",
            "reader_fn",
            "entry_SYSCALL_64"
        ]
    );
    assert_eq!(
        s.message.as_deref(),
        Some("Illegal context switch in RCU read-side critical section!")
    );
}

#[test]
fn a_report_that_an_oops_of_its_task_breaks_off_keeps_what_it_has() {
    let got = scan(include_str!("logs/broken-off.log"));
    assert_eq!(got.len(), 1);
    let s = &got[0];
    assert_eq!((s.kind, s.cut), (Kind::NestedNotHeld, true));
    assert_eq!(s.lock.as_ref().map(|l| l.name.as_str()), Some("&inner"));
    assert_eq!(s.other_lock, None);
    assert_eq!(
        reliable(s),
        ["__lock_acquire", "lock_acquire", "take_inner"]
    );
}

#[test]
fn a_mail_that_quotes_and_wraps_a_report_gives_it_whole() {
    let got = scan(include_str!("logs/quoted.mail"));
    assert_eq!(got.len(), 1);
    let s = &got[0];
    assert_eq!(
        (s.kind, s.task.as_ref().map(|t| t.pid)),
        (Kind::SuspiciousRcu, Some(4711))
    );
    assert_eq!(s.location.as_deref(), Some("drivers/a.c:52"));
    assert_eq!(s.held.len(), 1);
    assert_eq!(
        (s.held[0].lock.name.as_str(), s.held[0].lock.at.as_deref()),
        ("sb_writers#3", Some("ksys_write+0x5b/0xd0"))
    );
    assert_eq!(
        reliable(s),
        [
            "dump_stack_lvl",
            "lockdep_rcu_suspicious",
            "reader_fn",
            "ksys_write"
        ]
    );
}

#[test]
fn what_only_looks_like_a_report_is_none() {
    let got = scan(include_str!("logs/decoys.log"));
    assert!(
        got.is_empty(),
        "{:?}",
        got.iter()
            .map(|s| (s.kind, s.first_line))
            .collect::<Vec<_>>()
    );
}

#[test]
fn attachments_stand_beside_and_are_not_counted() {
    let log = scan_log(include_str!("logs/decoys.log").as_bytes()).unwrap();
    let kinds: Vec<&str> = log.attachments.iter().map(|a| a.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "lockdep-off",
            "held-locks-dump",
            "held-locks",
            "held-locks",
            "hung-owner",
            "exited-atomic",
            "taint"
        ]
    );
    assert_eq!(log.attachments[2].held.len(), 1);
    assert_eq!(
        (
            log.attachments[3].held_declared,
            log.attachments[3].held.len()
        ),
        (Some(2), 2)
    );
}

#[test]
fn console_noise_before_the_prefix_and_inside_a_line_does_not_hide_a_report() {
    let log = "\
login: [   35.184476] BUG: using __this_cpu_read() in preemptible [00000000] code: a/3344
[   35.193222] caller is __this_cpu_preempt_check+0x1c/0x20
[   35.198727] CPU: 1 PID: 3344 Comm: a Not tainted 4.9.68 #107
[   35.215825]  ffff8801c8e476d8[   35.215900] binder: already set
[   35.223786]  ffffffff83f42ec0 ffff8801c7643000
[   35.239734] Call Trace:
[   35.242294]  [<ffffffff81d90889>] dump_stack+0xc1/0x128
executing program
[   35.247625]  [<ffffffff81df7854>] guilty_fn+0x1d4/0x200
";
    let got = scan(log);
    assert_eq!((got.len(), got[0].first_line, got[0].last_line), (1, 1, 9));
    assert_eq!(
        (reliable(&got[0]), got[0].timestamp),
        (vec!["dump_stack", "guilty_fn"], Some(35.184476))
    );
}

#[test]
fn frames_behind_an_overprinted_call_trace_line_are_kept_apart() {
    let log = "\
[   45.8] x
[   45.818290] BUG: using __this_cpu_read() in preemptible [00000000] code: a/6729
[   45.826891] caller is __this_cpu_preempt_check+0x1c/0x20
[   45.832355] CPU: 0 PID: 6729 Comm: a Not tainted 4.9.68 #107
[   45.876416]  dffffc0000000000Call Trace:
[   45.880614]  [<ffffffff81d90889>] dump_stack+0xc1/0x128
[   45.885972]  [<ffffffff81df7854>] guilty_fn+0x1d4/0x200
";
    let got = scan(log);
    assert_eq!(
        (got[0].trace.len(), got[0].loose_trace.len(), got[0].cut),
        (0, 2, true)
    );
    assert_eq!(got[0].guilty.as_deref(), Some("guilty_fn"));
}

#[test]
fn an_empty_log_and_one_without_newline_are_read() {
    assert!(scan("").is_empty());
    assert_eq!(scan("WARNING: held lock freed!").len(), 1);
}

#[test]
fn the_signature_does_not_change_with_addresses_offsets_and_instances() {
    let one = "\
BUG: sleeping function called from invalid context at mm/slab.h:420
in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 7, name: a
1 lock held by a/7:
 #0: ffff8881fa32c440 (sb_writers#3){.+.+}-{0:0}, at: ksys_write+0x5b/0xd0
CPU: 1 PID: 7 Comm: a Not tainted 7.2.13 #1
Call Trace:
 __might_resched+0x1/0x2
 guilty_fn.isra.0+0x10/0x20
 caller_fn+0x10/0x20
";
    let other = one
        .replace("0x10/0x20", "0x33/0x44")
        .replace(".isra.0", "")
        .replace("#3", "#12")
        .replace("420", "431")
        .replace("ffff8881", "ffff8882");
    assert_eq!(scan(one)[0].signature, scan(&other)[0].signature);
    assert_eq!(scan(one)[0].title, scan(&other)[0].title);
}
