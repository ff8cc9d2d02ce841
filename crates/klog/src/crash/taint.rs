//! The letters behind `Tainted:` (kernel/panic.c, taint_flags).

use super::model::Taint;
use crate::text::keep;

const LETTERS: &[(char, &str)] = &[
    ('P', "a proprietary module was loaded"),
    ('G', "all modules loaded are under the GPL"),
    ('F', "a module was loaded by force"),
    ('S', "the CPU or SMP set-up is out of specification"),
    ('R', "a module was unloaded by force"),
    ('M', "the CPU reported a machine check"),
    ('B', "a bad page was found"),
    ('U', "user space asked for the taint"),
    ('D', "the kernel died before (an oops or BUG)"),
    ('A', "an ACPI table was overridden"),
    ('W', "a warning was printed before"),
    ('C', "a driver from staging was loaded"),
    ('I', "a firmware bug was worked around"),
    ('O', "a module from outside the tree was loaded"),
    ('E', "an unsigned module was loaded"),
    ('L', "a soft lockup happened before"),
    ('K', "the kernel was live patched"),
    ('X', "a taint of the distribution's own"),
    ('T', "the structure layout was randomised"),
    ('N', "an in-kernel test has run"),
    ('J', "user space used a mutating fwctl debug operation"),
    ('H', "hardware that the distribution does not support"),
];

/// Reads what stands between `Tainted:` and the release.
pub(super) fn read(letters: &str) -> Option<Taint> {
    let letters: String = letters
        .chars()
        .take(64)
        .take_while(|c| c.is_ascii_uppercase() || *c == ' ' || *c == '-')
        .filter(char::is_ascii_uppercase)
        .collect();
    if letters.is_empty() {
        return None;
    }
    let words = letters
        .chars()
        .map(|c| {
            LETTERS
                .iter()
                .find(|(l, _)| *l == c)
                .map_or_else(|| format!("{c}: not known"), |(_, w)| (*w).to_owned())
        })
        .collect();
    Some(Taint {
        letters: keep(&letters),
        words,
    })
}
