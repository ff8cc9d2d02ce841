//! A dump that is written to while it is read.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use virtopsy::report::DumpReport;
use virtopsy::{DumpSpec, Options, Session};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/vmx-off.kdump")
}

/// What is reported of a copy of the sample that `change` was done to after it was opened.
fn changed(change: impl Fn(&Path)) -> DumpReport {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump");
    std::fs::copy(sample(), &path).unwrap();
    let spec = DumpSpec {
        paths: vec![path.clone()],
    };
    let session = Session::open(&spec, &Options::default()).unwrap_or_else(|e| panic!("{e:?}"));
    change(&path);
    session.report()
}

#[test]
fn a_dump_that_is_left_alone_has_no_error() {
    let report = changed(|_| ());
    assert!(report.error.is_none());
    assert!(!report.virtualization.cpus.is_empty());
}

fn assert_refused(report: &DumpReport) {
    let error = report.error.as_ref().unwrap();
    assert_eq!(error.kind, "changed");
    assert!(error.message.to_string().contains("written to while"));
    assert!(report.virtualization.cpus.is_empty());
}

#[test]
fn a_dump_that_grows_changes_or_shrinks_while_it_is_read_is_an_error() {
    let open = |path: &Path| OpenOptions::new().append(true).open(path).unwrap();
    assert_refused(&changed(|path| open(path).write_all(b"more").unwrap()));
    assert_refused(&changed(|path| open(path).set_len(5 << 20).unwrap()));
    assert_refused(&changed(|path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(&[0xff; 512], 4 << 20).unwrap();
    }));
}

#[test]
fn a_dump_that_is_removed_while_it_is_read_is_read_to_its_end() {
    let report = changed(|path| std::fs::remove_file(path).unwrap());
    assert!(report.error.is_none());
}
