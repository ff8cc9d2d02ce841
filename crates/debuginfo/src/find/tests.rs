use std::fs;

use super::*;
use crate::ReadFiles;
use crate::made::elf::MadeElf;

const ID: &str = "aabbccddeeff00112233445566778899aabbccdd";
const OTHER: &str = "0000000000000000000000000000000000000001";

fn put(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn vmlinux(id: &str) -> Vec<u8> {
    MadeElf::new(2).build_id(id).build()
}

fn search() -> Search {
    Search {
        build_id: Some(ID.to_owned()),
        release: Some("6.1.0-test".to_owned()),
        ..Search::default()
    }
}

#[test]
fn a_folder_gives_its_vmlinux_and_modules() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "vmlinux", &vmlinux(ID));
    put(root.path(), "vmlinuz", b"no matter");
    put(root.path(), "lib/kvm.ko", b"");
    put(root.path(), "lib/kvm.ko.debug", b"");
    put(root.path(), "lib/kvm-intel.ko.zst", b"");
    put(root.path(), "lib/readme.koala", b"");
    let found = Search {
        vmlinux: Some(root.path().to_owned()),
        ..search()
    }
    .run(&ReadFiles);
    assert_eq!(found.vmlinux, Some(root.path().join("vmlinux")));
    assert!(found.verified);
    assert_eq!(
        found.modules.keys().collect::<Vec<_>>(),
        ["kvm", "kvm_intel"]
    );
    assert!(found.modules["kvm"].ends_with("kvm.ko.debug"));
    assert!(found.rejected.is_empty(), "{:?}", found.rejected);
}

#[test]
fn a_vmlinux_of_another_build_is_not_taken_and_the_reason_is_told() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "vmlinux", &vmlinux(OTHER));
    let found = Search {
        vmlinux: Some(root.path().join("vmlinux")),
        ..search()
    }
    .run(&ReadFiles);
    assert_eq!(found.vmlinux, None);
    assert!(
        found.rejected[0].reason.contains(OTHER),
        "{:?}",
        found.rejected
    );
}

#[test]
fn folders_that_are_too_deep_are_not_listed_and_that_is_told() {
    let root = tempfile::tempdir().unwrap();
    let deep = format!("{}vmlinux", "d/".repeat(super::MAX_DEPTH + 1));
    put(root.path(), &deep, &vmlinux(ID));
    let found = Search {
        vmlinux: Some(root.path().to_owned()),
        ..search()
    }
    .run(&ReadFiles);
    assert_eq!(found.vmlinux, None);
    let told = |rejected: &Rejected| rejected.reason.contains("too many folders");
    assert!(found.rejected.iter().any(told), "{:?}", found.rejected);
}

#[test]
fn a_compressed_kernel_image_is_told_by_name() {
    let root = tempfile::tempdir().unwrap();
    let mut image = vec![0; 0x300];
    image[0x202..0x206].copy_from_slice(b"HdrS");
    put(root.path(), "vmlinux", &image);
    let found = Search {
        vmlinux: Some(root.path().join("vmlinux")),
        ..search()
    }
    .run(&ReadFiles);
    assert!(
        found.rejected[0].reason.contains("bzImage"),
        "{:?}",
        found.rejected
    );
}

#[test]
fn a_debug_folder_is_searched_by_build_id_first() {
    let root = tempfile::tempdir().unwrap();
    put(
        root.path(),
        &format!(".build-id/aa/{}.debug", &ID[2..]),
        &vmlinux(ID),
    );
    put(root.path(), "boot/vmlinux-6.1.0-test", &vmlinux(OTHER));
    put(root.path(), "lib/modules/6.1.0-test/kernel/kvm.ko", b"");
    let found = Search {
        debug_dirs: vec![root.path().to_owned()],
        ..search()
    }
    .run(&ReadFiles);
    assert!(
        found
            .vmlinux
            .unwrap()
            .to_string_lossy()
            .contains(".build-id")
    );
    assert!(found.modules.contains_key("kvm"));
}

#[test]
fn a_vmlinux_beside_the_dump_counts_only_with_the_same_build_id() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "vmlinux", &vmlinux(ID));
    let beside = Search {
        dump: Some(root.path().join("vmcore")),
        ..search()
    };
    assert!(beside.run(&ReadFiles).verified);
    let unknown = Search {
        build_id: None,
        ..beside
    }
    .run(&ReadFiles);
    assert_eq!(unknown.vmlinux, None);
    assert_eq!(unknown.rejected.len(), 1);
}

#[test]
fn the_distributions_places_are_below_the_root_or_where_a_package_was_unpacked() {
    for (place, packed) in [
        // Debian, Ubuntu
        ("usr/lib/debug/boot/vmlinux-6.1.0-test", None),
        // Fedora, RHEL and what is built from them
        ("usr/lib/debug/lib/modules/6.1.0-test/vmlinux", None),
        (
            "usr/lib/debug/usr/lib/modules/6.1.0-test/vmlinux.debug",
            None,
        ),
        // SUSE
        ("boot/vmlinux-6.1.0-test.gz", Some(gzip as fn(&[u8]) -> _)),
        ("usr/lib/modules/6.1.0-test/vmlinux.xz", Some(xz)),
        ("usr/lib/modules/6.1.0-test/vmlinux.zst", Some(zstd)),
        // Arch
        ("usr/lib/modules/6.1.0-test/build/vmlinux", None),
        ("usr/src/debug/linux/vmlinux", None),
        // Gentoo, own builds
        ("usr/src/linux-6.1.0-test/vmlinux", None),
        ("lib/modules/6.1.0-test/build/vmlinux", None),
    ] {
        let root = tempfile::tempdir().unwrap();
        let file = packed.map_or(vmlinux(ID), |pack| pack(&vmlinux(ID)));
        put(root.path(), place, &file);
        let expected = Some(root.path().join(place));
        let system = Search {
            system_root: Some(root.path().to_owned()),
            ..search()
        };
        assert_eq!(system.run(&ReadFiles).vmlinux, expected);
        let unpacked = Search {
            debug_dirs: vec![root.path().to_owned()],
            ..search()
        };
        assert_eq!(unpacked.run(&ReadFiles).vmlinux, expected);
    }
}

#[test]
fn a_release_from_a_dump_cannot_lead_out_of_the_places() {
    let hostile = Search {
        release: Some("../../etc".to_owned()),
        debug_dirs: vec!["/x".into()],
        ..search()
    };
    assert!(
        hostile
            .places()
            .iter()
            .all(|path| !path.to_string_lossy().contains(".."))
    );
}

#[test]
fn compressed_modules_are_unpacked() {
    let root = tempfile::tempdir().unwrap();
    let module = MadeElf::new(1)
        .section(".modinfo", 1, b"license=GPL\0name=kvm\0")
        .build();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, &module).unwrap();
    put(root.path(), "kvm.ko.gz", &gz.finish().unwrap());
    let zst =
        ruzstd::encoding::compress_to_vec(&module[..], ruzstd::encoding::CompressionLevel::Fastest);
    put(root.path(), "kvm.ko.zst", &zst);
    for name in ["kvm.ko.gz", "kvm.ko.zst"] {
        let elf = open_elf(&root.path().join(name), &ReadFiles).unwrap();
        assert_eq!(elf.module_name().as_deref(), Some("kvm"));
    }
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let legacy = lz4_flex::frame::FrameInfo::new().legacy_frame(true);
    let mut writer = lz4_flex::frame::FrameEncoder::with_frame_info(legacy, Vec::new());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// A payload as the kernel's build makes it: its size behind it, as gzip has it anyway.
fn payload(pack: fn(&[u8]) -> Vec<u8>, bytes: &[u8]) -> Vec<u8> {
    let mut packed = pack(bytes);
    packed.extend((bytes.len() as u32).to_le_bytes());
    packed
}

#[test]
fn a_vmlinuz_serves_where_there_is_no_vmlinux_whatever_packs_it() {
    let kernel = MadeElf::new(2)
        .build_id(ID)
        .section(".BTF", 1, b"types")
        .build();
    let packed = [
        gzip(&kernel),
        payload(xz, &kernel),
        payload(zstd, &kernel),
        payload(lz4, &kernel),
    ];
    for (number, packed) in packed.iter().enumerate() {
        let root = tempfile::tempdir().unwrap();
        put(
            root.path(),
            "boot/vmlinuz-6.1.0-test",
            &crate::bzimage::made(packed),
        );
        let found = Search {
            system_root: Some(root.path().to_owned()),
            ..search()
        }
        .run(&ReadFiles);
        let path = found
            .vmlinux
            .unwrap_or_else(|| panic!("{number}: {:?}", found.rejected));
        assert!(found.verified);
        assert!(open_elf(&path, &ReadFiles).unwrap().has_btf());
    }
}

#[test]
fn a_vmlinux_is_preferred_to_a_vmlinuz_and_another_build_s_is_refused() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "deep/down/vmlinux-6.1.0-test", &vmlinux(ID));
    put(
        root.path(),
        "vmlinuz",
        &crate::bzimage::made(&gzip(&vmlinux(ID))),
    );
    let folder = Search {
        vmlinux: Some(root.path().to_owned()),
        ..search()
    };
    let found = folder.run(&ReadFiles);
    assert!(found.vmlinux.unwrap().ends_with("vmlinux-6.1.0-test"));
    put(root.path(), "deep/down/vmlinux-6.1.0-test", &vmlinux(OTHER));
    put(
        root.path(),
        "vmlinuz",
        &crate::bzimage::made(&gzip(&vmlinux(OTHER))),
    );
    let found = folder.run(&ReadFiles);
    assert_eq!(found.vmlinux, None);
    assert_eq!(
        found
            .rejected
            .iter()
            .filter(|r| r.reason.contains(OTHER))
            .count(),
        2
    );
}

#[test]
fn a_module_packed_with_xz_is_opened_and_a_damaged_one_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let module = MadeElf::new(1)
        .section(".modinfo", 1, b"name=kvm\0")
        .build();
    let packed = xz(&module);
    put(root.path(), "kvm.ko.xz", &packed);
    let elf = open_elf(&root.path().join("kvm.ko.xz"), &ReadFiles).unwrap();
    assert_eq!(elf.module_name().as_deref(), Some("kvm"));
    // Whatever byte is damaged or missing: an error, or the same module; never a panic.
    for at in 0..packed.len() {
        let mut bad = packed.clone();
        bad[at] ^= 0x55;
        put(root.path(), "bad.ko.xz", &bad);
        let _ = open_elf(&root.path().join("bad.ko.xz"), &ReadFiles);
        put(root.path(), "cut.ko.xz", &packed[..at]);
        assert!(open_elf(&root.path().join("cut.ko.xz"), &ReadFiles).is_err());
    }
}

#[test]
fn debug_info_that_was_split_off_is_found_by_its_link() {
    let root = tempfile::tempdir().unwrap();
    let debug = MadeElf::new(2)
        .build_id(ID)
        .section(".debug_info", 1, b"dwarf")
        .build();
    let link = b"vmlinux.dbg\0\xef\xbe\xad\xde";
    let stripped = MadeElf::new(2)
        .build_id(ID)
        .section(".gnu_debuglink", 1, link)
        .build();
    put(root.path(), "vmlinux", &stripped);
    let given = Search {
        vmlinux: Some(root.path().join("vmlinux")),
        ..search()
    };
    assert!(given.run(&ReadFiles).vmlinux.unwrap().ends_with("vmlinux"));
    put(root.path(), ".debug/vmlinux.dbg", &debug);
    assert!(
        given
            .run(&ReadFiles)
            .vmlinux
            .unwrap()
            .ends_with(".debug/vmlinux.dbg")
    );
    // One of another build is left where it is.
    put(root.path(), ".debug/vmlinux.dbg", &vmlinux(OTHER));
    assert!(given.run(&ReadFiles).vmlinux.unwrap().ends_with("vmlinux"));
}

#[test]
fn without_build_ids_the_link_s_checksum_decides() {
    let root = tempfile::tempdir().unwrap();
    let debug = MadeElf::new(2).section(".debug_info", 1, b"dwarf").build();
    let mut crc = flate2::Crc::new();
    crc.update(&debug);
    for (sum, ending) in [(crc.sum(), "k.dbg"), (crc.sum() ^ 1, "vmlinux")] {
        let link = [b"k.dbg\0\0\0".as_slice(), &sum.to_le_bytes()].concat();
        put(
            root.path(),
            "vmlinux",
            &MadeElf::new(2).section(".gnu_debuglink", 1, &link).build(),
        );
        put(root.path(), "k.dbg", &debug);
        let found = Search {
            vmlinux: Some(root.path().join("vmlinux")),
            ..search()
        }
        .run(&ReadFiles);
        assert!(
            found.vmlinux.as_ref().unwrap().ends_with(ending),
            "{found:?}"
        );
    }
}

#[test]
fn symbols_are_read_from_mini_debug_info() {
    use crate::made::elf::symbol;
    let inner = MadeElf::new(2)
        .section(".text", 1, b"code")
        .section(".strtab", 3, b"\0start\0")
        .full(
            ".symtab",
            2,
            (0, 0),
            &[symbol(0, 0, 0, 0, 0), symbol(1, 0x12, 1, 0x1000, 4)].concat(),
            (2, 1),
        )
        .build();
    let outer = MadeElf::new(2)
        .section(".gnu_debugdata", 1, &xz(&inner))
        .build();
    let elf = crate::ElfFile::parse(outer).unwrap();
    let table = elf.symbols().unwrap().unwrap();
    assert_eq!(
        crate::SymbolSource::lookup(&table, "start")[0].address.0,
        0x1000
    );
    // A file that is packed in itself does not go on for ever.
    let twice = MadeElf::new(2)
        .section(".gnu_debugdata", 1, &xz(&elf_of(&xz(&inner))))
        .build();
    assert!(
        crate::ElfFile::parse(twice)
            .unwrap()
            .symbols()
            .unwrap()
            .is_none()
    );
}

fn elf_of(debug_data: &[u8]) -> Vec<u8> {
    MadeElf::new(2)
        .section(".gnu_debugdata", 1, debug_data)
        .build()
}

/// A module's file; `debug`: with something that is called DWARF.
fn module(id: &str, debug: bool) -> MadeElf {
    let made = MadeElf::new(1).build_id(id);
    match debug {
        true => made.section(".debug_info", 1, b"DWARF"),
        false => made,
    }
}

#[test]
fn a_module_is_found_by_its_build_id_in_every_debug_tree_before_its_name() {
    let root = tempfile::tempdir().unwrap();
    let (first, rest) = ID.split_at(2);
    let named = root.path().join("kvm.ko");
    fs::write(&named, module(ID, true).build()).unwrap();
    let search = Search {
        debug_dirs: vec![root.path().join("tree")],
        system_root: Some(root.path().join("system")),
        ..search()
    };
    let find = |id| search.module(id, Some(&named), true, &ReadFiles);
    for tree in ["tree", "tree/usr/lib/debug", "system/usr/lib/debug"] {
        let place = format!("{tree}/.build-id/{first}/{rest}.debug");
        put(root.path(), &place, &module(ID, true).build());
        assert_eq!(find(Some(ID)).unwrap().0, root.path().join(&place));
        // One of another build is passed over, and without a build-id the name is all there is.
        put(root.path(), &place, &module(OTHER, true).build());
        assert_eq!(find(Some(ID)).unwrap().0, named);
        put(root.path(), &place, &module(ID, true).build());
        assert_eq!(find(None).unwrap().0, named);
        fs::remove_file(root.path().join(&place)).unwrap();
    }
    let rejected = find(Some(OTHER)).unwrap_err();
    assert!(rejected[0].reason.contains(ID) && rejected[0].reason.contains(OTHER));
    let none = search.module(Some(ID), None, true, &ReadFiles);
    assert_eq!(none.unwrap_err(), []);
}

#[test]
fn what_was_split_off_from_a_module_is_found_by_its_debuglink() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("usr/lib/modules/REL/kernel");
    let link = b"kvm.ko.debug\0\0\0\0\0\0\0\0";
    let stripped = module(ID, false).section(".gnu_debuglink", 1, link).build();
    put(&folder, "kvm.ko", &stripped);
    let search = Search {
        system_root: Some(root.path().to_owned()),
        ..search()
    };
    let named = folder.join("kvm.ko");
    let find = || search.module(Some(ID), Some(&named), false, &ReadFiles);
    assert_eq!(find().unwrap().0, named);
    for place in [
        "usr/lib/modules/REL/kernel/kvm.ko.debug",
        "usr/lib/modules/REL/kernel/.debug/kvm.ko.debug",
        "usr/lib/debug/usr/lib/modules/REL/kernel/kvm.ko.debug",
        "usr/lib/debug/lib/modules/REL/kernel/kvm.ko.debug",
    ] {
        put(root.path(), place, &module(ID, true).build());
        assert_eq!(find().unwrap().0, root.path().join(place));
        put(root.path(), place, &module(OTHER, true).build());
        assert_eq!(find().unwrap().0, named, "of another build");
        fs::remove_file(root.path().join(place)).unwrap();
    }
}

#[test]
fn what_was_split_off_from_a_named_vmlinux_is_found_by_build_id_in_a_debug_tree() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "here/vmlinux", &vmlinux(ID));
    let (first, rest) = ID.split_at(2);
    let place = format!("tree/.build-id/{first}/{rest}.debug");
    let find = || {
        Search {
            vmlinux: Some(root.path().join("here/vmlinux")),
            only_given: true,
            debug_dirs: vec![root.path().join("tree")],
            ..search()
        }
        .run(&ReadFiles)
        .vmlinux
        .unwrap()
    };
    assert!(find().ends_with("here/vmlinux"));
    let debug = MadeElf::new(2)
        .build_id(ID)
        .section(".debug_info", 1, b"DWARF");
    put(root.path(), &place, &debug.build());
    assert!(find().ends_with(&place));
    put(root.path(), &place, &vmlinux(OTHER));
    assert!(find().ends_with("here/vmlinux"));
}
