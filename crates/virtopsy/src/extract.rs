//! An extract of a dump: a small kdump-compressed file that holds only the memory that answers rest
//! on.
//!
//! The questions are asked of the dump as ever, and which bytes are read is recorded beneath all
//! code that interprets them. What was not asked for is "excluded" in the extract.

mod blank;

use std::io::{Seek, Write};

use virtopsy_kernel::{Kernel, SymbolOrigin};
use virtopsy_vmcore::{ExtractHead, PagePacking, Utsname, Written};

use crate::error::Error;
use crate::facts::StacksOf;
use crate::report::{DumpReport, ExtractReport, Questions, Text};
use crate::session::{DumpSpec, Options, Session};

/// Why there is no extract.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The dump can't be opened, or its kernel can't be examined.
    #[error(transparent)]
    Dump(#[from] Error),
    /// The running machine changes while it is read: what is written would be of many states.
    #[error("an extract is made of a dump, not of the running machine")]
    Live,
    /// The extract can't be written.
    #[error("the extract can't be written")]
    Write(#[source] std::io::Error),
    /// Without the text of the log, the extract would not say what the redacted report says.
    #[error("the log's text can't be taken out without changing the reports in it")]
    NotRedacted,
}

/// Writes an extract of a dump to `out`, which is empty, and says how large it became.
///
/// With [`Options::redact`] the names of tasks and the text of the log are replaced in the bytes
/// themselves, and what is said of the extract is the redacted report.
///
/// Where symbols and types came from a vmlinux, the questions are asked without it, too, so that
/// whoever has no such file gets the answers that this dump alone gives.
///
/// # Errors
/// As [`ExtractError`] says; `out` then holds nothing of use.
pub fn extract<W: Write + Seek>(
    spec: &DumpSpec,
    options: &Options,
    questions: Questions,
    packing: PagePacking,
    out: &mut W,
) -> Result<Written, ExtractError> {
    let mut whole = Options {
        redact: false,
        cause_in_full: true,
        ..options.clone()
    };
    whole.dump.record = true;
    let session = Session::open(spec, &whole)?;
    if session.dump().is_live() {
        return Err(ExtractError::Live);
    }
    let kernel = session.kernel()?;
    let report = ask(&session, questions);
    let by_a_vmlinux = kernel
        .symbols()
        .is_ok_and(|symbols| symbols.origin() == SymbolOrigin::Vmlinux);
    let alone = match by_a_vmlinux {
        true => Some(alone(spec, &whole, questions)?),
        false => None,
    };
    let sessions = || std::iter::once(&session).chain(&alone);
    if let Some(error) = sessions().find_map(Session::changed) {
        return Err(error.into());
    }
    let mut held = session.dump().recorded();
    sessions()
        .skip(1)
        .for_each(|session| held.merge(&session.dump().recorded()));
    let about = ExtractReport {
        tool: format!("virtopsy {}", env!("CARGO_PKG_VERSION")),
        of: file_name(spec),
        questions,
        format: report.format.unwrap_or_default(),
        compression: report.compression,
        complete: report.complete.unwrap_or(false),
        incomplete_because: report.incomplete_because,
        origin: report.origin,
        redacted: options.redact || session.is_redacted(),
    };
    let mut head = head(kernel, &about, packing).map_err(ExtractError::Write)?;
    if options.redact {
        for session in sessions() {
            let replaced = blank::replacements(session.kernel()?);
            head.replaced
                .extend(replaced.ok_or(ExtractError::NotRedacted)?);
        }
    }
    let written = session.dump().write_extract(&held, &head, out);
    written.map_err(ExtractError::Write)
}

/// The session that answers where the dump must tell everything itself.
fn alone(
    spec: &DumpSpec,
    options: &Options,
    questions: Questions,
) -> Result<Session, ExtractError> {
    let mut options = options.clone();
    options.kernel.vmlinux = None;
    options.kernel.debug_dirs = Vec::new();
    options.kernel.system_root = None;
    options.kernel.debuginfod = None;
    let session = Session::open(spec, &options)?;
    ask(&session, questions);
    Ok(session)
}

/// Asks the questions. An answer that fails leaves behind what it read, as it will in the extract.
fn ask(session: &Session, questions: Questions) -> DumpReport {
    let report = session.report();
    let _ = session.cpus();
    if questions >= Questions::Report {
        let _ = session.code_path(&report.callback);
        let _ = session.log().and_then(|log| session.boot_time(&log));
        let _ = session.backtraces(&StacksOf::EveryCpu);
    }
    if questions >= Questions::All {
        let _ = session.tasks();
        let _ = session.modules();
        let _ = session.vms();
        let _ = session.locks_and_classes();
        let _ = session.backtraces(&StacksOf::All);
    }
    report
}

fn head(
    kernel: &Kernel,
    about: &ExtractReport,
    packing: PagePacking,
) -> std::io::Result<ExtractHead> {
    let mut head = ExtractHead::default();
    head.utsname = Utsname {
        sysname: "Linux".to_owned(),
        release: kernel.release().to_owned(),
        machine: "x86_64".to_owned(),
        ..Utsname::default()
    };
    head.vmcoreinfo = kernel.vmcoreinfo().raw().to_owned();
    let phys_base = kernel.vmcoreinfo().number("phys_base");
    head.phys_base = phys_base.unwrap_or(0).cast_unsigned();
    head.about = serde_json::to_vec(about)?;
    head.packing = packing;
    Ok(head)
}

/// The name of the dump's first file, without its folder.
fn file_name(spec: &DumpSpec) -> Text {
    use std::os::unix::ffi::OsStrExt as _;
    let name = spec.paths.first().and_then(|path| path.file_name());
    Text::new(
        name.map(|name| name.as_bytes().to_vec())
            .unwrap_or_default(),
    )
}
