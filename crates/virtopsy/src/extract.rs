//! An extract of a dump: a small kdump-compressed file that holds only the memory that answers rest
//! on.
//!
//! The questions are asked of the dump as ever, and which bytes are read is recorded beneath all
//! code that interprets them. What was not asked for is "excluded" in the extract.

use std::io::{Seek, Write};

use virtopsy_kernel::{Kernel, SymbolOrigin};
use virtopsy_vmcore::{ExtractHead, HeldBytes, PagePacking, Utsname, Written};

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
}

/// Writes an extract of a dump to `out`, which is empty, and says how large it became.
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
    let whole = Options {
        redact: false,
        cause_in_full: true,
        ..options.clone()
    };
    let session = Session::recording(spec, &whole)?;
    if session.dump().is_live() {
        return Err(ExtractError::Live);
    }
    let kernel = session.kernel()?;
    let report = ask(&session, questions);
    let mut held = session.dump().recorded();
    if kernel
        .symbols()
        .is_ok_and(|symbols| symbols.origin() == SymbolOrigin::Vmlinux)
    {
        held.merge(&alone(spec, &whole, questions)?);
    }
    if let Some(error) = session.changed() {
        return Err(error.into());
    }
    let about = ExtractReport {
        tool: format!("virtopsy {}", env!("CARGO_PKG_VERSION")),
        of: file_name(spec),
        questions,
        format: report.format.unwrap_or_default(),
        compression: report.compression,
        complete: report.complete.unwrap_or(false),
        incomplete_because: report.incomplete_because,
        origin: report.origin,
    };
    let head = head(kernel, &about, packing).map_err(ExtractError::Write)?;
    let written = session.dump().write_extract(&held, &head, out);
    written.map_err(ExtractError::Write)
}

/// The bytes that the answers rest on where the dump must tell everything itself.
fn alone(
    spec: &DumpSpec,
    options: &Options,
    questions: Questions,
) -> Result<HeldBytes, ExtractError> {
    let options = Options {
        vmlinux: None,
        debug_dirs: Vec::new(),
        system_root: None,
        debuginfod: None,
        ..options.clone()
    };
    let session = Session::recording(spec, &options)?;
    ask(&session, questions);
    Ok(session.dump().recorded())
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
