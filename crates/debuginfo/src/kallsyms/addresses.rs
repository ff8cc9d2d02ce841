//! The four ways in which kallsyms has stored addresses.

use crate::read::{u32_at, u64_at};
use crate::{Error, FileBytes, VirtAddr};

use super::KallsymsNames;

/// Where the addresses of symbols stand, and how. Values of a dump's memory
/// give addresses at run time: the kernel relocated the tables with itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KallsymsAddresses {
    /// `kallsyms_addresses`, a u64 each. The only way before 4.6, an option until 6.10.
    Absolute(FileBytes),
    /// `kallsyms_offsets`, a u32 each, above `kallsyms_relative_base`
    /// (since 4.6 without `ABSOLUTE_PERCPU`, always so from 6.15 to 6.19).
    BaseRelative {
        /// `kallsyms_offsets`.
        offsets: FileBytes,
        /// The value of `kallsyms_relative_base`.
        base: VirtAddr,
    },
    /// `kallsyms_offsets`, an i32 each: one that is not negative is the address
    /// itself (per-CPU symbols), a negative one lies `-1 - offset` above
    /// `kallsyms_relative_base` (x86-64 with SMP, 4.6 to 6.14).
    AbsolutePercpu {
        /// `kallsyms_offsets`.
        offsets: FileBytes,
        /// The value of `kallsyms_relative_base`.
        base: VirtAddr,
    },
    /// `kallsyms_offsets`, an i32 each, relative to its own place (since 7.0).
    PlaceRelative {
        /// `kallsyms_offsets`.
        offsets: FileBytes,
        /// The address of `kallsyms_offsets` itself.
        table_address: VirtAddr,
    },
}

impl KallsymsAddresses {
    /// The encoding in words.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Absolute(_) => "absolute",
            Self::BaseRelative { .. } => "base-relative",
            Self::AbsolutePercpu { .. } => "base-relative with absolute per-CPU",
            Self::PlaceRelative { .. } => "place-relative",
        }
    }

    /// The address of symbol `number`; `None` past the end of the table.
    #[must_use]
    pub fn address(&self, number: u32) -> Option<u64> {
        let number = usize::try_from(number).ok()?;
        let place = number.checked_mul(4)?;
        Some(match self {
            Self::Absolute(table) => u64_at(table, number.checked_mul(8)?)?,
            Self::BaseRelative { offsets, base } => {
                base.0.wrapping_add(u32_at(offsets, place)?.into())
            }
            Self::AbsolutePercpu { offsets, base } => match u32_at(offsets, place)? as i32 {
                absolute @ 0.. => i64::from(absolute) as u64,
                below => base.0.wrapping_add_signed(-1 - i64::from(below)),
            },
            Self::PlaceRelative {
                offsets,
                table_address,
            } => {
                let distance = i64::from(u32_at(offsets, place)? as i32);
                table_address
                    .0
                    .wrapping_add(place as u64)
                    .wrapping_add_signed(distance)
            }
        })
    }

    /// Whether the addresses of the first `count` symbols never fall.
    pub(super) fn is_ascending(&self, count: u32) -> bool {
        let count = count as usize;
        let words = |table: &FileBytes, each: fn(usize, u32) -> u64| {
            let rows = table.chunks_exact(4).take(count).enumerate();
            rows.map(|(number, row)| each(number, u32_at(row, 0).unwrap_or(0)))
                .is_sorted()
        };
        match self {
            Self::Absolute(table) => table
                .chunks_exact(8)
                .take(count)
                .map(|row| u64_at(row, 0).unwrap_or(0))
                .is_sorted(),
            Self::BaseRelative { offsets, .. } => words(offsets, |_, word| word.into()),
            // What is absolute lies below all that is above the base.
            Self::AbsolutePercpu { offsets, .. } => words(offsets, |_, word| {
                let below = word as i32;
                (if below < 0 {
                    -1 - i64::from(below) + (1 << 32)
                } else {
                    below.into()
                }) as u64
            }),
            Self::PlaceRelative { offsets, .. } => words(offsets, |number, word| {
                (number as i64 * 4 + i64::from(word as i32) + (1 << 32)) as u64
            }),
        }
    }

    /// Whether the table has an entry for each of `count` symbols.
    pub(super) fn check_len(&self, count: u32) -> Result<(), Error> {
        let (place, table, each) = match self {
            Self::Absolute(table) => ("kallsyms_addresses", table, 8),
            Self::BaseRelative { offsets, .. }
            | Self::AbsolutePercpu { offsets, .. }
            | Self::PlaceRelative { offsets, .. } => ("kallsyms_offsets", offsets, 4),
        };
        let need = (count as usize).saturating_mul(each);
        if table.len() < need {
            Err(Error::truncated(place, table, 0, need))
        } else {
            Ok(())
        }
    }
}

/// Picks, of some candidates, the encoding under which every known symbol has
/// its known address (`_stext`, `init_uts_ns`, … from VMCOREINFO). Symbols that
/// kallsyms does not list prove nothing and are passed over; at least one has
/// to be listed. Of several that fit, the first wins.
pub fn guess_encoding(
    names: &KallsymsNames,
    candidates: &[KallsymsAddresses],
    known: &[(&str, VirtAddr)],
) -> Result<KallsymsAddresses, Error> {
    let listed: Vec<_> = known
        .iter()
        .map(|(name, address)| (*name, *address, names.search(name.as_bytes())))
        .collect();
    let mut tried = Vec::new();
    for candidate in candidates {
        let mut fits = 0u32;
        let mut wrong = None;
        for (name, address, numbers) in listed.iter().filter(|(_, _, numbers)| !numbers.is_empty())
        {
            let found: Vec<_> = numbers
                .iter()
                .filter_map(|number| candidate.address(*number))
                .collect();
            if found.contains(&address.0) {
                fits += 1;
            } else {
                let first = found.first().copied().map(VirtAddr);
                wrong = Some(format!(
                    "{name} is at {address}, {} gives {first:x?}",
                    candidate.label()
                ));
            }
        }
        match wrong {
            None if fits > 0 => {
                tracing::debug!(
                    encoding = candidate.label(),
                    fits,
                    "kallsyms encoding found"
                );
                return Ok(candidate.clone());
            }
            None => tried.push(format!(
                "{}: none of the known symbols is listed",
                candidate.label()
            )),
            Some(wrong) => tried.push(wrong),
        }
    }
    Err(Error::NoEncoding {
        tried: if tried.is_empty() {
            "no candidates".to_owned()
        } else {
            tried.join("; ")
        },
    })
}
