//! Locks as lockdep prints them, whole or in pieces.
//!
//! print_lock and print_lock_name (kernel/locking/lockdep.c): `[ADDR] (NAME){USAGE}[-{O:I}], at: SYM`.
//! NAME is the raw expression that initialised the lock, so it may hold blanks, parentheses and
//! commas; it ends at the last `){` behind which usage letters stand. The address is missing up to
//! 4.15, hashed up to 5.3, and real since.

use crate::frame::printed_symbol;
use crate::limits;
use crate::lock::parts::Lock;
use crate::text::{address, head, is_pointer, keep, number};

/// Where the usage letters start and what they are: the last `){LETTERS}` of `s`.
fn usage(s: &str) -> Option<(&str, &str, &str)> {
    let mut end = s.len();
    loop {
        let at = s.get(..end)?.rfind("){")?;
        let (name, rest) = s.split_at_checked(at)?;
        let behind = rest.get(2..)?;
        if let Some((letters, tail)) = letters_and_tail(behind)
            && (2..=8).contains(&letters.len())
            && letters
                .bytes()
                .all(|b| matches!(b, b'-' | b'+' | b'.' | b'?'))
        {
            return Some((name, letters, tail));
        }
        end = at;
    }
}

/// Splits at the next `}`, looked for no further than usage letters reach.
fn letters_and_tail(behind: &str) -> Option<(&str, &str)> {
    let (letters, tail) = behind.split_at_checked(head(behind, 9).find('}')?)?;
    Some((letters, tail.strip_prefix('}')?))
}

/// The address in front of a name, and the name behind its parenthesis.
fn address_and_name(s: &str) -> Option<(Option<&str>, &str)> {
    let s = s.trim_start();
    if let Some(name) = s.strip_prefix('(') {
        // `(ptrval) (name)` of 4.15/4.16, before the hash was seeded.
        if let Some(real) = name
            .strip_prefix("ptrval) (")
            .or_else(|| name.strip_prefix("____ptrval____) ("))
        {
            return Some((None, real));
        }
        return Some((None, name));
    }
    let (word, rest) = s.split_once(' ')?;
    if is_pointer(word) {
        Some((Some(word), rest.trim_start().strip_prefix('(')?))
    } else {
        None
    }
}

/// Reads a lock; what stands behind it (no `at:`) is returned.
pub(crate) fn lock_and_rest(s: &str) -> Option<(Lock, &str)> {
    let (front, letters, tail) = usage(s)?;
    let (at, name) = address_and_name(front)?;
    let mut lock = Lock::named(name);
    lock.address = at.map(address);
    lock.usage = Some(letters.to_owned());
    let mut rest = tail;
    if let Some((wait, behind)) = tail.strip_prefix("-{").and_then(|t| t.split_once('}'))
        && wait.len() <= 8
        && wait.bytes().all(|b| b.is_ascii_digit() || b == b':')
    {
        lock.wait = Some(wait.to_owned());
        rest = behind;
    }
    Some((lock, rest))
}

/// Reads a lock line: `… , at: SYM` or without. `<RELEASED>` is what print_lock says of a freed one.
pub(crate) fn lock(s: &str) -> Option<Lock> {
    let t = s.trim();
    if t == "<RELEASED>" {
        return Some(Lock::named(t));
    }
    let (mut lock, rest) = lock_and_rest(t)?;
    let rest = rest.trim_start_matches(',').trim_start();
    if let Some(at) = rest.strip_prefix("at:") {
        lock.at = printed_symbol(at);
    } else if !rest.trim_end_matches(':').is_empty() {
        return None;
    }
    Some(lock)
}

/// Reads a lock line that lost its first column: the parenthesis, or a digit of the address.
pub(crate) fn without_first_column(s: &str) -> Option<Lock> {
    let t = s.trim();
    let cut =
        |word: &str| matches!(word.len(), 7 | 15) && word.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some((_, rest)) = t.split_once(" (").filter(|(word, _)| cut(word)) {
        return lock(&format!("({rest}"));
    }
    lock(&format!("({t}")).filter(|lock| lock.at.is_some() && !lock.name.contains(' '))
}

/// The index of a held lock (`#0: `) and what follows.
pub(crate) fn held_index(s: &str) -> Option<(u32, &str)> {
    let (n, rest) = number(s.trim_start().strip_prefix('#')?)?;
    Some((u32::try_from(n).ok()?, rest.strip_prefix(':')?))
}

/// A lock that comes in pieces: KERN_CONT fragments that other CPUs printed between (4.x), or a
/// line that a mail program wrapped.
#[derive(Clone, Debug)]
pub(crate) struct Fragments {
    /// `#I`, for a held lock.
    pub(crate) index: Option<u32>,
    /// First line of it.
    pub(crate) since: u64,
    joined: String,
    /// Names are printed bare; without caller ids several texts may be the one.
    candidates: Vec<String>,
}

/// What became of a piece.
pub(crate) enum Piece {
    /// It belongs to something else.
    Foreign,
    /// Taken; more is to come.
    Open,
    /// Taken, and the lock is complete.
    Complete(Lock),
}

impl Fragments {
    /// Starts with what the first line already says.
    pub(crate) fn new(index: Option<u32>, since: u64, start: &str) -> Self {
        Self {
            index,
            since,
            joined: start.trim().to_owned(),
            candidates: Vec::new(),
        }
    }

    /// Whether `s` may start a lock in pieces: nothing, an address, `(`, or an unfinished lock.
    pub(crate) fn may_start(s: &str) -> bool {
        let t = s.trim();
        t.is_empty()
            || t == "("
            || is_pointer(t)
            || address_and_name(t).is_some()
            || lock(t).is_some()
    }

    /// Whether `s` is a lock whose end is to come: without letters behind its name, or without the
    /// place behind `at:`.
    pub(crate) fn is_unfinished(s: &str) -> bool {
        let t = s.trim();
        match address_and_name(t) {
            Some((address, name)) if usage(t).is_none() => {
                !name.is_empty() && (address.is_some() || may_be_name(name)) && !name.ends_with(')')
            }
            _ => t.ends_with("at:") && Self::may_start(t),
        }
    }

    /// What is known when no more pieces come: a lock without `at:`.
    pub(crate) fn finish(mut self) -> Option<Lock> {
        if !self.joined.contains("){") {
            let name = self.best_name()?;
            self.joined.push_str(&name);
        }
        lock(&self.joined).or_else(|| {
            let (_, name) = address_and_name(&self.joined)?;
            if name.is_empty() {
                None
            } else {
                Some(Lock::named(name))
            }
        })
    }

    /// Offers the next line.
    pub(crate) fn offer(&mut self, text: &str) -> Piece {
        let t = text.trim();
        if self.joined.len().saturating_add(t.len()) > limits::NAME_BYTES.saturating_mul(4) {
            return Piece::Foreign;
        }
        if usage(&self.joined).is_some() {
            return self.offer_place(t);
        }
        self.offer_name(t)
    }

    /// The letters are there: a `-{o:i}`, `, at: ` or the symbol follows.
    fn offer_place(&mut self, t: &str) -> Piece {
        let waiting_for_symbol = self.joined.trim_end().ends_with("at:");
        let fits = if waiting_for_symbol {
            crate::frame::bracketed(t).is_some() || crate::frame::symbol(t).is_some() || is_word(t)
        } else {
            t.starts_with(", at:") || t.starts_with("at: ") || t == "at:" || t.starts_with("-{")
        };
        if !fits {
            return Piece::Foreign;
        }
        self.joined.push(' ');
        if t.starts_with("-{") || t.starts_with(", at:") {
            self.joined.pop();
        }
        self.joined.push_str(t);
        match lock(&self.joined) {
            Some(lock) if lock.at.is_some() => Piece::Complete(lock),
            _ => Piece::Open,
        }
    }

    /// Address, parenthesis, name or letters are still to come.
    fn offer_name(&mut self, t: &str) -> Piece {
        let open = self.joined.contains('(');
        if !open {
            let fits = t == "("
                || is_pointer(t) && self.joined.is_empty()
                || address_and_name(t).is_some();
            if !fits {
                return Piece::Foreign;
            }
            if !self.joined.is_empty() {
                self.joined.push(' ');
            }
            self.joined.push_str(t);
        } else if let Some((name, _, _)) = usage(t) {
            if name.is_empty() {
                if let Some(best) = self.best_name() {
                    self.joined.push_str(&best);
                }
            } else if !self.joined.ends_with('(') {
                self.joined.push(' ');
            }
            self.joined.push_str(t);
        } else if self.joined.ends_with('(') && may_be_name(t) {
            if self.candidates.len() < limits::REMARKS {
                self.candidates.push(keep(t));
            }
            return Piece::Foreign; // only the letters tell whether it was
        } else {
            return Piece::Foreign;
        }
        match lock(&self.joined) {
            Some(lock) if lock.at.is_some() => Piece::Complete(lock),
            _ => Piece::Open,
        }
    }

    /// The likeliest of the texts that came where the name was due.
    fn best_name(&mut self) -> Option<String> {
        let by_shape = self
            .candidates
            .iter()
            .find(|c| !c.contains(' ') && c.contains(['_', '&', '>', '.']));
        by_shape
            .or_else(|| self.candidates.iter().find(|c| !c.contains(' ')))
            .or(self.candidates.first())
            .cloned()
    }
}

/// One word that could be a symbol of which mail left only the name.
fn is_word(t: &str) -> bool {
    !t.is_empty()
        && t.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
}

/// Text that could be the name of a lock and nothing else.
fn may_be_name(t: &str) -> bool {
    let first = t.bytes().next().unwrap_or(b' ');
    (first.is_ascii_alphabetic() || matches!(first, b'&' | b'_' | b'(' | b'*'))
        && !t.ends_with(':')
        && !t.contains("+0x")
        && !t.contains(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_at_the_last_parenthesis_before_usage_letters() {
        for (text, name, usage) in [
            (
                "(per_cpu_ptr(&cgroup_rstat_cpu_lock, cpu)){-...}-{2:2}",
                "per_cpu_ptr(&cgroup_rstat_cpu_lock, cpu)",
                "-...",
            ),
            (
                "((work_completion)(&(&gc_work->dwork)->work)){+.+.}",
                "(work_completion)(&(&gc_work->dwork)->work)",
                "+.+.",
            ),
            (
                "(&(&r->consumer_lock)->rlock){+.+...}",
                "&(&r->consumer_lock)->rlock",
                "+.+...",
            ),
            (
                "((console_sem).lock){-.-.}-{2:2}",
                "(console_sem).lock",
                "-.-.",
            ),
        ] {
            let lock = lock(text).unwrap();
            assert_eq!(
                (lock.name.as_str(), lock.usage.as_deref()),
                (name, Some(usage)),
                "{text}"
            );
        }
    }

    #[test]
    fn version_and_subclass_are_told_from_the_class() {
        let l = lock("ffff88804093d380 (&sb->s_type->i_mutex_key#8/2){+.+.}-{4:4}, at: [<ffffffff81a>] f+0x1/0x2 [m]").unwrap();
        assert_eq!(
            (l.class.as_str(), l.version, l.subclass),
            ("&sb->s_type->i_mutex_key", Some(8), Some(2))
        );
        assert_eq!(
            (l.address.as_deref(), l.wait.as_deref(), l.at.as_deref()),
            (
                Some("0xffff88804093d380"),
                Some("4:4"),
                Some("f+0x1/0x2 [m]")
            )
        );
        assert_eq!(Lock::named("a/b").subclass, None);
    }

    #[test]
    fn an_index_of_any_form_is_read_and_a_released_lock_too() {
        assert_eq!(held_index(" #0:  (x){..}"), Some((0, "  (x){..}")));
        assert_eq!(held_index("#99999999999: x"), None);
        assert_eq!(lock(" <RELEASED>").unwrap().name, "<RELEASED>");
    }

    #[test]
    fn a_lock_in_pieces_is_joined_among_foreign_texts() {
        let mut f = Fragments::new(Some(0), 1, "");
        for (piece, taken) in [
            ("(", true),
            ("? idr_get_free+0xfd0/0xfd0", false),
            ("6378", false),
            ("rcu_read_lock", false),
            ("Node 0 ", false),
            ("){....}", true),
            ("Node 0 DMA: 12kB", false),
        ] {
            let got = f.offer(piece);
            assert_eq!(matches!(got, Piece::Open), taken, "{piece}");
        }
        let Piece::Complete(lock) =
            f.offer(", at: [<0000000072a5383e>] __rds_conn_create+0xe46/0x1b50")
        else {
            panic!()
        };
        assert_eq!(
            (lock.name.as_str(), lock.at.as_deref()),
            ("rcu_read_lock", Some("__rds_conn_create+0xe46/0x1b50"))
        );
    }

    #[test]
    fn a_wrapped_lock_is_joined() {
        let mut f = Fragments::new(Some(0), 1, "ffff8881fa32c440");
        assert!(matches!(
            f.offer("(sb_writers#3){.+.+}-{0:0}, at:"),
            Piece::Open
        ));
        let Piece::Complete(lock) = f.offer("ksys_write+0x5b/0xd0") else {
            panic!()
        };
        assert_eq!(
            (lock.name.as_str(), lock.at.as_deref()),
            ("sb_writers#3", Some("ksys_write+0x5b/0xd0"))
        );
    }
}
