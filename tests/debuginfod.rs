//! `--debuginfod`: a vmlinux from the real server, and that nobody is asked without being told to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod support;

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{check, essence, samples};
use virtopsy_testkit::corpus;

fn virtopsy(args: &[&str], dump: &Path, urls: Option<&str>, cache: &Path) -> Output {
    let path = std::env::var_os("PATH").unwrap();
    virtopsy_in(&path, args, dump, urls, cache)
}

/// Runs the command with a `PATH`.
fn virtopsy_in(
    path: &OsStr,
    args: &[&str],
    dump: &Path,
    urls: Option<&str>,
    cache: &Path,
) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_virtopsy"));
    command
        .args(args)
        .arg(dump)
        .env("PATH", path)
        .env_remove("DEBUGINFOD_URLS")
        .env("DEBUGINFOD_CACHE_PATH", cache);
    if let Some(urls) = urls {
        command.env("DEBUGINFOD_URLS", urls);
    }
    command.output().unwrap()
}

/// The real server, ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server over a folder; `None`: it or its client is not installed.
fn serve(folder: &Path) -> Option<(Server, String)> {
    Command::new("debuginfod-find")
        .arg("--version")
        .output()
        .ok()?;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = Command::new("debuginfod")
        .args(["-F", "-d", ":memory:", "-p", &port.to_string()])
        .arg(folder)
        .env_remove("DEBUGINFOD_URLS")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Some((Server(server.ok()?), format!("http://127.0.0.1:{port}")))
}

#[test]
fn a_kernel_without_btf_is_read_by_the_vmlinux_that_a_server_has() {
    let Some(corpus) = corpus("a dump read by a server's vmlinux") else {
        return;
    };
    let vmlinux = corpus.join("kernels/virtrel/vmlinux");
    let dump = corpus.join("dumps/svm-nobtf.kdump");
    let folder = tempfile::tempdir().unwrap();
    let (served, cache) = (folder.path().join("served"), folder.path().join("cache"));
    std::fs::create_dir(&served).unwrap();
    std::fs::copy(&vmlinux, served.join("vmlinux")).unwrap();
    let Some((_server, url)) = serve(&served) else {
        virtopsy_testkit::skipped("a dump read by a server's vmlinux: debuginfod is not installed");
        return;
    };
    let args = ["check", "--debuginfod", "--format", "jsonl"];
    let began = Instant::now();
    let got = loop {
        // It has to start and to scan.
        let out = virtopsy(&args, &dump, Some(&url), &cache);
        let text = String::from_utf8(out.stdout).unwrap();
        let got: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        if got["symbols_from"] == "vmlinux" {
            break got;
        }
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(said.contains("no debug info of build"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(60), "{said}");
        // elfutils' client remembers for ten minutes what a server did not have.
        let _ = std::fs::remove_dir_all(&cache);
        std::thread::sleep(Duration::from_millis(500));
    };
    // Without the modules that lie beside the corpus's own.
    let alone = served.join("vmlinux").display().to_string();
    let (_, expected) = check(&dump, &["--vmlinux", &alone]);
    assert_eq!(essence(&got), essence(&expected));
    // The next dump of this kernel needs no server, and several need none each.
    drop(_server);
    let list = [&dump, &dump, &dump].map(|path| path.display().to_string());
    let args = ["check", "--debuginfod", "--jobs", "2", "--format", "jsonl"];
    let args: Vec<&str> = args
        .into_iter()
        .chain(list.iter().map(String::as_str))
        .collect();
    // Of a cache that is not there yet each worker says what it asks for, on a line of its own.
    let empty = folder.path().join("empty");
    let out = virtopsy(&args, &dump, Some(&url), &empty);
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(
        said.contains("virtopsy: fetching debug info of build"),
        "{said}"
    );
    assert!(
        !said.contains('\u{1e}') && !said.contains("waiting"),
        "{said}"
    );
    let out = virtopsy(&args, &dump, Some(&url), &cache);
    let text = String::from_utf8(out.stdout).unwrap();
    let with = text.matches("\"symbols_from\":\"vmlinux\"").count();
    assert_eq!(with, 4, "{text}\n{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn no_server_is_asked_without_both_the_option_and_the_variable_nor_without_need() {
    let folder = tempfile::tempdir().unwrap();
    let asked = folder.path().join("asked");
    let script = format!(
        "#!/bin/sh\necho \"$3 $DEBUGINFOD_URLS $DEBUGINFOD_CACHE_PATH\" >> {}\n\
         echo 'Server query failed: \033]0;' >&2\nexit 1\n",
        asked.display()
    );
    let (made, bin) = (folder.path().join("made"), folder.path().join("bin"));
    std::fs::write(&made, script).unwrap();
    let installed = Command::new("install")
        .args(["-D", "-m755"])
        .args([&made, &bin.join("debuginfod-find")])
        .status();
    assert!(installed.unwrap().success());
    let sample = samples().join("svm-stuck-cpu2.kdump");
    let run_in = |path: &str, args: &[&str], urls| {
        let out = virtopsy_in(path.as_ref(), args, &sample, urls, folder.path());
        let asked = std::fs::read_to_string(&asked).unwrap_or_default();
        (asked, String::from_utf8(out.stderr).unwrap())
    };
    let path = bin.display().to_string();
    let run = |args: &[&str], urls| run_in(&path, args, urls);
    let url = Some("https://there.example/");
    // Types by DWARF are not in the dump: they are needed from elsewhere.
    let unasked = ["report", "--types", "dwarf"];
    assert_eq!(run(&unasked, url).0, "");
    let needy = ["report", "--types", "dwarf", "--debuginfod"];
    let (count, said) = run(&needy, None);
    assert_eq!(count, "");
    assert!(said.contains("DEBUGINFOD_URLS names no server"), "{said}");
    // The dump has all that is needed, whatever folders are searched as well.
    let searched = folder.path().display().to_string();
    let content = ["report", "--debuginfod", "--debug-dir", &searched];
    assert_eq!(run(&content, url).0, "");
    // Without the client it is said which package has it.
    let (_, said) = run_in("/nowhere", &needy, url);
    assert!(said.contains("package debuginfod of Debian"), "{said}");
    let (asked, said) = run(&needy, url);
    assert_eq!(asked.lines().count(), 1);
    assert!(
        asked.contains(&format!("https://there.example/ {searched}")),
        "{asked}"
    );
    assert!(said.contains("no debug info of build"), "{said}");
    assert!(said.contains("Server query failed"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
}

#[test]
fn types_and_lines_of_modules_come_from_the_server_that_has_their_build_ids() {
    let Some(corpus) = corpus("modules read by a server's files") else {
        return;
    };
    let kernel = corpus.join("kernels/virtrel");
    let dump = corpus.join("dumps/svm-nobtf.kdump");
    let folder = tempfile::tempdir().unwrap();
    let (served, alone) = (folder.path().join("served"), folder.path().join("alone"));
    let cache = folder.path().join("cache");
    for folder in [&served, &alone] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::copy(kernel.join("vmlinux"), alone.join("vmlinux")).unwrap();
    for module in ["kvm.ko", "kvm-amd.ko"] {
        std::fs::copy(kernel.join(module), served.join(module)).unwrap();
    }
    let Some((_server, url)) = serve(&served) else {
        virtopsy_testkit::skipped("modules read by a server's files: debuginfod is not installed");
        return;
    };
    let vmlinux = alone.join("vmlinux").display().to_string();
    let ask = |args: &[&str], urls: Option<&str>| {
        let mut all = vec![args[0], "--vmlinux", &vmlinux, "--debuginfod"];
        all.extend(&args[1..]);
        let out = virtopsy(&all, &dump, urls, &cache);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        (String::from_utf8(out.stdout).unwrap(), said)
    };
    let stacks = ["bt", "--all"];
    let began = Instant::now();
    let with = loop {
        // It has to start and to scan, and each miss is told.
        let (with, said) = ask(&stacks, Some(&url));
        if !said.contains("no debug info of build") {
            break with;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{said}");
        // elfutils' client remembers for ten minutes what a server did not have.
        let _ = std::fs::remove_dir_all(&cache);
        std::thread::sleep(Duration::from_millis(500));
    };
    let whole = kernel.display().to_string();
    let out = virtopsy(&["bt", "--all", "--vmlinux", &whole], &dump, None, &cache);
    let expected = String::from_utf8(out.stdout).unwrap();
    let of_kvm = |text: &str| text.matches("at arch/x86/kvm/").count();
    assert!(of_kvm(&expected) > 3, "{expected}");
    assert_eq!(of_kvm(&with), of_kvm(&expected), "{with}");
}
