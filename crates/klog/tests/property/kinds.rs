//! A report of each kind from given parts, line by line as the kernel prints it.
//!
//! Source: the functions that `Kind` names for each kind, 7.2.

use virtopsy_klog::{AtomicState, Frame, IrqSide, Kind, Lock, UsageChange, UsageTrace};

use super::parts::Parts;
use super::printer::{Printer, Style};

/// Prints the report of a kind; `None` where the kind has no generator.
pub(crate) fn print(kind: Kind, parts: &Parts) -> Printer {
    let mut p = Printer::new(parts.style, parts.task.clone(), parts.cpu);
    match kind {
        Kind::Circular => circular(&mut p, parts),
        Kind::Recursive => recursive(&mut p, parts),
        Kind::IrqOrder => irq_order(&mut p, parts),
        Kind::IrqInversion => irq_inversion(&mut p, parts),
        Kind::InconsistentState => inconsistent_state(&mut p, parts),
        Kind::InvalidWaitContext => wait_context(&mut p, parts),
        Kind::NestedNotHeld => nested_not_held(&mut p, parts),
        Kind::BadUnlockBalance | Kind::BadContention => unlock(&mut p, kind, parts),
        Kind::HeldLockFreed => freed(&mut p, parts),
        Kind::StillHasLocks => {
            let head = format!("{} still has locks held!", p.who());
            p.head(kind, bug(p.style), &head);
            p.want.message = Some("still has locks held!".to_owned());
            p.held(held(parts));
            p.end(&parts.frames);
        }
        Kind::UserReturnLocks => {
            p.head(
                kind,
                bug(p.style),
                "lock held when returning to user space!",
            );
            p.line(format!(
                "{} is leaving the kernel with locks still held!",
                p.who()
            ));
            p.held(&parts.locks[..1 + parts.held]);
            p.want.cpu = None;
        }
        Kind::SuspiciousRcu => suspicious_rcu(&mut p, parts),
        Kind::ChainKeyCollision => collision(&mut p, parts),
        Kind::NonStaticKey | Kind::InvalidSubclass | Kind::LockdepLimit => {
            of_lockdep(&mut p, kind, parts);
        }
        Kind::AtomicSleep | Kind::CantSleep | Kind::CantMigrate => sleep(&mut p, kind, parts),
        Kind::AtomicSched => atomic_sched(&mut p, parts),
        Kind::WorkqueueLeak => workqueue_leak(&mut p, parts),
        Kind::SpinlockDebug | Kind::RwlockDebug => spin_bug(&mut p, kind, parts),
        Kind::PreemptiblePercpu => preemptible(&mut p, parts),
        Kind::IrqsLeftEnabled => {
            p.want.kind = kind;
            p.want.task = None;
            p.want.release = None;
            p.want.message = Some("CPU left hardirqs enabled!".to_owned());
            p.line(format!("CPU {} left hardirqs enabled!", parts.cpu));
            p.irqtrace(parts.number, &parts.frames[0]);
        }
        _ => warn(&mut p, kind, parts),
    }
    p
}

/// The locks that the task of the report holds.
fn held(parts: &Parts) -> &[Lock] {
    &parts.locks[..parts.held]
}

/// The first locks are held; these are others.
fn other(parts: &Parts, n: usize) -> &Lock {
    &parts.locks[parts.locks.len() - 1 - n]
}

/// What up to 4.11 said `BUG` of.
fn bug(style: Style) -> &'static str {
    if style == Style::V4_4 {
        "BUG"
    } else {
        "WARNING"
    }
}

const HELP: &str = "\nother info that might help us debug this:";
const UNSAFE: &str = "Possible unsafe locking scenario";
const IRQ_UNSAFE: &str = "Possible interrupt unsafe locking scenario";

fn circular(p: &mut Printer, parts: &Parts) {
    p.head(
        Kind::Circular,
        "WARNING",
        "possible circular locking dependency detected",
    );
    p.line(format!("{} is trying to acquire lock:", p.who()));
    let chain: Vec<&Lock> = (0..parts.links).map(|n| other(parts, n)).collect();
    let (taken, holds) = (chain[0], chain[parts.links - 1]);
    p.want.lock = Some(p.lock_line(taken));
    p.line("\nbut task is already holding lock:");
    p.want.other_lock = Some(p.lock_line(holds));
    p.line("\nwhich lock already depends on the new lock.\n");
    p.line("\nthe existing dependency chain (in reverse order) is:");
    let links: Vec<(&Lock, &[Frame])> = chain
        .iter()
        .enumerate()
        .map(|(n, lock)| (*lock, &parts.frames[n * 2..n * 2 + 1 + parts.held % 2]))
        .collect();
    p.chain(&links);
    p.line("\nother info that might help us debug this:\n");
    let (a, b) = (taken.name.as_str(), holds.name.as_str());
    if parts.links > 2 {
        p.exists(&[a, chain[1].name.as_str(), b]);
    }
    let inner = if parts.links > 2 {
        chain[1].name.as_str()
    } else {
        a
    };
    p.scenario(
        UNSAFE,
        2,
        &[
            (0, "lock", Some(b)),
            (1, "lock", Some(inner)),
            (1, if parts.flag { "rlock" } else { "lock" }, Some(b)),
            (0, "lock", Some(a)),
        ],
    );
    p.held(held(parts));
    p.end(&parts.frames);
}

fn recursive(p: &mut Printer, parts: &Parts) {
    p.head(
        Kind::Recursive,
        "WARNING",
        "possible recursive locking detected",
    );
    p.line(format!("{} is trying to acquire lock:", p.who()));
    let taken = other(parts, 0);
    p.want.lock = Some(p.lock_line(taken));
    p.line("\nbut task is already holding lock:");
    p.want.other_lock = Some(p.lock_line(taken));
    if parts.flag {
        p.line("and the lock comparison function returns 0:");
    }
    p.line(HELP);
    let name = Some(taken.name.as_str());
    p.scenario(UNSAFE, 1, &[(0, "lock", name), (0, "lock", name)]);
    p.line(" May be due to missing lock nesting notation\n");
    p.held(held(parts));
    p.end(&parts.frames);
}

fn irq_order(p: &mut Printer, parts: &Parts) {
    let state = if parts.flag { "SOFTIRQ" } else { "HARDIRQ" };
    p.head(
        Kind::IrqOrder,
        "WARNING",
        &format!("{state}-safe -> {state}-unsafe lock order detected"),
    );
    let context = p.context(parts.flag);
    p.line(format!("{}{context} is trying to acquire:", p.who()));
    let (taken, holds, safe) = (other(parts, 0), other(parts, 1), other(parts, 2));
    p.want.lock = Some(p.lock_line(taken));
    p.line("\nand this task is already holding:");
    p.want.other_lock = Some(p.lock_line(holds));
    p.line("which would create a new lock dependency:");
    let ((from_text, from), (to_text, to)) = (p.class(holds), p.class(taken));
    p.line(format!("{from_text} ->{to_text}"));
    p.want.dependency = Some((from, to));
    p.line(format!(
        "\nbut this new dependency connects a {state}-irq-safe lock:"
    ));
    let lock = p.class_line(safe);
    p.line(format!("\n... which became {state}-irq-safe at:"));
    let trace = p.stored(2, &parts.frames[..3]);
    let side = |what: &str, lock, trace| {
        Some(IrqSide {
            state: format!("{state}-irq-{what}"),
            lock,
            trace,
        })
    };
    p.want.irq_safe = side("safe", lock, trace);
    p.line(format!("\nto a {state}-irq-unsafe lock:"));
    let lock = p.class_line(taken);
    p.line(format!("\n... which became {state}-irq-unsafe at:"));
    p.line("...");
    let trace = p.stored(2, &parts.frames[3..5]);
    p.want.irq_unsafe = side("unsafe", lock, trace);
    p.line("\nother info that might help us debug this:\n");
    p.exists(&[&safe.name, &holds.name, &taken.name]);
    irq_scenario(p, &taken.name, &safe.name, &holds.name);
    p.held(held(parts));
    let section = format!("the dependencies between {state}-irq-safe lock and the holding lock");
    p.line(format!("\n{section}:"));
    let usage = format!("IN-{state}-W");
    p.class_dump(
        &section,
        1,
        safe,
        &[
            (&usage, &parts.frames[5..7]),
            ("INITIAL USE", &parts.frames[7..8]),
        ],
        Some(&parts.frames[8..9]),
    );
    p.class_dump(
        &section,
        0,
        holds,
        &[("INITIAL USE", &parts.frames[9..10])],
        Some(&parts.frames[10..12]),
    );
    p.line("\nthe dependencies between the lock to be acquired");
    p.line(format!(" and {state}-irq-unsafe lock:"));
    let section =
        format!("the dependencies between the lock to be acquired and {state}-irq-unsafe lock");
    let usage = format!("{state}-ON-W");
    p.class_dump(&section, 0, taken, &[(&usage, &parts.frames[12..14])], None);
    p.end(&parts.frames);
}

fn irq_scenario(p: &mut Printer, unsafe_lock: &str, safe: &str, middle: &str) {
    p.scenario(
        IRQ_UNSAFE,
        2,
        &[
            (0, "lock", Some(unsafe_lock)),
            (1, "local_irq_disable", None),
            (1, "lock", Some(safe)),
            (1, "lock", Some(middle)),
            (0, "<Interrupt>", None),
            (2, "lock", Some(safe)),
        ],
    );
}

fn irq_inversion(p: &mut Printer, parts: &Parts) {
    p.head(
        Kind::IrqInversion,
        "WARNING",
        "possible irq lock inversion dependency detected",
    );
    let (changed, another) = (other(parts, 0), other(parts, 1));
    p.line(format!("{} just changed the state of lock:", p.who()));
    p.want.lock = Some(p.lock_line(changed));
    p.line(if parts.flag {
        "but this lock took another, HARDIRQ-unsafe lock in the past:"
    } else {
        "but this lock was taken by another, SOFTIRQ-READ-safe lock in the past:"
    });
    p.want.other_lock = Some(p.class_line(another));
    p.line("\n\nand interrupts could create inverse lock ordering between them.\n");
    p.line(HELP);
    irq_scenario(p, &another.name, &changed.name, &another.name);
    p.held(held(parts));
    let section = "the shortest dependencies between 2nd lock and 1st lock";
    p.line(format!("\n{section}:"));
    p.class_dump(
        section,
        1,
        another,
        &[("SOFTIRQ-ON-R", &parts.frames[..2])],
        Some(&parts.frames[2..4]),
    );
    p.class_dump(
        section,
        0,
        changed,
        &[("IN-SOFTIRQ-W", &parts.frames[4..5])],
        Some(&parts.frames[5..7]),
    );
    p.end(&parts.frames);
}

fn inconsistent_state(p: &mut Printer, parts: &Parts) {
    p.head(
        Kind::InconsistentState,
        "WARNING",
        "inconsistent lock state",
    );
    let (from, to) = if parts.flag {
        ("IN-SOFTIRQ-W", "SOFTIRQ-ON-W")
    } else {
        ("INITIAL USE", "IN-NMI")
    };
    p.line(format!("inconsistent {{{from}}} -> {{{to}}} usage."));
    p.want.usage_change = Some(UsageChange {
        from: from.to_owned(),
        to: to.to_owned(),
    });
    let context = p.context(parts.flag);
    p.line(format!("{}{context} takes:", p.who()));
    let taken = other(parts, 0);
    p.want.lock = Some(p.lock_line(taken));
    p.line(format!("{{{from}}} state was registered at:"));
    let trace = p.stored(2, &parts.frames[..4]);
    p.want.registered = Some(UsageTrace {
        state: from.to_owned(),
        trace,
    });
    p.irqtrace(parts.number, &parts.frames[4]);
    p.line(HELP);
    let name = Some(taken.name.as_str());
    p.scenario(
        UNSAFE,
        1,
        &[
            (0, "lock", name),
            (0, "<Interrupt>", None),
            (2, "lock", name),
        ],
    );
    p.held(held(parts));
    p.end(&parts.frames);
}

fn wait_context(p: &mut Printer, parts: &Parts) {
    p.want.kind = Kind::InvalidWaitContext;
    p.want.message = Some("Invalid wait context".to_owned());
    p.line("\n=============================");
    p.line("[ BUG: Invalid wait context ]");
    p.line("7.2.13-x #1 Not tainted");
    p.line("-----------------------------");
    p.line(format!("{} is trying to lock:", p.who()));
    p.want.lock = Some(p.lock_line(other(parts, 0)));
    p.line("other info that might help us debug this:");
    p.line("context-{5:5}");
    p.want.wait_context = Some("5:5".to_owned());
    p.held(held(parts));
    p.line("stack backtrace:");
    p.want.trace = p.stack(&parts.frames);
}

fn nested_not_held(p: &mut Printer, parts: &Parts) {
    p.head(
        Kind::NestedNotHeld,
        bug(p.style),
        "Nested lock was not taken",
    );
    p.line(format!("{} is trying to lock:", p.who()));
    p.want.lock = Some(p.lock_line(other(parts, 0)));
    p.line("\nbut this task is not holding:");
    p.line(other(parts, 1).class.clone());
    p.want.other_lock = Some(bare(&other(parts, 1).class));
    p.end(&parts.frames[..8]);
    p.line(HELP);
    p.held(held(parts));
    p.line("\nstack backtrace:");
    p.want.second_trace = p.stack(&parts.frames[8..]);
}

/// A lock of which only the name was printed.
fn bare(class: &str) -> Lock {
    Lock {
        name: class.to_owned(),
        class: class.to_owned(),
        ..Lock::default()
    }
}

fn unlock(p: &mut Printer, kind: Kind, parts: &Parts) {
    let (title, verb) = match kind {
        Kind::BadContention => ("bad contention detected!", "contend"),
        _ => ("bad unlock balance detected!", "release"),
    };
    p.head(kind, bug(p.style), title);
    let class = &other(parts, 0).class;
    p.line(format!(
        "{} is trying to {verb} lock ({class}) at:",
        p.who()
    ));
    p.want.lock = Some(bare(class));
    let at = Printer::symbol(&parts.frames[0]);
    p.line(format!("[<ffffffff834dea24>] {at}"));
    p.want.at = Some(at);
    p.line(if parts.flag {
        "but there are no more locks to release!"
    } else {
        "but there are no locks held!"
    });
    p.line(HELP);
    p.held(held(parts));
    p.end(&parts.frames);
}

fn freed(p: &mut Printer, parts: &Parts) {
    p.head(Kind::HeldLockFreed, bug(p.style), "held lock freed!");
    let (from, to) = ("ffff98ec812e9800", "ffff98ec812e983f");
    p.line(format!(
        "{} is freeing memory {from}-{to}, with a lock still held there!",
        p.who()
    ));
    p.want.memory = Some((format!("0x{from}"), format!("0x{to}")));
    p.want.lock = Some(p.lock_line(&parts.locks[0]));
    p.held(&parts.locks[..1 + parts.held]);
    p.end(&parts.frames);
}

fn suspicious_rcu(p: &mut Printer, parts: &Parts) {
    p.head(Kind::SuspiciousRcu, "WARNING", "suspicious RCU usage");
    let message = if parts.flag {
        "suspicious rcu_dereference_check() usage!"
    } else {
        "RCU-list traversed in non-reader section!!"
    };
    p.line(format!("net/core/a-b.h:{} {message}", parts.number));
    p.want.location = Some(format!("net/core/a-b.h:{}", parts.number));
    p.want.message = Some(message.to_owned());
    p.line("\nother info that might help us debug this:\n");
    p.line("\nrcu_scheduler_active = 2, debug_locks = 1");
    p.want.rcu_scheduler_active = Some(2);
    p.want.debug_locks = Some(1);
    p.held(held(parts));
    p.end(&parts.frames);
}

fn collision(p: &mut Printer, parts: &Parts) {
    p.head(Kind::ChainKeyCollision, "WARNING", "chain_key collision");
    if p.style == Style::V4_4 {
        p.records[1] = "[chain_key collision ]".to_owned();
    }
    p.line(format!("{}: ", p.who()));
    p.line("Hash chain already cached but the contents don't match!");
    p.line("Held locks:");
    p.line(format!("depth: {} (irq_context 0)", parts.held));
    for (n, lock) in parts.locks[..parts.held].iter().enumerate() {
        let (text, lock) = p.lock(lock);
        p.line(format!(
            " hlock_id:{n} -> chain_key:{:016X}{text}",
            parts.number
        ));
        p.want
            .held
            .push(virtopsy_klog::HeldLock::new(n as u32, lock));
    }
    p.line("Locks in cached chain:");
    p.line("depth: 1");
    let (text, lock) = p.class(other(parts, 0));
    p.line(format!(
        " hlock_id:9 -> chain_key:{:016X}{text}\n",
        parts.number
    ));
    let index = p.want.held.len() as u32;
    p.want.held.push(virtopsy_klog::HeldLock::new(index, lock));
    p.end(&parts.frames);
}

fn of_lockdep(p: &mut Printer, kind: Kind, parts: &Parts) {
    p.want.kind = kind;
    const OFF: &str = "turning off the locking correctness validator.";
    match kind {
        Kind::NonStaticKey => {
            p.want.message = Some("trying to register non-static key.".to_owned());
            p.line("INFO: trying to register non-static key.");
            p.line("The code is fine but needs lockdep annotation, or maybe");
            p.line("you didn't initialize this object before use?");
            p.line(OFF);
        }
        Kind::InvalidSubclass => {
            p.want.message = Some("looking up invalid subclass: 9".to_owned());
            p.line("BUG: looking up invalid subclass: 9");
            p.line(OFF);
        }
        _ => {
            p.want.message = Some("MAX_LOCK_DEPTH too low!".to_owned());
            p.line("BUG: MAX_LOCK_DEPTH too low!");
            p.line(OFF);
            p.line(format!("depth: {}  max: 48!", parts.held));
            p.held(held(parts));
        }
    }
    p.want.trace = p.stack(&parts.frames);
}

fn sleep(p: &mut Printer, kind: Kind, parts: &Parts) {
    p.want.kind = kind;
    let place = format!("mm/slab.h:{}", parts.number);
    let name = p.want.task.clone().unwrap();
    let who = format!("pid: {}, name: {}", name.pid, name.comm);
    let mut atomic = AtomicState {
        in_atomic: Some(1),
        irqs_disabled: Some(0),
        ..AtomicState::default()
    };
    match kind {
        Kind::AtomicSleep => {
            p.want.message = Some("sleeping function called from invalid context".to_owned());
            p.line(format!(
                "BUG: sleeping function called from invalid context at {place}"
            ));
            p.line(format!(
                "in_atomic(): 1, irqs_disabled(): 0, non_block: 0, {who}"
            ));
            p.line("preempt_count: 1f, expected: 0");
            p.line("RCU nest depth: 1, expected: 0");
            atomic.non_block = Some(0);
            atomic.preempt_count = Some(0x1f);
            atomic.preempt_expected = Some(0);
            atomic.rcu_depth = Some(1);
            atomic.rcu_expected = Some(0);
        }
        Kind::CantSleep => {
            p.want.message = Some("assuming atomic context".to_owned());
            p.line(format!("BUG: assuming atomic context at {place}"));
            p.line(format!("in_atomic(): 1, irqs_disabled(): 0, {who}"));
        }
        _ => {
            p.want.message = Some("assuming non migratable context".to_owned());
            p.line(format!("BUG: assuming non migratable context at {place}"));
            p.line(format!(
                "in_atomic(): 1, irqs_disabled(): 0, migration_disabled() 0 {who}"
            ));
        }
    }
    p.want.location = Some(place);
    p.held(held(parts));
    if kind == Kind::AtomicSleep {
        let at = Printer::symbol(&parts.frames[0]);
        p.line(format!(
            "Preemption disabled at:\n[<ffffffff81883b8e>] {at}"
        ));
        atomic.preemption_disabled_at = Some(at);
    }
    p.want.atomic = Some(atomic);
    p.want.trace = p.stack(&parts.frames);
}

fn atomic_sched(p: &mut Printer, parts: &Parts) {
    p.want.kind = Kind::AtomicSched;
    p.want.message = Some("scheduling while atomic".to_owned());
    p.want.atomic = Some(AtomicState {
        preempt_count: Some(2),
        ..AtomicState::default()
    });
    p.line(format!(
        "BUG: scheduling while atomic: {}/0x00000002",
        p.who()
    ));
    p.held(held(parts));
    p.line("Modules linked in: a(O) b");
    p.want.trace = p.stack(&parts.frames);
}

fn workqueue_leak(p: &mut Printer, parts: &Parts) {
    p.want.kind = Kind::WorkqueueLeak;
    let task = p.want.task.clone().unwrap();
    let work = &parts.frames[0];
    let module = work
        .module
        .as_ref()
        .map_or(String::new(), |m| format!(" [{m}]"));
    p.want.message = Some("workqueue leaked atomic, lock or RCU".to_owned());
    p.line(format!(
        "BUG: workqueue leaked atomic, lock or RCU: {}[{}]\n     preempt=0x00000000 lock=0->1 RCU=0->1 workfn={}{module}",
        task.comm, task.pid, work.function
    ));
    p.want.work = Some(work.function.clone());
    p.held(held(parts));
    p.want.trace = p.stack(&parts.frames);
}

fn spin_bug(p: &mut Printer, kind: Kind, parts: &Parts) {
    p.want.kind = kind;
    let (cpu, who) = (parts.cpu, p.who());
    // Such a lock has no name but its address.
    let mut lock = bare("0xffff888012345678");
    lock.address = Some(lock.name.clone());
    if kind == Kind::RwlockDebug {
        p.line(format!(
            "BUG: rwlock bad magic on CPU#{cpu}, {who}, ffff888012345678"
        ));
    } else {
        p.line(format!("BUG: spinlock bad magic on CPU#{cpu}, {who}"));
        p.line(" lock: 0xffff888012345678, .magic: 00000000, .owner: <none>/-1, .owner_cpu: 0");
    }
    let what = if kind == Kind::RwlockDebug {
        "rwlock"
    } else {
        "spinlock"
    };
    p.want.message = Some(format!("{what} bad magic"));
    p.want.lock = Some(lock);
    p.want.trace = p.stack(&parts.frames);
}

fn preemptible(p: &mut Printer, parts: &Parts) {
    p.want.kind = Kind::PreemptiblePercpu;
    p.want.message = Some("using smp_processor_id() in preemptible code".to_owned());
    p.line(format!(
        "BUG: using smp_processor_id() in preemptible [00000000] code: {}",
        p.who()
    ));
    let at = Printer::symbol(&parts.frames[0]);
    p.line(format!("caller is {at}"));
    p.want.at = Some(at);
    p.want.trace = p.stack(&parts.frames);
}

/// What the kinds that come as a WARN say, and where.
fn warning(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::UnregisteredKey => ("DEBUG_LOCKS_WARN_ON(1)", "kernel/locking/lockdep.c"),
        Kind::DebugLocksWarn => (
            "DEBUG_LOCKS_WARN_ON(lock->magic != lock)",
            "kernel/locking/mutex.c",
        ),
        Kind::LockdepWarn => ("releasing a pinned lock", "kernel/locking/lockdep.c"),
        Kind::LockdepAssert => ("IRQs not disabled as expected", "kernel/sched/core.c"),
        Kind::RwsemWarn => (
            "DEBUG_RWSEMS_WARN_ON(sem->magic != sem): count = 0x0, magic = 0x0, owner = 0x1, curr 0x2, list empty",
            "kernel/locking/rwsem.c",
        ),
        Kind::RtmutexWarn => ("rtmutex deadlock detected", "kernel/locking/rtmutex.c"),
        Kind::IrqflagsWarn => (
            "raw_local_irq_restore() called with IRQs enabled",
            "kernel/locking/irqflag-debug.c",
        ),
        Kind::NonrunningSleep => (
            "do not call blocking ops when !TASK_RUNNING; state=1 set at [<ffffffff81094815>] prepare_to_wait_event+0x75/0xf0",
            "kernel/sched/core.c",
        ),
        _ => (
            "Voluntary context switch within RCU read-side critical section!",
            "kernel/rcu/tree_plugin.h",
        ),
    }
}

/// A WARN in the order of its release.
fn warn(p: &mut Printer, kind: Kind, parts: &Parts) {
    p.want.kind = kind;
    let (message, file) = warning(kind);
    let at = Printer::symbol(&parts.frames[0]);
    let place = format!("{file}:{}", parts.number % 10_000);
    if kind == Kind::UnregisteredKey {
        p.line("BUG: key ffff888012345678 has not been registered!");
    }
    p.line("------------[ cut here ]------------");
    let who = p.who();
    let (cpu, pid) = (parts.cpu, parts.task.pid);
    match parts.style {
        Style::V4_4 => {
            p.line(format!("WARNING: CPU: {cpu} PID: {pid} at {place} {at}()"));
            p.line(message);
        }
        Style::V4_15 | Style::V5_4 => {
            p.line(message);
            p.line(format!("WARNING: CPU: {cpu} PID: {pid} at {place} {at}"));
        }
        Style::V7_2 | Style::V7_3 => {
            p.line(message);
            p.line(format!("WARNING: {place} at {at}, CPU#{cpu}: {who}"));
        }
    }
    p.want.message = Some(match kind {
        Kind::UnregisteredKey => "has not been registered!".to_owned(),
        _ => message.to_owned(),
    });
    p.want.location = Some(place);
    p.want.at = Some(at);
    p.line("Modules linked in: a(O) b");
    p.want.trace = p.stack(&parts.frames);
    p.irqtrace(parts.number, &parts.frames[1]);
    p.line("---[ end trace 0000000000000000 ]---");
}
