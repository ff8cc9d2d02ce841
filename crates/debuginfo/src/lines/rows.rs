//! Line programs: from addresses to files and lines.

use gimli::{AttributeValue, ColumnType, LineRow};

use super::{Sections, Slice};
use crate::limit;

/// The most rows of one unit (the largest of Debian 7.2: 150,000).
const MAX_ROWS: usize = 1 << 22;
/// The longest path that is believed, in bytes (`PATH_MAX`).
const MAX_PATH: usize = 4096;

/// From this address to the next row's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    address: u64,
    pub(super) file: u64,
    pub(super) line: u64,
    pub(super) column: u64,
    /// No code from here on.
    end: bool,
}

/// The rows of a unit, by address.
#[derive(Debug, Default)]
pub(super) struct Rows(Vec<Row>);

impl Rows {
    /// Runs the unit's line program.
    pub(super) fn read(unit: &gimli::Unit<Slice<'_>>) -> Result<Self, gimli::Error> {
        let Some(program) = unit.line_program.clone() else {
            return Ok(Self::default());
        };
        let mut sequences: Vec<Vec<Row>> = Vec::new();
        let mut sequence = Vec::new();
        let mut count = 0usize;
        let mut rows = program.rows();
        while let Some((_, row)) = rows.next_row()? {
            count = count.saturating_add(1);
            if count > MAX_ROWS {
                limit::hit(".debug_line", "rows of a unit", MAX_ROWS);
                break;
            }
            sequence.push(kept(row));
            if row.end_sequence() {
                sequences.push(std::mem::take(&mut sequence));
            }
        }
        // Code that the linker threw away stays in the table, at address 0.
        sequences.retain(|sequence| sequence.first().is_some_and(|row| row.address != 0));
        sequences.sort_by_key(|sequence| sequence.first().map(|row| row.address));
        Ok(Self(sequences.concat()))
    }

    /// The row that an address belongs to.
    pub(super) fn at(&self, address: u64) -> Option<Row> {
        let after = self.0.partition_point(|row| row.address <= address);
        let row = self.0.get(after.checked_sub(1)?)?;
        (!row.end).then_some(*row)
    }
}

fn kept(row: &LineRow) -> Row {
    Row {
        address: row.address(),
        file: row.file_index(),
        line: row.line().map_or(0, std::num::NonZero::get),
        column: match row.column() {
            ColumnType::LeftEdge => 0,
            ColumnType::Column(column) => column.get(),
        },
        end: row.end_sequence(),
    }
}

/// The path of a file of the unit's line table.
pub(super) fn path<'a>(
    dwarf: &Sections<'a>,
    unit: &gimli::Unit<Slice<'a>>,
    file: u64,
) -> Result<Option<String>, gimli::Error> {
    let Some(header) = unit
        .line_program
        .as_ref()
        .map(gimli::IncompleteLineProgram::header)
    else {
        return Ok(None);
    };
    let Some(entry) = header.file(file) else {
        return Ok(None);
    };
    let text = |value: AttributeValue<Slice<'a>>| {
        let bytes = dwarf.attr_string(unit, value)?.slice();
        let bytes = match bytes.get(..MAX_PATH) {
            Some(short) if short.len() < bytes.len() => {
                limit::hit(".debug_line", "bytes of a path", MAX_PATH);
                short
            }
            _ => bytes,
        };
        Ok::<_, gimli::Error>(String::from_utf8_lossy(bytes).into_owned())
    };
    let name = text(entry.path_name())?;
    let folder = entry.directory(header).map(text).transpose()?;
    let compiled_in = unit.comp_dir.map(|dir| dir.to_string_lossy().into_owned());
    Ok(Some(join(
        compiled_in.as_deref().unwrap_or_default(),
        folder.as_deref().unwrap_or_default(),
        &name,
    )))
}

/// Joins, without `.` and `..`, and relative to the folder of the compilation.
fn join(compiled_in: &str, folder: &str, name: &str) -> String {
    let mut whole = String::new();
    for part in [compiled_in, folder, name] {
        if part.starts_with('/') {
            whole.clear();
        }
        if !whole.is_empty() && !part.is_empty() {
            whole.push('/');
        }
        whole.push_str(part);
    }
    let whole = plain(&whole);
    let root = plain(compiled_in);
    match whole
        .strip_prefix(&root)
        .and_then(|rest| rest.strip_prefix('/'))
    {
        Some(below) if !root.is_empty() => below.to_owned(),
        _ => whole,
    }
}

fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if path.starts_with('/') => {}
            other => parts.push(other),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_the_folder_of_the_compilation_is_relative_to_it() {
        assert_eq!(
            join("/b/linux", "arch/x86/kvm", "x86.c"),
            "arch/x86/kvm/x86.c"
        );
        assert_eq!(
            join("/b/linux", "./include/linux", "list.h"),
            "include/linux/list.h"
        );
        assert_eq!(join("/b/linux", "/b/linux", "init/main.c"), "init/main.c");
        assert_eq!(
            join("/b/linux/out", "../mm", "slub.c"),
            "/b/linux/mm/slub.c"
        );
        assert_eq!(
            join("/b/linux", "/home/me/driver", "a.c"),
            "/home/me/driver/a.c"
        );
        assert_eq!(join("", "../../x", "a.c"), "../../x/a.c");
        assert_eq!(join("/", "/etc", "a.c"), "/etc/a.c");
    }
}
