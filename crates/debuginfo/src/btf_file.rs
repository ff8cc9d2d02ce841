//! BTF in files of its own: `--btf`.
//!
//! A file holds BTF raw (`pahole --btf_encode_detached`, `/sys/kernel/btf/vmlinux`) or as the section
//! `.BTF` of an ELF file, perhaps packed with gzip, xz, zstd or lz4. A tar, as archives of BTF ship it,
//! and a folder hold several: the kernel's, and those of modules, which stand on it and are told apart
//! by their names.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::inflate::{Packing, unpack};
use crate::{Btf, DebugFile, ElfFile, Error, FileBytes, Files, Tag, TypeSource as _};

const PLACE: &str = "BTF file";
const EXPECTED: &str =
    "raw BTF (pahole --btf_encode_detached writes it), an ELF file with a section .BTF, or a tar";
/// `BTF_MAGIC`, little endian.
const MAGIC: [u8; 2] = [0x9f, 0xeb];
/// The most files of one folder or tar.
const MAX_FILES: usize = 10_000;
/// How often something packed may be packed again: `.tar.xz`, and a packed file in a tar.
const MAX_LAYERS: u32 = 3;
/// Where a tar says that it is one.
const TAR_MAGIC: usize = 257;

/// The BTF of one kernel and of its modules, from files.
#[derive(Clone, Debug)]
pub struct BtfFiles {
    path: PathBuf,
    kernel: Arc<Btf>,
    modules: BTreeMap<String, Section>,
}

/// A `.BTF` section, and the distilled base that it was made against, where it was (6.11).
#[derive(Clone, Debug)]
struct Section {
    bytes: FileBytes,
    base: Option<FileBytes>,
}

impl BtfFiles {
    /// Reads a file, or all files of a folder.
    ///
    /// The kernel's BTF is that which defines `struct list_head` by itself: a module's leaves to the
    /// kernel's what both know. Of several that do, it is the one that is named `vmlinux`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for what is no BTF and holds none, and where it is not clear
    /// which is the kernel's.
    pub fn open(path: &Path, files: &dyn Files) -> Result<Self, Error> {
        let mut found = Vec::new();
        if path.is_dir() {
            for file in listed(path)? {
                // A folder may hold other files, too.
                match read(&file, files) {
                    Ok(sections) => found.extend(sections),
                    Err(error) => tracing::debug!("{}: {error}", file.display()),
                }
            }
        } else {
            found = read(path, files)?;
        }
        let (kernel, modules) = Self::apart(found)?;
        tracing::debug!(path = %path.display(), modules = modules.len(), "read BTF files");
        Ok(Self {
            path: path.to_owned(),
            kernel,
            modules,
        })
    }

    fn apart(
        found: Vec<(String, Section)>,
    ) -> Result<(Arc<Btf>, BTreeMap<String, Section>), Error> {
        if found.is_empty() {
            return Err(Error::malformed(PLACE, 0, EXPECTED, "no BTF"));
        }
        let mut kernels = Vec::new();
        let mut modules = BTreeMap::new();
        for (name, section) in found {
            match on_its_own(&section)? {
                Some(btf) => kernels.push((name, btf)),
                None => {
                    modules.insert(name, section);
                }
            }
        }
        let names: Vec<&str> = kernels.iter().map(|(name, _)| name.as_str()).collect();
        let candidates = match names.is_empty() {
            true => "none that defines it".to_owned(),
            false => names.join(", "),
        };
        if kernels.len() > 1 {
            kernels.retain(|(name, _)| name == "vmlinux");
        }
        match (kernels.pop(), kernels.is_empty()) {
            (Some((_, btf)), true) => Ok((Arc::new(btf), modules)),
            (None, _) => Err(Error::malformed(
                PLACE,
                0,
                "the kernel's BTF, which defines struct list_head, of several that named vmlinux",
                candidates,
            )),
            _ => Err(Error::malformed(
                PLACE,
                0,
                "one BTF named vmlinux",
                candidates,
            )),
        }
    }

    /// What was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The kernel's own.
    #[must_use]
    pub fn kernel(&self) -> &Arc<Btf> {
        &self.kernel
    }

    /// The names of the modules whose BTF is here.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().map(String::as_str)
    }

    /// A module's, on top of the kernel's. `Ok(None)`: it is not here.
    ///
    /// # Errors
    /// As [`Btf::parse`].
    pub fn module(&self, name: &str) -> Result<Option<Btf>, Error> {
        let Some(section) = self.modules.get(name) else {
            return Ok(None);
        };
        let (bytes, base) = (section.bytes.clone(), self.kernel.clone());
        Ok(Some(match &section.base {
            Some(distilled) => Btf::parse_distilled(bytes, distilled.clone(), base)?,
            None => Btf::parse(bytes, Some(base))?,
        }))
    }
}

/// The BTF, where it needs no other below it.
fn on_its_own(section: &Section) -> Result<Option<Btf>, Error> {
    if section.base.is_some() {
        return Ok(None);
    }
    let btf = Btf::parse(section.bytes.clone(), None)?;
    // Read without its base, a module's has names that are no strings.
    let knows_lists = matches!(btf.find(Tag::Struct, "list_head"), Ok(Some(_)));
    Ok(knows_lists.then_some(btf))
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let wrong = |error| Error::io(folder, error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)?.take(MAX_FILES) {
        let path = entry.map_err(wrong)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path, files: &dyn Files) -> Result<Vec<(String, Section)>, Error> {
    let file = files.open(path).map_err(|error| Error::io(path, error))?;
    let mut found = Vec::new();
    content(module_name(path), file, MAX_LAYERS, &mut found)?;
    Ok(found)
}

/// Adds the BTF of one file, or of each file of a tar.
fn content(
    name: String,
    file: DebugFile,
    layers: u32,
    found: &mut Vec<(String, Section)>,
) -> Result<(), Error> {
    let first = file.first(PLACE, TAR_MAGIC as u64 + 5)?;
    if first.starts_with(b"\x7fELF") {
        found.extend(in_elf(file)?.map(|section| (name, section)));
        return Ok(());
    }
    if let Some(packing) = Packing::of(&first)
        && layers > 0
    {
        let unpacked = unpack(packing, &file.whole(PLACE)?, None, PLACE)?;
        return content(name, DebugFile::from(unpacked), layers - 1, found);
    }
    let bytes = file.whole(PLACE)?;
    if first.get(TAR_MAGIC..) == Some(b"ustar") && layers > 0 {
        return in_tar(&bytes, layers - 1, found);
    }
    if !bytes.starts_with(&MAGIC) {
        let head: Vec<String> = first.iter().take(4).map(|b| format!("{b:02x}")).collect();
        let found = format!("a file that starts with {}", head.join(" "));
        return Err(Error::malformed(PLACE, 0, EXPECTED, found));
    }
    Btf::parse(bytes.clone(), None)?;
    found.push((name, Section { bytes, base: None }));
    Ok(())
}

fn in_elf(file: DebugFile) -> Result<Option<Section>, Error> {
    let elf = ElfFile::parse(file)?;
    let base = elf.section_bytes(".BTF.base")?;
    let bytes = elf.section_bytes(".BTF")?;
    Ok(bytes.map(|bytes| Section { bytes, base }))
}

fn in_tar(bytes: &[u8], layers: u32, found: &mut Vec<(String, Section)>) -> Result<(), Error> {
    let wrong =
        |error: std::io::Error| Error::malformed(PLACE, 0, "an intact tar", error.to_string());
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().map_err(wrong)?.take(MAX_FILES) {
        let mut entry = entry.map_err(wrong)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = module_name(&entry.path().map_err(wrong)?);
        let mut inner = Vec::new();
        entry.read_to_end(&mut inner).map_err(wrong)?;
        content(name, DebugFile::from(inner), layers, found)?;
    }
    Ok(())
}

/// The module that a file is named after: `kvm-intel.ko.xz` and `kvm_intel.btf` are `kvm_intel`.
fn module_name(path: &Path) -> String {
    let mut name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    for suffix in [".gz", ".xz", ".zst", ".lz4", ".btf", ".debug", ".ko"] {
        if let Some(stem) = name.strip_suffix(suffix) {
            name = stem.to_owned();
        }
    }
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::btf::MadeBtf;

    fn kernels() -> MadeBtf {
        let mut made = MadeBtf::new();
        made.structure(4, false, "list_head", 16, &[]);
        made
    }

    fn modules() -> Vec<u8> {
        let base = kernels();
        let mut made = MadeBtf::split(base.next_id(), base.string_bytes());
        made.structure(4, false, "kvm", 64, &[]);
        made.build()
    }

    #[test]
    fn a_folder_holds_the_kernels_and_modules() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("6.1.btf"), kernels().build()).unwrap();
        std::fs::write(folder.path().join("kvm-intel.btf"), modules()).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "no BTF").unwrap();
        let files = BtfFiles::open(folder.path(), &crate::ReadFiles).unwrap();
        assert_eq!(files.modules().collect::<Vec<_>>(), ["kvm_intel"]);
        let module = files.module("kvm_intel").unwrap().unwrap();
        assert!(module.find(Tag::Struct, "kvm").unwrap().is_some());
        assert!(module.find(Tag::Struct, "list_head").unwrap().is_some());
        assert!(files.module("kvm").unwrap().is_none());
    }

    #[test]
    fn of_two_kernels_none_is_guessed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["6.1.btf", "6.12.btf"] {
            std::fs::write(folder.path().join(name), kernels().build()).unwrap();
        }
        let error = BtfFiles::open(folder.path(), &crate::ReadFiles).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("6.1, 6.12") && text.contains("vmlinux"),
            "{text}"
        );
        std::fs::write(folder.path().join("vmlinux"), kernels().build()).unwrap();
        BtfFiles::open(folder.path(), &crate::ReadFiles).unwrap();
    }

    #[test]
    fn what_is_no_btf_is_refused_with_what_was_expected() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "KDUMP").unwrap();
        let text = BtfFiles::open(file.path(), &crate::ReadFiles)
            .unwrap_err()
            .to_string();
        assert!(text.contains("starts with 4b 44 55 4d"), "{text}");
        assert!(text.contains("pahole --btf_encode_detached"), "{text}");
    }

    #[test]
    fn a_module_is_named_after_its_file() {
        for (file, name) in [
            ("kvm-intel.ko.xz", "kvm_intel"),
            ("kvm_amd.btf", "kvm_amd"),
            ("vmlinux", "vmlinux"),
            ("5.4.0-91-generic.btf.xz", "5.4.0_91_generic"),
        ] {
            assert_eq!(module_name(Path::new(file)), name);
        }
    }
}
