//! BTF, the kernel's compact types (`Documentation/bpf/btf.rst`,
//! `include/uapi/linux/btf.h`; vmlinux since 4.20, modules since 5.11).
//!
//! ```text
//!  0 magic 0xeb9f │ 2 version 1 │ 3 flags │ 4 hdr_len
//!  8 type_off │ 12 type_len │ 16 str_off │ 20 str_len       (from the header's end)
//! 24 layout_off │ 28 layout_len                             (if hdr_len ≥ 32)
//!
//!  types: a row of records, numbered from 1 (a split BTF goes on where its base ends)
//!  ┌──────────┬──────────────────────────────────┬────────────┬───────────────┐
//!  │ name_off │ info: vlen 0-23 kind 24-30 flag 31│ size / type│ kind's own …  │
//!  └──────────┴──────────────────────────────────┴────────────┴───────────────┘
//!  strings: NUL-terminated, the first one empty
//! ```
//!
//! Opening is one pass that notes where each record starts. The indexes of names
//! are built when a name is first asked for: functions, which are three names of
//! four, have one of their own.

mod describe;
mod distilled;
mod lookup;
mod record;

use std::sync::{Arc, OnceLock};

use crate::model::{MAX_NAME, TypeOrigin, Variable};
use crate::name_index::NameIndex;
use crate::read::{c_str_at, u8_at, u16_at, u32_at};
use crate::{Error, FileBytes, Tag, Type, TypeId, TypeSource};

use distilled::Remap;
use record::{Kind, Record, trailing_len};

/// What errors call the section as a whole.
const PLACE: &str = ".BTF";
/// `BTF_MAGIC` in the file's own byte order.
const MAGIC: u16 = 0xeb9f;
/// Bytes of `struct btf_type`.
const RECORD_LEN: usize = 12;
/// Kinds that have no name lead nowhere; this is the record of none.
const FIRST_ID: u32 = 1;

/// The types of one kernel, or of one module on top of its kernel's.
#[derive(Debug)]
pub struct Btf {
    types: FileBytes,
    strings: FileBytes,
    /// Where the record of type `first_id + n` starts in `types`.
    starts: Box<[u32]>,
    /// The number of the first record here: 1, or where the base ends.
    first_id: u32,
    /// What string offsets here count from: 0, or the length of the base's strings.
    first_string: u32,
    /// Whether some enum says that it is signed. Before 6.0 none did, and all
    /// values were meant to be signed.
    knows_signed_enums: bool,
    base: Option<Arc<Btf>>,
    /// Set if references and strings go through a distilled base.
    remap: Option<Remap>,
    names: OnceLock<Result<NameIndex, Error>>,
    functions: OnceLock<Result<NameIndex, Error>>,
    enumerators: OnceLock<Result<NameIndex, Error>>,
}

/// The ranges that a BTF header states, as offsets in the whole section.
struct Header {
    types: (usize, usize),
    strings: (usize, usize),
    layout: Option<(usize, usize)>,
}

impl Btf {
    /// Reads BTF, from a `.BTF` section or from `__start_BTF` in a dump. A
    /// module's is split: its numbers and strings go on where `base` ends.
    pub fn parse(bytes: impl Into<FileBytes>, base: Option<Arc<Self>>) -> Result<Self, Error> {
        Self::parse_on(&bytes.into(), base, None)
    }

    /// Reads a module's split BTF that was made against a distilled base
    /// (section `.BTF.base`, since 6.11) and puts it on top of the kernel's own.
    ///
    /// The kernel does the same when it loads the module, so that BTF which was
    /// read from a dump's memory is plain split BTF: use [`Self::parse`] there.
    pub fn parse_distilled(
        bytes: impl Into<FileBytes>,
        distilled: impl Into<FileBytes>,
        base: Arc<Self>,
    ) -> Result<Self, Error> {
        let distilled = Self::parse(distilled, None)?;
        let remap = Remap::new(distilled, &base)?;
        Self::parse_on(&bytes.into(), Some(base), Some(remap))
    }

    fn parse_on(
        bytes: &FileBytes,
        base: Option<Arc<Self>>,
        remap: Option<Remap>,
    ) -> Result<Self, Error> {
        let header = Header::parse(bytes)?;
        let part = |(start, len)| {
            bytes
                .slice(start, len)
                .ok_or_else(|| Error::truncated(PLACE, bytes, start, len))
        };
        let layout = header.layout.map(part).transpose()?;
        let mut btf = Self {
            types: part(header.types)?,
            strings: part(header.strings)?,
            starts: Box::default(),
            first_id: base.as_ref().map_or(FIRST_ID, |base| base.end_id()),
            first_string: base.as_ref().map_or(0, |base| base.end_string()),
            knows_signed_enums: false,
            base,
            remap,
            names: OnceLock::new(),
            functions: OnceLock::new(),
            enumerators: OnceLock::new(),
        };
        if let Some(remap) = &btf.remap {
            btf.first_string = remap.distilled.end_string();
        }
        btf.scan(layout.as_deref())?;
        tracing::debug!(
            types = btf.starts.len(),
            first_id = btf.first_id,
            "read BTF"
        );
        Ok(btf)
    }

    /// The one pass over all records.
    fn scan(&mut self, layout: Option<&[u8]>) -> Result<(), Error> {
        let bytes: &[u8] = &self.types;
        if u32::try_from(bytes.len()).is_err() {
            return Err(Error::malformed(
                ".BTF types",
                0,
                "less than 4 GiB",
                format!("{} bytes", bytes.len()),
            ));
        }
        // A kernel's records take 20 bytes on average; a hostile length costs at most this.
        let mut starts = Vec::with_capacity(bytes.len() / 20);
        let mut at = 0usize;
        while at < bytes.len() {
            let info = u32_at(bytes, at + 4)
                .ok_or_else(|| Error::truncated(".BTF types", bytes, at, RECORD_LEN))?;
            let (kind, vlen, flag) = record::split_info(info);
            self.knows_signed_enums |= kind == Kind::ENUM64 || (kind == Kind::ENUM && flag);
            let own = trailing_len(kind, vlen, layout).ok_or_else(|| {
                Error::malformed(
                    ".BTF types",
                    at,
                    "a kind from 1 to 19",
                    format!("kind {kind}"),
                )
            })?;
            let len = own.saturating_add(RECORD_LEN);
            if len > bytes.len() - at {
                return Err(Error::truncated(".BTF types", bytes, at, len));
            }
            starts.push(at as u32);
            at += len;
        }
        if starts.len() as u64 + u64::from(self.first_id) > u64::from(u32::MAX) {
            return Err(Error::malformed(
                ".BTF types",
                0,
                "type numbers of 32 bits",
                format!("{} types", starts.len()),
            ));
        }
        self.starts = starts.into_boxed_slice();
        Ok(())
    }

    /// How many types stand here, the base's not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there are no types here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The kernel's BTF that this module's stands on.
    #[must_use]
    pub fn base(&self) -> Option<&Arc<Self>> {
        self.base.as_ref()
    }

    /// The numbers of the types that stand here, the base's not counted.
    pub fn ids(&self) -> impl Iterator<Item = TypeId> + use<> {
        (self.first_id..self.end_id()).map(|id| TypeId(id.into()))
    }

    /// The first number past the end.
    fn end_id(&self) -> u32 {
        // scan() made sure that the sum fits.
        self.first_id.saturating_add(self.starts.len() as u32)
    }

    /// The first string offset past the end.
    fn end_string(&self) -> u32 {
        self.first_string
            .saturating_add(u32::try_from(self.strings.len()).unwrap_or(u32::MAX))
    }

    /// The record of a type that stands here.
    fn own_record(&self, id: u32) -> Option<Record> {
        let index = id.checked_sub(self.first_id)?;
        let start = *self.starts.get(index as usize)? as usize;
        Record::at(&self.types, start)
    }

    /// The string at `offset`, without its NUL, from here or from the base.
    fn string(&self, offset: u32) -> Result<&[u8], Error> {
        let own = match offset.checked_sub(self.first_string) {
            Some(own) => own as usize,
            None => match (&self.remap, &self.base) {
                (Some(remap), _) => return remap.distilled.string(offset),
                (None, Some(base)) => return base.string(offset),
                (None, None) => 0,
            },
        };
        c_str_at(&self.strings, own, MAX_NAME).ok_or_else(|| {
            Error::malformed(
                ".BTF strings",
                own,
                "a string that ends",
                format!("none within {MAX_NAME} bytes"),
            )
        })
    }

    fn text(&self, offset: u32) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(self.string(offset)?).into_owned())
    }

    /// A type number as it stands in a record here, as a handle.
    fn refer(&self, id: u32) -> TypeId {
        TypeId(match &self.remap {
            Some(remap) => remap.translate(id, self.first_id).into(),
            None => id.into(),
        })
    }
}

impl TypeSource for Btf {
    fn origin(&self) -> TypeOrigin {
        TypeOrigin::Btf
    }

    fn find(&self, tag: Tag, name: &str) -> Result<Option<TypeId>, Error> {
        self.find_here_or_below(tag, name)
    }

    fn describe(&self, id: TypeId) -> Result<Type, Error> {
        self.describe_type(id)
    }

    fn variable(&self, name: &str) -> Result<Option<Variable>, Error> {
        self.find_variable(name)
    }

    fn enumerator(&self, name: &str) -> Result<Option<i64>, Error> {
        self.find_enumerator(name)
    }

    fn type_names(&self) -> Result<Vec<String>, Error> {
        self.names_of_types()
    }
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let short = |offset| Error::truncated(PLACE, bytes, offset, 24usize.saturating_sub(offset));
        let magic = u16_at(bytes, 0).ok_or_else(|| short(0))?;
        if magic == MAGIC.swap_bytes() {
            return Err(Error::unsupported(
                "big-endian BTF",
                "only x86-64 kernels are read",
            ));
        }
        if magic != MAGIC {
            return Err(Error::malformed(
                PLACE,
                0,
                "the magic number 0xeb9f",
                format!("{magic:#x}"),
            ));
        }
        let version = u8_at(bytes, 2).ok_or_else(|| short(2))?;
        if version != 1 {
            return Err(Error::malformed(PLACE, 2, "version 1", version.to_string()));
        }
        let word = |offset| {
            u32_at(bytes, offset)
                .map(|word| word as usize)
                .ok_or_else(|| short(offset))
        };
        let header_len = word(4)?;
        if header_len < 24 {
            return Err(Error::malformed(
                PLACE,
                4,
                "a header of 24 bytes or more",
                header_len.to_string(),
            ));
        }
        let range = |at: usize| -> Result<(usize, usize), Error> {
            Ok((header_len.saturating_add(word(at)?), word(at + 4)?))
        };
        let layout = if header_len >= 32 {
            Some(range(24)?).filter(|(_, len)| *len > 0)
        } else {
            None
        };
        Ok(Self {
            types: range(8)?,
            strings: range(16)?,
            layout,
        })
    }
}

#[cfg(test)]
mod tests;
