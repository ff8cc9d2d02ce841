//! Every member that is declared, looked for in the types of kernels as distributions ship them.
//!
//! A member that a kernel lacks must say why kernels may. The matrix is committed:
//! `VIRTOPSY_GENERATE=1` writes it anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use virtopsy_debuginfo::{BtfFiles, ReadFiles, TypeSourceExt as _};
use virtopsy_kernel::declared::{self, Member};

const MATRIX: &str = "tests/census/matrix.txt";

/// The given BTF files of the corpus; none where it is absent.
fn given() -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let named = std::env::var_os("VIRTOPSY_CORPUS").map(PathBuf::from);
    let folders = named.into_iter().chain([beside]);
    let mut entries = folders.filter_map(|corpus| std::fs::read_dir(corpus.join("btf")).ok());
    let Some(entries) = entries.next() else {
        virtopsy_testkit::skipped("the census of members: the corpus's BTF is not there");
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ext| ext == "xz"));
    files.sort();
    files
}

/// The path that the kernel has, `-` where it has none by design.
fn found(types: &BtfFiles, member: &Member) -> Result<&'static str, ()> {
    let types = &**types.kernel();
    let id = types.struct_named(member.structure);
    let has = |path: &&&'static str| {
        id.as_ref()
            .is_ok_and(|id| types.member_path(*id, path).is_ok())
    };
    match member.paths.iter().find(has) {
        Some(path) => Ok(path),
        None if member.absent.is_empty() => Err(()),
        None => Ok("-"),
    }
}

#[test]
fn every_declared_member_is_found_or_absent_by_design() {
    let files = given();
    if files.is_empty() {
        return;
    }
    let kernels: Vec<BtfFiles> = files
        .iter()
        .map(|path| BtfFiles::open(path, &ReadFiles).unwrap())
        .collect();
    let mut matrix = String::from("kernels, in order:\n");
    for path in &files {
        let name = path.file_name().unwrap().to_str().unwrap();
        writeln!(matrix, "  {}", name.trim_end_matches(".btf.xz")).unwrap();
    }
    let mut defects = Vec::new();
    for member in declared::members() {
        let row: Vec<&str> = kernels
            .iter()
            .zip(&files)
            .map(|(kernel, path)| {
                found(kernel, member).unwrap_or_else(|()| {
                    defects.push(format!("{member:?} in {}", path.display()));
                    "DEFECT"
                })
            })
            .collect();
        let why = [member.releases, member.absent].concat();
        let newest = member.paths[0];
        writeln!(
            matrix,
            "{}.{newest}: {} ({why})",
            member.structure,
            row.join(" ")
        )
        .unwrap();
    }
    assert!(defects.is_empty(), "{defects:#?}");
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join(MATRIX);
    if std::env::var_os("VIRTOPSY_GENERATE").is_some() {
        std::fs::write(&committed, &matrix).unwrap();
    }
    assert_eq!(matrix, std::fs::read_to_string(&committed).unwrap());
}
