use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::made::btf::MadeBtf;
use crate::{Btf, Symbol, SymbolOrigin, SymbolSource, Tag, Type, TypeId, TypeSource, VirtAddr};

const IMAGE: VirtAddr = VirtAddr(0xffff_ffff_8000_0000);
const BIAS: u64 = 0x1400_0000;

/// A table at run-time addresses that counts how often it is asked.
#[derive(Debug, Default)]
struct Table {
    asked: AtomicUsize,
}

fn symbol(name: &str, address: u64, size: u64) -> Symbol {
    Symbol {
        name: name.to_owned(),
        address: VirtAddr(address),
        size: Some(size),
        kind: 'T',
    }
}

impl SymbolSource for Table {
    fn origin(&self) -> SymbolOrigin {
        SymbolOrigin::Kallsyms
    }

    fn lookup(&self, name: &str) -> Vec<Symbol> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match name {
            "panic" => vec![symbol("panic", IMAGE.0 + BIAS + 0x1000, 0x80)],
            "cpu_number" => vec![symbol("cpu_number", 0x40, 8)],
            _ => Vec::new(),
        }
    }

    fn at(&self, address: VirtAddr) -> Option<(Symbol, u64)> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let offset = address.0.checked_sub(IMAGE.0 + BIAS + 0x1000)?;
        (offset < 0x80).then(|| (symbol("panic", IMAGE.0 + BIAS + 0x1000, 0x80), offset))
    }

    fn len(&self) -> usize {
        2
    }

    fn for_each(&self, visit: &mut dyn FnMut(&str, VirtAddr, char)) {
        visit("panic", VirtAddr(IMAGE.0 + BIAS + 0x1000), 'T');
    }
}

fn sample_btf() -> Btf {
    let mut made = MadeBtf::new();
    let int = made.add(1, false, "int", 4, 0, &[1 << 24 | 32]);
    made.add(8, false, "s32", int, 0, &[]);
    let member = made.name("member");
    made.add(4, false, "thing", 4, 1, &[member, int, 0]);
    made.add(5, false, "thing", 4, 1, &[member, int, 0]);
    let one = made.name("ONE");
    made.add(6, false, "thing", 4, 1, &[one, 1]);
    Btf::parse(made.build(), None).unwrap()
}

fn key() -> ProfileKey {
    ProfileKey::new("00112233445566778899aabbccddeeff00112233", "dump-auto").unwrap()
}

fn sample() -> Profile {
    let types = RecordedTypes::of(Arc::new(sample_btf()));
    let symbols = RecordedSymbols::of(Arc::new(Table::default()), IMAGE, BIAS);
    for name in ["panic", "cpu_number", "nothing"] {
        symbols.lookup(name);
    }
    symbols.at(VirtAddr(IMAGE.0 + 0x1010));
    symbols.at(VirtAddr(IMAGE.0 + 0x9999));
    for tag in [Tag::Struct, Tag::Union, Tag::Enum, Tag::Typedef, Tag::Base] {
        for name in ["thing", "int", "s32", "nothing"] {
            if let Some(id) = types.find(tag, name).unwrap() {
                types.describe(id).unwrap();
            }
        }
    }
    types.enumerator("nothing").unwrap();
    types.variable("nothing").unwrap();
    Profile {
        key: key(),
        tool: Profile::current_tool(),
        release: "7.2.0-test".to_owned(),
        symbols_from: "kallsyms-in-dump".to_owned(),
        types_from: "btf-in-dump".to_owned(),
        symbols: symbols.answers(),
        origin: types.origin(),
        types: types.answers(),
        modules: BTreeMap::from([(
            "kvm_amd".to_owned(),
            ModuleProfile {
                identity: 7,
                origin: types.origin(),
                types: types.answers(),
            },
        )]),
    }
}

#[test]
fn a_profile_reads_back_as_it_was_written() {
    let profile = sample();
    assert!(profile.types.len() > 10);
    assert_eq!(
        Profile::decode(&profile.encode().unwrap()).unwrap(),
        profile
    );
}

#[test]
fn a_profile_cut_anywhere_or_with_any_bit_flipped_is_not_taken() {
    let bytes = sample().encode().unwrap();
    for len in 0..bytes.len() {
        assert!(Profile::decode(&bytes[..len]).is_err(), "{len} bytes");
    }
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(Profile::decode(&bad).is_err(), "bit {bit}");
    }
    let mut long = bytes;
    long.push(b' ');
    assert!(Profile::decode(&long).is_err());
}

#[test]
fn a_profile_that_says_what_cannot_be_is_not_taken() {
    let with = |change: &dyn Fn(&mut Profile)| {
        let mut profile = sample();
        change(&mut profile);
        Profile::decode(&profile.encode().unwrap())
    };
    assert!(with(&|_| {}).is_ok());
    assert!(with(&|p| p.tool = "0.0.0".to_owned()).is_err());
    assert!(with(&|p| p.key.build_id = "../../etc/passwd".to_owned()).is_err());
    assert!(with(&|p| p.key.source = "dump/auto".to_owned()).is_err());
    let overlap = |p: &mut Profile| {
        p.symbols.ranges.insert(1, (100, None));
        p.symbols.ranges.insert(50, (60, None));
    };
    assert!(with(&overlap).is_err());
    let above = |p: &mut Profile| {
        p.symbols
            .ranges
            .insert(1, (2, Some(symbol("above", 0x1000, 1))));
    };
    assert!(with(&above).is_err());
    let long = |p: &mut Profile| {
        p.symbols.named.insert("x".repeat(5000), Vec::new());
        p.symbols
            .ranges
            .insert(1, (2, Some(symbol(&"x".repeat(5000), 1, 1))));
    };
    assert!(with(&long).is_err());
    // A body that is no profile, under a header that is right.
    for body in [&b"{}"[..], b"null", b"[[[[", b""] {
        let bytes = [header(body).as_bytes(), body].concat();
        assert!(Profile::decode(&bytes).is_err());
    }
    let deep = "[".repeat(100_000);
    assert!(
        Profile::decode(&[header(deep.as_bytes()).as_bytes(), deep.as_bytes()].concat()).is_err()
    );
}

#[test]
fn what_was_asked_before_is_not_asked_again_and_what_was_not_is() {
    let profile = sample();
    let table = Arc::new(Table::default());
    let for_symbols = table.clone();
    // KASLR has moved this boot's kernel elsewhere than the first's.
    let symbols = RecordedSymbols::new(
        (SymbolOrigin::Kallsyms, IMAGE, BIAS),
        profile.symbols.clone(),
        move || Ok(for_symbols.clone()),
    );
    assert_eq!(
        symbols.lookup("panic"),
        [symbol("panic", IMAGE.0 + 0x1000, 0x80)]
    );
    assert_eq!(
        symbols.lookup("cpu_number"),
        [symbol("cpu_number", 0x40, 8)]
    );
    assert!(symbols.lookup("nothing").is_empty());
    // Another address of the same symbol.
    let (found, offset) = symbols.at(VirtAddr(IMAGE.0 + 0x1077)).unwrap();
    assert_eq!((found.name.as_str(), offset), ("panic", 0x77));
    assert!(symbols.at(VirtAddr(IMAGE.0 + 0x9999)).is_none());
    assert_eq!(symbols.len(), 2);
    assert_eq!(table.asked.load(Ordering::Relaxed), 0);
    assert!(!symbols.has_grown());
    assert!(symbols.lookup("new").is_empty());
    assert_eq!(table.asked.load(Ordering::Relaxed), 1);
    assert!(symbols.has_grown() && !symbols.has_failed());
}

#[test]
fn types_from_a_profile_are_those_of_the_source() {
    let real = sample_btf();
    let profile = sample();
    let known = RecordedTypes::new(profile.origin, profile.types.clone(), || {
        Err(Error::unsupported("anything new", ""))
    });
    for (tag, found) in &profile.types.found {
        for name in found.keys() {
            let id = known.find(*tag, name).unwrap();
            assert_eq!(id, real.find(*tag, name).unwrap());
            if let Some(id) = id {
                assert_eq!(known.describe(id).unwrap(), real.describe(id).unwrap());
            }
        }
    }
    assert!(!known.has_failed());
    assert!(known.find(Tag::Struct, "new").is_err());
    assert!(known.has_failed() && !known.has_grown());
}

#[test]
fn a_name_that_nobody_can_look_up_is_remembered_as_a_failure() {
    let profile = sample();
    let closed = RecordedSymbols::closed(SymbolOrigin::ElfSymtab, profile.symbols);
    assert_eq!(closed.lookup("panic").len(), 1);
    assert!(closed.at(VirtAddr(1)).is_none());
    assert!(!closed.has_failed());
    assert!(closed.lookup("new").is_empty());
    assert!(closed.has_failed());
}

#[test]
fn a_store_gives_back_what_was_put_in_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = ProfileStore::new(folder.path().join("a/b"));
    assert!(store.load(&key()).is_none() && store.list().is_empty());
    let path = store.save(&sample()).unwrap();
    assert_eq!(store.load(&key()), Some(sample()));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(store.folder())), (0o600, 0o700));
    // Another kernel's profile under this one's name.
    let other = ProfileKey::new("ffeeddccbbaa99887766554433221100ffeeddcc", "dump-auto").unwrap();
    std::fs::copy(
        &path,
        store
            .folder()
            .join(format!("{}.dump-auto.profile", other.build_id)),
    )
    .unwrap();
    assert!(store.load(&other).is_none());
    // One that others may write, a link, a folder, a damaged one.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(store.load(&key()).is_none());
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert!(store.load(&key()).is_none());
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(store.load(&key()).is_none());
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, b"virtopsy-profile").unwrap();
    assert!(store.load(&key()).is_none());
    store.save(&sample()).unwrap();
    assert_eq!(store.load(&key()), Some(sample()));
}

#[test]
fn profiles_saved_at_once_are_whole_and_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = ProfileStore::new(folder.path());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = store.clone();
            scope.spawn(move || {
                for round in 0..20 {
                    let mut profile = sample();
                    profile
                        .symbols
                        .named
                        .insert(format!("own_{thread}_{round}"), Vec::new());
                    store.save(&profile).unwrap();
                    let read = store.load(&key()).unwrap();
                    assert_eq!(read.types, profile.types);
                }
            });
        }
    });
    // Nothing unfinished stays.
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let mut more = sample();
    more.symbols.named.insert("one".to_owned(), Vec::new());
    store.save(&more).unwrap();
    store.save(&sample()).unwrap();
    assert!(store.load(&key()).unwrap().symbols.named("one").is_some());
}

#[test]
fn the_oldest_profiles_go_when_there_are_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let store = ProfileStore::new(folder.path());
    let small = Profile {
        types: TypeAnswers::default(),
        modules: BTreeMap::new(),
        ..sample()
    };
    for number in 0..270u32 {
        let build_id = format!("{number:040x}");
        let profile = Profile {
            key: ProfileKey::new(&build_id, "dump-auto").unwrap(),
            ..small.clone()
        };
        store.save(&profile).unwrap();
    }
    let left = store.list();
    assert_eq!(left.len(), 256);
    let last = ProfileKey::new(&format!("{:040x}", 269), "dump-auto").unwrap();
    assert!(store.load(&last).is_some());
}

#[test]
fn an_installed_profile_of_a_dump_serves_that_kernels_dumps_and_one_of_a_vmlinux_is_apart() {
    let folder = tempfile::tempdir().unwrap();
    let store = ProfileStore::new(folder.path().join("store"));
    let file = folder.path().join("shipped");
    std::fs::write(&file, sample().encode().unwrap()).unwrap();
    store.install(&file).unwrap();
    assert!(store.load(&key()).is_some());
    assert!(store.load_installed(&key()).is_some());
    assert!(store.installed(&key().build_id).is_none());
    let mut of_file = sample();
    of_file.key.source = "vmlinux-0123456789abcdef-dwarf".to_owned();
    std::fs::write(&file, of_file.encode().unwrap()).unwrap();
    store.install(&file).unwrap();
    assert_eq!(store.installed(&key().build_id), Some(of_file.clone()));
    assert!(store.load(&of_file.key).is_none());
    assert_eq!(store.list().len(), 2);
    std::fs::write(&file, b"something else").unwrap();
    assert!(store.install(&file).is_err());
    assert!(store.install(&folder.path().join("absent")).is_err());
}

#[test]
fn a_type_that_leads_to_itself_ends_there_too() {
    use crate::TypeSourceExt;
    let mut types = TypeAnswers::default();
    let own = Type::Typedef {
        name: "loop".to_owned(),
        target: TypeId(1),
    };
    types.types.insert(TypeId(1), own);
    let known = RecordedTypes::new(TypeOrigin::Btf, types, || {
        Err(Error::unsupported("anything new", ""))
    });
    assert!(known.resolve(TypeId(1)).is_err());
    assert!(known.size_of(TypeId(1)).is_err());
}
