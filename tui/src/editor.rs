//! Places in the source: how a text names one, where its file is, and how an editor is called.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// What is called where the user names no editor.
const DEFAULT: &str = "vi";

/// A line of a source file, as the kernel or its debug information names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceLine {
    /// Path, usually from the top of the kernel's source.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: u32,
}

/// The first `path/file.c:123` that a text speaks of.
pub(crate) fn mentioned(text: &str) -> Option<SourceLine> {
    static PLACE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"([A-Za-z0-9_./+-]+\.(?:c|h|S|rs)):([0-9]{1,7})").ok());
    let found = PLACE.as_ref()?.captures(text)?;
    Some(SourceLine {
        file: found.get(1)?.as_str().into(),
        line: found.get(2)?.as_str().parse().ok()?,
    })
}

/// The file below one of `dirs`: its whole path, or what is left of it without the first folders,
/// where another machine built the kernel.
///
/// The path comes from a dump: it never leads out of the folders.
pub(crate) fn find(dirs: &[PathBuf], file: &str) -> Option<PathBuf> {
    let mut parts = Vec::new();
    for part in Path::new(file).components() {
        match part {
            Component::Normal(name) => parts.push(name),
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    // A bare name is in too many folders to mean one of them.
    let fewest = parts.len().min(2);
    let least = parts.len().saturating_sub(fewest);
    (0..=least).find_map(|skipped| {
        let rest: PathBuf = parts.iter().skip(skipped).collect();
        let whole = dirs.iter().map(|dir| dir.join(&rest));
        whole.into_iter().find(|path| path.is_file())
    })
}

/// How `editor` (a command, perhaps with arguments) is called to show a line of a file.
pub(crate) fn command(editor: Option<&str>, file: &Path, line: u32) -> Vec<OsString> {
    let editor = editor.filter(|e| !e.trim().is_empty()).unwrap_or(DEFAULT);
    let mut words: Vec<OsString> = editor.split_whitespace().map(OsString::from).collect();
    let program = words.first().map(Path::new).and_then(Path::file_name);
    let program = program.and_then(|p| p.to_str()).unwrap_or_default();
    let mut joined = file.as_os_str().to_owned();
    joined.push(format!(":{line}"));
    match program {
        "code" | "codium" | "code-insiders" => words.extend(["-g".into(), joined]),
        "hx" | "helix" | "subl" | "zed" | "micro" => words.push(joined),
        _ => words.extend([format!("+{line}").into(), file.into()]),
    }
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_place_in_the_source_is_found_in_what_the_kernel_prints() {
        for (text, file, line) in [
            (
                "arch/x86/virt/hw.c:65 suspicious rcu_dereference",
                "arch/x86/virt/hw.c",
                65,
            ),
            (
                "WARNING: CPU: 1 PID: 9 at kernel/rcu/tree.c:12 f+0x1/0x2",
                "kernel/rcu/tree.c",
                12,
            ),
            ("BUG at ./include/linux/mm.h:7!", "./include/linux/mm.h", 7),
        ] {
            let expected = SourceLine {
                file: file.into(),
                line,
            };
            assert_eq!(mentioned(text), Some(expected), "{text}");
        }
        for text in ["do_exit+0x5/0x20", "12:30:11", "a.c: 5", ""] {
            assert_eq!(mentioned(text), None, "{text}");
        }
    }

    #[test]
    fn a_file_is_found_below_the_folders_and_nowhere_else() {
        let dir = std::env::temp_dir().join(format!("virtopsy-sources-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("linux/arch/x86")).unwrap();
        std::fs::write(dir.join("linux/arch/x86/hw.c"), "").unwrap();
        std::fs::write(dir.join("secret.c"), "").unwrap();
        let dirs = [dir.join("linux")];
        let expected = Some(dir.join("linux/arch/x86/hw.c"));
        for file in [
            "arch/x86/hw.c",
            "./arch/x86/hw.c",
            "/build/linux-7.2/arch/x86/hw.c",
        ] {
            assert_eq!(find(&dirs, file), expected, "{file}");
        }
        for file in [
            "../secret.c",
            "arch/../../secret.c",
            "/secret.c",
            "other/hw.c",
            "",
            "/",
        ] {
            assert_eq!(find(&dirs, file), None, "{file}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn each_editor_is_told_the_line_in_its_own_way() {
        let said = |editor: Option<&str>| -> Vec<String> {
            let words = command(editor, Path::new("/src/a.c"), 7);
            words
                .into_iter()
                .map(|w| w.into_string().unwrap())
                .collect()
        };
        assert_eq!(said(None), ["vi", "+7", "/src/a.c"]);
        assert_eq!(
            said(Some("emacsclient -nw")),
            ["emacsclient", "-nw", "+7", "/src/a.c"]
        );
        assert_eq!(
            said(Some("/usr/bin/code -w")),
            ["/usr/bin/code", "-w", "-g", "/src/a.c:7"]
        );
        assert_eq!(said(Some("hx")), ["hx", "/src/a.c:7"]);
    }
}
