//! Fuzzy matching of names: the typed letters, in order, with gaps.

/// How well `query` (lower case) matches `name`; more is better, `None` is no match.
///
/// Letters that follow each other, and letters at the start of a word, count more; a name that
/// holds the query whole counts more than any with gaps, and a shorter name more than a longer.
pub(crate) fn score(query: &[u8], name: &[u8]) -> Option<i32> {
    let mut total = 0i32;
    let mut wanted = query.iter();
    let mut next = wanted.next();
    let (mut run, mut longest) = (0i32, 0i32);
    let mut before = b'_';
    for c in name {
        let Some(want) = next else { break };
        if c.to_ascii_lowercase() == *want {
            run = run.saturating_add(1);
            longest = longest.max(run);
            let start = matches!(before, b'_' | b'.' | b' ' | b'-' | b'/');
            total = total
                .saturating_add(if start { 8 } else { 1 })
                .saturating_add(run.saturating_mul(2));
            next = wanted.next();
        } else {
            run = 0;
        }
        before = *c;
    }
    if next.is_some() {
        return None;
    }
    let length = i32::try_from(name.len()).unwrap_or(i32::MAX);
    total = total.saturating_sub(length.saturating_div(4));
    if contains(name, query) {
        total = total.saturating_add(100);
    }
    if name.len() >= query.len()
        && name
            .get(..query.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(query))
    {
        total = total.saturating_add(100);
    }
    Some(if name.len() == query.len() {
        total.saturating_add(100)
    } else {
        total
    })
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
    }
}
