//! WARN() of no other kind (kernel/panic.c).

use super::super::{CrashKind, KindSpec, Nature};
use super::sanitizer::WARN_ENDS;

pub(super) const SPECS: &[KindSpec] = &[KindSpec {
    kind: CrashKind::Warning,
    id: "warning",
    nature: Nature::Warn,
    // The line has fields, which `head` reads.
    begins: &[],
    ends: WARN_ENDS,
    burst: false,
    title: "WARNING",
    sentence: |w| format!("{} hit a WARN(){}{}{}.", w.who, w.place, w.source, w.detail),
    means: "A condition that should not hold, held. The kernel goes on, unless panic_on_warn is set; what follows may be a consequence.",
    next: "Read the condition at the named line; the message beside it, where there is one, says what was found.",
}];
