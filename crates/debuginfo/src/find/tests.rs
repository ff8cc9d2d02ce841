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
    assert_eq!(found.rejected.len(), 1);
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
fn the_distributions_places_are_below_the_root() {
    for place in [
        "usr/lib/debug/boot/vmlinux-6.1.0-test",
        "usr/lib/debug/lib/modules/6.1.0-test/vmlinux",
        "lib/modules/6.1.0-test/build/vmlinux",
    ] {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), place, &vmlinux(ID));
        let found = Search {
            system_root: Some(root.path().to_owned()),
            ..search()
        }
        .run(&ReadFiles);
        assert_eq!(found.vmlinux, Some(root.path().join(place)));
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
fn compressed_modules_are_unpacked_and_xz_is_told() {
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
    put(
        root.path(),
        "kvm.ko.xz",
        &[0xfd, b'7', b'z', b'X', b'Z', 0, 0, 0],
    );
    for name in ["kvm.ko.gz", "kvm.ko.zst"] {
        let elf = open_elf(&root.path().join(name), &ReadFiles).unwrap();
        assert_eq!(elf.module_name().as_deref(), Some("kvm"));
    }
    let error = open_elf(&root.path().join("kvm.ko.xz"), &ReadFiles).unwrap_err();
    assert!(error.to_string().contains("unxz"), "{error}");
}
