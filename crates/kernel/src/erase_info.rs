//! Which memory makedumpfile erased on request (`--config`), by what the dump says of it.
//!
//! ```text
//! erase init_uts_ns.name.nodename size 65      the bytes were overwritten with X
//! erase saved_command_line size 200            so were those that it points to
//! erase saved_command_line nullify             the pointer was set to 0
//! ```
//! A nullified pointer would pass for "none registered". So erased places are found again by their
//! names, and reading them is an error that quotes the line. A line whose place cannot be found,
//! because its pointers are gone or the name is not known (a loop's variable), stays as a note.
//! Scripts (`--eppic`) leave no line: what they erased can't be told from data. Source:
//! makedumpfile's erase_info.c, makedumpfile.conf(5); the text is in the sub-header since version
//! 5, and in ELF dumps in an ERASEINFO note.

use std::ops::Range;

use virtopsy_debuginfo::VirtAddr;

use crate::erased::Erased;
use crate::kernel::Kernel;
use crate::peek::{PeekLimits, Value};

/// Lines that are looked at; a filter has a few dozen.
const MAX_LINES: usize = 1024;
/// The largest erased thing that is believed, in bytes.
const MAX_ERASED: u64 = 1 << 30;
/// Bytes of a pointer.
const POINTER: u64 = 8;

/// Finds the places that the dump's erase info names; what cannot be found becomes a note.
pub(crate) fn find(kernel: &Kernel, text: &str) -> (Vec<Erased>, Vec<String>) {
    let mut erased = Vec::new();
    let mut notes = Vec::new();
    let lines = text.split(['\n', '\0']).map(str::trim);
    for (number, line) in lines.filter(|line| !line.is_empty()).enumerate() {
        if number == MAX_LINES {
            notes.push(format!(
                "makedumpfile erased data in more than {MAX_LINES} places: values from the others \
                 would be wrong"
            ));
            break;
        }
        let parsed = Line::parse(line).ok_or("it is not understood".to_owned());
        match parsed.and_then(|parsed| parsed.places(kernel)) {
            Ok(places) => erased.extend(places.into_iter().map(|range| Erased {
                range,
                line: line.to_owned(),
            })),
            Err(why) => notes.push(lost(line, &why)),
        }
    }
    (erased, notes)
}

fn lost(line: &str, why: &str) -> String {
    format!(
        "makedumpfile erased data from this dump (`{line}`), and where it was is not known ({why}): \
         a value from there would be wrong"
    )
}

/// `erase EXPRESSION size N` or `erase EXPRESSION nullify`.
struct Line<'a> {
    expression: &'a str,
    /// Bytes; `None`: a pointer that was set to 0.
    size: Option<u64>,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Line<'a>> {
        let rest = line.strip_prefix("erase ")?.trim();
        if let Some(expression) = rest.strip_suffix(" nullify") {
            return Some(Line {
                expression: expression.trim(),
                size: None,
            });
        }
        let (expression, size) = rest.rsplit_once(" size ")?;
        let size = size
            .trim()
            .parse()
            .ok()
            .filter(|size| *size <= MAX_ERASED)?;
        Some(Line {
            expression: expression.trim(),
            size: Some(size),
        })
    }

    /// What was erased: of a pointer what it leads to, as makedumpfile follows it, unless the
    /// pointer itself was set to 0.
    fn places(&self, kernel: &Kernel) -> Result<Vec<Range<VirtAddr>>, String> {
        let limits = PeekLimits {
            depth: 0,
            elements: 0,
            nodes: 1,
        };
        let node = kernel
            .peek(self.expression, limits)
            .map_err(|e| e.to_string())?;
        let at = node.address.ok_or("it has no address")?;
        let Some(size) = self.size else {
            return Ok(vec![range(at, POINTER)]);
        };
        let leads = |to: VirtAddr| kernel.space().is_kernel_address(to);
        Ok(match &node.value {
            Value::Pointer { to, .. } if leads(*to) => vec![range(*to, size)],
            Value::Pointer { .. } => return Err("the pointer to it leads nowhere".to_owned()),
            // Without a type it may be either.
            Value::Bytes(..) => {
                let to = kernel.space().pointer(at).ok().filter(|to| leads(*to));
                let places = [Some(at), to].into_iter().flatten();
                places.map(|at| range(at, size)).collect()
            }
            _ => vec![range(at, size)],
        })
    }
}

fn range(at: VirtAddr, size: u64) -> Range<VirtAddr> {
    at..VirtAddr(at.0.saturating_add(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_kinds_are_understood_and_others_are_not() {
        let parse = |line| Line::parse(line).map(|l| (l.expression.to_owned(), l.size));
        assert_eq!(
            parse("erase init_uts_ns.name.nodename size 65"),
            Some(("init_uts_ns.name.nodename".into(), Some(65)))
        );
        assert_eq!(
            parse("erase saved_command_line nullify"),
            Some(("saved_command_line".into(), None))
        );
        for other in [
            "erase x",
            "erase x size y",
            "erased x size 1",
            "erase x size 99999999999",
        ] {
            assert!(parse(other).is_none(), "{other}");
        }
    }
}
