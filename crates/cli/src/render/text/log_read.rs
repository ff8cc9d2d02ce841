//! What was read of a text log.

use virtopsy::klog::LogFacts;

use crate::page::{Page, Tone, clean};
use crate::terminal::Look;

/// What was read of a text log: one line, and a line for each reason to doubt that it is everything.
pub(crate) fn log_read(read: &LogFacts, look: Look) -> String {
    let mut page = Page::new(look);
    let mut how = if read.kernel_lines == 0 {
        Vec::new()
    } else {
        vec![read.carrier.to_string()]
    };
    how.extend(read.packed.iter().map(|p| format!("packed with {p}")));
    how.extend(read.base64.then(|| "base64".to_owned()));
    how.extend(read.utf16.then(|| "UTF-16".to_owned()));
    let how = if how.is_empty() {
        String::new()
    } else {
        format!(" ({})", how.join(", "))
    };
    let lines = if read.lines == 1 { "line" } else { "lines" };
    if read.kernel_lines == 0 {
        let text = format!(
            "? no line of a kernel log among {} {lines}{how}: whether a kernel reported anything is unknown",
            read.lines
        );
        page.paragraph(0, Tone::Unsure, &text);
    } else {
        let text = format!(
            "{} {lines} read, {} of a kernel log{how}",
            read.lines, read.kernel_lines
        );
        page.paragraph(0, Tone::Muted, &text);
    }
    if read.ends_in_report {
        page.line(0, Tone::Unsure, "The log ends in the middle of a report.");
    }
    if let Some(damage) = &read.damage {
        let text = format!("Unpacking ended early: {}.", clean(damage, look.unicode));
        page.paragraph(0, Tone::Unsure, &text);
    }
    page.finish()
}
