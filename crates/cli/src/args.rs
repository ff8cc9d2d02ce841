//! The command line, as the user types it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::surroundings;
use clap::builder::PossibleValuesParser;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use virtopsy::{Options, Profiles, TypesChoice};

use crate::exit::FailOn;
use crate::explain;
use crate::partition::Partition;
use crate::worker::LEAST_MEMORY;

const EXIT_STATUS: &str = "\
Exit status:
  0  every question that was asked has its good answer
  1  a check failed
  2  usage, input or internal error
  3  nothing failed, but something is inconclusive
  Of several, 2 wins over 1, 1 over 3, 3 over 0. Missing evidence is never a pass.";

const TOP_HELP: &str = "\
Examples:
  virtopsy /var/crash/2026-11-02/vmcore            everything about one dump
  virtopsy check /var/crash                        one line for each dump in a tree
  virtopsy cpus vmcore --explain 2                 how CPU 2 came to its state
  virtopsy splats --log serial.log                 lock reports in a text log

A file whose name is that of a command is given as ./NAME.

Exit status:
  0  every question that was asked has its good answer
  1  a check failed
  2  usage, input or internal error
  3  nothing failed, but something is inconclusive
  Of several, 2 wins over 1, 1 over 3, 3 over 0. Missing evidence is never a pass.";

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

const PROFILE_HELP: &str = "\
Examples:
  virtopsy profile create --vmlinux /usr/lib/debug vmcore --output kernel.profile
  virtopsy profile use kernel.profile
  virtopsy profile list

A profile is of one build of a kernel (its build-id) and one version of virtopsy. It is text with a
checksum; one that is damaged, of another version or of another build is left aside, which -v tells.";

const SUMMARY_HELP: &str = "\
Examples:
  virtopsy summary results/*.jsonl
  virtopsy summary --format html --output fleet.html results/*.jsonl
  virtopsy check --format jsonl /var/crash | virtopsy summary -

Exit status:
  0  every line was read, whatever it says
  2  usage, input or internal error, or a line that is no result";

const REPORT_HELP: &str = "\
Examples:
  virtopsy report vmcore
  virtopsy report -v vmcore | less -R         with every CPU's evidence
  virtopsy report --vmlinux /usr/lib/debug/boot/vmlinux-6.12.1 vmcore
  virtopsy report --format json vmcore | jq .dumps[0].virtualization.verdict

Exit status: that of `virtopsy check` with every check selected.
  0  every check passed                 2  usage, input or internal error
  1  a check failed                     3  nothing failed, something is inconclusive";

const SPLATS_HELP: &str = "\
Examples:
  virtopsy splats vmcore                       from the log buffer of a dump
  virtopsy splats --log serial.log             from a serial console's log
  virtopsy splats --log serial.log --graph svg > cycle.svg   a circular report's cycle
  dmesg | virtopsy splats --log -              from standard input
  journalctl -k -o short-monotonic | virtopsy splats --log - --format jsonl

Exit status:
  0  there is no such report                   2  usage, input or internal error
  1  there is at least one                     3  the log could not be read whole";

const INFO_HELP: &str = "\
Examples:
  virtopsy info vmcore
  virtopsy info --vmcoreinfo vmcore
  virtopsy info --format json vmcore | jq .container.pages

Exit status:
  0  the dump opened                            2  it did not, or the vmlinux is not its own";

const BT_HELP: &str = "\
Examples:
  virtopsy bt vmcore                      what each CPU did
  virtopsy bt --cpu 2 vmcore
  virtopsy bt --task 4711 vmcore          where a task sleeps
  virtopsy bt --all --format json vmcore | jq '.backtraces[].frames[0].function'";

const PEEK_HELP: &str = "\
Expressions:
  init_task.tasks.next                    a variable, its members; -> and . mean the same
  percpu(cpu_tlbstate, 2).cr4             a CPU's copy of a per-CPU variable
  kvm:vm_list                             a variable of the module kvm
  '(struct task_struct *)0xffff888003a80000->comm'
                                          a cast; members of it may follow
  'boot_cpu_data.x86_capability[0..4]'    elements 0 to 3
  '*init_task.mm'                         what a pointer points to
  '&init_task.tasks'                      where it is
  0xffff888003a80000:64                   64 bytes as they are

Without debug files, types come from BTF, which knows the types of per-CPU variables only; for
others there is a small built-in table, and casts.";

/// Was hardware virtualization off when the crash kernel took over, and how do we know?
///
/// Opens a Linux kdump vmcore and says, with proof, whether VMX or SVM was off on every CPU, which
/// KVM emergency callback was registered and whether it was alive, and which lock-debugging
/// reports stand in the kernel log. No debug information is required: types and symbols are read
/// from the dump itself where no vmlinux is given.
#[derive(Debug, Parser)]
#[command(
    name = "virtopsy",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(after_long_help = TOP_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) common: Common,
    /// Dumps to report on, as `virtopsy report` does
    #[arg(value_name = "DUMP")]
    pub(crate) dumps: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(CheckArgs),
    Summary(SummaryArgs),
    Report(ReportArgs),
    Cpus(CpusArgs),
    Callback(CallbackArgs),
    Info(InfoArgs),
    Splats(SplatsArgs),
    Log(LogArgs),
    Bt(BtArgs),
    Tasks(TasksArgs),
    Modules(ModulesArgs),
    Vms(VmsArgs),
    Locks(LocksArgs),
    Peek(PeekArgs),
    Profile(ProfileArgs),
    Open(OpenArgs),
    Explain(ExplainArgs),
    Schema(SchemaArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

// What every command that opens a dump takes. (A doc comment here would become the help of virtopsy.)
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// The crashed kernel's vmlinux, or a directory that holds it and its modules
    ///
    /// A vmlinux whose build-id is not the dump's is refused, with both ids shown.
    #[arg(
        long,
        global = true,
        value_name = "FILE|DIR",
        env = "VIRTOPSY_VMLINUX",
        help_heading = "Opening dumps"
    )]
    pub(crate) vmlinux: Option<PathBuf>,
    /// A tree to search for debug files by build-id; may be given several times
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "VIRTOPSY_DEBUG_DIR",
        help_heading = "Opening dumps"
    )]
    pub(crate) debug_dir: Vec<PathBuf>,
    /// Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS
    ///
    /// A vmlinux only where the dump has no symbols or types of its own, or `--types dwarf` asks for
    /// others; a module's file where its types are as missing, or its lines are asked for beside a
    /// vmlinux that has lines. A server learns these build-ids and nothing else. What it sends must
    /// have that build-id, and is kept in the cache of elfutils' own client
    /// (DEBUGINFOD_CACHE_PATH).
    #[arg(long, global = true, help_heading = "Opening dumps")]
    pub(crate) debuginfod: bool,
    /// Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]
    ///
    /// Needs room for the whole dump but its zeros. The file has no name and is gone with the
    /// process.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "VIRTOPSY_UNPACK_DIR",
        help_heading = "Opening dumps"
    )]
    pub(crate) unpack_dir: Option<PathBuf>,
    /// Where structure layouts may come from
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "SOURCE",
        help_heading = "Opening dumps"
    )]
    pub(crate) types: Types,
    /// Read files piece by piece instead of mapping them into memory; the default
    #[arg(long, global = true, help_heading = "Opening dumps")]
    pub(crate) no_mmap: bool,
    /// Map files into memory
    ///
    /// No faster where it was measured; a disk or network that fails while a file is mapped ends
    /// the process.
    #[arg(
        long,
        global = true,
        overrides_with = "no_mmap",
        help_heading = "Opening dumps"
    )]
    pub(crate) mmap: bool,
    /// Use the vmlinux although its build-id is not the dump's
    #[arg(long, global = true, help_heading = "Opening dumps")]
    pub(crate) force_vmlinux: bool,
    /// Where profiles are kept [default: $XDG_CACHE_HOME/virtopsy or ~/.cache/virtopsy]
    ///
    /// A report keeps there, by build-id, what it asked of a kernel's symbols and types, so that the
    /// next dump of that kernel costs no debug info. The report is the same with and without.
    /// In the default folder only what was read from a vmlinux is kept. Where a folder is named,
    /// what was read from dumps is kept too, and the first dump of a kernel speaks for the next:
    /// name one where all dumps are trusted. Of a damaged dump a report may say more then.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "VIRTOPSY_PROFILE_DIR",
        help_heading = "Opening dumps"
    )]
    pub(crate) profile_dir: Option<PathBuf>,
    /// Use no profiles, and keep none
    #[arg(long, global = true, help_heading = "Opening dumps")]
    pub(crate) no_profile: bool,
    /// Say more: every CPU's evidence in a report, and on standard error what was tried
    ///
    /// Twice for every step. VIRTOPSY_LOG says for each part instead: `virtopsy_kernel=debug,warn`.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
    /// Say nothing on standard error but errors
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Output"
    )]
    pub(crate) quiet: bool,
    /// Leave out host names, names of tasks, addresses and text of the log
    ///
    /// For reports that are given to others. What stays: verdicts, names of functions, modules,
    /// locks and source files, the kernel's release and build-id, thread ids, and paths as given.
    /// For check, report, cpus, callback and splats.
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) redact: bool,
    /// When to use colour; NO_COLOR in the environment turns `auto` off
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Output"
    )]
    pub(crate) color: Color,
    /// Show no progress (none is shown anyway where standard error is not a terminal)
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) no_progress: bool,
}

impl Common {
    /// How the library is to open dumps that it reports on.
    pub(crate) fn report_options(&self) -> Options {
        let mut options = self.options();
        // What dumps say of themselves is only kept where a folder is named: a dump can claim any
        // build-id, and what a batch prints must not hang on which dump came first.
        options.profiles = surroundings::profiles(self).map(|folder| Profiles {
            folder,
            of_dumps: self.profile_dir.is_some(),
        });
        options
    }

    /// How the library is to open dumps.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::default();
        options.vmlinux = self.vmlinux.clone();
        options.debug_dirs = self.debug_dir.clone();
        options.mmap = self.mmap && !self.no_mmap;
        options.force_vmlinux = self.force_vmlinux;
        options.unpack = Some(surroundings::unpack(self));
        options.debuginfod = surroundings::debuginfod(self);
        options.redact = self.redact;
        options.types = match self.types {
            Types::Auto => TypesChoice::Auto,
            Types::Btf => TypesChoice::Btf,
            Types::Dwarf => TypesChoice::Dwarf,
        };
        options
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Types {
    /// BTF of the vmlinux, else BTF in the dump, else the vmlinux's DWARF
    #[default]
    Auto,
    /// BTF only
    Btf,
    /// DWARF only
    Dwarf,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BatchFormat {
    /// One line for each dump
    #[default]
    Text,
    /// One document
    Json,
    /// One line of JSON for each dump, then one with the summary
    Jsonl,
    /// JUnit XML: one suite for each dump, one case for each check
    Junit,
    /// SARIF 2.1.0
    Sarif,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PageFormat {
    /// For reading
    #[default]
    Text,
    /// One document
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For reading
    #[default]
    Text,
    /// One document
    Json,
    /// One line of JSON for each entry
    Jsonl,
}

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
    pub(crate) select: Vec<String>,
    /// Leave these checks out
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = check_id())]
    pub(crate) ignore: Vec<String>,
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SummaryFormat {
    /// For reading
    #[default]
    Text,
    /// One document
    Json,
    /// One row for each group
    Csv,
    /// One page with charts, which needs no other file
    Html,
}

/// What the results of many runs add up to
///
/// Reads what `check --format jsonl` wrote, of one run or of many shares, and groups the dumps by
/// kernel, verdict, check, known issue and lock report. A dump that is named twice counts by its
/// last line. Lines that are no results are told, and cost nothing else.
#[derive(Debug, Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(crate) struct SummaryArgs {
    /// Results of `check --format jsonl`, or `-` for standard input
    #[arg(required = true, value_name = "FILE|-")]
    pub(crate) files: Vec<OsString>,
    /// How to print the summary
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: SummaryFormat,
    /// Write the summary to FILE, which appears when it is complete
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Everything about one dump, for reading
///
/// The verdict and why, the crash, every CPU, the KVM emergency callback, lock reports, known
/// issues, all checks, and what could not be said.
#[derive(Debug, Args)]
#[command(after_long_help = REPORT_HELP)]
pub(crate) struct ReportArgs {
    /// A dump, or the parts of a split one joined by commas
    ///
    /// A raw memory image is FILE@ADDRESS, the physical address of its first byte.
    #[arg(required = true, value_name = "DUMP")]
    pub(crate) dumps: Vec<OsString>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
    /// Exit with 0 whatever the verdicts; errors still give 2
    #[arg(long)]
    pub(crate) exit_zero: bool,
}

/// VMX or SVM on every CPU, with the reason
#[derive(Debug, Args)]
#[command(after_long_help = EXIT_STATUS)]
pub(crate) struct CpusArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// Tell how CPU N came to its state: all evidence, in the order of events
    #[arg(long, value_name = "N")]
    pub(crate) explain: Option<u32>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
    /// Exit with 0 whatever the verdict; errors still give 2
    #[arg(long)]
    pub(crate) exit_zero: bool,
}

/// The KVM emergency callback: pointer, function, module, and whether it was alive
#[derive(Debug, Args)]
#[command(after_long_help = EXIT_STATUS)]
pub(crate) struct CallbackArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
    /// Exit with 0 whatever the verdict; errors still give 2
    #[arg(long)]
    pub(crate) exit_zero: bool,
}

/// What a dump is made of: format, header, pages, notes, VMCOREINFO, symbols and types
///
/// Counts the pages that are present, zero, excluded and missing by bitmaps and descriptors, without
/// decoding them, and says where symbols and types come from or what is needed for them.
#[derive(Debug, Args)]
#[command(after_long_help = INFO_HELP)]
pub(crate) struct InfoArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// Show VMCOREINFO line by line
    #[arg(long)]
    pub(crate) vmcoreinfo: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// Lock-debugging reports in a dump's log buffer or in a text log
///
/// Reports of lockdep, RCU-lockdep and the other lock debuggers, each with its place, its held
/// locks and its backtrace.
#[derive(Debug, Args)]
#[command(after_long_help = SPLATS_HELP)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["dump", "log"]))]
pub(crate) struct SplatsArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: Option<OsString>,
    /// A text log instead (serial console, dmesg, journal, /dev/kmsg); `-` is standard input
    #[arg(long, value_name = "FILE|-")]
    pub(crate) log: Option<PathBuf>,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ListFormat,
    /// Draw the cycle of each circular report instead: Graphviz' DOT, or a finished SVG
    ///
    /// An arrow from A to B says that B is taken while A is held, by the function named beside it;
    /// the dashed one is the acquisition that closed the cycle.
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with = "format")]
    pub(crate) graph: Option<GraphFormat>,
    /// Exit with 0 whatever is found; errors still give 2
    #[arg(long)]
    pub(crate) exit_zero: bool,
}

/// How `splats --graph` draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum GraphFormat {
    /// For Graphviz: `dot -Tpng`
    Dot,
    /// A picture that browsers show
    Svg,
}

/// The kernel log of a dump
///
/// Prints it as dmesg does, oldest record first. Control characters are shown visibly. Options
/// that choose records hold together: a record must satisfy all of them.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// Only records of these levels: emerg, alert, crit, err, warn, notice, info, debug, or 0-7
    ///
    /// `warn+` means warn and more severe, `+warn` means warn and less severe.
    #[arg(long, value_name = "LEVEL", value_delimiter = ',', value_parser = crate::command::log::level_set)]
    pub(crate) level: Vec<u8>,
    /// Only records from so many seconds after boot on
    #[arg(long, value_name = "SECONDS", value_parser = crate::command::log::nanoseconds)]
    pub(crate) since: Option<u64>,
    /// Only records whose text matches this regular expression
    #[arg(long, value_name = "REGEX")]
    pub(crate) grep: Option<String>,
    /// Only records of this caller: T and a thread's number, or C and a CPU's
    #[arg(long, value_name = "T<PID>|C<CPU>")]
    pub(crate) caller: Option<String>,
    /// Also every other record of the callers whose records were chosen
    ///
    /// Untangles one thread's (or one CPU's) story from what others printed in between.
    #[arg(long)]
    pub(crate) follow_caller: bool,
    /// Times of day instead of seconds since boot, UTC
    ///
    /// The kernel's log clock and the wall clock run apart by little, but while the machine sleeps
    /// the first stands still: after a suspend times are too early.
    #[arg(long)]
    pub(crate) wall_clock: bool,
    /// Facility and level before each line
    #[arg(long)]
    pub(crate) decode: bool,
    /// Below each record what it is about, as drivers say it: SUBSYSTEM, DEVICE
    #[arg(long)]
    pub(crate) dictionary: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ListFormat,
}

/// Backtraces: what each CPU did, and where tasks sleep
///
/// Unwinds by the kernel's own tables, across interrupts, NMIs and exceptions. A frame with a `?`
/// is a guess: by frame pointer, or found by scanning the stack.
#[derive(Debug, Args)]
#[command(after_long_help = BT_HELP)]
pub(crate) struct BtArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// Only this CPU; may be given several times
    #[arg(long, value_name = "N", conflicts_with_all = ["task", "all"])]
    pub(crate) cpu: Vec<u32>,
    /// The task with this thread id, or at this address
    #[arg(long, value_name = "PID|ADDRESS", conflicts_with = "all")]
    pub(crate) task: Vec<String>,
    /// Every CPU, and every task that was not running
    #[arg(long)]
    pub(crate) all: bool,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// All tasks: state, CPU, process ids, name
///
/// `>` marks a task that ran, with what it did, `!` the one that brought the kernel down.
#[derive(Debug, Args)]
pub(crate) struct TasksArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// Only tasks in these states, by the letters of ps(1): R S D T t X Z P I
    #[arg(long, value_name = "LETTERS")]
    pub(crate) state: Option<String>,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// Loaded modules: state, memory, users, taints
#[derive(Debug, Args)]
pub(crate) struct ModulesArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// Virtual machines and their virtual CPUs
#[derive(Debug, Args)]
pub(crate) struct VmsArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// Locks that tasks hold and wait for, and lockdep's own state
///
/// What is held is known to kernels with lockdep only. Who waits for whom is known to others too,
/// where they record it (DETECT_HUNG_TASK_BLOCKER, proxy execution).
#[derive(Debug, Args)]
pub(crate) struct LocksArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// All lock classes too, with the four letters of their usage
    #[arg(long)]
    pub(crate) classes: bool,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// Read memory by name
#[derive(Debug, Args)]
#[command(after_long_help = PEEK_HELP)]
pub(crate) struct PeekArgs {
    /// A dump, or the parts of a split one joined by commas
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// What to read
    #[arg(required = true, value_name = "EXPR")]
    pub(crate) expressions: Vec<String>,
    /// Levels of structures inside structures that are shown
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=16))]
    pub(crate) depth: u32,
    /// Elements that are shown of an array without a range
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(0..=65536))]
    pub(crate) elements: u64,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// Keep what checks need of a kernel, and ship it to machines without debug info
///
/// Reports keep what they asked of a vmlinux: the next dump of that kernel does not need its DWARF.
/// Where --profile-dir names a folder they keep what they asked of dumps too: the next one does not
/// need its BTF and kallsyms. What `use` puts in serves all dumps of that kernel; if it was made with
/// --vmlinux, those that have no types or symbols of their own, and a note in the report says so.
#[derive(Debug, Args)]
#[command(after_long_help = PROFILE_HELP)]
pub(crate) struct ProfileArgs {
    #[command(subcommand)]
    pub(crate) command: ProfileCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    Create(ProfileCreateArgs),
    List(ProfileListArgs),
    Use(ProfileUseArgs),
}

/// Make a profile from a dump of the kernel, and from its vmlinux where one is given
#[derive(Debug, Args)]
pub(crate) struct ProfileCreateArgs {
    /// Any dump of the kernel; what its report asks is what the profile knows
    #[arg(value_name = "DUMP")]
    pub(crate) dump: OsString,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// List the profiles that are kept, and why one is not used
#[derive(Debug, Args)]
pub(crate) struct ProfileListArgs {
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// Put profiles in that `create` made, on this machine or another
#[derive(Debug, Args)]
pub(crate) struct ProfileUseArgs {
    /// Files that `create` made
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Look around in a dump, in the terminal
///
/// Colours and keys can be set in $XDG_CONFIG_HOME/virtopsy/tui.toml (else
/// ~/.config/virtopsy/tui.toml): `theme = "light"`, `ascii = true`, `mouse = true`,
/// `sources = ["/usr/src/linux"]`, and under `[keys]` lines such as `"Ctrl-n" = "down"`.
/// Bookmarks and notes are kept in $XDG_STATE_HOME/virtopsy (else ~/.local/state/virtopsy).
#[derive(Debug, Args)]
#[command(after_long_help = crate::tui::keys())]
pub(crate) struct OpenArgs {
    /// Dumps, or the parts of a split one joined by commas
    #[arg(required = true, value_name = "DUMP")]
    pub(crate) dumps: Vec<OsString>,
    /// Colours [default: dark, or what the configuration file says]
    #[arg(long, value_enum)]
    pub(crate) theme: Option<Theme>,
    /// Take the mouse from the start
    #[arg(long)]
    pub(crate) mouse: bool,
    /// A folder of the kernel's source, for the files that `o` opens in $VISUAL or $EDITOR
    #[arg(long = "source", value_name = "DIR")]
    pub(crate) sources: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Theme {
    /// For a dark background
    Dark,
    /// For a light background
    Light,
    /// No colour: bold, dim and reversed text only
    Mono,
}

/// What a check or a known issue means, and what to do
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The id of a check or a known issue; without one, all ids are listed
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
}

/// Print the JSON Schema of the results
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {}

/// Print completions for a shell
///
/// For example: virtopsy completions bash > /etc/bash_completion.d/virtopsy
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Print the manual page of virtopsy or one of its commands
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// A command; without one, the page of virtopsy itself
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
}

fn check_id() -> PossibleValuesParser {
    PossibleValuesParser::new(explain::check_ids())
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

impl Cli {
    /// Why `--redact` can't be kept by the command that was given.
    pub(crate) fn cannot_redact(&self) -> Option<&'static str> {
        let can = matches!(
            self.command,
            None | Some(
                Command::Check(_)
                    | Command::Report(_)
                    | Command::Cpus(_)
                    | Command::Callback(_)
                    | Command::Splats(_)
                    | Command::Explain(_)
                    | Command::Schema(_)
                    | Command::Completions(_)
                    | Command::Man(_)
            )
        );
        (self.common.redact && !can).then_some(
            "--redact is for check, report, cpus, callback and splats; this command shows the memory itself",
        )
    }

    /// A command behind a dump, which clap takes for one more dump.
    pub(crate) fn misplaced(&self) -> Option<String> {
        let commands = Cli::command();
        let named = |dump: &&OsString| {
            dump.to_str()
                .is_some_and(|name| commands.find_subcommand(name).is_some())
        };
        let name = self.dumps.iter().skip(1).find(named)?.display();
        Some(format!(
            "the command `{name}` stands behind a dump; it goes first (a file of that name is ./{name})"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once(&"virtopsy").chain(args))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_lone_dump_means_report() {
        let cli = parse(&["vmcore", "--vmlinux", "v"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.dumps, ["vmcore"]);
        assert_eq!(cli.common.options().vmlinux, Some(PathBuf::from("v")));
    }

    #[test]
    fn common_options_stand_before_or_after_the_command() {
        for args in [
            ["--no-mmap", "check", "d"],
            ["check", "--no-mmap", "d"],
            ["check", "d", "--no-mmap"],
        ] {
            let cli = parse(&args).unwrap();
            assert!(
                cli.common.no_mmap && matches!(cli.command, Some(Command::Check(_))),
                "{args:?}"
            );
        }
    }

    #[test]
    fn a_dump_before_a_command_is_refused() {
        let cli = parse(&["vmcore", "check", "d"]).unwrap();
        assert!(cli.misplaced().unwrap().contains("`check`"));
        assert!(parse(&["check", "d"]).unwrap().misplaced().is_none());
        assert!(parse(&["vmcore", "./check"]).unwrap().misplaced().is_none());
    }

    #[test]
    fn an_unknown_check_id_is_a_usage_error_that_names_the_known_ones() {
        let error = parse(&["check", "--select", "nope", "d"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(explain::check_ids().all(|id| text.contains(id)), "{text}");
    }

    #[test]
    fn the_acceptance_command_lines_parse() {
        parse(&[
            "check",
            "--format",
            "jsonl",
            "--types",
            "dwarf",
            "--vmlinux",
            "k",
            "d",
        ])
        .unwrap();
        parse(&[
            "check",
            "--select",
            "virt-disabled-all-cpus",
            "--format",
            "jsonl",
            "d",
        ])
        .unwrap();
        parse(&["splats", "--log", "-", "--format", "json"]).unwrap();
        parse(&[
            "check",
            "-0",
            "-",
            "--jobs",
            "2",
            "--timeout",
            "0.5",
            "--exit-zero",
        ])
        .unwrap();
    }

    #[test]
    fn a_memory_limit_is_a_size() {
        for (text, bytes) in [("512M", 512 << 20), ("2G", 2 << 30), ("67108864", 64 << 20)] {
            assert_eq!(memory(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for args in [
            &["check"][..],
            &["check", "--jobs", "0", "d"],
            &["check", "--timeout", "0", "d"],
            &["check", "--timeout", "nan", "d"],
            &["check", "--partition", "hash:3/3", "d"],
            &["check", "--memory-limit", "1M", "d"],
            &["check", "--memory-limit", "512m", "d"],
            &["check", "--memory-limit", "99999999999G", "d"],
            &["check", "--memory-limit", "M", "d"],
            &["splats"],
            &["splats", "d", "--log", "f"],
            &["-q", "-v", "d"],
        ] {
            assert_eq!(parse(args).unwrap_err().exit_code(), 2, "{args:?}");
        }
    }

    #[test]
    fn every_command_of_the_contract_exists() {
        let commands = Cli::command();
        for name in [
            "check",
            "summary",
            "report",
            "cpus",
            "callback",
            "vms",
            "modules",
            "tasks",
            "locks",
            "splats",
            "log",
            "bt",
            "peek",
            "open",
            "explain",
            "schema",
            "completions",
            "man",
        ] {
            assert!(commands.find_subcommand(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_backtrace_is_of_cpus_or_of_tasks_or_of_all() {
        for args in [
            &["bt", "d", "--cpu", "1", "--all"][..],
            &["bt", "d", "--cpu", "1", "--task", "2"],
        ] {
            assert_eq!(parse(args).unwrap_err().exit_code(), 2, "{args:?}");
        }
        parse(&["bt", "d", "--cpu", "1", "--cpu", "2"]).unwrap();
    }
}
