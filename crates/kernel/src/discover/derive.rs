//! VMCOREINFO by way of a vmlinux: what its kernel would have said (`CONFIG_VMCORE_INFO` may be
//! off, or the page lost).
//!
//! The page tables come from a CPU's CR3, or from where the vmlinux's banner stands in memory: the
//! distance from `linux_banner` to `swapper_pg_dir` is the same in the file and in memory. A text
//! is made of what was found, so that everything else reads one kind of source; the sizes and
//! offsets of structures are not among it, so that the log can't be read.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use virtopsy_debuginfo::{ElfFile, SymbolSource, SymbolTable, VirtAddr, elf::build_id_in_notes};
use virtopsy_vmcore::{Dump, Pfn, PhysAddr, VmcoreInfo};

use super::Found;
use super::candidate::{Fit, fit};
use super::image::{self, Image};
use super::root::{self, Root};
use crate::files;
use crate::options::KernelOptions;
use crate::paging::AddressSpace;

/// The longest banner that is compared.
const BANNER: usize = 512;
/// How much of the image is searched for the banner: code and read-only data.
const SEARCHED: u64 = 128 << 20;
/// Places of a banner that are tried: log buffers and page caches repeat it.
const PLACES: usize = 256;
/// Symbols that stand in VMCOREINFO and are taken over from the vmlinux.
const SYMBOLS: [&str; 10] = [
    "_stext",
    "init_uts_ns",
    "prb",
    "kallsyms_names",
    "kallsyms_num_syms",
    "kallsyms_token_table",
    "kallsyms_token_index",
    "kallsyms_offsets",
    "kallsyms_relative_base",
    "kallsyms_addresses",
];

/// A vmlinux and what is asked of it here.
struct Vmlinux {
    table: SymbolTable,
    /// `linux_banner`, its text without the NUL.
    banner: Vec<u8>,
}

impl Vmlinux {
    fn load(elf: &ElfFile) -> Option<Vmlinux> {
        let table = elf.symbols().ok()??;
        let at = table.lookup("linux_banner").first()?.address;
        let (section, offset) = elf.section_at(at)?;
        let bytes = elf.section_bytes(&section.name).ok()??;
        let bytes = bytes.get(usize::try_from(offset).ok()?..)?;
        let bytes = bytes.get(..BANNER.min(bytes.len()))?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let banner = bytes.get(..end)?.to_vec();
        (banner.len() > 16).then_some(Vmlinux { table, banner })
    }

    /// Where a symbol was linked.
    fn linked(&self, name: &str) -> Option<u64> {
        self.table
            .lookup(name)
            .first()
            .map(|symbol| symbol.address.0)
    }

    /// Where the kernel's top-level table was linked, `swapper_pg_dir` of the sources: the symbol is
    /// `init_top_pgt` since 4.13, before that `init_level4_pgt`.
    fn page_table(&self) -> Option<u64> {
        ["init_top_pgt", "init_level4_pgt", "swapper_pg_dir"]
            .iter()
            .find_map(|name| self.linked(name))
    }

    /// Where the image was linked: `_text`, at the alignment of the image.
    fn start(&self) -> Option<u64> {
        let start = self.linked("_text").or_else(|| self.linked("_stext"))?;
        Some(start & !(image::ALIGN - 1))
    }

    /// A symbol's address in memory, as the image lies.
    fn at(&self, image: &Image, name: &str) -> Option<VirtAddr> {
        self.moved(image, self.linked(name)?)
    }

    /// Where what was linked at an address lies in memory.
    fn moved(&self, image: &Image, linked: u64) -> Option<VirtAddr> {
        let offset = linked.wrapping_sub(self.start()?);
        Some(VirtAddr(image.start.0.wrapping_add(offset)))
    }

    /// Whether this is the kernel of the image: the banner names builder and time of the build.
    fn is_at(&self, dump: &Arc<Dump>, image: &Image) -> bool {
        let found = self.at(image, "linux_banner").and_then(|at| {
            let mut found = vec![0; self.banner.len()];
            image.space(dump).read(at, &mut found).ok()?;
            Some(found)
        });
        found.as_deref() == Some(&self.banner[..])
    }
}

/// VMCOREINFO by way of the vmlinux that the user gave, or of one that is found by release.
pub(super) fn from_vmlinux(dump: &Arc<Dump>, options: &KernelOptions) -> Option<Found> {
    let images: Vec<Image> = root::of_cpus(dump)
        .into_iter()
        .filter_map(|root| image::behind(dump, root))
        .collect();
    let release = match options.vmlinux {
        Some(_) => None,
        None => Some(
            images
                .iter()
                .find_map(|image| release_of(&image.space(dump), image))?,
        ),
    };
    let file = files::unchecked(options, release.as_deref())?;
    let vmlinux = Vmlinux::load(&file.elf)?;
    let by_register = images.into_iter().find(|image| vmlinux.is_at(dump, image));
    let (image, from) = match by_register {
        Some(image) => (image, "the page tables of a CPU's CR3 (QEMU's notes)"),
        None => (
            by_banner(dump, &vmlinux)?,
            "a search for the vmlinux's banner in memory",
        ),
    };
    let info = made_text(dump, &image, &vmlinux)?;
    let how = format!(
        "the kernel was found at {} (physical {}) by {from}; what VMCOREINFO would say is derived \
         from {}",
        image.start,
        image.physical,
        file.path().display()
    );
    Some(Found {
        info,
        how,
        others: Vec::new(),
    })
}

/// `Linux version 6.12.41 (…)` in the image: the release, by which a vmlinux can be found.
fn release_of(space: &AddressSpace, image: &Image) -> Option<String> {
    let find = memchr::memmem::Finder::new(b"Linux version ");
    let mut page = [0; 4096];
    for offset in (0..SEARCHED).step_by(4096) {
        let at = VirtAddr(image.start.0.checked_add(offset)?);
        if space.walk_only(at).is_err() || space.read(at, &mut page).is_err() {
            continue;
        }
        for hit in find.find_iter(&page) {
            let text = page.get(hit.saturating_add(14)..)?;
            let text = text.split(|byte| *byte == b' ' || *byte == 0).next()?;
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-+_~".contains(byte);
            if text.first().is_some_and(u8::is_ascii_digit) && text.iter().all(plain) {
                return String::from_utf8(text.to_vec()).ok();
            }
        }
    }
    None
}

/// The image by where the banner stands in memory: the page tables lie at a known distance.
fn by_banner(dump: &Arc<Dump>, vmlinux: &Vmlinux) -> Option<Image> {
    let banner = vmlinux.linked("linux_banner")?;
    let table = vmlinux.page_table()?;
    let start = vmlinux.start()?;
    for place in banner_places(dump, vmlinux, banner) {
        let table = PhysAddr(place.0.wrapping_add(table.wrapping_sub(banner)));
        for five_levels in [false, true] {
            let found = image::behind(dump, Root { table, five_levels });
            let found = found.filter(|image| {
                let expected = place.0.wrapping_sub(banner.wrapping_sub(start));
                image.physical.0 == expected && vmlinux.is_at(dump, image)
            });
            if found.is_some() {
                return found;
            }
        }
    }
    None
}

/// Where the banner, or as much of it as a page holds, stands at its place within a page.
fn banner_places(dump: &Dump, vmlinux: &Vmlinux, linked: u64) -> Vec<PhysAddr> {
    let offset = linked & (dump.page_size().saturating_sub(1));
    let start = usize::try_from(offset).unwrap_or(0);
    let places = Mutex::new(Vec::new());
    let enough = AtomicBool::new(false);
    dump.scan(Pfn(0)..dump.max_pfn(), &enough, |pfn, page| {
        let Some(page) = page.get(start..) else {
            return;
        };
        let shown = page.len().min(vmlinux.banner.len());
        if page.get(..shown) != vmlinux.banner.get(..shown) {
            return;
        }
        let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
        places.push(PhysAddr(
            pfn.start(dump.page_size()).0.saturating_add(offset),
        ));
        enough.store(places.len() >= PLACES, Ordering::Relaxed);
    });
    if enough.into_inner() {
        tracing::warn!(
            "the kernel's banner stands in memory {PLACES} times or more: the others are not tried"
        );
    }
    let mut places = places.into_inner().unwrap_or_else(PoisonError::into_inner);
    places.sort();
    places
}

/// A text of what was found, held against memory like any other.
fn made_text(dump: &Arc<Dump>, image: &Image, vmlinux: &Vmlinux) -> Option<VmcoreInfo> {
    let space = image.space(dump);
    let banner = String::from_utf8_lossy(&vmlinux.banner);
    let release = banner
        .strip_prefix("Linux version ")?
        .split(' ')
        .next()?
        .to_owned();
    let mut text = format!("OSRELEASE={release}\nPAGESIZE={}\n", dump.page_size());
    // Writing to a String cannot fail.
    if let Some(id) = build_id_in_memory(&space, image, vmlinux) {
        let _ = writeln!(text, "BUILD-ID={id}");
    }
    let table = vmlinux.moved(image, vmlinux.page_table()?)?;
    let _ = writeln!(text, "SYMBOL(swapper_pg_dir)={:x}", table.0);
    for name in SYMBOLS {
        if let Some(at) = vmlinux.at(image, name) {
            let _ = writeln!(text, "SYMBOL({name})={:x}", at.0);
        }
    }
    let offset = image.start.0.wrapping_sub(vmlinux.start()?);
    let _ = writeln!(
        text,
        "OFFSET(uts_namespace.name)={}",
        uts_name_offset(&space, image, vmlinux, &release)?
    );
    let _ = writeln!(
        text,
        "NUMBER(phys_base)={}",
        image.phys_base().cast_signed()
    );
    let _ = writeln!(
        text,
        "NUMBER(pgtable_l5_enabled)={}",
        u8::from(image.root.five_levels)
    );
    let _ = writeln!(text, "NUMBER(sme_mask)={}", image.sme_mask);
    let _ = writeln!(text, "KERNELOFFSET={offset:x}");
    let info = VmcoreInfo::parse(text.as_bytes());
    match fit(dump, &info) {
        Fit::Proven => Some(info),
        Fit::Unclear(why) | Fit::Refuted(why) => {
            tracing::debug!(why, "the derived VMCOREINFO does not hold");
            None
        }
    }
}

/// Where `name` stands in `struct uts_namespace`: at its start since 5.11, behind a `struct kref`
/// before. The release itself tells.
fn uts_name_offset(
    space: &AddressSpace,
    image: &Image,
    vmlinux: &Vmlinux,
    release: &str,
) -> Option<u64> {
    let at = vmlinux.at(image, "init_uts_ns")?;
    [0, 4].into_iter().find(|offset| {
        let at = VirtAddr(at.0.wrapping_add(offset + 130));
        space
            .string(at, 65)
            .is_ok_and(|found| found == release.as_bytes())
    })
}

/// The build-id among the notes of the image in memory (since 2.6.23).
fn build_id_in_memory(space: &AddressSpace, image: &Image, vmlinux: &Vmlinux) -> Option<String> {
    let start = vmlinux.at(image, "__start_notes")?;
    let end = vmlinux.at(image, "__stop_notes")?;
    let len = usize::try_from(end.0.checked_sub(start.0)?)
        .ok()
        .filter(|len| *len < 1 << 16)?;
    build_id_in_notes(&space.bytes(start, len).ok()?)
}
