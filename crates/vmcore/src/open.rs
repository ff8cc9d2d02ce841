//! Opening a dump: what its files are, and what is in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dump::{Dump, Memory};
use crate::elfcore::ElfCore;
use crate::flattened::Flattened;
use crate::format::Format;
use crate::kdump::KdumpFile;
use crate::packed::{self, Packing, Unpack};
use crate::signature::{Signature, recognise};
use crate::source::{Source, is_procfs};
use crate::split::Parts;
use crate::{Error, PhysAddr, raw};

/// How to open a dump.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Map the files into memory instead of reading them by position (the default). A file that
    /// is truncated while it is open ends in an error either way, but only without mapping is
    /// this certain to the microsecond, and only then does a failing disk or network end in an
    /// error and not in SIGBUS. Mapping was not measured to be faster. Files with holes and files
    /// in /proc are never mapped.
    pub mmap: bool,
    /// Decoded pages that are kept, 256 by default.
    pub cache_pages: usize,
    /// Where to unpack a file that is packed whole (gzip, xz, zstd, lz4). `None`, the default: such
    /// a file is refused, with the command that unpacks it.
    pub unpack: Option<Unpack>,
    /// Keep in mind which bytes are read ([`Dump::recorded`]).
    pub record: bool,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            mmap: false,
            cache_pages: 256,
            unpack: None,
            record: false,
        }
    }
}

impl OpenOptions {
    /// The same options with `mmap` set.
    #[must_use]
    pub fn with_mmap(mut self, mmap: bool) -> OpenOptions {
        self.mmap = mmap;
        self
    }

    /// The same options with `unpack` set.
    #[must_use]
    pub fn with_unpack(mut self, unpack: Unpack) -> OpenOptions {
        self.unpack = Some(unpack);
        self
    }

    /// The same options with `record` set.
    #[must_use]
    pub fn with_record(mut self, record: bool) -> OpenOptions {
        self.record = record;
        self
    }

    /// The same options with `cache_pages` set.
    #[must_use]
    pub fn with_cache_pages(mut self, pages: usize) -> OpenOptions {
        self.cache_pages = pages;
        self
    }
}

/// A file that was opened and recognised.
struct Opened {
    source: Arc<Source>,
    signature: Signature,
    /// Its bytes are those of a flattened file's records.
    flattened: bool,
    kcore: bool,
    packing: Option<Packing>,
    /// What unpacking found to be lost.
    damage: Option<String>,
}

impl Dump {
    /// Opens a dump. Several paths are the parts of one split dump, in any order, or raw images,
    /// each as `FILE@ADDRESS`.
    ///
    /// # Errors
    /// The file cannot be read, is no dump, is of a format that is not read, or ends or is
    /// damaged before its memory begins. Whatever is lost behind that is an error of the pages
    /// concerned, and told by [`Dump::completeness`].
    pub fn open(paths: &[PathBuf], options: &OpenOptions) -> Result<Dump, Error> {
        if let Some(images) = raw_images(paths, options) {
            return Ok(Dump::raw(images?, options).recording(options.record));
        }
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let (source, packing, damage) =
                unpacked(path, options, |head| recognise(head).map(drop))?;
            files.push(Opened {
                packing,
                damage,
                ..opened(source, is_kcore(path))?
            });
        }
        Dump::from_files(files, options)
    }

    /// Opens a dump that is a buffer.
    ///
    /// # Errors
    /// As for [`Dump::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Dump, Error> {
        let file = opened(Source::from_bytes(bytes), false)?;
        Dump::from_files(vec![file], &OpenOptions::default())
    }

    /// Opens the parts of a split dump that are buffers, in any order.
    ///
    /// # Errors
    /// As for [`Dump::open`].
    pub fn from_parts(parts: Vec<Vec<u8>>) -> Result<Dump, Error> {
        let files: Result<Vec<Opened>, Error> = parts
            .into_iter()
            .map(|bytes| opened(Source::from_bytes(bytes), false))
            .collect();
        Dump::from_files(files?, &OpenOptions::default())
    }

    fn from_files(mut files: Vec<Opened>, options: &OpenOptions) -> Result<Dump, Error> {
        let first = files.first().ok_or(Error::NoInput)?;
        let packing = first.packing;
        let mut reasons: Vec<String> = files.iter().filter_map(flattened_damage).collect();
        reasons.extend(files.iter().filter_map(|file| file.damage.clone()));
        let same = |file: &&Opened| !matches!(file.signature, Signature::Kdump);
        if let (true, Some(other)) = (files.len() > 1, files.iter().find(same)) {
            return Err(Error::SplitMismatch {
                file: other.source.name().to_owned(),
                other: first.source.name().to_owned(),
                what: "only kdump-compressed dumps are split".to_owned(),
            });
        }
        let mut dump = match first.signature {
            Signature::Kdump => Dump::kdump(files, options)?,
            _ => Dump::image(files.swap_remove(0), options)?,
        };
        dump.packing = packing;
        // The cause before what follows from it.
        reasons.append(&mut dump.reasons);
        dump.reasons = reasons;
        dump.read_vmcoreinfo();
        Ok(dump.recording(options.record))
    }

    fn raw(images: RawImages, options: &OpenOptions) -> Dump {
        let memory = Memory::Image(raw::open(images.files));
        let mut dump = Dump::new(Format::Raw, memory, options.cache_pages);
        dump.packing = images.packing;
        dump.reasons = images.reasons;
        dump
    }

    fn kdump(files: Vec<Opened>, options: &OpenOptions) -> Result<Dump, Error> {
        let flattened = files.iter().any(|file| file.flattened);
        let parts: Result<Vec<KdumpFile>, Error> = files
            .into_iter()
            .map(|file| KdumpFile::open(file.source))
            .collect();
        let parts = Parts::new(parts?)?;
        let format = match (parts.is_split(), flattened) {
            (true, _) => Format::KdumpSplit,
            (false, true) => Format::KdumpFlattened,
            (false, false) => Format::Kdump,
        };
        let file = parts.files().first().map(|file| file.source.clone());
        let mut dump = Dump::new(format, Memory::Kdump(parts), options.cache_pages);
        dump.read_kdump_notes();
        if let (Err(what), Some(file)) = (dump.read_held(), file) {
            let expected = "a list of the bytes that the extract holds";
            return Err(file.corrupt("note of the extract", 0, expected, what));
        }
        Ok(dump)
    }

    fn image(file: Opened, options: &OpenOptions) -> Result<Dump, Error> {
        let Signature::Image(kind) = file.signature else {
            return Dump::elf(file, options);
        };
        let (image, reasons) = (kind.open)(file.source)?;
        let mut dump = Dump::new(kind.format, Memory::Image(image), options.cache_pages);
        dump.reasons = reasons;
        Ok(dump)
    }

    fn elf(file: Opened, options: &OpenOptions) -> Result<Dump, Error> {
        let elf = ElfCore::open(file.source)?;
        let format = match (file.kcore, file.flattened) {
            (true, _) => Format::Kcore,
            (false, true) => Format::ElfFlattened,
            (false, false) => Format::Elf,
        };
        let mut dump = Dump::new(format, Memory::Image(elf.image), options.cache_pages);
        dump.notes = elf.notes;
        dump.reasons = elf.reasons;
        dump.elf = Some((elf.header, elf.segments));
        Ok(dump)
    }
}

/// The files of a raw dump, each with the address of its first byte.
#[derive(Default)]
struct RawImages {
    files: Vec<(Arc<Source>, PhysAddr)>,
    packing: Option<Packing>,
    reasons: Vec<String>,
}

/// The raw images that the paths name; `None`: they name no raw images.
fn raw_images(paths: &[PathBuf], options: &OpenOptions) -> Option<Result<RawImages, Error>> {
    let named: Option<Vec<(PathBuf, PhysAddr)>> =
        paths.iter().map(|path| raw::split_name(path)).collect();
    let named = named.filter(|named| !named.is_empty())?;
    let mut images = RawImages::default();
    for (path, at) in named {
        match unpacked(&path, options, |_| Ok(())) {
            Ok((source, packing, damage)) => {
                images.files.push((Arc::new(source), at));
                images.packing = images.packing.or(packing);
                images.reasons.extend(damage);
            }
            Err(error) => return Some(Err(error)),
        }
    }
    Some(Ok(images))
}

/// Opens a file; where it is packed, and may be, unpacks it if `accept` takes its first bytes.
fn unpacked(
    path: &Path,
    options: &OpenOptions,
    accept: impl Fn(&Source) -> Result<(), Error>,
) -> Result<(Source, Option<Packing>, Option<String>), Error> {
    let source = Source::open(path, options.mmap)?;
    let Some(how) = &options.unpack else {
        return Ok((source, None, None));
    };
    Ok(match packed::unpack(source, how, accept)? {
        Ok(file) => (file.source, Some(file.packing), file.damage),
        Err(source) => (source, None, None),
    })
}

fn is_kcore(path: &Path) -> bool {
    is_procfs(path) && path.file_name().is_some_and(|name| name == "kcore")
}

/// Recognises a file, and looks inside if it is flattened.
fn opened(source: Source, kcore: bool) -> Result<Opened, Error> {
    let source = Arc::new(source);
    let signature = recognise(&source)?;
    if !matches!(signature, Signature::Flattened) {
        return Ok(Opened {
            source,
            signature,
            flattened: false,
            kcore,
            packing: None,
            damage: None,
        });
    }
    let name = source.name().to_owned();
    let inner = Source::from_layer(name, Flattened::open(source)?);
    let signature = recognise(&inner)?;
    if matches!(signature, Signature::Flattened) {
        return Err(inner.corrupt("flattened content", 0, "a dump", "a flattened file again"));
    }
    Ok(Opened {
        source: Arc::new(inner),
        signature,
        flattened: true,
        kcore,
        packing: None,
        damage: None,
    })
}

fn flattened_damage(file: &Opened) -> Option<String> {
    let damage = file.source.damage()?;
    Some(format!(
        "{}: the flattened file has no end: {} (offset {}); what comes before is read",
        file.source.name(),
        damage.what,
        damage.at
    ))
}
