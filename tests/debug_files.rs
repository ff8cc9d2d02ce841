//! Debug files as distributions make and place them: by build-id, split, shared by dwz.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use support::{check, essence, virtopsy};
use virtopsy_testkit::corpus;

/// Modules that the dump's stacks go through.
const MODULES: [&str; 2] = ["kvm.ko", "kvm-amd.ko"];
/// Where they are below a folder of modules.
const KVM: &str = "lib/modules/7.2.13-virtdbg/kernel/arch/x86/kvm";

/// All stacks, with the files that the options name.
fn stacks(dump: &Path, options: &[&str]) -> String {
    let dump = dump.display().to_string();
    let args = [&["bt", "--all", &dump], options].concat();
    String::from_utf8(virtopsy(args).stdout).unwrap()
}

fn run(tool: &str, args: &[&str]) -> bool {
    let ran = Command::new(tool).args(args).output();
    if ran.is_err() {
        virtopsy_testkit::skipped(&format!("debug files made by {tool}: it is not installed"));
    }
    ran.is_ok_and(|out| out.status.success())
}

fn build_id(file: &Path) -> String {
    use virtopsy_debuginfo::ElfFile;
    let elf = ElfFile::parse(fs::read(file).unwrap()).unwrap();
    elf.build_id().unwrap()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn modules_are_found_by_build_id_and_where_distributions_split_them() {
    let Some(corpus) = corpus("debug files of modules") else {
        return;
    };
    let kernel = corpus.join("kernels/virtdbg");
    let dump = corpus.join("dumps/svm-stuck-cpu2.kdump");
    let folder = tempfile::tempdir().unwrap();
    let [alone, tree, root] = ["alone", "tree", "root"].map(|name| folder.path().join(name));
    let debug = root.join("usr/lib/debug").join(KVM);
    for folder in [&alone, &tree, &debug, &root.join(KVM)] {
        fs::create_dir_all(folder).unwrap();
    }
    symlink(kernel.join("vmlinux"), alone.join("vmlinux")).unwrap();
    let vmlinux = ["--vmlinux", &text(&alone.join("vmlinux"))].map(str::to_owned);
    let with = |dir: &Path| {
        let dir = text(dir);
        stacks(&dump, &[&vmlinux[0], &vmlinux[1], "--debug-dir", &dir])
    };
    let expected = stacks(&dump, &["--vmlinux", &text(&kernel)]);
    let none = with(&tree);
    assert!(none != expected && !none.contains("at arch/x86/kvm/"));
    for module in MODULES {
        let from = text(&kernel.join(module));
        let id = build_id(Path::new(&from));
        let place = tree.join(".build-id").join(&id[..2]);
        fs::create_dir_all(&place).unwrap();
        let by_id = text(&place.join(format!("{}.debug", &id[2..])));
        let split = text(&debug.join(format!("{module}.debug")));
        let link = format!("--add-gnu-debuglink={split}");
        let stripped = text(&root.join(KVM).join(module));
        if !run("objcopy", &["--only-keep-debug", &from, &by_id])
            || !run("objcopy", &["--only-keep-debug", &from, &split])
            || !run("objcopy", &["--strip-debug", &link, &from, &stripped])
        {
            return;
        }
    }
    assert!(with(&tree) == expected && with(&root) == expected);
    // Another build's file in the place of one is passed over, and said to be another's.
    let other = corpus.join("kernels/virtrel");
    for module in MODULES {
        fs::copy(other.join(module), alone.join(module)).unwrap();
    }
    let refused = with(folder.path());
    assert!(
        refused.contains("kvm.ko: it is of another build"),
        "{refused}"
    );
    assert!(!refused.contains("at arch/x86/kvm/"), "{refused}");
    assert!(with(&tree) == expected);
}

#[test]
fn a_vmlinux_that_went_through_dwz_gives_the_same_answers() {
    let Some(corpus) = corpus("a vmlinux that went through dwz") else {
        return;
    };
    let kernel = corpus.join("kernels/virtrel");
    let dump = corpus.join("dumps/svm-nobtf.kdump");
    let folder = tempfile::tempdir().unwrap();
    let changed = text(&folder.path().join("vmlinux"));
    let from = text(&kernel.join("vmlinux"));
    if !run("objcopy", &["--decompress-debug-sections", &from, &changed])
        || !run("dwz", &["-l", "none", "-L", "none", &changed])
    {
        return;
    }
    for module in MODULES {
        symlink(kernel.join(module), folder.path().join(module)).unwrap();
    }
    let (before, after) = (text(&kernel), text(folder.path()));
    let [before_lines, after_lines] =
        [&before, &after].map(|folder| stacks(&dump, &["--vmlinux", folder]));
    assert!(before_lines == after_lines && after_lines.contains("at arch/x86/kvm/"));
    let (status, report) = check(&dump, &["--vmlinux", &after]);
    let (expected_status, expected) = check(&dump, &["--vmlinux", &before]);
    assert_eq!(status, expected_status);
    assert_eq!(essence(&report), essence(&expected));
}
