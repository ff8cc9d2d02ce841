//! Lock reports, in short within a report and in full on a page of their own.

use virtopsy::klog::{KnownSplat, Splat, graph, print};

use crate::page::{Page, Tone};
use crate::terminal::Look;
use crate::words;

/// Frames of a backtrace that a report shows.
const FIRST_FRAMES: usize = 6;

/// The page of `splats`.
pub(crate) fn splats(splats: &[Splat], look: Look) -> String {
    let mut page = Page::new(look);
    if splats.is_empty() {
        page.line(0, Tone::Good, "✓ no lock report in the log");
    }
    splat_sections(&mut page, splats, splat_whole);
    page.finish()
}

/// Every report with its head, and `body` below it.
pub(super) fn splat_sections(page: &mut Page, splats: &[Splat], body: fn(&mut Page, &Splat)) {
    if splats.is_empty() {
        return;
    }
    page.section(
        "LOCK REPORTS",
        Tone::Bad,
        &format!("✗ {} in the log", splats.len()),
    );
    for (number, splat) in (1..).zip(splats) {
        splat_head(page, number, splat);
        body(page, splat);
    }
}

/// What a report means.
fn splat_head(page: &mut Page, number: usize, splat: &Splat) {
    let location = splat
        .location
        .as_ref()
        .map(|location| format!(" at {location}"))
        .unwrap_or_default();
    page.hanging(
        &[format!("  {number}.").into()],
        Tone::Bad,
        &format!("{}{location}", splat.kind.name()),
    );
    for text in [&splat.title, &splat.sentence] {
        page.paragraph(6, Tone::Plain, text);
    }
    page.paragraph(6, Tone::Muted, &splat_place(splat));
    if let Some(id) = splat.known_issue.map(KnownSplat::id) {
        page.paragraph(6, Tone::Plain, &format!("Known issue: {id}"));
    }
    for text in splat
        .missing
        .iter()
        .map(|m| format!("Not there: {m}"))
        .chain(
            splat
                .from_memory
                .iter()
                .map(|m| format!("From memory: {m}")),
        )
    {
        page.paragraph(6, Tone::Muted, &text);
    }
}

/// The report as the kernel prints it, without stale frames.
fn splat_whole(page: &mut Page, splat: &Splat) {
    page.blank();
    for line in print::lines(splat, false) {
        page.line(6, Tone::Plain, &line);
    }
    page.blank();
}

/// Locks and the nearest functions.
pub(super) fn splat_gist(page: &mut Page, splat: &Splat) {
    for edge in graph::edges(splat) {
        let by = edge
            .by
            .map(|function| format!(" by {function}"))
            .unwrap_or_default();
        let text = format!("{} is taken while {} is held{by}", edge.to, edge.from);
        page.paragraph(6, Tone::Plain, &text);
    }
    for held in &splat.held {
        let lock = &held.lock;
        let at = lock
            .at
            .as_ref()
            .map(|at| format!(" at {at}"))
            .unwrap_or_default();
        page.paragraph(
            6,
            Tone::Plain,
            &format!("holds #{}: {}{at}", held.index, lock.name),
        );
    }
    let reliable: Vec<_> = splat.trace.iter().filter(|frame| frame.reliable).collect();
    for frame in reliable.iter().take(FIRST_FRAMES) {
        let offset = match (&frame.offset, &frame.size) {
            (Some(offset), Some(size)) => format!("+{offset}/{size}"),
            (Some(offset), None) => format!("+{offset}"),
            _ => String::new(),
        };
        let module = frame
            .module
            .as_ref()
            .map(|module| format!(" [{module}]"))
            .unwrap_or_default();
        page.line(
            8,
            Tone::Plain,
            &format!("{}{offset}{module}", frame.function),
        );
    }
    if reliable.len() > FIRST_FRAMES {
        page.line(
            8,
            Tone::Muted,
            &format!(
                "… {} more",
                words::count(reliable.len() - FIRST_FRAMES, "frame")
            ),
        );
    }
}

/// When and where a report was printed.
fn splat_place(splat: &Splat) -> String {
    let mut place = Vec::new();
    place.extend(
        splat
            .timestamp
            .map(|seconds| format!("{seconds:.6} s after boot")),
    );
    place.extend(splat.cpu.map(|cpu| format!("CPU {cpu}")));
    place.extend(
        splat
            .task
            .as_ref()
            .map(|task| format!("{} (pid {})", task.comm, task.pid)),
    );
    place.push(format!("lines {}-{}", splat.first_line, splat.last_line));
    if let Some(declared) = splat.held_declared {
        place.push(words::count(usize::try_from(declared).unwrap_or(usize::MAX), "lock") + " held");
    }
    if splat.cut {
        place.push("cut short".to_owned());
    }
    place.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn the_page_of_splats_shows_every_frame_or_that_there_is_none() {
        let text = splats(&samples::bad().splats, Look::of_file());
        assert!(
            text.contains("sysrq_handle_crash+0x16/0x20") && !text.contains('\x1b'),
            "{text}"
        );
        assert_eq!(
            splats(&[], Look::of_file()),
            "✓ no lock report in the log\n"
        );
    }
}
