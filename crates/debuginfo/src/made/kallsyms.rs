//! Kallsyms from a list of symbols, with a few tokens of more than one letter.

use crate::{FileBytes, KallsymsAddresses, KallsymsParts, VirtAddr};

/// Tokens that replace common pieces; they take unused bytes as their ids.
const LONG: [(u8, &str); 4] = [(1, "nmi_"), (2, "kvm"), (3, "Tdo_"), (4, "emergency")];

fn token_text(id: u8) -> String {
    match LONG.iter().find(|(long, _)| *long == id) {
        Some((_, text)) => (*text).to_owned(),
        None if id.is_ascii_graphic() => char::from(id).to_string(),
        None => String::new(),
    }
}

fn compress(text: &str) -> Vec<u8> {
    let mut ids = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        let (id, len) = match LONG.iter().find(|(_, long)| rest.starts_with(long)) {
            Some((id, long)) => (*id, long.len()),
            None => (first, 1),
        };
        ids.push(id);
        rest = &rest[len..];
    }
    ids
}

/// Names (letter first) as the tables of names and tokens; addresses to be set.
pub(crate) fn parts(names: &[String]) -> KallsymsParts {
    let mut table = Vec::new();
    let mut index = Vec::new();
    for id in 0..=255u8 {
        index.extend_from_slice(&(table.len() as u16).to_le_bytes());
        table.extend_from_slice(token_text(id).as_bytes());
        table.push(0);
    }
    let mut compressed = Vec::new();
    for name in names {
        let ids = compress(name);
        if ids.len() < 128 {
            compressed.push(ids.len() as u8);
        } else {
            compressed.extend_from_slice(&[ids.len() as u8 | 0x80, (ids.len() >> 7) as u8]);
        }
        compressed.extend_from_slice(&ids);
    }
    KallsymsParts {
        num_syms: names.len() as u32,
        names: compressed.into(),
        token_table: table.into(),
        token_index: index.into(),
        addresses: KallsymsAddresses::Absolute(FileBytes::default()),
    }
}

/// The addresses in each of the four encodings. Per-CPU symbols (small
/// addresses) exist in the first and third only.
pub(crate) fn encodings(addresses: &[u64], base: u64, table: u64) -> [KallsymsAddresses; 4] {
    let words = |word: &dyn Fn(usize, u64) -> u32| -> FileBytes {
        addresses
            .iter()
            .enumerate()
            .flat_map(|(n, address)| word(n, *address).to_le_bytes())
            .collect::<Vec<u8>>()
            .into()
    };
    let absolute: Vec<u8> = addresses
        .iter()
        .flat_map(|address| address.to_le_bytes())
        .collect();
    [
        KallsymsAddresses::Absolute(absolute.into()),
        KallsymsAddresses::BaseRelative {
            offsets: words(&|_, address| address.wrapping_sub(base) as u32),
            base: VirtAddr(base),
        },
        KallsymsAddresses::AbsolutePercpu {
            offsets: words(&|_, address| {
                if address < base {
                    address as u32
                } else {
                    (-1 - (address - base) as i64) as u32
                }
            }),
            base: VirtAddr(base),
        },
        KallsymsAddresses::PlaceRelative {
            offsets: words(&|n, address| address.wrapping_sub(table + n as u64 * 4) as u32),
            table_address: VirtAddr(table),
        },
    ]
}
