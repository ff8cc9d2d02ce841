//! A kernel made for a test: memory, symbols, and types written as text.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use virtopsy_debuginfo::{
    Member, Symbol, SymbolOrigin, SymbolSource, Tag, Type, TypeId, TypeOrigin, TypeSource,
    Variable, VirtAddr,
};
use virtopsy_testkit::Note;

use crate::kernel::Kernel;
use crate::options::KernelOptions;
use crate::support::{Machine, TinyKernel};
use crate::symbols::KernelSymbols;
use crate::tables::TypesOrigin;

/// Where the image is: 2 MiB, mapped.
pub(crate) const IMAGE: u64 = 0xffff_ffff_8120_0000;
const PHYS: u64 = 0x100_0000;

/// Name, address, size.
type Named = (&'static str, u64, u64);

/// A kernel in the making.
pub(crate) struct MadeKernel {
    machine: Machine,
    pub(crate) symbols: Vec<Named>,
    types: &'static [(&'static str, u64, &'static str)],
}

impl MadeKernel {
    pub(crate) fn new() -> MadeKernel {
        let mut machine = Machine::new();
        TinyKernel::put(&mut machine, IMAGE, PHYS, "0.0.0-test");
        MadeKernel {
            machine,
            symbols: Vec::new(),
            types: &[],
        }
    }

    /// Structures: name, size in bytes, and members as `name@offset type` between commas. A type is
    /// `u8` to `u64`, `i64`, `*` (to anything), the name of a structure, `STRUCT*`, or any of these
    /// with `[count]`.
    pub(crate) fn types(mut self, types: &'static [(&'static str, u64, &'static str)]) -> Self {
        self.types = types;
        self
    }

    pub(crate) fn symbol(mut self, name: &'static str, at: u64) -> Self {
        self.symbols.push((name, IMAGE + at, 0));
        self
    }

    /// Bytes at an offset from the image's start; pages that are touched are there.
    pub(crate) fn bytes(&mut self, at: u64, bytes: &[u8]) {
        self.machine.write(PHYS + at, bytes);
    }

    pub(crate) fn words(&mut self, at: u64, words: &[u64]) {
        for (i, word) in words.iter().enumerate() {
            self.bytes(at + i as u64 * 8, &word.to_le_bytes());
        }
    }

    pub(crate) fn kernel(self) -> Kernel {
        self.kernel_with("")
    }

    /// With more lines of VMCOREINFO.
    pub(crate) fn kernel_with(self, vmcoreinfo: &str) -> Kernel {
        let tiny = TinyKernel {
            virt: IMAGE,
            phys: PHYS,
            root: PHYS + 0x3000,
            release: "0.0.0-test",
        };
        let note = Note::vmcoreinfo(&tiny.text(vmcoreinfo));
        let dump = self.machine.dump(vec![note]);
        let mut kernel = Kernel::open(dump, &KernelOptions::default()).unwrap();
        let symbols = KernelSymbols::from_kallsyms(Arc::new(MadeSymbols(self.symbols)));
        kernel.parts.symbols = Ok(symbols);
        kernel.parts.types = Ok((Arc::new(MadeTypes::of(self.types)), TypesOrigin::Btf));
        kernel
    }
}

#[derive(Debug)]
struct MadeSymbols(Vec<Named>);

impl SymbolSource for MadeSymbols {
    fn origin(&self) -> SymbolOrigin {
        SymbolOrigin::Kallsyms
    }

    fn lookup(&self, name: &str) -> Vec<Symbol> {
        let found = self.0.iter().filter(|symbol| symbol.0 == name);
        found.map(to_symbol).collect()
    }

    fn at(&self, address: VirtAddr) -> Option<(Symbol, u64)> {
        let inside = |s: &&Named| address.0.wrapping_sub(s.1) < s.2;
        let found = self.0.iter().find(inside)?;
        Some((to_symbol(found), address.0 - found.1))
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn for_each(&self, visit: &mut dyn FnMut(&str, VirtAddr, char)) {
        self.0.iter().for_each(|s| visit(s.0, VirtAddr(s.1), 't'));
    }
}

fn to_symbol((name, address, size): &Named) -> Symbol {
    Symbol {
        name: (*name).to_owned(),
        address: VirtAddr(*address),
        size: Some(*size).filter(|size| *size > 0),
        kind: 't',
    }
}

/// Types by id, from 1 on.
#[derive(Debug, Default)]
struct MadeTypes {
    types: Vec<Type>,
    names: Vec<String>,
}

impl MadeTypes {
    fn of(structures: &[(&str, u64, &str)]) -> MadeTypes {
        let mut made = MadeTypes {
            types: vec![Type::Void; structures.len()],
            names: structures.iter().map(|s| s.0.to_owned()).collect(),
        };
        for (index, (name, size, members)) in structures.iter().enumerate() {
            let members = members.split(',').map(str::trim).filter(|m| !m.is_empty());
            let members: Vec<Member> = members.map(|member| made.member(member)).collect();
            made.types[index] = Type::Struct {
                name: Some((*name).to_owned()),
                size: *size,
                members: members.into(),
                union: false,
            };
        }
        made
    }

    fn member(&mut self, text: &str) -> Member {
        let (name, rest) = text.split_once('@').unwrap();
        let (offset, ty) = rest.split_once(' ').unwrap();
        Member {
            name: name.to_owned(),
            bit_offset: offset.parse::<u64>().unwrap() * 8,
            bit_size: None,
            type_id: self.id(ty),
        }
    }

    fn id(&mut self, text: &str) -> TypeId {
        if let Some((element, count)) = text.split_once('[') {
            let element = self.id(element);
            let count = count.trim_end_matches(']').parse().ok();
            return self.add(Type::Array { element, count });
        }
        if let Some(target) = text.strip_suffix('*') {
            let target = match target {
                "" => TypeId::VOID,
                target => self.id(target),
            };
            return self.add(Type::Pointer { target, size: 8 });
        }
        if let Some(index) = self.names.iter().position(|name| name == text) {
            return TypeId(index as u64 + 1);
        }
        let bits: u64 = text[1..].parse().unwrap();
        self.add(Type::Int {
            name: text.to_owned(),
            size: bits / 8,
            signed: text.starts_with('i'),
            boolean: false,
        })
    }

    fn add(&mut self, ty: Type) -> TypeId {
        self.types.push(ty);
        TypeId(self.types.len() as u64)
    }
}

impl TypeSource for MadeTypes {
    fn origin(&self) -> TypeOrigin {
        TypeOrigin::Btf
    }

    fn find(&self, tag: Tag, name: &str) -> Result<Option<TypeId>, virtopsy_debuginfo::Error> {
        let found = self.names.iter().position(|known| known == name);
        let id = found.map(|index| TypeId(index as u64 + 1));
        Ok(id.filter(|_| tag == Tag::Struct))
    }

    fn describe(&self, id: TypeId) -> Result<Type, virtopsy_debuginfo::Error> {
        let index = usize::try_from(id.0).unwrap().checked_sub(1);
        Ok(index.map_or(Type::Void, |index| self.types[index].clone()))
    }

    fn variable(&self, _: &str) -> Result<Option<Variable>, virtopsy_debuginfo::Error> {
        Ok(None)
    }

    fn enumerator(&self, _: &str) -> Result<Option<i64>, virtopsy_debuginfo::Error> {
        Ok(None)
    }
}
