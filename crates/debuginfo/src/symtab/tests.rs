use super::*;
use crate::ModuleSymbols;
use crate::made::elf::{MadeElf, symbol};

const STRINGS: &[u8] = b"\0main\0__pfx_main\0counter\0weak_one\0file.c\0";

fn table(elf_type: u16) -> SymbolTable {
    let (global, local, weak) = (1 << 4, 0, 2 << 4);
    let symtab = [
        symbol(0, 0, 0, 0, 0),
        symbol(34, local | 4, 0xfff1, 0, 0),
        symbol(1, global | 2, 1, 0x1010, 0x20),
        symbol(6, global | 2, 1, 0x1000, 0x10),
        symbol(17, local | 1, 2, 0x2000, 8),
        symbol(25, weak | 2, 1, 0x1010, 0x20),
        symbol(1, global, 0, 0, 0),
        symbol(999, global, 1, 0x5000, 0),
    ]
    .concat();
    let bytes = MadeElf::new(elf_type)
        .full(
            ".text",
            1,
            (SHF_ALLOC | SHF_EXECINSTR, 0x1000),
            &[0; 0x100],
            (0, 0),
        )
        .full(
            ".data",
            1,
            (SHF_ALLOC | SHF_WRITE, 0x2000),
            &[0; 0x3000],
            (0, 0),
        )
        .full(".symtab", SHT_SYMTAB, (0, 0), &symtab, (4, 0))
        .section(".strtab", 3, STRINGS)
        .build();
    ElfFile::parse(bytes).unwrap().symbols().unwrap().unwrap()
}

#[test]
fn symbols_have_the_letters_of_nm() {
    let mut found = Vec::new();
    table(2).for_each(&mut |name, address, kind| found.push(format!("{address:x} {kind} {name}")));
    assert_eq!(
        found,
        [
            "1010 T main",
            "1000 T __pfx_main",
            "2000 d counter",
            "1010 W weak_one"
        ]
    );
}

#[test]
fn a_global_name_wins_over_a_weak_one_and_noise_names_nothing() {
    let table = table(2);
    assert_eq!(
        table
            .at(VirtAddr(0x1015))
            .map(|(symbol, offset)| (symbol.name, offset)),
        Some(("main".into(), 5))
    );
    assert_eq!(table.at(VirtAddr(0x1004)), None);
    assert_eq!(table.at(VirtAddr(0x1030)), None, "behind the stated size");
    assert_eq!(table.unique("counter").unwrap().size, Some(8));
}

#[test]
fn symbols_of_a_module_file_are_told_apart_by_section() {
    let table = table(1);
    assert_eq!(
        table.unique("main").unwrap().address,
        VirtAddr((1 << 40) + 0x1010)
    );
    assert_eq!(
        table.unique("counter").unwrap().address,
        VirtAddr((2 << 40) + 0x2000)
    );
}

#[test]
fn a_modules_symbols_in_memory_have_their_letters_beside_or_inside() {
    let start = 0xffff_ffff_c000_0000u64;
    let symtab = |info: u8| {
        [
            symbol(0, 0, 0, 0, 0),
            symbol(1, info, 1, start, 0),
            symbol(17, info, 2, start + 64, 0),
        ]
        .concat()
    };
    let beside = ModuleSymbols::from_elf_syms(&symtab(0), STRINGS, Some(b"?tb")).unwrap();
    let inside = ModuleSymbols::from_elf_syms(&symtab(b't'), STRINGS, None).unwrap();
    for (symbols, letter) in [(beside, 'b'), (inside, 't')] {
        assert_eq!(symbols.unique("counter").unwrap().kind, letter);
        let (symbol, offset) = symbols.at(VirtAddr(start + 3)).unwrap();
        assert_eq!(
            (symbol.name.as_str(), symbol.size, offset),
            ("main", Some(64), 3)
        );
    }
    assert!(ModuleSymbols::from_elf_syms(&symtab(0), STRINGS, Some(b"?")).is_err());
    assert!(ModuleSymbols::from_elf_syms(&[0; 25], STRINGS, None).is_err());
}
