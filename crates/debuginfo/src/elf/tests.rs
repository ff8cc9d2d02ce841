use super::*;
use crate::made::Numbers;
use crate::made::elf::{MadeElf, symbol};

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

fn chdr(kind: u32, size: u64, packed: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&size.to_le_bytes());
    bytes.extend_from_slice(&1u64.to_le_bytes());
    bytes.extend_from_slice(packed);
    bytes
}

fn text() -> Vec<u8> {
    b"the same words again and again ".repeat(100)
}

#[test]
fn compressed_sections_are_unpacked_in_all_forms() {
    let plain = text();
    let zstd =
        ruzstd::encoding::compress_to_vec(&plain[..], ruzstd::encoding::CompressionLevel::Fastest);
    let old = [
        &b"ZLIB"[..],
        &(plain.len() as u64).to_be_bytes(),
        &zlib(&plain),
    ]
    .concat();
    let size = plain.len() as u64;
    let elf = MadeElf::new(2)
        .full(
            ".debug_one",
            1,
            (SHF_COMPRESSED, 0),
            &chdr(1, size, &zlib(&plain)),
            (0, 0),
        )
        .full(
            ".debug_two",
            1,
            (SHF_COMPRESSED, 0),
            &chdr(2, size, &zstd),
            (0, 0),
        )
        .section(".zdebug_three", 1, &old)
        .section(".debug_four", 1, &plain)
        .build();
    let elf = ElfFile::parse(elf).unwrap();
    for name in [".debug_one", ".debug_two", ".debug_three", ".debug_four"] {
        assert_eq!(
            &*elf.section_bytes(name).unwrap().unwrap(),
            &plain,
            "{name}"
        );
    }
    let piece = elf.section_file(".debug_two").unwrap().unwrap();
    assert_eq!(&*piece.bytes("piece", 5, 9).unwrap(), &plain[5..14]);
    assert!(elf.section_bytes(".debug_five").unwrap().is_none());
}

#[test]
fn a_compressed_section_that_lies_about_its_size_is_told() {
    let plain = text();
    for size in [plain.len() as u64 - 1, plain.len() as u64 + 1, u64::MAX] {
        let bytes = MadeElf::new(2)
            .full(
                ".debug_info",
                1,
                (SHF_COMPRESSED, 0),
                &chdr(1, size, &zlib(&plain)),
                (0, 0),
            )
            .build();
        let elf = ElfFile::parse(bytes).unwrap();
        assert!(
            matches!(
                elf.section_bytes(".debug_info"),
                Err(Error::Malformed { .. })
            ),
            "{size}"
        );
    }
    let bytes = MadeElf::new(2)
        .full(
            ".debug_info",
            1,
            (SHF_COMPRESSED, 0),
            &chdr(9, 1, b"x"),
            (0, 0),
        )
        .build();
    let error = ElfFile::parse(bytes)
        .unwrap()
        .section_bytes(".debug_info")
        .unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }));
}

#[test]
fn relocations_of_a_module_file_are_applied() {
    let symtab = [
        symbol(0, 0, 0, 0, 0),
        symbol(0, 3, 1, 0, 0),
        symbol(0, 3, 2, 0, 0),
    ]
    .concat();
    let rela = |offset: u64, symbol: u64, kind: u64, addend: u64| {
        [offset, symbol << 32 | kind, addend]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let table = [rela(0, 1, 1, 0x10), rela(8, 2, 10, 0x123)].concat();
    let made = |table: &[u8]| {
        let bytes = MadeElf::new(1)
            .full(".data", 1, (SHF_ALLOC | SHF_WRITE, 0), &[0; 64], (0, 0))
            .section(".debug_str", 1, &[0; 64])
            .section(".debug_info", 1, &[0xff; 16])
            .full(".symtab", SHT_SYMTAB, (0, 0), &symtab, (0, 0))
            .full(".rela.debug_info", SHT_RELA, (0, 0), table, (4, 3))
            .build();
        ElfFile::parse(bytes)
            .unwrap()
            .relocated_section(".debug_info")
    };
    let bytes = made(&table).unwrap().unwrap();
    assert_eq!(
        u64_at(&bytes, 0),
        Some((1 << 40) + 0x10),
        "a loadable section is placed"
    );
    assert_eq!(
        u32_at(&bytes, 8),
        Some(0x123),
        "a debug section starts at zero"
    );
    assert_eq!(u32_at(&bytes, 12), Some(u32::MAX));
    for bad in [
        rela(9, 1, 1, 0),
        rela(0, 7, 1, 0),
        rela(0, 1, 99, 0),
        rela(u64::MAX, 1, 1, 0),
    ] {
        assert!(matches!(made(&bad), Err(Error::Malformed { .. })));
    }
}

#[test]
fn names_and_ids_are_found() {
    let module = [&[0; 24][..], b"kvm_intel\0", &[0; 40]].concat();
    let elf = MadeElf::new(1)
        .section(".gnu.linkonce.this_module", 1, &module)
        .build_id("00ff10")
        .build();
    let elf = ElfFile::parse(elf).unwrap();
    assert_eq!(elf.module_name().as_deref(), Some("kvm_intel"));
    assert_eq!(elf.build_id().as_deref(), Some("00ff10"));
    assert_eq!((elf.elf_type(), elf.machine()), (ElfType::Relocatable, 62));
    assert_eq!(build_id_in_notes(&[0xff; 64]), None);
}

#[test]
fn what_is_no_elf_file_is_called_by_its_name() {
    let message = |bytes: &[u8]| ElfFile::parse(bytes).unwrap_err().to_string();
    assert!(message(b"\x1f\x8b........").contains("gzip"));
    assert!(message(b"KDUMP   ....").contains("kdump"));
    assert!(message(b"hello").contains("7f 45 4c 46"));
    assert!(message(b"").contains("0 bytes"));
    assert!(message(b"\x7fELF\x01\x01").contains("32-bit"));
    assert!(message(b"\x7fELF\x02\x02").contains("big-endian"));
    assert!(message(b"\x7fELF\x02\x01").contains("ends early"));
}

#[test]
fn a_damaged_file_is_an_error_or_an_answer() {
    let good = MadeElf::new(1)
        .full(".data", 1, (SHF_ALLOC, 0), &[0; 64], (0, 0))
        .section(".modinfo", 1, b"name=x\0")
        .full(
            ".symtab",
            SHT_SYMTAB,
            (0, 0),
            &symbol(1, 16, 1, 0, 0),
            (2, 0),
        )
        .build_id("0011")
        .build();
    let mut numbers = Numbers(7);
    for round in 0..20_000 {
        let mut bad = good.clone();
        if round % 4 == 0 {
            bad.truncate(numbers.below(good.len()));
        }
        for _ in 0..3 {
            let at = numbers.below(bad.len());
            if let Some(byte) = bad.get_mut(at) {
                *byte = numbers.next() as u8;
            }
        }
        let Ok(elf) = ElfFile::parse(bad) else {
            continue;
        };
        let _ = (
            elf.build_id(),
            elf.module_name(),
            elf.section_at(VirtAddr(3)),
        );
        if let Ok(Some(symbols)) = elf.symbols() {
            use crate::SymbolSource;
            let _ = (symbols.lookup("x"), symbols.at(VirtAddr(1 << 40)));
        }
    }
}
