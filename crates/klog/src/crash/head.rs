//! The lines that begin a report, and what they say.

use super::kind::spec;
use super::kind::{Begin, CrashKind, KindSpec, Nature};
use crate::text::{hex_digits, keep, number};

/// Words one of which every head has in it, whatever the carrier did to the line: what the search
/// through a text log stops at.
pub(crate) const ANCHORS: &[&str] = &[
    "BUG",
    "WARNING:",
    "INFO:",
    "Kernel panic",
    "nable to ",
    "kernel tried to execute",
    "\\[#[0-9]",
    "nternal error:",
    "Hardware ",
    "UBSAN: ",
    "EDAC ",
    "nobody cared",
    "oom-killer",
    "allocation failure",
    "unreferenced object",
    "CFI failure",
    "MSR access",
    "NMI received",
    "NMI: ",
    "DMAR:",
    "AMD-Vi: Event",
    "PANIC: ",
    "Unhandled ",
    "SError ",
    "achine [Cc]heck ",
    " LOCKUP",
    "nsufficient stack",
    "Bad mode in ",
    "general protection",
    "corruption",
    "refcount_t: ",
    "usercopy",
    "ODEBUG: ",
    "DMA-API: ",
    "Alignment trap",
    "slab error in ",
    "still has objects",
];

/// What those words go on with or follow where they alone are common in clean logs.
pub(crate) const WANTED: &[&str] = &[
    "BUG[ :]|BUG at ",
    "INFO: rcu.{1,64}stall|INFO: RCU detected",
    "Kernel panic",
    "nable to (?:handle|execute)",
    "kernel tried to execute",
    "\\[#[0-9]",
    "nternal error:",
    "Hardware Error\\]|Hardware error from APEI",
    "UBSAN: ",
    "EDAC .{0,32}MC.*(?: CE | UE |HANDLING)|EDAC PCI",
    "nobody cared",
    "oom-killer",
    "allocation failure",
    "unreferenced object",
    "CFI failure",
    "MSR access",
    "NMI received",
    "NMI: (?:PCI|IOCK|Not)",
    "DMAR: ?\\[",
    "AMD-Vi: Event",
    "PANIC: ",
    "Unhandled (?:fault|context fault|.{1,24}exception)",
    "SError ",
    "achine [Cc]heck (?:Exc|events|exc)",
    " LOCKUP",
    "nsufficient stack",
    "Bad mode in ",
    "general protection",
    "list_(?:add|del) corruption",
    "refcount_t: ",
    "usercopy",
    "ODEBUG: ",
    "DMA-API: ",
    "Alignment trap",
    "slab error in ",
    "still has objects",
];

/// A line that begins a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) kind: CrashKind,
    /// A report of its own; else only beside a WARN, a BUG or die().
    pub(super) firm: bool,
    /// `[#N]`: the line is die()'s.
    pub(super) die: Option<u32>,
    /// The text, from where it begins.
    pub(super) text: &'a str,
}

/// What subsystems put before their texts.
const PREFIXES: &[&str] = &[
    "NMI watchdog: ",
    "watchdog: ",
    "rcu: ",
    "traps: ",
    "kernel: ",
];

fn without_prefix(t: &str) -> &str {
    let t = PREFIXES.iter().find_map(|p| t.strip_prefix(p)).unwrap_or(t);
    // `watchdog: CPU3: Watchdog detected …`, `CPU 0 Unable to handle …`
    t.strip_prefix("CPU")
        .and_then(|r| number(r.trim_start()))
        .and_then(|(_, r)| r.strip_prefix(": ").or_else(|| r.strip_prefix(' ')))
        .filter(|r| r.starts_with("Watchdog") || r.starts_with("Unable to"))
        .unwrap_or(t)
}

/// The head that a line is, but for WARN and panic lines.
pub(super) fn head(t: &str) -> Option<Head<'_>> {
    let text = without_prefix(t);
    if let Some((said, number)) = die_line(text) {
        let found = find(|begin| match begin {
            Begin::Die(words) => said.starts_with(words),
            other => begins(text, other),
        })?;
        // `Oops: 0002 [#1]`: the text before it is lost, and its code is that of a page fault.
        let kind =
            if found.kind == CrashKind::CpuTrap && said.is_empty() && text.starts_with("Oops") {
                CrashKind::PageFault
            } else {
                found.kind
            };
        return Some(Head {
            kind,
            firm: true,
            die: Some(number),
            text,
        });
    }
    let mut soft = false;
    let found = find(|begin| {
        soft = matches!(begin, Begin::Soft(_) | Begin::SoftIn(_));
        begins(text, begin)
    })?;
    Some(Head {
        kind: found.kind,
        firm: !soft,
        die: None,
        text,
    })
}

fn find(mut is: impl FnMut(Begin) -> bool) -> Option<&'static KindSpec> {
    spec::all().find(|spec| spec.begins.iter().any(|begin| is(*begin)))
}

fn begins(text: &str, begin: Begin) -> bool {
    match begin {
        Begin::At(words) | Begin::Soft(words) => text.starts_with(words),
        Begin::With(first, second) => text
            .strip_prefix(first)
            .is_some_and(|rest| rest.contains(second)),
        Begin::In(words) | Begin::SoftIn(words) => text.contains(words),
        Begin::Die(_) | Begin::Panic(_) => false,
    }
}

/// The kind of a panic by its text.
pub(super) fn panic_kind(said: &str) -> CrashKind {
    find(|begin| matches!(begin, Begin::Panic(words) if said.starts_with(words)))
        .map_or(CrashKind::Panic, |spec| spec.kind)
}

/// Whether a report of that kind ends in a panic of that text.
pub(super) fn ends_in(kind: CrashKind, said: &str) -> bool {
    kind.spec()
        .is_some_and(|spec| spec.ends.iter().any(|end| said.contains(end)))
}

/// die()'s line: `TEXT: CODE [#N] …`; the text without the words that all have, and N.
pub(super) fn die_line(t: &str) -> Option<(&str, u32)> {
    let (before, rest) = t.split_once("[#")?;
    let (n, rest) = number(rest)?;
    if !rest.starts_with(']') || before.len() > 160 {
        return None;
    }
    let said = before.trim_end().trim_end_matches(':');
    let said = ["Internal error: ", "Oops: "]
        .iter()
        .fold(said, |s, word| s.strip_prefix(word).unwrap_or(s));
    // Behind the last colon stands the error code.
    let said = match said.rsplit_once(':') {
        Some((words, code)) if is_code(code) => words.trim_end(),
        _ if is_code(said) || said == "Oops" || said == "Internal error" => "",
        _ => said,
    };
    Some((said.trim(), u32::try_from(n).ok()?))
}

/// `0002`, ` 96000046`, ` 0001 ilc:1`, nothing.
fn is_code(s: &str) -> bool {
    let s = s.trim().split(' ').next().unwrap_or("");
    let digits = s.strip_prefix("0x").unwrap_or(s);
    digits.is_empty() || hex_digits(digits).is_some_and(|(_, rest)| rest.is_empty())
}

/// The text of a panic, where the line is one.
pub(super) fn panic_line(t: &str) -> Option<&str> {
    let words = "Kernel panic - not syncing";
    let at = t.find(words)?;
    // What a program printed before it on the same line is not the kernel's; its `---[ end` is.
    if t.get(..at)?.contains("---[ end") {
        return None;
    }
    Some(
        t.get(at..)?
            .strip_prefix(words)?
            .trim_start_matches(':')
            .trim(),
    )
}

/// `------------[ cut here ]------------`, and arm's `8<--- cut here ---`.
pub(super) fn is_cut_here(t: &str) -> bool {
    t.starts_with('-') && (t.contains("[ cut here ]") || t.contains("[ cut here]"))
        || t.starts_with("8<--- cut here")
}

/// What a head says beside its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) cpu: Option<u32>,
    pub(super) comm: Option<String>,
    pub(super) pid: Option<i64>,
    pub(super) location: Option<String>,
    pub(super) address: Option<String>,
    pub(super) function: Option<String>,
    pub(super) seconds: Option<u64>,
}

/// Reads what the head names.
pub(super) fn facts(kind: CrashKind, text: &str) -> Facts {
    let mut facts = Facts {
        cpu: cpu(kind, text),
        address: address_of(kind, text),
        location: location(kind, text),
        function: function(kind, text),
        seconds: seconds(text),
        ..Facts::default()
    };
    if let Some((comm, pid)) = task(kind, text) {
        facts.comm = Some(keep(comm));
        facts.pid = pid;
    }
    facts
}

/// `CPU#1 stuck`, `on cpu 0`, `on CPU 3.`, `CPU 0: Machine Check`.
fn cpu(kind: CrashKind, text: &str) -> Option<u32> {
    // A stall's head names who found it.
    if kind == CrashKind::RcuStall && !text.contains("self-detected") {
        return None;
    }
    ["CPU#", "on cpu ", "on CPU ", "on CPU", "CPU: ", "CPU "]
        .iter()
        .find_map(|key| number(text.split_once(key)?.1))
        .and_then(|(n, _)| u32::try_from(n).ok())
}

fn seconds(text: &str) -> Option<u64> {
    ["stuck for ", "more than "].iter().find_map(|key| {
        let (n, rest) = number(text.split_once(key)?.1)?;
        rest.trim_start().starts_with('s').then_some(n)
    })
}

fn task(kind: CrashKind, text: &str) -> Option<(&str, Option<i64>)> {
    let named = |s: &str| -> Option<i64> { s.parse().ok() };
    match kind {
        CrashKind::SoftLockup => {
            let inside = text.rsplit_once('[')?.1.split_once(']')?.0;
            let (comm, pid) = inside.rsplit_once(':')?;
            Some((comm, named(pid)))
        }
        CrashKind::HungTask => {
            let rest = text.strip_prefix("INFO: task ")?;
            let end = rest.find(" blocked ").or_else(|| rest.find(" can't die"))?;
            let (comm, pid) = rest.get(..end)?.rsplit_once(':')?;
            Some((comm, named(pid)))
        }
        CrashKind::Oom => Some((text.split_once(" invoked oom-killer")?.0, None)),
        CrashKind::AllocFailure => Some((text.split_once(": page allocation")?.0, None)),
        CrashKind::BadPage => {
            let rest = text.split_once(" in process ")?.1;
            Some((
                rest.split_once("  pfn:").map_or(rest, |(c, _)| c).trim(),
                None,
            ))
        }
        CrashKind::BugText => {
            let rest = text.split_once(" in ")?.1;
            let (comm, pid) = rest.split_once(" has bad")?.0.rsplit_once(':')?;
            Some((comm, named(pid)))
        }
        _ => None,
    }
}

/// `FILE:LINE` of a BUG or of UBSAN.
fn location(kind: CrashKind, text: &str) -> Option<String> {
    let place = match kind {
        CrashKind::KernelBug | CrashKind::ListCorruption | CrashKind::Usercopy => {
            let rest = text.split_once("BUG at ")?.1;
            rest.split(['!', ' ']).next()?
        }
        CrashKind::Ubsan => {
            let place = text.rsplit_once(" in ")?.1;
            // Behind the line stands the column.
            let mut parts = place.split(':');
            let (file, line) = (parts.next()?, parts.next()?);
            place.get(..file.len().checked_add(line.len())?.checked_add(1)?)?
        }
        _ => return None,
    };
    (place.contains(':') && !place.contains(' ')).then(|| keep(place))
}

/// The address whose access failed.
fn address_of(kind: CrashKind, text: &str) -> Option<String> {
    if !matches!(kind.nature(), Nature::Oops | Nature::Event | Nature::Report) {
        return None;
    }
    let keys = [
        "virtual address ",
        "for address: ",
        "address: ",
        "non-canonical address ",
        "at addr ",
        "on address ",
        "fault addr ",
        "address=",
        "data at address ",
        "dereference at ",
        "request at ",
        "read at ",
        "write at ",
        "on read at ",
        "on write at ",
        ") at ",
    ];
    keys.iter().find_map(|key| {
        let rest = text.split_once(key)?.1.trim_start();
        let (digits, _) = hex_digits(rest.strip_prefix("0x").unwrap_or(rest))?;
        (digits.len() >= 4).then(|| format!("0x{digits}"))
    })
}

/// The function that a head names as the place: `in F+0x..`, `failure at F`, `(F+0x..)`.
fn function(kind: CrashKind, text: &str) -> Option<String> {
    let key = match kind {
        CrashKind::Kasan | CrashKind::Kfence | CrashKind::Kmsan | CrashKind::Kcsan => " in ",
        CrashKind::StackProtector => " in: ",
        CrashKind::Cfi => "failure at ",
        CrashKind::MsrAccess => "rIP: ",
        _ => return None,
    };
    let rest = text.split_once(key)?.1.trim_start_matches(':').trim_start();
    let rest = match kind {
        CrashKind::MsrAccess => rest.split_once('(')?.1,
        _ => rest,
    };
    let word = rest.split([' ', ')']).next()?;
    let function = word.split_once("+0x").map_or(word, |(f, _)| f);
    // Where no symbol is known, an address.
    let is_address = function.starts_with("0x")
        || function.len() >= 8 && function.bytes().all(|b| b.is_ascii_hexdigit());
    let plain = !function.is_empty()
        && !is_address
        && function.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'<' | b'>' | b':' | b'$')
        });
    plain.then(|| keep(function))
}
