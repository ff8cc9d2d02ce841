//! Fetching from debuginfod servers: a handmade one that misbehaves, and the real one.
#![cfg(feature = "debuginfod")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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

/// Answers every request by `answer`, which gets the path; counts them.
fn serve(
    answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let asked = count.clone();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            asked.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().unwrap().unwrap();
                // A client that is gone is no fault of the server's.
                let _ = lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
                answer(first.split(' ').nth(1).unwrap(), &mut stream);
            });
        }
    });
    (url, count)
}

fn reply(stream: &mut TcpStream, status: &str, claimed: usize, body: &[u8]) {
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {claimed}\r\nConnection: close\r\n\r\n");
    // The client may have given up.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

fn redirect(stream: &mut TcpStream, to: &str) {
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    // The client may have given up.
    let _ = stream.write_all(head.as_bytes());
}

fn client(urls: &str, cache: &Path) -> Debuginfod {
    Debuginfod::new(urls, cache.to_owned())
        .unwrap()
        .with_stall_limit(Duration::from_millis(700))
}

#[test]
fn what_a_server_has_is_fetched_once_and_kept() {
    let cache = tempfile::tempdir().unwrap();
    let (url, asked) = serve(|path, stream| {
        assert_eq!(path, format!("/prefix/buildid/{ID}/debuginfo"));
        let file = elf(ID);
        reply(stream, "200 OK", file.len(), &file);
    });
    let came = Arc::new(AtomicU64::new(0));
    let told = came.clone();
    let client = client(&format!("ima:enforcing {url}/prefix/"), cache.path()).with_progress(
        Arc::new(move |what, done, of| {
            assert!(what.contains(ID));
            assert!(of.is_none_or(|of| done <= of));
            told.store(done, Ordering::SeqCst);
            ControlFlow::Continue(())
        }),
    );
    let path = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| client.debug_info(&ID.to_uppercase()).unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap())
            .next()
            .unwrap()
    });
    assert_eq!(path, cache.path().join(ID).join("debuginfo"));
    assert_eq!(std::fs::read(&path).unwrap(), elf(ID));
    assert_eq!(came.load(Ordering::SeqCst), elf(ID).len() as u64);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    // Another process finds it in the cache.
    let other = Debuginfod::new(&url, cache.path().to_owned()).unwrap();
    assert_eq!(other.debug_info(ID).unwrap(), path);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let found = Search {
        build_id: Some(ID.to_owned()),
        debuginfod: Some(other),
        ..Search::default()
    }
    .run(&ReadFiles);
    assert_eq!((found.vmlinux, found.verified), (Some(path), true));
}

#[test]
fn a_server_that_fails_is_told_and_the_next_one_is_asked() {
    let cache = tempfile::tempdir().unwrap();
    type Answer = fn(&str, &mut TcpStream);
    let bad: [(Answer, &str); 11] = [
        (|_, s| reply(s, "404 Not Found", 0, b""), "does not have it"),
        (|_, s| reply(s, "500 Oops", 0, b""), "500"),
        (|_, s| reply(s, "200 OK", 5000, &elf(ID)), "of 5000 bytes"),
        (
            |_, s| {
                let other = elf("0000000000000000000000000000000000000001");
                reply(s, "200 OK", other.len(), &other);
            },
            "another build-id",
        ),
        (|_, s| reply(s, "200 OK", 5, b"<html"), "no debug file"),
        (|_, s| reply(s, "200 OK", 5 << 30, b"\x7fELF"), "more than"),
        (
            // In pieces, and shorter than was said.
            |_, s| {
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
                            X-DEBUGINFOD-SIZE: 6000\r\n\r\n";
                let _ = s.write_all(head.as_bytes());
                let _ = s.write_all(b"4\r\n\x7fELF\r\n0\r\n\r\n");
            },
            "after 4 of 6000 bytes",
        ),
        (
            |path, s| redirect(s, &format!("{path}/")),
            "more than 5 redirections",
        ),
        (|_, s| redirect(s, "file:///etc/passwd"), "is not followed"),
        (
            // A head without an end.
            |_, s| {
                let _ = s.write_all(b"HTTP/1.1 200 OK\r\n");
                while s.write_all(&[b'x'; 4096]).is_ok() {}
            },
            "headers",
        ),
        (
            |_, _| std::thread::sleep(Duration::from_secs(4)),
            "nothing came for 0.7 s",
        ),
    ];
    for (answer, why) in bad {
        let (url, _) = serve(answer);
        let error = client(&url, cache.path()).debug_info(ID).unwrap_err();
        assert!(
            error.contains(why) && error.contains(&url),
            "{why}: {error}"
        );
        let left = std::fs::read_dir(cache.path()).unwrap().count();
        assert_eq!(left, 0, "{why}: nothing is kept");
    }
    let (missing, asked) = serve(|_, s| reply(s, "404 Not Found", 0, b""));
    let (good, _) = serve(|_, s| reply(s, "200 OK", elf(ID).len(), &elf(ID)));
    assert!(
        client(&format!("{missing} {good}"), cache.path())
            .debug_info(ID)
            .is_ok()
    );
    // A miss is remembered.
    let elsewhere = tempfile::tempdir().unwrap();
    let alone = client(&missing, elsewhere.path());
    assert!(alone.debug_info(ID).is_err() && alone.debug_info(ID).is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn a_transfer_can_be_cancelled_and_what_is_no_build_id_is_not_asked_for() {
    let cache = tempfile::tempdir().unwrap();
    let (url, asked) = serve(|_, s| reply(s, "200 OK", elf(ID).len(), &elf(ID)));
    // It is told of before anything has come.
    let client = client(&url, cache.path()).with_progress(Arc::new(|_, came, _| match came {
        0 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    }));
    assert!(client.debug_info(ID).unwrap_err().contains("cancelled"));
    for id in ["", "ab", "../../../etc/passwd", "aabb/../cc", "xyzxyz"] {
        assert!(
            client.debug_info(id).unwrap_err().contains("no build-id"),
            "{id}"
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert!(Debuginfod::new("  ima:ignore ftp://x ", cache.path().to_owned()).is_none());
}

#[test]
fn a_server_may_send_in_pieces_and_from_elsewhere() {
    let cache = tempfile::tempdir().unwrap();
    let (url, asked) = serve(|path, s| {
        if !path.starts_with("/elsewhere") {
            return redirect(s, "/elsewhere/file?x=1");
        }
        let _ = s.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for piece in elf(ID).chunks(50) {
            let _ = s.write_all(format!("{:x}\r\n", piece.len()).as_bytes());
            let _ = s.write_all(piece);
            let _ = s.write_all(b"\r\n");
        }
        let _ = s.write_all(b"0\r\n\r\n");
    });
    let path = client(&url, cache.path()).debug_info(ID).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), elf(ID));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn several_processes_fetch_a_file_once() {
    let cache = tempfile::tempdir().unwrap();
    let (url, asked) = serve(|_, s| {
        std::thread::sleep(Duration::from_millis(500));
        reply(s, "200 OK", elf(ID).len(), &elf(ID));
    });
    std::thread::scope(|scope| {
        for _ in 0..4 {
            // Clients that share nothing but the cache, as processes do.
            scope.spawn(|| client(&url, cache.path()).debug_info(ID).unwrap());
        }
    });
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(std::fs::read_dir(cache.path().join(ID)).unwrap().count(), 1);
}

#[test]
fn what_the_cache_has_is_taken_only_if_it_is_the_file_and_nobody_else_can_have_written_it() {
    let (url, asked) = serve(|_, s| reply(s, "200 OK", elf(ID).len(), &elf(ID)));
    let asked_for = |prepare: &dyn Fn(&Path)| {
        let cache = tempfile::tempdir().unwrap();
        let file = cache.path().join(ID).join("debuginfo");
        std::fs::create_dir(cache.path().join(ID)).unwrap();
        std::fs::write(&file, elf(ID)).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o400)).unwrap();
        prepare(&file);
        let before = asked.load(Ordering::SeqCst);
        let got = client(&url, cache.path()).debug_info(ID);
        if let Ok(path) = &got {
            assert_eq!(std::fs::read(path).unwrap(), elf(ID));
            assert!(std::fs::symlink_metadata(path).unwrap().is_file());
        }
        (asked.load(Ordering::SeqCst) - before, got)
    };
    let chmod = |path: &Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    // As elfutils leaves it.
    assert_eq!(asked_for(&|_| ()).0, 0);
    let other = elf("0000000000000000000000000000000000000001");
    let swap = |file: &Path, bytes: &[u8]| {
        std::fs::remove_file(file).unwrap();
        std::fs::write(file, bytes).unwrap();
    };
    assert_eq!(asked_for(&|file| swap(file, &other)).0, 1);
    assert_eq!(asked_for(&|file| swap(file, b"garbage")).0, 1);
    assert_eq!(asked_for(&|file| swap(file, b"")).0, 1);
    assert_eq!(asked_for(&|file| chmod(file, 0o666)).0, 1);
    assert_eq!(
        asked_for(&|file| {
            let elsewhere = file.with_extension("elsewhere");
            std::fs::rename(file, &elsewhere).unwrap();
            symlink(elsewhere, file).unwrap();
        })
        .0,
        1
    );
    // What is fetched into a folder that everybody may write is not taken either.
    let (times, got) = asked_for(&|file| chmod(file.parent().unwrap(), 0o777));
    assert!(got.unwrap_err().contains("everybody may write there"));
    assert_eq!(times, 1);
}

#[test]
fn servers_are_asked_where_nothing_else_will_do() {
    let cache = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir().unwrap();
    let (url, asked) = serve(|_, s| reply(s, "200 OK", elf(ID).len(), &elf(ID)));
    let run = || {
        Search {
            build_id: Some(ID.to_owned()),
            release: Some("6.1.0".to_owned()),
            system_root: Some(root.path().to_owned()),
            debuginfod: Some(client(&url, cache.path())),
            ..Search::default()
        }
        .run(&ReadFiles)
    };
    let boot = root.path().join("boot");
    std::fs::create_dir(&boot).unwrap();
    // What boots, and has nothing but its build-id.
    std::fs::write(boot.join("vmlinuz-6.1.0"), elf(ID)).unwrap();
    let fetched = cache.path().join(ID).join("debuginfo");
    assert_eq!(run().vmlinux, Some(fetched));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    std::fs::remove_dir_all(cache.path().join(ID)).unwrap();
    std::fs::write(boot.join("vmlinux-6.1.0"), elf(ID)).unwrap();
    assert_eq!(run().vmlinux, Some(boot.join("vmlinux-6.1.0")));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let nameless = Search {
        debuginfod: Some(client(&url, cache.path())),
        ..Search::default()
    };
    assert_eq!(nameless.run(&ReadFiles).vmlinux, None);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
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

#[test]
fn the_real_server_gives_a_file_that_it_indexed() {
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
    let cache = folder.path().join("cache");
    let began = Instant::now();
    let path = loop {
        // It has to start and to scan; a new client, as a miss is remembered.
        let url = format!("http://127.0.0.1:{port}");
        match Debuginfod::new(&url, cache.clone())
            .unwrap()
            .debug_info(&id)
        {
            Ok(path) => break path,
            Err(e) => assert!(began.elapsed() < Duration::from_secs(60), "{e}"),
        }
        std::thread::sleep(Duration::from_millis(300));
    };
    assert_eq!(
        std::fs::read(path).unwrap(),
        std::fs::read(files.join("p")).unwrap()
    );
    let absent = client(&format!("http://127.0.0.1:{port}"), &cache);
    assert!(
        absent
            .debug_info(ID)
            .unwrap_err()
            .contains("does not have it")
    );
}
