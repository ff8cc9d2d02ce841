//! What `debuginfod-find` brings: a stand-in that misbehaves, and the real one with the real server.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)]

use std::ffi::OsString;
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use virtopsy_debuginfo::{Debuginfod, ReadFiles, Search};

const ID: &str = "aabbccddeeff00112233445566778899aabbccdd";

/// An executable of no more than a build-id, for which gcc or ld are not needed.
fn elf(id: &str) -> Vec<u8> {
    let mut note = Vec::new();
    for word in [4_u32, 20, 3] {
        note.extend(word.to_le_bytes());
    }
    note.extend(b"GNU\0");
    note.extend(
        (0..40)
            .step_by(2)
            .map(|i| u8::from_str_radix(&id[i..i + 2], 16).unwrap()),
    );
    let names = b"\0.note\0.shstrtab\0";
    let mut file = vec![0_u8; 64];
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    file[16] = 2;
    file[18] = 62;
    file.extend(&note);
    file.extend(names);
    let table = file.len() as u64;
    file[40..48].copy_from_slice(&table.to_le_bytes());
    (file[58], file[60], file[62]) = (64, 3, 2);
    for (name, kind, at, size) in [
        (0_u32, 0_u32, 0_u64, 0_u64),
        (1, 7, 64, note.len() as u64),
        (7, 3, 64 + note.len() as u64, names.len() as u64),
    ] {
        let mut header = [name.to_le_bytes(), kind.to_le_bytes()].concat();
        header.extend([0; 16]);
        header.extend(at.to_le_bytes());
        header.extend(size.to_le_bytes());
        header.extend([0; 24]);
        file.extend(header);
    }
    file
}

/// A folder with a stand-in for the client: a script of the shell, which is told the build-id as
/// `$3`. Each run leaves a line in `runs`.
struct StandIn(tempfile::TempDir);

impl StandIn {
    fn new(script: &str) -> StandIn {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("debuginfod-find");
        let text = format!(
            "#!/bin/sh\necho \"$@\" >> {0}/runs\ncd {0}\n{script}\n",
            folder.path().display()
        );
        // Written by another process: none that is forked here meanwhile has it open to write.
        let made = folder.path().join("script");
        std::fs::write(&made, text).unwrap();
        let install = Command::new("install")
            .arg("-m755")
            .args([&made, &program])
            .status();
        assert!(install.unwrap().success());
        std::fs::write(folder.path().join("file"), elf(ID)).unwrap();
        StandIn(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("file")
    }

    fn client(&self) -> Debuginfod {
        let environment = [
            ("PATH", "/usr/bin:/bin"),
            ("DEBUGINFOD_URLS", "https://there"),
        ];
        let environment = environment.map(|(name, value)| (name.into(), value.into()));
        Debuginfod::new(self.0.path().join("debuginfod-find"), environment)
    }

    fn runs(&self) -> Vec<String> {
        let runs = std::fs::read_to_string(self.0.path().join("runs")).unwrap_or_default();
        runs.lines().map(str::to_owned).collect()
    }
}

#[test]
fn what_the_client_brings_is_asked_for_once_by_its_build_id_and_its_progress_is_told() {
    let stand_in = StandIn::new(
        "echo 'url 0 https://there' >&2; echo 'Progress 0 / 0' >&2; sleep 0.3\n\
         echo 'Progress 1048576 / 2097152' >&2; sleep 0.3\n\
         [ \"$DEBUGINFOD_URLS\" = https://there ] && echo $PWD/file",
    );
    let came = Arc::new(AtomicU64::new(0));
    let told = came.clone();
    let client = stand_in
        .client()
        .with_progress(Arc::new(move |what, done, of| {
            assert!(what.contains(ID));
            assert!(of.is_none_or(|of| of == 2 << 20));
            told.fetch_max(done, Ordering::SeqCst);
            ControlFlow::Continue(())
        }));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| client.debug_info(&ID.to_uppercase())))
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Ok(stand_in.file()));
        }
    });
    assert_eq!(came.load(Ordering::SeqCst), 1 << 20);
    assert_eq!(stand_in.runs(), [format!("-v debuginfo {ID}")]);
}

#[test]
fn why_the_client_brings_nothing_is_told_and_it_is_not_asked_again() {
    let stand_in = StandIn::new(
        "echo 'Progress 0 / 0' >&2; echo 'Server query failed: No such file or directory' >&2; exit 1",
    );
    let client = stand_in.client();
    for _ in 0..2 {
        let why = client.debug_info(ID).unwrap_err();
        assert!(why.contains("Server query failed: No such file"), "{why}");
    }
    assert_eq!(stand_in.runs().len(), 1);
    let why = StandIn::new("exit 3").client().debug_info(ID).unwrap_err();
    assert!(why.contains("exit status: 3"), "{why}");
    let why = StandIn::new("exit 0").client().debug_info(ID).unwrap_err();
    assert!(why.contains("printed no path"), "{why}");
    let absent = Debuginfod::new("/nowhere/debuginfod-find".into(), []);
    let why = absent.debug_info(ID).unwrap_err();
    assert!(why.contains("/nowhere/debuginfod-find"), "{why}");
}

#[test]
fn a_file_is_taken_only_with_the_build_id_that_was_asked_for() {
    let other = "0000000000000000000000000000000000000001";
    for (bytes, why) in [
        (elf(other), "another build-id"),
        (b"garbage".to_vec(), "not a debug file"),
        (Vec::new(), "not a debug file"),
    ] {
        let stand_in = StandIn::new("echo $PWD/file");
        std::fs::write(stand_in.file(), bytes).unwrap();
        let got = stand_in.client().debug_info(ID).unwrap_err();
        assert!(got.contains(why), "{got}");
    }
    let stand_in = StandIn::new("echo $PWD/absent");
    stand_in.client().debug_info(ID).unwrap_err();
}

#[test]
fn a_client_that_says_nothing_is_ended_and_one_that_prints_without_end_is_too() {
    let stand_in = StandIn::new("exec sleep 1000");
    let client = stand_in.client();
    let began = Instant::now();
    let client = client.with_silence_limit(Duration::from_millis(500));
    let why = client.debug_info(ID).unwrap_err();
    assert!(why.contains("did not end in time"), "{why}");
    // Its path is cut, and it fails when nobody reads on.
    let stand_in = StandIn::new("exec yes /a/path/without/end");
    stand_in.client().debug_info(ID).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_transfer_can_be_cancelled_and_what_is_not_a_build_id_is_not_asked_for() {
    let stand_in = StandIn::new("exec sleep 1000");
    let cancelled = Arc::new(|_: &str, _: u64, _: Option<u64>| ControlFlow::Break(()));
    let client = stand_in.client().with_progress(cancelled);
    assert_eq!(client.debug_info(ID).unwrap_err(), "cancelled");
    let runs = stand_in.runs().len();
    for id in ["", "abc", "../../etc/passwd", "aabbccdd/..", "-v"] {
        let why = client.debug_info(id).unwrap_err();
        assert!(why.contains("is not a build-id"), "{why}");
    }
    assert_eq!(stand_in.runs().len(), runs);
}

#[test]
fn the_client_is_asked_where_nothing_else_will_do() {
    let root = tempfile::tempdir().unwrap();
    let stand_in = StandIn::new("echo $PWD/file");
    let run = || {
        Search {
            build_id: Some(ID.to_owned()),
            release: Some("6.1.0".to_owned()),
            system_root: Some(root.path().to_owned()),
            debuginfod: Some(stand_in.client()),
            ..Search::default()
        }
        .run(&ReadFiles)
    };
    let boot = root.path().join("boot");
    std::fs::create_dir(&boot).unwrap();
    // What boots, and has nothing but its build-id.
    std::fs::write(boot.join("vmlinuz-6.1.0"), elf(ID)).unwrap();
    assert_eq!(run().vmlinux, Some(stand_in.file()));
    assert_eq!(stand_in.runs().len(), 1);
    std::fs::write(boot.join("vmlinux-6.1.0"), elf(ID)).unwrap();
    assert_eq!(run().vmlinux, Some(boot.join("vmlinux-6.1.0")));
    let nameless = Search {
        debuginfod: Some(stand_in.client()),
        ..Search::default()
    };
    assert_eq!(nameless.run(&ReadFiles).vmlinux, None);
    assert_eq!(stand_in.runs().len(), 1);
}

/// The real server, ended with the test.
struct Server(Mutex<Child>);

impl Drop for Server {
    fn drop(&mut self) {
        let mut child = self.0.lock().unwrap();
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The real client, which keeps what it brings in `cache`.
fn real_client(url: &str, cache: &Path) -> Debuginfod {
    let environment: [(OsString, OsString); 2] = [
        ("DEBUGINFOD_URLS".into(), url.into()),
        ("DEBUGINFOD_CACHE_PATH".into(), cache.into()),
    ];
    Debuginfod::new("/usr/bin/debuginfod-find".into(), environment)
}

#[test]
fn the_real_client_brings_a_file_that_the_real_server_indexed() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    std::fs::write(folder.path().join("p.c"), "int main(void) { return 0; }\n").unwrap();
    let made = Command::new("gcc")
        .args(["-g", "-Wl,--build-id", "-o", "files/p", "p.c"])
        .current_dir(folder.path())
        .status();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = Command::new("debuginfod")
        .args(["-F", "-d", ":memory:", "-p", &port.to_string(), "-t", "1"])
        .arg(&files)
        .env_remove("DEBUGINFOD_URLS")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let (Ok(server), true) = (server, made.is_ok_and(|status| status.success())) else {
        virtopsy_testkit::skipped("a real server: gcc or debuginfod is not installed");
        return;
    };
    let _server = Server(Mutex::new(server));
    let program = virtopsy_debuginfo::find::open_elf(&files.join("p"), &ReadFiles).unwrap();
    let id = program.build_id().unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let began = Instant::now();
    let path = loop {
        // It has to start and to scan; a new client and cache, as a miss is remembered by both.
        let cache = folder
            .path()
            .join(format!("cache{}", began.elapsed().as_millis()));
        match real_client(&url, &cache).debug_info(&id) {
            Ok(path) => break path,
            Err(e) => assert!(began.elapsed() < Duration::from_secs(60), "{e}"),
        }
        std::thread::sleep(Duration::from_millis(300));
    };
    assert_eq!(
        std::fs::read(path).unwrap(),
        std::fs::read(files.join("p")).unwrap()
    );
    let absent = real_client(&url, &folder.path().join("absent"));
    let why = absent.debug_info(ID).unwrap_err();
    assert!(why.contains("No such file or directory"), "{why}");
}
