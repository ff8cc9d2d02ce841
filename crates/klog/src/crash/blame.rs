//! Whom a kernel developer blames: the nearest function that is not the reporting code's.

mod names;

use names::{DELIVERY, ENTRIES, GENERIC, HELPERS, REPORTING, WAITING, is_in};

use super::kind::{CrashKind, Nature};
use super::model::Crash;
use crate::Frame;

/// A name without the suffixes of compilers and the dot of powerpc.
fn base(name: &str) -> &str {
    crate::frame::base(name.strip_prefix('.').unwrap_or(name))
}

fn is_address(name: &str) -> bool {
    name.starts_with("0x") || name.is_empty()
}

/// The functions of a trace, innermost first, inlined ones too.
fn functions(trace: &[Frame]) -> impl Iterator<Item = (&str, Option<&str>)> {
    trace.iter().filter(|f| f.reliable).flat_map(|frame| {
        let module = frame.module.as_deref();
        std::iter::once((base(&frame.function), module))
    })
}

type Found<'a> = Option<(&'a str, Option<&'a str>)>;

fn first<'a>(trace: &'a [Frame], lists: &[&[&str]]) -> Found<'a> {
    functions(trace)
        .find(|(name, _)| !is_address(name) && !lists.iter().any(|list| is_in(name, list)))
}

/// The function of `func+0x1/0x2 [module]`.
fn split_symbol(symbol: &str) -> (&str, Option<&str>) {
    let function = symbol.split(['+', ' ']).next().unwrap_or(symbol);
    let module = symbol
        .rsplit_once('[')
        .and_then(|(_, m)| m.split([']', ' ']).next());
    (base(function), module)
}

/// Finds the function and its module.
pub(super) fn guilty(
    crash: &Crash,
    named: Option<&str>,
    interrupted: Option<&str>,
) -> Option<(String, Option<String>)> {
    let at = crash.at.as_deref().map(split_symbol);
    let owned = |(f, m): (&str, Option<&str>)| (f.to_owned(), m.map(str::to_owned));
    let found = match crash.kind {
        CrashKind::HungTask => first(&crash.trace, &[REPORTING, DELIVERY, HELPERS, WAITING]),
        CrashKind::RcuStall => stalled(crash).or_else(|| interrupted.map(split_symbol)),
        CrashKind::SoftLockup | CrashKind::HardLockup => spinning(crash, at),
        CrashKind::StackOverflow => at
            .filter(|(name, _)| !is_in(name, REPORTING))
            .or_else(|| recursing(&crash.trace))
            .or_else(|| entered(&crash.trace))
            .or_else(|| faulting(crash, at)),
        CrashKind::BadPage => {
            owner(crash).or_else(|| first(&crash.trace, &[REPORTING, DELIVERY, HELPERS, GENERIC]))
        }
        CrashKind::Kmemleak
        | CrashKind::SlabCorruption
        | CrashKind::AllocFailure
        | CrashKind::Oom
        | CrashKind::Odebug
        | CrashKind::Refcount
        | CrashKind::ListCorruption
        | CrashKind::Usercopy
        | CrashKind::DmaApi => first(&crash.trace, &[REPORTING, DELIVERY, HELPERS, GENERIC])
            .or_else(|| first(&crash.trace, &[REPORTING, DELIVERY])),
        CrashKind::Kasan | CrashKind::Kfence | CrashKind::Kmsan | CrashKind::Kcsan => {
            let named = named.map(base).filter(|n| {
                ![REPORTING, DELIVERY, HELPERS, GENERIC]
                    .iter()
                    .any(|list| is_in(n, list))
            });
            let module = |n: &str| {
                functions(&crash.trace)
                    .find(|(f, _)| *f == n)
                    .and_then(|(_, m)| m)
            };
            match named {
                Some(n) => return Some((n.to_owned(), module(n).map(str::to_owned))),
                None => first(&crash.trace, &[REPORTING, DELIVERY, HELPERS, GENERIC])
                    .or_else(|| first(&crash.trace, &[REPORTING, DELIVERY, HELPERS])),
            }
        }
        CrashKind::Cfi | CrashKind::StackProtector | CrashKind::MsrAccess if named.is_some() => {
            return named.map(|n| (base(n).to_owned(), None));
        }
        _ => faulting(crash, at),
    };
    found
        .or_else(|| {
            named
                .map(|n| (base(n), None))
                .filter(|(n, _)| !is_in(n, REPORTING))
        })
        .map(owned)
}

/// The function at the instruction pointer or at the WARN, or who called the helper there.
fn faulting<'a>(crash: &'a Crash, at: Found<'a>) -> Found<'a> {
    let usable = |(name, _): &(&str, Option<&str>)| !is_address(name);
    let outside =
        |(name, _): &(&str, Option<&str>)| !is_in(name, REPORTING) && !is_in(name, HELPERS);
    let is_stack = matches!(crash.kind.nature(), Nature::Oops | Nature::Warn);
    at.filter(usable)
        .filter(outside)
        .or_else(|| first(below(&crash.trace, at), &[REPORTING, DELIVERY, HELPERS]))
        .or_else(|| {
            at.filter(usable)
                .filter(|(name, _)| is_stack && !is_in(name, REPORTING))
        })
}

/// The part of a trace behind the function at the instruction pointer, where it is on it: what stands
/// before is the report's own.
fn below<'a>(trace: &'a [Frame], at: Found<'_>) -> &'a [Frame] {
    let Some((name, _)) = at else { return trace };
    trace
        .iter()
        .position(|f| f.reliable && base(&f.function) == name)
        .and_then(|n| trace.get(n..))
        .unwrap_or(trace)
}

/// Who spins: the function at the instruction pointer. Where that lets interrupts in, the sample says
/// nothing, since the timer can only come there: then what was entered last.
fn spinning<'a>(crash: &'a Crash, at: Found<'a>) -> Found<'a> {
    let lets_in = at.is_some_and(|(name, _)| {
        is_in(
            name,
            &[
                "*unlock_irqrestore",
                "*unlock_irq",
                "*restore_all",
                "arch_local_irq_*",
                "local_bh_enable*",
                "__local_bh_enable*",
                "finish_task_switch*",
            ],
        )
    });
    let entered = || entered(below(&crash.trace, at));
    match (at, lets_in) {
        (_, true) => entered().or_else(|| faulting(crash, at)),
        (Some(_), false) => faulting(crash, at),
        // A head without registers: nothing is known but the trace.
        (None, false) => first(&crash.trace, &[REPORTING, DELIVERY, HELPERS, ENTRIES]),
    }
}

/// The last function before the generic layers.
fn entered(trace: &[Frame]) -> Found<'_> {
    let mut last = None;
    for found in functions(trace).filter(|(name, _)| !is_address(name)) {
        if is_in(found.0, ENTRIES) {
            return last;
        }
        if ![REPORTING, DELIVERY, HELPERS]
            .iter()
            .any(|l| is_in(found.0, l))
        {
            last = Some(found);
        }
    }
    last
}

/// The stalled CPU or task: not the grace-period thread, which only starves.
fn stalled(crash: &Crash) -> Found<'_> {
    let starved = |trace: &[Frame]| {
        functions(trace).any(|(name, _)| {
            is_in(
                name,
                &["rcu_gp_*", "rcu_tasks_kthread*", "rcu_tasks_one_gp*"],
            )
        })
    };
    std::iter::once(crash.trace.as_slice())
        .chain(crash.traces.iter().map(|t| t.frames.as_slice()))
        .filter(|trace| !starved(trace))
        .find_map(entered)
}

/// The function that repeats most, where one does.
fn recursing(trace: &[Frame]) -> Found<'_> {
    let mut counts: Vec<((&str, Option<&str>), u32)> = Vec::new();
    for found in functions(trace).filter(|(n, _)| !is_address(n) && !is_in(n, REPORTING)) {
        match counts.iter_mut().find(|(f, _)| f.0 == found.0) {
            Some((_, n)) => *n = n.saturating_add(1),
            None => counts.push((found, 1)),
        }
    }
    let most = counts.iter().map(|(_, n)| *n).max()?;
    counts
        .into_iter()
        .find(|(_, n)| *n == most && most >= 4)
        .map(|(found, _)| found)
}

/// Who allocated the page, as page_owner has it.
fn owner(crash: &Crash) -> Found<'_> {
    crash
        .traces
        .iter()
        .filter(|t| {
            t.heading.as_deref().is_some_and(|h| {
                h.starts_with("page last allocated") || h.starts_with("page allocated via")
            })
        })
        .find_map(|t| first(&t.frames, &[REPORTING, DELIVERY, HELPERS, GENERIC]))
}

/// Up to three functions for the signature, nearest first.
pub(super) fn signature_functions(crash: &Crash) -> Vec<&str> {
    let mut found: Vec<&str> = crash.guilty.as_deref().into_iter().collect();
    let trace = functions(&crash.trace);
    for (name, _) in trace.filter(|(n, _)| {
        !is_address(n)
            && ![REPORTING, DELIVERY, HELPERS, WAITING, ENTRIES]
                .iter()
                .any(|l| is_in(n, l))
    }) {
        if found.len() >= 3 {
            break;
        }
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}
