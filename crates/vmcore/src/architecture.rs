//! The machines of dumps that are known by name and not read: only x86-64's are.

use crate::Error;
use crate::source::Source;

/// `EM_386`.
pub(crate) const EM_386: u16 = 3;

/// `e_machine` (elf.h of the kernel and of binutils), how `uname -m` begins there, and the name in
/// a sentence. One that begins like another comes first.
const OTHERS: &[(u16, &[&str], &str)] = &[
    (183, &["aarch64", "arm64"], "an arm64"),
    (40, &["arm"], "an arm"),
    (EM_386, &["i386", "i486", "i586", "i686"], "an i386"),
    (243, &["riscv"], "a riscv"),
    (21, &["ppc64"], "a ppc64"),
    (20, &["ppc"], "a 32-bit ppc"),
    (22, &["s390"], "an s390"),
    (8, &["mips"], "a mips"),
    (258, &["loongarch"], "a loongarch"),
    (43, &["sparc"], "a sparc"),
    (50, &["ia64"], "an ia64"),
    (15, &["parisc"], "a parisc"),
];

/// The machine with this `e_machine`, where it is known not to be an x86-64 one.
pub(crate) fn by_elf(machine: u16) -> Option<&'static str> {
    let known = OTHERS.iter().find(|(number, ..)| *number == machine);
    known.map(|(.., name)| *name)
}

/// The machine whose `uname -m` this is, where it is known not to be an x86-64 one.
pub(crate) fn by_uname(machine: &str) -> Option<&'static str> {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| machine.starts_with(prefix));
    let known = OTHERS.iter().find(|(_, prefixes, _)| begins(prefixes));
    known.map(|(.., name)| *name)
}

/// The error of a dump of `machine`, which is a name with its article.
pub(crate) fn refused(source: &Source, machine: &str) -> Error {
    Error::UnsupportedFormat {
        file: source.name().to_owned(),
        format: format!("a dump of {machine} machine"),
        hint: "only dumps of x86-64 machines are read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_the_same_name_in_elf_and_in_uname() {
        assert_eq!(by_elf(183), by_uname("aarch64"));
        assert_eq!(by_elf(21), by_uname("ppc64le"));
        assert_eq!(by_elf(22), by_uname("s390x"));
        assert_eq!(by_elf(3), by_uname("i686"));
        assert_eq!(by_uname("armv7l"), Some("an arm"));
    }

    #[test]
    fn an_x86_64_machine_and_one_without_a_name_are_not_refused() {
        assert_eq!(by_elf(62), None);
        assert_eq!(by_uname("x86_64"), None);
        assert_eq!(by_uname(""), None);
        assert_eq!(by_uname("(none)"), None);
    }
}
