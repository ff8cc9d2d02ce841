//! Input that nobody means well with: it may give nothing, never a panic, never a raw control
//! character, never more than the bounds.

// Helpers of tests may panic like the tests themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use virtopsy_klog::{Record, limits, scan_records, scan_text};

/// A report with a bit of everything.
const REPORT: &str = "\
[   11.775870][    T1] =============================
[   11.776041][    T1] WARNING: possible circular locking dependency detected
[   11.776232][    T1] 7.2.13-x #1 Not tainted
[   11.776439][    T1] -----------------------------
[   11.776606][    T1] a b/1 is trying to acquire lock:
[   11.776606][    T1] ffff888106a71958 (&a){+.+.}-{4:4}, at: f_now+0x49a/0x1a10
[   11.776606][    T1] the existing dependency chain (in reverse order) is:
[   11.776606][    T1] -> #1 (b){+.+.}-{0:0}:
[   11.776606][    T1]        b_under_a+0x72/0x100
[   11.776606][    T1]   lock(&a);
[   11.777543][    T1] 1 lock held by a b/1:
[   11.777711][    T1]  #0: ffff8947412e1420 (sb_writers#3){.+.+}-{0:0}, at: ksys_write+0x5b/0xd0
[   11.778472][    T1] stack backtrace:
[   11.778695][    T1] CPU: 3 UID: 0 PID: 1 Comm: a b Not tainted 7.2.13-x #1 PREEMPTLAZY
[   11.779312][    T1] Call Trace:
[   11.779449][    T1]  <TASK>
[   11.779612][    T1]  lockdep_rcu_suspicious+0x146/0x1a0
[   11.779818][    T1]  ? svm_check+0x60/0x60 [kvm_amd]
[   11.784144][    T1]  </TASK>
";

/// A small generator with a fixed seed (Knuth's MMIX): runs must repeat.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % (below.max(1) as u64)).unwrap()
    }
}

fn assert_safe(log: &[u8]) {
    let splats = scan_text(log).unwrap();
    let json = serde_json::to_string(&splats).unwrap();
    assert!(
        !json.contains("\\u00") && !json.contains("\\n") && !json.contains("\\t"),
        "{json}"
    );
    for splat in &splats {
        assert!(
            splat.held.len() <= limits::HELD
                && splat.trace.len() <= limits::FRAMES
                && splat.chain.len() <= limits::CHAIN
        );
        assert!(splat.first_line <= splat.last_line);
    }
}

#[test]
fn broken_bytes_give_no_panic_and_no_control_characters() {
    let mut random = Random(1);
    for _ in 0..1500 {
        let mut log = REPORT.repeat(2).into_bytes();
        for _ in 0..=random.next(40) {
            let at = random.next(log.len());
            match random.next(5) {
                0 => log[at] = u8::try_from(random.next(256)).unwrap(),
                1 => {
                    log.remove(at);
                }
                2 => log.insert(
                    at,
                    *b"\x1b\r\n\0\xff(){}[]<>#/+:,-\t"
                        .get(random.next(20))
                        .unwrap_or(&b'x'),
                ),
                3 => log.truncate(at.max(400)),
                _ => {
                    let end = (at + random.next(200)).min(log.len());
                    let piece = log[at..end].to_vec();
                    let to = random.next(log.len());
                    log.splice(to..to, piece);
                }
            }
        }
        assert_safe(&log);
    }
}

#[test]
fn records_of_any_flags_give_no_panic() {
    let mut random = Random(2);
    for _ in 0..500 {
        let lines: Vec<&str> = REPORT.lines().map(|l| l.split_at(22).1).collect();
        let records: Vec<Record<'_>> = (0..60)
            .map(|i| Record {
                text: lines[random.next(lines.len())].as_bytes(),
                timestamp_ns: Some(u64::MAX),
                caller: [
                    None,
                    Some("T1"),
                    Some("C0"),
                    Some("nonsense"),
                    Some("T99999999999999999999"),
                ][random.next(5)]
                .map(str::to_owned),
                level: None,
                seq: i,
                cont: random.next(2) == 0,
                newline: random.next(2) == 0,
            })
            .collect();
        let _ = scan_records(records);
    }
}

#[test]
fn continued_records_are_joined_only_when_the_one_before_has_no_newline() {
    let record = |text: &'static str, caller: &str, cont: bool, newline: bool| Record {
        text: text.as_bytes(),
        timestamp_ns: Some(1_000_000_000),
        caller: Some(caller.to_owned()),
        level: Some(4),
        seq: 0,
        cont,
        newline,
    };
    let got = scan_records([
        record("BUG: scheduling while atomic: a/1/0x2", "T1", false, true),
        record("2 locks held by a/1:", "T1", false, true),
        record(" #0: ", "T1", false, false),
        record("foreign", "T2", false, true),
        record("(x){+.+.}", "T1", true, false),
        record(", at: f+0x1/0x2", "T1", true, true),
        // The flag alone does not continue a line that is complete.
        record(" #1: (y){+.+.}, at: g+0x1/0x2", "T1", true, true),
    ]);
    let held: Vec<_> = got[0]
        .held
        .iter()
        .map(|h| (h.lock.name.as_str(), h.lock.at.as_deref()))
        .collect();
    assert_eq!(held, [("x", Some("f+0x1/0x2")), ("y", Some("g+0x1/0x2"))]);
    assert_eq!((got[0].first_line, got[0].last_line), (1, 7));
}

#[test]
fn a_report_without_end_is_bounded_and_says_so() {
    let frames: String = (0..5000)
        .map(|i| format!("[    1.000000][   T1]  f{i}+0x1/0x2\n"))
        .collect();
    let log = format!(
        "[    1.000000][   T1] BUG: scheduling while atomic: a/1/0x2\n[    1.000000][   T1] Call Trace:\n{frames}"
    );
    let got = scan_text(log.as_bytes()).unwrap();
    assert_eq!(
        (got.len(), got[0].trace.len(), got[0].cut),
        (1, limits::FRAMES, true)
    );
    assert!(
        got[0]
            .missing
            .iter()
            .any(|m| m.to_string().contains("frames"))
    );

    let locks: String = (0..5000)
        .map(|i| format!(" #{i}: (x{i}){{+.+.}}, at: f+0x1/0x2\n"))
        .collect();
    let got = scan_text(
        format!("BUG: scheduling while atomic: a/1/0x2\n4294967295 locks held by a/1:\n{locks}")
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(
        (got[0].held.len(), got[0].held_declared, got[0].cut),
        (limits::HELD, Some(u32::MAX), true)
    );
}

#[test]
fn numbers_past_their_type_are_read_over() {
    let log = "\
BUG: spinlock bad magic on CPU#99999999999999999999, a/1
BUG: scheduling while atomic: a/99999999999999999999999/0x2
WARNING: CPU: 99999999999999999999 PID: 1 at kernel/locking/lockdep.c:1 f+0x1/0x2
WARNING: suspicious RCU usage
rcu_scheduler_active = 99999999999999999999, debug_locks = 1
99999999999999999999 locks held by a/1:
 #99999999999999999999: (x){..}, at: f+0x1/0x2
irq event stamp: 99999999999999999999
-> #99999999999999999999 (x){..}:
";
    let got = scan_text(log.as_bytes()).unwrap();
    assert!(
        got.iter()
            .any(|s| s.debug_locks == Some(1) && s.rcu_scheduler_active.is_none())
    );
}
