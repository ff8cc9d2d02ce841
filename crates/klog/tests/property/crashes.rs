//! A report of each kind of why a kernel died or warned, printed in each carrier, is read back.

use proptest::prelude::*;
use virtopsy_klog::{Crash, CrashKind, scan_log, scan_log_records};

use crate::carriers::{as_records, carriers};

/// What varies from report to report.
#[derive(Clone, Debug)]
struct Parts {
    comm: String,
    pid: u32,
    cpu: u32,
    function: String,
    offset: u32,
    callers: usize,
}

fn parts() -> impl Strategy<Value = Parts> {
    (
        "[a-z][a-z0-9_]{2,8}",
        1..99_999u32,
        0..64u32,
        "drv_[a-z]{3,12}",
        1..0xfffu32,
        1..12usize,
    )
        .prop_map(|(comm, pid, cpu, function, offset, callers)| Parts {
            comm,
            pid,
            cpu,
            function,
            offset,
            callers,
        })
}

impl Parts {
    fn symbol(&self) -> String {
        format!(
            "{}+{:#x}/{:#x}",
            self.function,
            self.offset,
            self.offset + 16
        )
    }

    fn task_line(&self) -> String {
        format!(
            "CPU: {} UID: 0 PID: {} Comm: {} Tainted: G        W           6.12.5-test #7",
            self.cpu, self.pid, self.comm
        )
    }

    /// The frames behind `Call Trace:`; those of reporting code come first.
    fn trace(&self, reporting: &[&str]) -> Vec<String> {
        let mut lines = vec!["Call Trace:".to_owned(), " <TASK>".to_owned()];
        lines.extend(reporting.iter().map(|f| format!(" {f}+0x10/0x20")));
        lines.push(" ? stale_word+0x1/0x2".to_owned());
        lines.push(format!(" {}", self.symbol()));
        lines.extend((0..self.callers).map(|n| format!(" drv_caller_{n}+0x4{n:x}/0x90")));
        lines.push(" do_syscall_64+0x3d/0xb0".to_owned());
        lines.push(" </TASK>".to_owned());
        lines
    }

    /// Lines of the report of that kind.
    fn report(&self, kind: CrashKind) -> Vec<String> {
        let symbol = self.symbol();
        let Parts { comm, pid, cpu, .. } = self;
        let rip = format!("RIP: 0010:{symbol}");
        let end = "---[ end trace 0000000000000000 ]---".to_owned();
        let oops = |head: &[&str]| {
            let mut lines: Vec<String> = head.iter().map(|l| (*l).to_owned()).collect();
            lines.extend([self.task_line(), rip.clone()]);
            lines.push(
                "RAX: 0000000000000001 RBX: ffff888000000000 RCX: 0000000000000002".to_owned(),
            );
            lines.extend(self.trace(&[]));
            lines.push(end.clone());
            lines
        };
        let warn = |before: &[&str], place: &str, reporting: &[&str]| {
            let mut lines = vec!["------------[ cut here ]------------".to_owned()];
            lines.extend(before.iter().map(|l| (*l).to_owned()));
            lines.push(format!("WARNING: CPU: {cpu} PID: {pid} at {place}"));
            lines.push("Modules linked in: a b".to_owned());
            lines.push(self.task_line());
            lines.extend(self.trace(reporting));
            lines.push(end.clone());
            lines
        };
        let dumped = |head: &[String], reporting: &[&str]| {
            let mut lines = head.to_vec();
            lines.push(self.task_line());
            lines.extend(self.trace(reporting));
            lines
        };
        let panic = |said: &str| {
            dumped(
                &[format!("Kernel panic - not syncing: {said}")],
                &["dump_stack_lvl", "panic"],
            )
        };
        let rule = "==================================================================".to_owned();
        let ruled = |head: &str, reporting: &[&str]| {
            let mut lines = vec![rule.clone()];
            lines.extend(dumped(&[head.to_owned()], reporting));
            lines.push(rule.clone());
            lines
        };
        match kind.name() {
            "null-deref" => oops(&["BUG: kernel NULL pointer dereference, address: 0000000000000008", "#PF: supervisor read access in kernel mode", "Oops: 0000 [#1] PREEMPT SMP"]),
            "page-fault" => oops(&["BUG: unable to handle page fault for address: ffff8880deadb000", "Oops: 0002 [#1] PREEMPT SMP"]),
            "exec-fault" => oops(&["kernel tried to execute NX-protected page - exploit attempt? (uid: 0)", "BUG: unable to handle page fault for address: ffff8880deadb000", "Oops: 0011 [#1] SMP"]),
            "general-protection" => oops(&["Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP"]),
            "kernel-bug" => oops(&["------------[ cut here ]------------", "kernel BUG at drivers/a/b.c:12!", "Oops: invalid opcode: 0000 [#1] SMP"]),
            "invalid-opcode" => oops(&["invalid opcode: 0000 [#1] SMP"]),
            "divide-error" => oops(&["divide error: 0000 [#1] SMP"]),
            "double-fault" => oops(&["traps: PANIC: double fault, error_code: 0x0", "double fault: 0000 [#1] SMP"]),
            "stack-overflow" => oops(&["BUG: TASK stack guard page was hit at ffffc900054afff8 (stack is ffffc900054b0000..ffffc900054b8000)", "stack guard page: 0000 [#1] SMP"]),
            "cpu-trap" => oops(&["stack segment: 0000 [#1] SMP"]),
            "serror" => {
                let mut lines = vec![format!("SError Interrupt on CPU{cpu}, code 0x00000000bf000002 -- SError"), self.task_line(), "pstate: 60400005 (nZCv daif +PAN -UAO)".to_owned(), format!("pc : {symbol}")];
                lines.push("Kernel panic - not syncing: Asynchronous SError Interrupt".to_owned());
                lines.extend(self.trace(&["panic"]));
                lines
            }
            "soft-lockup" => {
                let mut lines = vec![format!("watchdog: BUG: soft lockup - CPU#{cpu} stuck for 26s! [{comm}:{pid}]"), "Modules linked in: a".to_owned(), self.task_line(), rip];
                lines.extend(self.trace(&[]));
                lines
            }
            "hard-lockup" => {
                let mut lines = vec![format!("NMI watchdog: Watchdog detected hard LOCKUP on cpu {cpu}"), "Modules linked in: a".to_owned(), self.task_line(), rip];
                lines.extend(self.trace(&[]));
                lines
            }
            "rcu-stall" => dumped(&["INFO: rcu_preempt self-detected stall on CPU".to_owned(), " (t=10500 jiffies g=2803 q=3452 ncpus=4)".to_owned()], &["rcu_dump_cpu_stacks"]),
            "hung-task" => {
                let mut lines = vec![format!("INFO: task {comm}:{pid} blocked for more than 143 seconds."), "      Not tainted 6.12.5-test #7".to_owned(), "\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.".to_owned()];
                lines.extend(self.trace(&["__schedule", "schedule", "schedule_timeout", "wait_for_completion"]));
                lines
            }
            "workqueue-lockup" => vec!["BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 36s!".to_owned()],
            "warning" => warn(&["drv: something is odd"], &format!("drivers/a/b.c:77 {symbol}"), &[]),
            "kasan" => ruled(&format!("BUG: KASAN: slab-use-after-free in {symbol}"), &["dump_stack_lvl", "print_report", "kasan_report"]),
            "kfence" => ruled(&format!("BUG: KFENCE: use-after-free read in {symbol}"), &[]),
            "kmsan" => ruled(&format!("BUG: KMSAN: uninit-value in {symbol}"), &[]),
            "kcsan" => ruled(&format!("BUG: KCSAN: data-race in {symbol}"), &[]),
            "ubsan" => dumped(&["------------[ cut here ]------------".to_owned(), "UBSAN: shift-out-of-bounds in drivers/a/b.c:9:22".to_owned(), "shift exponent 64 is too large for 32-bit type 'int'".to_owned()], &["dump_stack_lvl", "ubsan_epilogue", "__ubsan_handle_shift_out_of_bounds"]),
            "list-corruption" => warn(&["list_del corruption. prev->next should be ffff888000000000, but was 0000000000000000"], "lib/list_debug.c:59 __list_del_entry_valid+0x1/0x2", &["__list_del_entry_valid"]),
            "refcount" => warn(&["refcount_t: underflow; use-after-free."], "lib/refcount.c:28 refcount_warn_saturate+0x1/0x2", &["refcount_warn_saturate"]),
            "usercopy" => warn(&["Bad or missing usercopy whitelist? Kernel memory exposure attempt detected from SLUB object 'a' (offset 0, size 1)!"], "mm/usercopy.c:83 usercopy_warn+0x1/0x2", &["__check_heap_object", "__check_object_size"]),
            "odebug" => warn(&["ODEBUG: free active (active state 0) object: ffff888000000000 object type: timer_list hint: x+0x0/0x1"], "lib/debugobjects.c:514 debug_print_object+0x1/0x2", &["debug_check_no_obj_freed", "kfree"]),
            "slab-corruption" => ruled("BUG kmalloc-64 (Not tainted): Poison overwritten", &["dump_stack_lvl", "object_err"]),
            "bad-page" => dumped(&[format!("BUG: Bad page state in process {comm}  pfn:7deea"), "page dumped because: nonzero mapcount".to_owned()], &["dump_stack_lvl", "bad_page", "free_pcppages_bulk"]),
            "bug-text" => dumped(&["BUG: Dentry ffff888000000000{i=1,n=a} still in use (1) [unmount of ext4 sda1]".to_owned()], &[]),
            "oom" => dumped(&[format!("{comm} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0")], &["dump_stack_lvl", "dump_header"]),
            "alloc-failure" => dumped(&[format!("{comm}: page allocation failure: order:4, mode:0xcc0(GFP_KERNEL)")], &["dump_stack_lvl", "warn_alloc", "__alloc_pages_noprof"]),
            "kmemleak" => {
                let mut lines = vec!["unreferenced object 0xffff8882d78c9ea0 (size 96):".to_owned(), format!("  comm \"{comm}\", pid {pid}, jiffies 4294941388"), "  backtrace:".to_owned()];
                lines.push(format!("    [<00000000aabbccdd>] {symbol}"));
                lines.extend((0..=self.callers).map(|n| format!("    [<00000000aabbccdd>] drv_caller_{n}+0x4{n:x}/0x90")));
                lines
            }
            "dma-api" => warn(&["DMA-API: drv 0000:00:01.0: device driver frees DMA memory with different size"], "kernel/dma/debug.c:1000 check_unmap+0x1/0x2", &["debug_dma_free_coherent"]),
            "iommu-fault" => vec!["DMAR: [DMA Read NO_PASID] Request device [00:02.0] fault addr 0xdeadb000 [fault reason 0x06] PTE Read access is not set".to_owned()],
            "mce" => vec![format!("mce: [Hardware Error]: CPU {cpu}: Machine Check Exception: 5 Bank 6: be00000000800400")],
            "edac" => vec!["EDAC MC0: 1 CE memory read error on CPU_SrcID#0_Channel#0_DIMM#0 (channel:0 slot:0 page:0x12345)".to_owned()],
            "ghes" => vec!["{1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 0".to_owned(), "{1}[Hardware Error]: event severity: corrected".to_owned()],
            "nmi" => vec![format!("Uhhuh. NMI received for unknown reason 2d on CPU {cpu}."), "Dazed and confused, but trying to continue".to_owned()],
            "irq-nobody-cared" => dumped(&["irq 19: nobody cared (try booting with the \"irqpoll\" option)".to_owned()], &["dump_stack_lvl", "__report_bad_irq", "note_interrupt"]),
            "msr-access" => dumped(&[format!("unchecked MSR access error: RDMSR from 0x3f1 at rIP: 0xffffffff81123aff ({symbol})")], &[]),
            "cfi" => warn(&[&format!("CFI failure at {symbol} (target: other+0x0/0x1; expected type: 0xd9421881)")], &format!("kernel/cfi.c:1 {symbol}"), &[]),
            "stack-protector" => panic(&format!("stack-protector: Kernel stack is corrupted in: {symbol}")),
            "init-died" => panic("Attempted to kill init! exitcode=0x0000000b"),
            "no-root" => panic("VFS: Unable to mount root fs on unknown-block(0,0)"),
            "sysrq-crash" => panic("sysrq triggered crash"),
            _ => panic("drv: out of luck"),
        }
    }
}

fn check(kind: CrashKind, parts: &Parts, how: &str, found: &[Crash]) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), 1, "{} in {}: {:#?}", kind, how, found);
    let crash = &found[0];
    prop_assert_eq!(crash.kind, kind, "in {}", how);
    let task = crash.task.clone().unwrap_or_default();
    if !crash.trace.is_empty() {
        // Where a watchdog samples a loop is chance; what was entered is not.
        let guilty = match kind.name() {
            "rcu-stall" => format!("drv_caller_{}", parts.callers - 1),
            _ => parts.function.clone(),
        };
        prop_assert_eq!(
            crash.guilty.as_deref(),
            Some(guilty.as_str()),
            "{} in {}: {:#?}",
            kind,
            how,
            crash
        );
        prop_assert_eq!(
            task.comm.as_deref(),
            Some(parts.comm.as_str()),
            "{} in {}",
            kind,
            how
        );
        prop_assert_eq!(task.pid, Some(i64::from(parts.pid)), "{} in {}", kind, how);
        let own = crash
            .trace
            .iter()
            .filter(|f| f.reliable && f.function.starts_with("drv_"))
            .count();
        let frames = if kind.name() == "kmemleak" {
            parts.callers + 2
        } else {
            parts.callers + 1
        };
        prop_assert_eq!(own, frames, "{} in {}", kind, how);
    }
    prop_assert!(!crash.sentence.is_empty() && !crash.title.is_empty());
    let signature_has_place =
        crash.signature.contains("0x") || crash.signature.contains(&parts.comm);
    prop_assert!(!signature_has_place, "{}", crash.signature);
    Ok(())
}

proptest! {
    #![proptest_config(super::config())]

    #[test]
    fn a_report_of_each_kind_of_death_is_read_back_from_each_carrier(parts in parts()) {
        for kind in CrashKind::all() {
            let lines = parts.report(kind);
            for (how, text, _) in carriers(&lines) {
                let log = scan_log(text.as_bytes()).unwrap();
                check(kind, &parts, how, &log.crashes)?;
            }
            let log = scan_log_records(as_records(&lines));
            check(kind, &parts, "the ring", &log.crashes)?;
        }
    }
}

#[test]
fn every_kind_has_a_name_of_its_own_and_is_explained() {
    let names: std::collections::BTreeSet<&str> = CrashKind::all().map(CrashKind::name).collect();
    assert_eq!(names.len(), 46);
    for kind in CrashKind::all() {
        assert_eq!(CrashKind::named(kind.name()), Some(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        assert!(kind.means().len() > 40 && kind.next().len() > 20, "{kind}");
    }
}

fn found(text: &str) -> Vec<Crash> {
    scan_log(text.as_bytes()).unwrap().crashes
}

#[test]
fn the_panic_of_an_oops_is_part_of_it_and_one_without_its_head_is_a_report() {
    let oops = "BUG: kernel NULL pointer dereference, address: 0000000000000008\nOops: 0000 [#1] SMP\n\
                CPU: 1 PID: 7 Comm: a Not tainted 6.1.0 #1\nRIP: 0010:f+0x1/0x2\n";
    let panic = "Kernel panic - not syncing: Fatal exception\n";
    let both = found(&format!("{oops}{panic}"));
    assert_eq!(both.len(), 1);
    assert_eq!(both[0].panic.as_deref(), Some("Fatal exception"));
    let alone = found(&format!("RIP: 0010:f+0x1/0x2\n{panic}"));
    assert_eq!(alone.len(), 1);
    assert_eq!((alone[0].kind.name(), alone[0].fatal), ("panic", true));
}

#[test]
fn a_later_oops_follows_the_first_and_a_new_boot_begins_anew() {
    let oops = |n: u32, time: u32| {
        format!(
            "[{time:5}.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008\n[{time:5}.000001] Oops: 0000 [#{n}] SMP\n\
             [{time:5}.000002] CPU: 1 PID: 7 Comm: a Not tainted 6.1.0 #1\n[{time:5}.000003] RIP: 0010:f{n}+0x1/0x2\n[{time:5}.000004] ---[ end trace 0000000000000000 ]---\n"
        )
    };
    let found = found(&[oops(1, 10), oops(2, 11), oops(1, 5)].concat());
    let follows: Vec<_> = found.iter().map(|c| c.follows).collect();
    assert_eq!(follows, [None, Some(0), None]);
}

#[test]
fn a_storm_of_one_warning_is_listed_a_few_times_and_counted() {
    let warn = "------------[ cut here ]------------\nWARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n\
                CPU: 0 PID: 1 Comm: a Not tainted 6.1.0 #1\nCall Trace:\n g+0x1/0x2\n---[ end trace 0000000000000000 ]---\n";
    let found = found(&warn.repeat(400));
    assert_eq!(found.len(), 16);
    assert_eq!(found.iter().map(|c| c.repeats + 1).sum::<u64>(), 400);
}

#[test]
fn a_lock_report_is_not_a_crash_report_too() {
    let text = "BUG: sleeping function called from invalid context at a.c:1\nin_atomic(): 1, irqs_disabled(): 0, pid: 7, name: a\n\
                CPU: 0 PID: 7 Comm: a Not tainted 6.1.0 #1\nCall Trace:\n g+0x1/0x2\n\
                Kernel panic - not syncing: panic_on_warn set ...\n";
    assert!(found(text).is_empty());
    assert_eq!(scan_log(text.as_bytes()).unwrap().splats.len(), 1);
}

#[test]
fn words_of_drivers_and_of_user_space_are_no_reports() {
    for text in [
        "ALSA sound/core/pcm_lib.c:181: BUG: pcmC0D0p:0, pos = 0x4000\n",
        "DMA-API: preallocated 65536 debug entries\n",
        "EDAC MC: Ver: 3.0.0\nEDAC MC0: Giving out device to module\n",
        "ODEBUG: 213 of 213 active objects replaced\n",
        "traps: a[7] general protection fault ip:1 sp:2 error:0 in a[3+4]\n",
        "a[7]: segfault at 8 ip 00007f sp 00007f error 4\n",
        "INFO: NMI handler (perf_event_nmi_handler) took too long to run: 1.356 msecs\n",
        "Alignment trap: not handling instruction f46107cf at [<004e5c4c>]\n",
    ] {
        assert!(found(text).is_empty(), "{text}");
    }
}
