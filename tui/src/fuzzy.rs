//! Fuzzy matching of names: the typed letters, in order, with gaps.

/// What a typed letter is worth where a word of the name begins, where it follows the one before,
/// and elsewhere: a letter that happens to be in the name says little.
const WORD_START: i32 = 8;
const FOLLOWS: i32 = 6;
const SCATTERED: i32 = -4;
/// Letters that must be worth this much on average.
const ENOUGH: i32 = 2;
/// Longer queries are no names.
const LONGEST: usize = 64;

/// How well `query` (lower case) matches `name`; more is better, `None` is no match.
///
/// A name that holds the query whole counts more than any with gaps, and a shorter name more than
/// a longer. Of all ways to find the letters in their order the best one counts.
pub(crate) fn score(query: &[u8], name: &[u8]) -> Option<i32> {
    if query.len() > LONGEST || !is_subsequence(query, name) {
        return None;
    }
    let length = i32::try_from(name.len()).unwrap_or(i32::MAX);
    let letters = i32::try_from(query.len()).unwrap_or(i32::MAX);
    let whole = contains(name, query);
    let worth = if whole {
        letters.saturating_mul(FOLLOWS)
    } else {
        alignment(query, name)
    };
    if !whole && worth < letters.saturating_mul(ENOUGH) {
        return None;
    }
    let begins = name
        .get(..query.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(query));
    let bonus = [whole, begins, begins && name.len() == query.len()];
    let bonus = bonus.iter().filter(|b| **b).count() as i32;
    Some(
        worth
            .saturating_add(bonus.saturating_mul(100))
            .saturating_sub(length.saturating_div(4)),
    )
}

fn is_subsequence(query: &[u8], name: &[u8]) -> bool {
    let mut name = name.iter();
    query
        .iter()
        .all(|want| name.any(|c| c.to_ascii_lowercase() == *want))
}

/// The worth of the best way to find the letters of `query` in `name`.
fn alignment(query: &[u8], name: &[u8]) -> i32 {
    // By the number of letters found: the best worth so far, and that with the last letter being
    // the character before.
    let mut best = [None::<i32>; LONGEST + 1];
    let mut ends_before = [None::<i32>; LONGEST + 1];
    if let Some(none) = best.first_mut() {
        *none = Some(0);
    }
    let mut before = b'_';
    for c in name {
        let start = matches!(before, b'_' | b'.' | b' ' | b'-' | b'/');
        let elsewhere = if start { WORD_START } else { SCATTERED };
        let mut ends_here = [None::<i32>; LONGEST + 1];
        for (found, want) in query.iter().enumerate() {
            if c.to_ascii_lowercase() != *want {
                continue;
            }
            let at = |row: &[Option<i32>], n: usize| row.get(n).copied().flatten();
            let jumped = at(&best, found).map(|w| w.saturating_add(elsewhere));
            let followed = at(&ends_before, found).map(|w| w.saturating_add(FOLLOWS));
            if let Some(here) = ends_here.get_mut(found.saturating_add(1)) {
                *here = jumped.max(followed);
            }
        }
        for (best, here) in best.iter_mut().zip(&ends_here).skip(1) {
            *best = (*best).max(*here);
        }
        ends_before = ends_here;
        before = *c;
    }
    best.get(query.len()).copied().flatten().unwrap_or(i32::MIN)
}

fn contains(name: &[u8], query: &[u8]) -> bool {
    query.is_empty()
        || name
            .windows(query.len())
            .any(|w| w.eq_ignore_ascii_case(query))
}

/// The best of many, kept while they are looked through.
#[derive(Debug)]
pub(crate) struct Best<T> {
    limit: usize,
    entries: Vec<(i32, T)>,
}

impl<T> Best<T> {
    pub(crate) fn new(limit: usize) -> Best<T> {
        Best {
            limit,
            entries: Vec::new(),
        }
    }

    /// Whether a score would be kept.
    pub(crate) fn takes(&self, score: i32) -> bool {
        self.entries.len() < self.limit
            || self.entries.last().is_some_and(|(worst, _)| score > *worst)
    }

    /// Keeps a candidate, if it is good enough.
    pub(crate) fn add(&mut self, score: i32, value: T) {
        if self.takes(score) {
            let at = self.entries.partition_point(|(s, _)| *s >= score);
            self.entries.insert(at, (score, value));
            self.entries.truncate(self.limit);
        }
    }

    /// The best first.
    pub(crate) fn into_vec(self) -> Vec<T> {
        self.entries.into_iter().map(|(_, value)| value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best<'a>(query: &str, names: &[&'a str]) -> Vec<&'a str> {
        let mut best = Best::new(3);
        for name in names {
            if let Some(s) = score(query.as_bytes(), name.as_bytes()) {
                best.add(s, *name);
            }
        }
        best.into_vec()
    }

    #[test]
    fn whole_names_come_before_parts_and_parts_before_gaps() {
        let names = [
            "kvm_lookup_online_cpus",
            "kvm_loc",
            "xkvm_lock",
            "kvm_lock_all",
            "kvm_lock",
            "none",
        ];
        assert_eq!(
            best("kvm_lock", &names),
            ["kvm_lock", "kvm_lock_all", "xkvm_lock"]
        );
    }

    #[test]
    fn letters_at_word_starts_find_long_names() {
        let names = ["cpu_emergency_virt_callback", "cpuevolution_cabinet"];
        assert_eq!(
            best("cevc", &names).first(),
            Some(&"cpu_emergency_virt_callback")
        );
        assert_eq!(best("zz", &names), [""; 0]);
        assert_eq!(best("pcpu", &["panic_cpu"]), ["panic_cpu"]);
    }

    #[test]
    fn letters_that_happen_to_be_in_a_name_are_no_match() {
        let names = [
            "timekeeping_clocksource_has_base",
            "current_clocksource_show",
            "__initcall__kmod_user__370_261_uid_cache_init4",
        ];
        assert_eq!(best("nosuch", &names), [""; 0]);
    }
}
