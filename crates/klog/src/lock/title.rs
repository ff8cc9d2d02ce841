//! What a report means: the guilty function, a title, a signature.
//!
//! Titles and signatures are the same for the same problem on any build and in any run: they have
//! no address, offset, counter, line number or CPU. A signature is `kind|what|locks|functions`: the file
//! of the check or what it found, the classes of the locks involved, and up to three functions outside
//! the locking code. That of a cycle has one function for each lock, and does not tell which task
//! closed it.

use crate::frame::base;
use crate::lock::kind::Kind;
use crate::lock::spec::{Mark, Title};
use crate::lock::splat::Splat;
use crate::model::Frame;

/// Functions that take, check or report locks: the problem is in who called them. By prefix.
const LOCKING: &[&str] = &[
    "dump_stack",
    "__dump_stack",
    "dump_backtrace",
    "show_stack",
    "unwind_backtrace",
    "walk_stackframe",
    "show_trace",
    "lockdep_",
    "__lockdep_",
    "lock_acquire",
    "lock_release",
    "lock_downgrade",
    "lock_set_",
    "lock_is_held",
    "lock_contended",
    "lock_acquired",
    "__lock_acquire",
    "__lock_release",
    "__lock_set",
    "lock_pin",
    "lock_unpin",
    "print_",
    "__print_lock",
    "check_",
    "mark_lock",
    "mark_held",
    "mark_usage",
    "validate_chain",
    "register_lock_class",
    "look_up_lock_class",
    "assign_lock_key",
    "add_lock_to_list",
    "save_trace",
    "reacquire_held_locks",
    "__bfs",
    "find_usage",
    "debug_check_no_",
    "debug_show_",
    "debug_lockdep",
    "debug_locks",
    "debug_mutex",
    "debug_spin",
    "debug_smp",
    "debug_rt",
    "_raw_spin",
    "_raw_read",
    "_raw_write",
    "__raw_spin",
    "__raw_read",
    "__raw_write",
    "do_raw_",
    "queued_spin",
    "queued_read",
    "queued_write",
    "native_queued",
    "__pv_queued",
    "spin_lock",
    "spin_unlock",
    "rt_spin",
    "rt_read",
    "rt_write",
    "rtlock_",
    "rwbase_",
    "read_lock",
    "write_lock",
    "mutex_",
    "__mutex",
    "ww_mutex",
    "__ww_mutex",
    "down_",
    "__down",
    "up_read",
    "up_write",
    "__up_",
    "downgrade_write",
    "rwsem_",
    "__rwsem",
    "rt_mutex",
    "__rt_mutex",
    "percpu_down",
    "percpu_up",
    "__percpu_down",
    "__percpu_up",
    "__percpu_init_rwsem",
    "valid_state",
    "mark_irqflags",
    "rcu_preempt_sleep_check",
    "rcu_sleep_check",
    "rcu_read_",
    "rcu_check_",
    "rcu_barrier",
    "synchronize_rcu",
    "synchronize_sched",
    "synchronize_srcu",
    "__synchronize_srcu",
    "synchronize_net",
    "wait_rcu_gp",
    "__wait_rcu_gp",
    "call_rcu",
    "__call_rcu",
    "kvfree_call_rcu",
    "__sb_start_write",
    "lookup_chain_cache",
    "add_chain_cache",
    "_atomic_dec_and_lock",
    "refcount_dec_and_",
    "__might_",
    "___might_",
    "__cant_",
    "__schedule",
    "schedule",
    "preempt_schedule",
    "rcu_note_context",
    "do_sched_yield",
    "_cond_resched",
    "__cond_resched",
    "__warn",
    "warn_slowpath",
    "warn_bogus",
    "report_bug",
    "fixup_bug",
    "handle_bug",
    "do_error_trap",
    "do_invalid_op",
    "do_trap",
    "invalid_op",
    "exc_invalid_op",
    "asm_exc_invalid",
    "handle_exception",
    "panic",
    "__panic",
    "vpanic",
    "check_panic_on_warn",
    "brk_handler",
    "bug_handler",
    "do_debug_exception",
    "trace_hardirqs",
    "trace_softirqs",
    "raw_local_irq",
    "__this_cpu_preempt",
    "kmem_cache_alloc",
    "__kmem_cache_alloc",
    "__kmalloc",
    "kmalloc",
    "krealloc",
    "slab_alloc",
    "__slab_alloc",
    "___slab_alloc",
    "might_alloc",
    "kfree",
    "kmem_cache_free",
    "vfree",
    "__kmem_cache",
    "slab_free",
    "kasan_",
    "__kasan",
    "kvfree",
    "call_on_stack",
    "__do_trace",
    "rcu_read_lock",
    "rcu_read_unlock",
    "__rcu_read",
    "rcu_lock_",
];

/// Whether a function belongs to the locking code or to what prints the report.
fn is_locking(function: &str) -> bool {
    let name = base(function);
    function.starts_with("0x")
        || LOCKING.iter().any(|p| name.starts_with(p))
        || Kind::all().any(|kind| kind.spec().printers.contains(&name))
}

/// Frames that the report's own trace has outside the locking code, nearest first.
fn outside(trace: &[Frame]) -> impl Iterator<Item = &str> {
    trace
        .iter()
        .filter(|f| f.reliable)
        .map(|f| f.function.as_str())
        .filter(|f| !is_locking(f))
        .map(base)
}

/// The nearest function of a trace that is none of the locking code's.
pub(crate) fn first_outside(trace: &[Frame]) -> Option<String> {
    outside(trace).next().map(str::to_owned)
}

/// The function to look at first.
pub(crate) fn guilty(splat: &Splat) -> Option<String> {
    // The worker prints the trace after the work function has returned.
    if splat.kind == Kind::WorkqueueLeak && splat.work.is_some() {
        return splat.work.as_deref().map(function_of).map(str::to_owned);
    }
    // A WARN names the function it stands in, which is not in its backtrace.
    let warned = splat
        .at
        .as_deref()
        .filter(|_| splat.kind.is_warn() && splat.kind != Kind::NonrunningSleep)
        .map(function_of);
    let warned = warned.filter(|f| !is_locking(f)).map(base);
    let now = splat
        .chain
        .iter()
        .find(|e| e.index == 0)
        .map(|e| e.trace.as_slice())
        .unwrap_or_default();
    let lock_at = splat
        .lock
        .as_ref()
        .and_then(|l| l.at.as_deref())
        .map(function_of)
        .filter(|f| !is_locking(f))
        .map(base);
    warned
        .or_else(|| outside(&splat.trace).next())
        .or_else(|| outside(&splat.loose_trace).next())
        .or_else(|| outside(now).next())
        .or_else(|| {
            splat
                .at
                .as_deref()
                .map(function_of)
                .filter(|f| !is_locking(f))
                .map(base)
        })
        .or(lock_at)
        .or_else(|| {
            splat
                .held
                .last()
                .and_then(|h| h.lock.at.as_deref())
                .map(function_of)
                // Taken in a module's init section, which has no names any more.
                .filter(|f| !f.starts_with("0x"))
                .map(base)
        })
        .map(str::to_owned)
}

/// `func` of `func+0x1/0x2 [module]`.
fn function_of(symbol: &str) -> &str {
    symbol.split(['+', ' ']).next().unwrap_or(symbol)
}

/// The classes that a report is about, in an order that means something for its kind.
fn locks(splat: &Splat) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    if splat.kind == Kind::Circular && splat.chain.iter().any(|e| e.index == 0) {
        let mut entries: Vec<_> = splat.chain.iter().collect();
        entries.sort_by_key(|e| e.index);
        entries.iter().for_each(|e| add(&mut names, &e.lock.class));
        return names;
    }
    let sides = [&splat.irq_safe, &splat.irq_unsafe]
        .into_iter()
        .flatten()
        .map(|s| &s.lock);
    for lock in splat
        .lock
        .iter()
        .chain(splat.other_lock.iter())
        .chain(sides)
    {
        add(&mut names, &lock.class);
    }
    if splat.kind.spec().is_of_held {
        splat
            .held
            .iter()
            .for_each(|h| add(&mut names, &h.lock.class));
    }
    names
}

/// Adds a name once. A lock that the kernel could only name by its address has none; of one named by
/// a symbol (spinlock debugging) the offset does not stay.
fn add<'a>(names: &mut Vec<&'a str>, name: &'a str) {
    let name = name.split_once("+0x").map_or(name, |(symbol, _)| symbol);
    let name = without_number(name);
    if !name.is_empty() && !name.starts_with("0x") && !names.contains(&name) {
        names.push(name);
    }
}

/// The file of `file:line`.
fn file(location: &str) -> &str {
    location.rsplit_once(':').map_or(location, |(f, _)| f)
}

/// What the kind is called, in few words.
fn words(splat: &Splat) -> String {
    let spec = splat.kind.spec();
    let message = splat.message.as_deref();
    steady(match spec.title {
        Title::Words(words) => words,
        Title::Message => message.unwrap_or(spec.id),
        Title::MessageWithout(end, absent) => message.map_or(absent, |m| m.trim_end_matches(end)),
        Title::MessageUpTo(mark, absent) => {
            message.map_or(absent, |m| m.split(mark).next().unwrap_or(m))
        }
    })
}

/// A name without the `.N` that the compiler gives static variables of functions.
fn without_number(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((variable, n))
            if !n.is_empty()
                && n.bytes().all(|b| b.is_ascii_digit())
                && variable
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !variable.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            variable
        }
        _ => name,
    }
}

/// Text without what changes from run to run and from build to build: numbers of two and more digits,
/// addresses, the numbers of static variables.
fn steady(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(' ') {
        if !out.is_empty() {
            out.push(' ');
        }
        let core = word.trim_matches([',', '.', ';', ':', '(', ')', '[', ']', '<', '>', '"']);
        let hex = core.strip_prefix("0x").unwrap_or(core);
        let number = hex.len() >= 2
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
            && hex.bytes().any(|b| b.is_ascii_digit());
        out.push_str(if number { "N" } else { without_number(word) });
    }
    out
}

/// One line for people and for grouping.
pub(crate) fn title(splat: &Splat) -> String {
    let mut title = words(splat);
    let locks = locks(splat);
    if splat.kind == Kind::Circular && locks.len() > 1 {
        title = format!(
            "{title}: {} -> {}",
            locks.join(" -> "),
            locks.first().unwrap_or(&"")
        );
    } else if !locks.is_empty() && splat.kind != Kind::SuspiciousRcu {
        title = format!("{title}: {}", locks.join(", "));
    }
    match (splat.guilty.as_deref(), splat.location.as_deref()) {
        (Some(function), Some(location)) => format!("{title} in {function} ({})", file(location)),
        (Some(function), None) => format!("{title} in {function}"),
        (None, Some(location)) => format!("{title} in {}", file(location)),
        (None, None) => title,
    }
}

/// What groups the same bug over a fleet.
pub(crate) fn signature(splat: &Splat) -> String {
    let what = match splat.kind.spec().signature {
        Mark::File => splat
            .location
            .as_deref()
            .map(|l| in_tree(file(l)).to_owned())
            .unwrap_or_default(),
        Mark::Title => words(splat),
        Mark::Nothing => String::new(),
    };
    let state = splat
        .usage_change
        .as_ref()
        .map(|u| format!("{}->{}", u.from, u.to))
        .unwrap_or_default();
    let (locks, functions) = cycle(splat).unwrap_or_else(|| (locks(splat), functions(splat)));
    let locks: Vec<String> = locks.into_iter().map(without_instance).collect();
    let parts = [
        splat.kind.name().to_owned(),
        what,
        state,
        locks.join(","),
        functions.join(","),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|p| !p.is_empty()).collect();
    parts.join("|")
}

/// Up to three functions outside the locking code, nearest first.
fn functions(splat: &Splat) -> Vec<&str> {
    let mut functions: Vec<&str> = splat.guilty.as_deref().into_iter().collect();
    for f in outside(&splat.trace).chain(outside(&splat.loose_trace)) {
        if functions.len() >= 3 {
            break;
        }
        if !functions.contains(&f) {
            functions.push(f);
        }
    }
    functions
}

/// A cycle's locks and who takes each, from the lock whose name sorts first: which of the tasks came
/// last, and so made the report, is chance. Nothing where a link or its trace is lost.
fn cycle(splat: &Splat) -> Option<(Vec<&str>, Vec<&str>)> {
    if splat.kind != Kind::Circular {
        return None;
    }
    let mut links = Vec::with_capacity(splat.chain.len());
    for index in 0..splat.chain.len() {
        let link = splat.chain.iter().find(|e| e.index as usize == index)?;
        links.push((link.lock.class.as_str(), outside(&link.trace).next()?));
    }
    let first = (0..links.len()).min_by_key(|at| links.get(*at))?;
    links.rotate_left(first);
    Some(links.into_iter().unzip())
}

/// A path as the kernel's tree has it: a build elsewhere prints where it was built.
fn in_tree(path: &str) -> &str {
    const TOP: &[&str] = &[
        "arch", "block", "certs", "crypto", "drivers", "fs", "include", "init", "io_uring", "ipc",
        "kernel", "lib", "mm", "net", "rust", "samples", "security", "sound", "virt",
    ];
    if !path.starts_with(['/', '.']) {
        return path;
    }
    let mut rest = path;
    while let Some((directory, below)) = rest.split_once('/') {
        if TOP.contains(&directory) && !below.starts_with("modules/") {
            return rest;
        }
        rest = below;
    }
    rest
}

/// The class of a workqueue has the number of its device in its name.
fn without_instance(class: &str) -> String {
    if !class.starts_with("(wq_completion)") {
        return class.to_owned();
    }
    let mut out = String::with_capacity(class.len());
    for c in class.chars() {
        match c {
            '0'..='9' if out.ends_with('N') => {}
            '0'..='9' => out.push('N'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::parts::{ChainEntry, Lock};

    #[test]
    fn the_guilty_function_is_the_nearest_outside_the_locking_code() {
        let mut s = Splat::new(Kind::SuspiciousRcu, 1);
        s.trace = [
            "dump_stack_lvl",
            "lockdep_rcu_suspicious.cold",
            "x86_virt_invoke_kvm_emergency_callback",
            "g",
        ]
        .iter()
        .map(|f| Frame {
            function: (*f).to_owned(),
            reliable: true,
            ..Frame::default()
        })
        .collect();
        assert_eq!(
            guilty(&s).as_deref(),
            Some("x86_virt_invoke_kvm_emergency_callback")
        );
    }

    /// A circular report: locks from #0 on, each with the function that took it.
    fn circular(links: &[(&str, &str)]) -> Splat {
        let mut s = Splat::new(Kind::Circular, 1);
        let frame = |function: &str| Frame {
            function: function.to_owned(),
            reliable: true,
            ..Frame::default()
        };
        for (index, (class, function)) in (0u32..).zip(links) {
            s.chain.push(ChainEntry {
                index,
                lock: Lock::named(class),
                trace: vec![frame("lock_acquire"), frame(function)],
            });
        }
        s.trace = vec![frame(links[0].1), frame("caller")];
        s
    }

    #[test]
    fn a_cycle_has_one_signature_whoever_closes_it() {
        let one = signature(&circular(&[("b", "f"), ("c#3", "g"), ("a", "h")]));
        assert_eq!(one, "circular|a,b,c|h,f,g");
        for other in [
            [("a", "h"), ("b#2", "f"), ("c", "g")],
            [("c", "g.isra.0"), ("a", "h"), ("b", "f")],
        ] {
            assert_eq!(signature(&circular(&other)), one);
        }
        let mut torn = circular(&[("b", "f"), ("a", "h")]);
        torn.chain.pop();
        assert_eq!(signature(&torn), "circular|b|f");
    }

    #[test]
    fn a_signature_has_no_place_of_a_build_and_no_number_of_a_device() {
        for (path, want) in [
            ("kernel/sched/core.c", "kernel/sched/core.c"),
            ("/home/u/linux/kernel/sched/core.c", "kernel/sched/core.c"),
            ("./include/linux/x.h", "include/linux/x.h"),
            (
                "/lib/modules/6.1/build/include/linux/x.h",
                "include/linux/x.h",
            ),
            ("/usr/src/driver-1.0/x.c", "x.c"),
            ("splats.c", "splats.c"),
        ] {
            assert_eq!(in_tree(path), want);
        }
        assert_eq!(
            without_instance("(wq_completion)wg-kex-wireguard12"),
            "(wq_completion)wg-kex-wireguardN"
        );
        assert_eq!(without_instance("key#2"), "key#2");
    }

    #[test]
    fn numbers_of_one_run_stay_out_of_titles() {
        assert_eq!(
            steady("lockdep bfs error:-1 at 0xffff at 12 of 3"),
            "lockdep bfs error:-1 at 0xffff at N of 3"
        );
        assert_eq!(
            steady("class \"a\" with key key.29 [m], 7.3"),
            "class \"a\" with key key [m], 7.3"
        );
    }
}
