//! `virtopsy extract`: a small dump that holds only the memory that the answers rest on.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use virtopsy::report::{ErrorReport, Questions};
use virtopsy::{DumpSpec, ExtractError, PagePacking, Written, extract};

use crate::batch;
use crate::exit::Status;
use crate::input::{self, Job};
use crate::options::Common;
use crate::progress::Progress;
use crate::terminal::say;
use crate::words;

const EXTRACT_HELP: &str = "\
Examples:
  virtopsy extract vmcore -o small.kdump
  virtopsy extract --for check vmcore -o small.kdump
  virtopsy extract --redact --for check vmcore -o small.kdump
  virtopsy extract /var/crash -o /tmp/extracts
  virtopsy info small.kdump                    what it was made of, and what it can answer

What an extract reveals: names of tasks, the kernel log, and whatever else the answers tell. Bytes
that no answer rests on are zero, also where they share a page with one that an answer rests on.
With --redact names of tasks and the text of the log are replaced in the bytes themselves, but for
what the redacted reports tell; --for report and all have stacks, in which more may be found.

Exit status:
  0  every dump gave its extract        2  a dump could not be read, or an extract not be written";

/// A small dump that holds only the memory that the answers rest on
///
/// Writes a kdump-compressed file that virtopsy, crash, drgn and makedumpfile open: for a bug report, or
/// to keep. Every command that was asked for says of the extract what it says of the dump; what
/// was not asked for is excluded there, never a wrong value.
#[derive(Debug, Args)]
#[command(after_long_help = EXTRACT_HELP)]
pub(crate) struct ExtractArgs {
    /// Dumps, or directories to search for them; the parts of a split dump are joined by commas
    #[arg(required = true, value_name = "DUMP")]
    pub(crate) dumps: Vec<OsString>,
    /// The file to write; a directory for several dumps
    #[arg(short, long, value_name = "FILE|DIR")]
    pub(crate) output: PathBuf,
    /// What the extract must be able to answer
    #[arg(long = "for", value_enum, default_value_t, value_name = "QUESTIONS")]
    pub(crate) questions: For,
    /// How its pages are packed
    #[arg(long, value_enum, default_value_t, value_name = "CODEC")]
    pub(crate) compress: Compress,
    /// Write over a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

/// What an extract must be able to answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum For {
    /// The verdict, the callback, the checks and the reports in the log
    Check,
    /// The kernel log and what each CPU did, too
    #[default]
    Report,
    /// Every listing: tasks, modules, locks, virtual machines, all backtraces
    All,
}

/// How pages are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compress {
    /// Read by every program that reads kdump files
    #[default]
    Zlib,
    /// Read by makedumpfile 1.7 and crash 8 or later
    Zstd,
    /// Not packed, for an archive that packs better
    None,
}

impl From<For> for Questions {
    fn from(questions: For) -> Questions {
        match questions {
            For::Check => Questions::Check,
            For::Report => Questions::Report,
            For::All => Questions::All,
        }
    }
}

impl From<Compress> for PagePacking {
    fn from(compress: Compress) -> PagePacking {
        match compress {
            Compress::Zlib => PagePacking::Zlib,
            Compress::Zstd => PagePacking::Zstd,
            Compress::None => PagePacking::None,
        }
    }
}

/// Writes the extracts. A dump that fails is told on standard error and stops no other.
///
/// # Errors
/// When the arguments make no sense, or the list of dumps can't be read.
pub(crate) fn run(args: &ExtractArgs, common: &Common) -> anyhow::Result<Status> {
    let jobs = input::expand(&args.dumps, false, &mut io::stdin().lock())?;
    if jobs.is_empty() {
        bail!("no dump was found in what was named");
    }
    let into = targets(args, &jobs)?;
    let progress = Progress::dumps(common.wants_progress(), jobs.len());
    let mut status = Status::Pass;
    for (job, target) in jobs.iter().zip(&into) {
        let written = one(job, target, args, common);
        progress.around(|| match &written {
            Ok(extracted) if !common.quiet => say(&told(job, target, *extracted)),
            Ok(_) => {}
            Err(error) => say(&format!("{}: {error:#}", job.label)),
        });
        if written.is_err() {
            status = Status::Error;
        }
        progress.step();
    }
    Ok(status)
}

fn told(job: &Job, target: &Path, extracted: Written) -> String {
    format!(
        "{}: {} of memory in {}, a file of {}: {}",
        job.label,
        words::size(extracted.held),
        words::count(
            usize::try_from(extracted.pages).unwrap_or(usize::MAX),
            "page"
        ),
        words::size(extracted.bytes),
        target.display()
    )
}

/// Where the extract of each dump goes.
fn targets(args: &ExtractArgs, jobs: &[Job]) -> anyhow::Result<Vec<PathBuf>> {
    let searched = args.dumps.iter().any(|name| Path::new(name).is_dir());
    if jobs.len() == 1 && !searched && !args.output.is_dir() {
        return Ok(vec![args.output.clone()]);
    }
    let mut into: Vec<PathBuf> = Vec::with_capacity(jobs.len());
    for job in jobs {
        let target = args.output.join(within(job, &args.dumps));
        if into.contains(&target) {
            bail!(
                "two dumps would become {}; extract them one by one",
                target.display()
            );
        }
        into.push(target);
    }
    Ok(into)
}

/// The place of a dump's extract in the output folder: as it lies in the directory that was
/// searched, or its name.
fn within(job: &Job, named: &[OsString]) -> PathBuf {
    let first = job.spec.as_ref().ok().and_then(|spec| spec.paths.first());
    let path = first.cloned().unwrap_or_default();
    let tops = named.iter().map(Path::new).filter(|name| name.is_dir());
    let mut below = tops.filter_map(|top| path.strip_prefix(top).ok());
    let below = below.next().map(Path::to_path_buf);
    below.unwrap_or_else(|| PathBuf::from(path.file_name().unwrap_or_default()))
}

/// Writes one extract: beside its place, and there when it is complete.
fn one(job: &Job, target: &Path, args: &ExtractArgs, common: &Common) -> anyhow::Result<Written> {
    let spec = match &job.spec {
        Ok(spec) => spec,
        Err(error) => bail!("{}: {}", error.kind, error.message),
    };
    refuse(spec, target, args.force)?;
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let cannot_write = || format!("{} can't be written", target.display());
    fs::create_dir_all(folder).with_context(cannot_write)?;
    let partial = tempfile::Builder::new()
        .prefix(".virtopsy-extract-")
        .tempfile_in(folder)
        .with_context(cannot_write)?;
    let extracted = {
        let mut out = BufWriter::with_capacity(1 << 16, partial.as_file());
        let asked = batch::catch(|| {
            extract(
                spec,
                &common.options(),
                args.questions.into(),
                args.compress.into(),
                &mut out,
            )
        });
        asked.map_err(plain)?.map_err(|error| match error {
            ExtractError::Write(error) => anyhow::Error::new(error).context(cannot_write()),
            ExtractError::Dump(error) => plain(error.into()),
            other => anyhow::Error::new(other),
        })?
    };
    partial.as_file().sync_all().with_context(cannot_write)?;
    let placed = match args.force {
        true => partial.persist(target),
        false => partial.persist_noclobber(target),
    };
    placed
        .map_err(|error| error.error)
        .with_context(cannot_write)?;
    Ok(extracted)
}

fn plain(error: ErrorReport) -> anyhow::Error {
    anyhow::anyhow!("{}: {}", error.kind, error.message)
}

/// Refuses to write over a dump, or over any file without being told to.
fn refuse(spec: &DumpSpec, target: &Path, force: bool) -> anyhow::Result<()> {
    let Ok(there) = fs::canonicalize(target) else {
        return Ok(());
    };
    let mut inputs = spec
        .paths
        .iter()
        .filter_map(|path| fs::canonicalize(path).ok());
    if inputs.any(|path| path == there) {
        bail!("{} is the dump itself; name another file", target.display());
    }
    if !force {
        bail!(
            "{} is there already; --force writes over it",
            target.display()
        );
    }
    Ok(())
}
