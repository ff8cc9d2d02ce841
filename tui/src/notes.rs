//! Bookmarks as a file: a line each, `place<TAB>note`.

use std::hash::{Hash as _, Hasher as _};

use virtopsy::DumpSpec;

use crate::place::{Place, View};

/// A bookmark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bookmark {
    pub(crate) place: Place,
    pub(crate) note: String,
}

/// More bookmarks than anybody keeps; the rest of a file is not read.
const MOST: usize = 1000;

/// Name of the file that a dump's bookmarks are kept in: its own name and a hash of its paths.
pub(crate) fn file_name(spec: &DumpSpec) -> String {
    let mut hasher = std::hash::DefaultHasher::new();
    for path in &spec.paths {
        std::path::absolute(path)
            .unwrap_or_else(|_| path.clone())
            .hash(&mut hasher);
    }
    let name = spec
        .paths
        .first()
        .and_then(|p| p.file_name())
        .map(|n| n.to_string_lossy().into_owned());
    format!(
        "{}-{:016x}.bookmarks",
        name.unwrap_or_default(),
        hasher.finish()
    )
}

/// A place in words: in the file, and in the list of bookmarks.
pub(crate) fn describe(place: &Place) -> String {
    match place {
        Place::View(view) => format!("view {}", view.name()),
        Place::Cpu(cpu) => format!("cpu {cpu}"),
        Place::Stack(cpu) => format!("stack {cpu}"),
        Place::Task(pid) => format!("task {pid}"),
        Place::Vm(at) => format!("vm {at:#x}"),
        Place::Splat(number) => format!("splat {number}"),
        Place::LogLine(line) => format!("log {line}"),
        Place::Module(name) => format!("module {name}"),
        Place::Memory(at) => format!("memory {at:#x}"),
        Place::Expression(text) => format!("expression {text}"),
        Place::Explain(id) => format!("explain {id}"),
        Place::Record(line) => format!("log {}", line.saturating_add(1)),
        Place::Fold(name) => format!("section {name}"),
    }
}

fn read(text: &str) -> Option<Place> {
    let (kind, rest) = text.split_once(' ')?;
    Some(match kind {
        "view" => Place::View(View::ALL.into_iter().find(|v| v.name() == rest)?),
        "cpu" => Place::Cpu(rest.parse().ok()?),
        "stack" => Place::Stack(rest.parse().ok()?),
        "task" => Place::Task(rest.parse().ok()?),
        "vm" => Place::Vm(address(rest)?),
        "splat" => Place::Splat(rest.parse().ok()?),
        "log" => Place::LogLine(rest.parse().ok()?),
        "module" => Place::Module(rest.into()),
        "memory" => Place::Memory(address(rest)?),
        "expression" => Place::Expression(rest.into()),
        "explain" => Place::Explain(rest.into()),
        _ => return None,
    })
}

fn address(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The bookmarks of a file; lines that can't be understood are left out.
pub(crate) fn parse(text: &str) -> Vec<Bookmark> {
    let line = |line: &str| {
        let (place, note) = line.split_once('\t')?;
        Some(Bookmark {
            place: read(place)?,
            note: crate::doc::safe(note),
        })
    };
    text.lines().take(MOST).filter_map(line).collect()
}

/// Bookmarks as a file's text.
pub(crate) fn write(bookmarks: &[Bookmark]) -> String {
    bookmarks
        .iter()
        .map(|b| format!("{}\t{}\n", describe(&b.place), b.note))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bookmarks_come_back_as_they_were_written() {
        let places = [
            Place::Cpu(3),
            Place::Memory(0xffff_8000_0000_1000),
            Place::View(View::Log),
            Place::Task(117),
            Place::Vm(0xffff_8000_0000_2000),
            Place::LogLine(366),
        ];
        let bookmarks: Vec<Bookmark> = places
            .into_iter()
            .map(|place| Bookmark {
                place,
                note: "a note".into(),
            })
            .collect();
        assert_eq!(parse(&write(&bookmarks)), bookmarks);
        assert_eq!(parse("rubbish\ncpu x\ty\n\u{1b}"), []);
    }
}
