//! Small logs as users posted them, each with what its carrier or a mail program did to it.

// Helpers of tests may panic like the tests themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs::File;
use std::path::{Path, PathBuf};

use virtopsy_klog::{Input, Kind, Log, Splat, scan};

fn log(name: &str) -> Log {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases")
        .join(name);
    scan(Input::open(File::open(path).unwrap()).unwrap()).unwrap()
}

fn one(name: &str) -> Splat {
    let mut log = log(name);
    assert_eq!(log.splats.len(), 1, "{name}: {:#?}", log.splats);
    assert!(log.read.kernel_lines > 0, "{name}");
    log.splats.remove(0)
}

fn task(splat: &Splat) -> Option<(&str, i64)> {
    splat.task.as_ref().map(|t| (t.comm.as_str(), t.pid))
}

fn functions(splat: &Splat) -> Vec<&str> {
    splat.trace.iter().map(|f| f.function.as_str()).collect()
}

#[test]
fn a_header_that_mail_wrapped_behind_at_is_one() {
    let s = one("m01-header-wrapped-after-at.log");
    assert_eq!(s.kind, Kind::AtomicSleep);
    assert_eq!(s.location.as_deref(), Some("kernel/locking/mutex.c:283"));
    assert_eq!(task(&s), Some(("bash", 2817)));
    assert_eq!(
        functions(&s),
        ["dump_stack_lvl", "mutex_lock", "pds_vfio_put_lm_file"]
    );
    assert_eq!(s.guilty.as_deref(), Some("pds_vfio_put_lm_file"));
}

#[test]
fn the_month_of_any_language_begins_a_line_of_syslog() {
    let s = one("m02-localised-month.log");
    assert_eq!(
        (s.kind, task(&s)),
        (Kind::AtomicSched, Some(("swapper/0", 0)))
    );
}

#[test]
fn records_of_netconsole_behind_the_prefix_of_a_syslog_daemon_are_read() {
    let s = one("m03-netconsole-through-rsyslog.log");
    assert_eq!(
        (s.kind, task(&s)),
        (Kind::InvalidWaitContext, Some(("mount", 1286)))
    );
    assert_eq!(s.lock.unwrap().name, "target_list_lock");
}

#[test]
fn a_difference_with_a_decimal_comma_is_a_time() {
    let s = one("m11-dmesg-delta-with-comma.log");
    assert_eq!((s.kind, task(&s)), (Kind::Recursive, Some(("init", 1))));
}

#[test]
fn held_locks_that_are_wrapped_and_repeated_for_inlined_functions_are_one_each() {
    let s = one("m12-wrapped-inline-held-lock-counted-twice.log");
    assert_eq!(s.held_declared, Some(4));
    let held: Vec<_> = s
        .held
        .iter()
        .map(|h| (h.index, h.lock.name.as_str(), h.lock.at.as_deref()))
        .collect();
    assert_eq!(
        held[0],
        (
            0,
            "(wq_completion)usbip_event",
            Some("process_one_work+0x841/0x15c0")
        )
    );
    assert_eq!(
        held[1..].iter().map(|h| (h.0, h.1)).collect::<Vec<_>>(),
        [(1, "usbip_work")]
    );
}

#[test]
fn the_place_of_rcu_wrapped_onto_lines_without_prefix_is_found() {
    let s = one("m13-rcu-location-wrapped.log");
    assert_eq!(s.kind, Kind::SuspiciousRcu);
    assert!(
        s.location
            .as_deref()
            .unwrap()
            .ends_with("include/net/sock.h:1332")
    );
    assert_eq!(
        s.message.as_deref(),
        Some("suspicious rcu_dereference_check() usage!")
    );
    assert_eq!(s.debug_locks, Some(0));
}

#[test]
fn frames_of_arm_that_mail_wrapped_are_joined() {
    let s = one("m14-arm-frame-wrapped.log");
    assert_eq!(functions(&s), ["show_stack", "f2fs_evict_inode"]);
    assert_eq!(s.trace[1].module.as_deref(), Some("f2fs"));
}

#[test]
fn quoted_printable_is_read_as_it_is_on_disk() {
    let s = one("m15-quoted-printable.log");
    assert_eq!(
        (s.kind, task(&s)),
        (Kind::WorkqueueLeak, Some(("kworker/u8:7", 558)))
    );
    assert_eq!(s.work.as_deref(), Some("async_run_entry_fn"));
    assert_eq!(s.release.as_deref(), Some("6.13.0-rc1+"));
    assert_eq!(functions(&s), ["dump_stack_lvl"]);
}

#[test]
fn a_first_line_that_lost_its_prefix_belongs_to_the_lines_behind_it() {
    let s = one("m16-first-line-lost-its-prefix.log");
    assert_eq!(
        (s.kind, task(&s)),
        (Kind::PreemptiblePercpu, Some(("sysctl", 1311)))
    );
    assert_eq!(functions(&s), ["dump_stack_lvl", "netflow_scan_and_export"]);
}

#[test]
fn a_packed_log_is_read_through() {
    let log = log("m21-gzipped-log.log.gz");
    assert!(!log.splats.is_empty());
    assert_eq!(log.read.packed.len(), 1);
}

#[test]
fn the_place_of_a_wanted_lock_that_mail_wrapped_is_found() {
    let s = one("m25-acquired-lock-wrapped-after-at.log");
    assert_eq!((s.kind, task(&s)), (Kind::Recursive, Some(("kswapd0", 86))));
    assert_eq!(
        s.lock.unwrap().at.as_deref(),
        Some("f2fs_evict_inode+0x234/0x514 [f2fs]")
    );
}

/// One report, bare.
const REPORT: &[&str] = &[
    "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:283",
    "in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 2817, name: bash",
    "1 lock held by bash/2817:",
    " #0: ffff8881fa32c440 (sb_writers#3){.+.+}-{0:0}, at: ksys_write+0x5b/0xd0",
    "CPU: 3 UID: 0 PID: 2817 Comm: bash Not tainted 7.2.13-x #1 PREEMPT(full) ",
    "Call Trace:",
    " <TASK>",
    " dump_stack_lvl+0x36/0x50",
    " pds_vfio_put_lm_file+0x1e/0xa0 [pds_vfio_pci]",
    " </TASK>",
];

fn check(carrier: &str, text: &[u8]) {
    let log = scan(Input::open(text).unwrap()).unwrap();
    let shown = String::from_utf8_lossy(text);
    assert_eq!(log.splats.len(), 1, "{carrier}:\n{shown}");
    let s = &log.splats[0];
    assert_eq!(s.kind, Kind::AtomicSleep, "{carrier}");
    assert_eq!(
        (s.location.as_deref(), task(s), s.cpu, s.release.as_deref()),
        (
            Some("kernel/locking/mutex.c:283"),
            Some(("bash", 2817)),
            Some(3),
            Some("7.2.13-x")
        ),
        "{carrier}:\n{shown}"
    );
    assert_eq!(s.held.len(), 1, "{carrier}:\n{shown}");
    assert_eq!(s.held[0].lock.at.as_deref(), Some("ksys_write+0x5b/0xd0"));
    assert_eq!(
        functions(s),
        ["dump_stack_lvl", "pds_vfio_put_lm_file"],
        "{carrier}:\n{shown}"
    );
    assert_eq!(
        s.trace[1].module.as_deref(),
        Some("pds_vfio_pci"),
        "{carrier}"
    );
    assert!(log.read.kernel_lines > 0, "{carrier}");
}

#[test]
fn a_report_is_found_behind_prefixes_that_nobody_foresaw() {
    for prefix in [
        "juil. 25 12:45:43 host kernel: ",
        "7月 25 12:45:43 host kernel: ",
        "25. Jul 12:45:43 host kernel: ",
        "do 2026-05-07 18:00:00 CEST host kernel: ",
        "[do mei  7 18:00:00 2026] ",
        "[  +0,000003] ",
        "host-7 | 18:00:00.123 foo> ",
        "web_1  | ",
        "2026-05-07T18:00:00.123456Z 00O ",
        "2026-05-07T18:00:00.1234567Z [   11.776041] ",
        "test-job\tBoot VM\t2026-05-07T18:00:00.1234567Z ",
        "18:00:00  ",
        "[2026-05-07T18:00:00.123Z] ",
        "2026-05-07T18:00:00.123456789+02:00 stdout F ",
        "2026-05-07 18:00:00,123 - INFO - console - ",
        "07/05/26 18:00:00 # ",
        "May 07 18:00:00 ",
        "W/kernel  (    0): ",
        "05-07 18:00:00.123     0     0 W kernel  : ",
        "(qemu.12) | ",
        "ttyS0@board-3: ",
        "Mar 31 19:37:52 host.localdomain 4,1073,209927862,-;",
        "192.168.1.7:6666 4,1073,209927862,-,caller=T2817;",
        "> > | [   11.776041][ T2817] ",
    ] {
        let text: String = REPORT.iter().map(|l| format!("{prefix}{l}\n")).collect();
        check(prefix, text.as_bytes());
    }
}

fn json(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[test]
fn a_report_is_found_in_the_objects_and_fields_of_containers_labs_and_journals() {
    let each = |line: &dyn Fn(&str) -> String| REPORT.iter().map(|l| line(l)).collect::<String>();
    let time = "[   11.776041] ";
    for (carrier, text) in [
        (
            "docker",
            each(&|l| {
                format!(
                    "{{\"log\":\"{time}{}\\n\",\"stream\":\"stdout\",\"time\":\"2026-05-07T18:00:00.1Z\"}}\n",
                    json(l)
                )
            }),
        ),
        (
            "LAVA YAML",
            each(&|l| {
                format!(
                    "- {{\"dt\": \"2026-05-07T18:00:00.123456\", \"lvl\": \"target\", \"msg\": \"{time}{}\"}}\n",
                    json(l)
                )
            }),
        ),
        (
            "LAVA, flow style",
            each(&|l| {
                format!("- {{dt: '2026-05-07T18:00:00.123456', lvl: target, msg: '{time}{l}'}}\n")
            }),
        ),
        (
            "JSON of a shipper",
            each(&|l| {
                format!(
                    "{{\"@timestamp\":\"2026-05-07T18:00:00.1Z\",\"message\":\"{}\",\"host\":\"x\"}}\n",
                    json(l)
                )
            }),
        ),
        (
            "journal, export",
            each(&|l| {
                format!(
                    "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1\nMESSAGE={l}\n_TRANSPORT=kernel\n_SOURCE_MONOTONIC_TIMESTAMP=11776041\n\n"
                )
            }),
        ),
        (
            "journal, pretty JSON",
            each(&|l| {
                format!(
                    "{{\n\t\"_TRANSPORT\" : \"kernel\",\n\t\"MESSAGE\" : \"{}\",\n\t\"PRIORITY\" : \"4\"\n}}\n",
                    json(l)
                )
            }),
        ),
    ] {
        check(carrier, text.as_bytes());
    }
    let whole = REPORT.join("\n");
    let mut export = b"__CURSOR=s=1\n_TRANSPORT=kernel\nMESSAGE\n".to_vec();
    export.extend_from_slice(&u64::try_from(whole.len()).unwrap().to_le_bytes());
    export.extend_from_slice(whole.as_bytes());
    export.extend_from_slice(b"\nPRIORITY=4\n\n");
    let log = scan(Input::of_text(&export[..])).unwrap();
    assert_eq!(log.splats.len(), 1);
    let user =
        "__CURSOR=s=1\nMESSAGE=BUG: scheduling while atomic: a/1/0x00000002\n_TRANSPORT=stdout\n\n";
    assert!(
        scan(Input::of_text(user.as_bytes()))
            .unwrap()
            .splats
            .is_empty()
    );
}

#[test]
fn what_other_programs_log_in_any_language_is_left_out() {
    for prefix in [
        "juil. 25 12:45:43 host app[12]: ",
        "7月 25 12:45:43 host app: ",
        "{\"_TRANSPORT\":\"stdout\",\"MESSAGE\":\"x\"} ",
    ] {
        let text: String = REPORT.iter().map(|l| format!("{prefix}{l}\n")).collect();
        let log = scan(Input::open(text.as_bytes()).unwrap()).unwrap();
        assert!(log.splats.is_empty(), "{prefix}");
    }
}

fn escaped_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[test]
fn a_report_is_found_in_the_source_of_a_page() {
    let lines: String = REPORT
        .iter()
        .map(|l| format!("[   11.776041] {l}\n"))
        .collect();
    check(
        "HTML",
        format!("<pre>{}</pre>\n", escaped_html(&lines)).as_bytes(),
    );
    let broken = escaped_html(&lines).replace('\n', "<br/>\n");
    check("lines that end in <br/>", broken.as_bytes());
    check("a fence", format!("```\n{lines}```\n").as_bytes());
    check("blanks of a page", lines.replace(' ', "\u{a0}").as_bytes());
    let tabs = lines.replace("] ", "]\t");
    check("a tab behind the time", tabs.as_bytes());
}

/// Every file below `tests/cases` is a case above.
#[test]
fn every_file_of_the_cases_is_tested() {
    let source = include_str!("carrier_cases.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert!(files.len() >= 11);
    let name = |f: &PathBuf| f.file_name().unwrap().to_string_lossy().into_owned();
    let missing: Vec<String> = files
        .iter()
        .map(name)
        .filter(|n| !source.contains(n))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
