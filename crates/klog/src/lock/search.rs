//! The words that the search of a text looks for: every header and every attachment has one.

use crate::lock::kind::Kind;

/// Words that a line of lock debugging may have instead of `WARNING:`, `INFO:` or `BUG:`.
pub(crate) const ALONE: &[&str] = &[
    " left hardirqs enabled!",
    "[chain_key collision",
    "Maximum lock depth ",
    "Debug: sleeping function",
    "Showing all locks held",
    "lockdep is turned off",
    "Disabling lock debugging",
    "] exited with ",
];

/// What may follow `INFO: ` and `BUG: `, which many lines have, as alternatives of a regular expression.
pub(crate) fn behind_info_or_bug() -> String {
    let words = |kind: Kind| {
        let bugs = kind.spec().bugs.iter().map(|(words, _)| *words);
        kind.spec().headlines.iter().copied().chain(bugs)
    };
    // A name that varies comes first: irqs, a task. The last two are attachments.
    let varying = [
        "[A-Za-z_-]+-safe ",
        ".{1,64} still has locks",
        "lockdep is",
        "task ",
    ];
    Kind::all()
        .flat_map(words)
        .map(|text| regex::escape(text.get(..SPECIFIC).unwrap_or(text)))
        .chain(varying.map(str::to_owned))
        .collect::<Vec<_>>()
        .join("|")
}

/// Bytes of a text that are looked for: what ends a headline differs by release.
const SPECIFIC: usize = 9;
