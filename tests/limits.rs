//! `LIMITS.md` against the code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;
use support::root;

/// `kernel MAX_ENTRIES` and its values as they are written; which file it is in is for the reader.
type Limits = BTreeMap<String, BTreeSet<String>>;

fn documented() -> Limits {
    let text = std::fs::read_to_string(root().join("LIMITS.md")).unwrap();
    let heading = Regex::new(r"^## .*\(`(.*)`\)").unwrap();
    let row = Regex::new(r"^\| `(.*?)` `(.*?)` \| `(.*?)` \|").unwrap();
    let mut folder = String::new();
    let mut limits = Limits::new();
    for line in text.lines() {
        if let Some(found) = heading.captures(line) {
            folder = found[1].to_owned();
        } else if let Some(found) = row.captures(line) {
            let library = folder.split('/').nth(1).unwrap();
            let name = format!("{library} {}", &found[2]);
            limits.entry(name).or_default().insert(found[3].to_owned());
        }
    }
    limits
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

/// Every integer constant of the libraries.
fn coded() -> Limits {
    let constant =
        Regex::new(r"(?m)^\s*(?:pub(?:\(\w+\))? )?const ([A-Z_0-9]+): \w+ = (.*);").unwrap();
    let mut limits = Limits::new();
    for library in ["vmcore", "debuginfo", "kernel", "virtopsy"] {
        for path in sources(&root().join("crates").join(library).join("src")) {
            if path.to_string_lossy().ends_with("tests.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for found in constant.captures_iter(&text) {
                let name = format!("{library} {}", &found[1]);
                limits.entry(name).or_default().insert(found[2].to_owned());
            }
        }
    }
    limits
}

#[test]
fn every_limit_in_the_table_has_that_value_in_the_code() {
    let (documented, coded) = (documented(), coded());
    assert!(documented.len() > 60);
    let wrong: Vec<String> = documented
        .iter()
        .filter(|(name, values)| !coded.get(*name).is_some_and(|c| c.is_superset(values)))
        .map(|(name, values)| format!("{name}: {values:?}, in the code {:?}", coded.get(name)))
        .collect();
    assert!(
        wrong.is_empty(),
        "LIMITS.md is out of date:\n{}",
        wrong.join("\n")
    );
}
