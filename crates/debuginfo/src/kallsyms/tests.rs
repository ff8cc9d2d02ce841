use super::*;
use crate::made::Numbers;
use crate::made::kallsyms::{encodings, parts};

const BASE: u64 = 0xffff_ffff_8100_0000;
const TABLE: u64 = 0xffff_ffff_8220_0000;

/// Letter and name, address, in the order of the table.
fn symbols() -> Vec<(String, u64)> {
    let mut all: Vec<(String, u64)> = vec![
        ("T_text".into(), BASE),
        ("T_stext".into(), BASE),
        ("t__pfx_do_nmi_handler".into(), BASE + 0x100),
        ("Tdo_nmi_handler".into(), BASE + 0x110),
        ("t__kcfi_typeid_kvm_emergency".into(), BASE + 0x200),
        ("bkvm_emergency_callback".into(), BASE + 0x300),
        ("b__warned.1".into(), BASE + 0x308),
        ("b__warned.1".into(), BASE + 0x309),
    ];
    all.push((
        format!("t{}", "very_long_rust_name_".repeat(12)),
        BASE + 0x400,
    ));
    for n in 0..600 {
        all.push((format!("tfiller_{n}"), BASE + 0x1000 + n * 16));
    }
    all.push(("B_end".into(), BASE + 0x9000));
    all
}

fn tables(all: &[(String, u64)]) -> (KallsymsParts, [KallsymsAddresses; 4]) {
    let names: Vec<_> = all.iter().map(|(name, _)| name.clone()).collect();
    let addresses: Vec<_> = all.iter().map(|(_, address)| *address).collect();
    (parts(&names), encodings(&addresses, BASE, TABLE))
}

#[test]
fn all_four_encodings_give_the_same_symbols() {
    let all = symbols();
    let (parts, encodings) = tables(&all);
    for addresses in encodings {
        let table = Kallsyms::parse(KallsymsParts {
            addresses,
            ..parts.clone()
        })
        .unwrap();
        let mut found = Vec::new();
        table.for_each(&mut |name, address, kind| found.push((format!("{kind}{name}"), address.0)));
        assert_eq!(found, all, "{}", table.addresses().label());
        let callback = table.unique("kvm_emergency_callback").unwrap();
        assert_eq!(
            (callback.address.0, callback.size, callback.kind),
            (BASE + 0x300, Some(8), 'b')
        );
    }
}

#[test]
fn a_name_is_found_with_and_without_the_index() {
    let all = symbols();
    let (parts, [absolute, ..]) = tables(&all);
    let table = Kallsyms::parse(KallsymsParts {
        addresses: absolute,
        ..parts
    })
    .unwrap();
    for _ in 0..8 {
        assert_eq!(
            table.lookup("filler_599")[0].address.0,
            BASE + 0x1000 + 599 * 16
        );
        assert_eq!(table.lookup("__warned.1").len(), 2);
        assert!(table.unique("__warned.1").is_none());
        assert!(table.lookup("filler_59x").is_empty());
        assert!(table.lookup("").is_empty());
        assert_eq!(table.lookup(&"very_long_rust_name_".repeat(12)).len(), 1);
    }
}

#[test]
fn an_address_is_named_by_what_people_wrote() {
    let all = symbols();
    let (parts, [absolute, ..]) = tables(&all);
    let table = Kallsyms::parse(KallsymsParts {
        addresses: absolute,
        ..parts
    })
    .unwrap();
    let name = |address: u64| {
        table
            .at(VirtAddr(address))
            .map(|(symbol, offset)| (symbol.name, offset))
    };
    assert_eq!(name(BASE + 0x115), Some(("do_nmi_handler".into(), 5)));
    assert_eq!(
        name(BASE + 0x105),
        None,
        "padding in front of a function belongs to nobody"
    );
    assert_eq!(name(BASE), Some(("_text".into(), 0)));
    assert_eq!(name(BASE - 1), None);
    assert_eq!(name(BASE + 0x9000), Some(("_end".into(), 0)));
    assert_eq!(
        name(BASE + 0x9001),
        None,
        "nothing is known behind the last symbol"
    );
}

#[test]
fn symbols_out_of_order_are_still_found_by_address() {
    let mut all = symbols();
    all.reverse();
    all.push(("Dper_cpu_first".into(), 0x40));
    let (parts, [absolute, _, percpu, _]) = tables(&all);
    for addresses in [absolute, percpu] {
        let table = Kallsyms::parse(KallsymsParts {
            addresses,
            ..parts.clone()
        })
        .unwrap();
        assert_eq!(
            table.at(VirtAddr(BASE + 0x112)).unwrap().0.name,
            "do_nmi_handler"
        );
        assert_eq!(table.unique("per_cpu_first").unwrap().address.0, 0x40);
    }
}

#[test]
fn the_encoding_is_told_by_known_addresses() {
    let all = symbols();
    let (parts, encodings) = tables(&all);
    let names = || {
        let KallsymsParts {
            num_syms,
            names,
            token_table,
            token_index,
            ..
        } = parts.clone();
        KallsymsNames::parse(num_syms, names, token_table, token_index).unwrap()
    };
    let known = [
        ("_stext", VirtAddr(BASE)),
        ("kvm_emergency_callback", VirtAddr(BASE + 0x300)),
        ("not_there", VirtAddr(1)),
    ];
    for right in &encodings[1..] {
        let (KallsymsAddresses::BaseRelative { offsets, .. }
        | KallsymsAddresses::AbsolutePercpu { offsets, .. }
        | KallsymsAddresses::PlaceRelative { offsets, .. }) = right
        else {
            panic!()
        };
        let candidates = [
            KallsymsAddresses::PlaceRelative {
                offsets: offsets.clone(),
                table_address: VirtAddr(TABLE),
            },
            KallsymsAddresses::AbsolutePercpu {
                offsets: offsets.clone(),
                base: VirtAddr(BASE),
            },
            KallsymsAddresses::BaseRelative {
                offsets: offsets.clone(),
                base: VirtAddr(BASE),
            },
        ];
        assert_eq!(
            guess_encoding(&names(), &candidates, &known)
                .unwrap()
                .label(),
            right.label()
        );
        let wrong = [("_stext", VirtAddr(BASE + 1))];
        let error = guess_encoding(&names(), &candidates, &wrong).unwrap_err();
        assert!(error.to_string().contains("_stext is at"), "{error}");
    }
    assert!(guess_encoding(&names(), &encodings, &[("not_there", VirtAddr(1))]).is_err());
}

#[test]
fn the_lengths_of_tables_are_found_in_longer_slices() {
    let (parts, _) = tables(&symbols());
    let long = [&*parts.names, &[0xff; 40]].concat();
    assert_eq!(
        KallsymsParts::names_len(parts.num_syms, &long).unwrap(),
        parts.names.len()
    );
    let long = [&*parts.token_table, b"junk\0"].concat();
    assert_eq!(
        KallsymsParts::token_table_len(&long).unwrap(),
        parts.token_table.len()
    );
    let short = &parts.names[..parts.names.len() - 1];
    assert!(matches!(
        KallsymsParts::names_len(parts.num_syms, short),
        Err(Error::Truncated { .. })
    ));
    assert!(KallsymsParts::names_len(u32::MAX, &[]).is_err());
}

#[test]
fn damaged_tables_are_an_error_or_an_answer() {
    let all = symbols();
    let (good, encodings) = tables(&all);
    let mut numbers = Numbers(42);
    for round in 0..300 {
        let mut parts = KallsymsParts {
            addresses: encodings[round % 4].clone(),
            ..good.clone()
        };
        let mut damage = |bytes: &FileBytes| {
            let mut bad = bytes.to_vec();
            for _ in 0..4 {
                let at = numbers.below(bad.len());
                bad[at] = numbers.next() as u8;
            }
            let len = bad.len() - numbers.below(3);
            bad.truncate(len);
            FileBytes::from(bad)
        };
        match round % 3 {
            0 => parts.names = damage(&parts.names),
            1 => parts.token_table = damage(&parts.token_table),
            _ => parts.token_index = damage(&parts.token_index),
        }
        let Ok(table) = Kallsyms::parse(parts) else {
            continue;
        };
        for _ in 0..5 {
            table.lookup("kvm_emergency_callback");
        }
        table.at(VirtAddr(BASE + 0x112));
        table.for_each(&mut |_, _, _| {});
    }
}

#[test]
fn a_table_of_addresses_that_is_too_short_is_told() {
    let (parts, _) = tables(&symbols());
    let error = Kallsyms::parse(parts).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Truncated {
                place: "kallsyms_addresses",
                ..
            }
        ),
        "{error}"
    );
}

/// The numbers of symbols in the order of their names, as scripts/kallsyms.c writes them.
fn order(names: &[String]) -> Vec<u8> {
    let key = |number: &u32| {
        let name = &names[*number as usize][1..];
        let end = name.find(".llvm.").unwrap_or(name.len());
        (name[..end].to_owned(), *number)
    };
    let mut numbers: Vec<u32> = (0..names.len() as u32).collect();
    numbers.sort_by_key(key);
    numbers
        .iter()
        .flat_map(|number| number.to_be_bytes()[1..].to_vec())
        .collect()
}

fn names_of(parts: &KallsymsParts) -> KallsymsNames {
    let parts = parts.clone();
    KallsymsNames::parse(
        parts.num_syms,
        parts.names,
        parts.token_table,
        parts.token_index,
    )
    .unwrap()
}

#[test]
fn the_kernel_s_order_of_names_finds_what_a_pass_over_all_finds() {
    let mut names: Vec<String> = symbols().into_iter().map(|(name, _)| name).collect();
    for name in ["foo.llvm.77", "foo", "foo.llvm.9", "foo.cold", "fo", "foo0"] {
        names.push(format!("t{name}"));
    }
    let parts = parts(&names);
    let plain = names_of(&parts);
    let mut sorted = names_of(&parts);
    assert!(sorted.sort_by(order(&names).into()));
    for name in &names {
        let name = &name.as_bytes()[1..];
        assert_eq!(sorted.search(name), plain.search(name), "{name:?}");
    }
    for absent in [
        "",
        "a",
        "foo.llvm.",
        "foo.llvm.8",
        "zzz",
        "filler_",
        "_end2",
    ] {
        assert!(sorted.search(absent.as_bytes()).is_empty(), "{absent}");
    }
}

#[test]
fn bytes_that_are_no_order_of_names_are_not_taken() {
    let names: Vec<String> = symbols().into_iter().map(|(name, _)| name).collect();
    let mut table = names_of(&parts(&names));
    let right = order(&names);
    let by_number: Vec<u8> = (0..names.len() as u32)
        .flat_map(|number| number.to_be_bytes()[1..].to_vec())
        .collect();
    for wrong in [
        by_number,
        vec![0xff; right.len()],
        right[..right.len() - 3].to_vec(),
        Vec::new(),
    ] {
        assert!(!table.sort_by(wrong.into()));
        assert!(!table.is_sorted());
        assert_eq!(table.search(b"kvm_emergency_callback"), [5]);
    }
    assert!(table.sort_by(right.into()));
}
