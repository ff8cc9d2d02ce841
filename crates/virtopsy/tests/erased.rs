//! Dumps from which makedumpfile erased what a question needs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../../tests/support/apart.rs"]
mod apart;

use std::path::Path;

use apart::take_apart;
use virtopsy::report::{CallbackState, DumpReport};
use virtopsy::{DumpSpec, Options, Session};
use virtopsy_kernel::{PeekLimits, Value, VirtAddr};
use virtopsy_testkit::Kdump;

/// The sample written again, with this erase info; a session over it.
fn opened(erase: &str) -> (tempfile::TempDir, Session) {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/svm-stuck-cpu2.kdump");
    let (memory, notes) = take_apart(&sample);
    let plain = Kdump::new(memory).codec(None).erase_info(erase);
    let built = notes.into_iter().fold(plain, Kdump::note).build();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump");
    std::fs::write(&path, built.bytes).unwrap();
    let spec = DumpSpec { paths: vec![path] };
    let session = Session::open(&spec, &Options::default()).unwrap();
    (folder, session)
}

fn notes(report: &DumpReport) -> String {
    report
        .notes
        .iter()
        .map(|note| format!("{note}\n"))
        .collect()
}

#[test]
fn a_value_that_was_erased_is_an_error_that_quotes_the_line_and_no_value() {
    let (_folder, session) =
        opened("erase kvm_emergency_callback nullify\nerase init_uts_ns.name.nodename size 65\n");
    let kernel = session.kernel().unwrap();
    let erased = kernel.space().erased();
    assert_eq!(erased.len(), 2, "{erased:?}");
    let node = kernel
        .peek("kvm_emergency_callback", PeekLimits::default())
        .unwrap();
    let Value::Unreadable(error) = &node.value else {
        panic!("{node:?}");
    };
    assert_eq!(error.kind(), "erased");
    assert!(
        error
            .to_string()
            .contains("`erase kvm_emergency_callback nullify`"),
        "{error}"
    );
    let names = kernel
        .peek("init_uts_ns.name", PeekLimits::default())
        .unwrap();
    let Value::Struct(members) = names.value else {
        panic!("{names:?}");
    };
    for member in members {
        let gone = matches!(member.value, Value::Unreadable(_));
        assert_eq!(gone, member.name == "nodename", "{member:?}");
    }
    let report = session.report();
    // A nullified callback must not pass for none.
    assert_eq!(report.callback.state, CallbackState::Unknown);
}

#[test]
fn of_a_pointer_what_it_leads_to_was_erased() {
    let (_folder, session) =
        opened("erase init_task.nsproxy size 16\nerase init_task.stack.x size 8\n");
    let kernel = session.kernel().unwrap();
    let peek = |what| kernel.peek(what, PeekLimits::default()).unwrap().value;
    let Value::Pointer { to, .. } = peek("init_task.nsproxy") else {
        panic!("the pointer itself can be read");
    };
    let erased = kernel.space().erased();
    assert_eq!(erased.len(), 1, "{erased:?}");
    assert_eq!(erased[0].range.start, to);
    assert_eq!(erased[0].range.end.0, to.0 + 16);
    let mut around = [0; 8];
    let space = kernel.space();
    assert!(space.read(VirtAddr(to.0 + 16), &mut around).is_ok());
    for offset in [-7_i64, 0, 15] {
        let at = VirtAddr(to.0.wrapping_add_signed(offset));
        let error = space.read(at, &mut around).unwrap_err();
        assert_eq!(error.kind(), "erased", "{offset}");
    }
}

#[test]
fn a_line_whose_place_cannot_be_found_is_a_note() {
    let (_folder, session) = opened("erase no_such_thing.member size 8\nwhatever\n");
    assert!(session.kernel().unwrap().space().erased().is_empty());
    let notes = notes(&session.report());
    assert!(
        notes.contains("`erase no_such_thing.member size 8`"),
        "{notes}"
    );
    assert!(notes.contains("`whatever`"), "{notes}");
}
