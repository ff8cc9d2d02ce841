//! Bounds that are hit where the answer itself has no place to say so.

/// Tells the log that `what` of `place` is left out beyond a bound. Nothing sound hits one
/// (`LIMITS.md`), so the command shows it without being asked.
pub(crate) fn hit(place: &str, what: &str, limit: usize) {
    tracing::warn!("{place}: more than {limit} {what}; the rest is left out");
}
