//! One dump, opened: from files to the report.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use virtopsy_kernel::{CpuId, Kernel, KernelOptions, Log, VirtAddr};
use virtopsy_vmcore::{Dump, OpenOptions, is_procfs};

use crate::callback::Circumstances;
use crate::error::{Error, Result};
use crate::evidence::{Findings, Usage};
use crate::known_issue::{Case, Traces};
use crate::listing::{self, Listing};
use crate::machine::Machine;
use crate::report::extract::Completeness;
use crate::report::{
    CallbackReport, DumpReport, ErrorReport, ExtractReport, FileReport, LogReport, Origin, Text,
};
use crate::{callback, crash, known_issue, lockdep, splat_sources, virtualization};

/// Which files make up one dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DumpSpec {
    /// One file, or all parts of a split dump in any order.
    pub paths: Vec<PathBuf>,
}

impl DumpSpec {
    /// The paths as the user gave them, joined by commas.
    pub fn label(&self) -> Text {
        use std::os::unix::ffi::OsStrExt as _;
        let paths: Vec<&[u8]> = self
            .paths
            .iter()
            .map(|p| p.as_os_str().as_bytes())
            .collect();
        Text::new(paths.join(&b','))
    }

    /// The files as they are now. One that cannot be asked is left out.
    pub fn files(&self) -> Vec<FileReport> {
        self.paths
            .iter()
            .filter_map(|path| file_report(path))
            .collect()
    }
}

/// What the file system says of a file, or of the file of a raw image `FILE@ADDRESS`.
fn file_report(path: &Path) -> Option<FileReport> {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::MetadataExt as _;
    let bytes = path.as_os_str().as_bytes();
    let metadata = std::fs::metadata(path).or_else(|error| {
        let at = bytes.iter().rposition(|byte| *byte == b'@');
        let file = at.and_then(|at| bytes.get(..at)).ok_or(error)?;
        std::fs::metadata(OsStr::from_bytes(file))
    });
    let metadata = metadata.ok()?;
    Some(FileReport {
        size: metadata.len(),
        modified: Some(format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec())),
    })
}

/// How to open a dump.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How the dump's files are read.
    pub dump: OpenOptions,
    /// Where the kernel's symbols and types may come from. A debug file beside the dump and those
    /// that a distribution has put below `/` count, unless `system_root` names another place.
    pub kernel: KernelOptions,
    /// [`examine`] and [`Session::report`] give a report without host names, names of tasks,
    /// addresses and log text ([`DumpReport::redacted`]).
    pub redact: bool,
    /// Ask the kernel's memory for the cause of the crash even where the log's report is tied to it
    /// by the panic's own message: more proof, and what locked up or waits.
    pub cause_in_full: bool,
}

impl Options {
    /// The report as these options ask for it: redacted or whole.
    #[must_use]
    pub fn as_asked(&self, report: DumpReport) -> DumpReport {
        if self.redact {
            report.redacted()
        } else {
            report
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        let mut kernel = KernelOptions::default();
        kernel.system_root = Some(PathBuf::from("/"));
        Options {
            dump: OpenOptions::default(),
            kernel,
            redact: false,
            cause_in_full: false,
        }
    }
}

/// A dump that has been opened.
///
/// The dump itself always is; its kernel may not be ([`Session::kernel`] says why), and then only
/// what the container says can be reported.
#[derive(Debug)]
pub struct Session {
    spec: DumpSpec,
    options: Options,
    /// The files of `spec`, each as it was before it was opened.
    files: Vec<Option<FileReport>>,
    dump: Arc<Dump>,
    kernel: virtopsy_kernel::Result<Kernel>,
}

impl Session {
    /// Opens the dump's headers and finds the kernel's symbols and types; the rest is read when
    /// asked for.
    ///
    /// # Errors
    /// [`Error::Dump`] where the files are not a dump that can be read. A vmlinux that was named and
    /// does not fit is an error too ([`Error::Kernel`]): it is never silently left aside.
    pub fn open(spec: &DumpSpec, options: &Options) -> Result<Session> {
        let files = spec.paths.iter().map(|path| file_report(path)).collect();
        let dump = Arc::new(Dump::open(&spec.paths, &options.dump)?);
        let mut options = options.clone();
        // What was taken out of its bytes is not told as if it had been read.
        options.redact |= matches!(ExtractReport::of(&dump), Some(Ok(about)) if about.redacted);
        let mut of_kernel = options.kernel.clone();
        of_kernel.dump = of_kernel.dump.or_else(|| spec.paths.first().cloned());
        let kernel = Kernel::open(dump.clone(), &of_kernel);
        match kernel {
            Err(
                e @ (virtopsy_kernel::Error::WrongVmlinux { .. }
                | virtopsy_kernel::Error::WrongBtf { .. }
                | virtopsy_kernel::Error::File { .. }),
            ) => Err(Error::Kernel(e)),
            kernel => Ok(Session {
                spec: spec.clone(),
                options,
                files,
                dump,
                kernel,
            }),
        }
    }

    /// Whether answers are redacted: it was asked for, or the dump is a redacted extract.
    pub fn is_redacted(&self) -> bool {
        self.options.redact
    }

    /// The files that were opened.
    pub fn spec(&self) -> &DumpSpec {
        &self.spec
    }

    /// The dump.
    pub fn dump(&self) -> &Arc<Dump> {
        &self.dump
    }

    /// The crashed kernel.
    ///
    /// # Errors
    /// Why the dump's memory can't be read by virtual address.
    pub fn kernel(&self) -> Result<&Kernel> {
        self.kernel.as_ref().map_err(|e| Error::Kernel(e.clone()))
    }

    /// Everything that can be said of the dump. All checks are run.
    ///
    /// Where a file was written to since it was opened, the report has an error of kind `changed`,
    /// and nothing of what was read: that would be of two states.
    pub fn report(&self) -> DumpReport {
        let report = self.whole_report();
        self.options.as_asked(match self.changed() {
            None => report,
            Some(error) => failed(report.path, report.files, error.into()),
        })
    }

    /// Which file was written to since it was opened, by its size and time: what was read is of two
    /// states then ([`Error::Changed`]).
    pub fn changed(&self) -> Option<Error> {
        // Times of files in /proc say nothing: they are made when somebody asks.
        let now = |path: &Path| file_report(path).filter(|_| !is_procfs(path));
        let mut files = self.spec.paths.iter().zip(&self.files);
        let (path, ..) = files.find(|(path, before)| {
            now(path).is_some_and(|now| before.as_ref().is_some_and(|before| *before != now))
        })?;
        Some(Error::Changed { path: path.clone() })
    }

    fn whole_report(&self) -> DumpReport {
        let mut report = self.container_report();
        let (log, traces) = match &self.kernel {
            Ok(kernel) => kernel_report(kernel, &mut report, self.options.cause_in_full),
            Err(e) => {
                report.virtualization.summary = format!("the kernel can't be examined: {e}");
                report.callback.summary = "not known: the kernel can't be examined".into();
                (None, Traces::default())
            }
        };
        report.known_issues = known_issue::recognise(&Case {
            report: &report,
            traces: &traces,
            log: log.as_ref(),
        });
        report.checks = crate::report::check::run_all(&report);
        report
    }

    /// The functions on the way from the crash NMI to the callback, then the callback itself, with
    /// the steps of the way marked. Functions that the dump does not hold are left out.
    ///
    /// # Errors
    /// Why the dump's memory can't be read by virtual address.
    pub fn code_path(&self, callback: &CallbackReport) -> Result<Vec<Listing>> {
        Ok(callback::on_the_way(self.kernel()?, callback))
    }

    /// The function that holds a code address; `None` where that is no code with a name, or can't
    /// be read.
    ///
    /// # Errors
    /// Why the dump's memory can't be read by virtual address.
    pub fn code_around(&self, at: VirtAddr) -> Result<Option<Listing>> {
        Ok(listing::around(self.kernel()?, at))
    }

    /// What the container alone says. Of an extract, that of the dump that it was made of.
    fn container_report(&self) -> DumpReport {
        let completeness = Completeness::of(&self.dump);
        let info = self.dump.vmcoreinfo();
        let (format, compression) = match &completeness.extract {
            Some(about) => (about.format.clone(), about.compression.clone()),
            None => {
                let codecs = self.dump.compression();
                let codecs = codecs.iter().map(ToString::to_string);
                (self.dump.format().to_string(), codecs.collect())
            }
        };
        DumpReport {
            path: self.spec.label(),
            files: self.files.iter().flatten().cloned().collect(),
            format: Some(format),
            compression,
            complete: Some(completeness.complete),
            incomplete_because: completeness.reasons,
            extract: completeness.extract,
            release: info.and_then(|i| i.os_release()).map(Text::from),
            notes: self.dump.packing().map(unpacked_note).into_iter().collect(),
            ..DumpReport::default()
        }
    }
}

/// Opens a dump and reports on it. What went wrong stands in the report's `error`.
pub fn examine(spec: &DumpSpec, options: &Options) -> DumpReport {
    match Session::open(spec, options) {
        Ok(session) => session.report(),
        Err(error) => options.as_asked(failed(spec.label(), spec.files(), error.into())),
    }
}

/// The report of a dump of which nothing can be told.
fn failed(path: Text, files: Vec<FileReport>, error: ErrorReport) -> DumpReport {
    DumpReport {
        path,
        files,
        error: Some(error),
        ..DumpReport::default()
    }
}

fn unpacked_note(packing: virtopsy_vmcore::Packing) -> Text {
    Text::from(format!(
        "the dump is packed as {packing} and was unpacked to be read"
    ))
}

/// What the kernel's memory says. Each part stands on its own: one that fails leaves a note. Gives
/// the log and the traces of known defects to those who need them after.
fn kernel_report(kernel: &Kernel, report: &mut DumpReport, in_full: bool) -> (Option<Log>, Traces) {
    // The dump's memory can hold what its notes lack.
    report.release = Some(Text::from(kernel.release())).filter(|r| !r.as_bytes().is_empty());
    report.build_id = kernel.build_id().map(Into::into);
    report.types_from = kernel.types_origin().map(|o| o.to_string());
    report.symbols_from = kernel.symbols().ok().map(|s| s.origin().to_string());
    report
        .notes
        .extend(kernel.notes().iter().map(|n| Text::from(n.as_str())));
    let log = read_log(kernel, report);
    if let Some(log) = &log {
        let found = virtopsy_klog::scan_log_records(log.records.iter().map(splat_record));
        report.splats = found.splats;
        report.crashes = found.crashes;
        if found.crashes_left_out > 0 {
            report.notes.push(Text::from(format!(
                "the log holds {} further reports of crashes and warnings, which were only counted",
                found.crashes_left_out
            )));
        }
        if found.left_out > 0 {
            report.notes.push(Text::from(format!(
                "the log holds {} further lock reports, which were only counted",
                found.left_out
            )));
        }
    }
    lockdep::complete(kernel, log.as_ref(), report);
    splat_sources::name(kernel, &mut report.splats);
    let traces = match Machine::read(kernel) {
        Ok(machine) => {
            let found = machine_report(&machine, log.as_ref(), report, in_full);
            Traces::read(&machine, &found)
        }
        Err(e) => {
            report.virtualization.summary = format!("the machine can't be examined: {e}");
            report.callback = callback::examine(kernel, &Circumstances::default());
            if kernel.symbols().is_err() {
                // The verdict says why.
                report.callback.summary = "not known: the kernel's symbols can't be read".into();
            }
            Traces::default()
        }
    };
    (log, traces)
}

/// What the machine as a whole and its CPUs say; gives what was found of each CPU.
fn machine_report(
    machine: &Machine<'_>,
    log: Option<&Log>,
    report: &mut DumpReport,
    in_full: bool,
) -> Vec<(CpuId, Findings)> {
    report.origin = machine.origin;
    report.cpus_possible = Some(machine.cpus.possible.count());
    report.cpus_online = machine
        .cpus
        .online
        .as_ref()
        .ok()
        .map(virtopsy_kernel::CpuMask::count);
    let (virtualization, found) = virtualization::examine(machine);
    report.virtualization = virtualization;
    let in_use = found.iter().any(|(_, f)| f.usage == Usage::Enabled);
    let circumstances = Circumstances {
        feature: machine.feature,
        enabled: in_use && machine.kvm_present() == Some(true),
        suspects: crash::unfinished_cpus(machine, &found),
    };
    report.callback = callback::examine(machine.kernel, &circumstances);
    report.crash = crash::examine(machine, log);
    if !report.had_crashed() {
        let said = std::mem::take(&mut report.virtualization.summary);
        report.virtualization.summary = format!("the machine had not crashed; {said}");
    }
    crash::cause::settle(machine, report, in_full);
    if report.origin == Origin::Hypervisor && report.crash.is_none() {
        report.notes.push(Text::from(
            "a hypervisor took this dump of a machine that had not crashed: virtualization that is on is normal there",
        ));
    }
    if report.origin == Origin::Live {
        report.notes.push(Text::from(
            "this is the running machine: it changes while it is read, and virtualization that is on is normal",
        ));
    }
    if let Some(e) = &machine.kernel.modules().broken {
        report
            .notes
            .push(Text::from(format!("the module list is not whole: {e}")));
    }
    found
}

fn read_log(kernel: &Kernel, report: &mut DumpReport) -> Option<Log> {
    match kernel.log() {
        Ok(log) => {
            report.log = Some(LogReport {
                records: log.records.len() as u64,
                overwritten: log.first_sequence,
                lost: log.lost,
                uncommitted: log.uncommitted,
            });
            Some(log)
        }
        Err(e) => {
            report
                .notes
                .push(Text::from(format!("the log can't be read: {e}")));
            None
        }
    }
}

pub(crate) fn splat_record(record: &virtopsy_kernel::Record) -> virtopsy_klog::Record<'_> {
    virtopsy_klog::Record {
        text: &record.text,
        timestamp_ns: Some(record.timestamp_ns),
        caller: record.caller.map(|c| c.to_string()),
        level: record.level,
        seq: record.sequence,
        cont: record.continuation,
        newline: record.newline,
    }
}
