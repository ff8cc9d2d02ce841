//! Register dumps, the instruction pointer and the `Code:` line, of every architecture.

use super::model::{Code, Register};
use crate::frame::symbol;
use crate::limits;
use crate::text::keep;

/// How the lines that give the instruction pointer begin.
const POINTERS: &[&str] = &[
    "RIP: ",
    "RIP  ",
    "RIP:",
    "IP: ",
    "EIP: ",
    "EIP is at",
    "PC is at",
    "pc : ",
    "NIP [",
    "epc : ",
    "epc   : ",
    "Krnl PSW : ",
    "ERA: ",
    "pc ",
];

/// Whether a line gives the instruction pointer of the kernel.
pub(super) fn is_pointer(t: &str) -> bool {
    POINTERS.iter().any(|p| t.starts_with(p))
}

/// The symbol that such a line names.
pub(super) fn pointer(t: &str) -> Option<String> {
    let body = POINTERS.iter().find_map(|p| t.strip_prefix(p))?;
    // The code segment stands right before it: `0010:func+0x1/0x2`.
    let body = body
        .trim_start()
        .split_once(':')
        .filter(|(segment, _)| segment.len() == 4 && segment.bytes().all(|b| b.is_ascii_hexdigit()))
        .map_or(body, |(_, rest)| rest);
    let mut rest = body;
    loop {
        let word = rest.trim_start_matches([' ', '(']);
        if word.is_empty() {
            return None;
        }
        // `:module:func`, of kernels up to 2.6.27
        let word = word
            .strip_prefix(':')
            .and_then(|r| r.split_once(':'))
            .map_or(word, |(_, function)| function);
        if let Some((found, _)) = symbol(word) {
            return Some(keep(&found.to_string()));
        }
        // Through decode_stacktrace.sh: `func (dir/file.c:12)`.
        if let Some((function, source)) = word.split_once(" (")
            && !function.contains(' ')
            && source
                .split([')', ' '])
                .next()
                .is_some_and(crate::frame::is_source)
        {
            return Some(keep(function));
        }
        rest = word.split_once([' ', ']']).map_or("", |(_, tail)| tail);
    }
}

/// Reads the registers of a line: `NAME: VALUE` pairs, or powerpc's and s390's rows of values.
pub(super) fn read(t: &str, found: &mut Vec<Register>) {
    let mut words = t.split_ascii_whitespace().peekable();
    while let Some(word) = words.next() {
        let name = if let Some(name) = word.strip_suffix(':') {
            name
        } else if words.next_if_eq(&":").is_some() {
            word
        } else if let Some((name, value)) = word.split_once(':') {
            // `r7:00000080`
            push(name, value, found);
            continue;
        } else {
            continue;
        };
        let Some(value) = words.peek() else { return };
        let value = value.rsplit_once(':').map_or(*value, |(_, v)| v);
        let value = value.split('(').next().unwrap_or(value);
        if push(name, value, found) {
            words.next();
        }
    }
}

fn push(name: &str, value: &str, found: &mut Vec<Register>) -> bool {
    let digits = value.strip_prefix("0x").unwrap_or(value);
    let is_value =
        matches!(digits.len(), 4 | 8 | 16) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let is_name = (1..=8).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.bytes().any(|b| b.is_ascii_alphabetic());
    let room = found.len() < limits::REGISTERS && !found.iter().any(|r| r.name == name);
    if is_value && is_name && room {
        found.push(Register {
            name: keep(name),
            value: format!("0x{digits}"),
        });
    }
    is_value
}

/// Reads what follows `Code:`.
pub(super) fn code(rest: &str) -> Option<Code> {
    let mut code = Code::default();
    for word in rest.split_ascii_whitespace().take(limits::CODE_WORDS) {
        let marked = word
            .strip_prefix(['<', '('])
            .map(|w| w.trim_end_matches(['>', ')']));
        let digits = marked.unwrap_or(word);
        if digits.is_empty() || digits.len() > 16 || !digits.bytes().all(|b| b.is_ascii_hexdigit())
        {
            continue;
        }
        if marked.is_some() && code.fault.is_none() {
            code.fault = u32::try_from(code.words.len()).ok();
        }
        code.words.push(digits.to_owned());
    }
    (!code.words.is_empty()).then_some(code)
}
