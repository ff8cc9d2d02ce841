//! Files that are not texts, by their first bytes, and what to do with them.

use std::fmt;

/// What a file is that holds no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// A crash dump, by the name of its format.
    Dump(&'static str),
    /// Several files in one, by the name of the format.
    Archive(&'static str),
    /// A program, a library, a module or a kernel, by the name of the format.
    Program(&'static str),
    /// A journal of systemd as it lies on disk.
    Journal,
    /// The core of a process or the dump of a machine: ELF tells them by its notes.
    ElfCore,
    /// A trace of ftrace or perf.
    Trace(&'static str),
    /// A document or a picture.
    Document(&'static str),
    /// Packed more often than is unpacked.
    PackedTooDeep,
    /// Packed by a program whose format is not read.
    Packed(&'static str),
    /// Bytes that are not a text, of an unknown format.
    Binary,
}

/// Formats by a magic number at an offset.
const MAGICS: &[(usize, &[u8], Form)] = &[
    (0, b"KDUMP   ", Form::Dump("a kdump dump")),
    (0, b"DISKDUMP", Form::Dump("a diskdump dump")),
    (0, b"makedumpfile\0", Form::Dump("a flattened dump")),
    (0, b"EMiL", Form::Dump("a LiME dump")),
    (0, b"AVML", Form::Dump("an AVML dump")),
    (0, b"PAGEDU", Form::Dump("a Windows dump")),
    (0, b"MDMP", Form::Dump("a minidump")),
    (0, b"LPKSHHRH", Form::Journal),
    (0, b"PK\x03\x04", Form::Archive("a zip archive")),
    (0, b"PK\x05\x06", Form::Archive("a zip archive")),
    (0, b"070701", Form::Archive("a cpio archive")),
    (0, b"070702", Form::Archive("a cpio archive")),
    (0, b"070707", Form::Archive("a cpio archive")),
    (0, b"7z\xbc\xaf\x27\x1c", Form::Archive("a 7z archive")),
    (0, b"Rar!\x1a\x07", Form::Archive("a rar archive")),
    (0, b"!<arch>\n", Form::Archive("an ar archive")),
    (0, b"\xed\xab\xee\xdb", Form::Archive("an rpm package")),
    (0, b"hsqs", Form::Archive("a squashfs image")),
    (257, b"ustar", Form::Archive("a tar archive")),
    (0, b"MZ", Form::Program("a PE executable")),
    (0, b"\xcf\xfa\xed\xfe", Form::Program("a Mach-O file")),
    (
        0,
        b"\xca\xfe\xba\xbe",
        Form::Program("a class or Mach-O file"),
    ),
    (0, b"\0asm", Form::Program("a WebAssembly module")),
    (0, b"BC\xc0\xde", Form::Program("LLVM bitcode")),
    (
        0,
        b"\x17\x08\x44tracing",
        Form::Trace("a trace of trace-cmd"),
    ),
    (0, b"PERFILE2", Form::Trace("a recording of perf")),
    (0, b"%PDF-", Form::Document("a PDF document")),
    (0, b"\x89PNG", Form::Document("a PNG picture")),
    (0, b"\xff\xd8\xff", Form::Document("a JPEG picture")),
    (0, b"GIF8", Form::Document("a GIF picture")),
    (
        0,
        b"SQLite format 3\0",
        Form::Document("an SQLite database"),
    ),
    (0, b"\x1f\x9d", Form::Packed("a file packed by compress")),
    (0, b"\x1f\xa0", Form::Packed("a file packed by compress")),
    (0, b"\x89LZO\0", Form::Packed("a file packed by lzop")),
    (0, b"LZIP\x01", Form::Packed("a file packed by lzip")),
    (0, b"]\0\0", Form::Packed("a file packed by lzma")),
];

impl Form {
    /// What the file is, where it is not a text.
    pub(super) fn of(head: &[u8]) -> Option<Form> {
        if head.starts_with(b"\x7fELF") {
            return Some(elf(head));
        }
        let known = MAGICS.iter().find(|(at, magic, _)| {
            head.get(*at..)
                .is_some_and(|there| there.starts_with(magic))
        });
        match known {
            Some((_, magic, form)) if magic.len() > 3 || !is_text(head) => Some(*form),
            _ => (!is_text(head)).then_some(Form::Binary),
        }
    }

    /// What to do instead.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Form::Dump(_) => "give it without --log",
            Form::ElfCore => {
                "give a dump of a machine without --log; a process' core holds no kernel log"
            }
            Form::Archive(_) => "unpack it and give the log that is in it",
            Form::Program(_) => {
                "give the kernel's log: what dmesg, the journal or a console printed"
            }
            Form::Journal => "print it: journalctl --file FILE -k -o short-monotonic",
            Form::Trace(_) => "print it as a text first",
            Form::Document(_) => "give the log as plain text",
            Form::PackedTooDeep => "unpack it first",
            Form::Packed(_) => "unpack it first",
            Form::Binary => "give the kernel's log as plain text",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Dump(name)
            | Form::Archive(name)
            | Form::Program(name)
            | Form::Trace(name)
            | Form::Document(name)
            | Form::Packed(name) => name,
            Form::Journal => "a journal file of systemd",
            Form::ElfCore => "an ELF core file",
            Form::PackedTooDeep => "a file packed many times over",
            Form::Binary => "a file of bytes that are not text",
        })
    }
}

/// By `e_type`, whose place is the same in both classes.
fn elf(head: &[u8]) -> Form {
    let big = head.get(5) == Some(&2);
    let kind = match head.get(16..18) {
        Some([a, b]) if big => u16::from_be_bytes([*a, *b]),
        Some([a, b]) => u16::from_le_bytes([*a, *b]),
        _ => 0,
    };
    match kind {
        1 => Form::Program("an ELF object or kernel module"),
        2 => Form::Program("an ELF executable"),
        3 => Form::Program("an ELF executable or library"),
        4 => Form::ElfCore,
        _ => Form::Program("an ELF file"),
    }
}

/// Whether bytes may be a text: consoles put some noise into logs, but no fifth of them.
fn is_text(head: &[u8]) -> bool {
    let noise = head
        .iter()
        .filter(|b| matches!(b, 0..=6 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f))
        .count();
    // A block of zeros that a power cut left in a log counts once.
    let zeros = head.iter().filter(|b| **b == 0).count();
    let lines = memchr::memchr_iter(b'\n', head).count();
    let noise = if zeros == noise && lines > 8 {
        0
    } else {
        noise
    };
    noise.saturating_mul(5) <= head.len()
}
