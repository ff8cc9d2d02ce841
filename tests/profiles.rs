//! Profiles change no report, whatever state they are in.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{samples, virtopsy};
use virtopsy_testkit::corpus;

/// `check --format json` on one dump: what it prints and its exit status.
fn check(dump: &Path, options: &[&str]) -> (Option<i32>, String) {
    let dump = dump.to_str().unwrap();
    let args = ["check", "--format", "json", dump];
    let out = virtopsy(args.iter().chain(options));
    (
        out.status.code(),
        String::from_utf8(out.stdout).unwrap() + &String::from_utf8(out.stderr).unwrap(),
    )
}

fn profiles(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "profile"))
        .collect();
    paths.sort();
    paths
}

/// Dump and options, with and without a vmlinux.
fn runs() -> Vec<(PathBuf, Vec<String>)> {
    let mut runs = Vec::new();
    for file in [
        "svm-offline-cpu3.kdump",
        "svm-stuck-cpu2.kdump",
        "vmx-off.kdump",
    ] {
        runs.push((samples().join(file), Vec::new()));
    }
    let Some(corpus) = corpus("profiles of the corpus") else {
        return runs;
    };
    for file in [
        "debian-6.12.kdump",
        "debian-7.2.kdump",
        "svm-splat.kdump",
        "svm-nobtf.kdump",
        "splats-rcu-circular.flat",
    ] {
        let dump = corpus.join("dumps").join(file);
        runs.push((dump.clone(), Vec::new()));
        let kernel = match file {
            _ if file.starts_with("debian") => continue,
            "svm-nobtf.kdump" => "virtrel",
            _ => "virtdbg",
        };
        let kernel = corpus.join("kernels").join(kernel).display().to_string();
        for types in ["auto", "dwarf"] {
            let options = ["--vmlinux", &kernel, "--types", types];
            runs.push((dump.clone(), options.map(str::to_owned).to_vec()));
        }
    }
    runs
}

#[test]
fn a_report_is_the_same_without_a_profile_while_one_is_made_and_with_one() {
    for (dump, options) in runs() {
        let folder = tempfile::tempdir().unwrap();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let plain = check(&dump, &[&options[..], &["--no-profile"]].concat());
        assert!(profiles(folder.path()).is_empty());
        let dir = folder.path().to_str().unwrap();
        let with = [&options[..], &["--profile-dir", dir]].concat();
        let what = format!("{} {options:?}", dump.display());
        assert_eq!(check(&dump, &with), plain, "{what}, while it is made");
        let made: Vec<_> = profiles(folder.path())
            .iter()
            .map(|p| fs::read(p).unwrap())
            .collect();
        assert_eq!(check(&dump, &with), plain, "{what}, with it");
        let kept: Vec<_> = profiles(folder.path())
            .iter()
            .map(|p| fs::read(p).unwrap())
            .collect();
        assert_eq!(kept, made, "{what}: the second run asked something new");
    }
}

#[test]
fn a_second_dump_of_a_kernel_is_reported_on_as_without_the_first_one_s_profile() {
    let dumps = [
        "svm-offline-cpu3.kdump",
        "svm-stuck-cpu2.kdump",
        "vmx-off.kdump",
    ];
    let folder = tempfile::tempdir().unwrap();
    let with = ["--profile-dir", folder.path().to_str().unwrap()];
    for _ in 0..2 {
        for dump in dumps.map(|file| samples().join(file)) {
            let plain = check(&dump, &["--no-profile"]);
            assert_eq!(check(&dump, &with), plain, "{}", dump.display());
        }
    }
}

#[test]
fn a_profile_that_is_damaged_cut_or_another_kernel_s_changes_nothing() {
    let dump = samples().join("svm-stuck-cpu2.kdump");
    let plain = check(&dump, &["--no-profile"]);
    let folder = tempfile::tempdir().unwrap();
    let with = ["--profile-dir", folder.path().to_str().unwrap()];
    assert_eq!(check(&dump, &with), plain);
    let path = profiles(folder.path())[0].clone();
    let whole = fs::read(&path).unwrap();
    let try_with = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        assert_eq!(check(&dump, &with), plain, "{what}");
    };
    try_with(&whole[..whole.len() / 2], "cut in the middle");
    try_with(b"", "empty");
    let mut flipped = whole.clone();
    flipped[whole.len() / 3] ^= 4;
    try_with(&flipped, "a bit flipped");
    let text = String::from_utf8(whole.clone()).unwrap();
    let (_, body) = text.split_once('\n').unwrap();
    // Right in itself, and of a kernel whose symbols lie elsewhere.
    let start = body.find("\"_stext\"").unwrap();
    let address = body[start..].find("\"address\":").unwrap() + start + 10;
    let end = body[address..].find(|c: char| !c.is_ascii_digit()).unwrap() + address;
    let number: u64 = body[address..end].parse().unwrap();
    let moved = format!("{}{}{}", &body[..address], number + 4096, &body[end..]);
    try_with(&sealed(&moved), "symbols elsewhere");
    let id = body.find("\"build_id\":\"").unwrap() + 12;
    let mut other = body.to_owned();
    other.replace_range(id..id + 4, "0000");
    try_with(&sealed(&other), "another build-id");
    try_with(&sealed(body), "sealed again");
    assert_eq!(
        fs::read(&path).unwrap(),
        sealed(body),
        "a good profile is not taken"
    );
}

/// A profile's body under the right first line.
fn sealed(body: &str) -> Vec<u8> {
    let mut crc = !0_u32;
    for byte in body.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ 0xedb8_8320 & (crc & 1).wrapping_neg();
        }
    }
    let first = format!("virtopsy-profile 1 {:08x} {}\n", !crc, body.len());
    [first.as_bytes(), body.as_bytes()].concat()
}

#[test]
fn a_dump_whose_end_is_lost_is_reported_on_as_without_a_profile() {
    let whole = samples().join("svm-stuck-cpu2.kdump");
    let folder = tempfile::tempdir().unwrap();
    let profile_dir = folder.path().join("profiles");
    let with = ["--profile-dir", profile_dir.to_str().unwrap()];
    check(&whole, &with);
    let bytes = fs::read(&whole).unwrap();
    for tenths in [1, 2, 3, 5, 7, 9] {
        let cut = folder.path().join("cut.kdump");
        fs::write(&cut, &bytes[..bytes.len() / 10 * tenths]).unwrap();
        let (_, plain) = check(&cut, &["--no-profile"]);
        let (_, known) = check(&cut, &with);
        // With less of its tables in the dump the profile may say more, never something else.
        if plain != known {
            for state in ["\"state\":\"off\"", "\"state\":\"on\""] {
                let count = |text: &str| text.matches(state).count();
                assert!(count(&known) >= count(&plain), "{tenths} tenths: {state}");
            }
        }
    }
}

#[test]
fn profiles_are_made_listed_and_put_in_by_command() {
    let dump = samples().join("svm-offline-cpu3.kdump");
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (first, second, file) = (at("first"), at("second"), at("kernel.profile"));
    let dump = dump.to_str().unwrap();
    let run = |args: &[&str]| {
        let out = virtopsy(args);
        (out.status.code(), String::from_utf8(out.stdout).unwrap())
    };
    let made = run(&[
        "profile",
        "create",
        dump,
        "--output",
        &file,
        "--profile-dir",
        &first,
    ]);
    assert_eq!(made, (Some(0), String::new()));
    let (status, none) = run(&["profile", "list", "--profile-dir", &second]);
    assert_eq!(status, Some(0));
    assert!(none.contains("no profiles"), "{none}");
    let (status, used) = run(&["profile", "use", &file, "--profile-dir", &second]);
    assert_eq!(status, Some(0), "{used}");
    let (_, list) = run(&["profile", "list", "--profile-dir", &second]);
    assert!(
        list.contains("7.2.13-virtdbg") && list.contains("btf-in-dump"),
        "{list}"
    );
    let (_, json) = run(&[
        "profile",
        "list",
        "--format",
        "json",
        "--profile-dir",
        &second,
    ]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["profiles"][0]["release"], "7.2.13-virtdbg");
    fs::write(&file, "no profile").unwrap();
    let refused = virtopsy(["profile", "use", &file, "--profile-dir", &second]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("kernel.profile"));
    let nowhere = virtopsy(["profile", "list", "--no-profile"]);
    assert_eq!(nowhere.status.code(), Some(2));
}

#[test]
fn an_installed_profile_of_a_vmlinux_serves_a_dump_without_types_and_is_named() {
    let Some(corpus) = corpus("an installed profile") else {
        return;
    };
    let dump = corpus.join("dumps/svm-nobtf.kdump");
    let kernel = corpus.join("kernels/virtrel").display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (first, second, file) = (at("first"), at("second"), at("kernel.profile"));
    let made = virtopsy([
        "profile",
        "create",
        dump.to_str().unwrap(),
        "--vmlinux",
        &kernel,
        "--output",
        &file,
        "--profile-dir",
        &first,
    ]);
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    // What a run with the vmlinux kept does not serve one without it.
    let plain = check(&dump, &["--no-profile"]);
    assert_eq!(check(&dump, &["--profile-dir", &first]), plain);
    assert!(
        virtopsy(["profile", "use", &file, "--profile-dir", &second])
            .status
            .success()
    );
    let (_, known) = check(&dump, &["--profile-dir", &second]);
    assert!(known.contains("installed profile"), "{known}");
    assert!(known.contains("\"types_from\":\"dwarf\""), "{known}");
}

/// A user with a cache of their own.
struct User(tempfile::TempDir);

impl User {
    fn new() -> User {
        User(tempfile::tempdir().unwrap())
    }

    fn kept(&self) -> Vec<PathBuf> {
        profiles(&self.0.path().join("virtopsy"))
    }

    fn run(&self, args: &[&str]) -> std::process::Output {
        std::process::Command::new(env!("CARGO_BIN_EXE_virtopsy"))
            .args(args)
            .env("XDG_CACHE_HOME", self.0.path())
            .env("VIRTOPSY_LOG", "virtopsy_debuginfo::profile=debug")
            .output()
            .unwrap()
    }

    /// What `check` prints, and whether a profile was taken for it.
    fn check(&self, dump: &str, options: &[&str]) -> (Vec<u8>, bool) {
        let args = ["check", "--format", "json", dump];
        let out = self.run(&[&args, options].concat());
        let taken = String::from_utf8_lossy(&out.stderr).contains("profile taken");
        (out.stdout, taken)
    }
}

#[test]
fn without_a_folder_what_a_dump_says_of_itself_is_not_kept_unless_it_was_put_in() {
    let (user, dump) = (User::new(), samples().join("svm-offline-cpu3.kdump"));
    let dump = dump.to_str().unwrap();
    let plain = user.check(dump, &[]);
    assert!(!plain.1 && user.kept().is_empty());
    let file = user.0.path().join("kernel.profile").display().to_string();
    let made = user.run(&["profile", "create", dump, "--output", &file]);
    assert!(made.status.success() && user.kept().is_empty());
    assert!(user.run(&["profile", "use", &file]).status.success());
    assert_eq!(user.check(dump, &[]), (plain.0.clone(), true));
    assert!(user.kept().is_empty());
    assert_eq!(user.check(dump, &["--no-profile"]), plain);
}

#[test]
fn without_a_folder_what_a_vmlinux_says_is_kept_and_the_second_dump_needs_no_dwarf() {
    let Some(corpus) = corpus("profiles of a vmlinux in the user's cache") else {
        return;
    };
    let user = User::new();
    let at = |path: &str| corpus.join(path).display().to_string();
    let (first, second) = (
        at("dumps/svm-splat.kdump"),
        at("dumps/svm-stuck-cpu2.kdump"),
    );
    let kernel = at("kernels/virtdbg");
    let options = ["--vmlinux", &kernel, "--types", "dwarf"];
    let plain = user.check(&second, &[&options[..], &["--no-profile"]].concat());
    assert!(user.kept().is_empty());
    user.check(&first, &options);
    assert_eq!(user.kept().len(), 1);
    assert_eq!(user.check(&second, &options), (plain.0, true));
    // Types that are read from the dump, with whatever file, are the dump's word.
    let btf = user.check(&second, &["--vmlinux", &kernel, "--types", "btf"]);
    assert!(!btf.1);
}
