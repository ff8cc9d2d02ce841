//! A dump for tests, from tables: four CPUs or very many, a log with two lock reports and with
//! text that would harm a terminal.

#![cfg_attr(not(test), allow(dead_code))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use virtopsy::facts::{AreaFacts, LogRecord, ModuleFacts, ModulesFacts};
use virtopsy::klog::{Record, scan_records};
use virtopsy::report::*;
use virtopsy::{CodeRow, CodeTarget, DumpSpec, Listing};

use virtopsy::kernel::{
    Backtrace, CpuId, Ended, FoundBy, Frame, GuestRegisters, Location, ModuleState, SourceFrame,
    StackKind, TaskInfo, TaskList, TaskState, Vcpu, VcpuMode, VirtAddr, Vm, VmKind, VmList,
};

use crate::editor::SourceLine;
use crate::place::Place;
use crate::source::*;
use crate::source::{MemoryAt, SymbolHit};

/// The log of the sample: level and text of each record.
const LOG: &[(u8, &str, &str)] = &[
    (5, "T0", "Linux version 7.2.13-virtdbg (root@vm)"),
    (
        6,
        "T0",
        "Command line: console=ttyS0 crashkernel=144M panic=1",
    ),
    (
        4,
        "T1",
        "mtrr: your CPUs had inconsistent variable MTRR settings",
    ),
    (6, "T77", "kvm_amd: Nested Virtualization enabled"),
    (
        6,
        "T91",
        "hostile: \x1b[2J\x1b]0;owned\x07 \u{202e}gnp.exe and a \t tab",
    ),
    (
        6,
        "T91",
        "wide: 日本語のログ行 — naïve Ünïcode 🦀 in one line that is longer than eighty cells, so that it must be cut",
    ),
    (3, "T91", "two lines in\none record"),
    (4, "T111", "\n============================="),
    (4, "T111", "WARNING: suspicious RCU usage"),
    (4, "T111", "7.2.13-virtdbg #1 Tainted: G           O       "),
    (4, "T111", "-----------------------------"),
    (
        4,
        "T111",
        "arch/x86/virt/hw.c:65 suspicious rcu_dereference_check() usage!",
    ),
    (4, "T111", "\nother info that might help us debug this:\n"),
    (4, "T111", "\nrcu_scheduler_active = 2, debug_locks = 1"),
    (4, "T111", "1 lock held by insmod/111:"),
    (
        4,
        "T111",
        " #0: ffff8880036ce420 (sb_writers#3){.+.+}-{0:0}, at: ksys_write+0x5b/0xd0",
    ),
    (4, "T111", "\nstack backtrace:"),
    (
        4,
        "T111",
        "CPU: 3 UID: 0 PID: 111 Comm: insmod Kdump: loaded Tainted: G           O        7.2.13-virtdbg #1",
    ),
    (4, "T111", "Call Trace:"),
    (4, "T111", " <TASK>"),
    (4, "T111", " lockdep_rcu_suspicious+0x146/0x1a0"),
    (
        4,
        "T111",
        " x86_virt_invoke_kvm_emergency_callback+0x56/0x60",
    ),
    (4, "T111", " ? panic+0x4b/0x50"),
    (4, "T111", " </TASK>"),
    (
        4,
        "T112",
        "\n======================================================",
    ),
    (
        4,
        "T112",
        "WARNING: possible circular locking dependency detected",
    ),
    (4, "T112", "7.2.13-virtdbg #1 Tainted: G           O       "),
    (
        4,
        "T112",
        "------------------------------------------------------",
    ),
    (4, "T112", "insmod/112 is trying to acquire lock:"),
    (
        4,
        "T112",
        "ffffffffc0473040 (alpha_lock){+.+.}-{4:4}, at: take_ba+0x20/0x50 [splats]",
    ),
    (4, "T112", "\nbut task is already holding lock:"),
    (
        4,
        "T112",
        "ffffffffc04730c0 (beta_lock){+.+.}-{4:4}, at: take_ba+0x14/0x50 [splats]",
    ),
    (4, "T112", "\nwhich lock already depends on the new lock.\n"),
    (
        4,
        "T112",
        "\nthe existing dependency chain (in reverse order) is:",
    ),
    (4, "T112", "\n-> #1 (beta_lock){+.+.}-{4:4}:"),
    (4, "T112", "       __mutex_lock+0xb3/0xe40"),
    (4, "T112", "       take_ab+0x20/0x50 [splats]"),
    (4, "T112", "\n-> #0 (alpha_lock){+.+.}-{4:4}:"),
    (4, "T112", "       __lock_acquire+0x13f8/0x2120"),
    (4, "T112", "       take_ba+0x20/0x50 [splats]"),
    (4, "T112", "\nother info that might help us debug this:\n"),
    (4, "T112", " Possible unsafe locking scenario:\n"),
    (4, "T112", "       CPU0                    CPU1"),
    (4, "T112", "       ----                    ----"),
    (4, "T112", "  lock(beta_lock);"),
    (
        4,
        "T112",
        "                               lock(alpha_lock);",
    ),
    (4, "T112", "                               lock(beta_lock);"),
    (4, "T112", "  lock(alpha_lock);"),
    (4, "T112", "\n *** DEADLOCK ***\n"),
    (4, "T112", "1 lock held by insmod/112:"),
    (
        4,
        "T112",
        " #0: ffffffffc04730c0 (beta_lock){+.+.}-{4:4}, at: take_ba+0x14/0x50 [splats]",
    ),
    (4, "T112", "\nstack backtrace:"),
    (
        4,
        "T112",
        "CPU: 0 UID: 0 PID: 112 Comm: insmod Kdump: loaded Tainted: G           O        7.2.13-virtdbg #1",
    ),
    (4, "T112", "Call Trace:"),
    (4, "T112", " <TASK>"),
    (4, "T112", " print_circular_bug+0x1f8/0x240"),
    (4, "T112", " take_ba+0x20/0x50 [splats]"),
    (4, "T112", " </TASK>"),
    (
        0,
        "T111",
        "Kernel panic - not syncing: sysrq triggered crash",
    ),
];

/// The sample's log.
pub(crate) fn log() -> Vec<LogRecord> {
    let record = |(number, (level, caller, text)): (usize, &(u8, &str, &str))| LogRecord {
        sequence: Some(number as u64),
        timestamp_ns: Some(11_000_000_000 + number as u64 * 1_500_000),
        caller: Some((*caller).into()),
        level: Some(*level),
        facility: Some(0),
        text: Text::from(*text),
        ..LogRecord::default()
    };
    LOG.iter().enumerate().map(record).collect()
}

fn evidence(what: EvidenceKind, says: Says, value: &str, why: &str) -> EvidenceReport {
    EvidenceReport {
        what,
        says,
        strength: if says == Says::Neutral {
            Strength::Weak
        } else {
            Strength::Proof
        },
        address: Some(Hex(0xffff_8880_3ec2_f400)),
        value: Some(value.into()),
        why: why.into(),
        lies_when: (says == Says::On).then(|| "its slot was lost".into()),
    }
}

fn cpu(number: u32, count: u32) -> CpuReport {
    let task = Some(TaskReport {
        comm: Text::from("kvmrun\x1b[31m"),
        pid: 80 + number as i32,
    });
    let base = CpuReport {
        cpu: number,
        online: Some(true),
        task,
        ..CpuReport::default()
    };
    if number == count / 2 {
        return CpuReport {
            state: CpuState::On,
            reason: Reason::DidNotAnswer,
            strength: Strength::Strong,
            summary: format!(
                "SVM was ON on CPU {number}: it was on, and the CPU never answered the crash NMI"
            ),
            evidence: vec![
                evidence(
                    EvidenceKind::NrUsers,
                    Says::On,
                    "1",
                    "virtualization was enabled here and never given back in order",
                ),
                evidence(
                    EvidenceKind::CrashNotes,
                    Says::On,
                    "empty",
                    "the CPU never saved its registers",
                ),
            ],
            ..base
        };
    }
    if number + 1 == count {
        return CpuReport {
            summary: format!("SVM on CPU {number} is not known: the evidence contradicts itself"),
            conflict: true,
            online: None,
            ..base
        };
    }
    CpuReport {
        state: CpuState::Off,
        reason: if number == 1 {
            Reason::Offline
        } else {
            Reason::EmergencyDisabled
        },
        strength: Strength::Proof,
        online: Some(number != 1),
        summary: format!("SVM was off on CPU {number}: the emergency path switched it off"),
        evidence: vec![evidence(
            EvidenceKind::ParkedFrame,
            Says::Off,
            "nmi_shootdown+0x20",
            "the CPU stood behind the call that switches it off",
        )],
        ..base
    }
}

/// The sample's report, with so many CPUs.
pub(crate) fn report(cpus: u32) -> DumpReport {
    let log = log();
    let records = log.iter().map(|l| Record {
        text: l.text.as_bytes(),
        timestamp_ns: l.timestamp_ns,
        caller: l.caller.clone(),
        level: l.level,
        seq: l.sequence.unwrap_or(0),
        cont: false,
        newline: true,
    });
    DumpReport {
        path: Text::from("/dumps/sample.kdump"),
        format: Some("kdump".into()),
        compression: vec!["zstd".into()],
        complete: Some(true),
        origin: Origin::Kdump,
        release: Some(Text::from("7.2.13-virtdbg")),
        build_id: Some("23294f6ab1435de060a4655aa1483fb00f5eaf6c".into()),
        types_from: Some("btf".into()),
        symbols_from: Some("vmlinux".into()),
        cpus_possible: Some(cpus),
        cpus_online: Some(cpus - 1),
        crash: Some(CrashReport {
            cpu: Some(0),
            reason: Some(Text::from("sysrq triggered crash")),
            task: Some(TaskReport { comm: Text::from("sh"), pid: 107 }),
            nmi_shootdown: ShootdownReport { ran: Some(true), missing_cpus: vec![cpus / 2], unknown_cpus: Vec::new() },
            ..CrashReport::default()
        }),
        virtualization: VirtualizationReport {
            feature: Feature::Svm,
            verdict: Verdict::NotAllOff,
            summary: format!("SVM was ON on 1 of {cpus} CPUs: {}; 1 more are not known", cpus / 2),
            era: Some("E (7.1+: arch/x86/virt/hw.c, kvm_emergency_callback)".into()),
            cpus: (0..cpus).map(|n| cpu(n, cpus)).collect(),
        },
        callback: CallbackReport {
            state: CallbackState::Registered,
            variable: Some("kvm_emergency_callback".into()),
            address: Some(Hex(0xffff_ffff_8ee8_dd18)),
            value: Some(Hex(0xffff_ffff_c046_d8b0)),
            symbol: Some(Text::from("svm_emergency_disable_virtualization_cpu")),
            module: Some(Text::from("kvm_amd")),
            module_state: Some("live".into()),
            expected: Some(true),
            summary: "svm_emergency_disable_virtualization_cpu [kvm_amd] is registered; its code is alive".into(),
            ..CallbackReport::default()
        },
        log: Some(LogReport { records: log.len() as u64, ..LogReport::default() }),
        splats: scan_records(records),
        known_issues: vec![KnownIssueReport {
            id: KnownIssueId::RcuSplatInEmergencyCallback,
            title: "suspicious RCU usage in the KVM emergency callback".into(),
            fixed_by: Some("fff82ea9d900".into()),
            because: "the log holds a suspicious-rcu report at arch/x86/virt/hw.c:65".into(),
        }],
        checks: vec![
            CheckReport {
                id: CheckId::VirtDisabledAllCpus,
                verdict: CheckVerdict::Fail,
                summary: "SVM was ON on 1 CPU".into(),
            },
            CheckReport {
                id: CheckId::EmergencyCallbackSound,
                verdict: CheckVerdict::Pass,
                summary: "alive".into(),
            },
            CheckReport {
                id: CheckId::DumpComplete,
                verdict: CheckVerdict::Inconclusive,
                summary: "the dump could not be opened".into(),
            },
        ],
        notes: vec![Text::from("no debug info was found; \x1b]52;c;x\x07types come from the dump")],
        ..DumpReport::default()
    }
}

/// A dump that answers from these tables.
pub(crate) struct Sample {
    pub(crate) cpus: u32,
    /// How long each answer takes.
    pub(crate) delay: Duration,
}

impl Opener for Sample {
    fn open(&self, tab: usize) -> Result<Arc<dyn Source>, ErrorReport> {
        std::thread::sleep(self.delay);
        match tab {
            7 => Err(ErrorReport {
                kind: "not-a-dump".into(),
                message: Text::from("this is no dump\x1b[31m"),
            }),
            _ => Ok(Arc::new(Sample {
                cpus: self.cpus,
                delay: self.delay,
            })),
        }
    }
}

impl Source for Sample {
    fn opened(&self) -> Opened {
        Opened {
            format: "kdump".into(),
            release: Some(Text::from("7.2.13-virtdbg")),
            kernel_error: None,
        }
    }

    fn report(&self) -> DumpReport {
        std::thread::sleep(self.delay);
        report(self.cpus)
    }

    fn log(&self) -> Result<Vec<LogRecord>, String> {
        Ok(log())
    }

    fn code(&self, _: &DumpReport) -> Result<Vec<Listing>, String> {
        Ok(vec![invoke("on the way to the callback")])
    }

    fn stack(&self, of: StackOf, _: &Cancelled) -> Result<StackText, String> {
        match of {
            StackOf::Cpu(1) => panic!("a bug in the reader\x1b[31m"),
            StackOf::Cpu(cpu) => Ok(cpu_stack(cpu)),
            StackOf::Task(at) => tasks()
                .at(VirtAddr(at))
                .map(|task| task_stack(task.clone()))
                .ok_or_else(|| "no such task".into()),
        }
    }

    fn tasks(&self) -> Result<TaskList, String> {
        Ok(tasks())
    }

    fn modules(&self) -> Result<ModulesFacts, String> {
        let area = |base, size, text| AreaFacts {
            base: Hex(base),
            size,
            text,
        };
        let module = |name: &str, state: ModuleState, base: u64| ModuleFacts {
            name: name.into(),
            state,
            refcount: Some(1),
            address: Hex(base),
            size: 0x20000,
            areas: vec![
                area(base, 0x1f000, true),
                area(base + 0x20000, 0x1000, false),
            ],
            ..ModuleFacts::default()
        };
        let mut amd = module("kvm_amd", ModuleState::Live, 0xffff_ffff_c046_0000);
        amd.used_by = vec![Text::from("stuckcpu")];
        let mut list = ModulesFacts::default();
        list.modules = vec![
            module("stuckcpu", ModuleState::Coming, 0xffff_ffff_c047_c000),
            amd,
            module("ev\x1b[2Jil", ModuleState::Live, 0xffff_ffff_c050_0000),
        ];
        list.taints = Some("OE".into());
        list.last_unloaded = Some(Text::from("gone\x1b[2J"));
        Ok(list)
    }

    fn vms(&self) -> Result<Option<VmList>, String> {
        let vcpu = |id: i64, loaded: Option<u32>| Vcpu {
            address: VirtAddr(0xffff_8880_0500_0000 + id as u64 * 0x4000),
            id,
            mode: Some(VcpuMode::InGuest),
            cpu: Some(CpuId(2)),
            loaded_on: loaded.map(CpuId),
            thread: Some(82),
            nested: Some(id == 1),
            dirty_registers: None,
            registers: GuestRegisters {
                rip: (id == 0).then_some(0xfff0),
                cr3: None,
                hidden_because: (id == 1).then_some("the guest's registers are encrypted"),
            },
            missing: Vec::new(),
        };
        let vm = Vm {
            address: VirtAddr(0xffff_8880_0400_0000),
            owner: Some(245),
            mm: None,
            kind: Some(VmKind::SevEs),
            online_vcpus: Some(2),
            vcpus: vec![vcpu(0, Some(2)), vcpu(1, None)],
            dead: Some(true),
            broken: None,
        };
        Ok(Some(VmList {
            vms: vec![vm],
            broken: None,
        }))
    }

    fn symbols(&self, query: &str, _: usize, _: &Cancelled) -> Result<Vec<SymbolHit>, String> {
        let hit = |(name, address): (&str, u64)| {
            crate::fuzzy::score(query.as_bytes(), name.as_bytes()).map(|score| SymbolHit {
                name: name.into(),
                address,
                score,
            })
        };
        let all = [
            ("kvm_emergency_callback", 0xffff_ffff_8ee8_dd18),
            ("panic_cpu", 0xffff_ffff_8ee8_0000),
        ];
        Ok(all.into_iter().filter_map(hit).collect())
    }

    fn line_of(&self, at: u64) -> Result<SourceLine, String> {
        Ok(SourceLine {
            file: "kernel/crash.c".into(),
            line: (at & 0xff) as u32,
        })
    }

    fn memory(&self, at: &MemoryAt) -> Result<MemoryPage, String> {
        match at {
            MemoryAt::Address(at) => Ok(memory(*at)),
            MemoryAt::Expression(text) if text.starts_with("*(struct task_struct *)") => {
                Ok(structure(text))
            }
            MemoryAt::Expression(text) => Err(format!("the kernel has no symbol {text}")),
        }
    }
}

/// A variable, a function, or just words.
fn memory(asked: u64) -> MemoryPage {
    let start = asked & !0xfff;
    let word = |n: u64| match n % 4 {
        0 => (0, None),
        1 => (
            0xffff_ffff_c046_d8b0,
            Some("svm_emergency_disable_virtualization_cpu+0x0/0x120 [kvm_amd]".into()),
        ),
        _ => (0x6f6c_6c65_6800_1b00 + n, None),
    };
    let code = (asked >> 12 == 0xffff_ffff_8de5_a220 >> 12).then(|| invoke(""));
    MemoryPage {
        start,
        asked,
        name: Some("kvm_emergency_callback+0x0/0x8".into()),
        words: (0..512).map(word).collect(),
        code,
        ..MemoryPage::default()
    }
}

/// A structure, with a hostile name in it.
fn structure(text: &str) -> MemoryPage {
    let row = |depth, name: &str, type_name: &str, value: &str, to| TypedRow {
        depth,
        name: name.into(),
        type_name: type_name.into(),
        address: Some(0xffff_8880_0123_0000 + depth as u64 * 8),
        value: value.into(),
        to,
    };
    let parent = Place::Expression("*(struct task_struct *)0xffff888001240000".into());
    MemoryPage {
        type_name: Some("struct task_struct".into()),
        tree: vec![
            row(0, text, "struct task_struct", "", None),
            row(1, "__state", "unsigned int", "2", None),
            row(1, "comm", "char[16]", "\"kvm\x1b[31m\"", None),
            row(
                1,
                "real_parent",
                "struct task_struct *",
                "0xffff888001240000",
                Some(parent),
            ),
            row(1, "thread_info", "struct thread_info", "", None),
            row(2, "cpu", "u32", "3", None),
            row(1, "stack", "void *", "! the page is not in the dump", None),
        ],
        ..memory(0xffff_8880_0123_0000)
    }
}

/// What runs on the CPUs, and three tasks that sleep.
fn tasks() -> TaskList {
    let task = |pid: i32, comm: &str, state: u64, running_on: Option<u32>| TaskInfo {
        address: VirtAddr(0xffff_8880_0100_0000 + pid as u64 * 0x1000),
        pid,
        inner: None,
        tgid: if pid == 246 { 245 } else { pid },
        parent: Some(1),
        comm: comm.into(),
        state: TaskState { state, exit: 0 },
        cpu: Some(CpuId(0)),
        running_on: running_on.map(CpuId),
        kernel_thread: comm.starts_with('k') && pid < 100,
        stack: VirtAddr(0xffff_c900_0000_0000 + pid as u64 * 0x4000),
    };
    TaskList {
        tasks: vec![
            task(82, "kvmrun", 0, Some(2)),
            task(1, "init", 1, None),
            task(33, "khungtaskd", 2, None),
            task(245, "qemu-日本\x1b[2J", 1, None),
            task(246, "vhost-245", 2, None),
        ],
        broken: Vec::new(),
    }
}

fn frame(ip: u64, name: &str, offset: u64, stack: StackKind, found_by: FoundBy) -> Frame {
    Frame {
        ip: VirtAddr(ip),
        sp: VirtAddr(0xffff_c900_0000_3f00),
        interrupted: found_by == FoundBy::Registers,
        location: Some(Location {
            symbol: name.into(),
            offset,
            size: Some(0x100),
            module: name.starts_with("kvm").then(|| "kvm".into()),
        }),
        stack: Some(stack),
        found_by,
        after_guess: false,
    }
}

fn source(function: &str, file: &str, line: u64, inlined: bool) -> SourceFrame {
    SourceFrame {
        function: Some(function.into()),
        file: Some(file.into()),
        line: Some(line),
        column: None,
        inlined,
    }
}

fn cpu_stack(cpu: u32) -> StackText {
    let frames = vec![
        frame(
            0xffff_ffff_8e35_34a3,
            "__crash_kexec",
            0xf3,
            StackKind::Exception("NMI".into()),
            FoundBy::Registers,
        ),
        frame(
            0xffff_ffff_8e35_4000,
            "crash_nmi_callback",
            0x20,
            StackKind::Exception("NMI".into()),
            FoundBy::Orc,
        ),
        frame(
            0xffff_ffff_8e35_5000,
            "vcpu_run\x1b[2J",
            0x44,
            StackKind::Task,
            FoundBy::Orc,
        ),
        frame(
            0xffff_ffff_c040_1000,
            "kvm_vcpu_ioctl",
            0x10,
            StackKind::Task,
            FoundBy::Scan,
        ),
    ];
    StackText {
        task: tasks()
            .tasks
            .into_iter()
            .find(|t| t.running_on == Some(CpuId(cpu))),
        in_nmi: Some(true),
        backtrace: Backtrace {
            registers: None,
            frames,
            ended_because: Ended::UserMode(VirtAddr(0x7f12_3456)),
            notes: Vec::new(),
        },
        sources: vec![vec![
            source("crash_save\x1b[2J", "kernel/crash.c", 41, true),
            source("__crash_kexec", "kernel/crash_core.c", 132, false),
        ]],
        waits: None,
        held: vec![Held {
            name: Text::from("&vcpu->mutex"),
            lock: 0xffff_8880_0500_0100,
            taken_at: "kvm_vcpu_ioctl+0x90/0x6f0 [kvm]".into(),
        }],
        scans: vec![StackPart {
            title: crate::model::FOLDED[0],
            note: "0xffff88803ec0d000 to 0xffff88803ec0f000".into(),
            words: vec![(
                0xffff_8880_3ec0_dfd8,
                0xffff_ffff_8e35_34a3,
                "__crash_kexec+0xf3/0x100".into(),
            )],
        }],
    }
}

fn task_stack(task: TaskInfo) -> StackText {
    let waits = task.state.is_blocked().then(|| Waits {
        lock: 0xffff_8880_0500_0200,
        kind: "mutex".into(),
        owner: Some((245, Text::from("qemu"))),
        readers: false,
        known_by: "blocker",
    });
    StackText {
        task: Some(task),
        in_nmi: None,
        backtrace: Backtrace {
            registers: None,
            frames: vec![
                frame(
                    0xffff_ffff_8e90_0000,
                    "__schedule",
                    0x200,
                    StackKind::Task,
                    FoundBy::Orc,
                ),
                frame(
                    0xffff_ffff_8e90_1000,
                    "schedule",
                    0x20,
                    StackKind::Task,
                    FoundBy::Orc,
                ),
            ],
            ended_because: Ended::NoUnwindInfo(VirtAddr(0xffff_ffff_8e90_1020)),
            notes: vec!["the stack was scanned".into()],
        },
        sources: Vec::new(),
        waits,
        held: Vec::new(),
        scans: Vec::new(),
    }
}

/// A function on the way to the callback.
fn invoke(note: &str) -> Listing {
    let row = |address, text: &str, step| CodeRow {
        address: Hex(address),
        text: text.into(),
        target: None,
        step,
    };
    let start = 0xffff_ffff_8de5_a220;
    let target = CodeTarget {
        address: Hex(0xffff_ffff_8ee8_dd18),
        name: "kvm_emergency_callback".into(),
    };
    let mut instructions = vec![
        row(start, "push %rbx", None),
        CodeRow {
            target: Some(target),
            ..row(
                start + 1,
                "mov 0xffffffff8ee8dd18,%rbx",
                Some("reads the callback"),
            )
        },
    ];
    instructions.extend((0..9).map(|n| row(start + 8 + n, "nop", None)));
    instructions.push(row(start + 0x1a, "jmp *%rax", Some("calls the callback")));
    Listing {
        function: "x86_virt_invoke_kvm_emergency_callback".into(),
        note: note.into(),
        instructions,
    }
}

/// So many sample dumps.
pub(crate) fn dumps(count: usize) -> Vec<DumpSpec> {
    (0..count)
        .map(|n| DumpSpec {
            paths: vec![format!("/dumps/sample{n}.kdump").into()],
        })
        .collect()
}
