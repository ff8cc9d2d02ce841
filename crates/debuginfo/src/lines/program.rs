//! A unit by itself: its part of `.debug_info` with the one line program that it refers to.
//!
//! `.debug_line` has tens of megabytes in a kernel's file, of which a unit needs some ten
//! thousand bytes. gimli takes the section whole. So the unit's copy is made to refer to offset 0,
//! and the section that it is given holds that program alone.

use gimli::{AttributeValue, DebugInfoOffset};

use super::units::length;
use super::{SourceLines, lines_error};
use crate::{Error, FileBytes};

/// What [`Error`] calls the section.
const PLACE: &str = ".debug_line";

/// A line program of version 4 without rows, for units that are asked for names and ranges only.
const NO_ROWS: [u8; 18] = [14, 0, 0, 0, 4, 0, 8, 0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0];

/// A unit that refers to the start of a line program of its own.
#[derive(Debug)]
pub(super) struct Detached {
    /// Its part of `.debug_info`.
    pub(super) info: Vec<u8>,
    /// What stands in for `.debug_line`.
    pub(super) program: FileBytes,
}

/// Where a root entry names its line program, in how many bytes, and which.
struct Reference {
    at: usize,
    width: usize,
    program: u64,
}

impl SourceLines {
    /// The unit at an offset of `.debug_info`, with its line program or without.
    pub(super) fn unit(&self, start: u64, with_rows: bool) -> Result<Detached, Error> {
        let info = self.unit_bytes(start)?.into_vec();
        self.detached(info, start, with_rows)
    }

    /// Detaches the bytes of the unit at `start`, or of the first part of one.
    pub(super) fn detached(
        &self,
        mut info: Vec<u8>,
        start: u64,
        with_rows: bool,
    ) -> Result<Detached, Error> {
        let mut program = FileBytes::from(NO_ROWS.as_slice());
        if let Some(reference) = self.reference(start, &info).map_err(lines_error(start))? {
            let end = reference.at.saturating_add(reference.width);
            for byte in info.get_mut(reference.at..end).into_iter().flatten() {
                *byte = 0;
            }
            if with_rows {
                program = self.program(start, reference.program)?;
            }
        }
        Ok(Detached { info, program })
    }

    fn reference(&self, start: u64, info: &[u8]) -> Result<Option<Reference>, gimli::Error> {
        let dwarf = self.dwarf(start, info, &[]);
        let header = dwarf.unit_header(DebugInfoOffset(0))?;
        let abbreviations = dwarf.abbreviations(&header)?;
        let mut root = header.entries_raw(&abbreviations, None)?;
        let Some(abbreviation) = root.read_abbreviation()? else {
            return Ok(None);
        };
        for specification in abbreviation.attributes() {
            let at = root.next_offset().0;
            let attribute = root.read_attribute(*specification)?;
            if let (gimli::DW_AT_stmt_list, AttributeValue::DebugLineRef(program)) =
                (attribute.name(), attribute.value())
            {
                return Ok(Some(Reference {
                    at,
                    width: root.next_offset().0.saturating_sub(at),
                    program: program.0 as u64,
                }));
            }
        }
        Ok(None)
    }

    /// The line program at an offset of `.debug_line`, in the file of the unit at `start`.
    fn program(&self, start: u64, at: u64) -> Result<FileBytes, Error> {
        let programs = &self.tables(start).unwrap_or(&self.own).programs;
        let (len, _) = length(programs, PLACE, at)?;
        programs.bytes(PLACE, at, len)
    }
}
