#![allow(clippy::unwrap_used)]

use crate::drive::{Driven, mono};
use crate::settings::Settings;

/// A view at three sizes, in mono.
fn at_three_sizes(keys: &str) -> String {
    let mut out = String::new();
    for (width, height) in [(80, 24), (120, 40), (40, 12)] {
        let mut driven = Driven::new((width, height), 1, 4, &mono());
        driven.keys(keys);
        out.push_str(&format!(
            "--- {width}x{height} after {keys}\n{}\n",
            driven.screen()
        ));
    }
    out
}

macro_rules! looks {
    ($($name:ident: $keys:expr;)*) => {
        $(#[test]
        fn $name() {
            let screen = at_three_sizes($keys);
            assert!(!screen.contains('\x1b') && !screen.contains('\u{202e}'), "a control character came through");
            insta::assert_snapshot!(stringify!($name), screen);
        })*
    };
}

looks! {
    overview: "1";
    overview_end: "1 G";
    cpus: "2 p";
    cpus_evidence: "2 p Enter";
    callback: "3";
    splats: "4";
    splats_cycle: "4 G Tab Ctrl-d";
    log: "5";
    log_search: "5 / \"rcu\" Enter n";
    log_record: "5 j j j j j Enter";
    stacks: "6";
    stacks_scan: "6 Tab G Enter G";
    stacks_task: ": \"vhost\" Enter";
    vms: "7";
    modules: ": \"kvm_amd\" Enter";
    memory_code: ": \"0xffffffff8de5a23a\" Enter";
    memory_typed: ": \"vhost\" Enter Tab / \"task\" Enter Enter";
    bookmarks: "2 p b \"look\" Enter '";
    memory: ": \"kvm_emergency_callback\" Enter";
    memory_failed: ": \"no_such_thing\" Enter";
    goto: ": \"cpu\"";
    help: "?";
    explain: "1 : \"virt-dis\" Enter";
}

#[test]
fn two_dumps_side_by_side() {
    let mut driven = Driven::new((100, 30), 2, 4, &mono());
    insta::assert_snapshot!("compare", driven.keys("9").screen());
}

#[test]
fn eight_thousand_cpus_on_small_screens() {
    let mut out = String::new();
    for (width, height) in [(80, 24), (40, 12)] {
        out.push_str(&Driven::new((width, height), 1, 8192, &mono()).screen());
        out.push('\n');
    }
    insta::assert_snapshot!("cpus_8192", out);
}

#[test]
fn several_dumps_show_their_verdicts_beside_their_names() {
    let mut driven = Driven::new((80, 24), 8, 4, &mono());
    let title = driven.resize(200, 24).screen();
    assert!(
        title.contains("✗ [sample0.kdump] ✗ sample1.kdump"),
        "{title}"
    );
    assert!(title.contains("! sample7.kdump"), "{title}");
}

#[test]
fn matches_are_marked_where_they_were_searched_for_alone() {
    let mut driven = Driven::new((80, 24), 1, 4, &mono());
    let marked = |screen: &str| screen.lines().filter(|l| l.starts_with('*')).count();
    let before = marked(&driven.keys("3").screen());
    let there = marked(&driven.keys("5 / \"in\" Enter").screen());
    assert!(there > 3, "{}", driven.screen());
    assert_eq!(marked(&driven.keys("3").screen()), before);
    assert!(marked(&driven.keys("n").screen()) > before);
}

#[test]
fn ascii_means_ascii() {
    let settings = Settings {
        ascii: true,
        ..mono()
    };
    let mut driven = Driven::new((80, 24), 1, 4, &settings);
    for keys in [
        "1",
        "1 G",
        "2",
        "3",
        "4 j Tab Ctrl-d",
        "5",
        "6",
        "7",
        "?",
        ": \"x\"",
    ] {
        let screen = driven.keys("Esc").keys(keys).screen();
        let odd: Vec<char> = screen.chars().filter(|c| !c.is_ascii()).collect();
        assert!(odd.is_empty(), "{odd:?} after {keys}:\n{screen}");
    }
}

#[test]
fn every_size_can_be_drawn_in_every_view() {
    let mut driven = Driven::new((80, 24), 2, 70, &mono());
    for view in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "?"] {
        driven.keys(view);
        for (width, height) in [
            (1, 1),
            (29, 7),
            (30, 8),
            (60, 15),
            (99, 17),
            (100, 16),
            (300, 100),
        ] {
            driven.resize(width, height).keys("j G g g");
            driven.screen();
        }
    }
}

#[test]
fn a_dump_that_is_none_says_so_and_leaves_the_rest_usable() {
    let mut driven = Driven::new((80, 24), 8, 4, &mono());
    let screen = driven.keys("[").screen();
    assert!(screen.contains("this is no dump\\x1b[31m"), "{screen}");
    let screen = driven.keys("5").screen();
    assert!(screen.contains("could not be opened"), "{screen}");
    assert!(driven.keys("] 1").screen().contains("SVM was ON"));
}

#[test]
fn nothing_known_yet_is_a_whole_screen_too() {
    let model = crate::model::Model::new(&crate::fixture::dumps(1), &mono(), (80, 24));
    let mut terminal = ratatui::Terminal::new(ratatui::backend::TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| super::draw(frame, &model)).unwrap();
    assert!(terminal.backend().to_string().contains("opening the dump"));
}
