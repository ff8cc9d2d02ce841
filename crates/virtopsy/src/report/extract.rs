//! What an extract says of itself.

use serde::{Deserialize, Serialize};
use virtopsy_vmcore::Dump;

use super::{Origin, Text};

/// What an extract must be able to answer. Each holds what those before it do.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Questions {
    /// The verdict on virtualization, the callback, the checks, and the reports in the log.
    Check,
    /// The log, what each CPU did, and the code on the way to the callback, too.
    #[default]
    Report,
    /// Every listing: tasks, modules, locks, virtual machines, all backtraces.
    All,
}

/// What an extract was made of: the content of its note, as JSON.
///
/// A report of an extract tells format, compression, completeness and origin of the dump that it
/// was made of: they decide what its memory proves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ExtractReport {
    /// What made it, with its version.
    pub tool: String,
    /// The name of the dump's file, without its folder.
    pub of: Text,
    /// What it can answer; anything else is excluded.
    pub questions: Questions,
    /// The dump's container format.
    pub format: String,
    /// The dump's page codecs.
    pub compression: Vec<String>,
    /// Whether the dump was complete.
    pub complete: bool,
    /// What was missing there.
    pub incomplete_because: Vec<String>,
    /// Who wrote the dump.
    pub origin: Origin,
    /// Whether names of tasks and the log's text were taken out; reports of it are redacted.
    #[serde(default)]
    pub redacted: bool,
}

impl ExtractReport {
    /// What the dump says of itself, if it is an extract. An error says why its note can't be read;
    /// nothing is known then of the dump that it was made of.
    pub(crate) fn of(dump: &Dump) -> Option<Result<ExtractReport, String>> {
        let note = dump.extract_note()?;
        Some(serde_json::from_slice(note).map_err(|error| {
            format!("the note that says what this extract was made of can't be read: {error}")
        }))
    }
}

/// Whether a dump is complete, and what is missing. Of an extract that is the dump's it was made
/// of, and the extract's own: it can be damaged itself.
pub(crate) struct Completeness {
    /// What the dump says of itself, if it is an extract.
    pub(crate) extract: Option<ExtractReport>,
    pub(crate) complete: bool,
    pub(crate) reasons: Vec<String>,
}

impl Completeness {
    pub(crate) fn of(dump: &Dump) -> Completeness {
        let own = dump.completeness();
        let (extract, complete, mut reasons) = match ExtractReport::of(dump) {
            None => (None, true, Vec::new()),
            Some(Err(why)) => (None, false, vec![why]),
            Some(Ok(about)) => {
                let reasons = about.incomplete_because.clone();
                (Some(about.clone()), about.complete, reasons)
            }
        };
        reasons.extend(own.reasons);
        Completeness {
            extract,
            complete: complete && own.complete,
            reasons,
        }
    }
}
