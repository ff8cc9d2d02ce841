//! Call frame information: where the caller's registers are, by `.debug_frame` or `.eh_frame`.
//!
//! The kernel's own tables (ORC) leave out functions that its build could not follow, and some
//! kernels have none. The compiler's tables in a file with DWARF describe all that it compiled.

use std::sync::OnceLock;

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, DebugFrame, EhFrame, EndianSlice, FrameDescriptionEntry,
    LittleEndian, Operation, Register, RegisterRule, UnwindContext, UnwindExpression, UnwindOffset,
    UnwindSection, X86_64,
};

use crate::limit;
use crate::{ElfFile, Error, FileBytes, VirtAddr};

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// The most functions that are indexed (Debian 7.2: 60,000).
const MAX_FUNCTIONS: usize = 1 << 22;

/// The canonical frame address of a frame: its caller's stack pointer. Registers are meant by their
/// number in DWARF (6 is rbp, 7 is rsp), offsets in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cfa {
    /// The register's value and an offset.
    Register(u16, i64),
    /// What stands in memory there: in functions that align their stack anew.
    InMemory(u16, i64),
}

/// Where a register of the caller is saved, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedAt {
    /// From the canonical frame address.
    Cfa(i64),
    /// From the value of the register of this number.
    Register(u16, i64),
}

/// How to get from a frame to its caller's, at one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRule {
    /// The canonical frame address.
    pub cfa: Cfa,
    /// Where the return address is saved. `None`: nothing called this.
    pub return_address: Option<SavedAt>,
    /// Where the caller's rbp is saved. `None`: rbp is unchanged.
    pub frame_pointer: Option<SavedAt>,
    /// The caller was interrupted there, and did not call.
    pub signal: bool,
}

/// The call frame information of one file.
#[derive(Debug)]
pub struct CallFrames {
    debug_frame: FileBytes,
    eh_frame: FileBytes,
    /// Where `.eh_frame` is in the file's addresses: its pointers count from themselves.
    eh_address: u64,
    index: OnceLock<Vec<Function>>,
}

/// Where a function's description is, by the function's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Function {
    begin: u64,
    end: u64,
    section: Kind,
    offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    DebugFrame,
    EhFrame,
}

impl CallFrames {
    /// Takes the sections of a file, decompressed and, for a module's file,
    /// relocated. Addresses are those of the file: see [`ElfFile::section_at`].
    ///
    /// # Errors
    /// [`Error::NoSection`] where the file has neither.
    pub fn load(elf: &ElfFile) -> Result<Self, Error> {
        let section = |name: &str| Ok::<_, Error>(elf.relocated_section(name)?.unwrap_or_default());
        let (debug_frame, eh_frame) = (section(".debug_frame")?, section(".eh_frame")?);
        if debug_frame.is_empty() && eh_frame.is_empty() {
            return Err(Error::NoSection {
                name: ".debug_frame or .eh_frame".to_owned(),
                hint: "the file was stripped of its debug info, or built without",
            });
        }
        let eh_number = elf.section(".eh_frame").map(|(number, _)| number);
        Ok(Self {
            debug_frame,
            eh_frame,
            eh_address: eh_number.map_or(0, |number| elf.section_start(number).0),
            index: OnceLock::new(),
        })
    }

    /// The rule at an address. `None`: no table describes it, or by an expression that says more
    /// than one place in memory (compilers write those for procedure linkage tables).
    ///
    /// # Errors
    /// Where the function's description can't be read.
    pub fn at(&self, address: VirtAddr) -> Result<Option<FrameRule>, Error> {
        let index = self.index.get_or_init(|| self.functions());
        let after = index.partition_point(|function| function.begin <= address.0);
        let Some(function) = after.checked_sub(1).and_then(|last| index.get(last)) else {
            return Ok(None);
        };
        if address.0 >= function.end {
            return Ok(None);
        }
        let (offset, bases) = (function.offset, self.bases());
        let found = match function.section {
            Kind::DebugFrame => rule(&self.debug_frame(), &bases, offset, address.0),
            Kind::EhFrame => rule(&self.eh_frame(), &bases, offset, address.0),
        };
        found.map_err(|e| Error::Malformed {
            place: match function.section {
                Kind::DebugFrame => ".debug_frame",
                Kind::EhFrame => ".eh_frame",
            },
            offset: offset as u64,
            expected: "the description of a function's frames",
            found: e.to_string(),
        })
    }

    fn debug_frame(&self) -> DebugFrame<Slice<'_>> {
        let mut section = DebugFrame::new(&self.debug_frame, LittleEndian);
        section.set_address_size(8);
        section
    }

    fn eh_frame(&self) -> EhFrame<Slice<'_>> {
        let mut section = EhFrame::new(&self.eh_frame, LittleEndian);
        section.set_address_size(8);
        section
    }

    fn bases(&self) -> BaseAddresses {
        BaseAddresses::default().set_eh_frame(self.eh_address)
    }

    /// All functions that the sections describe; what follows damage is left out.
    fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        let bases = self.bases();
        let read = [
            list(&self.debug_frame(), &bases, Kind::DebugFrame, &mut found),
            list(&self.eh_frame(), &bases, Kind::EhFrame, &mut found),
        ];
        for e in read.into_iter().filter_map(Result::err) {
            tracing::debug!("call frame information: {e}");
        }
        found.sort_unstable();
        found
    }
}

fn list<'a, S: UnwindSection<Slice<'a>>>(
    section: &S,
    bases: &BaseAddresses,
    kind: Kind,
    found: &mut Vec<Function>,
) -> Result<(), gimli::Error> {
    let mut entries = section.entries(bases);
    while let Some(entry) = entries.next()? {
        let CieOrFde::Fde(partial) = entry else {
            continue;
        };
        let function = partial.parse(S::cie_from_offset)?;
        let begin = function.initial_address();
        let end = begin.saturating_add(function.len());
        // Code that the linker threw away stays in the table, at address 0.
        if begin != 0 && begin < end {
            if found.len() >= MAX_FUNCTIONS {
                limit::hit("call frame information", "functions", MAX_FUNCTIONS);
                break;
            }
            found.push(Function {
                begin,
                end,
                section: kind,
                offset: function.offset(),
            });
        }
    }
    Ok(())
}

fn rule<'a, S: UnwindSection<Slice<'a>>>(
    section: &S,
    bases: &BaseAddresses,
    offset: usize,
    address: u64,
) -> Result<Option<FrameRule>, gimli::Error>
where
    S::Offset: UnwindOffset<usize>,
{
    let function: FrameDescriptionEntry<Slice<'a>> =
        section.fde_from_offset(bases, S::Offset::from(offset), S::cie_from_offset)?;
    let mut context = UnwindContext::new();
    let row = function.unwind_info_for_address(section, bases, &mut context, address)?;
    let place = |expression: &UnwindExpression<usize>| {
        let code = expression.get(section)?;
        place(code, function.cie().encoding())
    };
    let cfa = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => Cfa::Register(register.0, *offset),
        CfaRule::Expression(expression) => match place(expression)? {
            Some(Place {
                register,
                offset,
                read: true,
            }) => Cfa::InMemory(register, offset),
            Some(Place {
                register,
                offset,
                read: false,
            }) => Cfa::Register(register, offset),
            None => return Ok(None),
        },
    };
    let saved = |register: Register| match row.register(register) {
        None | Some(RegisterRule::SameValue | RegisterRule::Undefined) => Ok(Some(None)),
        Some(RegisterRule::Offset(offset)) => Ok(Some(Some(SavedAt::Cfa(offset)))),
        Some(RegisterRule::Expression(expression)) => Ok(match place(&expression)? {
            Some(Place {
                register,
                offset,
                read: false,
            }) => Some(Some(SavedAt::Register(register, offset))),
            _ => None,
        }),
        Some(_) => Ok::<_, gimli::Error>(None),
    };
    let (Some(return_address), Some(frame_pointer)) = (saved(X86_64::RA)?, saved(X86_64::RBP)?)
    else {
        return Ok(None);
    };
    Ok(Some(FrameRule {
        cfa,
        return_address,
        frame_pointer,
        signal: function.is_signal_trampoline(),
    }))
}

/// A register's value and an offset, or what stands in memory there.
struct Place {
    register: u16,
    offset: i64,
    read: bool,
}

/// What an expression means, if it is no more than one place.
fn place(
    code: gimli::Expression<Slice<'_>>,
    encoding: gimli::Encoding,
) -> Result<Option<Place>, gimli::Error> {
    let mut operations = code.operations(encoding);
    let (first, second) = (operations.next()?, operations.next()?);
    let read = match second {
        None => false,
        Some(Operation::Deref {
            size: 8,
            space: false,
            ..
        }) => true,
        Some(_) => return Ok(None),
    };
    if operations.next()?.is_some() {
        return Ok(None);
    }
    Ok(match first {
        Some(Operation::RegisterOffset {
            register, offset, ..
        }) => Some(Place {
            register: register.0,
            offset,
            read,
        }),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use gimli::write::{
        Address, CallFrameInstruction, CommonInformationEntry, EndianVec, FrameTable,
    };
    use gimli::{Encoding, Format};

    use super::*;
    use crate::made::elf::MadeElf;

    const ALLOC: u64 = 2;
    const EH_AT: u64 = 0x8000;

    /// A table of one function at 0x1000, which is entered by a call.
    fn table_of(version: u16, rules: &[(u32, CallFrameInstruction)]) -> FrameTable {
        let encoding = Encoding {
            format: Format::Dwarf32,
            version,
            address_size: 8,
        };
        let mut table = FrameTable::default();
        let mut common = CommonInformationEntry::new(encoding, 1, -8, X86_64::RA);
        common.add_instruction(CallFrameInstruction::Cfa(X86_64::RSP, 8));
        common.add_instruction(CallFrameInstruction::Offset(X86_64::RA, -8));
        let common = table.add_cie(common);
        let begin = Address::Constant(0x1000);
        let mut function = gimli::write::FrameDescriptionEntry::new(begin, 0x40);
        for (at, rule) in rules {
            function.add_instruction(*at, rule.clone());
        }
        table.add_fde(common, function);
        table
    }

    /// `push rbp; mov rbp, rsp; …`, as compilers describe it.
    fn table(version: u16) -> FrameTable {
        table_of(
            version,
            &[
                (1, CallFrameInstruction::CfaOffset(16)),
                (1, CallFrameInstruction::Offset(X86_64::RBP, -16)),
                (4, CallFrameInstruction::CfaRegister(X86_64::RBP)),
            ],
        )
    }

    fn in_debug_frame(table: &FrameTable) -> Vec<u8> {
        let mut written = gimli::write::DebugFrame::from(EndianVec::new(LittleEndian));
        table.write_debug_frame(&mut written).unwrap();
        written.slice().to_vec()
    }

    fn in_eh_frame() -> Vec<u8> {
        let mut written = gimli::write::EhFrame::from(EndianVec::new(LittleEndian));
        table(1).write_eh_frame(&mut written).unwrap();
        written.slice().to_vec()
    }

    fn of(name: &str, flags: u64, bytes: &[u8]) -> CallFrames {
        let elf = MadeElf::new(2).full(name, 1, (flags, EH_AT), bytes, (0, 0));
        CallFrames::load(&ElfFile::parse(elf.build()).unwrap()).unwrap()
    }

    #[test]
    fn a_rule_follows_the_instructions_of_the_function() {
        let both = [
            of(".debug_frame", 0, &in_debug_frame(&table(4))),
            of(".eh_frame", ALLOC, &in_eh_frame()),
        ];
        for frames in both {
            let at = |address| frames.at(VirtAddr(address)).unwrap();
            let entry = FrameRule {
                cfa: Cfa::Register(7, 8),
                return_address: Some(SavedAt::Cfa(-8)),
                frame_pointer: None,
                signal: false,
            };
            assert_eq!(at(0x1000), Some(entry));
            let pushed = FrameRule {
                cfa: Cfa::Register(7, 16),
                frame_pointer: Some(SavedAt::Cfa(-16)),
                ..entry
            };
            assert_eq!(at(0x1001), Some(pushed));
            let body = FrameRule {
                cfa: Cfa::Register(6, 16),
                ..pushed
            };
            assert_eq!(at(0x103f), Some(body));
            for outside in [0, 0xfff, 0x1040, u64::MAX] {
                assert_eq!(at(outside), None);
            }
        }
    }

    /// What gcc writes for a function that aligns its stack anew.
    #[test]
    fn a_realigned_stack_is_followed_through_memory_and_more_is_not() {
        let rule = |expression: gimli::write::Expression| {
            let mut saved = gimli::write::Expression::new();
            saved.op_breg(X86_64::RBP, 0);
            let table = table_of(
                4,
                &[
                    (0, CallFrameInstruction::CfaExpression(expression)),
                    (0, CallFrameInstruction::Expression(X86_64::RBP, saved)),
                ],
            );
            of(".debug_frame", 0, &in_debug_frame(&table))
                .at(VirtAddr(0x1000))
                .unwrap()
        };
        let mut drap = gimli::write::Expression::new();
        drap.op_breg(X86_64::RBP, -8);
        drap.op_deref();
        let expected = FrameRule {
            cfa: Cfa::InMemory(6, -8),
            return_address: Some(SavedAt::Cfa(-8)),
            frame_pointer: Some(SavedAt::Register(6, 0)),
            signal: false,
        };
        assert_eq!(rule(drap.clone()), Some(expected));
        drap.op(gimli::DW_OP_plus);
        assert_eq!(rule(drap), None);
    }

    #[test]
    fn every_byte_of_the_table_may_be_wrong() {
        let bytes = in_debug_frame(&table(4));
        for index in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[index] ^= flip;
                let _ = of(".debug_frame", 0, &bytes).at(VirtAddr(0x1010));
            }
        }
    }
}
