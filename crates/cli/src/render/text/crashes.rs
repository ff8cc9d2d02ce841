//! Reports of why a kernel died or warned, for reading.

use virtopsy::klog::{Crash, Frame};
use virtopsy::report::CrashReport;

use crate::page::{Cell, Page, Tone};
use crate::terminal::Look;

/// Frames shown of a report inside the page of a dump.
const FIRST_FRAMES: usize = 6;

/// The page of `crashes`.
pub(crate) fn crashes(crashes: &[Crash], look: Look) -> String {
    let mut page = Page::new(look);
    if crashes.is_empty() {
        page.line(
            0,
            Tone::Good,
            "✓ no report of a crash or a warning in the log",
        );
    }
    crash_sections(&mut page, crashes, true);
    page.finish()
}

/// Why the kernel died, in one sentence, and what that stands on.
pub(super) fn cause(page: &mut Page, crash: &CrashReport, whole: bool) {
    let Some(sentence) = &crash.sentence else {
        return;
    };
    page.hanging(
        &[Cell::new(Tone::Heading, "CAUSE")],
        Tone::Plain,
        &sentence.to_string(),
    );
    for proof in &crash.proof {
        let value = match &proof.value {
            Some(value) if !value.as_bytes().is_empty() => format!(" = {value}"),
            _ => String::new(),
        };
        let at = proof
            .address
            .map_or_else(String::new, |at| format!(" at {at}"));
        page.hanging(
            &["  -".into()],
            Tone::Muted,
            &format!("{}{value}{at}: {}", proof.what, proof.why),
        );
    }
    if let Some(found) = crash
        .memory
        .as_ref()
        .filter(|_| whole || crash.cause.is_none())
    {
        frames(
            page,
            &found.trace,
            if whole { usize::MAX } else { FIRST_FRAMES },
        );
    }
}

/// The page of a dump's cause, before that of the reports in its log.
pub(crate) fn cause_page(crash: &CrashReport, look: Look) -> String {
    let mut page = Page::new(look);
    cause(&mut page, crash, true);
    page.blank();
    page.finish()
}

/// A section with each report; with `whole`, its stacks and registers.
pub(super) fn crash_sections(page: &mut Page, crashes: &[Crash], whole: bool) {
    if crashes.is_empty() {
        return;
    }
    page.section(
        "CRASH REPORTS",
        Tone::Bad,
        &format!("✗ {} in the log", crashes.len()),
    );
    for (number, crash) in (1..).zip(crashes) {
        head(page, number, crash);
        if whole {
            body(page, crash);
        } else {
            frames(page, &crash.trace, FIRST_FRAMES);
        }
    }
}

/// What happened, and what is known of it in a few lines.
fn head(page: &mut Page, number: usize, crash: &Crash) {
    let location = crash
        .location
        .as_ref()
        .map(|location| format!(" at {location}"))
        .unwrap_or_default();
    page.hanging(
        &[format!("  {number}.").into()],
        if crash.fatal { Tone::Bad } else { Tone::Unsure },
        &format!("{}{location}", crash.kind.name()),
    );
    page.paragraph(6, Tone::Plain, &crash.sentence);
    page.paragraph(6, Tone::Muted, &place(crash));
    if let Some(first) = crash.follows {
        let text = format!("A consequence of report {}.", first.saturating_add(1));
        page.paragraph(6, Tone::Plain, &text);
    }
    if crash.repeats > 0 {
        let text = format!("{} more of the same are not listed.", crash.repeats);
        page.paragraph(6, Tone::Plain, &text);
    }
    if crash.cut {
        page.paragraph(6, Tone::Muted, "Its end is not in the log.");
    }
}

/// Lines, time, CPU, release, and whether the kernel lived on.
fn place(crash: &Crash) -> String {
    let mut parts = vec![format!("lines {}-{}", crash.first_line, crash.last_line)];
    parts.extend(crash.timestamp.map(|t| format!("at {t:.6} s")));
    parts.extend(crash.cpu.map(|cpu| format!("CPU {cpu}")));
    parts.extend(crash.release.clone());
    if let Some(said) = &crash.panic {
        parts.push(format!("panic: {said}"));
    } else if crash.fatal {
        parts.push("fatal".to_owned());
    }
    parts.join(", ")
}

fn body(page: &mut Page, crash: &Crash) {
    if let Some(at) = &crash.at {
        page.paragraph(6, Tone::Plain, &format!("at {at}"));
    }
    frames(page, &crash.trace, usize::MAX);
    for trace in &crash.traces {
        let heading = trace.heading.as_deref().unwrap_or("a further stack");
        page.paragraph(6, Tone::Muted, heading);
        frames(page, &trace.frames, usize::MAX);
    }
    if !crash.registers.is_empty() {
        let registers: Vec<String> = crash
            .registers
            .iter()
            .map(|r| format!("{}={}", r.name, r.value))
            .collect();
        page.paragraph(6, Tone::Muted, &registers.join(" "));
    }
    if let Some(code) = &crash.code {
        let words = (0u32..).zip(&code.words).map(|(n, word)| {
            if code.fault == Some(n) {
                format!("<{word}>")
            } else {
                word.clone()
            }
        });
        let words: Vec<String> = words.collect();
        page.paragraph(6, Tone::Muted, &format!("code: {}", words.join(" ")));
    }
    if let Some(taint) = &crash.taint {
        let text = format!("tainted {}: {}", taint.letters, taint.words.join("; "));
        page.paragraph(6, Tone::Muted, &text);
    }
    for note in &crash.notes {
        page.paragraph(6, Tone::Muted, note);
    }
    page.blank();
}

fn frames(page: &mut Page, frames: &[Frame], most: usize) {
    for frame in frames.iter().filter(|f| f.reliable).take(most) {
        let offset = match (&frame.offset, &frame.size) {
            (Some(offset), Some(size)) => format!("+{offset}/{size}"),
            _ => String::new(),
        };
        let module = frame
            .module
            .as_ref()
            .map(|m| format!(" [{m}]"))
            .unwrap_or_default();
        let source = frame
            .source
            .as_ref()
            .map(|s| format!("  {s}"))
            .unwrap_or_default();
        let text = format!("{}{offset}{module}{source}", frame.function);
        page.line(8, Tone::Plain, &text);
    }
}
