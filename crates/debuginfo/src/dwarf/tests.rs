use gimli::{
    DW_AT_bit_offset, DW_AT_bit_size, DW_AT_byte_size, DW_AT_const_value, DW_AT_count,
    DW_AT_data_bit_offset, DW_AT_data_member_location, DW_AT_declaration, DW_AT_encoding,
    DW_AT_location, DW_AT_name, DW_AT_specification, DW_AT_type, DW_AT_upper_bound,
    DW_TAG_array_type, DW_TAG_base_type, DW_TAG_const_type, DW_TAG_enumeration_type,
    DW_TAG_enumerator, DW_TAG_formal_parameter, DW_TAG_member, DW_TAG_structure_type,
    DW_TAG_subprogram, DW_TAG_subrange_type, DW_TAG_typedef, DW_TAG_union_type,
    DW_TAG_unspecified_parameters, DW_TAG_variable,
};

use super::*;
use crate::made::Numbers;
use crate::made::dwarf::{MadeDwarf, Value, elf};
use crate::{TypeSourceExt, VirtAddr};

use Value::{Alternate, Bytes, Entry, Flag, Number, Signed, Text};

fn address(value: u64) -> Value {
    Bytes([&[3][..], &value.to_le_bytes()].concat())
}

/// A bit of everything that the kernel's DWARF has.
fn sample() -> MadeDwarf {
    let mut made = MadeDwarf::new();
    let base = |name, size, encoding| {
        [
            (DW_AT_name, Text(name)),
            (DW_AT_byte_size, Number(size)),
            (DW_AT_encoding, Number(encoding)),
        ]
    };
    let int = made.leaf(DW_TAG_base_type, &base("int", 4, 5));
    let typedef = made.leaf(
        DW_TAG_typedef,
        &[(DW_AT_name, Text("s32")), (DW_AT_type, Entry(int))],
    );
    let constant = made.leaf(DW_TAG_const_type, &[(DW_AT_type, Entry(typedef))]);
    let matrix = made.begin(DW_TAG_array_type, true, &[(DW_AT_type, Entry(constant))]);
    made.leaf(DW_TAG_subrange_type, &[(DW_AT_upper_bound, Number(1))]);
    made.leaf(DW_TAG_subrange_type, &[(DW_AT_count, Number(3))]);
    made.end();
    let flexible = made.begin(DW_TAG_array_type, true, &[(DW_AT_type, Entry(int))]);
    made.leaf(DW_TAG_subrange_type, &[]);
    made.end();
    made.leaf(
        DW_TAG_structure_type,
        &[(DW_AT_name, Text("thing")), (DW_AT_declaration, Flag)],
    );
    let inner = made.begin(DW_TAG_union_type, true, &[(DW_AT_byte_size, Number(8))]);
    made.leaf(
        DW_TAG_member,
        &[(DW_AT_name, Text("left")), (DW_AT_type, Entry(int))],
    );
    made.end();
    let member = |name, ty, at| {
        vec![
            (DW_AT_name, Text(name)),
            (DW_AT_type, Entry(ty)),
            (DW_AT_data_member_location, Number(at)),
        ]
    };
    let thing = made.begin(
        DW_TAG_structure_type,
        true,
        &[(DW_AT_name, Text("thing")), (DW_AT_byte_size, Number(48))],
    );
    made.leaf(
        DW_TAG_member,
        &[
            (DW_AT_type, Entry(inner)),
            (DW_AT_data_member_location, Number(8)),
        ],
    );
    made.leaf(DW_TAG_member, &member("matrix", matrix, 16));
    made.leaf(DW_TAG_member, &member("tail", flexible, 40));
    let mut old = member("old_bits", int, 4);
    old.extend([
        (DW_AT_byte_size, Number(4)),
        (DW_AT_bit_size, Number(3)),
        (DW_AT_bit_offset, Number(27)),
    ]);
    made.leaf(DW_TAG_member, &old);
    made.leaf(
        DW_TAG_member,
        &[
            (DW_AT_name, Text("new_bits")),
            (DW_AT_type, Entry(int)),
            (DW_AT_bit_size, Number(3)),
            (DW_AT_data_bit_offset, Number(34)),
        ],
    );
    made.leaf(
        DW_TAG_member,
        &[
            (DW_AT_name, Text("dwarf2")),
            (DW_AT_type, Entry(int)),
            (DW_AT_data_member_location, Bytes(vec![0x23, 44])),
        ],
    );
    made.end();
    made.begin(
        DW_TAG_enumeration_type,
        true,
        &[
            (DW_AT_name, Text("colour")),
            (DW_AT_byte_size, Number(4)),
            (DW_AT_encoding, Number(5)),
        ],
    );
    made.leaf(
        DW_TAG_enumerator,
        &[(DW_AT_name, Text("RED")), (DW_AT_const_value, Signed(-2))],
    );
    made.leaf(
        DW_TAG_enumerator,
        &[(DW_AT_name, Text("BLUE")), (DW_AT_const_value, Number(9))],
    );
    made.end();
    let declared = made.leaf(
        DW_TAG_variable,
        &[
            (DW_AT_name, Text("callback")),
            (DW_AT_type, Entry(int)),
            (DW_AT_declaration, Flag),
        ],
    );
    made.leaf(
        DW_TAG_variable,
        &[
            (DW_AT_specification, Entry(declared)),
            (DW_AT_location, address(0xffff_ffff_8123_4567)),
        ],
    );
    made.leaf(
        DW_TAG_variable,
        &[
            (DW_AT_name, Text("in_assembly")),
            (DW_AT_type, Entry(thing)),
            (DW_AT_declaration, Flag),
        ],
    );
    made.begin(
        DW_TAG_subprogram,
        true,
        &[(DW_AT_name, Text("printer")), (DW_AT_type, Entry(int))],
    );
    made.leaf(
        DW_TAG_formal_parameter,
        &[(DW_AT_name, Text("count")), (DW_AT_type, Entry(int))],
    );
    made.leaf(DW_TAG_unspecified_parameters, &[]);
    made.end();
    made.leaf(
        DW_TAG_typedef,
        &[(DW_AT_name, Text("shared")), (DW_AT_type, Alternate(1))],
    );
    let next = made.leaf(DW_TAG_base_type, &base("_Bool", 1, 2)) + 1;
    made.leaf(
        DW_TAG_typedef,
        &[(DW_AT_name, Text("round")), (DW_AT_type, Entry(next))],
    );
    made.leaf(
        DW_TAG_variable,
        &[
            (DW_AT_specification, Entry(next + 1)),
            (DW_AT_location, address(1)),
        ],
    );
    made
}

fn dwarf() -> Dwarf {
    Dwarf::load(&elf(sample().sections())).unwrap()
}

#[test]
fn members_are_where_the_compiler_put_them() {
    let dwarf = dwarf();
    let thing = dwarf.struct_named("thing").unwrap();
    assert_eq!(dwarf.size_of(thing).unwrap(), 48);
    for (path, bits, width) in [
        ("left", 64, None),
        ("matrix[1][2]", 128 + 5 * 32, None),
        ("tail[7]", 320 + 7 * 32, None),
        ("old_bits", 34, Some(3)),
        ("new_bits", 34, Some(3)),
        ("dwarf2", 352, None),
    ] {
        let place = dwarf.member_path(thing, path).unwrap();
        assert_eq!((place.bit_offset, place.bit_size), (bits, width), "{path}");
    }
    let matrix = dwarf.member(thing, "matrix").unwrap().type_id;
    assert_eq!(dwarf.size_of(matrix).unwrap(), 24);
    assert!(matches!(
        dwarf.member_path(thing, "matrix[2]"),
        Err(crate::Error::IndexOutOfRange { .. })
    ));
    let Type::Array { count, .. } = dwarf
        .describe(dwarf.member(thing, "tail").unwrap().type_id)
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(count, None);
}

#[test]
fn a_declaration_is_not_found_and_resolves_to_its_definition() {
    let dwarf = dwarf();
    let defined = dwarf.struct_named("thing").unwrap();
    let Type::Struct { .. } = dwarf.describe(defined).unwrap() else {
        panic!()
    };
    let declared = (11..defined.0)
        .map(TypeId)
        .find(|id| matches!(dwarf.describe(*id), Ok(Type::Forward { .. })))
        .unwrap();
    assert_eq!(dwarf.resolve(declared).unwrap().0, defined);
}

#[test]
fn a_variable_has_its_address_where_it_is_defined() {
    let dwarf = dwarf();
    let callback = dwarf.variable("callback").unwrap().unwrap();
    assert_eq!(callback.address, Some(VirtAddr(0xffff_ffff_8123_4567)));
    assert_eq!(dwarf.size_of(callback.type_id).unwrap(), 4);
    let declared = dwarf.variable("in_assembly").unwrap().unwrap();
    assert_eq!(
        (declared.address, dwarf.size_of(declared.type_id).unwrap()),
        (None, 48)
    );
    assert_eq!(dwarf.variable("nothing").unwrap(), None);
}

#[test]
fn enums_and_functions_are_read() {
    let dwarf = dwarf();
    assert_eq!(dwarf.enumerator("RED").unwrap(), Some(-2));
    assert_eq!(dwarf.enumerator("BLUE").unwrap(), Some(9));
    assert_eq!(dwarf.enumerator("GREEN").unwrap(), None);
    let printer = dwarf.find(Tag::Func, "printer").unwrap().unwrap();
    let Type::Func {
        params, variadic, ..
    } = dwarf.describe(printer).unwrap()
    else {
        panic!()
    };
    assert_eq!((params.len(), variadic), (1, true));
    let boolean = dwarf.find(Tag::Base, "_Bool").unwrap().unwrap();
    assert!(matches!(
        dwarf.describe(boolean).unwrap(),
        Type::Int { boolean: true, .. }
    ));
}

#[test]
fn a_type_in_another_file_is_an_error_of_that_type_only() {
    let dwarf = dwarf();
    let shared = dwarf.find(Tag::Typedef, "shared").unwrap().unwrap();
    assert!(
        dwarf
            .size_of(shared)
            .unwrap_err()
            .to_string()
            .contains("dwz")
    );
    assert!(dwarf.struct_named("thing").is_ok());
}

#[test]
fn circles_end_with_an_error() {
    let dwarf = dwarf();
    let round = dwarf.find(Tag::Typedef, "round").unwrap().unwrap();
    assert!(matches!(
        dwarf.resolve(round),
        Err(crate::Error::TooDeep { .. })
    ));
}

#[test]
fn a_file_without_debug_info_says_so() {
    let bare = elf((Vec::new(), Vec::new()));
    assert_eq!(
        Dwarf::load(&bare).unwrap_err().to_string(),
        "no section .debug_info (the file was stripped of its debug info, or built without)"
    );
}

/// Asks everything of DWARF that may be damaged; only panics would be wrong.
fn ask_everything(dwarf: &Dwarf, last: u64) {
    for name in ["thing", "s32", "colour", "printer", "round"] {
        if let Ok(Some(id)) = dwarf.find_any(name) {
            let _ = dwarf.size_of(id);
            let _ = dwarf.member_path(id, "matrix[1][2]");
        }
    }
    let _ = (dwarf.variable("callback"), dwarf.enumerator("RED"));
    for offset in 0..last {
        let _ = dwarf.describe(TypeId(offset));
        let _ = dwarf.describe(TypeId(offset | 1 << DIMENSION_SHIFT));
    }
}

#[test]
fn dwarf_cut_anywhere_or_with_any_bit_flipped_is_an_error_or_an_answer() {
    let (info, abbrev) = sample().sections();
    let mut numbers = Numbers(99);
    for round in 0..600 {
        let (mut info, mut abbrev) = (info.clone(), abbrev.clone());
        let bad = if round % 2 == 0 {
            &mut info
        } else {
            &mut abbrev
        };
        if round % 10 == 0 {
            bad.truncate(numbers.below(bad.len()));
        }
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(bad.len());
            if let Some(byte) = bad.get_mut(at) {
                *byte ^= 1 << numbers.below(8);
            }
        }
        let last = info.len() as u64;
        if let Ok(dwarf) = Dwarf::load(&elf((info, abbrev))) {
            ask_everything(&dwarf, last);
        }
    }
}
