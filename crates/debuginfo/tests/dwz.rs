//! Debug info that dwz made smaller: units that others import, and files that others share.
//!
//! The files are made where gcc and dwz are at hand.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use virtopsy_debuginfo::{
    Dwarf, ElfFile, Error, ReadFiles, Search, SourceLines, SymbolSource as _, Tag, Type,
    TypeSource, TypeSourceExt as _, VirtAddr,
};

const HEADER: &str = "
enum colour { RED = 3, GREEN = -7, BLUE_AND_MORE };
struct shared_inner { int first_member; unsigned long second_member[4][2]; enum colour hue:4; unsigned flag_bits:3; };
union shared_union { struct shared_inner inner; char bytes[96]; };
typedef struct shared_inner shared_typedef;
struct shared_outer { struct shared_outer *next_pointer; union shared_union both; shared_typedef *typed;
                      int (*callback)(struct shared_outer *self, long number); };
extern struct shared_outer shared_variable;
static inline int shared_inline(struct shared_outer *o, int n) {
  int sum = 0;
  for (int i = 0; i < n; i++) sum += o->both.inner.first_member * (int)o->both.inner.second_member[i & 3][1];
  return sum;
}
";

/// Each program has a type of the same name that only it knows.
fn source(which: char, members: &str) -> String {
    format!(
        "#include \"shared.h\"
struct only_in_{which} {{ short thing_of_{which}; struct shared_outer outer; }};
struct same_name {{ {members} }};
struct shared_outer shared_variable;
struct only_in_{which} variable_of_{which};
struct own_of_{which} {{ struct only_in_{which} *to_{which}; char size_of_{which}; }} own_{which};
struct same_name sn;
__attribute__((noinline)) int function_of_{which}(struct only_in_{which} *p, int n) {{
  return shared_inline(&p->outer, n) + (int)sizeof(sn);
}}
"
    )
}

/// A program of two units, `main.c` and `part.c`, in a folder of its own.
struct Made {
    folder: tempfile::TempDir,
}

impl Made {
    /// Programs `a` and `b`; `None`: gcc or dwz is not at hand.
    fn new(version: u32) -> Option<Made> {
        let here = |tool: &str| Command::new(tool).arg("--version").output().is_ok();
        if !here("gcc") || !here("dwz") {
            println!("skipped: gcc and dwz are needed to make files");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let made = Made { folder };
        std::fs::create_dir(made.path("programs")).unwrap();
        made.write("shared.h", HEADER);
        for (which, members) in [('a', "int one;"), ('b', "long one; long long two;")] {
            made.write(&format!("{which}.c"), &source(which, members));
            let main = "#include \"shared.h\"
                struct shared_outer mine;
                int main(int n, char **v) { return shared_inline(&mine, n); }";
            made.write("main.c", main);
            let to = format!("-oprograms/{which}");
            let version = format!("-gdwarf-{version}");
            let from = format!("{which}.c");
            let flags = [
                "-g",
                &version,
                "-O2",
                "-Wl,--build-id",
                &to,
                &from,
                "main.c",
            ];
            made.run("gcc", &flags);
        }
        Some(made)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn run(&self, tool: &str, arguments: &[&str]) {
        let mut command = Command::new(tool);
        let command = command.args(arguments).current_dir(&self.folder);
        assert!(command.status().unwrap().success(), "{tool} {arguments:?}");
    }

    /// Shares what both programs have; `name` is how they know it.
    fn share(&self, options: &[&str], file: &str, name: &str) {
        let fixed = ["-M", name, "-m", file, "programs/a", "programs/b"];
        self.run("dwz", &[options, &fixed].concat());
    }

    fn open(&self, search: &Search, program: &str) -> ElfFile {
        search
            .open(&self.path("programs").join(program), &ReadFiles)
            .unwrap()
    }
}

fn dirs(folder: &Path) -> Search {
    Search {
        debug_dirs: vec![folder.to_owned()],
        ..Search::default()
    }
}

fn offset(dwarf: &Dwarf, name: &str, path: &str) -> u64 {
    let id = dwarf.struct_named(name).unwrap();
    dwarf.member_path(id, path).unwrap().bit_offset
}

/// What programs have whether dwz changed them or not. `part`: the program.
fn check_types(elf: &ElfFile, part: &str) {
    let dwarf = Dwarf::load(elf).unwrap();
    let main = elf.symbols().unwrap().unwrap().unique("main").unwrap();
    for core in [false, true] {
        if core {
            dwarf.look_first_at(&[main.address]);
        }
        assert_eq!(
            offset(&dwarf, "shared_outer", "both.inner.second_member"),
            128
        );
        assert_eq!(
            offset(&dwarf, "shared_outer", "both.inner.flag_bits"),
            (8 + 8 + 64) * 8 + 4
        );
        let own = format!("only_in_{part}");
        assert_eq!(offset(&dwarf, &own, "outer.both.inner.first_member"), 128);
        let id = dwarf.struct_named("same_name").unwrap();
        assert_eq!(dwarf.size_of(id).unwrap(), if part == "a" { 4 } else { 16 });
        assert_eq!(dwarf.enumerator("GREEN").unwrap(), Some(-7));
        assert_eq!(dwarf.enumerator("BLUE_AND_MORE").unwrap(), Some(-6));
        for (name, shape) in [("shared_variable", "shared_outer"), ("sn", "same_name")] {
            let variable = dwarf.variable(name).unwrap().unwrap();
            assert!(variable.address.is_some(), "{name}");
            let Type::Struct { name: found, .. } = dwarf.describe(variable.type_id).unwrap() else {
                panic!("{name} is no structure");
            };
            assert_eq!(found.as_deref(), Some(shape));
        }
        let typedef = dwarf.find(Tag::Typedef, "shared_typedef").unwrap().unwrap();
        assert_eq!(dwarf.size_of(typedef).unwrap(), 80);
        // What only the other program has may be in the file that both share: it is not this one's.
        let other = if part == "a" {
            "only_in_b"
        } else {
            "only_in_a"
        };
        for absent in [other, "nothing_of_that_name"] {
            assert_eq!(dwarf.find(Tag::Struct, absent).unwrap(), None, "{absent}");
        }
        assert_eq!(dwarf.variable("no_variable").unwrap(), None);
        assert_eq!(dwarf.enumerator("NO_ENUMERATOR").unwrap(), None);
    }
}

/// Functions, files and lines somewhere in a function: all that occur at its bytes.
fn places(elf: &ElfFile, function: &str) -> Vec<String> {
    let lines = SourceLines::load(elf).unwrap();
    let symbols = elf.symbols().unwrap().unwrap();
    let symbol = symbols.unique(function).unwrap();
    let mut found = Vec::new();
    for at in 0..symbol.size.unwrap() {
        for frame in lines.at(VirtAddr(symbol.address.0 + at)).unwrap().iter() {
            let function = frame.function.as_deref().unwrap_or("?");
            found.push(format!("{function} {frame} {}", frame.inlined));
        }
    }
    found.sort();
    found.dedup();
    assert!(!found.is_empty());
    found
}

#[test]
fn a_file_that_went_through_dwz_alone_has_all_types_and_lines() {
    for version in [4, 5] {
        let Some(made) = Made::new(version) else {
            return;
        };
        let before = made.open(&Search::default(), "a");
        check_types(&before, "a");
        let lines = places(&before, "function_of_a");
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("shared_inline shared.h:") && line.ends_with("true")),
            "{lines:?}"
        );
        let size = std::fs::metadata(made.path("programs/a")).unwrap().len();
        made.run("dwz", &["programs/a"]);
        assert!(std::fs::metadata(made.path("programs/a")).unwrap().len() < size);
        let after = made.open(&Search::default(), "a");
        check_types(&after, "a");
        assert_eq!(places(&after, "function_of_a"), lines);
    }
}

#[test]
fn types_and_lines_are_found_through_the_alternate_file() {
    for (version, options) in [(4, &[][..]), (5, &[]), (5, &["--dwarf-5"])] {
        let Some(made) = Made::new(version) else {
            return;
        };
        let lines = ["a", "b"].map(|part| {
            places(
                &made.open(&Search::default(), part),
                &format!("function_of_{part}"),
            )
        });
        made.share(options, "common.dwz", "../common.dwz");
        for (part, lines) in ["a", "b"].iter().zip(lines) {
            let elf = made.open(&Search::default(), part);
            check_types(&elf, part);
            assert_eq!(places(&elf, &format!("function_of_{part}")), lines);
        }
    }
}

#[test]
fn the_alternate_file_is_found_where_distributions_put_it() {
    let Some(made) = Made::new(4) else { return };
    made.share(
        &[],
        "common.dwz",
        "/usr/lib/debug/.dwz/x86_64-linux-gnu/common.debug",
    );
    let id = ElfFile::parse(std::fs::read(made.path("common.dwz")).unwrap()).unwrap();
    let id = id.build_id().unwrap();
    let (first, rest) = id.split_at(2);
    let root = Search {
        system_root: Some(made.path("root")),
        ..Search::default()
    };
    let tree = dirs(&made.path("tree"));
    for (search, place) in [
        (
            &root,
            "root/usr/lib/debug/.dwz/x86_64-linux-gnu/common.debug".to_owned(),
        ),
        (
            &root,
            format!("root/usr/lib/debug/.build-id/{first}/{rest}.debug"),
        ),
        (&tree, "tree/.dwz/x86_64-linux-gnu/common.debug".to_owned()),
        (&tree, format!("tree/.build-id/{first}/{rest}.debug")),
        (
            &tree,
            "tree/usr/lib/debug/.dwz/x86_64-linux-gnu/common.debug".to_owned(),
        ),
    ] {
        let place = made.path(&place);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(made.path("common.dwz"), &place).unwrap();
        check_types(&made.open(search, "a"), "a");
        std::fs::remove_file(&place).unwrap();
    }
    // Relative to the file itself, where the debug file is named by a link.
    let Some(made) = Made::new(5) else { return };
    made.share(&[], "common.dwz", "../common.dwz");
    std::fs::create_dir_all(made.path("x/y/z")).unwrap();
    let link = made.path("x/y/z/id.debug");
    std::os::unix::fs::symlink(made.path("programs/b"), &link).unwrap();
    check_types(&Search::default().open(&link, &ReadFiles).unwrap(), "b");
}

#[test]
fn without_the_alternate_file_what_needs_it_says_so_and_the_rest_is_there() {
    let Some(made) = Made::new(5) else { return };
    let lines = places(&made.open(&Search::default(), "a"), "function_of_a");
    made.share(&[], "common.dwz", "../common.dwz");
    // A file of another build is none.
    std::fs::copy(made.path("programs/b"), made.path("common.dwz")).unwrap();
    let elf = made.open(&Search::default(), "a");
    let dwarf = Dwarf::load(&elf).unwrap();
    assert_eq!(offset(&dwarf, "own_of_a", "size_of_a"), 64);
    for error in [
        dwarf.struct_named("shared_inner").unwrap_err(),
        dwarf.enumerator("RED").unwrap_err(),
        dwarf.variable("nothing").unwrap_err(),
        dwarf.find(Tag::Struct, "nothing").unwrap_err(),
    ] {
        assert!(matches!(error, Error::NoAlternate { .. }) && !error.is_absence());
        let text = error.to_string();
        for part in ["../common.dwz", "--debug-dir", ".build-id/"] {
            assert!(text.contains(part), "{text}");
        }
    }
    let found = places(&elf, "function_of_a");
    let without_names = |lines: &[String]| -> Vec<String> {
        let mut lines: Vec<_> = lines
            .iter()
            .map(|l| l.split_once(' ').unwrap().1.to_owned())
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(without_names(&found), without_names(&lines));
}

#[test]
fn every_byte_of_the_shared_file_and_of_what_names_it_may_be_wrong() {
    let Some(made) = Made::new(5) else { return };
    made.share(&[], "common.dwz", "../common.dwz");
    let ask = || {
        let Ok(elf) = Search::default().open(&made.path("programs/a"), &ReadFiles) else {
            return;
        };
        let Ok(dwarf) = Dwarf::load(&elf) else { return };
        for name in ["shared_outer", "only_in_a"] {
            if let Ok(id) = dwarf.struct_named(name) {
                let _ = dwarf.member_path(id, "both.inner.second_member");
                let _ = dwarf.size_of(id);
            }
        }
        let _ = dwarf.enumerator("GREEN");
        let _ = dwarf.variable("shared_variable");
        if let Ok(lines) = SourceLines::load(&elf) {
            let main = elf.symbols().unwrap().unwrap().unique("main");
            let _ = lines.at(main.unwrap().address);
        }
    };
    for name in ["common.dwz", "programs/a"] {
        let whole = std::fs::read(made.path(name)).unwrap();
        let elf = ElfFile::parse(whole.clone()).unwrap();
        for section in [
            ".debug_info",
            ".debug_abbrev",
            ".debug_str",
            ".gnu_debugaltlink",
        ] {
            let Some((_, section)) = elf.section(section) else {
                continue;
            };
            for at in section.offset..section.offset + section.size {
                let mut bytes = whole.clone();
                bytes[at as usize] ^= if at % 2 == 0 { 0x81 } else { 0x7f };
                std::fs::write(made.path(name), bytes).unwrap();
                ask();
            }
        }
        std::fs::write(made.path(name), whole).unwrap();
    }
}
