//! The build-id that VMCOREINFO names, where it can be believed.

use virtopsy_vmcore::VmcoreInfo;

/// Releases whose VMCOREINFO carries a build-id of garbage: a stable backport read the wrong
/// note. First and last patch level of each series, inclusive.
const GARBAGE: [(u32, u32, u32, u32); 5] = [
    (5, 15, 168, u32::MAX),
    (6, 1, 113, 118),
    (6, 6, 55, 62),
    (6, 10, 14, 14),
    (6, 11, 3, 9),
];

/// The build-id that a vmlinux must have; `None` where the dump does not say, or says garbage.
pub(crate) fn expected(info: &VmcoreInfo) -> Option<String> {
    if info.os_release().is_some_and(is_garbage) {
        return None;
    }
    info.build_id().map(str::to_lowercase)
}

fn is_garbage(release: &str) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|n| n.parse::<u32>().ok());
    let (Some(Some(major)), Some(Some(minor)), Some(Some(patch))) =
        (numbers.next(), numbers.next(), numbers.next())
    else {
        return false;
    };
    GARBAGE
        .iter()
        .any(|(a, b, first, last)| (*a, *b) == (major, minor) && (*first..=*last).contains(&patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_with_a_garbage_build_id_are_known() {
        for bad in [
            "6.1.113",
            "6.1.115-1-amd64",
            "5.15.170",
            "6.11.9-arch1",
            "6.10.14",
        ] {
            assert!(is_garbage(bad), "{bad}");
        }
        for good in [
            "6.1.112",
            "6.1.119",
            "7.2.13-virtdbg",
            "6.12.107+deb13-amd64",
            "6.10",
            "x",
        ] {
            assert!(!is_garbage(good), "{good}");
        }
    }
}
