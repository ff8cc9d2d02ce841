//! Lock reports: a list, and the chosen one taken apart into sections that fold.

use virtopsy::klog::{Frame, HeldLock, Lock, Splat};

use crate::cells;
use crate::doc::{Doc, DocLine, piece, safe};
use crate::model::{Model, Tab};
use crate::place::{Pane, Place};
use crate::theme::Role;

/// A row of the list.
pub(crate) fn row(model: &Model, tab: &Tab, row: usize, width: usize) -> Option<DocLine> {
    let splat = tab.report.ready()?.splats.get(row)?;
    let time = splat
        .timestamp
        .map_or(String::new(), |t| format!("{t:>12.6} "));
    let known = if splat.known_issue.is_some() {
        "known "
    } else {
        ""
    };
    let head = cells::column(
        splat.kind.name(),
        if width < 60 { 16 } else { 22 },
        model.theme.glyphs().ellipsis,
    );
    let pieces = vec![
        piece(
            Role::Plain,
            if width < 60 {
                " ".to_owned()
            } else {
                format!(" {time}")
            },
        ),
        piece(Role::Bad, format!("{head} ")),
        piece(Role::Unsure, known),
        piece(Role::Plain, safe(&splat.title)),
    ];
    Some(DocLine { pieces, link: None })
}

/// The chosen report.
pub(crate) fn detail(model: &Model, tab: &Tab, mut doc: Doc) -> Doc {
    let chosen = tab.list(Pane::Splats).cursor;
    let splats = tab.report.ready().map(|report| report.splats.as_slice());
    let Some(splat) = splats.and_then(|splats| splats.get(chosen)) else {
        doc.para(Role::Muted, 1, "nothing is chosen");
        return doc;
    };
    doc.para(Role::Heading, 1, &safe(&splat.title));
    doc.para(Role::Plain, 1, &safe(&splat.sentence));
    let mut page = Page { model, tab, doc };
    page.cycle(splat);
    page.scenario(splat);
    page.doc.gap();
    facts(splat, &mut page.doc);
    page.locks(splat);
    page.frames("Backtrace", &splat.trace);
    page.chain(splat);
    page.sides(splat);
    page.classes(splat);
    page.frames("Second backtrace", &splat.second_trace);
    page.frames("Frames that probably belong here", &splat.loose_trace);
    page.state(splat);
    page.beside(splat);
    page.doc
}

fn facts(splat: &Splat, doc: &mut Doc) {
    let log = Place::LogLine(splat.first_line);
    let cut = if splat.cut { ", broken off" } else { "" };
    doc.field_to(
        "in the log",
        Role::Plain,
        &format!("lines {} to {}{cut}", splat.first_line, splat.last_line),
        Some(log),
    );
    if let Some(known) = splat.known_issue {
        doc.field_to(
            "known issue",
            Role::Plain,
            known.id(),
            Some(Place::Explain(known.id().into())),
        );
    }
    doc.field("kind", Role::Plain, splat.kind.name());
    doc.field("message", Role::Plain, &text(&splat.message));
    doc.field("at", Role::Plain, &text(&splat.location));
    let guilty = splat.guilty.clone().map(Place::Expression);
    doc.field_to("look first", Role::Plain, &text(&splat.guilty), guilty);
    if let Some(cpu) = splat.cpu {
        doc.field_to("CPU", Role::Plain, &cpu.to_string(), Some(Place::Cpu(cpu)));
    }
    let task = splat.task.as_ref().map_or(String::new(), |t| {
        format!("{} (pid {})", safe(&t.comm), t.pid)
    });
    doc.field("task", Role::Plain, &task);
    doc.field("printed by", Role::Plain, &text(&splat.caller));
    let missing: Vec<String> = splat.missing.iter().map(ToString::to_string).collect();
    doc.field("missing", Role::Unsure, &safe(&missing.join("; ")));
    for given in &splat.from_memory {
        doc.field("from memory", Role::Muted, &safe(given));
    }
}

fn text(value: &Option<String>) -> String {
    value.as_deref().map_or(String::new(), safe)
}

struct Page<'a> {
    model: &'a Model,
    tab: &'a Tab,
    doc: Doc,
}

impl Page<'_> {
    /// Opens a section; false while it is folded.
    fn section(&mut self, name: &'static str, count: Option<usize>) -> bool {
        let open = !self.tab.folded.contains(name);
        let glyphs = self.model.theme.glyphs();
        self.doc.fold(
            name,
            count,
            open,
            if open { glyphs.open } else { glyphs.folded },
        )
    }

    /// The cycle, drawn: each lock depends on the one below, and the last on the first.
    fn cycle(&mut self, splat: &Splat) {
        if splat.cycle.is_empty() || !self.section("Cycle", Some(splat.cycle.len())) {
            return;
        }
        let glyphs = self.model.theme.glyphs();
        let last = splat.cycle.len().saturating_sub(1);
        for (number, name) in splat.cycle.iter().enumerate() {
            let edge = if number == 0 {
                format!("{}{}", glyphs.corner_top, glyphs.arrow)
            } else {
                format!("{} ", glyphs.bar)
            };
            self.doc.line(vec![
                piece(Role::Muted, format!("   {edge:<3} ")),
                piece(Role::Heading, safe(name)),
            ]);
            let below = if number == last {
                glyphs.corner
            } else {
                glyphs.bar
            };
            let word = if number == last {
                format!(
                    "{}{} which waits for the first again",
                    glyphs.line, glyphs.line
                )
            } else {
                format!("    {} then", glyphs.down)
            };
            self.doc
                .line(vec![piece(Role::Muted, format!("   {below}{word}"))]);
        }
    }

    fn scenario(&mut self, splat: &Splat) {
        let Some(scenario) = &splat.scenario else {
            return;
        };
        if !self.section("How it can lock up", None) {
            return;
        }
        self.doc.para(Role::Muted, 3, &safe(scenario.title.trim()));
        let half = self.doc.width.saturating_sub(4) / 2;
        let two = scenario.steps.iter().any(|s| s.cpu == Some(1));
        if two {
            self.doc.line(vec![piece(
                Role::Muted,
                format!("   {}{}", cells::column("CPU 0", half, ""), "CPU 1"),
            )]);
        }
        for step in &scenario.steps {
            let lock = step
                .lock
                .as_deref()
                .map_or(String::new(), |l| format!("({})", safe(l)));
            let indent = if step.cpu == Some(1) { half } else { 0 };
            self.doc.line(vec![piece(
                Role::Plain,
                format!("   {}{}{lock}", " ".repeat(indent), safe(&step.action)),
            )]);
        }
    }

    fn locks(&mut self, splat: &Splat) {
        if let Some(lock) = &splat.lock
            && self.section("The lock", None)
        {
            self.lock(lock);
        }
        if let Some(lock) = &splat.other_lock
            && self.section("The other lock", None)
        {
            self.lock(lock);
        }
        let declared = splat.held_declared.map(|n| n as usize);
        if (declared.is_some() || !splat.held.is_empty())
            && self.section("Locks held", declared.or(Some(splat.held.len())))
        {
            for held in &splat.held {
                self.held(held);
            }
            if declared == Some(0) {
                self.doc.para(Role::Muted, 3, "none");
            }
            if declared.is_some_and(|n| n != splat.held.len()) {
                self.doc.para(
                    Role::Unsure,
                    3,
                    &format!("{} of them are listed", splat.held.len()),
                );
            }
        }
    }

    fn lock(&mut self, lock: &Lock) {
        self.doc.line(vec![
            piece(Role::Plain, "   "),
            piece(Role::Heading, safe(&lock.name)),
            usage(&lock.usage, &lock.wait),
        ]);
        self.acquired(lock.address.as_deref(), lock.at.as_deref());
    }

    fn held(&mut self, held: &HeldLock) {
        let number = format!("   #{} ", held.index);
        self.doc.line(vec![
            piece(Role::Muted, number),
            piece(Role::Heading, safe(&held.lock.name)),
            usage(&held.lock.usage, &held.lock.wait),
        ]);
        self.acquired(held.lock.address.as_deref(), held.lock.at.as_deref());
    }

    fn acquired(&mut self, address: Option<&str>, at: Option<&str>) {
        let place = address.and_then(address_of).map(Place::Memory);
        let address = address.map_or(String::new(), safe);
        let at = at.map_or(String::new(), |a| format!("  taken at {}", safe(a)));
        if !address.is_empty() || !at.is_empty() {
            self.doc.para_to(
                Role::Muted,
                6,
                format!("{address}{at}").trim(),
                place.as_ref(),
            );
        }
    }

    fn frames(&mut self, name: &'static str, frames: &[Frame]) {
        if !frames.is_empty() && self.section(name, Some(frames.len())) {
            self.trace(frames, 3);
        }
    }

    fn trace(&mut self, frames: &[Frame], indent: usize) {
        for frame in frames {
            let module = frame
                .module
                .as_deref()
                .map_or(String::new(), |m| format!(" [{}]", safe(m)));
            let offset = frame
                .offset
                .as_deref()
                .map_or(String::new(), |o| format!("+{}", safe(o)));
            let size = frame
                .size
                .as_deref()
                .map_or(String::new(), |s| format!("/{}", safe(s)));
            let source = frame
                .source
                .as_deref()
                .map_or(String::new(), |s| format!("  {}", safe(s)));
            let role = if frame.reliable {
                Role::Plain
            } else {
                Role::Muted
            };
            let doubt = if frame.reliable { "" } else { "? " };
            let text = format!("{}{doubt}{}", " ".repeat(indent), safe(&frame.function));
            let place = Place::Expression(format!(
                "{}{}",
                frame.function,
                frame
                    .offset
                    .as_deref()
                    .map_or(String::new(), |o| format!("+{o}"))
            ));
            self.doc.link(
                vec![
                    piece(role, text),
                    piece(Role::Muted, format!("{offset}{size}{module}{source}")),
                ],
                place,
            );
        }
    }

    /// The dependency chain, in the order in which the locks were first taken.
    fn chain(&mut self, splat: &Splat) {
        if splat.chain.is_empty() || !self.section("Dependency chain", Some(splat.chain.len())) {
            return;
        }
        for entry in &splat.chain {
            let head = vec![
                piece(Role::Muted, format!("   #{} ", entry.index)),
                piece(Role::Heading, safe(&entry.lock.name)),
            ];
            self.doc.line(head);
            self.trace(&entry.trace, 6);
        }
    }

    fn sides(&mut self, splat: &Splat) {
        if let Some(change) = &splat.usage_change
            && self.section("Change of use", None)
        {
            let arrow = self.model.theme.glyphs().arrow;
            self.doc.para(
                Role::Plain,
                3,
                &format!("{} {arrow} {}", safe(&change.from), safe(&change.to)),
            );
        }
        if let Some((from, to)) = &splat.dependency
            && self.section("New dependency", None)
        {
            self.lock(from);
            self.lock(to);
        }
        for (name, side) in [
            ("Safe side", &splat.irq_safe),
            ("Unsafe side", &splat.irq_unsafe),
        ] {
            if let Some(side) = side
                && self.section(name, None)
            {
                self.doc.para(Role::Plain, 3, &safe(&side.state));
                self.lock(&side.lock);
                self.trace(&side.trace, 6);
            }
        }
        if let Some(usage) = &splat.registered
            && self.section("First seen so", None)
        {
            self.doc.para(Role::Plain, 3, &safe(&usage.state));
            self.trace(&usage.trace, 6);
        }
    }

    fn classes(&mut self, splat: &Splat) {
        if splat.classes.is_empty() || !self.section("Lock classes", Some(splat.classes.len())) {
            return;
        }
        for class in &splat.classes {
            self.lock(&class.lock);
            for usage in &class.usages {
                self.doc.para(Role::Muted, 5, &safe(&usage.state));
                self.trace(&usage.trace, 7);
            }
            self.trace(&class.acquired_at, 7);
        }
    }

    fn state(&mut self, splat: &Splat) {
        let rcu = splat.rcu_scheduler_active.is_some() || splat.debug_locks.is_some();
        let any = rcu
            || splat.context.is_some()
            || splat.wait_context.is_some()
            || splat.irqtrace.is_some();
        if !any || !self.section("State at the time", None) {
            return;
        }
        let number = |n: Option<i64>| n.map_or(String::new(), |n| n.to_string());
        self.doc.field(
            "rcu active",
            Role::Plain,
            &number(splat.rcu_scheduler_active),
        );
        self.doc
            .field("debug_locks", Role::Plain, &number(splat.debug_locks));
        self.doc.field(
            "context",
            Role::Plain,
            &splat
                .context
                .as_ref()
                .map_or(String::new(), |c| safe(&c.text)),
        );
        self.doc
            .field("may wait", Role::Plain, &text(&splat.wait_context));
        if let Some(trace) = &splat.irqtrace {
            let event = |e: &Option<virtopsy::klog::IrqEvent>| {
                e.as_ref().map_or(String::new(), |e| safe(&e.at))
            };
            self.doc
                .field("hardirq on", Role::Plain, &event(&trace.hardirqs_enabled));
            self.doc
                .field("hardirq off", Role::Plain, &event(&trace.hardirqs_disabled));
            self.doc
                .field("softirq on", Role::Plain, &event(&trace.softirqs_enabled));
            self.doc
                .field("softirq off", Role::Plain, &event(&trace.softirqs_disabled));
        }
    }

    fn beside(&mut self, splat: &Splat) {
        if (splat.notes.is_empty() && splat.attachments.is_empty())
            || !self.section("Beside it", None)
        {
            return;
        }
        for note in &splat.notes {
            self.doc.para(Role::Plain, 3, &safe(note));
        }
        for attachment in &splat.attachments {
            self.doc.para_to(
                Role::Plain,
                3,
                &safe(&attachment.text),
                Some(&Place::LogLine(attachment.line)),
            );
        }
    }
}

fn usage(usage: &Option<String>, wait: &Option<String>) -> crate::doc::Piece {
    let usage = usage
        .as_deref()
        .map_or(String::new(), |u| format!("  {{{}}}", safe(u)));
    let wait = wait
        .as_deref()
        .map_or(String::new(), |w| format!("-{{{}}}", safe(w)));
    piece(Role::Muted, format!("{usage}{wait}"))
}

fn address_of(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}
