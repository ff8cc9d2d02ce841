//! Kallsyms in memory that nothing points to, as in kernels before 6.0: the tables are known by
//! their shape.
//!
//! ```text
//!   until 6.1                    since 6.2
//!   offsets      u32 × n         num_syms
//!   relative_base u64            names
//!   num_syms     u32             markers
//!   names        n names         token_table
//!   markers      u32 × n/256     token_index
//!   token_table  256 texts       offsets
//!   token_index  u16 × 256       relative_base
//! ```
//! Each begins at a multiple of 8 (scripts/kallsyms.c). The token index is the landmark: 256 rising
//! numbers, each the place of a text in the table that ends right before it. From there the rest is
//! walked backwards, and every step must fit the one before: the markers rise and begin with 0, and
//! as many names as `num_syms` says fill the room before them. Markers are u64 before 4.20; without
//! `KALLSYMS_BASE_RELATIVE` a table of u64 addresses takes the offsets' place.

use virtopsy_debuginfo::{KallsymsAddresses, KallsymsParts, VirtAddr};
use virtopsy_vmcore::VmcoreInfo;

use super::{MAX_SYMBOLS, Tables, absolute, relative};
use crate::error::{Error, Result};
use crate::paging::AddressSpace;

/// How much of the image is searched: code and read-only data.
const SEARCHED: u64 = 128 << 20;
/// How much is looked at together; pieces overlap by a token index.
const PIECE: usize = 1 << 20;
const TOKENS: usize = 256;
const TOKEN_INDEX: usize = TOKENS * 2;
/// Longest text of a token that is believed.
const MAX_TOKEN: usize = 128;
/// A marker stands for so many names.
const MARK_EVERY: u32 = 256;
/// Bytes that a name takes: a length and at least one token, at most two bytes and 512 tokens.
const NAME: std::ops::RangeInclusive<u64> = 2..=514;
/// Most bytes of names and markers (Debian 5.10: 2 MB).
const MAX_BEFORE: u64 = 32 << 20;

/// Searches the kernel's image, which VMCOREINFO's `_stext` leads to.
///
/// # Errors
/// [`Error::NoSymbols`] where nothing has the tables' shape.
pub(super) fn find(space: &AddressSpace, info: &VmcoreInfo) -> Result<Tables> {
    let why = |what: &str| Error::NoSymbols {
        why: format!(
            "VMCOREINFO does not say where kallsyms is (kernels before 6.0 don't), and {what}: \
             a vmlinux is needed, see --vmlinux"
        ),
    };
    let start = info
        .symbol("_stext")
        .ok_or_else(|| why("has no _stext to search from"))?;
    let found = token_indexes(space, VirtAddr(start & !0xfff))
        .into_iter()
        .find_map(|index| around(space, index));
    found.ok_or_else(|| why("no tables of its shape were found in the kernel's image"))
}

/// Places that can be a token index, lowest first.
fn token_indexes(space: &AddressSpace, start: VirtAddr) -> Vec<VirtAddr> {
    let mut found = Vec::new();
    let mut done = 0u64;
    while done < SEARCHED {
        let at = VirtAddr(start.0.wrapping_add(done));
        let piece = readable(space, at, PIECE + TOKEN_INDEX);
        let places = (0..PIECE).step_by(8).filter(|place| {
            piece
                .get(*place..*place + TOKEN_INDEX)
                .is_some_and(is_token_index)
        });
        found.extend(places.map(|place| VirtAddr(at.0.wrapping_add(place as u64))));
        done += PIECE as u64;
    }
    found
}

/// Memory page by page, zero where a page can't be read: gaps between sections are given back to
/// the allocator, and left out of dumps.
fn readable(space: &AddressSpace, at: VirtAddr, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    if space.read(at, &mut out).is_ok() {
        return out;
    }
    let mut done = 0usize;
    while done < len {
        let here = VirtAddr(at.0.wrapping_add(done as u64));
        let end = len.min(done + 0x1000 - (here.0 & 0xfff) as usize);
        let Some(part) = out.get_mut(done..end) else {
            break;
        };
        if space.read(here, part).is_err() {
            part.fill(0);
        }
        done = end;
    }
    out
}

fn u16s(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    let pairs = bytes.chunks_exact(2);
    pairs.filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)))
}

/// 256 numbers that begin with 0 and rise, by no more than a token is long.
fn is_token_index(bytes: &[u8]) -> bool {
    let mut last = None;
    for place in u16s(bytes) {
        let fits = match last {
            None => place == 0,
            Some(before) => place > before && usize::from(place - before) <= MAX_TOKEN,
        };
        if !fits {
            return false;
        }
        last = Some(place);
    }
    true
}

/// All tables, from a token index that is one.
fn around(space: &AddressSpace, token_index: VirtAddr) -> Option<Tables> {
    let index: Vec<u16> = u16s(&space.bytes(token_index, TOKEN_INDEX).ok()?).collect();
    let token_table = token_table(space, token_index, &index)?;
    for width in [4, 8] {
        for padding in [0, 4] {
            let end = VirtAddr(token_table.0.wrapping_sub(padding));
            let names = markers(space, end, width).and_then(|marks| names(space, &marks));
            if let Some((names, num_syms)) = names {
                return Some(Tables {
                    num_syms,
                    names,
                    token_table,
                    token_index,
                    ways: ways(space, names, token_index, num_syms),
                    orders: Vec::new(),
                });
            }
        }
    }
    None
}

/// Where the texts begin: each must end, NUL and all, where the next one begins.
fn token_table(space: &AddressSpace, token_index: VirtAddr, index: &[u16]) -> Option<VirtAddr> {
    let last = usize::from(*index.last()?);
    let longest = (last + MAX_TOKEN + 8) & !7;
    let before = readable(
        space,
        VirtAddr(token_index.0.wrapping_sub(longest as u64)),
        longest,
    );
    // from the shortest table that holds the last token's place
    (1..=longest / 8).map(|words| words * 8).find_map(|len| {
        let table = before.get(longest.checked_sub(len)?..)?;
        let begins = |place: &u16| match usize::from(*place) {
            0 => true,
            place => table.get(place - 1) == Some(&0),
        };
        let used = KallsymsParts::token_table_len(table).ok()?;
        let text = table.get(..used)?;
        let is_table = len > last
            && used <= len
            && len - used < 8
            && index.iter().all(begins)
            && text.iter().filter(|byte| **byte == 0).count() == TOKENS
            && text
                .iter()
                .all(|byte| *byte == 0 || byte.is_ascii_graphic());
        is_table.then(|| VirtAddr(token_index.0.wrapping_sub(len as u64)))
    })
}

/// `kallsyms_markers`: where it begins, how many there are, and the last one.
struct Markers {
    start: VirtAddr,
    count: u32,
    last: u64,
}

/// The markers that end at `end`, each `width` bytes.
fn markers(space: &AddressSpace, end: VirtAddr, width: u64) -> Option<Markers> {
    let read = |back: u64| {
        let at = VirtAddr(end.0.checked_sub(back.checked_mul(width)?)?);
        let value = match width {
            4 => space.u32(at).ok()?.into(),
            _ => space.u64(at).ok()?,
        };
        Some((at, value))
    };
    let per_marker = u64::from(MARK_EVERY) * NAME.start()..=u64::from(MARK_EVERY) * NAME.end();
    let last = read(1)?.1;
    let mut above = None;
    for count in 1..=MAX_SYMBOLS / MARK_EVERY {
        let (start, value) = read(u64::from(count))?;
        if above.is_some_and(|above: u64| !per_marker.contains(&above.wrapping_sub(value))) {
            return None;
        }
        if value == 0 {
            // one marker alone is any zero
            return (count > 1).then_some(Markers { start, count, last });
        }
        above = Some(value);
    }
    None
}

/// `kallsyms_names` before the markers, and `kallsyms_num_syms` before it.
fn names(space: &AddressSpace, marks: &Markers) -> Option<(VirtAddr, u32)> {
    if marks.last > MAX_BEFORE {
        return None;
    }
    let tail = u64::from(MARK_EVERY) * NAME.end();
    let room = marks.last.next_multiple_of(8) + tail + 16;
    let base = marks.start.0.checked_sub(room)?;
    let before = readable(space, VirtAddr(base), usize::try_from(room).ok()?);
    let counts = (marks.count - 1) * MARK_EVERY + 1..=marks.count.checked_mul(MARK_EVERY)?;
    // `num_syms` stands 8 bytes before the names, which are a little longer than the last marker
    (0..usize::try_from(tail + 16).ok()?)
        .step_by(8)
        .find_map(|place| {
            let head = before.get(place..)?;
            let count = u32::from_le_bytes(head.get(..4)?.try_into().ok()?);
            let names = head.get(8..)?;
            let fits = counts.contains(&count)
                && KallsymsParts::names_len(count, names)
                    .is_ok_and(|used| used.next_multiple_of(8) == names.len());
            fits.then(|| (VirtAddr(base.wrapping_add(place as u64 + 8)), count))
        })
}

/// The addresses stand before `num_syms`, or behind the token index.
fn ways(
    space: &AddressSpace,
    names: VirtAddr,
    token_index: VirtAddr,
    count: u32,
) -> Vec<KallsymsAddresses> {
    let num_syms = names.0.wrapping_sub(8);
    let offsets_len = u64::from(count).wrapping_mul(4).next_multiple_of(8);
    let base_before = num_syms.wrapping_sub(8);
    let behind = token_index.0.wrapping_add(TOKEN_INDEX as u64);
    let tables = [
        (base_before.wrapping_sub(offsets_len), base_before),
        (behind, behind.wrapping_add(offsets_len)),
    ];
    let mut ways = Vec::new();
    for (offsets, base) in tables {
        if let Ok(found) = relative(space, VirtAddr(offsets), Some(VirtAddr(base)), count) {
            ways.extend(found);
        }
    }
    let addresses = num_syms.wrapping_sub(u64::from(count).wrapping_mul(8));
    ways.extend(absolute(space, VirtAddr(addresses), count));
    ways
}
