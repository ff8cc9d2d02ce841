//! From what the user named to the list of dumps.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use virtopsy::DumpSpec;
use virtopsy::report::{ErrorReport, Text};

/// One dump to examine, or the reason why there is none at a path that the user named.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// The path as given (parts joined by commas): how results name it.
    pub(crate) label: Text,
    /// The files, or what kept them from being found.
    pub(crate) spec: Result<DumpSpec, ErrorReport>,
}

impl Job {
    fn dump(name: &OsStr) -> Job {
        Job {
            label: Text::new(name.as_bytes()),
            spec: Ok(spec(name)),
        }
    }

    fn failed(path: &Path, error: &io::Error) -> Job {
        let message = Text::from(format!("cannot be searched for dumps: {error}"));
        let error = ErrorReport {
            kind: "unreadable".to_owned(),
            message,
        };
        Job {
            label: Text::new(path.as_os_str().as_bytes()),
            spec: Err(error),
        }
    }
}

/// The files that `name` stands for: itself where there is such a file, else its parts.
pub(crate) fn spec(name: &OsStr) -> DumpSpec {
    let whole = PathBuf::from(name);
    let bytes = name.as_bytes();
    if !bytes.contains(&b',') || whole.exists() {
        return DumpSpec { paths: vec![whole] };
    }
    let parts = bytes.split(|b| *b == b',').filter(|part| !part.is_empty());
    DumpSpec {
        paths: parts
            .map(|part| PathBuf::from(OsStr::from_bytes(part)))
            .collect(),
    }
}

/// All dumps that the arguments name, in the order of the arguments; directories by path.
///
/// # Errors
/// When the list on standard input cannot be read.
pub(crate) fn expand(names: &[OsString], nul: bool, stdin: &mut dyn Read) -> io::Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for name in names {
        if name == "-" {
            let mut list = Vec::new();
            stdin.read_to_end(&mut list)?;
            for line in list
                .split(|b| *b == if nul { 0 } else { b'\n' })
                .filter(|line| !line.is_empty())
            {
                named(&OsString::from_vec(line.to_vec()), &mut jobs);
            }
        } else {
            named(name, &mut jobs);
        }
    }
    Ok(jobs)
}

fn named(name: &OsStr, jobs: &mut Vec<Job>) {
    let path = Path::new(name);
    if path.is_dir() {
        search(path, jobs);
    } else {
        jobs.push(Job::dump(name));
    }
}

/// Adds what is in a directory, by the rules that `check --help` states.
fn search(top: &Path, jobs: &mut Vec<Job>) {
    let mut pending = vec![top.to_path_buf()];
    let mut found = Vec::new();
    while let Some(directory) = pending.pop() {
        let entries = fs::read_dir(&directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                found.push((directory.clone(), Job::failed(&directory, &error)));
                continue;
            }
        };
        for entry in entries {
            let path = entry.path();
            if entry.file_name().as_bytes().starts_with(b".") {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                pending.push(path);
            } else if path.is_file() && is_candidate(&path) {
                let job = Job::dump(path.as_os_str());
                found.push((path, job));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    jobs.extend(found.into_iter().map(|(_, job)| job));
}

/// Whether a file in a directory is to be examined. In doubt it is: a spoilt dump that is passed
/// over in silence would be worse than a file too many.
fn is_candidate(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4096).read_to_end(&mut head));
    let candidate = match read {
        Err(_) => true,
        Ok(0) => looks_like_a_dumps_name(path),
        Ok(_) => !is_elf_but_no_core(&head) && !is_text(&head),
    };
    if !candidate {
        tracing::debug!(path = %path.display(), "passed over: no dump");
    }
    candidate
}

fn looks_like_a_dumps_name(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    ["core", "dump", ".elf", ".lime"]
        .iter()
        .any(|word| name.contains(word))
}

fn is_elf_but_no_core(head: &[u8]) -> bool {
    const ET_CORE: u16 = 4;
    let kind = match (head.get(5), head.get(16..18)) {
        (Some(2), Some(&[high, low])) => u16::from_be_bytes([high, low]),
        (_, Some(&[low, high])) => u16::from_le_bytes([low, high]),
        _ => return false,
    };
    head.starts_with(b"\x7fELF") && kind != ET_CORE
}

fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(_) => true,
        // A character cut by the end of what was read.
        Err(error) => error.error_len().is_none(),
    };
    text && !head.iter().any(|byte| matches!(byte, 0..=6 | 14..=26))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(jobs: &[Job]) -> Vec<String> {
        jobs.iter().map(|job| job.label.to_string()).collect()
    }

    #[test]
    fn commas_join_the_parts_of_a_split_dump_unless_there_is_such_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let odd = directory.path().join("a,b");
        assert_eq!(spec(odd.as_os_str()).paths.len(), 2);
        fs::write(&odd, "x").unwrap();
        assert_eq!(spec(odd.as_os_str()).paths, [odd]);
    }

    #[test]
    fn lists_on_standard_input_are_read_by_line_or_by_nul() {
        let names = [
            OsString::from("first"),
            OsString::from("-"),
            OsString::from("last"),
        ];
        let jobs = expand(&names, false, &mut &b"a\n\nb c\n"[..]).unwrap();
        assert_eq!(labels(&jobs), ["first", "a", "b c", "last"]);
        let jobs = expand(&names, true, &mut &b"a\nb\0c\0"[..]).unwrap();
        assert_eq!(labels(&jobs), ["first", "a\\nb", "c", "last"]);
    }

    #[test]
    fn a_directory_gives_its_dumps_in_order_and_not_their_companions() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let elf = |kind| [&b"\x7fELF\x02\x01\x01"[..], &[0; 9], &[kind, 0]].concat();
        write("b/vmcore", b"KDUMP   \0\0\0");
        write(
            "b/vmcore-dmesg.txt",
            "[    0.000000] Linux versión\n".as_bytes(),
        );
        write("a/core.elf", &elf(4));
        write("a/vmlinux", &elf(2));
        write("a/kvm.ko", &elf(1));
        write("c/vmcore", b"");
        write("c/lock", b"");
        write("c/spoilt", &[0xde, 0xad, 0, 0]);
        write(".hidden", &[0xde, 0xad]);
        let jobs = expand(&[directory.path().into()], false, &mut io::empty()).unwrap();
        let prefix = format!("{}/", directory.path().display());
        let found: Vec<String> = labels(&jobs)
            .iter()
            .map(|l| l.replace(&prefix, ""))
            .collect();
        assert_eq!(found, ["a/core.elf", "b/vmcore", "c/spoilt", "c/vmcore"]);
    }

    #[test]
    fn a_path_that_does_not_exist_stays_in_the_list() {
        let jobs = expand(&[OsString::from("/no/such/dump")], false, &mut io::empty()).unwrap();
        assert_eq!(labels(&jobs), ["/no/such/dump"]);
    }
}
