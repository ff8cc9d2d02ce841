//! Opening what was found: is it the right vmlinux; is it compressed.

use std::path::Path;

use crate::bzimage;
use crate::inflate::{Packing, unpack};
use crate::{ElfFile, ElfType, Error, Files};

/// What tells a compressed file and a bzImage (by its header at 0x202) from others.
const FIRST_BYTES: u64 = 0x206;

/// How sure it is that a vmlinux belongs to a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// The same build-id.
    Same,
    /// The dump or the file has none.
    Unknown,
}

/// Opens an ELF file; unpacks one that is compressed whole (gzip, xz, zstd, lz4: modules, SUSE's
/// vmlinux), and the kernel in a bzImage.
pub fn open_elf(path: &Path, files: &dyn Files) -> Result<ElfFile, Error> {
    let file = files.open(path).map_err(|source| Error::io(path, source))?;
    let first = file.first("first bytes", FIRST_BYTES)?;
    if bzimage::is_one(&first) {
        return ElfFile::parse(bzimage::vmlinux(&file.whole("compressed kernel image")?)?);
    }
    match Packing::of(&first) {
        Some(packing) => {
            let packed = file.whole("compressed file")?;
            ElfFile::parse(unpack(packing, &packed, None, "compressed file")?)
        }
        None => ElfFile::parse(file),
    }
}

/// A file that may serve as vmlinux, opened; if it may not, why.
pub(super) fn check_vmlinux(
    path: &Path,
    files: &dyn Files,
    wanted: Option<&str>,
) -> Result<(Fit, ElfFile), String> {
    let elf = open_elf(path, files).map_err(|error| error.to_string())?;
    match elf.elf_type() {
        ElfType::Executable | ElfType::Shared => {}
        ElfType::Core => return Err("a dump, not a vmlinux".to_owned()),
        ElfType::Relocatable => return Err("a module or object file, not a vmlinux".to_owned()),
        ElfType::Other(other) => return Err(format!("ELF type {other}, not a vmlinux")),
    }
    match (wanted, elf.build_id()) {
        (Some(wanted), Some(found)) if wanted.eq_ignore_ascii_case(&found) => Ok((Fit::Same, elf)),
        (Some(wanted), Some(found)) => Err(format!(
            "its build-id is {found}, the dump's kernel has {wanted}"
        )),
        _ => Ok((Fit::Unknown, elf)),
    }
}
