//! Layouts held against pahole, on the BTF of kernels as distributions ship them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use virtopsy_debuginfo::{BtfFiles, Layout, ReadFiles, Tag};

/// The given BTF files of the corpus; none where it is absent.
fn given() -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let named = std::env::var_os("VIRTOPSY_CORPUS").map(PathBuf::from);
    let folders = named
        .into_iter()
        .chain([beside])
        .map(|corpus| corpus.join("btf"));
    let Some(entries) = folders
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .next()
    else {
        virtopsy_testkit::skipped("layouts beside pahole's: the corpus's BTF is not there");
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ext| ext == "xz"));
    files.sort();
    assert!(!files.is_empty());
    files
}

/// What pahole prints of all structures and unions, each apart.
fn printed_by_pahole(btf: &[u8]) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("vmlinux.btf");
    std::fs::write(&raw, btf).unwrap();
    let output = Command::new("pahole")
        .args(["-F", "btf"])
        .arg(&raw)
        .output();
    let Ok(output) = output else {
        virtopsy_testkit::skipped("layouts beside pahole's: it is not installed");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut all = Vec::new();
    let mut one = String::new();
    for line in text.lines() {
        if line.starts_with("struct ") || line.starts_with("union ") {
            one.clear();
        }
        one.push_str(line);
        one.push('\n');
        if line.starts_with('}') {
            all.push(std::mem::take(&mut one));
        }
    }
    Some(all)
}

/// The comments with offset and size of each member, in order.
fn places(text: &str) -> Vec<String> {
    let place = |line: &str| {
        let (declared, comment) = line.rsplit_once("/*")?;
        // A bitfield without a name is filler, which only some sources tell.
        let named = declared.contains(';') && !declared.contains(" :") && !declared.contains("\t:");
        named.then(|| comment.split_whitespace().collect::<String>())
    };
    text.lines().filter_map(place).collect()
}

/// The lines that say where something is, without white space and without what the compiler was told
/// (alignment, packing), which pahole guesses.
fn lines(text: &str) -> Vec<String> {
    let without_attributes = |line: &str| match line.split_once("__attribute__((") {
        Some((before, rest)) => {
            let after = rest.split_once("))").map_or("", |(_, after)| after);
            before.to_owned() + after.trim_start_matches(')')
        }
        None => line.to_owned(),
    };
    // Of a union it tells no sum.
    let is_union = text.starts_with("union");
    let told = |line: &&str| {
        let line = line.trim();
        !line.is_empty()
            && !line.starts_with("/* XXX last struct")
            && !line.starts_with("/* padding")
            && !line.starts_with("/* sum")
            && !(is_union && (line.starts_with("/* size") || line.starts_with("/* last")))
            && !line.starts_with("/* Force")
            && !line.starts_with("/* forced")
            && !line.starts_with("/* Bitfield")
            && !line.ends_with(":0;")
    };
    let plain = |line: &str| {
        without_attributes(line)
            .split_whitespace()
            .collect::<String>()
            .replace("[0]", "[]")
    };
    text.lines().filter(told).map(plain).collect()
}

fn name_of(printed: &str) -> (Tag, &str) {
    let line = printed.lines().next().unwrap();
    let mut words = line.split_whitespace();
    let tag = match words.next() {
        Some("union") => Tag::Union,
        _ => Tag::Struct,
    };
    (tag, words.next().unwrap())
}

#[test]
fn layouts_are_those_that_pahole_prints() {
    for path in given() {
        let files = BtfFiles::open(&path, &ReadFiles).unwrap();
        let packed = std::fs::File::open(&path).unwrap();
        let mut raw = Vec::new();
        let mut reader = lzma_rust2::XzReader::new(packed, false);
        std::io::Read::read_to_end(&mut reader, &mut raw).unwrap();
        let Some(printed) = printed_by_pahole(&raw) else {
            return;
        };
        let mut same = 0u32;
        for one in &printed {
            let (tag, name) = name_of(one);
            // Structures of one name may differ between files of the kernel.
            let ours: Vec<String> = files
                .kernel()
                .find_all(tag, name)
                .unwrap()
                .into_iter()
                .map(|id| Layout::of(&**files.kernel(), id).unwrap().to_string())
                .collect();
            let wanted = lines(one);
            same += u32::from(ours.iter().any(|ours| lines(ours) == wanted));
            let wanted = places(one);
            assert!(
                ours.iter().any(|ours| places(ours) == wanted),
                "{}: {one}\n{}",
                path.display(),
                ours.join("\n")
            );
        }
        let share = f64::from(same) / printed.len() as f64;
        eprintln!(
            "{}: {same} of {} as pahole prints them, all places",
            path.display(),
            printed.len()
        );
        // It writes `const` twice or before its type where C has it behind the star, a pointer to an
        // array as one to the element, and counts holes behind bitfields of mixed types otherwise.
        assert!(printed.len() > 3000 && share > 0.995, "{}", path.display());
    }
}
