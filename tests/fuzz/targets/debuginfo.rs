//! Symbols and types.

use std::sync::Arc;

use virtopsy_debuginfo::{
    Btf, CallFrames, Dwarf, ElfFile, FileBytes, Kallsyms, KallsymsAddresses, KallsymsParts,
    ModuleSymbols, SourceLines, SymbolSource, SymbolTable, Tag, TypeId, TypeSource,
    TypeSourceExt as _, VirtAddr,
};

use super::{number, rest};

/// Most types that are asked about: the rest is like them.
const ASKED: usize = 256;

fn ask_types(types: &dyn TypeSource, ids: impl Iterator<Item = TypeId>) {
    for id in ids.take(ASKED) {
        let _ = types.resolve(id);
        let _ = types.size_of(id);
        let _ = types.element(id, 3);
        let _ = types.member(id, "next");
        let _ = types.member_path(id, "list.next[2].x");
        if let Ok(described) = types.describe(id) {
            described.label();
        }
    }
    for name in ["list_head", "module", "a", "kvm", "task_struct", ""] {
        let _ = types.find(Tag::Struct, name);
        let _ = types.find_any(name);
        let _ = types.variable(name);
        let _ = types.enumerator(name);
        let _ = types.place_in(name, "list.next");
    }
}

fn ask_symbols(symbols: &dyn SymbolSource) {
    let mut seen = Vec::new();
    symbols.for_each(&mut |name, address, _| {
        if seen.len() < 32 {
            seen.push((name.to_owned(), address));
        }
    });
    for (name, address) in seen {
        symbols.lookup(&name);
        symbols.unique(&name);
        symbols.at(VirtAddr(address.0.wrapping_add(1)));
    }
    symbols.lookup("_stext");
    symbols.at(VirtAddr(0));
    symbols.at(VirtAddr(u64::MAX));
}

/// An ELF file: sections, symbols, build-id, module facts.
pub fn elf(data: &[u8]) {
    let Ok(elf) = ElfFile::parse(data) else {
        return;
    };
    elf.build_id();
    elf.module_name();
    elf.modinfo("vermagic");
    elf.has_btf();
    elf.section_at(VirtAddr(number(data, 24)));
    for name in [
        ".text",
        ".BTF",
        ".debug_info",
        ".modinfo",
        ".note.gnu.build-id",
        "",
    ] {
        let _ = elf.section_bytes(name);
        let _ = elf.relocated_section(name);
    }
    if let Ok(Some(symbols)) = elf.symbols() {
        ask_symbols(&symbols);
    }
    if let Ok(Some(symbols)) = SymbolTable::from_elf(&elf) {
        ask_symbols(&symbols);
    }
}

/// The DWARF of an ELF file.
pub fn dwarf(data: &[u8]) {
    let Ok(elf) = ElfFile::parse(data) else {
        return;
    };
    let Ok(dwarf) = Dwarf::load(&elf) else { return };
    dwarf.unit_count();
    let mut ids = Vec::new();
    for name in ["list_head", "module", "a", "b", "kvm", "main", "counter"] {
        for tag in [Tag::Struct, Tag::Union, Tag::Enum, Tag::Typedef] {
            ids.extend(dwarf.find(tag, name).ok().flatten());
        }
        ids.extend(dwarf.variable(name).ok().flatten().map(|v| v.type_id));
    }
    ids.extend((0..32).map(TypeId));
    ask_types(&dwarf, ids.into_iter());
}

/// Source places and unwind rules of an ELF file.
pub fn lines(data: &[u8]) {
    let Ok(elf) = ElfFile::parse(data) else {
        return;
    };
    let addresses = [
        0,
        1,
        4,
        0x10,
        0xffff_ffff_8100_0000,
        number(data, 24),
        u64::MAX,
    ];
    if let Ok(lines) = SourceLines::load(&elf) {
        lines.root();
        for address in addresses {
            lines.at(VirtAddr(address));
        }
    }
    if let Ok(frames) = CallFrames::load(&elf) {
        for address in addresses {
            frames.at(VirtAddr(address));
        }
    }
}

/// BTF; with a length in four bytes before it that is not zero, split BTF behind its base.
pub fn btf(data: &[u8]) {
    let bytes = rest(data, 4);
    let base_len = (number(data, 0) as u32 as usize).min(bytes.len());
    let (base, split) = bytes.split_at(base_len);
    if base.is_empty() {
        if let Ok(btf) = Btf::parse(split, None) {
            ask_types(&btf, btf.ids());
        }
        return;
    }
    let Ok(base) = Btf::parse(base, None).map(Arc::new) else {
        return;
    };
    if let Ok(btf) = Btf::parse(split, Some(base.clone())) {
        ask_types(&btf, btf.ids());
    }
    if let Ok(btf) = Btf::parse_distilled(split, split, base) {
        ask_types(&btf, btf.ids());
    }
}

/// The tables of kallsyms: encoding (1 byte), number of symbols (2), lengths of names, token table
/// and token index (2 each), then the tables and the addresses.
pub fn kallsyms(data: &[u8]) {
    let short = |at| number(data, at) as usize & 0xffff;
    let mut left = rest(data, 9);
    let mut take = |len: usize| {
        let (now, later) = left.split_at(len.min(left.len()));
        left = later;
        FileBytes::from(now)
    };
    let (names, token_table, token_index) = (take(short(3)), take(short(5)), take(short(7)));
    let table = FileBytes::from(left);
    let base = VirtAddr(0xffff_ffff_8100_0000);
    let addresses = match number(data, 0) & 3 {
        0 => KallsymsAddresses::Absolute(table),
        1 => KallsymsAddresses::BaseRelative {
            offsets: table,
            base,
        },
        2 => KallsymsAddresses::AbsolutePercpu {
            offsets: table,
            base,
        },
        _ => KallsymsAddresses::PlaceRelative {
            offsets: table,
            table_address: base,
        },
    };
    let num_syms = short(1) as u32;
    let _ = KallsymsParts::names_len(num_syms, &names);
    let _ = KallsymsParts::token_table_len(&token_table);
    let parts = KallsymsParts {
        num_syms,
        names,
        token_table,
        token_index,
        addresses,
    };
    if let Ok(symbols) = Kallsyms::parse(parts) {
        ask_symbols(&symbols);
    }
    let half = data.len() / 48 * 24;
    let (a, b) = data.split_at(half);
    if let Ok(symbols) = ModuleSymbols::from_elf_syms(a, b, None) {
        ask_symbols(&symbols);
    }
}
