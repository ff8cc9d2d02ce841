use super::*;
use crate::made::Numbers;
use crate::made::btf::MadeBtf;
use crate::{Place, TypeSourceExt};

/// One of every kind.
fn every_kind() -> (MadeBtf, Vec<u8>) {
    let mut made = MadeBtf::new();
    let int = made.int("int", 4, 1);
    let boolean = made.int("_Bool", 1, 4);
    let ptr = made.add(2, false, "", int, 0, &[]);
    let array = made.add(3, false, "", 0, 0, &[int, int, 5]);
    let anonymous = made.structure(5, false, "", 8, &[("left", int, 0), ("right", ptr, 0)]);
    made.structure(
        4,
        false,
        "outer",
        40,
        &[("head", int, 0), ("", anonymous, 64), ("row", array, 128)],
    );
    made.structure(
        4,
        true,
        "bits",
        4,
        &[
            ("low", int, 3 << 24),
            ("high", int, 5 << 24 | 3),
            ("plain", boolean, 8),
        ],
    );
    let low = made.name("RED");
    let high = made.name("MINUS");
    made.add(6, true, "colour", 4, 2, &[low, 7, high, u32::MAX]);
    made.add(7, false, "only_declared", 0, 0, &[]);
    let typedef = made.add(8, false, "number_t", int, 0, &[]);
    let volatile = made.add(9, false, "", typedef, 0, &[]);
    let constant = made.add(10, false, "", volatile, 0, &[]);
    made.add(11, false, "", constant, 0, &[]);
    let param = made.name("count");
    let proto = made.add(13, false, "", int, 2, &[param, constant, 0, 0]);
    made.add(12, false, "printer", proto, 1, &[]);
    let variable = made.add(14, false, "per_cpu_thing", int, 0, &[1]);
    made.add(15, false, ".data..percpu", 64, 1, &[variable, 16, 4]);
    made.add(16, false, "double", 8, 0, &[]);
    made.add(17, false, "a_tag", int, 0, &[u32::MAX]);
    made.add(18, false, "rcu", int, 0, &[]);
    let big = made.name("BIG");
    made.add(19, false, "wide", 8, 1, &[big, 1, 0x8000_0000]);
    let bytes = made.build();
    (made, bytes)
}

fn open(made: &MadeBtf) -> Btf {
    Btf::parse(made.build(), None).unwrap()
}

fn named(btf: &Btf, tag: Tag, name: &str) -> Type {
    btf.describe(btf.find(tag, name).unwrap().unwrap()).unwrap()
}

#[test]
fn every_kind_is_read() {
    let (made, bytes) = every_kind();
    let btf = Btf::parse(bytes, None).unwrap();
    assert_eq!(btf.len() as u32, made.next_id() - 1);
    let failed: Vec<_> = btf
        .ids()
        .filter_map(|id| btf.describe(id).err())
        .map(|error| error.to_string())
        .collect();
    assert_eq!(failed, ["section .data..percpu is not a type"]);
    assert!(matches!(
        named(&btf, Tag::Base, "_Bool"),
        Type::Int {
            boolean: true,
            size: 1,
            ..
        }
    ));
    assert!(matches!(
        named(&btf, Tag::Base, "double"),
        Type::Float { size: 8, .. }
    ));
    let Type::Enum {
        enumerators,
        signed: true,
        ..
    } = named(&btf, Tag::Enum, "colour")
    else {
        panic!()
    };
    assert_eq!(
        &*enumerators,
        &[("RED".to_owned(), 7), ("MINUS".to_owned(), -1)]
    );
    let Type::Func {
        params,
        variadic: true,
        name,
        ..
    } = named(&btf, Tag::Func, "printer")
    else {
        panic!()
    };
    assert_eq!((name.as_deref(), params.len()), (Some("printer"), 1));
    assert_eq!(
        btf.enumerator("BIG").unwrap(),
        Some(0x8000_0000_0000_0001_u64 as i64)
    );
    assert_eq!(btf.enumerator("NONE").unwrap(), None);
    assert_eq!(btf.find(Tag::Struct, "only_declared").unwrap(), None);
    let (section, offset, size) = btf.section_of_variable("per_cpu_thing").unwrap().unwrap();
    assert_eq!((section.as_str(), offset.0, size), (".data..percpu", 16, 4));
    assert!(btf.variable("printer").unwrap().is_none());
}

#[test]
fn a_path_goes_through_anonymous_unions_and_arrays() {
    let (_, bytes) = every_kind();
    let btf = Btf::parse(bytes, None).unwrap();
    let outer = btf.struct_named("outer").unwrap();
    assert_eq!(btf.member_path(outer, "right").unwrap().bit_offset, 64);
    let place = btf.member_path(outer, "row[3]").unwrap();
    assert_eq!((place.bit_offset, place.byte_offset()), (128 + 96, 28));
    assert_eq!(
        btf.size_of(btf.member(outer, "row").unwrap().type_id)
            .unwrap(),
        20
    );
    assert!(matches!(
        btf.member_path(outer, "row[5]"),
        Err(Error::IndexOutOfRange { index: 5, count: 5 })
    ));
    assert!(matches!(
        btf.member_path(outer, "head.x"),
        Err(Error::WrongKind { .. })
    ));
    let missing = btf.member_path(outer, "tail").unwrap_err();
    assert!(missing.is_absence());
    assert_eq!(missing.to_string(), "struct outer has no member tail");
    assert_eq!(
        btf.struct_named("nothing").unwrap_err().to_string(),
        "no type named nothing"
    );
}

#[test]
fn a_bitfield_has_its_width_in_both_forms() {
    let mut made = MadeBtf::new();
    let int = made.int("unsigned int", 4, 0);
    let narrow = made.add(1, false, "unsigned int", 4, 0, &[2 << 16 | 3]);
    let hidden = made.add(8, false, "flags_t", narrow, 0, &[]);
    made.structure(4, false, "old", 8, &[("a", int, 0), ("b", hidden, 32)]);
    made.structure(
        4,
        true,
        "new",
        8,
        &[("a", int, 0), ("b", int, 3 << 24 | 34)],
    );
    let btf = open(&made);
    for name in ["old", "new"] {
        let place = btf.place_in(name, "b").unwrap();
        assert_eq!((place.bit_offset, place.bit_size), (34, Some(3)), "{name}");
        assert_eq!(
            btf.place_in(name, "a").unwrap(),
            Place {
                bit_offset: 0,
                type_id: TypeId(int.into()),
                bit_size: None
            }
        );
    }
}

#[test]
fn enums_of_old_kernels_are_signed() {
    let mut made = MadeBtf::new();
    let name = made.name("MINUS_ONE");
    made.add(6, false, "old", 4, 1, &[name, u32::MAX]);
    assert_eq!(open(&made).enumerator("MINUS_ONE").unwrap(), Some(-1));
    let other = made.name("SIGNED");
    made.add(6, true, "newer", 4, 1, &[other, 0]);
    assert_eq!(
        open(&made).enumerator("MINUS_ONE").unwrap(),
        Some(0xffff_ffff)
    );
}

/// A kernel with `int` and `struct shared`, and what its module adds.
fn kernel() -> (MadeBtf, Arc<Btf>) {
    let mut made = MadeBtf::new();
    made.add(7, false, "filler", 0, 0, &[]);
    let int = made.int("int", 4, 1);
    made.structure(4, false, "shared", 8, &[("x", int, 0), ("y", int, 32)]);
    let btf = Arc::new(open(&made));
    (made, btf)
}

#[test]
fn a_module_goes_on_where_its_kernel_ends() {
    let (base, kernel) = kernel();
    let mut made = MadeBtf::split(base.next_id(), base.string_bytes());
    made.structure(4, false, "own", 16, &[("inner", 3, 0), ("z", 2, 64)]);
    let module = Btf::parse(made.build(), Some(kernel)).unwrap();
    assert_eq!(module.place_in("own", "inner.y").unwrap().bit_offset, 32);
    assert_eq!(
        module
            .size_of(module.struct_named("shared").unwrap())
            .unwrap(),
        8
    );
    assert_eq!(module.find(Tag::Struct, "own").unwrap(), Some(TypeId(4)));
    assert_eq!(module.describe(TypeId(2)).unwrap().label(), "int");
}

#[test]
fn a_module_on_a_distilled_base_finds_its_kernels_types() {
    let (_, kernel) = kernel();
    let mut distilled = MadeBtf::new();
    distilled.structure(4, false, "shared", 8, &[]);
    distilled.int("int", 4, 1);
    let mut made = MadeBtf::split(distilled.next_id(), distilled.string_bytes());
    let ptr = made.add(2, false, "", 1, 0, &[]);
    made.structure(
        4,
        false,
        "own",
        24,
        &[("inner", 1, 0), ("z", 2, 64), ("p", ptr, 128)],
    );
    let module =
        Btf::parse_distilled(made.build(), distilled.build(), Arc::clone(&kernel)).unwrap();
    assert_eq!(module.place_in("own", "inner.y").unwrap().bit_offset, 32);
    let pointer = module.place_in("own", "p").unwrap().type_id;
    let Type::Pointer { target, .. } = module.describe(pointer).unwrap() else {
        panic!()
    };
    assert_eq!(target, kernel.struct_named("shared").unwrap());
    let mut wrong = MadeBtf::new();
    wrong.structure(4, false, "shared", 12, &[]);
    assert!(Btf::parse_distilled(made.build(), wrong.build(), kernel).is_err());
}

#[test]
fn a_circle_of_typedefs_ends_with_an_error() {
    let mut made = MadeBtf::new();
    made.add(8, false, "one", 2, 0, &[]);
    made.add(8, false, "two", 1, 0, &[]);
    made.add(3, false, "", 0, 0, &[3, 3, 2]);
    made.structure(4, false, "self", 8, &[("", 4, 0)]);
    let btf = open(&made);
    assert!(matches!(btf.resolve(TypeId(1)), Err(Error::TooDeep { .. })));
    assert!(matches!(
        btf.size_of(TypeId(3)),
        Err(Error::TooDeep { .. } | Error::Malformed { .. })
    ));
    assert!(matches!(
        btf.member(TypeId(4), "x"),
        Err(Error::TooDeep { .. })
    ));
    assert!(matches!(
        btf.describe(TypeId(99)),
        Err(Error::BadTypeId { id: 99, limit: 5 })
    ));
}

#[test]
fn a_header_that_is_no_btf_header_is_told() {
    let (_, good) = every_kind();
    let swapped = [&[0xeb, 0x9f], &good[2..]].concat();
    assert!(
        Btf::parse(swapped, None)
            .unwrap_err()
            .to_string()
            .contains("big-endian")
    );
    assert!(
        Btf::parse(b"\x7fELF".to_vec(), None)
            .unwrap_err()
            .to_string()
            .contains("0xeb9f")
    );
    assert!(matches!(
        Btf::parse(Vec::new(), None),
        Err(Error::Truncated { .. })
    ));
    let mut unknown = MadeBtf::new();
    unknown.add(33, false, "", 0, 0, &[]);
    assert!(
        Btf::parse(unknown.build(), None)
            .unwrap_err()
            .to_string()
            .contains("kind 33")
    );
}

/// Asks everything of BTF that may be damaged; only panics would be wrong.
fn ask_everything(btf: &Btf) {
    for id in btf.ids() {
        let _ = btf.describe(id);
        let _ = btf.size_of(id);
        let _ = btf.member(id, "right");
    }
    for name in ["outer", "bits", "per_cpu_thing", "RED"] {
        let _ = btf.find_any(name);
        let _ = btf.variable(name);
        let _ = btf.section_of_variable(name);
        let _ = btf.enumerator(name);
    }
}

#[test]
fn btf_cut_anywhere_or_with_any_bit_flipped_is_an_error_or_an_answer() {
    let (_, good) = every_kind();
    for len in 0..good.len() {
        if let Ok(btf) = Btf::parse(&good[..len], None) {
            ask_everything(&btf);
        }
    }
    let mut numbers = Numbers(0x1234_5678);
    for _ in 0..20_000 {
        let mut bad = good.clone();
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(bad.len());
            bad[at] ^= 1 << numbers.below(8);
        }
        if let Ok(btf) = Btf::parse(bad, None) {
            ask_everything(&btf);
        }
    }
}
