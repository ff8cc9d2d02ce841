//! A report of each kind, built from the kernel's format strings, printed in each carrier, must read
//! back the same. The texts are those of 7.2 (kernel/locking/lockdep.c and the places that
//! [`Kind`] names) and, where they differ, of the kernels before.

// Helpers of tests may panic like the tests themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod carriers;

use carriers::{TIME, as_records, carriers, each, essence, surrounded};
use virtopsy_klog::{Kind, KnownSplat, Missing, Record, Splat, scan_records, scan_text};

/// One report: its records, and what must be read from them.
struct Sample {
    name: &'static str,
    kind: Kind,
    records: Vec<String>,
    check: fn(&Splat),
}

/// The backtrace that ends a report (dump_stack, 7.2).
fn stack(functions: &[&str]) -> Vec<String> {
    let mut out = vec![
        "CPU: 3 UID: 0 PID: 107 Comm: my task/1 Kdump: loaded Tainted: G           O        7.2.13-x #1 PREEMPT(full) ".to_owned(),
        "Tainted: [O]=OOT_MODULE".to_owned(),
        "Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-debian-1.16.2-1 04/01/2014".to_owned(),
        "Call Trace:".to_owned(),
        " <TASK>".to_owned(),
        " dump_stack_lvl+0x62/0x90".to_owned(),
    ];
    out.extend(functions.iter().map(|f| format!(" {f}")));
    out.extend(
        [
            " ? stale_word+0x1/0x2",
            " do_syscall_64+0x96/0x540",
            "RIP: 0033:0x47b7a0",
            "Code: 40 00 48 c7 c2 e0 ff ff ff f7 d8 64 89 02 48 c7 c0 ff",
            "RSP: 002b:00007fff25746198 EFLAGS: 00000202 ORIG_RAX: 0000000000000001",
            "RAX: ffffffffffffffda RBX: 0000000000000001 RCX: 000000000047b7a0",
            " </TASK>",
        ]
        .map(str::to_owned),
    );
    out
}

/// The same as x86 printed it up to 4.9.
fn old_stack(functions: &[&str]) -> Vec<String> {
    let mut out = vec![
        "CPU: 3 PID: 107 Comm: my task/1 Not tainted 4.4.0-x #1".to_owned(),
        "Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS Bochs 01/01/2011".to_owned(),
        " 0000000000000001 ffff8801d614bd58 ffffffff81ca45ed ffff8801d12ce040".to_owned(),
        " ffff8801d614bd78 ffffffff8133a690 ffff8801db51f140 ffff8801d12ce040".to_owned(),
        "Call Trace:".to_owned(),
        " [<ffffffff81ca45ed>] dump_stack+0xc1/0x124".to_owned(),
    ];
    out.extend(
        functions
            .iter()
            .map(|f| format!(" [<ffffffff81ca45ee>] {f}")),
    );
    out.push(" [<ffffffff81232141>] ? stale_word+0x1/0x2".to_owned());
    out.push(" [<ffffffff82c7b5f9>] entry_SYSCALL_64+0x84/0x89".to_owned());
    out
}

/// A framed report: header between rules, identity, body, backtrace.
fn framed(header: &str, body: &[&str], trace: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = [
        "\n=========================",
        header,
        "7.2.13-x #1 Tainted: G           O       ",
        "-------------------------",
    ]
    .iter()
    .map(|s| (*s).to_owned())
    .collect();
    out.extend(body.iter().map(|s| (*s).to_owned()));
    out.extend(trace);
    out
}

const HELD: &[&str] = &[
    "2 locks held by my task/1/107:",
    " #0: ffff8881fa32c440 (sb_writers#3/1){.+.+}-{0:0}, at: ksys_write+0x5b/0xd0",
    " #1: ffff98ec812e9818 (per_cpu_ptr(&a, b)){+.+.}-{3:3}, at: init+0x2a0/0x1000 [mod]",
];

fn with_held(before: &[&'static str]) -> Vec<&'static str> {
    let mut out = before.to_vec();
    out.extend_from_slice(HELD);
    out.push("\nstack backtrace:");
    out
}

fn check_held(s: &Splat) {
    assert_eq!(s.held_declared, Some(2));
    let held: Vec<_> = s
        .held
        .iter()
        .map(|h| (h.index, h.lock.name.as_str(), h.lock.at.as_deref()))
        .collect();
    assert_eq!(
        held,
        [
            (0, "sb_writers#3/1", Some("ksys_write+0x5b/0xd0")),
            (1, "per_cpu_ptr(&a, b)", Some("init+0x2a0/0x1000 [mod]"))
        ]
    );
}

fn check_trace(s: &Splat, function: &str) {
    let names: Vec<&str> = s
        .trace
        .iter()
        .filter(|f| f.reliable)
        .map(|f| f.function.as_str())
        .collect();
    assert!(names.contains(&function), "{names:?}");
    assert_eq!(s.trace.iter().filter(|f| !f.reliable).count(), 1);
    assert_eq!(
        s.task.as_ref().map(|t| (t.comm.as_str(), t.pid)),
        Some(("my task/1", 107))
    );
}

fn dependency_kinds() -> Vec<Sample> {
    vec![
        Sample {
            name: "circular",
            kind: Kind::Circular,
            records: framed(
                "WARNING: possible circular locking dependency detected",
                &with_held(&[
                    "my task/1/107 is trying to acquire lock:",
                    "ffff888106a71958 (&a){+.+.}-{4:4}, at: f_now+0x49a/0x1a10",
                    "\nbut task is already holding lock:",
                    "ffff888106a71428 (&c(io)#55){++++}-{0:0}, at: f_held+0x16c/0xac0",
                    "\nwhich lock already depends on the new lock.\n",
                    "\nthe existing dependency chain (in reverse order) is:",
                    "\n-> #2 (&c(io)#55){++++}-{0:0}:",
                    "       lock_acquire+0x120/0x360",
                    "       c_under_b+0x538/0x620",
                    "\n-> #1 (b){+.+.}-{0:0}:",
                    "       b_under_a+0x72/0x100",
                    "\n-> #0 (&a){+.+.}-{4:4}:",
                    "       validate_chain+0xb9b/0x2140",
                    "       f_now+0x49a/0x1a10",
                    "\nother info that might help us debug this:\n",
                    "Chain exists of:\n  &a --> b --> &c(io)#55\n",
                    " Possible unsafe locking scenario:\n",
                    "       CPU0                    CPU1",
                    "       ----                    ----",
                    "  lock(&c(io)#55);",
                    "                               lock(b);",
                    "                               lock(&c(io)#55);",
                    "  lock(&a);",
                    "\n *** DEADLOCK ***\n",
                ]),
                stack(&["print_circular_bug+0x2ee/0x310", "f_now+0x49a/0x1a10"]),
            ),
            check: |s| {
                check_held(s);
                check_trace(s, "f_now");
                let chain: Vec<_> = s
                    .chain
                    .iter()
                    .map(|c| (c.index, c.lock.name.as_str(), c.trace.len()))
                    .collect();
                assert_eq!(chain, [(2, "&c(io)#55", 2), (1, "b", 1), (0, "&a", 2)]);
                assert_eq!(s.cycle, ["&a", "b", "&c(io)#55"]);
                assert_eq!(s.chain_exists, s.cycle);
                assert_eq!(s.scenario.as_ref().unwrap().steps.len(), 4);
                assert_eq!(s.guilty.as_deref(), Some("f_now"));
            },
        },
        Sample {
            name: "circular of 4.4",
            kind: Kind::Circular,
            records: framed(
                "[ INFO: possible circular locking dependency detected ]",
                &[
                    "my task/1/107 is trying to acquire lock:",
                    " (&a){+.+.+.}, at: [<ffffffff8232bf0e>] f_now+0x1e/0x40",
                    "\nbut task is already holding lock:",
                    " (&b/1){+.+.+.}, at: [<ffffffff83542c29>] f_held+0x109/0x140",
                    "\nwhich lock already depends on the new lock.\n",
                    "\nthe existing dependency chain (in reverse order) is:",
                    "\n-> #1 (&b/1){+.+.+.}:",
                    "       [<ffffffff81232141>] lock_acquire+0x1d5/0x580",
                    "       [<ffffffff81232142>] b_under_a+0x6b/0x180",
                    "       [<ffffffffffffffff>] 0xffffffffffffffff",
                    "\n-> #0 (&a){+.+.+.}:",
                    "       [<ffffffff81232143>] f_now+0x1e/0x40",
                    "\nother info that might help us debug this:\n",
                    " Possible unsafe locking scenario:\n",
                    "       CPU0                    CPU1",
                    "       ----                    ----",
                    "  lock(&b/1);",
                    "                               lock(&a);",
                    "                               lock(&b/1);",
                    "  lock(&a);",
                    "\n *** DEADLOCK ***\n",
                    "1 lock held by my task/1/107:",
                    " #0:  (&b/1){+.+.+.}, at: [<ffffffff83542c29>] f_held+0x109/0x140",
                    "\nstack backtrace:",
                ],
                old_stack(&["f_now+0x1e/0x40"]),
            ),
            check: |s| {
                check_trace(s, "f_now");
                assert_eq!(
                    s.chain.iter().map(|c| c.trace.len()).collect::<Vec<_>>(),
                    [2, 1]
                );
                assert_eq!(s.held.len(), 1);
                assert_eq!(s.held[0].lock.subclass, Some(1));
                assert_eq!(s.cycle, ["&a", "&b/1"]);
            },
        },
        Sample {
            name: "recursive",
            kind: Kind::Recursive,
            records: framed(
                "WARNING: possible recursive locking detected",
                &with_held(&[
                    "my task/1/107 is trying to acquire lock:",
                    "ffffffffc000b108 (&m[i]){+.+.}-{4:4}, at: f_now+0x115/0x1000 [mod]",
                    "\nbut task is already holding lock:",
                    "ffffffffc000b080 (&m[i]){+.+.}-{4:4}, at: f_held+0x107/0x1000 [mod]",
                    "and the lock comparison function returns 0:",
                    "\nother info that might help us debug this:",
                    " Possible unsafe locking scenario:\n",
                    "       CPU0",
                    "       ----",
                    "  lock(&m[i]);",
                    "  lock(&m[i]);",
                    "\n *** DEADLOCK ***\n",
                    " May be due to missing lock nesting notation\n",
                ]),
                stack(&["print_deadlock_bug+0x276/0x3b0", "f_now+0x115/0x1000 [mod]"]),
            ),
            check: |s| {
                check_held(s);
                check_trace(s, "f_now");
                assert_eq!(
                    s.lock.as_ref().unwrap().address.as_deref(),
                    Some("0xffffffffc000b108")
                );
                assert_eq!(
                    s.other_lock.as_ref().unwrap().address.as_deref(),
                    Some("0xffffffffc000b080")
                );
                assert_eq!(s.notes.len(), 2);
            },
        },
    ]
}

fn irq_kinds() -> Vec<Sample> {
    vec![
        Sample {
            name: "irq-order",
            kind: Kind::IrqOrder,
            records: framed(
                "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected",
                &[
                    "my task/1/107 [HC0[0]:SC0[2]:HE0:SE1] is trying to acquire:",
                    "ffff8880120b9168 (&u){.?.+}-{2:2}, at: f_now+0x14b/0x460",
                    "\nand this task is already holding:",
                    "ffff88806a4a6028 (&h){....}-{2:2}, at: f_held+0xf6/0x970",
                    "which would create a new lock dependency:",
                    " (&h){....}-{2:2} -> (&u){.?.+}-{2:2}",
                    "\nbut this new dependency connects a HARDIRQ-irq-safe lock:",
                    " (&s){-.-.}-{2:2}",
                    "\n... which became HARDIRQ-irq-safe at:",
                    "  lock_acquire+0x29d/0x740",
                    "  s_in_irq+0x39/0x50",
                    "\nto a HARDIRQ-irq-unsafe lock:",
                    " (&u){.?.+}-{2:2}",
                    "\n... which became HARDIRQ-irq-unsafe at:",
                    "...",
                    "  u_with_irqs_on+0x5b/0x70",
                    "\nother info that might help us debug this:\n",
                    "Chain exists of:\n  &s --> &h --> &u\n",
                    " Possible interrupt unsafe locking scenario:\n",
                    "       CPU0                    CPU1",
                    "       ----                    ----",
                    "  lock(&u);",
                    "                               local_irq_disable();",
                    "                               lock(&s);",
                    "                               rlock(&h);",
                    "  <Interrupt>",
                    "    lock(&s);",
                    "\n *** DEADLOCK ***\n",
                    HELD[0],
                    HELD[1],
                    HELD[2],
                    "\nthe dependencies between HARDIRQ-irq-safe lock and the holding lock:",
                    " -> (&s){-.-.}-{2:2} ops: 12 {",
                    "    IN-HARDIRQ-W at:",
                    "                      lock_acquire+0x29d/0x740",
                    "                      s_in_irq+0x39/0x50",
                    "    INITIAL READ USE at:",
                    "                     s_first+0x5b/0x70",
                    "  }",
                    "  ... key      at: [<ffffffff8fa50fa0>] __key.8+0x0/0x40",
                    "  ... acquired at:",
                    "    s_under_h+0x29d/0x740",
                    "\n-> (&h){....}-{2:2} {",
                    "    INITIAL USE at:",
                    "                     h_first+0x5b/0x70",
                    "  }",
                    "  ... key      at: [<ffffffff8fa50fb0>] __key.9+0x0/0x40",
                    "  ... acquired at:",
                    "    h_under_u+0x29d/0x740",
                    "\n",
                    "\nthe dependencies between the lock to be acquired",
                    " and HARDIRQ-irq-unsafe lock:",
                    "-> (&u){.?.+}-{2:2} {",
                    "    HARDIRQ-ON-R at:",
                    "                     u_with_irqs_on+0x5b/0x70",
                    "  }",
                    "  ... key      at: [<ffffffff8fa50fc0>] __key.0+0x0/0x40",
                    "\nstack backtrace:",
                ],
                stack(&["f_now+0x14b/0x460"]),
            ),
            check: |s| {
                check_held(s);
                check_trace(s, "f_now");
                let c = s.context.as_ref().unwrap();
                assert!(!c.hardirq && !c.softirq && !c.hardirqs_enabled && c.softirqs_enabled);
                let (from, to) = s.dependency.as_ref().unwrap();
                assert_eq!((from.name.as_str(), to.name.as_str()), ("&h", "&u"));
                let (safe, unsafe_) =
                    (s.irq_safe.as_ref().unwrap(), s.irq_unsafe.as_ref().unwrap());
                assert_eq!((safe.lock.name.as_str(), safe.trace.len()), ("&s", 2));
                assert_eq!((unsafe_.lock.name.as_str(), unsafe_.trace.len()), ("&u", 1));
                let classes: Vec<_> = s
                    .classes
                    .iter()
                    .map(|c| {
                        (
                            c.lock.name.as_str(),
                            c.ops,
                            c.usages.len(),
                            c.acquired_at.len(),
                        )
                    })
                    .collect();
                assert_eq!(
                    classes,
                    [
                        ("&s", Some(12), 2, 1),
                        ("&h", None, 1, 1),
                        ("&u", None, 1, 0)
                    ]
                );
                assert_eq!(s.classes[0].usages[0].trace.len(), 2);
                assert_eq!(s.classes[1].key.as_deref(), Some("__key.9+0x0/0x40"));
                assert!(s.classes[2].section.contains("HARDIRQ-irq-unsafe"));
                assert_eq!(s.scenario.as_ref().unwrap().steps.len(), 6);
            },
        },
        Sample {
            name: "irq-inversion",
            kind: Kind::IrqInversion,
            records: framed(
                "WARNING: possible irq lock inversion dependency detected",
                &[
                    "my task/1/107 just changed the state of lock:",
                    "ffff8880120b9168 (&u){..-.}-{2:2}, at: f_now+0x14b/0x460",
                    "but this lock took another, SOFTIRQ-unsafe lock in the past:",
                    " (&o){+.+.}-{2:2}",
                    "\n\nand interrupts could create inverse lock ordering between them.\n",
                    "\nother info that might help us debug this:",
                    " Possible interrupt unsafe locking scenario:\n",
                    "       CPU0                    CPU1",
                    "       ----                    ----",
                    "  lock(&o);",
                    "                               local_irq_disable();",
                    "                               lock(&u);",
                    "                               lock(&o);",
                    "  <Interrupt>",
                    "    lock(&u);",
                    "\n *** DEADLOCK ***\n",
                    HELD[0],
                    HELD[1],
                    HELD[2],
                    "\nthe shortest dependencies between 2nd lock and 1st lock:",
                    " -> (&o){+.+.}-{2:2} {",
                    "    SOFTIRQ-ON-W at:",
                    "                      o_on+0x39/0x50",
                    "  }",
                    "  ... key      at: [<ffffffff8fa50fa0>] __key.8+0x0/0x40",
                    "  ... acquired at:",
                    "    o_under_u+0x29d/0x740",
                    "\n",
                    "\nstack backtrace:",
                ],
                stack(&["f_now+0x14b/0x460"]),
            ),
            check: |s| {
                check_held(s);
                check_trace(s, "f_now");
                assert_eq!(s.other_lock.as_ref().unwrap().name, "&o");
                assert_eq!(s.classes.len(), 1);
                assert_eq!(s.notes.len(), 1);
            },
        },
        Sample {
            name: "inconsistent-state",
            kind: Kind::InconsistentState,
            records: framed(
                "WARNING: inconsistent lock state",
                &with_held(&[
                    "inconsistent {IN-HARDIRQ-W} -> {HARDIRQ-ON-W} usage.",
                    "my task/1/107 [HC1[1]:SC0[0]:HE1:SE1] takes:",
                    "ffff888114ca0920 (&p->pi_lock){?.-.}-{2:2}, at: f_now+0x231/0x342",
                    "{IN-HARDIRQ-W} state was registered at:",
                    "  lock_acquire+0x379/0x3f9",
                    "  in_irq+0xf9/0x9d4",
                    "irq event stamp: 66",
                    "hardirqs last  enabled at (65): [<ffffffff847e2f33>] on+0x52/0x79",
                    "hardirqs last disabled at (66): [<ffffffff847f0fc1>] off+0x16/0x4c",
                    "softirqs last  enabled at (0): [<ffffffff811d6ec0>] fork+0x0/0x45",
                    "softirqs last disabled at (0): [<0000000000000000>] 0x0",
                    "\nother info that might help us debug this:",
                    " Possible unsafe locking scenario:\n",
                    "       CPU0",
                    "       ----",
                    "  lock(&p->pi_lock);",
                    "  <Interrupt>",
                    "    lock(&p->pi_lock);",
                    "\n *** DEADLOCK ***\n",
                ]),
                stack(&["mark_lock.part.0.cold+0x18/0xd8", "f_now+0x231/0x342"]),
            ),
            check: |s| {
                check_held(s);
                check_trace(s, "f_now");
                let change = s.usage_change.as_ref().unwrap();
                assert_eq!(
                    (change.from.as_str(), change.to.as_str()),
                    ("IN-HARDIRQ-W", "HARDIRQ-ON-W")
                );
                assert_eq!(s.registered.as_ref().unwrap().trace.len(), 2);
                let irq = s.irqtrace.as_ref().unwrap();
                assert_eq!(
                    (irq.stamp, irq.hardirqs_disabled.as_ref().unwrap().stamp),
                    (66, 66)
                );
                assert_eq!(irq.softirqs_disabled.as_ref().unwrap().at, "0x0");
                assert!(s.context.as_ref().unwrap().hardirq);
            },
        },
    ]
}

fn lock_kinds() -> Vec<Sample> {
    vec![
        Sample {
            name: "invalid-wait-context",
            kind: Kind::InvalidWaitContext,
            records: framed(
                "[ BUG: Invalid wait context ]",
                &[
                    "my task/1/107 is trying to lock:",
                    "ffff00004a747498 (&n->l){++++}-{3:3}, at: f_now+0x108/0x1b0",
                    "other info that might help us debug this:",
                    "context-{5:5}",
                    HELD[0],
                    HELD[1],
                    HELD[2],
                    "stack backtrace:",
                ],
                stack(&["f_now+0x108/0x1b0"]),
            ),
            check: |s| {
                check_held(s);
                check_trace(s, "f_now");
                assert_eq!(s.wait_context.as_deref(), Some("5:5"));
            },
        },
        Sample {
            name: "nested-not-held",
            kind: Kind::NestedNotHeld,
            records: {
                let mut body = framed(
                    "WARNING: Nested lock was not taken",
                    &[
                        "my task/1/107 is trying to lock:",
                        "ffff00004a747498 (&n->l){++++}-{3:3}, at: f_now+0x108/0x1b0",
                        "\nbut this task is not holding:",
                        "nest_lock_name",
                        "\nstack backtrace:",
                    ],
                    stack(&["f_now+0x108/0x1b0"]),
                );
                body.push("\nother info that might help us debug this:".to_owned());
                body.extend(HELD.iter().map(|s| (*s).to_owned()));
                body.push("\nstack backtrace:".to_owned());
                body.extend(stack(&["second+0x1/0x2"]));
                body
            },
            check: |s| {
                check_held(s);
                check_trace(s, "f_now");
                assert_eq!(s.other_lock.as_ref().unwrap().name, "nest_lock_name");
                assert!(s.second_trace.iter().any(|f| f.function == "second"));
            },
        },
        Sample {
            name: "bad-unlock-balance",
            kind: Kind::BadUnlockBalance,
            records: framed(
                "WARNING: bad unlock balance detected!",
                &with_held(&[
                    "my task/1/107 is trying to release lock (mrt_lock) at:",
                    "[<ffffffff834dea24>] f_now+0xe4/0x140",
                    "but there are no more locks to release!",
                    "\nother info that might help us debug this:",
                ]),
                stack(&["print_unlock_imbalance_bug+0x12f/0x140", "f_now+0xe4/0x140"]),
            ),
            check: |s| {
                check_held(s);
                check_trace(s, "f_now");
                assert_eq!(
                    (s.lock.as_ref().unwrap().name.as_str(), s.at.as_deref()),
                    ("mrt_lock", Some("f_now+0xe4/0x140"))
                );
            },
        },
        Sample {
            name: "bad-contention",
            kind: Kind::BadContention,
            records: framed(
                "[ BUG: bad contention detected! ]",
                &[
                    "my task/1/107 is trying to contend lock (&(x)->y) at:",
                    "[<ffffffff834dea24>] f_now+0xe4/0x140",
                    "but there are no locks held!",
                    "\nother info that might help us debug this:",
                    "no locks held by my task/1/107.",
                    "\nstack backtrace:",
                ],
                old_stack(&["f_now+0xe4/0x140"]),
            ),
            check: |s| {
                check_trace(s, "f_now");
                assert_eq!((s.held_declared, s.held.len()), (Some(0), 0));
                assert_eq!(s.lock.as_ref().unwrap().name, "&(x)->y");
            },
        },
        Sample {
            name: "held-lock-freed",
            kind: Kind::HeldLockFreed,
            records: framed(
                "WARNING: held lock freed!",
                &with_held(&[
                    "my task/1/107 is freeing memory ffff98ec812e9800-ffff98ec812e983f, with a lock still held there!",
                    "ffff98ec812e9818 (&h->l){+.+.}-{3:3}, at: f_now+0x2a0/0x1000 [mod]",
                ]),
                stack(&[
                    "debug_check_no_locks_freed+0x130/0x170",
                    "kfree+0xc6/0x420",
                    "f_now+0x2a8/0x1000 [mod]",
                ]),
            ),
            check: |s| {
                check_held(s);
                check_trace(s, "f_now");
                assert_eq!(
                    s.memory,
                    Some(("0xffff98ec812e9800".into(), "0xffff98ec812e983f".into()))
                );
                assert_eq!(s.lock.as_ref().unwrap().class, "&h->l");
                assert_eq!(s.guilty.as_deref(), Some("f_now"));
            },
        },
        Sample {
            name: "still-has-locks",
            kind: Kind::StillHasLocks,
            records: framed(
                "WARNING: my task/1/107 still has locks held!",
                &with_held(&[]),
                stack(&["do_exit+0x1c1/0x2054"]),
            ),
            check: |s| {
                check_held(s);
                check_trace(s, "do_exit");
            },
        },
        Sample {
            name: "user-return-locks",
            kind: Kind::UserReturnLocks,
            records: framed(
                "WARNING: lock held when returning to user space!",
                &[
                    "my task/1/107 is leaving the kernel with locks still held!",
                    HELD[0],
                    HELD[1],
                    HELD[2],
                ],
                vec![],
            ),
            check: |s| {
                check_held(s);
                assert_eq!((s.trace.len(), s.cut), (0, false));
            },
        },
        Sample {
            name: "suspicious-rcu",
            kind: Kind::SuspiciousRcu,
            records: framed(
                "WARNING: suspicious RCU usage",
                &with_held(&[
                    "arch/x86/virt/hw.c:65 suspicious rcu_dereference_check() usage!",
                    "\nother info that might help us debug this:\n",
                    "\nRCU used illegally from offline CPU!\nrcu_scheduler_active = 2, debug_locks = 1",
                    "RCU used illegally from extended quiescent state!",
                ]),
                stack(&[
                    "lockdep_rcu_suspicious+0x146/0x1a0",
                    "x86_virt_invoke_kvm_emergency_callback+0x56/0x60",
                ]),
            ),
            check: |s| {
                check_held(s);
                check_trace(s, "x86_virt_invoke_kvm_emergency_callback");
                assert_eq!(s.location.as_deref(), Some("arch/x86/virt/hw.c:65"));
                assert_eq!(
                    s.message.as_deref(),
                    Some("suspicious rcu_dereference_check() usage!")
                );
                assert_eq!(
                    (s.rcu_scheduler_active, s.debug_locks, s.notes.len()),
                    (Some(2), Some(1), 2)
                );
                assert_eq!(s.known_issue, Some(KnownSplat::RcuInEmergencyCallback));
                assert_eq!(s.release.as_deref(), Some("7.2.13-x"));
            },
        },
        Sample {
            name: "chain-key-collision",
            kind: Kind::ChainKeyCollision,
            records: framed(
                "WARNING: chain_key collision",
                &[
                    "my task/1/107: ",
                    "Hash chain already cached but the contents don't match!",
                    "Held locks:",
                    "depth: 2 (irq_context 0)",
                    " hlock_id:12 -> chain_key:000000000000000C(&a){+.+.}-{4:4}, at: f+0x1/0x2",
                    " hlock_id:13 -> chain_key:000000000018000D(&b){+.+.}-{4:4}, at: g+0x1/0x2",
                    "Locks in cached chain:",
                    "depth: 1",
                    " hlock_id:14 -> chain_key:000000000000000E (&c){+.+.}-{4:4}\n",
                    "\nstack backtrace:",
                ],
                stack(&["f_now+0x1/0x2"]),
            ),
            check: |s| {
                check_trace(s, "f_now");
                assert_eq!(s.held.len(), 3);
            },
        },
    ]
}

fn plain(lines: &[&str], trace: Vec<String>) -> Vec<String> {
    lines.iter().map(|s| (*s).to_owned()).chain(trace).collect()
}

fn plain_kinds() -> Vec<Sample> {
    let mut out = vec![
        Sample {
            name: "non-static-key",
            kind: Kind::NonStaticKey,
            records: plain(
                &[
                    "INFO: trying to register non-static key.",
                    "The code is fine but needs lockdep annotation, or maybe",
                    "you didn't initialize this object before use?",
                    "turning off the locking correctness validator.",
                ],
                stack(&["register_lock_class+0x1/0x2", "f_now+0x1/0x2"]),
            ),
            check: |s| check_trace(s, "f_now"),
        },
        Sample {
            name: "unregistered-key",
            kind: Kind::UnregisteredKey,
            records: {
                let mut r = plain(
                    &[
                        "BUG: key ffff888012345678 has not been registered!",
                        "------------[ cut here ]------------",
                        "DEBUG_LOCKS_WARN_ON(1)",
                        "WARNING: kernel/locking/lockdep.c:4999 at lockdep_init_map_type+0x1/0x2, CPU#3: my task/1/107",
                        "Modules linked in: kvm_amd(O) kvm(O)",
                    ],
                    stack(&["f_now+0x1/0x2"]),
                );
                r.push("---[ end trace 0000000000000000 ]---".to_owned());
                r
            },
            check: |s| check_trace(s, "f_now"),
        },
        Sample {
            name: "invalid-subclass",
            kind: Kind::InvalidSubclass,
            records: plain(
                &[
                    "BUG: looking up invalid subclass: 9",
                    "turning off the locking correctness validator.",
                ],
                stack(&["f_now+0x1/0x2"]),
            ),
            check: |s| check_trace(s, "f_now"),
        },
        Sample {
            name: "lockdep-limit",
            kind: Kind::LockdepLimit,
            records: plain(
                &[
                    "BUG: MAX_LOCK_DEPTH too low!",
                    "turning off the locking correctness validator.",
                    "Please attach the output of /proc/lock_stat to the bug report",
                    "depth: 48  max: 48!",
                    HELD[0],
                    HELD[1],
                    HELD[2],
                    "INFO: lockdep is turned off.",
                ],
                stack(&["f_now+0x1/0x2"]),
            ),
            check: |s| {
                check_held(s);
                check_trace(s, "f_now");
                assert_eq!(s.attachments.len(), 1);
            },
        },
        Sample {
            name: "spinlock-debug",
            kind: Kind::SpinlockDebug,
            records: plain(
                &[
                    "BUG: spinlock bad magic on CPU#3, my task/1/107",
                    " lock: 0xffff888012345678, .magic: 00000000, .owner: <none>/-1, .owner_cpu: 0",
                ],
                stack(&["spin_bug+0x1/0x2", "f_now+0x1/0x2"]),
            ),
            check: |s| {
                check_trace(s, "f_now");
                assert_eq!(
                    s.lock.as_ref().unwrap().address.as_deref(),
                    Some("0xffff888012345678")
                );
            },
        },
        Sample {
            name: "rwlock-debug",
            kind: Kind::RwlockDebug,
            records: plain(
                &["BUG: rwlock bad magic on CPU#3, my task/1/107, ffff888012345678"],
                stack(&["rwlock_bug+0x1/0x2", "f_now+0x1/0x2"]),
            ),
            check: |s| check_trace(s, "f_now"),
        },
        Sample {
            name: "preemptible-percpu",
            kind: Kind::PreemptiblePercpu,
            records: plain(
                &[
                    "BUG: using smp_processor_id() in preemptible [00000000] code: my task/1/107",
                    "caller is debug_smp_processor_id+0x1c/0x26",
                ],
                stack(&["check_preemption_disabled+0xaa/0xac", "f_now+0x1/0x2"]),
            ),
            check: |s| {
                check_trace(s, "f_now");
                assert_eq!(
                    (s.guilty.as_deref(), s.at.as_deref()),
                    (Some("f_now"), Some("debug_smp_processor_id+0x1c/0x26"))
                );
            },
        },
        Sample {
            name: "workqueue-leak",
            kind: Kind::WorkqueueLeak,
            records: plain(
                &[
                    "BUG: workqueue leaked atomic, lock or RCU: my task/1[107]\n     preempt=0x00000000 lock=0->1 RCU=0->1 workfn=leak_work [mod]",
                    HELD[0],
                    HELD[1],
                    HELD[2],
                ],
                stack(&["process_one_work+0x1/0x2"]),
            ),
            check: |s| {
                check_held(s);
                check_trace(s, "process_one_work");
                assert_eq!(s.work.as_deref(), Some("leak_work"));
            },
        },
        Sample {
            name: "irqs-left-enabled",
            kind: Kind::IrqsLeftEnabled,
            records: plain(
                &[
                    "CPU 3 left hardirqs enabled!",
                    "irq event stamp: 7",
                    "hardirqs last  enabled at (7): [<ffffffff81000000>] f+0x1/0x2",
                ],
                vec![],
            ),
            check: |s| {
                assert_eq!(
                    (s.cpu, s.irqtrace.as_ref().unwrap().stamp, s.cut),
                    (Some(3), 7, false)
                );
            },
        },
        Sample {
            name: "rtmutex depth",
            kind: Kind::RtmutexWarn,
            records: plain(
                &["Maximum lock depth 1024 reached task: my task/1 (107)"],
                vec![],
            ),
            check: |s| assert_eq!(s.task.as_ref().unwrap().pid, 107),
        },
    ];
    out.extend(sleep_kinds());
    out
}

fn sleep_kinds() -> Vec<Sample> {
    let atomic = |header: &str, counters: &str| {
        let mut r = plain(
            &[
                header,
                counters,
                "preempt_count: 10000, expected: 0",
                "RCU nest depth: 1, expected: 0",
                HELD[0],
                HELD[1],
                HELD[2],
            ],
            vec![],
        );
        r.extend(plain(
            &[
                "irq event stamp: 66",
                "hardirqs last  enabled at (65): [<ffffffff847e2f33>] on+0x52/0x79",
                "Preemption disabled at:\n[<ffffffff81883b8e>] off+0x1e/0x1f0",
            ],
            stack(&["f_now+0x1/0x2"]),
        ));
        r
    };
    vec![
        Sample {
            name: "atomic-sleep",
            kind: Kind::AtomicSleep,
            records: atomic(
                "BUG: sleeping function called from invalid context at mm/slab.h:420",
                "in_atomic(): 1, irqs_disabled(): 1, non_block: 0, pid: 107, name: my task/1",
            ),
            check: |s| {
                check_held(s);
                check_trace(s, "f_now");
                let a = s.atomic.as_ref().unwrap();
                assert_eq!(
                    (a.in_atomic, a.non_block, a.preempt_count, a.rcu_depth),
                    (Some(1), Some(0), Some(0x10000), Some(1))
                );
                assert_eq!(a.preemption_disabled_at.as_deref(), Some("off+0x1e/0x1f0"));
                assert_eq!(s.location.as_deref(), Some("mm/slab.h:420"));
            },
        },
        Sample {
            name: "cant-sleep",
            kind: Kind::CantSleep,
            records: atomic(
                "BUG: assuming atomic context at net/core/a.c:1",
                "in_atomic(): 0, irqs_disabled(): 0, pid: 107, name: my task/1",
            ),
            check: |s| check_trace(s, "f_now"),
        },
        Sample {
            name: "cant-migrate",
            kind: Kind::CantMigrate,
            records: atomic(
                "BUG: assuming non migratable context at net/core/a.c:1",
                "in_atomic(): 0, irqs_disabled(): 0, migration_disabled() 0 pid: 107, name: my task/1",
            ),
            check: |s| check_trace(s, "f_now"),
        },
        Sample {
            name: "atomic-sched",
            kind: Kind::AtomicSched,
            records: plain(
                &[
                    "BUG: scheduling while atomic: my task/1/107/0x00000002",
                    HELD[0],
                    HELD[1],
                    HELD[2],
                    "Modules linked in: a(O) b",
                    "Preemption disabled at:\n[<ffffffff812b2934>] off+0x64/0x260",
                ],
                stack(&[
                    "__schedule_bug.cold+0x10c/0x143",
                    "schedule+0xd3/0x270",
                    "f_now+0x1/0x2",
                ]),
            ),
            check: |s| {
                check_held(s);
                check_trace(s, "f_now");
                assert_eq!(s.guilty.as_deref(), Some("f_now"));
            },
        },
    ]
}

/// A WARN of 7.2, registers and irq trace included.
fn warn(message: &str, place: &str) -> Vec<String> {
    let mut out = plain(
        &["------------[ cut here ]------------", message],
        vec![
            format!("WARNING: {place}, CPU#3: my task/1/107"),
            "Modules linked in: a(O)".to_owned(),
        ],
    );
    out.retain(|l| !l.is_empty());
    let mut trace = stack(&["f_now+0x1/0x2"]);
    trace.insert(3, "RIP: 0010:f_warned+0x1e0/0x280".to_owned());
    trace.insert(
        4,
        "RAX: 0000000000000246 RBX: ffffffffc0201000 RCX: 0000000000000000".to_owned(),
    );
    trace.insert(
        5,
        "CR2: 000000000042e960 CR3: 0000000002a3d000 CR4: 00000000003506b0".to_owned(),
    );
    out.extend(trace);
    out.extend(plain(
        &[
            "irq event stamp: 757",
            "hardirqs last  enabled at (757): [<ffffffffbaed6a8d>] on+0x4d/0x50",
            "---[ end trace 0000000000000000 ]---",
        ],
        vec![],
    ));
    out
}

fn warn_kinds() -> Vec<Sample> {
    let one = |name: &'static str, kind: Kind, message: &str, place: &str| Sample {
        name,
        kind,
        records: warn(message, place),
        check: |s| {
            check_trace(s, "f_now");
            assert_eq!(s.irqtrace.as_ref().unwrap().stamp, 757);
            assert_eq!(s.cpu, Some(3));
            assert!(s.message.is_some() && !s.cut);
        },
    };
    vec![
        one(
            "debug-locks-warn",
            Kind::DebugLocksWarn,
            "DEBUG_LOCKS_WARN_ON(lock->magic != lock)",
            "kernel/locking/mutex.c:600 at __mutex_lock+0x1/0x2",
        ),
        one(
            "lockdep-warn",
            Kind::LockdepWarn,
            "releasing a pinned lock",
            "kernel/locking/lockdep.c:5600 at lock_release+0x1/0x2",
        ),
        one(
            "lockdep-warn, unlisted text",
            Kind::LockdepWarn,
            "class_filter() failed for class x",
            "kernel/locking/lockdep.c:3349 at f+0x1/0x2",
        ),
        one(
            "lockdep-warn without file",
            Kind::LockdepWarn,
            "downgrading a read lock",
            "at lock_downgrade+0x1/0x2",
        ),
        one(
            "lockdep-assert",
            Kind::LockdepAssert,
            "IRQs not disabled as expected",
            "kernel/sched/core.c:1 at f+0x1/0x2",
        ),
        one(
            "lockdep-assert with condition",
            Kind::LockdepAssert,
            "",
            "[debug_locks && !(lock_is_held(&(x)->dep_map))] fs/a.c:7 at f+0x1/0x2",
        ),
        one(
            "rwsem-warn",
            Kind::RwsemWarn,
            "DEBUG_RWSEMS_WARN_ON(sem->magic != sem): count = 0x0, magic = 0x0, owner = 0x1, curr 0x2, list empty",
            "kernel/locking/rwsem.c:1340 at up_read+0x1/0x2",
        ),
        one(
            "rtmutex-warn",
            Kind::RtmutexWarn,
            "rtmutex deadlock detected",
            "kernel/locking/rtmutex.c:1698 at f+0x1/0x2",
        ),
        one(
            "irqflags-warn",
            Kind::IrqflagsWarn,
            "raw_local_irq_restore() called with IRQs enabled",
            "kernel/locking/irqflag-debug.c:10 at warn_bogus_irq_restore+0x1/0x2",
        ),
        one(
            "nonrunning-sleep",
            Kind::NonrunningSleep,
            "do not call blocking ops when !TASK_RUNNING; state=1 set at [<ffffffff81094815>] prepare_to_wait_event+0x75/0xf0",
            "kernel/sched/core.c:9175 at __might_sleep+0x1/0x2",
        ),
        one(
            "rcu-voluntary-switch",
            Kind::RcuVoluntarySwitch,
            "Voluntary context switch within RCU read-side critical section!",
            "kernel/rcu/tree_plugin.h:332 at rcu_note_context_switch+0x1/0x2",
        ),
        Sample {
            name: "debug-locks-warn of 4.4",
            kind: Kind::DebugLocksWarn,
            records: {
                let mut r = plain(
                    &[
                        "------------[ cut here ]------------",
                        "WARNING: CPU: 3 PID: 107 at kernel/locking/lockdep.c:3190 __lock_acquire+0x23b3/0x4b50()",
                        "DEBUG_LOCKS_WARN_ON(id >= MAX_LOCKDEP_KEYS)",
                        "Modules linked in:",
                    ],
                    old_stack(&["warn_slowpath_fmt+0xc1/0x110", "f_now+0x1/0x2"]),
                );
                r.push("---[ end trace 7176eb4430fb7fce ]---".to_owned());
                r
            },
            check: |s| {
                check_trace(s, "f_now");
                assert_eq!(s.location.as_deref(), Some("kernel/locking/lockdep.c:3190"));
            },
        },
    ]
}

fn samples() -> Vec<Sample> {
    let mut all = dependency_kinds();
    all.extend(irq_kinds());
    all.extend(lock_kinds());
    all.extend(plain_kinds());
    all.extend(warn_kinds());
    all
}

#[test]
fn a_report_of_each_kind_is_read_whole_from_the_ring_buffer() {
    let mut kinds = std::collections::HashSet::new();
    for sample in samples() {
        let all = surrounded(&sample.records);
        let got = scan_records(as_records(&all));
        assert_eq!(
            got.len(),
            1,
            "{}: {:?}",
            sample.name,
            got.iter()
                .map(|s| (s.kind, s.first_line))
                .collect::<Vec<_>>()
        );
        assert_eq!(got[0].kind, sample.kind, "{}", sample.name);
        assert_eq!(got[0].timestamp, Some(11.776041));
        assert!(
            !got[0].title.is_empty() && !got[0].sentence.is_empty() && !got[0].signature.is_empty()
        );
        (sample.check)(&got[0]);
        kinds.insert(sample.kind);
    }
    let missing: Vec<Kind> = Kind::all().filter(|k| !kinds.contains(k)).collect();
    assert!(missing.is_empty(), "kinds without a sample: {missing:?}");
}

#[test]
fn a_report_of_each_kind_reads_the_same_in_each_carrier() {
    for sample in samples() {
        let all = surrounded(&sample.records);
        let canonical = scan_records(as_records(&all));
        for (carrier, text, flat) in carriers(&all) {
            let got = scan_text(text.as_bytes()).unwrap();
            assert_eq!(got.len(), 1, "{} in {carrier}:\n{text}", sample.name);
            assert_eq!(
                essence(&got[0], flat),
                essence(&canonical[0], flat),
                "{} in {carrier}:\n{text}",
                sample.name
            );
        }
    }
}

#[test]
fn two_reports_of_two_callers_may_be_interleaved_line_by_line() {
    let all = samples();
    for (a, b) in all.iter().zip(all.iter().skip(1)) {
        let lines = |s: &Sample, caller: &str| -> Vec<String> {
            s.records
                .iter()
                .flat_map(|r| r.split('\n').map(str::to_owned).collect::<Vec<_>>())
                .map(|l| format!("{TIME}[{caller}] {l}\n"))
                .collect()
        };
        let (left, right) = (lines(a, " T107"), lines(b, "   C2"));
        let mut text = String::new();
        for i in 0..left.len().max(right.len()) {
            text.extend(left.get(i).map(String::as_str));
            text.extend(right.get(i).map(String::as_str));
        }
        let got = scan_text(text.as_bytes()).unwrap();
        assert_eq!(got.len(), 2, "{} with {}:\n{text}", a.name, b.name);
        for (sample, caller) in [(a, "T107"), (b, "C2")] {
            let one = got
                .iter()
                .find(|s| s.caller.as_deref() == Some(caller))
                .unwrap();
            let alone = scan_records(as_records(&sample.records));
            assert_eq!(
                essence(one, false),
                essence(&alone[0], false),
                "{} beside another",
                sample.name
            );
        }
    }
}

#[test]
fn a_report_cut_anywhere_is_delivered_as_far_as_it_goes() {
    for sample in samples() {
        let text = each(&sample.records, &format!("{TIME}[ T107] "), "\n");
        let lines: Vec<&str> = text.lines().collect();
        let whole = scan_text(text.as_bytes()).unwrap();
        let header = usize::try_from(whole[0].first_line).unwrap();
        for end in header..lines.len() {
            let cut = lines[..end].join("\n");
            let got = scan_text(cut.as_bytes()).unwrap();
            // Up to 4.5 the kind of a WARN is only known by the line behind it.
            assert!(
                got.len() == 1 || end == header,
                "{} cut behind line {end}",
                sample.name
            );
            for splat in &got {
                assert!(splat.last_line <= end as u64);
                if splat.trace.is_empty()
                    && !matches!(splat.kind, Kind::UserReturnLocks | Kind::IrqsLeftEnabled)
                {
                    assert!(
                        splat.cut && splat.missing.contains(&Missing::Backtrace),
                        "{} cut behind line {end}",
                        sample.name
                    );
                }
            }
        }
    }
}

/// The report's records from the `from`-th on, in a ring that has overwritten those before.
fn beheaded(records: &[String], from: usize) -> Vec<Splat> {
    let left = records[from..].to_vec();
    scan_records(as_records(&left).into_iter().map(|r| Record {
        seq: r.seq + 5_000,
        ..r
    }))
}

#[test]
fn a_report_whose_head_was_overwritten_keeps_its_kind() {
    let mut found = std::collections::HashSet::new();
    for sample in samples() {
        let header = sample
            .records
            .iter()
            .position(|r| r.contains("WARNING: ") || r.contains("BUG: ") || r.contains("INFO: "))
            .unwrap_or(0);
        for from in header + 1..sample.records.len() {
            for splat in beheaded(&sample.records, from) {
                if !splat.beheaded {
                    continue; // a WARN behind the report's first line has a head of its own
                }
                assert_eq!(splat.kind, sample.kind, "{} from {from}", sample.name);
                assert!(
                    splat.cut
                        && splat
                            .missing
                            .iter()
                            .any(|m| m.to_string().contains("overwritten"))
                );
                found.insert(sample.kind);
            }
        }
    }
    for kind in [
        Kind::Circular,
        Kind::Recursive,
        Kind::IrqOrder,
        Kind::IrqInversion,
        Kind::InconsistentState,
        Kind::InvalidWaitContext,
        Kind::NestedNotHeld,
        Kind::BadUnlockBalance,
        Kind::BadContention,
        Kind::HeldLockFreed,
        Kind::UserReturnLocks,
        Kind::SuspiciousRcu,
        Kind::SpinlockDebug,
        Kind::RwlockDebug,
        Kind::PreemptiblePercpu,
    ] {
        assert!(found.contains(&kind), "{kind}");
    }
}

#[test]
fn a_beheaded_circular_report_keeps_locks_trace_and_task() {
    let samples = samples();
    let circular = samples.iter().find(|s| s.name == "circular").unwrap();
    let from = circular
        .records
        .iter()
        .position(|r| r.contains("-> #1 "))
        .unwrap();
    let got = beheaded(&circular.records, from);
    assert_eq!(got.len(), 1);
    check_held(&got[0]);
    check_trace(&got[0], "f_now");
    assert_eq!((got[0].kind, got[0].first_line), (Kind::Circular, 2));
}

#[test]
fn a_log_that_begins_with_the_boot_has_no_beheaded_report() {
    for sample in samples() {
        let left = sample.records[sample.records.len().min(4)..].to_vec();
        let got = scan_records(as_records(&left));
        assert!(got.iter().all(|s| !s.beheaded), "{}", sample.name);
    }
}

#[test]
fn parts_of_a_pstore_dump_that_run_backwards_make_one_report() {
    for sample in samples() {
        let all = surrounded(&sample.records);
        let text = each(&all, &format!("<4>{TIME} "), "\n");
        let whole = scan_text(text.as_bytes()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let parts: Vec<&[&str]> = lines.chunks(lines.len().div_ceil(3)).collect();
        let mut backwards = String::new();
        for (number, part) in (1..).zip(parts.iter().rev()) {
            backwards.push_str(&format!("Panic#1 Part{number}\n{}\n", part.join("\n")));
        }
        let got = scan_text(backwards.as_bytes()).unwrap();
        assert_eq!(got.len(), 1, "{}", sample.name);
        assert_eq!(
            essence(&got[0], false),
            essence(&whole[0], false),
            "{}",
            sample.name
        );
    }
}

#[test]
fn records_that_netconsole_cut_into_packets_are_joined() {
    for sample in samples() {
        let all = surrounded(&sample.records);
        let canonical = scan_records(as_records(&all));
        let mut text = String::new();
        for (seq, record) in all.iter().enumerate() {
            let body = record.replace('\n', "\\x0a");
            let head = format!("6.12.0,4,{seq},11776041,-,caller=T107");
            let mut offset = 0;
            while offset < body.len() {
                let end = (offset + 11).min(body.len());
                text.push_str(&format!(
                    "{head},ncfrag={offset}/{};{}",
                    body.len(),
                    &body[offset..end]
                ));
                offset = end;
            }
            text.push('\n');
        }
        let got = scan_text(text.as_bytes()).unwrap();
        assert_eq!(got.len(), 1, "{}:\n{text}", sample.name);
        assert_eq!(
            essence(&got[0], false),
            essence(&canonical[0], false),
            "{}",
            sample.name
        );
    }
}
