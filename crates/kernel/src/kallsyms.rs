//! The kernel's own symbol table, read from the dump.
//!
//! VMCOREINFO names the tables since 6.0; before that they are found by their shape
//! ([`search`]). Their order in memory has changed (until 6.1 the addresses stand first, since 6.2
//! behind the token tables); only the names' length is stored nowhere, and is found by walking
//! them.

mod search;

use std::sync::Arc;

use virtopsy_debuginfo::{
    FileBytes, Kallsyms, KallsymsAddresses, KallsymsNames, KallsymsParts, SymbolSource, VirtAddr,
    guess_encoding,
};
use virtopsy_vmcore::VmcoreInfo;

use crate::error::{Error, Result};
use crate::paging::AddressSpace;

/// More symbols than any kernel has (Debian 7.2: 233,000; an allyesconfig with KALLSYMS_ALL: some
/// millions).
const MAX_SYMBOLS: u32 = 16 << 20;
/// Most bytes that a compressed name takes.
const MAX_NAME: u64 = 2 + 512;
/// The token index: 256 offsets of 16 bits.
const TOKEN_INDEX: usize = 512;
/// Most bytes that 256 tokens take.
const MAX_TOKENS: usize = 256 * 64;

/// Where the tables are.
struct Tables {
    num_syms: u32,
    names: VirtAddr,
    token_table: VirtAddr,
    token_index: VirtAddr,
    /// Every way in which the addresses can be meant; known symbols decide.
    ways: Vec<KallsymsAddresses>,
    /// Where the names' order by the alphabet may lie (since 6.2).
    orders: Vec<VirtAddr>,
}

/// Reads kallsyms by the addresses in VMCOREINFO, or, where it has none (before 6.0), by the
/// tables' own shape.
pub(crate) fn load(space: &AddressSpace, info: &VmcoreInfo) -> Result<Arc<dyn SymbolSource>> {
    let tables = match info.symbol("kallsyms_num_syms") {
        Some(count_at) => named(space, info, VirtAddr(count_at))?,
        None => search::find(space, info)?,
    };
    let mut names = KallsymsNames::parse(
        tables.num_syms,
        read_names(space, tables.names, tables.num_syms, tables.token_table)?,
        read_tokens(space, tables.token_table, tables.token_index)?,
        FileBytes::from(space.bytes(tables.token_index, TOKEN_INDEX)?),
    )?;
    let sorted = tables.orders.iter().any(|at| {
        let len = tables.num_syms as usize * 3;
        space
            .bytes(*at, len)
            .is_ok_and(|numbers| names.sort_by(numbers.into()))
    });
    tracing::debug!(sorted, "kallsyms_seqs_of_names");
    let known: Vec<(&str, VirtAddr)> = ["_stext", "swapper_pg_dir", "init_uts_ns"]
        .into_iter()
        .filter_map(|name| info.symbol(name).map(|at| (name, VirtAddr(at))))
        .collect();
    let addresses = guess_encoding(&names, &tables.ways, &known)?;
    Ok(Arc::new(Kallsyms::new(names, addresses)?))
}

/// The tables that VMCOREINFO names (since 6.0).
fn named(space: &AddressSpace, info: &VmcoreInfo, count_at: VirtAddr) -> Result<Tables> {
    let table = |name: &str| {
        let key = || Error::VmcoreinfoKey {
            key: format!("SYMBOL({name})"),
            purpose: "kallsyms",
        };
        info.symbol(name).map(VirtAddr).ok_or_else(key)
    };
    let num_syms = space.u32(count_at)?;
    if !(1..=MAX_SYMBOLS).contains(&num_syms) {
        return Err(Error::Implausible {
            what: "number of symbols".into(),
            at: count_at,
            found: num_syms.to_string(),
        });
    }
    let token_table = table("kallsyms_token_table")?;
    Ok(Tables {
        num_syms,
        names: table("kallsyms_names")?,
        token_table,
        token_index: table("kallsyms_token_index")?,
        ways: address_tables(space, info, num_syms)?,
        orders: order_places(info, num_syms, token_table),
    })
}

/// Where `kallsyms_seqs_of_names` may lie (since 6.2; VMCOREINFO does not tell): behind the
/// addresses and their base, or before the token table. Source: `write_src` in scripts/kallsyms.c.
fn order_places(info: &VmcoreInfo, count: u32, tokens: VirtAddr) -> Vec<VirtAddr> {
    let count = u64::from(count);
    let aligned = |at: u64| at.checked_next_multiple_of(8).unwrap_or(at);
    let after = |name: &str, len: u64| Some(info.symbol(name)?.wrapping_add(len));
    let mut places = Vec::new();
    if let Some(end) = after("kallsyms_relative_base", 8) {
        places.push(end);
    }
    for end in [
        after("kallsyms_offsets", count * 4),
        after("kallsyms_addresses", count * 8),
    ] {
        places.extend(end.into_iter().flat_map(|end| [end, aligned(end)]));
    }
    places.push(tokens.0.wrapping_sub(aligned(count * 3)));
    places.dedup();
    places.into_iter().map(VirtAddr).collect()
}

/// The names: as far as the next table, or as far as their count can reach.
fn read_names(
    space: &AddressSpace,
    at: VirtAddr,
    count: u32,
    tokens: VirtAddr,
) -> Result<FileBytes> {
    let longest = u64::from(count).saturating_mul(MAX_NAME);
    let until_tokens = tokens.0.saturating_sub(at.0);
    let len = if until_tokens > 0 {
        until_tokens.min(longest)
    } else {
        u64::from(count).saturating_mul(16).min(longest)
    };
    let bytes = read_prefix(space, at, len);
    if bytes.is_empty() {
        space.u8(at)?; // the error that stopped the read
    }
    Ok(FileBytes::from(bytes))
}

/// Bytes up to the first page that can't be read.
fn read_prefix(space: &AddressSpace, at: VirtAddr, len: u64) -> Vec<u8> {
    let len = usize::try_from(len).unwrap_or(0);
    let mut out = vec![0; len];
    if space.read(at, &mut out).is_ok() {
        return out;
    }
    let mut done = 0usize;
    while done < len {
        let here = VirtAddr(at.0.wrapping_add(done as u64));
        let end = len.min(done.saturating_add((0x1000 - (here.0 & 0xfff)) as usize));
        let Some(part) = out.get_mut(done..end) else {
            break;
        };
        if space.read(here, part).is_err() {
            break;
        }
        done = end;
    }
    out.truncate(done);
    out
}

fn read_tokens(space: &AddressSpace, at: VirtAddr, index: VirtAddr) -> Result<FileBytes> {
    let until_index = usize::try_from(index.0.saturating_sub(at.0)).unwrap_or(0);
    let len = if until_index > 0 {
        until_index.min(MAX_TOKENS)
    } else {
        MAX_TOKENS
    };
    let mut bytes = space.bytes(at, len)?;
    let used = KallsymsParts::token_table_len(&bytes)?;
    bytes.truncate(used);
    Ok(FileBytes::from(bytes))
}

/// Every way in which the addresses of a table that VMCOREINFO names can be meant.
fn address_tables(
    space: &AddressSpace,
    info: &VmcoreInfo,
    count: u32,
) -> Result<Vec<KallsymsAddresses>> {
    if let Some(at) = info.symbol("kallsyms_addresses") {
        return Ok(vec![absolute(space, VirtAddr(at), count)?]);
    }
    let missing = || Error::VmcoreinfoKey {
        key: "SYMBOL(kallsyms_offsets)".into(),
        purpose: "kallsyms",
    };
    let at = VirtAddr(info.symbol("kallsyms_offsets").ok_or_else(missing)?);
    let base_at = info.symbol("kallsyms_relative_base").map(VirtAddr);
    relative(space, at, base_at, count)
}

/// A table of addresses.
fn absolute(space: &AddressSpace, at: VirtAddr, count: u32) -> Result<KallsymsAddresses> {
    let table = space.bytes(at, count as usize * 8)?;
    Ok(KallsymsAddresses::Absolute(FileBytes::from(table)))
}

/// The ways in which a table of offsets can be meant.
fn relative(
    space: &AddressSpace,
    at: VirtAddr,
    base_at: Option<VirtAddr>,
    count: u32,
) -> Result<Vec<KallsymsAddresses>> {
    let offsets = FileBytes::from(space.bytes(at, count as usize * 4)?);
    let mut ways = vec![KallsymsAddresses::PlaceRelative {
        offsets: offsets.clone(),
        table_address: at,
    }];
    if let Some(base_at) = base_at {
        let base = space.pointer(base_at)?;
        ways.push(KallsymsAddresses::AbsolutePercpu {
            offsets: offsets.clone(),
            base,
        });
        ways.push(KallsymsAddresses::BaseRelative { offsets, base });
    }
    Ok(ways)
}
