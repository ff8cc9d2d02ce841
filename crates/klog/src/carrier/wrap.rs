//! Lines that a mail program or a terminal wrapped.
//!
//! A wrapped line goes on without a prefix of its own. Whether a line goes on is told by the kernel's
//! own texts: it ends where no text of a report ends (`… invalid context at`, `…, at:`, half a
//! sentence, a frame without its symbol), and the next line is what is missing. So nothing is joined
//! that the kernel printed as two lines. A header whose prefix was left out when the report was cut
//! from a log gets that of the next line.

use super::{Caller, LogLine};
use crate::frame::{bracketed, frame, is_source, symbol};
use crate::limits;
use crate::lock::{is_header, is_whole_lock, messages};
use crate::text::{is_pointer, is_rule};

/// Sentences of reports, which are printed as one line each.
const SENTENCES: &[&str] = &[
    "is trying to acquire lock:",
    "is trying to acquire:",
    "is trying to lock:",
    "is trying to release lock",
    "is trying to contend lock",
    "but task is already holding lock:",
    "and this task is already holding:",
    "but this task is not holding:",
    "which lock already depends on the new lock.",
    "which would create a new lock dependency:",
    "the existing dependency chain (in reverse order) is:",
    "other info that might help us debug this:",
    "but there are no more locks to release!",
    "but there are no locks held!",
    "just changed the state of lock:",
    "lock in the past:",
    "was taken by another,",
    "and interrupts could create inverse lock ordering between them.",
    "Possible interrupt unsafe locking scenario:",
    "Possible unsafe locking scenario:",
    "the dependencies between",
    "and the holding lock:",
    "the dependencies between the lock to be acquired",
    "May be due to missing lock nesting notation",
    "the code is fine but needs lockdep annotation.",
    "turning off the locking correctness validator.",
    "*** DEADLOCK ***",
    "lock held when returning to user space!",
    "is leaving the kernel with locks still held!",
    "Showing all locks held in the system:",
    "stack backtrace:",
    "Preemption disabled at:",
    "RCU used illegally from",
    "rcu_scheduler_active = 2, debug_locks = 1",
    "rcu_scheduler_active = 1, debug_locks = 1",
    "no locks held by",
    "Chain exists of:",
];

/// What a line needs to be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// `FILE:LINE` or a symbol behind `at`.
    Place,
    /// The rest of a header.
    Header,
    /// The symbol of a frame.
    Frame,
    /// Release and build.
    Release,
    /// `name: COMM`.
    Name,
    /// `!` behind what RCU complains of.
    RcuMessage,
    /// RCU's `FILE:LINE …`, behind a line that was empty but for its prefix.
    RcuPlace,
    /// Usage letters and place of a lock.
    Lock,
    /// The key of a chain or the lock behind it, or `at: SYMBOL` behind a lock.
    Link,
    /// The task of a list of locks.
    Owner,
    /// The rest of a sentence.
    Sentence,
    /// Nothing, but a prefix.
    Prefix,
    /// Nothing, unless a module's name follows.
    Module,
}

/// A line that may go on.
#[derive(Clone, Debug)]
struct Piece {
    number: u64,
    time: Option<f64>,
    caller: Option<Caller>,
    prefixed: bool,
    text: String,
}

impl Piece {
    fn of(line: &LogLine<'_>) -> Self {
        Self {
            number: line.number,
            time: line.time,
            caller: line.caller,
            prefixed: line.prefixed,
            text: line.text.to_owned(),
        }
    }

    fn line(&self) -> LogLine<'_> {
        LogLine {
            number: self.number,
            time: self.time,
            caller: self.caller,
            prefixed: self.prefixed,
            text: &self.text,
        }
    }
}

/// Joins what was wrapped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wrap {
    /// A line that may go on, joined as far as it is known, and the lines behind it that may be the
    /// rest of a header.
    held: Vec<Piece>,
    need: Option<Need>,
    /// Number of the last line of it, and how many they are.
    until: u64,
    lines: usize,
    /// The last line that had a prefix.
    prefixed: Option<u64>,
}

/// What became of a line that came behind one that may go on.
enum Next {
    /// It is the rest, or a part of it; this is both in one.
    Joined(String),
    /// Only the line behind it tells.
    Undecided,
    /// It is a line of its own.
    Alone,
}

impl Wrap {
    /// Whether a line waits for its rest.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes a line; what is whole is handed to `sink`.
    pub(crate) fn line(&mut self, line: &LogLine<'_>, sink: &mut dyn FnMut(&LogLine<'_>)) {
        match self.next(line) {
            Next::Joined(text) => {
                self.held.truncate(1);
                self.until = line.number;
                self.lines = self.lines.saturating_add(1);
                let Some(first) = self.held.first_mut() else {
                    return;
                };
                first.text = text;
                self.need = need(&first.line(), true);
                if self.need.is_none() || self.lines >= limits::WRAPPED_LINES {
                    self.finish(sink);
                }
            }
            Next::Undecided => {
                self.until = line.number;
                self.lines = self.lines.saturating_add(1);
                self.held.push(Piece::of(line));
            }
            Next::Alone => {
                self.finish(sink);
                let near = self
                    .prefixed
                    .is_some_and(|p| line.number.saturating_sub(p) <= limits::LOOKBACK_LINES);
                self.need = need(line, near);
                if self.need.is_some() {
                    self.held.push(Piece::of(line));
                    self.until = line.number;
                    self.lines = 1;
                } else {
                    sink(line);
                }
            }
        }
        if line.prefixed {
            self.prefixed = Some(line.number);
        }
    }

    /// Hands on what is held, as the lines that they are.
    pub(crate) fn finish(&mut self, sink: &mut dyn FnMut(&LogLine<'_>)) {
        for piece in self.held.drain(..) {
            sink(&piece.line());
        }
    }

    /// Whether `line` is what the held one lacks.
    fn next(&mut self, line: &LogLine<'_>) -> Next {
        let (Some(first), Some(need)) = (self.held.first_mut(), self.need) else {
            return Next::Alone;
        };
        if need == Need::Prefix && line.prefixed {
            first.prefixed = true;
            first.caller = line.caller;
        }
        let t = line.text.trim();
        if line.prefixed
            || line.caller.is_some()
            || t.is_empty()
            || line.number.saturating_sub(self.until) > limits::WRAPPED_LINES as u64
            || self.lines >= limits::WRAPPED_LINES
            || stands_alone(t)
        {
            return Next::Alone;
        }
        // A name may have several blanks, and format=flowed keeps those before the break.
        let named = matches!(need, Need::Lock | Need::Link);
        let mut joined = String::new();
        for piece in &self.held {
            let text = piece.text.as_str();
            joined.push_str(if named { text } else { text.trim_end() });
            if !(joined.is_empty() || named && text.ends_with(' ')) {
                joined.push(' ');
            }
        }
        joined.push_str(t);
        if joined.len() > limits::LINE_BYTES {
            return Next::Alone;
        }
        let held = self.held.first().map_or("", |p| p.text.trim());
        match need {
            Need::Header if is_header(&joined) || joined.ends_with(" at") => Next::Joined(joined),
            Need::Header if self.lines < 3 => Next::Undecided,
            _ if fits(need, held, t, &joined) => Next::Joined(joined),
            _ => Next::Alone,
        }
    }
}

/// Whether `t` is what `held` lacks.
fn fits(need: Need, held: &str, t: &str, joined: &str) -> bool {
    match need {
        Need::Header | Need::Prefix => false,
        Need::Place => is_place(t),
        Need::Frame => frame(joined).is_some() && frame(held).is_none(),
        Need::Release => true,
        Need::Name => !t.contains("(): "),
        Need::RcuMessage => !first_word(t).contains("+0x"),
        Need::RcuPlace => is_source(first_word(t)),
        Need::Lock => {
            !is_whole_lock(t)
                && (is_whole_lock(joined) || joined.ends_with(" at:") || joined.ends_with("},"))
        }
        Need::Link => {
            let key = t.strip_prefix("-> ").unwrap_or(t);
            t.contains("){")
                || t.starts_with("at:")
                || t.starts_with('(')
                || key.starts_with("chain_key:")
        }
        Need::Owner => t.ends_with(':') && t.contains('/'),
        Need::Sentence => sentences().any(|s| completes(s, held, t)),
        Need::Module => t
            .strip_prefix('[')
            .map(|r| r.trim_end_matches(')'))
            .and_then(|r| r.strip_suffix(']'))
            .is_some_and(is_name),
    }
}

/// What a line lacks; `near` says that lines with a prefix, or other pieces of it, came before.
fn need(line: &LogLine<'_>, near: bool) -> Option<Need> {
    let t = line.text.trim();
    if t.is_empty() {
        return line.prefixed.then_some(Need::RcuPlace);
    }
    let inside = t.strip_prefix("[ ").unwrap_or(t);
    if ["BUG:", "INFO:", "WARNING:", "Debug:"]
        .iter()
        .any(|w| inside.starts_with(w))
    {
        return header_need(t, line.prefixed || near);
    }
    // A lock's place, the address in front of a symbol, the last change of the irq state.
    let placed = t.ends_with(" at:") && t.contains("){")
        || t.ends_with(">]") && t.contains(": [<")
        || t.ends_with("):") && (t.starts_with("hardirqs ") || t.starts_with("softirqs "));
    if placed {
        return Some(Need::Place);
    }
    if t.starts_with("CPU: ") {
        return (t.contains(" PID: ") && !has_build(t)).then_some(Need::Release);
    }
    if t.starts_with("in_atomic(): ") {
        let named = t.split_once("name: ").is_some_and(|(_, n)| !n.is_empty());
        return (!named && t.contains("irqs_disabled(): ") && t.contains("pid:"))
            .then_some(Need::Name);
    }
    if is_source(first_word(t)) && t.contains(' ') && !t.ends_with('!') && frame(t).is_none() {
        return Some(Need::RcuMessage);
    }
    if (t.ends_with(">]") || t.ends_with(" from")) && frame(t).is_none() {
        return Some(Need::Frame);
    }
    if is_part_of_lock(t) {
        return Some(Need::Lock);
    }
    let keys = t.starts_with("hlock_id:") || t.starts_with("class_idx:");
    if keys && !t.contains("){") || t.ends_with("},") && t.contains("){") {
        return Some(Need::Link);
    }
    if t.contains(" held by") && t.starts_with(|c: char| c.is_ascii_digit()) && !t.ends_with(':') {
        return Some(Need::Owner);
    }
    if t.rsplit(' ').next().is_some_and(|w| symbol(w).is_some()) {
        return Some(Need::Module);
    }
    sentences()
        .any(|s| begun(s, t).is_some())
        .then_some(Need::Sentence)
}

/// Texts of which each is printed as one line.
fn sentences() -> impl Iterator<Item = &'static str> {
    SENTENCES.iter().copied().chain(messages())
}

fn header_need(t: &str, prefixed: bool) -> Option<Need> {
    let placed = t.starts_with("WARNING: ") && t.rsplit(' ').next().is_some_and(is_source);
    if t.ends_with(" at") || placed {
        Some(Need::Place)
    } else if !is_header(t) {
        Some(Need::Header)
    } else {
        (!prefixed).then_some(Need::Prefix)
    }
}

/// Texts that are never the rest of another line.
fn stands_alone(t: &str) -> bool {
    const STARTS: &[&str] = &[
        "CPU: ",
        "BUG: ",
        "INFO: ",
        "WARNING: ",
        "Call ",
        "-> #",
        "<",
        "[ ",
        "---",
        "in_atomic",
    ];
    let numbered = t.starts_with('#') && t.contains(':');
    numbered || is_rule(t) || STARTS.iter().any(|s| t.starts_with(s))
}

/// `FILE:LINE`, a symbol, a frame's address, or a name.
fn is_place(t: &str) -> bool {
    is_source(first_word(t))
        || symbol(t).is_some()
        || bracketed(t).is_some()
        || t.ends_with("[inline]")
        || is_name(t)
        || t.split_once(" (")
            .is_some_and(|(f, s)| is_name(f) && s.contains(':'))
}

fn is_name(t: &str) -> bool {
    !t.is_empty()
        && t.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn first_word(t: &str) -> &str {
    t.split(' ').next().unwrap_or(t)
}

/// `… RELEASE #BUILD …`.
fn has_build(t: &str) -> bool {
    t.split_once(" #")
        .is_some_and(|(_, b)| b.starts_with(|c: char| c.is_ascii_digit()))
}

/// A lock of which the usage letters or what follows them is missing.
fn is_part_of_lock(t: &str) -> bool {
    let rest = match t.strip_prefix('#').and_then(|r| r.split_once(':')) {
        Some((n, rest)) if n.bytes().all(|b| b.is_ascii_digit()) => rest.trim_start(),
        _ => t,
    };
    let begins = rest.starts_with('(') || is_pointer(first_word(rest));
    let one = rest.starts_with('(') || rest.contains(" (") || !rest.contains(' ');
    begins && one && !t.ends_with(':') && !is_whole_lock(t)
}

/// The rest of `sentence`, where `t` ends with its first words.
fn begun<'a>(sentence: &'a str, t: &str) -> Option<&'a str> {
    sentence
        .match_indices(' ')
        .filter_map(|(at, _)| sentence.split_at_checked(at))
        .find(|(head, _)| {
            t.strip_suffix(head)
                .is_some_and(|before| before.is_empty() || before.ends_with(' '))
        })
        .map(|(_, rest)| rest.trim_start())
}

/// Whether `held` ends inside `sentence` and `t` goes on where it ends.
fn completes(sentence: &str, held: &str, t: &str) -> bool {
    begun(sentence, held).is_some_and(|rest| t.starts_with(rest) || rest.starts_with(t))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads lines of which `|` in front says that they had a prefix.
    fn read(log: &str) -> Vec<String> {
        let mut wrap = Wrap::default();
        let mut out = Vec::new();
        let mut sink = |l: &LogLine<'_>| {
            out.push(format!("{}{}", if l.prefixed { "|" } else { "" }, l.text));
        };
        for (number, text) in (1..).zip(log.lines()) {
            let line = LogLine {
                number,
                time: None,
                caller: None,
                prefixed: text.starts_with('|'),
                text: text.strip_prefix('|').unwrap_or(text),
            };
            wrap.line(&line, &mut sink);
        }
        wrap.finish(&mut sink);
        out
    }

    #[test]
    fn a_line_is_joined_with_what_it_lacks() {
        for (log, joined) in [
            (
                "BUG: sleeping function called from invalid context at\nkernel/a.c:1",
                "BUG: sleeping function called from invalid context at kernel/a.c:1",
            ),
            (
                "|BUG: sleeping function called from\ninvalid context at\nkernel/a.c:1",
                "|BUG: sleeping function called from invalid context at kernel/a.c:1",
            ),
            (
                "|WARNING: possible circular locking\ndependency detected",
                "|WARNING: possible circular locking dependency detected",
            ),
            (
                "|e93fab88 (sb_internal){.+.+}, at:\nf+0x1/0x2 [m]",
                "|e93fab88 (sb_internal){.+.+}, at: f+0x1/0x2 [m]",
            ),
            (
                "| #0: ffff888012a7b138\n(&a){+.+.}-{0:0}, at:\nf+0x1/0x2",
                "| #0: ffff888012a7b138 (&a){+.+.}-{0:0}, at: f+0x1/0x2",
            ),
            (
                "|[<c01116f8>] (f) from [<c010c3fc>]\n(g+0x10/0x14)",
                "|[<c01116f8>] (f) from [<c010c3fc>] (g+0x10/0x14)",
            ),
            (
                "|[<c01116f8>] f+0x1/0x2\n[mod]",
                "|[<c01116f8>] f+0x1/0x2 [mod]",
            ),
            (
                "|\nnet/sock.h:1332 suspicious\nrcu_dereference_check() usage!",
                "|net/sock.h:1332 suspicious rcu_dereference_check() usage!",
            ),
            (
                "|a/1 is trying to\nacquire lock:",
                "|a/1 is trying to acquire lock:",
            ),
            (
                "|which lock already depends on the\nnew lock.",
                "|which lock already depends on the new lock.",
            ),
            (
                "CPU: 0 PID: 5 Comm: x Not tainted 6.13.0-rc1+\n#2032",
                "CPU: 0 PID: 5 Comm: x Not tainted 6.13.0-rc1+ #2032",
            ),
            (
                "in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 0,\nname: swapper/1",
                "in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 0, name: swapper/1",
            ),
            (
                "hlock_id:0 ->\nchain_key:00000000DEADBEEF\n((work_completion)(&(&a->dwork)->work)){?+?-}, at:\nf+0x1/0x2",
                "hlock_id:0 -> chain_key:00000000DEADBEEF ((work_completion)(&(&a->dwork)->work)){?+?-}, at: f+0x1/0x2",
            ),
            (
                "class_idx:12\n-> chain_key:00000000DEADBEEF\n(a lock\nof ours){+.+.}-{3:3}",
                "class_idx:12 -> chain_key:00000000DEADBEEF (a lock of ours){+.+.}-{3:3}",
            ),
            (
                "3 locks held by\nkswapd0/86:",
                "3 locks held by kswapd0/86:",
            ),
        ] {
            assert_eq!(read(log), [joined], "{log}");
        }
    }

    #[test]
    fn lines_of_their_own_stay_so() {
        for log in [
            "|BUG: sleeping function called from invalid context at\n|kernel/a.c:1",
            "|BUG: something else\nfoo\nbar\nx",
            "| f+0x1/0x2\n|[mod]",
            "e93fab88 (a){.+.+}, at: f+0x1/0x2\nbut task is already holding lock:",
            "|a/1 is trying to acquire lock:\n (x){..}, at: f+0x1/0x2",
            "1 lock held by a/1:\n #0: (x){....}, at: f+0x1/0x2",
            "|\n|x\n\n=====",
        ] {
            let lines: Vec<&str> = log.lines().collect();
            assert_eq!(read(log), lines);
        }
    }

    #[test]
    fn a_header_that_lost_its_prefix_gets_that_of_the_next_line() {
        assert_eq!(
            read("BUG: scheduling while atomic: a/1/0x00000002\n|Call Trace:"),
            [
                "|BUG: scheduling while atomic: a/1/0x00000002",
                "|Call Trace:"
            ]
        );
        assert_eq!(
            read("|x\nBUG: scheduling while atomic: a/1/0x00000002\n|Call Trace:")[1],
            "BUG: scheduling while atomic: a/1/0x00000002"
        );
    }
}
