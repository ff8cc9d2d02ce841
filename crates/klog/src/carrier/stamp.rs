//! What stands before the text of a line, and the shapes of its parts.

use super::Caller;
use crate::text::head;

/// What the prefix of a line says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct Prefix {
    /// Seconds since boot.
    pub(in super::super) time: Option<f64>,
    /// Who printed it.
    pub(in super::super) caller: Option<Caller>,
    /// Syslog facility: 0 is the kernel, anything else user space.
    pub(in super::super) facility: Option<u64>,
    /// There was a time, a priority, a caller or a syslog tag.
    pub(in super::super) stamped: bool,
    /// A syslog tag was there: control characters are escaped.
    pub(in super::super) syslog: bool,
    /// The syslog tag is not the kernel's.
    pub(in super::super) foreign: bool,
    /// Column of the text where it is not simply where the text begins (journald breaks the line
    /// right behind the tag).
    pub(in super::super) width: Option<usize>,
    /// Something was stripped.
    pub(in super::super) stripped: bool,
}

impl Prefix {
    /// Whether anything was stripped.
    pub(in super::super) fn is_some(&self) -> bool {
        self.stripped || self.stamped
    }
}

/// What stands between `open` and the next `close`, both near, and what follows. Only the next 48
/// bytes are looked at, so that a line of many pieces costs no more than its length.
pub(super) fn enclosed(s: &str, open: char, close: char) -> Option<(&str, &str)> {
    let t = s.strip_prefix(open)?;
    let end = head(t, 48).find(close)?;
    Some((t.get(..end)?, t.get(end.checked_add(1)?..)?))
}

/// `18:00`, `18:00:00`, `18:00:00.123456`, `18:00:00:123`.
pub(super) fn is_hours(word: &str) -> bool {
    let mut fields = word.splitn(3, ':');
    let two =
        |f: Option<&str>| f.is_some_and(|f| f.len() == 2 && f.bytes().all(|b| b.is_ascii_digit()));
    if !two(fields.next()) || !two(fields.next()) {
        return false;
    }
    fields.next().is_none_or(|s| {
        s.len() >= 2
            && s.bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b':'))
    })
}
