//! The phrases that the sentences of the kinds are made of.

/// What the sentences are made of; each piece brings its blank, or is nothing.
pub(super) struct Phrases {
    /// The task, to begin with.
    pub(super) who: String,
    /// The task, inside a sentence.
    pub(super) who_inside: String,
    /// ` in FUNCTION()`.
    pub(super) place: String,
    /// ` (FILE:LINE)`.
    pub(super) source: String,
    /// ` at ADDRESS`.
    pub(super) at_address: String,
    /// ` (TEXT)`.
    pub(super) detail: String,
    /// ` for N s`.
    pub(super) duration: String,
    /// `CPU N`, inside a sentence.
    pub(super) cpu: String,
    /// The same, to begin with.
    pub(super) cpu_begin: String,
}
