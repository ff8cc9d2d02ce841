//! A Linux vmcore as physical memory.
//!
//! [`Dump::open`] takes the file, or the files of a split dump, whatever their format: ELF
//! (/proc/vmcore, makedumpfile `-E`, QEMU), kdump-compressed with every codec, the flattened form
//! of both, split, incomplete and truncated ones, LiME, and raw images as `FILE@ADDRESS`.
//! [`Dump::read_at`] gives the bytes at a physical address, or says which one is missing and why
//! ([`PageError`]): no memory there, left out, lost, or damaged. The CPUs' notes and VMCOREINFO
//! come along. Virtual addresses and kernel symbols are another crate's.
//!
//! Opening reads headers and notes only. Pages are decoded when they are asked for and kept in a
//! small cache; a [`Dump`] is `Send + Sync` and meant to be shared by threads.
//!
//! ```no_run
//! use virtopsy_vmcore::{Dump, OpenOptions, PhysAddr};
//!
//! let dump = Dump::open(&["vmcore".into()], &OpenOptions::default())?;
//! let mut word = [0; 8];
//! dump.read_at(PhysAddr(0x100_0000), &mut word)?;
//! println!("{} {:x?}", dump.format(), word);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | file | read | page outcomes beside data |
//! |---|---|---|
//! | kdump-compressed 0 to 6, `DISKDUMP`; raw, zlib, lzo, snappy, zstd; one or two bitmaps; pages of 512 bytes to 1 MiB | yes | hole, excluded, incomplete, corrupt |
//! | its parts (`--split`), any order, some missing | yes | the same; pages of a missing part are incomplete |
//! | ELF core, 64-bit or 32-bit fields, little-endian, up to 4 Mi segments (PN_XNUM) | yes | hole, excluded (or zero: the file does not tell), incomplete where truncated |
//! | flattened form of these, records in any order, truncated | yes | the same |
//! | LiME; AVML 2 (snappy frames, checksums held) | yes | hole (AVML: or zero), incomplete, corrupt |
//! | raw memory, `FILE@ADDRESS` | yes | hole |
//! | /proc/kcore (live) | yes, tested on files of its shape | hole |
//! | sadump, LKCD, VMware .vmss/.vmsn, QEMU savevm, libvirt save, Xen saves and host dumps, hibernation images, s390, Windows dumps, qcow2 | named, with the way out | |
//! | gzip, xz, zstd, lz4 around any of these | unpacked onto disk where [`OpenOptions::unpack`] allows it, else named | those of what is inside |
//! | bzip2, lzop, zip, tar around a dump | named, with the command that unpacks it | |
//! | a dump of an arm64, arm, i386, riscv, ppc, s390, ... machine (ELF, kdump); vmlinux, module, vmlinuz, core of a process | named | |
//!
//! What the file says is never trusted: sizes are held against the file's length before anything
//! is allocated, numbers are checked before they are added, and damage ends in an error.

mod addr;
mod architecture;
mod bitmap;
mod cache;
mod codec;
mod dump;
mod elfcore;
mod error;
mod extract;
mod fields;
mod flattened;
mod format;
mod held;
mod image;
mod kdump;
mod map;
mod notes;
mod open;
mod packed;
mod raw;
mod read;
mod run;
mod scan;
mod signature;
mod source;
mod span;
mod split;
mod vmcoreinfo;

pub use addr::{FileOffset, Pfn, PhysAddr};
pub use cache::Page;
pub use codec::Codec;
pub use dump::{Completeness, Dump};
pub use elfcore::{ElfHeader, Segment as ElfSegment};
pub use error::{Error, PageError, PageState};
pub use extract::{ExtractHead, PagePacking, Written};
pub use format::Format;
pub use held::HeldBytes;
pub use kdump::{KdumpHeader, Utsname};
pub use notes::{Note, PrStatus, QemuCpu, Segment, UserRegs};
pub use open::OpenOptions;
pub use packed::{Packing, Unpack, UnpackProgress};
pub use scan::{FoundVmcoreInfo, PageCounts};
pub use source::is_procfs;
pub use vmcoreinfo::VmcoreInfo;
