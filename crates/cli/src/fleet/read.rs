//! From the JSONL of runs to what is kept of each dump.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, Read as _};

use serde::Deserialize;
use virtopsy::report::{CheckVerdict, DumpReport, Summary, Text};

use super::{Dump, File, Fleet};
use crate::words::word;

/// The longest line that is read, in bytes: a report of thousands of CPUs is far shorter.
const LONGEST: u64 = 256 << 20;

/// A line that is no result.
#[derive(Debug)]
pub(crate) struct Problem {
    file: Text,
    /// From 1.
    line: u64,
    what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Reads one file after the other. Where a dump is named again, the last line counts.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    files: Vec<File>,
    dumps: Vec<Dump>,
    /// For each path, its place among the dumps.
    places: HashMap<Text, usize>,
    repeated: u64,
    problems: Vec<Problem>,
}

#[derive(Deserialize)]
struct Last {
    summary: Summary,
}

#[derive(Deserialize)]
struct Line {
    schema: String,
    verdict: CheckVerdict,
    #[serde(flatten)]
    report: DumpReport,
}

impl Reader {
    /// Reads the results of one run.
    ///
    /// # Errors
    /// When the file cannot be read on. Lines that are no results are kept as problems.
    pub(crate) fn read(&mut self, path: Text, input: &mut dyn BufRead) -> io::Result<()> {
        let mut file = File {
            path,
            ..File::default()
        };
        let mut number = 0;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = input.take(LONGEST).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            number += 1;
            match self.line(&line) {
                Ok(Some(_)) => file.complete = true,
                Ok(None) => file.dumps = file.dumps.saturating_add(1),
                Err(what) => self.problems.push(Problem {
                    file: file.path.clone(),
                    line: number,
                    what,
                }),
            }
        }
        self.files.push(file);
        Ok(())
    }

    /// Keeps the dump of a line, or gives the summary that the line is.
    fn line(&mut self, line: &[u8]) -> Result<Option<Summary>, String> {
        if let Ok(Last { summary }) = serde_json::from_slice(line) {
            return Ok(Some(summary));
        }
        let line: Line = serde_json::from_slice(line)
            .map_err(|error| format!("no line of `check --format jsonl`: {error}"))?;
        if line.schema.split('.').next() != virtopsy::report::SCHEMA.split('.').next() {
            return Err(format!(
                "results of schema {}, which this version cannot read",
                line.schema
            ));
        }
        let dump = Dump::of(line);
        match self.places.get(&dump.path) {
            Some(place) => {
                self.repeated = self.repeated.saturating_add(1);
                if let Some(kept) = self.dumps.get_mut(*place) {
                    *kept = dump;
                }
            }
            None => {
                self.places.insert(dump.path.clone(), self.dumps.len());
                self.dumps.push(dump);
            }
        }
        Ok(None)
    }

    /// The fleet, the lines that are no results, and how many lines named a dump again.
    pub(crate) fn finish(self) -> (Fleet, Vec<Problem>, u64) {
        let fleet = Fleet::of(self.files, &self.dumps);
        (fleet, self.problems, self.repeated)
    }
}

impl Dump {
    fn of(line: Line) -> Dump {
        let report = line.report;
        let kind = report.cause().map(|cause| Text::from(cause.kind.name()));
        let signature = report.crash.as_ref().and_then(|c| c.signature.clone());
        let virtualization = &report.virtualization;
        Dump {
            counts_as: line.verdict,
            error: report
                .error
                .map(|error| (Text::from(error.kind), error.message)),
            kernel: (
                report.release.unwrap_or_else(|| "unknown".into()),
                report.build_id.map(Text::from),
            ),
            virtualization: (
                Text::from(word(&virtualization.verdict)),
                Some(Text::from(word(&virtualization.feature))),
            ),
            callback: (
                Text::from(word(&report.callback.state)),
                report.callback.symbol,
            ),
            checks: report
                .checks
                .into_iter()
                .map(|check| (Text::from(check.id.id()), check.verdict))
                .collect(),
            known_issues: report
                .known_issues
                .into_iter()
                .map(|issue| (Text::from(issue.id.id()), Some(Text::from(issue.title))))
                .collect(),
            splats: report
                .splats
                .into_iter()
                .map(|splat| {
                    (
                        Text::from(splat.signature),
                        Some(Text::from(splat.kind.name())),
                    )
                })
                .collect(),
            cause: signature.map(|signature| (Text::from(signature), kind)),
            path: report.path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::lines;
    use super::*;

    fn read(files: &[&[u8]]) -> (Fleet, Vec<String>, u64) {
        let mut reader = Reader::default();
        for (number, file) in files.iter().enumerate() {
            let mut file: &[u8] = file;
            reader
                .read(Text::from(format!("f{number}")), &mut file)
                .unwrap();
        }
        let (fleet, problems, repeated) = reader.finish();
        (
            fleet,
            problems.iter().map(ToString::to_string).collect(),
            repeated,
        )
    }

    #[test]
    fn a_line_that_is_no_result_is_named_and_costs_nothing_else() {
        let lines = lines();
        let spoilt = [b"{\"a\":\x1b}\n", &lines[..], b"\n\xff"].concat();
        let (fleet, problems, _) = read(&[&spoilt]);
        assert_eq!(fleet.summary.dumps, 9);
        assert_eq!(problems.len(), 3);
        assert!(
            problems[0].starts_with("f0:1: no line of `check"),
            "{problems:?}"
        );
        assert!(problems[1].starts_with("f0:12: "), "{problems:?}");
    }

    #[test]
    fn a_dump_that_is_named_again_counts_by_its_last_line() {
        let lines = lines();
        let text = String::from_utf8(lines.clone()).unwrap();
        let again = text.lines().next().unwrap().replace(
            "\"verdict\":\"pass\",\"path\"",
            "\"verdict\":\"fail\",\"path\"",
        );
        let (fleet, problems, repeated) = read(&[&lines, again.as_bytes()]);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(
            (fleet.summary.dumps, fleet.summary.fail, repeated),
            (9, 4, 1)
        );
    }

    #[test]
    fn a_run_that_was_stopped_is_told_from_a_whole_one() {
        let lines = lines();
        let cut = lines
            .split_inclusive(|b| *b == b'\n')
            .take(3)
            .collect::<Vec<_>>();
        let (fleet, _, _) = read(&[&lines, &cut.concat()]);
        let complete: Vec<bool> = fleet.files.iter().map(|file| file.complete).collect();
        assert_eq!(complete, [true, false]);
    }

    #[test]
    fn results_of_another_model_are_refused() {
        let text = String::from_utf8(lines()).unwrap();
        let (fleet, problems, _) = read(&[text
            .replace("\"schema\":\"1.", "\"schema\":\"2.")
            .as_bytes()]);
        assert_eq!((fleet.summary.dumps, problems.len()), (0, 9));
        assert!(problems[0].contains("schema 2."), "{problems:?}");
    }
}
