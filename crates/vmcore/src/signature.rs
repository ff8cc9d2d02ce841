//! What a file is, by its first bytes.

use crate::Error;
use crate::fields::Fields;
use crate::flattened;
use crate::format::{IMAGES, ImageFormat};
use crate::source::Source;

/// A kind of file that is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signature {
    Elf,
    Kdump,
    Flattened,
    Image(&'static ImageFormat),
}

/// Bytes that are looked at.
const LOOKED_AT: u64 = 4096;

/// A format that is recognised and not read: its first bytes, name and way out, in which `{file}`
/// stands for the file.
struct Foreign {
    at: usize,
    magic: &'static [u8],
    name: &'static str,
    hint: &'static str,
}

const fn foreign(magic: &'static [u8], name: &'static str, hint: &'static str) -> Foreign {
    Foreign {
        at: 0,
        magic,
        name,
        hint,
    }
}

const VMWARE: &str = "convert it with VMware's vmss2core -N, or give the .vmem file as FILE.vmem@0 \
                      (guests below 3 GiB)";
const LIBVIRT: &str = "take a dump with `virsh dump --memory-only --format elf`";
const TO_KDUMP: &str = "convert it with makedumpfile";

/// Sources: crash's and libkdumpfile's lists of formats, and each format's own header.
const FOREIGN: &[Foreign] = &[
    foreign(b"sadump\0\0", "a sadump dump", TO_KDUMP),
    foreign(
        &0xa819_0173_618f_23ed_u64.to_le_bytes(),
        "an LKCD dump",
        "read it with crash",
    ),
    foreign(
        &0xa819_0173_618f_23ed_u64.to_be_bytes(),
        "an LKCD dump of a big-endian machine",
        "read it with crash",
    ),
    foreign(
        &0xa819_0173_618f_23fd_u64.to_be_bytes(),
        "an s390 stand-alone dump",
        "only dumps of x86-64 machines are analysed",
    ),
    foreign(&0xbed0_bed0_u32.to_le_bytes(), "a VMware snapshot", VMWARE),
    foreign(&0xbed2_bed0_u32.to_le_bytes(), "a VMware snapshot", VMWARE),
    foreign(&0xbed2_bed2_u32.to_le_bytes(), "a VMware snapshot", VMWARE),
    foreign(&0xbed3_bed3_u32.to_le_bytes(), "a VMware snapshot", VMWARE),
    foreign(&0xbad1_bad1_u32.to_le_bytes(), "a VMware snapshot", VMWARE),
    foreign(
        b"QEVM",
        "a QEMU migration stream (savevm)",
        "load it in QEMU and take a dump with dump-guest-memory",
    ),
    foreign(b"LibvirtQemudSave", "a libvirt save file", LIBVIRT),
    foreign(
        b"LibvirtQemudPart",
        "an unfinished libvirt save file",
        LIBVIRT,
    ),
    // Where the caller allows it, the first four are unpacked (`packed`) before they come here.
    foreign(
        b"\x1f\x8b",
        "a gzip file",
        "unpack it: gzip -dc {file} > vmcore",
    ),
    foreign(
        b"\xfd7zXZ\0",
        "an xz file",
        "unpack it: xz -dc {file} > vmcore",
    ),
    foreign(
        b"\x28\xb5\x2f\xfd",
        "a zstd file",
        "unpack it: zstd -dc {file} > vmcore",
    ),
    foreign(
        b"BZh",
        "a bzip2 file",
        "unpack it: bzip2 -dc {file} > vmcore",
    ),
    foreign(
        b"\x04\x22\x4d\x18",
        "an lz4 file",
        "unpack it: lz4 -dc {file} > vmcore",
    ),
    foreign(
        b"\x89LZO",
        "an lzop file",
        "unpack it: lzop -dc {file} > vmcore",
    ),
    foreign(b"PK\x03\x04", "a zip file", "unpack it: unzip {file}"),
    foreign(
        b"LinuxGuestRecord",
        "a Xen save file",
        "take a dump with xl dump-core",
    ),
    foreign(
        b"XenSavedDomain",
        "a Xen save file",
        "take a dump in the guest with kdump",
    ),
    foreign(
        b"QFI\xfb",
        "a QEMU disk image (qcow2)",
        "a snapshot inside it is read by QEMU; take a dump with dump-guest-memory",
    ),
    foreign(
        b"PAGEDU64",
        "a Windows crash dump",
        "only Linux dumps are analysed",
    ),
    foreign(
        b"PAGEDUMP",
        "a Windows crash dump",
        "only Linux dumps are analysed",
    ),
    Foreign {
        at: 4086,
        magic: b"S1SUSPEND",
        name: "a hibernation image",
        hint: "resume from it and crash the machine with kdump armed",
    },
    Foreign {
        at: 257,
        magic: b"ustar",
        name: "a tar archive",
        hint: "unpack it: tar -xf {file}",
    },
];

/// Bytes of a kdump file's header.
const KDUMP_HEADER: u64 = 464;
/// Bytes of a 64-bit ELF file's header.
const ELF_HEADER: u64 = 64;
/// The longest mark of a vmlinuz, `HdrS` of the boot protocol.
const VMLINUZ: (usize, &[u8]) = (0x202, b"HdrS");

/// Tells what the file is, or refuses it by name.
pub(crate) fn recognise(source: &Source) -> Result<Signature, Error> {
    let len = source.len().min(LOOKED_AT);
    // Of a flattened file that is cut no more may be there than the header itself.
    let shorter = [KDUMP_HEADER, ELF_HEADER].map(|header| header.min(len));
    let mut heads = shorter
        .iter()
        .filter_map(|len| source.header("first bytes", 0, *len).ok());
    let head = match source.header("first bytes", 0, len) {
        Ok(head) => head,
        Err(error) => heads.next().ok_or(error)?,
    };
    let starts = |magic: &[u8]| head.starts_with(magic);
    if starts(b"\x7fELF") {
        return Ok(Signature::Elf);
    }
    if starts(b"KDUMP   ") || starts(b"DISKDUMP") {
        return Ok(Signature::Kdump);
    }
    if starts(flattened::SIGNATURE) {
        return Ok(Signature::Flattened);
    }
    match IMAGES.into_iter().find(|format| starts(format.magic)) {
        Some(format) => Ok(Signature::Image(format)),
        None => Err(refusal(source, &head)),
    }
}

fn refusal(source: &Source, head: &[u8]) -> Error {
    let holds = |at: usize, magic: &[u8]| Fields(head).bytes(at, magic.len()) == Some(magic);
    let file = source.name().to_owned();
    if let Some(known) = FOREIGN.iter().find(|known| holds(known.at, known.magic)) {
        return Error::UnsupportedFormat {
            format: known.name.to_owned(),
            hint: known.hint.replace("{file}", &file),
            file,
        };
    }
    if holds(VMLINUZ.0, VMLINUZ.1) {
        return Error::UnsupportedFormat {
            file,
            format: "a compressed kernel (vmlinuz)".to_owned(),
            hint: "give the dump here, and a vmlinux with --vmlinux".to_owned(),
        };
    }
    Error::NotADump {
        file,
        found: beginning(head),
    }
}

/// The first bytes in hexadecimal, or that there are none.
fn beginning(head: &[u8]) -> String {
    if head.is_empty() {
        return "nothing: it is empty".to_owned();
    }
    let shown = head.get(..16).unwrap_or(head);
    if shown.iter().all(|byte| *byte == 0) {
        return "zeros: a sparse or failed copy perhaps".to_owned();
    }
    let hex: Vec<String> = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.join(" ")
}
