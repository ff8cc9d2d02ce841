//! What an earlier run has already said, from its JSONL.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::IgnoredAny;
use virtopsy::CheckId;
use virtopsy::report::{CheckVerdict, FileReport, Text};

use crate::input::Job;
use crate::judge::Judge;
use crate::output::{kept, partial};
use crate::render::TOOL;

/// The dumps of an earlier run, by path.
#[derive(Debug, Default)]
pub(crate) struct Earlier(HashMap<String, Record>);

/// One dump of an earlier run: where its line stands, and what it counts as. Lines stay on disk:
/// those of ten thousand dumps are hundreds of megabytes.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) counted: CheckVerdict,
    source: Arc<File>,
    /// Bytes of the line without its end, and where they begin.
    len: usize,
    offset: u64,
    /// The dump's files as they were then.
    files: Vec<FileReport>,
}

impl Record {
    /// The line as it stands.
    ///
    /// # Errors
    /// When it cannot be read any more.
    pub(crate) fn line(&self) -> io::Result<String> {
        let mut line = vec![0; self.len];
        self.source.read_exact_at(&mut line, self.offset)?;
        String::from_utf8(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

/// What of a line decides whether it can be taken over.
#[derive(Deserialize)]
struct Line {
    tool: Tool,
    verdict: CheckVerdict,
    path: serde_json::Value,
    release: Option<Text>,
    files: Vec<FileReport>,
    error: Option<IgnoredAny>,
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Tool {
    version: String,
}

#[derive(Deserialize)]
struct Check {
    id: CheckId,
    verdict: CheckVerdict,
}

impl Earlier {
    /// Reads `path` and what a run that was stopped left beside it. Lines that are cut, are no
    /// dump, ended in an error, are of another version of virtopsy, or hold other checks than
    /// `judge` selects, are passed over.
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
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        let source = Arc::new(file);
        let mut reader = BufReader::new(&*source);
        let (mut line, mut offset) = (Vec::new(), 0_u64);
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(());
            }
            let begin = offset;
            offset = offset.saturating_add(read as u64);
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            if let Some((path, files, counted)) = usable(text, judge) {
                let record = Record {
                    counted,
                    source: Arc::clone(&source),
                    len: text.len(),
                    offset: begin,
                    files,
                };
                self.0.insert(path, record);
            }
        }
    }

    /// Takes the record of a dump, where there is one and its files are as they were: same sizes,
    /// same times of change.
    pub(crate) fn take(&mut self, job: &Job) -> Option<Record> {
        let record = self.0.remove(&serde_json::to_string(&job.label).ok()?)?;
        let unchanged = job.spec.as_ref().is_ok_and(|spec| {
            let files = spec.files();
            files.len() == spec.paths.len() && files == record.files
        });
        unchanged.then_some(record)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn usable(line: &[u8], judge: &Judge) -> Option<(String, Vec<FileReport>, CheckVerdict)> {
    let Line {
        tool,
        verdict,
        path,
        release,
        files,
        error,
        checks,
    } = serde_json::from_slice(line).ok()?;
    let release = release.map(|release| release.to_string());
    let release = release.as_deref();
    let same = judge
        .selection(release)
        .all(|id| checks.iter().any(|check| check.id == id))
        && checks.iter().all(|check| judge.selects(check.id, release));
    if error.is_some() || !same || tool.version != TOOL.version {
        return None;
    }
    let counted = judge.count(
        false,
        checks.iter().map(|check| (check.id, check.verdict)),
        release,
    );
    // Another policy: what the line says that it counts as no longer holds.
    (counted != CheckVerdict::Error && counted == verdict)
        .then(|| (path.to_string(), files, counted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Render as _, jsonl};
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use virtopsy::report::{DumpReport, ErrorReport};

    fn job(path: &Path) -> Job {
        Job {
            label: Text::new(path.as_os_str().as_bytes()),
            spec: Ok(crate::input::spec(path.as_os_str())),
        }
    }

    fn line(path: &Path, judge: &Judge, error: bool) -> String {
        let error = error.then(|| ErrorReport {
            kind: "timeout".to_owned(),
            message: Text::default(),
        });
        let job = job(path);
        let report = DumpReport {
            path: job.label,
            files: job.spec.unwrap().files(),
            error,
            ..DumpReport::default()
        };
        let mut line = Vec::new();
        jsonl::Lines.dump(&mut line, &judge.judge(report)).unwrap();
        String::from_utf8(line).unwrap()
    }

    /// A folder with a file for each name, and the paths of those.
    fn dumps<const N: usize>(names: [&[u8]; N]) -> (tempfile::TempDir, [PathBuf; N]) {
        let directory = tempfile::tempdir().unwrap();
        let paths = names.map(|name| {
            let path = directory.path().join(OsStr::from_bytes(name));
            fs::write(&path, "dump").unwrap();
            path
        });
        (directory, paths)
    }

    #[test]
    fn whole_lines_are_taken_over_and_a_cut_one_is_not() {
        let (directory, [a, b, c, bad]) = dumps([b"a", b"b\xff", b"c", b"bad"]);
        let path = directory.path().join("out.jsonl");
        let judge = Judge::default();
        let [in_a, in_b, in_c] = [&a, &b, &c].map(|dump| line(dump, &judge, false));
        let failed = line(&bad, &judge, true);
        fs::write(&path, format!("{in_a}{failed}{{\"summary\":{{}}}}\n")).unwrap();
        fs::write(partial(&path), format!("{in_b}{}", &in_c[..in_c.len() / 2])).unwrap();
        let mut earlier = Earlier::load(&path, &judge).unwrap();
        assert_eq!(
            earlier.take(&job(&a)).unwrap().line().unwrap(),
            in_a.trim_end()
        );
        let record = earlier.take(&job(&b)).unwrap();
        assert_eq!(
            (record.line().unwrap().as_str(), record.counted),
            (in_b.trim_end(), CheckVerdict::Inconclusive)
        );
        assert!(earlier.take(&job(&c)).is_none() && earlier.take(&job(&bad)).is_none());
        assert!(earlier.is_empty());
    }

    #[test]
    fn a_dump_whose_file_has_changed_or_gone_is_examined_again() {
        let (directory, [same, longer, touched, gone]) =
            dumps([b"same", b"longer", b"touched", b"gone"]);
        let path = directory.path().join("out.jsonl");
        let judge = Judge::default();
        let lines = [&same, &longer, &touched, &gone].map(|dump| line(dump, &judge, false));
        fs::write(&path, lines.concat()).unwrap();
        fs::write(&longer, "dump, and more").unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_nanos(3_000_000_001);
        let file = fs::File::options().write(true).open(&touched).unwrap();
        file.set_modified(later).unwrap();
        fs::remove_file(&gone).unwrap();
        let mut earlier = Earlier::load(&path, &judge).unwrap();
        let taken =
            [&same, &longer, &touched, &gone].map(|dump| earlier.take(&job(dump)).is_some());
        assert_eq!(taken, [true, false, false, false]);
    }

    #[test]
    fn a_dump_with_other_checks_or_of_another_version_is_examined_again() {
        let (directory, [a]) = dumps([b"a"]);
        let path = directory.path().join("out.jsonl");
        let one = Judge::only(CheckId::DumpComplete);
        let written = line(&a, &one, false);
        fs::write(&path, &written).unwrap();
        assert!(!Earlier::load(&path, &one).unwrap().is_empty());
        assert!(Earlier::load(&path, &Judge::default()).unwrap().is_empty());
        let version = format!("\"version\":\"{}\"", TOOL.version);
        fs::write(&path, written.replace(&version, "\"version\":\"0.0.1\"")).unwrap();
        assert!(Earlier::load(&path, &one).unwrap().is_empty());
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
