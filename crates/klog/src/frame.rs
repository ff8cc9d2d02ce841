//! Symbols and the frames of traces.
//!
//! A symbol is `func+0xOFF/0xSIZE`, with ` [module]` or ` [module BUILDID]` behind it (`%pS`,
//! lib/vsprintf.c; the build id since 5.14). Around it, by release and architecture:
//!
//! | line | from |
//! |---|---|
//! | ` func+0x1/0x2`, ` ? func+0x1/0x2` | x86 since 4.9, arm64 before 6.14 |
//! | ` [<ffff…>] func+0x1/0x2`, ` [<ffff…>] ? func+0x1/0x2` | x86 up to 4.9, riscv, mips |
//! | ` func+0x1/0x2 (P)` | arm64 since 6.14 (how the frame was found) |
//! | `[<80a>] (f) from [<80b>] (g+0x1/0x2)`, ` f from g+0x1/0x2` | arm |
//! | `Function entered at [<80a>] from [<80b>]` | arm without KALLSYMS |
//! | `[c0..] [c0..] func+0x1/0x2 (unreliable)`, `… (g+0x1/0x2)` behind it | powerpc |
//! | ` func+0x1/0x2 dir/file.c:12`, ` func dir/file.c:12 [inline]` | through syzkaller's symbolizer |
//! | ` func (dir/file.c:12 (discriminator 3)) module` | through scripts/decode_stacktrace.sh |
//! | `0x7e93c548`, `0xffffffffffffffff` | no symbol; the latter ends stored traces up to 5.1 |

use crate::model::{Frame, Inlined};
use crate::text::{address, hex_digits, is_pointer, keep};

/// A symbol as printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Symbol<'a> {
    pub(crate) function: &'a str,
    pub(crate) offset: Option<&'a str>,
    pub(crate) size: Option<&'a str>,
    pub(crate) module: Option<&'a str>,
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FrameLine {
    /// A frame of its own.
    Frame(Frame),
    /// A frame that names callee and caller (arm); before 6.13 no head line comes before them.
    Return(Frame),
    /// A function inlined into the frame of the next line.
    Inline(Inlined),
}

/// Reads `func+0xOFF/0xSIZE` at the start of `s`; what follows is returned.
pub(crate) fn symbol(s: &str) -> Option<(Symbol<'_>, &str)> {
    let end = s.bytes().position(|b| b == b' ').unwrap_or(s.len());
    let (word, rest) = s.split_at_checked(end)?;
    let (function, tail) = word.split_once("+0x")?;
    if function.is_empty() || !function.bytes().all(is_symbol_byte) {
        return None;
    }
    let (offset, tail) = hex_digits(tail)?;
    let tail = tail.strip_prefix("/0x")?;
    let (size, tail) = hex_digits(tail)?;
    let start = function.len().checked_add(1)?;
    let offset_end = start.checked_add(2)?.checked_add(offset.len())?;
    let size_start = offset_end.checked_add(1)?;
    let size_end = size_start.checked_add(2)?.checked_add(size.len())?;
    // Text that another CPU printed right behind the symbol makes no symbol of it.
    if !tail.is_empty() && !tail.starts_with([',', ')', ':', '(']) {
        return None;
    }
    let (module, rest) = if tail.is_empty() {
        module(rest)
    } else {
        (None, rest)
    };
    let rest = if tail.is_empty() {
        rest
    } else {
        s.get(size_end..)?
    };
    let found = Symbol {
        function,
        offset: word.get(start..offset_end),
        size: word.get(size_start..size_end),
        module,
    };
    Some((found, rest))
}

/// Bytes of symbol names: C, with the suffixes of compilers, and mangled Rust or C++.
fn is_symbol_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(
            b,
            b'_' | b'.' | b'$' | b'<' | b'>' | b':' | b'@' | b'-' | b'\\'
        )
        || b >= 0x80
}

/// ` [module]` or ` [module BUILDID]` at the start of `s`.
fn module(s: &str) -> (Option<&str>, &str) {
    let Some((inside, rest)) = s.strip_prefix(" [").and_then(|t| t.split_once(']')) else {
        return (None, s);
    };
    let name = inside.split(' ').next().unwrap_or(inside);
    if name.is_empty()
        || inside == "inline"
        || !name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    {
        return (None, s);
    }
    (Some(name), rest)
}

/// Strips `[<address>]` or `[address]` from the start of `s`.
pub(crate) fn bracketed(s: &str) -> Option<(&str, &str)> {
    let t = s.strip_prefix('[')?;
    let (inside, rest) = t.split_once(']')?;
    let inside = inside
        .strip_prefix('<')
        .and_then(|i| i.strip_suffix('>'))
        .unwrap_or(inside);
    let hex = inside.strip_prefix("0x").unwrap_or(inside);
    let plain = (8..=16).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit());
    if plain || inside == "(ptrval)" || inside.trim_start_matches('(').starts_with("____ptrval") {
        Some((inside, rest))
    } else {
        None
    }
}

/// Reads what print_ip_sym and `%pS` leave behind `at: `: the symbol with its module, without
/// address and source position.
pub(crate) fn printed_symbol(s: &str) -> Option<String> {
    let mut s = s.trim();
    if let Some((_, rest)) = bracketed(s) {
        s = rest.trim_start();
    }
    if let Some((sym, _)) = symbol(s) {
        return Some(keep(&sym.to_string()));
    }
    if let Some((function, position)) = s.split_once(" (")
        && (position.contains(".c:") || position.contains(".h:") || position.contains(".rs:"))
    {
        return Some(keep(function));
    }
    // A bare name or address: cut by hand, or never symbolized.
    let word = s.split(' ').next().unwrap_or(s);
    if word.is_empty() {
        None
    } else if is_pointer(word) {
        Some(keep(&address(word)))
    } else {
        Some(keep(word))
    }
}

impl std::fmt::Display for Symbol<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.function)?;
        if let (Some(offset), Some(size)) = (self.offset, self.size) {
            write!(f, "+{offset}/{size}")?;
        }
        match self.module {
            Some(module) => write!(f, " [{module}]"),
            None => Ok(()),
        }
    }
}

/// Reads one line of a trace, leading blanks included or not.
pub(crate) fn frame(text: &str) -> Option<FrameLine> {
    let t = text.trim();
    if let Some(frame) = arm(t) {
        return Some(FrameLine::Return(frame));
    }
    let mut rest = t;
    let mut address_text = None;
    if let Some(inside) = rest.strip_prefix('(').and_then(|r| r.strip_suffix(')'))
        && inside.starts_with('[')
    {
        rest = inside; // s390 brackets the frame that printed the trace
    }
    while let Some((at, behind)) = bracketed(rest) {
        address_text = Some(at);
        rest = behind.trim_start();
    }
    let question = rest.strip_prefix("? ");
    rest = question.unwrap_or(rest);
    let mut frame = if let Some((sym, behind)) = symbol(rest) {
        let mut frame = from_symbol(&sym);
        if !read_tail(behind, &mut frame) {
            return None;
        }
        frame
    } else if let Some(inline) = inlined(rest) {
        return Some(FrameLine::Inline(inline));
    } else if let Some(frame) = decoded(rest) {
        frame
    } else {
        bare(rest)?
    };
    frame.reliable &= question.is_none();
    frame.address = address_text.map(|a| keep(&address(a)));
    Some(FrameLine::Frame(frame))
}

/// A frame of one symbol.
fn from_symbol(sym: &Symbol<'_>) -> Frame {
    Frame {
        function: keep(sym.function),
        offset: sym.offset.map(keep),
        size: sym.size.map(keep),
        module: sym.module.map(keep),
        reliable: true,
        ..Frame::default()
    }
}

/// Reads what may stand behind the symbol; false when it is something else, so no frame.
fn read_tail(tail: &str, frame: &mut Frame) -> bool {
    let mut rest = tail.trim();
    while !rest.is_empty() {
        if let Some((inside, behind)) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
            if inside == "unreliable" {
                frame.reliable = false;
            } else if inside.starts_with("discriminator ") {
                // Which of the copies that the compiler made of the line
            } else if !inside.bytes().all(|b| b.is_ascii_uppercase()) && !is_return_of_graph(inside)
            {
                return false;
            }
            rest = behind.trim_start();
        } else {
            let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
            if frame.source.is_none() && is_source(word) {
                frame.source = Some(keep(word));
            } else {
                return false;
            }
            rest = behind.trim_start();
        }
    }
    true
}

/// `(g+0x1/0x2)`: the caller that the function graph tracer took the place of (powerpc).
fn is_return_of_graph(inside: &str) -> bool {
    symbol(inside).is_some_and(|(_, rest)| rest.is_empty())
}

/// `dir/file.c:12`.
pub(crate) fn is_source(word: &str) -> bool {
    word.rsplit_once(':').is_some_and(|(path, line)| {
        !line.is_empty()
            && line.bytes().all(|b| b.is_ascii_digit())
            && path.contains('.')
            && !path.contains('[')
    })
}

/// `func dir/file.c:12 [inline]`.
fn inlined(s: &str) -> Option<Inlined> {
    let body = s.strip_suffix("[inline]")?.trim_end();
    let (function, source) = body.rsplit_once(' ')?;
    let function = function.trim();
    if is_source(source) && !function.is_empty() {
        Some(Inlined {
            function: keep(function),
            source: keep(source),
        })
    } else {
        None
    }
}

/// `func (dir/file.c:12 (discriminator 3)) module`.
fn decoded(s: &str) -> Option<Frame> {
    let (function, rest) = s.split_once(" (")?;
    if function.is_empty() || !function.bytes().all(is_symbol_byte) {
        return None;
    }
    let end = rest.find([')', ' '])?;
    let source = rest.get(..end)?;
    if !is_source(source) {
        return None;
    }
    // Behind it the module, in brackets or not, and since arm64's 6.14 how the frame was found.
    let module = rest.split_once(") ").and_then(|(_, tail)| {
        tail.split(' ')
            .rfind(|w| !w.is_empty() && !w.contains([')', '(', ':']))
    });
    Some(Frame {
        function: keep(function),
        module: module.map(|m| keep(m.trim_matches(['[', ']']))),
        reliable: true,
        source: Some(keep(source)),
        ..Frame::default()
    })
}

/// `0xADDR` alone.
fn bare(s: &str) -> Option<Frame> {
    let digits = s.strip_prefix("0x")?;
    if digits.is_empty() || digits.len() > 16 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some(Frame {
        function: keep(s),
        reliable: true,
        ..Frame::default()
    })
}

/// arm prints each frame as callee `from` return address; the return address is the frame.
fn arm(t: &str) -> Option<Frame> {
    let (callee, caller) = t.split_once(" from ")?;
    if let Some(entered) = callee.strip_prefix("Function entered at ") {
        bracketed(entered)?;
        let (at, _) = bracketed(caller)?;
        return bare(&address(at));
    }
    let callee = bracketed(callee).map_or(callee, |(_, rest)| rest).trim();
    let callee = callee.trim_start_matches('(').trim_end_matches(')');
    // The callee of a module is named with it.
    let callee = callee.split_once(" [").map_or(callee, |(name, _)| name);
    let callee = callee.split_once('+').map_or(callee, |(name, _)| name);
    let callee = callee
        .split_once(" [")
        .filter(|(_, module)| module.ends_with(']') && !module.contains(' '))
        .map_or(callee, |(name, _)| name);
    if callee.is_empty() || !callee.bytes().all(is_symbol_byte) {
        return None;
    }
    let (at, caller) =
        bracketed(caller).map_or((None, caller), |(a, rest)| (Some(a), rest.trim_start()));
    let inside = caller.strip_prefix('(').unwrap_or(caller);
    let mut frame = match symbol(inside) {
        Some((sym, rest)) => {
            let mut frame = from_symbol(&sym);
            let rest = rest.trim_start_matches(')').trim();
            frame.module = frame
                .module
                .or_else(|| module(&format!(" {rest}")).0.map(keep));
            if frame.module.is_none() && !rest.trim_matches(')').is_empty() && !is_source(rest) {
                return None;
            }
            frame
        }
        None => bare(inside.trim_end_matches(')'))?,
    };
    frame.address = at.map(|a| keep(&address(a)));
    Some(frame)
}

/// A function's name without what the compiler added (`.cold`, `.isra.0`, `.constprop.0`, `.part.0`).
pub(crate) fn base(function: &str) -> &str {
    let at = [
        ".cold",
        ".isra.",
        ".constprop.",
        ".part.",
        ".llvm.",
        ".lto_priv",
    ]
    .iter()
    .filter_map(|s| function.find(s))
    .min();
    at.and_then(|a| function.get(..a))
        .filter(|b| !b.is_empty())
        .unwrap_or(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Frame {
        match frame(text) {
            Some(FrameLine::Frame(f) | FrameLine::Return(f)) => f,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_frame_is_read_in_the_form_of_every_release_and_architecture() {
        for (text, function, offset, size, module, reliable) in [
            (
                " vfs_write+0xbf/0x480",
                "vfs_write",
                "0xbf",
                "0x480",
                None,
                true,
            ),
            (
                " ? vfs_write+0xbf/0x480",
                "vfs_write",
                "0xbf",
                "0x480",
                None,
                false,
            ),
            (
                " [<ffffffff81ca45ed>] dump_stack+0xc1/0x124",
                "dump_stack",
                "0xc1",
                "0x124",
                None,
                true,
            ),
            (
                " [<ffffffff81232141>] ? __lock_is_held+0xa1/0xf0",
                "__lock_is_held",
                "0xa1",
                "0xf0",
                None,
                false,
            ),
            (
                " init+0x2a0/0x1000 [splats]",
                "init",
                "0x2a0",
                "0x1000",
                Some("splats"),
                true,
            ),
            (
                " init+0x2/0x3 [a_b 0123456789abcdef0123456789abcdef01234567]",
                "init",
                "0x2",
                "0x3",
                Some("a_b"),
                true,
            ),
            (
                " el0_svc+0x58/0x150 (P)",
                "el0_svc",
                "0x58",
                "0x150",
                None,
                true,
            ),
            (
                "[<80de0078>] (dump_backtrace) from [<80de0574>] (show_stack+0x28/0x2c)",
                "show_stack",
                "0x28",
                "0x2c",
                None,
                true,
            ),
            (
                " dump_backtrace from show_stack+0x18/0x1c",
                "show_stack",
                "0x18",
                "0x1c",
                None,
                true,
            ),
            (
                " f from g+0x18/0x1c [m]",
                "g",
                "0x18",
                "0x1c",
                Some("m"),
                true,
            ),
            (
                "[c000000012345678] [c0000000abcdef01] .do_x+0x10/0x20 (unreliable)",
                ".do_x",
                "0x10",
                "0x20",
                None,
                false,
            ),
            (
                "([<0000000000112233>] show_trace+0x1/0x2)",
                "show_trace",
                "0x1",
                "0x2",
                None,
                true,
            ),
        ] {
            let f = one(text);
            assert_eq!(
                (f.function.as_str(), f.offset.as_deref(), f.size.as_deref()),
                (function, Some(offset), Some(size)),
                "{text}"
            );
            assert_eq!(
                (f.module.as_deref(), f.reliable),
                (module, reliable),
                "{text}"
            );
        }
        assert_eq!(one(" 0x7e93c548").function, "0x7e93c548");
    }

    #[test]
    fn a_symbolizer_adds_the_source_and_the_inlined_functions() {
        assert_eq!(
            one(" dump_stack+0x292/0x395 lib/dump_stack.c:52")
                .source
                .as_deref(),
            Some("lib/dump_stack.c:52")
        );
        assert_eq!(
            one(" f (lib/f.c:107 (discriminator 4)) kvm")
                .source
                .as_deref(),
            Some("lib/f.c:107")
        );
        let marked = one(" el0_svc (arch/arm64/kernel/entry-common.c:1 (discriminator 2)) (P)");
        assert_eq!((marked.function.as_str(), marked.module), ("el0_svc", None));
        assert_eq!(
            one(" f (drivers/f.c:107 (discriminator 4) include/f.h:3) [kvm]")
                .module
                .as_deref(),
            Some("kvm")
        );
        assert_eq!(
            frame(" __dump_stack lib/dump_stack.c:16 [inline]"),
            Some(FrameLine::Inline(Inlined {
                function: "__dump_stack".into(),
                source: "lib/dump_stack.c:16".into()
            }))
        );
    }

    #[test]
    fn sentences_with_a_symbol_in_them_are_no_frames() {
        for text in [
            "initcall init+0x0/0x1000 [splats] returned with preemption imbalance ",
            "caller is debug_smp_processor_id+0x1c/0x26",
            "hardirqs last  enabled at (59): [<ffffffff8100f908>] _raw_spin_unlock_irq+0x28/0x80",
            "RIP: 0010:__might_sleep+0x13a/0x190",
            "mail from someone",
            "init+0x0/0x1000 [splats] returned",
            "",
        ] {
            assert_eq!(frame(text), None, "{text}");
        }
    }
}
