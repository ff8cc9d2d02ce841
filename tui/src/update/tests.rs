#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use super::{begin, update};
use crate::action::Action;
use crate::drive::{Driven, mono};
use crate::effect::{Answer, Effect, JobId, Reply, Request};
use crate::fixture;
use crate::key::Key;
use crate::model::{MachineRow, Mode, Model, Shape};
use crate::place::{Pane, View};
use crate::remote::Remote;
use crate::source::{MemoryAt, Opened, StackOf};

fn fresh() -> (Model, Vec<Effect>) {
    let mut model = Model::new(&fixture::dumps(1), &mono(), (80, 24));
    let effects = begin(&mut model);
    (model, effects)
}

fn press(model: &mut Model, keys: &str) -> Vec<Effect> {
    keys.split(' ')
        .flat_map(|k| update(model, Action::Key(Key::parse(k).unwrap())))
        .collect()
}

fn answer(model: &mut Model, job: u64, reply: Reply) -> Vec<Effect> {
    update(
        model,
        Action::Answer(Answer {
            job: JobId(job),
            result: Ok(reply),
        }),
    )
}

fn opened() -> Reply {
    Reply::Opened(Ok(Opened {
        format: "kdump".into(),
        ..Opened::default()
    }))
}

#[test]
fn opening_comes_first_then_report_and_log_together() {
    let (mut model, effects) = fresh();
    assert_eq!(effects, [Effect::Start(JobId(1), Request::Open { tab: 0 })]);
    let effects = answer(&mut model, 1, opened());
    let expected = [
        Effect::Start(JobId(2), Request::Report { tab: 0 }),
        Effect::Start(JobId(3), Request::Log { tab: 0 }),
    ];
    assert_eq!(effects, expected);
}

#[test]
fn what_a_view_needs_is_asked_for_when_it_is_looked_at() {
    let (mut model, _) = fresh();
    answer(&mut model, 1, opened());
    assert_eq!(press(&mut model, "3"), []);
    let report = Arc::new(fixture::report(4));
    let effects = answer(&mut model, 2, Reply::Report(report));
    assert!(
        matches!(
            effects.as_slice(),
            [Effect::Start(JobId(4), Request::Code { tab: 0, .. })]
        ) || effects.is_empty()
    );
}

#[test]
fn esc_cancels_and_a_late_answer_is_dropped() {
    let (mut model, _) = fresh();
    assert_eq!(press(&mut model, "Esc"), [Effect::Cancel(JobId(1))]);
    answer(&mut model, 1, opened());
    assert!(matches!(model.tabs[0].opened, Remote::Failed(_)));
    let effects = press(&mut model, "r");
    assert_eq!(effects, [Effect::Start(JobId(2), Request::Open { tab: 0 })]);
}

#[test]
fn no_key_waits_for_a_worker() {
    let (mut model, _) = fresh();
    for key in "1 2 3 4 5 6 7 8 9 j k G Tab Enter Backspace n N p s S f".split(' ') {
        press(&mut model, key);
    }
    press(&mut model, "Esc ? Esc : Esc / Esc e Esc ' Esc");
    assert!(!model.quit);
}

fn task(pid: u64) -> StackOf {
    StackOf::Task(0xffff_8880_0100_0000 + pid * 0x1000)
}

#[test]
fn keys_do_what_the_table_says() {
    type Case = (&'static str, fn(&Model) -> bool);
    let cases: &[Case] = &[
        ("2", |m| m.view() == View::Cpus),
        ("2 j j", |m| m.tabs[0].list(Pane::Cpus).cursor == 2),
        ("2 G", |m| m.tabs[0].list(Pane::Cpus).cursor == 3),
        ("2 G g g", |m| m.tabs[0].list(Pane::Cpus).cursor == 0),
        ("2 g x j", |m| m.tabs[0].list(Pane::Cpus).cursor == 1),
        ("2 p", |m| m.tabs[0].cpu().unwrap().cpu == 2),
        ("2 p p", |m| m.tabs[0].cpu().unwrap().cpu == 3),
        ("2 s", |m| {
            m.tabs[0].cpu().unwrap().cpu == 0 && m.tabs[0].cpu_rows[0] == 2
        }),
        ("2 f \"on\" Enter", |m| m.tabs[0].cpu_rows == [2]),
        ("2 f \"!off\" Enter", |m| m.tabs[0].cpu_rows == [2, 3]),
        ("2 f \"on\" Enter Esc", |m| m.tabs[0].cpu_rows.len() == 4),
        ("2 Enter", |m| m.focus() == Pane::Cpu),
        ("2 Enter Backspace", |m| m.view() == View::Overview),
        ("2 p t", |m| {
            m.view() == View::Stacks && m.tabs[0].stack_of() == Some(StackOf::Cpu(2))
        }),
        ("5 G", |m| {
            m.tabs[0].list(Pane::Log).cursor == m.tabs[0].log_rows() - 1
        }),
        ("5 L L L", |m| {
            m.tabs[0].log_filter.level == Some(3) && m.tabs[0].log_rows() == 3
        }),
        ("5 L L L Esc", |m| m.tabs[0].log_filter.is_empty()),
        ("5 G c", |m| {
            m.tabs[0].log_filter.caller.as_deref() == Some("T111")
        }),
        ("5 G c c", |m| m.tabs[0].log_filter.is_empty()),
        ("5 / \"DEADLOCK\" Enter", |m| {
            m.tabs[0].list(Pane::Log).cursor > 40
        }),
        ("5 / \"wide\" Enter Enter", |m| {
            matches!(m.mode, Mode::Overlay(_))
        }),
        ("4 j", |m| m.tabs[0].list(Pane::Splats).cursor == 1),
        ("4 Z", |m| m.tabs[0].folded.contains("Backtrace")),
        ("4 Z Z", |m| !m.tabs[0].folded.contains("Backtrace")),
        (": \"log\" Enter", |m| m.view() == View::Log),
        (": \"cpu\" Space \"3\" Enter", |m| {
            m.view() == View::Cpus && m.tabs[0].cpu().unwrap().cpu == 3
        }),
        (": \"kvm_emerg\" Enter", |m| {
            m.tabs[0].memory_at == Some(MemoryAt::Address(0xffff_ffff_8ee8_dd18))
        }),
        (": \"0xffffffff8ee8dd18\" Enter", |m| {
            m.tabs[0].list(Pane::Memory).cursor == 0xd18 / 8
        }),
        ("6 G", |m| m.tabs[0].stack_of() == Some(task(245))),
        ("6 f \"vhost\" Enter", |m| {
            m.tabs[0].task_rows.len() == 1 && m.tabs[0].stack_of() == Some(task(246))
        }),
        ("6 f \"vhost\" Enter Esc", |m| {
            m.tabs[0].task_rows.len() == 8
        }),
        ("6 s G", |m| m.tabs[0].stack_of() == Some(task(246))),
        ("6 s S G", |m| m.tabs[0].stack_of() == Some(task(1))),
        (": \"vhost\" Enter", |m| {
            m.view() == View::Stacks && m.tabs[0].stack_of() == Some(task(246))
        }),
        (": \"kvmrun\" Enter", |m| {
            m.view() == View::Stacks && m.tabs[0].stack_of() == Some(StackOf::Cpu(2))
        }),
        (": \"vhost\" Enter Tab / \"parent\" Enter Enter", |m| {
            m.tabs[0].stack_of() == Some(task(1))
        }),
        ("7", |m| {
            matches!(m.tabs[0].machine(0), Some(MachineRow::Vm(_)))
        }),
        ("7 Tab / \"thread\" Enter Enter", |m| {
            m.tabs[0].stack_of() == Some(StackOf::Cpu(2))
        }),
        (": \"kvm_amd\" Enter", |m| {
            m.view() == View::Modules && m.tabs[0].list(Pane::Modules).cursor == 2
        }),
        ("3 / \"jmp\" Enter Enter", |m| {
            m.view() == View::Memory
                && m.tabs[0].shape() == Shape::Code
                && m.tabs[0].list(Pane::Memory).cursor == 11
        }),
        ("3 / \"jmp\" Enter Enter x", |m| {
            m.tabs[0].shape() == Shape::Words && m.tabs[0].list(Pane::Memory).cursor == 0x23a / 8
        }),
        ("3 / \"jmp\" Enter Enter x Backspace", |m| {
            m.view() == View::Callback
        }),
        (": \"vhost\" Enter Tab / \"task\" Enter Enter", |m| {
            m.view() == View::Memory && m.tabs[0].shape() == Shape::Typed
        }),
        (
            ": \"vhost\" Enter Tab / \"task\" Enter Enter / \"parent\" Enter Enter",
            |m| {
                let at = "*(struct task_struct *)0xffff888001240000";
                m.tabs[0].memory_at == Some(MemoryAt::Expression(at.into()))
            },
        ),
        (": \"stuckcpu\" Enter Backspace", |m| {
            m.view() == View::Overview
        }),
        ("?", |m| matches!(m.mode, Mode::Overlay(_))),
        ("? q", |m| matches!(m.mode, Mode::Normal) && !m.quit),
        ("q", |m| m.quit),
        ("Ctrl-c", |m| m.quit),
    ];
    for (keys, holds) in cases {
        let mut driven = Driven::new((80, 24), 1, 4, &mono());
        driven.keys(keys);
        assert!(holds(&driven.model), "after {keys}:\n{}", driven.screen());
    }
}

#[test]
fn a_splat_leads_to_its_line_in_the_log_and_that_line_back() {
    let mut driven = Driven::new((80, 24), 1, 4, &mono());
    driven.keys("4 Tab / \"lines\" Enter Enter");
    let tab = &driven.model.tabs[0];
    assert_eq!(tab.view, View::Log);
    let line = tab
        .log
        .ready()
        .unwrap()
        .line(tab.list(Pane::Log).cursor)
        .unwrap();
    assert_eq!(line.text, b"WARNING: suspicious RCU usage");
    driven.keys("Enter");
    assert_eq!(driven.model.view(), View::Splats);
    driven.keys("Backspace Backspace");
    assert_eq!(driven.model.view(), View::Splats);
}

#[test]
fn going_to_a_line_that_the_filter_hides_takes_the_filter_away() {
    let mut driven = Driven::new((80, 24), 1, 4, &mono());
    driven.keys("5 f \"wide\" Enter");
    assert_eq!(driven.model.tabs[0].log_rows(), 1);
    driven.keys("4 Tab / \"lines\" Enter Enter");
    assert!(driven.model.tabs[0].log_filter.is_empty());
}

#[test]
fn copying_gives_escaped_text_and_refuses_what_is_too_long() {
    let mut driven = Driven::new((80, 24), 1, 4, &mono());
    driven.keys("5 / \"hostile\" Enter y");
    let copied = driven.effects.pop();
    let text = match &copied {
        Some(Effect::Copy(text)) => text,
        _ => "",
    };
    assert!(
        text.contains("\\x1b[2J") && !text.contains('\x1b'),
        "{text}"
    );
}

#[test]
fn a_worker_that_panics_becomes_a_message() {
    let mut driven = Driven::new((80, 24), 1, 4, &mono());
    driven.keys("6 j");
    let message = driven.model.message.clone().unwrap();
    assert!(
        message.bad && message.text.contains("a bug in the reader\\x1b[31m"),
        "{message:?}"
    );
    assert!(driven.keys("j 1").screen().contains("SVM was ON"));
}

#[test]
fn exporting_writes_a_file_once() {
    let dir = std::env::temp_dir().join(format!("virtopsy-tui-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("log.txt");
    let mut driven = Driven::new((80, 24), 1, 4, &mono());
    let typed = format!("5 e Ctrl-u \"{}\" Enter", file.display());
    driven.keys(&typed);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("hostile: \\x1b[2J"), "{text}");
    driven.keys(&typed);
    assert!(
        driven
            .model
            .message
            .as_ref()
            .unwrap()
            .text
            .contains("exists")
    );
    let json = dir.join("report.json");
    let mut written = |keys: &str| -> serde_json::Value {
        driven.keys(&format!("{keys} e Ctrl-u \"{}!\" Enter", json.display()));
        serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap()
    };
    let report = written("1");
    assert_eq!(report["virtualization"]["verdict"], "not-all-off");
    assert_eq!(report["schema"], serde_json::Value::Null);
    assert_eq!(written("2 Tab p")["cpu"]["reason"], "did-not-answer");
    assert_eq!(
        written("3")["code"][0]["instructions"][0]["text"],
        "push %rbx"
    );
    assert_eq!(written("4")["splats"][0]["kind"], "suspicious-rcu");
    assert_eq!(written("5 f \"wide\" Enter")[0]["line"], 6);
    assert_eq!(written("6 G")["stacks"][7]["task"]["pid"], 245);
    assert_eq!(
        written("Tab")["backtraces"][0]["frames"][0]["function"],
        "__schedule"
    );
    assert_eq!(written("7")["vms"][0]["kind"], "sev-es");
    let memory = written(": \"0xffffffff8ee8dd18\" Enter");
    assert_eq!(memory["words"][1]["value"], "0xffffffffc046d8b0");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn bookmarks_are_kept_for_the_next_time() {
    let dir = std::env::temp_dir().join(format!("virtopsy-tui-marks-{}", std::process::id()));
    let settings = crate::settings::Settings {
        state_dir: Some(dir.clone()),
        ..mono()
    };
    Driven::new((80, 24), 1, 4, &settings).keys("2 p b \"look\" Enter");
    let mut again = Driven::new((80, 24), 1, 4, &settings);
    assert!(again.keys("'").screen().contains("look"));
    again.keys("Enter");
    assert_eq!(again.model.tabs[0].cpu().unwrap().cpu, 2);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn memory_goes_on_past_the_end_of_a_page_and_comes_back() {
    let mut driven = Driven::new((80, 24), 1, 4, &mono());
    driven.keys(": \"0xffffffff8ee8dff8\" Enter j");
    assert_eq!(
        driven.model.tabs[0].memory.ready().unwrap().start,
        0xffff_ffff_8ee8_e000
    );
    driven.keys("k");
    assert_eq!(
        driven.model.tabs[0].memory.ready().unwrap().start,
        0xffff_ffff_8ee8_d000
    );
    driven.keys("Enter");
    assert_eq!(
        driven.model.tabs[0].memory.ready().unwrap().asked,
        0xffff_ffff_8ee8_dff8
    );
}

#[test]
fn who_scrolls_past_many_stacks_waits_for_the_last_alone() {
    let (mut model, _) = fresh();
    answer(&mut model, 1, opened());
    answer(&mut model, 2, Reply::Report(Arc::new(fixture::report(4))));
    let asked = press(&mut model, "6");
    let first = StackOf::Cpu(0);
    let of = |effects: &[Effect], wanted| {
        effects
            .iter()
            .any(|e| matches!(e, Effect::Start(_, Request::Stack { of, .. }) if *of == wanted))
    };
    assert!(of(&asked, first), "{asked:?}");
    let asked = press(&mut model, "j");
    assert!(of(&asked, StackOf::Cpu(1)), "{asked:?}");
    assert!(
        asked.iter().any(|e| matches!(e, Effect::Cancel(_))),
        "{asked:?}"
    );
    assert!(!model.tabs[0].stacks.contains_key(&first));
}

#[test]
fn a_place_in_the_source_is_opened_in_the_editor() {
    let dir = std::env::temp_dir().join(format!("virtopsy-tui-src-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("arch/x86/virt")).unwrap();
    std::fs::create_dir_all(dir.join("kernel")).unwrap();
    let (named, behind) = (dir.join("arch/x86/virt/hw.c"), dir.join("kernel/crash.c"));
    std::fs::write(&named, "").unwrap();
    std::fs::write(&behind, "").unwrap();
    let settings = crate::settings::Settings {
        sources: vec![dir.clone()],
        editor: Some("ed".into()),
        ..mono()
    };
    let mut driven = Driven::new((80, 24), 1, 4, &settings);
    // What the line names; else where its code comes from.
    driven.keys("4 Tab / \"hw.c:65\" Enter o");
    let edit = |line: &str, file: &std::path::Path| {
        Effect::Edit(vec!["ed".into(), line.into(), file.into()])
    };
    assert_eq!(driven.effects.pop(), Some(edit("+65", &named)));
    driven.keys("3 / \"jmp\" Enter Enter o");
    assert_eq!(driven.effects.pop(), Some(edit("+58", &behind)));
    driven.keys("1 g g o");
    assert!(driven.effects.is_empty());
    assert!(driven.screen().contains("no place in the source"));
    std::fs::remove_dir_all(&dir).unwrap();
    let screen = driven.keys("4 Tab / \"hw.c:65\" Enter o").screen();
    assert!(screen.contains("in none of the source folders"), "{screen}");
}

#[test]
fn a_bookmark_can_be_removed() {
    let mut driven = Driven::new((80, 24), 1, 4, &mono());
    driven.keys("2 p b \"one\" Enter 5 b \"two\" Enter d");
    assert_eq!(driven.model.tabs[0].bookmarks.len(), 2);
    driven.keys("' j d");
    let left = &driven.model.tabs[0].bookmarks;
    assert_eq!((left.len(), left[0].note.as_str()), (1, "one"));
    assert!(
        driven
            .keys("Esc 1 / \"bookmarks\" Enter")
            .screen()
            .contains("cpu 2")
    );
}

#[test]
fn the_cursor_stays_off_the_large_word() {
    for size in [(80, 24), (120, 40), (40, 12)] {
        let mut driven = Driven::new(size, 1, 4, &mono());
        let begun = driven.model.tabs[0].list(Pane::Overview);
        driven.keys("G g g k");
        assert_eq!(driven.model.tabs[0].list(Pane::Overview), begun);
        assert!(begun.cursor > 0 && begun.top == 0, "{begun:?}");
    }
}

#[test]
fn what_is_named_in_full_is_gone_to_at_once_and_else_the_box_waits_for_symbols() {
    let (mut model, _) = fresh();
    answer(&mut model, 1, opened());
    answer(&mut model, 2, Reply::Report(Arc::new(fixture::report(4))));
    press(&mut model, ": c p u Space 3 Enter t");
    assert_eq!(
        model.view(),
        View::Stacks,
        "the box took the key behind Enter"
    );
    press(&mut model, ": k v m Enter t");
    let Mode::Palette(palette) = &model.mode else {
        panic!("the box closed without an answer");
    };
    assert_eq!((palette.input.text(), palette.hurried), ("kvm", true));
    press(&mut model, "Esc");
    assert_eq!(model.mode, Mode::Normal);
}

#[test]
fn what_a_job_waits_for_is_shown_until_it_has_ended() {
    let mut driven = Driven::new((80, 24), 1, 4, &mono());
    driven.model.jobs.insert(JobId(900), "opening".into());
    let mut tick = |text: Option<&str>| {
        update(&mut driven.model, Action::Tick(text.map(str::to_owned)));
        driven.screen()
    };
    let fetching = "opening: 3 of 9 MiB: fetching it";
    assert!(tick(Some("3 of 9 MiB: fetching it")).contains(fetching));
    assert!(tick(None).contains(fetching), "nothing new is no end");
    assert!(!tick(Some("")).contains("fetching"));
    tick(Some("fetching another"));
    answer(&mut driven.model, 900, opened());
    assert_eq!(driven.model.waiting, "");
}
