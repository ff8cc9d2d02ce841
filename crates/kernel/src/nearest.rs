//! The names that are most like one that is not there.

use std::collections::BTreeMap;

/// Names that are told.
const TOLD: usize = 3;
/// How much alike a name must be, from 0 to 1 (Jaro-Winkler).
const ALIKE: f64 = 0.85;

/// Those of `names` that are most like `name`, the best first; at most three.
pub fn nearest<T: AsRef<str>>(name: &str, names: impl IntoIterator<Item = T>) -> Vec<String> {
    // By how unlike they are, in millionths, then by name: one order for any order of `names`.
    let mut best: BTreeMap<(u32, String), ()> = BTreeMap::new();
    for other in names {
        let other = other.as_ref();
        let alike = strsim::jaro_winkler(name, other);
        if alike < ALIKE {
            continue;
        }
        best.insert((((1.0 - alike) * 1e6) as u32, other.to_owned()), ());
        if best.len() > TOLD {
            best.pop_last();
        }
    }
    best.into_keys().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first_and_strangers_not_at_all() {
        let names = [
            "crashing_cpu",
            "crash_notes",
            "jiffies",
            "crashing_cpus",
            "zzz",
        ];
        assert_eq!(
            nearest("crashing_cp", names),
            ["crashing_cpu", "crashing_cpus"]
        );
        assert!(nearest("qqqq", names).is_empty());
    }
}
