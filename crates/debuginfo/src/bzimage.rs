//! bzImage, the compressed kernel that a machine boots (vmlinuz): the ELF file in it.
//!
//! ```text
//! 0x1f1  u8   setup_sects      sectors of the setup code behind the first; 0 means 4
//! 0x202  "HdrS"                the boot protocol's header
//! 0x206  u16  version          2.08 and later tell where the payload is
//! 0x248  u32  payload_offset   from the end of the setup code
//! 0x24c  u32  payload_length
//! payload: the compressed vmlinux; behind it, but for gzip, its size as a u32
//! ```
//! Source: Documentation/arch/x86/boot.rst (2.08: Linux 2.6.26). The vmlinux in it is stripped of
//! symbols and DWARF; its notes, with the build-id, and its BTF are loaded, and so still there.

use crate::inflate::{Packing, unpack};
use crate::read::{u16_at, u32_at};
use crate::{Error, FileBytes};

const PLACE: &str = "compressed kernel image";
/// The payload was LZMA, bzip2 or LZO until zstd and xz were common.
const UNREAD: [(&[u8], &str); 3] = [
    (&[0x5d, 0, 0], "LZMA"),
    (b"BZh", "bzip2"),
    (&[0x89, b'L', b'Z', b'O'], "LZO"),
];

/// Whether a file is one.
pub(crate) fn is_one(bytes: &[u8]) -> bool {
    bytes.get(0x202..0x206) == Some(b"HdrS")
}

/// The vmlinux in it.
pub(crate) fn vmlinux(bytes: &FileBytes) -> Result<FileBytes, Error> {
    let short = || Error::truncated(PLACE, bytes, 0x1f1, 0x60);
    let version = u16_at(bytes, 0x206).ok_or_else(short)?;
    if version < 0x208 {
        let what = format!("a compressed kernel image (bzImage) of boot protocol {version:#x}");
        return Err(Error::unsupported(what, "give the vmlinux"));
    }
    let sectors = match bytes.get(0x1f1).copied().ok_or_else(short)? {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let offset = u32_at(bytes, 0x248).ok_or_else(short)? as usize;
    let len = u32_at(bytes, 0x24c).ok_or_else(short)? as usize;
    let start = sectors
        .saturating_add(1)
        .saturating_mul(512)
        .saturating_add(offset);
    let payload = bytes.slice(start, len);
    let payload = payload.ok_or_else(|| Error::truncated(PLACE, bytes, start, len))?;
    match Packing::of(&payload) {
        Some(Packing::Gzip) => unpack(Packing::Gzip, &payload, None, PLACE),
        // The size behind the others would be a block of LZ4.
        Some(packing) => {
            let packed = payload
                .len()
                .checked_sub(4)
                .and_then(|len| payload.get(..len));
            unpack(packing, packed.unwrap_or_default(), None, PLACE)
        }
        None if payload.starts_with(b"\x7fELF") => Ok(payload),
        None => Err(unread(&payload)),
    }
}

fn unread(payload: &[u8]) -> Error {
    let named = UNREAD.iter().find(|(magic, _)| payload.starts_with(magic));
    let name = named.map_or("an unknown compression", |(_, name)| name);
    Error::unsupported(
        format!("a compressed kernel image (bzImage) packed with {name}"),
        "unpack it with the kernel's scripts/extract-vmlinux",
    )
}

#[cfg(test)]
pub(crate) fn made(payload: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 1024];
    image[0x1f1] = 1;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
    image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
    image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    image.resize(1024 + 16, 0x90);
    image.extend(payload);
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_found_by_the_setup_header() {
        let image = FileBytes::from(made(b"\x7fELF as it is"));
        assert!(is_one(&image));
        assert_eq!(&*vmlinux(&image).unwrap(), b"\x7fELF as it is");
    }

    #[test]
    fn a_payload_that_is_not_there_or_not_read_is_an_error() {
        let mut cut = made(b"\x7fELF as it is");
        cut.truncate(1030);
        assert!(vmlinux(&FileBytes::from(cut)).is_err());
        let lzo = vmlinux(&FileBytes::from(made(b"\x89LZO\0\r\n"))).unwrap_err();
        assert!(lzo.to_string().contains("LZO"), "{lzo}");
        let mut old = made(b"\x7fELF");
        old[0x206] = 7;
        assert!(vmlinux(&FileBytes::from(old)).is_err());
        for len in 0x202..0x250 {
            let stub = made(b"")[..len].to_vec();
            assert!(vmlinux(&FileBytes::from(stub)).is_err());
        }
    }
}
