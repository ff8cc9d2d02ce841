//! What an earlier run has already said, from its JSONL.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::IgnoredAny;
use virtopsy::report::{CheckVerdict, Text};

use crate::judge::Judge;
use crate::output::{kept, partial};

/// The dumps of an earlier run, by path.
#[derive(Debug, Default)]
pub(crate) struct Earlier(HashMap<String, Record>);

/// One dump of an earlier run: its line as it stands, and what it counts as.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) line: String,
    pub(crate) counted: CheckVerdict,
}

/// What of a line decides whether it can be taken over.
#[derive(Deserialize)]
struct Line {
    path: serde_json::Value,
    error: Option<IgnoredAny>,
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Check {
    id: String,
    verdict: CheckVerdict,
}

impl Earlier {
    /// Reads `path` and what a run that was stopped left beside it. Lines that are cut, are no
    /// dump, ended in an error, or hold other checks than `judge` selects, are passed over.
    ///
    /// # Errors
    /// When one of the files is there and cannot be read.
    pub(crate) fn load(path: &Path, judge: &Judge) -> anyhow::Result<Earlier> {
        let mut earlier = Earlier::default();
        for path in [path.to_path_buf(), kept(path), partial(path)] {
            earlier
                .read(&path, judge)
                .with_context(|| format!("--resume {}", path.display()))?;
        }
        Ok(earlier)
    }

    fn read(&mut self, path: &PathBuf, judge: &Judge) -> io::Result<()> {
        let file = match fs::File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        for bytes in BufReader::new(file).split(b'\n') {
            let Ok(line) = String::from_utf8(bytes?) else {
                continue;
            };
            if let Some((path, counted)) = usable(&line, judge) {
                self.0.insert(path, Record { line, counted });
            }
        }
        Ok(())
    }

    /// Takes the record of a dump, where there is one.
    pub(crate) fn take(&mut self, label: &Text) -> Option<Record> {
        self.0.remove(&serde_json::to_string(label).ok()?)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn usable(line: &str, judge: &Judge) -> Option<(String, CheckVerdict)> {
    let Line {
        path,
        error,
        checks,
    } = serde_json::from_str(line).ok()?;
    let same = judge
        .selection()
        .all(|id| checks.iter().any(|check| check.id == id))
        && checks.iter().all(|check| judge.selects(&check.id));
    if error.is_some() || !same {
        return None;
    }
    let counted = judge.count(
        false,
        checks
            .iter()
            .map(|check| (check.id.as_str(), check.verdict)),
    );
    (counted != CheckVerdict::Error).then(|| (path.to_string(), counted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtopsy::report::{DumpReport, ErrorReport};

    fn line(path: &[u8], judge: &Judge, error: bool) -> String {
        let error = error.then(|| ErrorReport {
            kind: "timeout".to_owned(),
            message: Text::default(),
        });
        let report = DumpReport {
            path: Text::new(path),
            error,
            ..DumpReport::default()
        };
        serde_json::to_string(&judge.judge(report).report).unwrap()
    }

    #[test]
    fn whole_lines_are_taken_over_and_a_cut_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.jsonl");
        let judge = Judge::default();
        let (a, b, c) = (
            line(b"a", &judge, false),
            line(b"b\xff", &judge, false),
            line(b"c", &judge, false),
        );
        fs::write(
            &path,
            format!(
                "{a}\n{}\n{{\"summary\":{{}}}}\n",
                line(b"bad", &judge, true)
            ),
        )
        .unwrap();
        fs::write(partial(&path), format!("{b}\n{}", &c[..c.len() / 2])).unwrap();
        let mut earlier = Earlier::load(&path, &judge).unwrap();
        assert_eq!(earlier.take(&Text::from("a")).unwrap().line, a);
        let record = earlier.take(&Text::new(&b"b\xff"[..])).unwrap();
        assert_eq!(
            (record.line, record.counted),
            (b, CheckVerdict::Inconclusive)
        );
        assert!(
            earlier.take(&Text::from("c")).is_none() && earlier.take(&Text::from("bad")).is_none()
        );
        assert!(earlier.is_empty());
    }

    #[test]
    fn a_dump_with_other_checks_is_examined_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.jsonl");
        let one = Judge::only("dump-complete");
        fs::write(&path, line(b"a", &one, false) + "\n").unwrap();
        assert!(!Earlier::load(&path, &one).unwrap().is_empty());
        assert!(Earlier::load(&path, &Judge::default()).unwrap().is_empty());
    }

    #[test]
    fn nothing_to_resume_is_no_error() {
        assert!(
            Earlier::load(Path::new("/no/such/file"), &Judge::default())
                .unwrap()
                .is_empty()
        );
    }
}
