//! What a test needs and a machine may lack.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Says that a test, or a part of one, can't run here.
///
/// `cargo test` keeps what a passing test prints with the macros to itself; this is seen.
pub fn skipped(what: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {what}");
}

/// The corpus folder (`VIRTOPSY_CORPUS`, else `target/corpus`), or `None` with a line that says
/// what was skipped.
pub fn corpus(what: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/corpus");
    let folder = std::env::var_os("VIRTOPSY_CORPUS").map_or(own, PathBuf::from);
    if folder.join("dumps").is_dir() {
        return Some(folder);
    }
    let folder = folder.display();
    skipped(&format!(
        "{what}: no corpus at {folder} (set VIRTOPSY_CORPUS)"
    ));
    None
}
