//! The debug files of a kernel: the vmlinux that belongs to a dump, and where its modules' are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use virtopsy_debuginfo::{DebugFile, Debuginfod, ElfFile, Files, KernelFiles, ReadFiles, Search};
use virtopsy_vmcore::VmcoreInfo;

use crate::build_id;
use crate::error::{Error, Result};
use crate::options::KernelOptions;

/// A vmlinux that belongs to the dump.
pub(crate) struct Vmlinux {
    pub(crate) elf: ElfFile,
    pub(crate) files: KernelFiles,
}

impl Vmlinux {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        self.files.vmlinux.as_deref().unwrap_or(Path::new(""))
    }
}

/// Opens files and keeps the last one: what is looked at to compare its build-id, and what is used
/// then, is one file, although another may take its name in between.
#[derive(Default)]
struct LastFile(Mutex<Option<(PathBuf, DebugFile)>>);

impl Files for LastFile {
    fn open(&self, path: &Path) -> io::Result<DebugFile> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, file)) = &*last
            && known == path
        {
            return Ok(file.clone());
        }
        let file = ReadFiles.open(path)?;
        *last = Some((path.to_owned(), file.clone()));
        Ok(file)
    }
}

fn load(path: &Path, search: &Search, files: &dyn Files) -> Result<ElfFile> {
    let wrong = |e: virtopsy_debuginfo::Error| Error::File {
        path: path.display().to_string(),
        why: e.to_string(),
    };
    search.open(path, files).map_err(wrong)
}

/// Where debug files of the dump's kernel may be.
pub(crate) fn search(info: &VmcoreInfo, options: &KernelOptions) -> Search {
    Search {
        vmlinux: options.vmlinux.clone(),
        only_given: false,
        debug_dirs: options.debug_dirs.clone(),
        dump: options.dump.clone(),
        system_root: options.system_root.clone(),
        build_id: build_id::expected(info),
        release: info.os_release().map(str::to_owned),
        debuginfod: options.debuginfod.clone(),
    }
}

/// The vmlinux that the user named. `Ok(None)`: none was.
///
/// # Errors
/// Where it can't be read, or belongs to another build and is not forced.
pub(crate) fn given(
    info: &VmcoreInfo,
    options: &KernelOptions,
    notes: &mut Vec<String>,
) -> Result<Option<Vmlinux>> {
    let Some(path) = &options.vmlinux else {
        return Ok(None);
    };
    // What was named is meant: nothing else is looked for in its place.
    let mut search = Search {
        only_given: true,
        ..search(info, options)
    };
    let files = LastFile::default();
    let mut found = search.run(&files);
    if found.vmlinux.is_none() && options.force_vmlinux {
        search.build_id = None;
        found = search.run(&files);
    }
    let Some(vmlinux) = found.vmlinux.clone() else {
        return Err(refusal(path, &search, &found));
    };
    if !found.verified {
        notes.push(format!(
            "{} could not be held against the dump's build-id",
            vmlinux.display()
        ));
    }
    Ok(Some(Vmlinux {
        elf: load(&vmlinux, &search, &files)?,
        files: found,
    }))
}

/// Why a vmlinux that was named is not used: another build, or no vmlinux at all.
fn refusal(path: &Path, search: &Search, found: &KernelFiles) -> Error {
    for candidate in found
        .rejected
        .iter()
        .map(|r| r.path.as_path())
        .chain([path])
    {
        let id = load(candidate, search, &ReadFiles)
            .ok()
            .and_then(|elf| elf.build_id());
        if let (Some(id), Some(expected)) = (id, &search.build_id)
            && id != *expected
        {
            return Error::WrongVmlinux {
                path: candidate.display().to_string(),
                found: id,
                expected: expected.clone(),
            };
        }
    }
    let reasons: Vec<String> = found
        .rejected
        .iter()
        .map(|r| format!("{}: {}", r.path.display(), r.reason))
        .collect();
    let why = if reasons.is_empty() {
        "no vmlinux there".into()
    } else {
        reasons.join("; ")
    };
    Error::File {
        path: path.display().to_string(),
        why,
    }
}

/// A vmlinux that nothing is known of but the user's word or the release: to be held against the
/// dump's memory by whoever asks.
pub(crate) fn unchecked(options: &KernelOptions, release: Option<&str>) -> Option<Vmlinux> {
    let search = Search {
        vmlinux: options.vmlinux.clone(),
        debug_dirs: options.debug_dirs.clone(),
        dump: options.dump.clone(),
        system_root: options.system_root.clone(),
        release: release.map(str::to_owned),
        ..Search::default()
    };
    loaded(&search)
}

/// A vmlinux by build-id, in the debug folders, beside the dump, where distributions put it, and
/// from the servers that are given.
pub(crate) fn find(
    info: &VmcoreInfo,
    options: &KernelOptions,
    servers: Option<&Debuginfod>,
) -> Option<Vmlinux> {
    loaded(&Search {
        debuginfod: servers.cloned(),
        ..search(info, options)
    })
}

fn loaded(search: &Search) -> Option<Vmlinux> {
    let files = LastFile::default();
    let found = search.run(&files);
    let path = found.vmlinux.clone()?;
    match load(&path, search, &files) {
        Ok(elf) => Some(Vmlinux { elf, files: found }),
        Err(e) => {
            tracing::debug!("{}: {e}", path.display());
            None
        }
    }
}
