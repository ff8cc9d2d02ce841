//! File and line of a code address, with the functions that were inlined there.
//!
//! ```text
//!  address ─► .debug_aranges ─► unit ─┬─► line program ─► row: file, line
//!             (or, where a unit       └─► DW_TAG_subprogram ─► DW_TAG_inlined_subroutine …
//!              has none, its root)                 call_file, call_line of each
//! ```
//!
//! A kernel's `.debug_info` has hundreds of megabytes; of it and of `.debug_line`
//! only the units are read that hold an address that was asked for. What was read of a unit is kept
//! for the next address, and so are answers: stacks share most of their frames.
//!
//! Why not addr2line (0.27.1): its context is made by a pass over the header, the abbreviations and
//! the root of every unit in `.debug_info`, also where `.debug_aranges` names the one unit that is
//! needed (`ResUnits::parse`); read by position that would be thousands of small reads, and its own
//! loader maps the file. Measured with the file mapped, a vmlinux of 139 MB and seven addresses: 80
//! ms of CPU time, where all of `bt --all` with its lines takes 100.

mod functions;
mod program;
mod ranges;
mod rows;
mod units;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gimli::{DebugInfo, DebugInfoOffset, DebugLine, EndianSlice, LittleEndian, SectionId};

use crate::{DebugFile, ElfFile, Error, FileBytes, VirtAddr};

use functions::Functions;
use program::Detached;
use rows::Rows;
use units::AddressRange;

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Sections<'a> = gimli::Dwarf<Slice<'a>>;

/// Set in the offset of what is in the alternate file that dwz made.
const ALTERNATE: u64 = 1 << 55;

/// How many units' rows and functions are kept.
const MAX_UNITS: usize = 64;
/// How many answers are kept.
const MAX_ANSWERS: usize = 8192;

/// One function at an address: the one that the compiler emitted, or one that it inlined there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFrame {
    /// The function's name; `None` where DWARF does not tell it.
    pub function: Option<String>,
    /// The file, relative to the folder that the unit was compiled in where it
    /// lies below it (`arch/x86/kvm/svm/svm.c`), else as the compiler wrote it.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The column, from 1.
    pub column: Option<u64>,
    /// Whether its code was inlined into the function of the next frame.
    pub inlined: bool,
}

impl std::fmt::Display for SourceFrame {
    /// `file:line`, with `?` for what is not known.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.file.as_deref().unwrap_or("?"))?;
        match self.line {
            Some(line) => write!(f, ":{line}"),
            None => f.write_str(":?"),
        }
    }
}

/// The line tables of one file.
#[derive(Debug)]
pub struct SourceLines {
    own: Tables,
    /// The names of functions may be in an alternate file, which dwz made.
    alternate: Option<Tables>,
    /// The folder of the sources, without a slash at its end: paths below are relative to it.
    root: Option<String>,
    /// By `.debug_aranges`.
    listed: OnceLock<Vec<AddressRange>>,
    /// By the root entries of the units that `.debug_aranges` leaves out.
    unlisted: OnceLock<Result<Vec<AddressRange>, Error>>,
    units: Mutex<HashMap<u64, Arc<UnitLines>>>,
    answers: Mutex<HashMap<u64, Arc<[SourceFrame]>>>,
}

/// The sections of one file.
#[derive(Debug)]
struct Tables {
    /// `.debug_info`, which stays on disk.
    info: DebugFile,
    /// `.debug_line`, likewise.
    programs: DebugFile,
    /// The other sections.
    sections: gimli::DwarfSections<FileBytes>,
    /// Where units begin in `.debug_info`, ascending.
    starts: OnceLock<Result<Vec<u64>, Error>>,
}

/// What is kept of a unit.
#[derive(Debug)]
struct UnitLines {
    detached: Detached,
    abbreviations: Arc<gimli::Abbreviations>,
    rows: Rows,
    functions: Functions,
}

impl SourceLines {
    /// Takes the sections of a file, decompressed and, for a module's file,
    /// relocated. Addresses are those of the file: see [`ElfFile::section_at`].
    ///
    /// # Errors
    /// [`Error::NoSection`] where the file has no DWARF or no line tables.
    pub fn load(elf: &ElfFile) -> Result<Self, Error> {
        let own = Tables::load(elf, true)?;
        let load = |elf| Tables::load(elf, false);
        let alternate = elf.alternate().and_then(|elf| elf.map(load).transpose());
        let alternate = alternate.unwrap_or_else(|error| {
            tracing::warn!("names of functions are missing: {error}");
            None
        });
        Ok(Self {
            own,
            alternate,
            root: None,
            listed: OnceLock::new(),
            unlisted: OnceLock::new(),
            units: Mutex::default(),
            answers: Mutex::default(),
        })
    }

    /// States paths below this folder relative to it. A kernel that was built in another folder than
    /// its sources (`make O=…`) names them by whole paths.
    #[must_use]
    pub fn relative_to(mut self, root: &str) -> Self {
        self.root = Some(root.trim_end_matches('/').to_owned()).filter(|root| !root.is_empty());
        self.answers = Mutex::default();
        self
    }

    /// The folder of the sources, if [`Self::relative_to`] was told one.
    #[must_use]
    pub fn root(&self) -> Option<&str> {
        self.root.as_deref()
    }

    /// The functions at an address, innermost first: those that were inlined
    /// there, then the one that the compiler emitted. Of each the place that the
    /// address belongs to, or where the next inner one was called. Empty where
    /// DWARF says nothing of the address.
    ///
    /// For a return address ask for the byte before it: it is the call's.
    ///
    /// # Errors
    /// Where DWARF can't be read.
    pub fn at(&self, address: VirtAddr) -> Result<Arc<[SourceFrame]>, Error> {
        let lock = || self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&address.0) {
            return Ok(Arc::clone(known));
        }
        let found: Arc<[SourceFrame]> = self.look_up(address.0)?.into();
        let mut answers = lock();
        if answers.len() >= MAX_ANSWERS {
            answers.clear();
        }
        answers.insert(address.0, Arc::clone(&found));
        Ok(found)
    }

    fn look_up(&self, address: u64) -> Result<Vec<SourceFrame>, Error> {
        let Some(start) = self.unit_at(address)? else {
            return Ok(Vec::new());
        };
        let error = lines_error(start);
        let kept = self.kept(start)?;
        let dwarf = self.dwarf(start, &kept.detached.info, &kept.detached.program);
        let unit = kept.unit(&dwarf).map_err(&error)?;
        let row = kept.rows.at(address);
        let chain = match kept.functions.at(address) {
            Some(function) => {
                let within = functions::Within {
                    lines: self,
                    dwarf: &dwarf,
                    unit: &unit,
                    start,
                };
                within.chain(function, address).map_err(&error)?
            }
            None => Vec::new(),
        };
        if row.is_none() && chain.is_empty() {
            return Ok(Vec::new());
        }
        let mut place = row.map(|row| (row.file, row.line, row.column));
        let mut frames = Vec::with_capacity(chain.len().max(1));
        for call in chain.iter().rev() {
            let (file, line, column) = place.unwrap_or_default();
            frames.push(SourceFrame {
                function: call.name.clone(),
                file: self.path(&dwarf, &unit, file).map_err(&error)?,
                line: Some(line).filter(|line| *line > 0),
                column: Some(column).filter(|column| *column > 0),
                inlined: call.called_at.is_some(),
            });
            place = call.called_at;
        }
        if chain.is_empty() {
            let (file, line, column) = place.unwrap_or_default();
            frames.push(SourceFrame {
                function: None,
                file: self.path(&dwarf, &unit, file).map_err(&error)?,
                line: Some(line).filter(|line| *line > 0),
                column: Some(column).filter(|column| *column > 0),
                inlined: false,
            });
        }
        Ok(frames)
    }

    fn path<'a>(
        &self,
        dwarf: &Sections<'a>,
        unit: &gimli::Unit<Slice<'a>>,
        file: u64,
    ) -> Result<Option<String>, gimli::Error> {
        let path = rows::path(dwarf, unit, file)?;
        let below = |path: String| {
            let root = self.root.as_deref().unwrap_or_default();
            match path
                .strip_prefix(root)
                .and_then(|rest| rest.strip_prefix('/'))
            {
                Some(rest) if !root.is_empty() => rest.to_owned(),
                _ => path,
            }
        };
        Ok(path.map(below))
    }

    /// The sections that the unit at `start` needs, with that unit in the place of `.debug_info` and
    /// one program in that of `.debug_line`.
    #[inline(never)]
    fn dwarf<'a>(&'a self, start: u64, unit: &'a [u8], program: &'a [u8]) -> Sections<'a> {
        let tables = self.tables(start).unwrap_or(&self.own);
        let mut dwarf = tables.borrow();
        if let Some(alternate) = self.alternate.as_ref().filter(|_| start & ALTERNATE == 0) {
            dwarf.set_sup(alternate.borrow());
        }
        dwarf.debug_info = DebugInfo::new(unit, LittleEndian);
        dwarf.debug_line = DebugLine::new(program, LittleEndian);
        dwarf
    }

    /// What is kept of the unit at an offset of `.debug_info`.
    fn kept(&self, start: u64) -> Result<Arc<UnitLines>, Error> {
        let lock = || self.units.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&start) {
            return Ok(Arc::clone(known));
        }
        let detached = self.unit(start, true)?;
        let kept = self
            .read_unit(start, detached)
            .map_err(lines_error(start))?;
        let kept = Arc::new(kept);
        let mut units = lock();
        if units.len() >= MAX_UNITS {
            units.clear();
        }
        units.insert(start, Arc::clone(&kept));
        Ok(kept)
    }

    fn read_unit(&self, start: u64, detached: Detached) -> Result<UnitLines, gimli::Error> {
        let dwarf = self.dwarf(start, &detached.info, &detached.program);
        let unit = dwarf.unit(dwarf.unit_header(DebugInfoOffset(0))?)?;
        let abbreviations = Arc::clone(&unit.abbreviations);
        let rows = Rows::read(&unit)?;
        let functions = Functions::read(&dwarf, &unit)?;
        drop(unit);
        Ok(UnitLines {
            detached,
            abbreviations,
            rows,
            functions,
        })
    }
}

impl Tables {
    #[inline(never)]
    fn borrow(&self) -> Sections<'_> {
        let sections = &self.sections;
        sections.borrow(|bytes| EndianSlice::new(bytes, LittleEndian))
    }

    /// `lines`: whether it must have lines.
    fn load(elf: &ElfFile, lines: bool) -> Result<Self, Error> {
        let info = elf.relocated_file(".debug_info")?;
        let sections = gimli::DwarfSections::load(|id| section(elf, id))?;
        let programs = match elf.relocated_file(".debug_line")? {
            None if lines => return Err(missing(".debug_line")),
            other => other.unwrap_or_else(|| FileBytes::default().into()),
        };
        Ok(Self {
            programs,
            info: info.ok_or_else(|| missing(".debug_info"))?,
            sections,
            starts: OnceLock::new(),
        })
    }
}

/// A section that lines or functions are read from; the others are empty.
#[inline(never)]
fn section(elf: &ElfFile, id: SectionId) -> Result<FileBytes, Error> {
    match id {
        SectionId::DebugAbbrev
        | SectionId::DebugAddr
        | SectionId::DebugAranges
        | SectionId::DebugLineStr
        | SectionId::DebugRanges
        | SectionId::DebugRngLists
        | SectionId::DebugStr
        | SectionId::DebugStrOffsets => Ok(elf.relocated_section(id.name())?.unwrap_or_default()),
        _ => Ok(FileBytes::default()),
    }
}

fn missing(name: &str) -> Error {
    Error::NoSection {
        name: name.to_owned(),
        hint: "the file was stripped of its debug info, or built without",
    }
}

impl UnitLines {
    /// The unit itself; `dwarf` has it in the place of `.debug_info`.
    fn unit<'a>(&self, dwarf: &Sections<'a>) -> Result<gimli::Unit<Slice<'a>>, gimli::Error> {
        let header = dwarf.unit_header(DebugInfoOffset(0))?;
        let abbreviations = Arc::clone(&self.abbreviations);
        gimli::Unit::new_with_abbreviations(dwarf, header, abbreviations)
    }
}

/// gimli's error with the unit that it is about.
fn lines_error(unit: u64) -> impl Fn(gimli::Error) -> Error {
    move |error| Error::Dwarf {
        offset: unit,
        reason: format!("in the lines and functions of this unit: {error}"),
    }
}

#[cfg(test)]
mod tests;
