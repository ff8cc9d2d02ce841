//! Raw memory images: nothing but bytes, at an address that the user gives as `FILE@ADDRESS`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::PhysAddr;
use crate::image::{Extent, Image};
use crate::source::Source;

/// Splits `FILE@ADDRESS`, the address in hexadecimal with or without `0x`. `None`: a path like
/// any other, also where a file of the whole name exists.
pub(crate) fn split_name(path: &Path) -> Option<(PathBuf, PhysAddr)> {
    let name = path.to_str()?;
    let (file, address) = name.rsplit_once('@')?;
    if file.is_empty() || path.exists() {
        return None;
    }
    let digits = address.strip_prefix("0x").unwrap_or(address);
    let address = u64::from_str_radix(digits, 16).ok()?;
    Some((PathBuf::from(file), PhysAddr(address)))
}

/// An image of whole files, each from its own address.
pub(crate) fn open(files: Vec<(Arc<Source>, PhysAddr)>) -> Image {
    let extents: Vec<Extent> = files
        .iter()
        .enumerate()
        .map(|(file, (source, address))| Extent {
            start: address.0,
            len: source.len(),
            offset: Some(0),
            file,
        })
        .collect();
    Image::new(
        files.into_iter().map(|(source, _)| source).collect(),
        &extents,
    )
}
