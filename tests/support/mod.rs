//! What the end-to-end tests share: the binary, the samples, the corpus where there is one.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The project's own dumps.
pub(crate) fn samples() -> PathBuf {
    root().join("samples")
}

/// Runs the command.
pub(crate) fn virtopsy<I, S>(args: I) -> Output
where
    I: IntoIterator<Item = S>,
    S: AsRef<std::ffi::OsStr>,
{
    Command::new(env!("CARGO_BIN_EXE_virtopsy"))
        .args(args)
        .env_remove("NO_COLOR")
        // No test writes to the user's cache.
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap()
}

/// `check --format jsonl` on one dump: exit status and the dump's object.
pub(crate) fn check(dump: &Path, options: &[&str]) -> (i32, Value) {
    let mut args: Vec<String> = vec!["check".into(), "--format".into(), "jsonl".into()];
    args.extend(options.iter().map(|o| (*o).to_owned()));
    args.push(dump.display().to_string());
    let out = virtopsy(&args);
    let text = String::from_utf8(out.stdout).unwrap();
    let first = text
        .lines()
        .next()
        .unwrap_or_else(|| panic!("no output: {}", String::from_utf8_lossy(&out.stderr)));
    (
        out.status.code().unwrap(),
        serde_json::from_str(first).unwrap(),
    )
}

/// State of each CPU, by number.
pub(crate) fn states(report: &Value) -> Vec<(u64, String)> {
    let cpus = report["virtualization"]["cpus"].as_array().unwrap();
    cpus.iter()
        .map(|c| {
            (
                c["cpu"].as_u64().unwrap(),
                c["state"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

/// What must not depend on the container: everything that the verdict says, without the file's name.
pub(crate) fn essence(report: &Value) -> Value {
    let mut essence = report.clone();
    for key in ["path", "files", "format", "compression", "notes"] {
        essence.as_object_mut().unwrap().remove(key);
    }
    essence
}
