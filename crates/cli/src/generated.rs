//! Files that are generated from the code and committed: the tests hold them against it.

use std::fs;
use std::path::Path;

/// Holds the committed file at `path` (below the crate) against `content`, or writes it where
/// `VIRTOPSY_GENERATE` is set.
pub(crate) fn assert_committed(path: &str, content: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("VIRTOPSY_GENERATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        return;
    }
    let committed = fs::read(&path).unwrap_or_default();
    assert!(
        committed == content,
        "{} is not what the code says: write it anew with .ci/generate",
        path.display()
    );
}
