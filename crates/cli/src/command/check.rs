//! `virtopsy check`: verdicts for one dump or a fleet.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use virtopsy::report::Summary;
use virtopsy::{CheckId, Options};

use crate::batch::{self, Ended, Examine, InProcess, MakeExaminer, Plan};
use crate::exit::{FailOn, Status};
use crate::explain;
use crate::input::{self, Job};
use crate::judge::{Judge, Judged};
use crate::options::Common;
use crate::output::{Output, is_closed_pipe};
use crate::partition::Partition;
use crate::policy::{Day, Policy};
use crate::progress::Progress;
use crate::render::{BatchFormat, Render, renderer};
use crate::resume::{Earlier, Record};
use crate::terminal::{Look, say};
use crate::worker::{self, LEAST_MEMORY, Limits, Worker};

const CHECK_HELP: &str = "\
Examples:
  virtopsy check vmcore
  virtopsy check --select virt-disabled-all-cpus vmcore
  virtopsy check --vmlinux /usr/lib/debug/boot/ --jobs 8 /var/crash
  find /dumps -name vmcore -print0 | virtopsy check -0 --format jsonl -
  virtopsy check --format jsonl --output out.jsonl --resume out.jsonl /dumps
  virtopsy check --partition hash:$SLURM_ARRAY_TASK_ID/100 --format jsonl - < list
  virtopsy check dump.part1,dump.part2,dump.part3

In a directory, every file counts as a dump, at any depth, except hidden files, text, ELF files
that are no cores (kernels, modules), and empty files not named like a dump. Symbolic links to
directories are not followed.

A policy file holds any of:
  checks.no-lock-splats = \"warning\"        # error | warning | off, by check
  [[severity]]                             # the same for some kernels; the last that fits counts
  check = \"no-lock-splats\"
  is = \"off\"
  kernels = [\"6.1.*\"]
  [[tolerate]]
  issue = \"rcu-splat-in-emergency-callback\"
  until = 2027-03-31                       # the last day (UTC) on which it is tolerated
  kernels = [\"7.2.*\"]                      # releases it holds for; all when absent
  [[callback]]
  kernels = [\"*-amd64\"]
  expect = [\"svm_emergency_disable_virtualization_cpu\", \"none\"]

Exit status:
  0  every selected check of every dump passed
  1  a check failed
  2  usage, input or internal error, or a dump that could not be examined
  3  nothing failed, but something is inconclusive
  Of several, 2 wins over 1, 1 over 3, 3 over 0. Missing evidence is never a pass. --fail-on and
  --exit-zero change what 1 and 3 stand for; 2 always stays 2.";

/// Verdicts for one dump or a fleet
///
/// Examines every dump that is named, listed or found in a directory, and prints one verdict
/// each. One bad dump never stops the others. Results come in input order and are the same,
/// byte by byte, for any number of jobs. ^C stops early; what is done is kept.
#[derive(Debug, Args)]
#[command(after_long_help = CHECK_HELP)]
pub(crate) struct CheckArgs {
    /// Dumps, directories to search, or `-` for a list of paths on standard input
    ///
    /// The parts of a split dump are joined by commas. A raw memory image is FILE@ADDRESS, the
    /// physical address of its first byte.
    #[arg(required = true, value_name = "PATH|-")]
    pub(crate) paths: Vec<OsString>,
    /// The list on standard input is separated by NUL instead of newline
    #[arg(short = '0', long)]
    pub(crate) null: bool,
    /// How to print the results
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: BatchFormat,
    /// Write the results to FILE, which appears when the run is complete
    ///
    /// Until then they stand in FILE.partial, which is left behind by a run that was stopped.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Examine N dumps at a time [default: the number of CPUs]
    #[arg(short, long, value_name = "N", env = "VIRTOPSY_JOBS", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Examine only share I (from 0) of N, chosen by a hash of each path as given
    #[arg(long, value_name = "hash:I/N")]
    pub(crate) partition: Option<Partition>,
    /// Run only these checks; they alone are printed and count for the exit status
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = check_id())]
    pub(crate) select: Vec<CheckId>,
    /// Leave these checks out
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = check_id())]
    pub(crate) ignore: Vec<CheckId>,
    /// Which checks matter how much, and which known issues are tolerated until when
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) policy: Option<PathBuf>,
    /// What makes the exit status 1
    #[arg(long, value_enum, default_value_t, value_name = "VERDICT")]
    pub(crate) fail_on: FailOn,
    /// Exit with 0 whatever the verdicts; errors still give 2
    #[arg(long)]
    pub(crate) exit_zero: bool,
    /// Give up on a dump after so many seconds; it then counts as an error
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Refuse a dump more memory than SIZE, for example 512M; it then counts as an error
    ///
    /// Counts heap and stacks, not mapped files. K, M and G stand for powers of 1024.
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(crate) memory_limit: Option<u64>,
    /// Take over the dumps that FILE, the JSONL of an earlier run, already has
    ///
    /// FILE.partial is read too. Dumps that ended in an error, whose size or time of change is
    /// another now, whose checks are not those selected, or that another version of virtopsy
    /// examined, are examined again. Needs --format jsonl. Results got with another --vmlinux or
    /// --types are taken over all the same: for those start anew.
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
}

fn check_id() -> impl TypedValueParser<Value = CheckId> {
    PossibleValuesParser::new(explain::check_ids()).try_map(|id| id.parse::<CheckId>())
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(n) if n > 0.0 => Duration::try_from_secs_f64(n).map_err(|e| e.to_string()),
        _ => Err("a number of seconds above 0 is needed".to_owned()),
    }
}

fn memory(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text.get(digits.len()..) {
        Some("") => Some(0),
        Some("K") => Some(10),
        Some("M") => Some(20),
        Some("G") => Some(30),
        _ => None,
    };
    let bytes = shift.and_then(|shift| digits.parse::<u64>().ok()?.checked_mul(1 << shift));
    match bytes {
        Some(bytes) if bytes >= LEAST_MEMORY => Ok(bytes),
        Some(_) => Err(format!("at least {}M are needed", LEAST_MEMORY >> 20)),
        None => Err("a size is a number of bytes, or one with K, M or G, like 512M".to_owned()),
    }
}

/// Examines all dumps and prints their verdicts.
///
/// # Errors
/// When the arguments make no sense, or the results cannot be written.
pub(crate) fn run(args: &CheckArgs, common: &Common) -> anyhow::Result<Status> {
    run_with(args, common, None)
}

/// The other end of [`run`]: examines for a batch, as one of its worker processes.
///
/// # Errors
/// When its limits cannot be set, or the batch cannot be understood.
pub(crate) fn work(args: &CheckArgs, common: &Common) -> anyhow::Result<Status> {
    crate::progress::tell_starter();
    worker::serve(common.options(), limits(args), jobs(args))
}

/// Runs a batch; `examine` stands in the library's place where it is given, without processes.
fn run_with(
    args: &CheckArgs,
    common: &Common,
    examine: Option<Arc<Examine>>,
) -> anyhow::Result<Status> {
    let judge = judge(args)?;
    let queue = queue(args)?;
    let earlier = match &args.resume {
        None => Earlier::default(),
        Some(_) if args.format != BatchFormat::Jsonl => bail!("--resume needs --format jsonl"),
        Some(path) => Earlier::load(path, &judge)?,
    };
    if args.resume.is_some() && earlier.is_empty() && !common.quiet {
        say("there is nothing to resume from: every dump is examined");
    }
    let cancel = on_signal();
    let mut run = Run::new(args, common, judge, queue, earlier)?;
    let limits = limits(args);
    let alone = run.queue.len() < 2 && limits == Limits::default();
    let examiner: Arc<MakeExaminer> = match examine {
        None if alone => in_process(args, common.options(), Arc::new(virtopsy::examine)),
        Some(examine) => in_process(args, common.options(), examine),
        None => {
            let cancel = Arc::clone(&cancel);
            Arc::new(move || Box::new(Worker::new(limits, Arc::clone(&cancel))))
        }
    };
    let plan = Plan {
        examiner,
        jobs: jobs(args),
        cancel,
    };
    let ended = run.examine(plan);
    run.close(ended)
}

fn judge(args: &CheckArgs) -> anyhow::Result<Judge> {
    let policy = args
        .policy
        .as_deref()
        .map(Policy::load)
        .transpose()?
        .unwrap_or_default();
    let judge = Judge::new(&args.select, &args.ignore, policy, Day::today());
    if judge.selection(None).next().is_none() {
        bail!("no check is left to run: see --select, --ignore and the policy");
    }
    Ok(judge)
}

fn queue(args: &CheckArgs) -> anyhow::Result<Vec<Job>> {
    let mut jobs = input::expand(&args.paths, args.null, &mut io::stdin().lock())
        .context("the list on standard input")?;
    if jobs.is_empty() {
        bail!("there are no dumps in what was given");
    }
    if let Some(partition) = args.partition {
        jobs.retain(|job| partition.holds(job.label.as_bytes()));
    }
    Ok(jobs)
}

/// Set by ^C or SIGTERM; a second one ends the process at once.
fn on_signal() -> Arc<AtomicBool> {
    let cancel = Arc::new(AtomicBool::new(false));
    for (signal, status) in [
        (signal_hook::consts::SIGINT, 130),
        (signal_hook::consts::SIGTERM, 143),
    ] {
        let second =
            signal_hook::flag::register_conditional_shutdown(signal, status, Arc::clone(&cancel));
        let first = second.and_then(|_| signal_hook::flag::register(signal, Arc::clone(&cancel)));
        if let Err(error) = first {
            tracing::warn!(%error, signal, "the signal ends the run without its summary");
        }
    }
    cancel
}

fn limits(args: &CheckArgs) -> Limits {
    Limits {
        timeout: args.timeout,
        memory: args.memory_limit,
    }
}

fn jobs(args: &CheckArgs) -> usize {
    match args.jobs {
        Some(jobs) => usize::from(jobs),
        None => thread::available_parallelism().map_or(1, NonZeroUsize::get),
    }
}

/// Examines on this process's threads: nothing that one dump does can be undone, but a lone one
/// has no neighbours, and is told sooner.
fn in_process(args: &CheckArgs, options: Options, examine: Arc<Examine>) -> Arc<MakeExaminer> {
    // The library's own threads are the same ones: N jobs are N threads at work. There can be
    // only one such pool, and the first stays.
    let _ = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs(args))
        .build_global();
    Arc::new(move || {
        Box::new(InProcess {
            examine: Arc::clone(&examine),
            options: options.clone(),
        })
    })
}

/// What is printed at a place in the list.
enum Place {
    /// What an earlier run printed.
    Earlier(Record),
    /// A dump that is being examined; empty once it is printed.
    Now,
}

/// A batch on its way to its output.
struct Run<'a> {
    args: &'a CheckArgs,
    judge: Judge,
    queue: Vec<Job>,
    /// For each job of the queue, its place.
    order: Vec<usize>,
    places: Vec<Place>,
    /// Places below this are printed.
    printed: usize,
    render: Box<dyn Render>,
    out: Output,
    summary: Summary,
    progress: Progress,
}

impl<'a> Run<'a> {
    fn new(
        args: &'a CheckArgs,
        common: &Common,
        judge: Judge,
        jobs: Vec<Job>,
        mut earlier: Earlier,
    ) -> anyhow::Result<Run<'a>> {
        let (mut queue, mut order, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for job in jobs {
            match earlier.take(&job) {
                Some(record) => places.push(Place::Earlier(record)),
                None => {
                    order.push(places.len());
                    places.push(Place::Now);
                    queue.push(job);
                }
            }
        }
        let look = match &args.output {
            Some(_) => Look::of_file(),
            None => common.look(),
        };
        let progress = Progress::dumps(common.wants_progress(), queue.len());
        Ok(Run {
            render: renderer(args.format, look, args.fail_on == FailOn::Inconclusive),
            out: Output::create(args.output.as_deref())?,
            summary: Summary::default(),
            printed: 0,
            args,
            judge,
            queue,
            order,
            places,
            progress,
        })
    }

    fn examine(&mut self, plan: Plan) -> anyhow::Result<Ended> {
        self.render.begin(&mut self.out)?;
        self.print_earlier(self.order.first().copied().unwrap_or(self.places.len()))?;
        let queue = std::mem::take(&mut self.queue);
        let progress = self.progress.clone();
        let ended = batch::run(
            queue,
            plan,
            || progress.step(),
            |index, report| {
                let place = self.order.get(index).copied().unwrap_or(self.places.len());
                self.print_earlier(place)?;
                let judged = self.judge.judge(report);
                self.print(place, &judged)
            },
        )?;
        self.print_earlier(self.places.len())?;
        self.render.end(&mut self.out, &self.summary)?;
        Ok(ended)
    }

    /// Prints what an earlier run has for the places below `end`.
    fn print_earlier(&mut self, end: usize) -> anyhow::Result<()> {
        for place in self.places.iter().take(end).skip(self.printed) {
            if let Place::Earlier(record) = place {
                let line = record.line().context("the earlier run's results")?;
                self.render.recorded(&mut self.out, &line)?;
                self.summary.add(record.counted);
            }
        }
        self.printed = self.printed.max(end);
        Ok(self.out.flush()?)
    }

    fn print(&mut self, place: usize, judged: &Judged) -> anyhow::Result<()> {
        self.summary.add(judged.counted);
        self.printed = self.printed.max(place.saturating_add(1));
        let (render, out) = (&mut self.render, &mut self.out);
        self.progress.around(|| {
            render.dump(out, judged)?;
            // Whole lines, as they come: for a reader at the other end, and to resume from.
            out.flush()?;
            Ok(())
        })
    }

    /// Ends the output and finds the exit status.
    fn close(self, ended: anyhow::Result<Ended>) -> anyhow::Result<Status> {
        let verdicts = Status::of_summary(&self.summary)
            .under(self.args.fail_on)
            .exit_zero(self.args.exit_zero);
        let unfinished = self.places.len()
            - usize::try_from(self.summary.dumps)
                .unwrap_or(0)
                .min(self.places.len());
        drop(self.progress);
        let written = match ended {
            Err(error) => {
                // What is in the file can still be resumed from; the error matters more.
                let _ = self.out.keep();
                Err(error)
            }
            Ok(Ended::Complete) => self
                .out
                .finish()
                .map(|()| Ended::Complete)
                .map_err(anyhow::Error::from),
            Ok(Ended::Cancelled) => self
                .out
                .keep()
                .map(|()| Ended::Cancelled)
                .map_err(anyhow::Error::from),
        };
        match written {
            Ok(Ended::Complete) => Ok(verdicts),
            Ok(Ended::Cancelled) => {
                say(&stopped(self.args, unfinished));
                Ok(Status::Error)
            }
            Err(error) if is_closed_pipe(&error) => Ok(verdicts),
            Err(error) => Err(error.context("results could not be written")),
        }
    }
}

fn stopped(args: &CheckArgs, unfinished: usize) -> String {
    let mut message = format!(
        "stopped; {} not examined",
        crate::words::count(unfinished, "dump")
    );
    if let Some(path) = &args.output {
        let partial = crate::output::partial(path);
        message.push_str(&format!("; what is done stands in {}", partial.display()));
        if args.format == BatchFormat::Jsonl {
            message.push_str(&format!("; go on with --resume {}", path.display()));
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::partial;
    use crate::render::samples;
    use clap::Parser;
    use std::fs;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use virtopsy::DumpSpec;
    use virtopsy::report::DumpReport;

    /// The command line of `check` alone.
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CheckArgs,
        #[command(flatten)]
        common: Common,
    }

    /// Runs `check` with `examine` in the library's place.
    fn check(
        line: &[&str],
        examine: impl Fn(&str) -> DumpReport + Send + Sync + 'static,
    ) -> anyhow::Result<u8> {
        let line = Line::try_parse_from(["check", "-q"].iter().chain(line)).unwrap();
        let examine = move |spec: &DumpSpec, _: &Options| DumpReport {
            files: spec.files(),
            ..examine(spec.paths[0].to_str().unwrap())
        };
        run_with(&line.args, &line.common, Some(Arc::new(examine))).map(Status::code)
    }

    fn by_name(path: &str) -> DumpReport {
        match path {
            p if p.contains("bad") => samples::bad(),
            p if p.contains("broken") => samples::broken(),
            p if p.contains("unsure") => DumpReport::default(),
            p if p.contains("panic") => panic!("a defect"),
            _ => samples::good(),
        }
    }

    fn scratch() -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out").display().to_string();
        (directory, out)
    }

    #[test]
    fn a_memory_limit_is_a_size() {
        for (text, bytes) in [("512M", 512 << 20), ("2G", 2 << 30), ("67108864", 64 << 20)] {
            assert_eq!(memory(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn the_exit_status_is_that_of_the_worst_dump() {
        let (_directory, out) = scratch();
        for (dumps, options, expected) in [
            (&["good"][..], &[][..], 0),
            (&["good", "unsure"], &[], 3),
            (&["good", "unsure", "bad"], &[], 1),
            (&["bad", "broken", "unsure"], &[], 2),
            (&["good", "panic"], &[], 2),
            (&["bad"], &["--exit-zero"], 0),
            (&["broken"], &["--exit-zero"], 2),
            (&["unsure"], &["--fail-on", "inconclusive"], 1),
            (&["unsure", "bad"], &["--fail-on", "never"], 0),
            (&["bad"], &["--select", "emergency-callback-sound"], 0),
            (&["bad"], &["--select", "crash-shutdown-complete"], 3),
            (
                &["bad"],
                &["--ignore", "virt-disabled-all-cpus,crash-shutdown-complete"],
                0,
            ),
        ] {
            let line: Vec<&str> = dumps
                .iter()
                .chain(options)
                .copied()
                .chain(["-o", &out])
                .collect();
            assert_eq!(check(&line, by_name).unwrap(), expected, "{line:?}");
        }
    }

    #[test]
    fn the_output_is_the_same_for_any_number_of_jobs_in_every_format() {
        let (_directory, out) = scratch();
        for format in ["text", "json", "jsonl", "junit", "sarif"] {
            let mut outputs = Vec::new();
            for jobs in ["1", "2", "5"] {
                let line = [
                    "a", "bad", "c", "broken", "panic", "unsure", "d", "--format", format, "-o",
                    &out, "-j", jobs,
                ];
                assert_eq!(check(&line, by_name).unwrap(), 2);
                outputs.push(fs::read(&out).unwrap());
            }
            assert!(
                !outputs[0].is_empty() && outputs.iter().all(|o| *o == outputs[0]),
                "{format}"
            );
        }
    }

    #[test]
    fn a_resumed_run_examines_only_what_is_missing_and_prints_the_same() {
        let (directory, out) = scratch();
        let dumps = ["a", "bad", "c", "unsure", "e"].map(|name| {
            let path = directory.path().join(name);
            fs::write(&path, name).unwrap();
            path.display().to_string()
        });
        let options = ["--format", "jsonl", "-o", &out, "--resume", &out];
        let line: Vec<&str> = dumps.iter().map(String::as_str).chain(options).collect();
        assert_eq!(check(&line, by_name).unwrap(), 1);
        let whole = fs::read_to_string(&out).unwrap();
        fs::remove_file(&out).unwrap();
        // What a killed run leaves: two dumps, and a piece of a third.
        let lines: Vec<&str> = whole.lines().collect();
        fs::write(
            partial(Path::new(&out)),
            format!("{}\n{}\n{}", lines[1], lines[3], &lines[4][..40]),
        )
        .unwrap();
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        let counting = move |path: &str| {
            counter.fetch_add(1, Ordering::Relaxed);
            by_name(path)
        };
        assert_eq!(check(&line, counting).unwrap(), 1);
        assert_eq!(seen.load(Ordering::Relaxed), 3);
        assert_eq!(fs::read_to_string(&out).unwrap(), whole);
    }

    #[test]
    fn results_that_cannot_be_written_are_an_error() {
        assert!(check(&["good", "-o", "/dev/full"], by_name).is_err());
        assert!(check(&["good", "-o", "/no/such/directory/out"], by_name).is_err());
    }

    #[test]
    fn nothing_to_do_is_an_error_unless_the_share_is_empty() {
        let (directory, out) = scratch();
        assert!(check(&[directory.path().to_str().unwrap(), "-o", &out], by_name).is_err());
        let statuses = ["0", "1"].map(|i| {
            check(
                &["broken", "--partition", &format!("hash:{i}/2"), "-o", &out],
                by_name,
            )
            .unwrap()
        });
        assert!(statuses == [0, 2] || statuses == [2, 0], "{statuses:?}");
    }

    #[test]
    fn options_that_contradict_are_refused() {
        assert!(check(&["a", "--resume", "x"], by_name).is_err());
        assert!(
            check(
                &[
                    "a",
                    "--select",
                    "no-lock-splats",
                    "--ignore",
                    "no-lock-splats"
                ],
                by_name
            )
            .is_err()
        );
        assert!(check(&["a", "--policy", "/no/such/policy"], by_name).is_err());
    }
}
