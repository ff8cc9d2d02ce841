//! Which share of a list of dumps this run takes.

use std::str::FromStr;

/// `hash:I/N`: of N shares, number I (from 0).
///
/// The share of a path depends on nothing but its bytes, so it stays the same when the list is
/// reordered, grows or shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    index: u64,
    count: u64,
}

impl Partition {
    pub(crate) fn holds(self, path: &[u8]) -> bool {
        hash(path).checked_rem(self.count) == Some(self.index)
    }
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .strip_prefix("hash:")
            .and_then(|rest| rest.split_once('/'));
        let Some((Ok(index), Ok(count))) = parts.map(|(i, n)| (i.parse(), n.parse())) else {
            return Err("a partition is written hash:I/N, for example hash:0/100".to_owned());
        };
        if index >= count {
            return Err(format!(
                "shares are counted from 0: I must be below {count}"
            ));
        }
        Ok(Partition { index, count })
    }
}

/// FNV-1a over the bytes, then the finalizer of MurmurHash3, for even low bits. Both are part of
/// the promise that shares stay the same: do not change them.
fn hash(bytes: &[u8]) -> u64 {
    let mut h = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, byte| {
        (h ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_in_exactly_one_share_and_shares_are_even() {
        let shares: Vec<Partition> = (0..7)
            .map(|i| format!("hash:{i}/7").parse().unwrap())
            .collect();
        let mut counts = [0_u32; 7];
        for n in 0..7000 {
            let path = format!("/dumps/host{n}/vmcore");
            let holders: Vec<usize> = (0..7)
                .filter(|i| shares[*i].holds(path.as_bytes()))
                .collect();
            assert_eq!(holders.len(), 1);
            counts[holders[0]] += 1;
        }
        assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}");
    }

    #[test]
    fn the_share_of_a_path_never_changes() {
        assert_eq!(hash(b""), 0xefd0_1f60_ba99_2926);
        assert_eq!(
            hash(b"/var/crash/vmcore") % 100,
            hash(b"/var/crash/vmcore") % 100
        );
    }

    #[test]
    fn what_is_no_partition_is_refused() {
        for text in [
            "",
            "0/3",
            "hash:3",
            "hash:3/3",
            "hash:0/0",
            "hash:-1/3",
            "hash:a/b",
            "count:0/3",
        ] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
    }
}
