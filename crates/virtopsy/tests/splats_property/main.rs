//! Any report of any kind, of any release, in any carrier, is read back as it was made.

// Helpers of tests may panic like the tests themselves.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

#[path = "../carriers/mod.rs"]
mod carriers;
mod kinds;
mod parts;
mod printer;

use proptest::prelude::*;
use virtopsy::splat::{Kind, Splat, scan_records, scan_text};

use carriers::{as_records, carriers, essence, surrounded};

/// A report without what is made of its parts, and is held by tests of its own.
fn facts(splat: &Splat, flat: bool) -> Splat {
    let mut s = essence(splat, flat);
    s.title.clear();
    s.sentence.clear();
    s.signature.clear();
    s.guilty = None;
    s.known_issue = None;
    s.taint = None;
    s.notes.clear();
    s
}

/// The fields in which two reports differ; nothing when they are the same.
fn differences(got: &Splat, want: &Splat) -> String {
    let json = |s: &Splat| serde_json::to_value(s).unwrap();
    let (got, want) = (json(got), json(want));
    let names: std::collections::BTreeSet<&String> = [&got, &want]
        .into_iter()
        .flat_map(|v| v.as_object().unwrap().keys())
        .collect();
    names
        .into_iter()
        .filter(|n| got[n.as_str()] != want[n.as_str()])
        .map(|n| {
            format!(
                "{n}: got {}\n   want {}\n",
                got[n.as_str()],
                want[n.as_str()]
            )
        })
        .collect()
}

/// Each case is a report of every kind; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 48;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_report_is_read_back_as_it_was_printed(parts in parts::parts()) {
        for kind in Kind::all() {
            let made = kinds::print(kind, &parts);
            let all = surrounded(&made.records);
            let text = all.join("\n");
            let got = scan_records(as_records(&all));
            prop_assert_eq!(got.len(), 1, "{}: {}", kind, text);
            let differ = differences(&facts(&got[0], false), &facts(&made.want, false));
            prop_assert!(differ.is_empty(), "{}: {}{}", kind, differ, text);
        }
    }

    #[test]
    fn a_report_reads_the_same_in_each_carrier(parts in parts::parts()) {
        for kind in Kind::all() {
            let made = kinds::print(kind, &parts);
            for (carrier, text, flat) in carriers(&surrounded(&made.records)) {
                let got = scan_text(text.as_bytes()).unwrap();
                prop_assert_eq!(got.len(), 1, "{} in {}:\n{}", kind, carrier, text);
                let differ = differences(&facts(&got[0], flat), &facts(&made.want, flat));
                prop_assert!(differ.is_empty(), "{} in {}: {}{}", kind, carrier, differ, text);
            }
        }
    }
}
