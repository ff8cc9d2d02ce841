//! BTF in files of its own, held against dumps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{check, states, virtopsy};
use virtopsy_testkit::corpus;

/// Has the tool write a file from `vmlinux`; `None` where it is not installed.
fn detached(vmlinux: &Path, to: &Path) -> Option<PathBuf> {
    let encode = format!("--btf_encode_detached={}", to.display());
    let ran = Command::new("pahole").arg(encode).arg(vmlinux).output();
    if ran.is_ok_and(|out| out.status.success()) {
        return Some(to.to_owned());
    }
    virtopsy_testkit::skipped("BTF made by pahole: it is not installed");
    None
}

/// What a command came to: its status, and all it said.
fn said(args: &[&str]) -> (Option<i32>, String) {
    let out = virtopsy(args);
    let text = [out.stdout, out.stderr].concat();
    (out.status.code(), String::from_utf8(text).unwrap())
}

/// What each CPU's evidence is, what it says, and how strongly.
fn proofs(report: &serde_json::Value) -> Vec<serde_json::Value> {
    let cpus = report["virtualization"]["cpus"].as_array().unwrap();
    let all = cpus
        .iter()
        .flat_map(|cpu| cpu["evidence"].as_array().unwrap());
    let plain = |e: &serde_json::Value| {
        serde_json::json!([e["what"], e["says"], e["strength"], e["address"]])
    };
    all.map(plain).collect()
}

#[test]
fn btf_of_the_dumps_kernel_answers_as_its_vmlinux_does_and_that_of_another_is_refused() {
    let Some(corpus) = corpus("BTF in files of its own") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| corpus.join("kernels").join(name).join("vmlinux");
    let files = ["virtrel", "virtdbg"].map(|name| {
        let to = folder.path().join(format!("{name}.btf"));
        (at(name), detached(&at(name), &to))
    });
    let [(vmlinux, Some(own)), (_, Some(other))] = files else {
        return;
    };
    let dump = corpus.join("dumps/vmx-off.kdump");
    let with = |option: &str, file: &Path| check(&dump, &[option, &file.display().to_string()]);
    let (status, by_btf) = with("--btf", &own);
    assert_eq!(status, 0);
    assert_eq!(by_btf["types_from"], "btf");
    let (_, by_vmlinux) = with("--vmlinux", &vmlinux);
    // Lengths of functions differ between kallsyms and a symbol table, and with them the words.
    assert_eq!(states(&by_btf), states(&by_vmlinux));
    assert_eq!(proofs(&by_btf), proofs(&by_vmlinux));

    let (status, refused) = with("--btf", &other);
    let error = &refused["error"];
    assert_eq!((status, error["kind"].as_str()), (2, Some("wrong-btf")));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("VMCOREINFO says SIZE("), "{message}");
    assert!(message.contains("the BTF "), "{message}");
    // Nor is it used where nothing but BTF is to be had: no verdict comes of it.
    assert_eq!(refused["virtualization"]["cpus"], serde_json::json!([]));

    packed(&dump, &own, folder.path());
}

/// The same file packed, in a tar, and in a folder beside another.
fn packed(dump: &Path, own: &Path, folder: &Path) {
    let several = folder.join("several");
    fs::create_dir(&several).unwrap();
    fs::copy(own, several.join("vmlinux")).unwrap();
    fs::copy(own, several.join("other.btf")).unwrap();
    fs::write(several.join("README"), "no BTF").unwrap();
    let tar = folder.join("own.tar");
    let mut archive = tar::Builder::new(fs::File::create(&tar).unwrap());
    archive
        .append_path_with_name(own, "5.4.0-1-generic.btf")
        .unwrap();
    archive.finish().unwrap();
    let mut forms = vec![several];
    for (tool, file, suffix) in [
        ("gzip", own, "gz"),
        ("zstd", own, "zst"),
        ("xz", own, "xz"),
        ("xz", tar.as_path(), "xz"),
    ] {
        match Command::new(tool).args(["-q", "-k"]).arg(file).status() {
            Ok(status) if status.success() => {
                forms.push(PathBuf::from(format!("{}.{suffix}", file.display())));
            }
            _ => virtopsy_testkit::skipped(&format!("BTF packed by {tool}: it is not installed")),
        }
    }
    for form in forms {
        let (status, report) = check(dump, &["--btf", &form.display().to_string()]);
        assert_eq!(status, 0, "{} {report}", form.display());
    }
}

#[test]
fn a_layout_is_told_and_a_typo_names_what_is_near() {
    let dump = support::samples().join("svm-offline-cpu3.kdump");
    let dump = dump.display().to_string();
    let (status, text) = said(&["layout", &dump, "list_head"]);
    assert_eq!(status, Some(0));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "struct list_head {");
    assert!(
        lines[1].contains("*next;") && lines[1].ends_with("/*     0     8 */"),
        "{text}"
    );
    assert!(
        text.contains("/* size: 16, cachelines: 1, members: 2 */"),
        "{text}"
    );

    let (status, text) = said(&["layout", &dump, "task_struct.comm[3]"]);
    assert_eq!(status, Some(0));
    assert!(
        text.starts_with("struct task_struct.comm[3]: offset "),
        "{text}"
    );
    let (status, json) = said(&[
        "layout",
        &dump,
        "task_struct.se.vruntime",
        "--format",
        "json",
    ]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (status, &json["type"], &json["size"]),
        (Some(0), &"u64".into(), &8.into())
    );

    for (asked, near) in [
        ("task_strct", "task_struct"),
        ("task_struct.se.vruntim", "vruntime"),
        ("task_struct.com", "comm"),
    ] {
        let (status, text) = said(&["layout", &dump, asked]);
        assert_eq!(status, Some(2), "{text}");
        assert!(text.contains(near), "{text}");
    }
}

#[test]
fn a_layout_without_anything_to_ask_says_what_to_give() {
    let (status, text) = said(&["layout", "page"]);
    assert_eq!(status, Some(2));
    assert!(text.contains("--btf FILE or --vmlinux FILE"), "{text}");
}

#[test]
fn what_a_kernel_supports_is_told_of_a_dump_and_of_files() {
    let dump = support::samples().join("svm-offline-cpu3.kdump");
    let (status, text) = said(&["supports", &dump.display().to_string(), "--format", "json"]);
    let facts: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (status, facts["verdict"].as_str()),
        (Some(0), Some("every-cpu")),
        "{text}"
    );
    let read_from = |fact: &str| {
        let all = facts["facts"].as_array().unwrap();
        let one = all.iter().find(|one| one["fact"] == fact).unwrap();
        one["read_from"].clone()
    };
    assert_eq!(read_from("states"), "task_struct.__state");
    assert_eq!(read_from("the buffer"), "prb");
    assert_eq!(
        read_from("the callback's pointer"),
        "kvm_emergency_callback"
    );

    // Symbols alone: no type tells where a CPU's features are.
    let folder = tempfile::tempdir().unwrap();
    let map = folder.path().join("System.map");
    fs::write(
        &map,
        "ffffffff81000000 T _text\nffffffff82000000 D boot_cpu_data\n",
    )
    .unwrap();
    let (status, text) = said(&["supports", "--symbols", &map.display().to_string()]);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("no verdict is possible"), "{text}");
    assert!(
        text.contains("missing: cpuinfo_x86.x86_capability"),
        "{text}"
    );

    // A kernel without types that says itself what it uses is not given up.
    let dump = support::samples().join("vmx-off.kdump");
    let (status, text) = said(&["supports", &dump.display().to_string()]);
    assert_eq!(status, Some(3), "{text}");
    assert!(text.contains("there are no types"), "{text}");

    fs::write(&map, "no symbols").unwrap();
    let (status, text) = said(&["supports", "--symbols", &map.display().to_string()]);
    assert_eq!(status, Some(2));
    assert!(text.contains("no symbols in it"), "{text}");
}
