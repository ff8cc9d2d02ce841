//! The command `virtopsy`: arguments, batch runs and printing. All analysis is in the library.

mod args;
mod batch;
mod command;
mod exit;
mod explain;
mod fleet;
#[cfg(test)]
mod generated;
mod input;
mod judge;
mod options;
mod output;
mod page;
mod partition;
mod policy;
mod progress;
mod render;
mod resume;
mod surroundings;
mod terminal;
mod words;
mod worker;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::{Cli, Command};
use crate::exit::Status;
use crate::options::Common;
use crate::render::PageFormat;

fn main() -> ExitCode {
    // Not an argument of the user's: no help, manual page or completion has it.
    let mut line: Vec<OsString> = std::env::args_os().collect();
    let is_worker = line.get(1).is_some_and(|first| first == worker::FLAG);
    if is_worker {
        line.remove(1);
    }
    let cli = match Cli::try_parse_from(line) {
        Ok(cli) => cli,
        Err(error) => {
            // Help on a closed pipe is nobody's loss.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    start_log(&cli.common, matches!(cli.command, Some(Command::Open(_))));
    batch::quieten_panics();
    match run(&cli, is_worker) {
        Ok(status) => status.into(),
        Err(error) if output::is_closed_pipe(&error) => Status::Pass.into(),
        Err(error) => {
            terminal::say(&format!("{error:#}"));
            Status::Error.into()
        }
    }
}

fn run(cli: &Cli, is_worker: bool) -> anyhow::Result<Status> {
    if let Some(problem) = cli.misplaced() {
        anyhow::bail!(problem);
    }
    if let Some(problem) = cli.cannot_redact() {
        anyhow::bail!(problem);
    }
    let common = &cli.common;
    if let Some(lack) = common.debuginfod_lacks().filter(|_| !is_worker) {
        terminal::say(&format!("--debuginfod: nothing is fetched: {lack}"));
    }
    match &cli.command {
        None => command::report::run(&cli.dumps, PageFormat::Text, common),
        Some(Command::Report(args)) => {
            let status = command::report::run(&args.dumps, args.format, common)?;
            Ok(status.exit_zero(args.exit_zero))
        }
        Some(Command::Check(args)) if is_worker => command::check::work(args, common),
        Some(Command::Check(args)) => command::check::run(args, common),
        Some(Command::Summary(args)) => command::summary::run(args, common),
        Some(Command::Cpus(args)) => command::cpus::run(args, common),
        Some(Command::Callback(args)) => command::callback::run(args, common),
        Some(Command::Info(args)) => command::info::run(args, common),
        Some(Command::Crashes(args)) => command::crashes::run(args, common),
        Some(Command::Splats(args)) => command::splats::run(args, common),
        Some(Command::Log(args)) => command::log::run(args, common),
        Some(Command::Bt(args)) => command::bt::run(args, common),
        Some(Command::Tasks(args)) => command::tasks::run(args, common),
        Some(Command::Modules(args)) => command::modules::run(args, common),
        Some(Command::Vms(args)) => command::vms::run(args, common),
        Some(Command::Locks(args)) => command::locks::run(args, common),
        Some(Command::Peek(args)) => command::peek::run(args, common),
        Some(Command::Layout(args)) => command::layout::run(args, common),
        Some(Command::Supports(args)) => command::supports::run(args, common),
        Some(Command::Extract(args)) => command::extract::run(args, common),
        Some(Command::Open(args)) => command::open::run(args, common),
        Some(Command::Explain(args)) => command::explain::run(args, common),
        Some(Command::Schema(_)) => command::schema::run(),
        Some(Command::Completions(args)) => command::completions::run(args, Cli::command()),
        Some(Command::Man(args)) => command::man::run(args, Cli::command()),
    }
}

/// What the libraries tried, on standard error, when the user wants to know.
/// Without being asked: a bound that was hit, an answer that is not whole. The terminal UI has the
/// screen to itself.
fn start_log(common: &Common, on_screen: bool) {
    let verbosity = match common.verbose {
        0 if on_screen => "off",
        0 => "off,virtopsy=warn,virtopsy_kernel=warn,virtopsy_debuginfo=warn,virtopsy_vmcore=warn",
        1 => "virtopsy=debug,virtopsy_kernel=debug,virtopsy_debuginfo=debug,virtopsy_vmcore=debug",
        _ => "trace",
    };
    let asked = std::env::var("VIRTOPSY_LOG").ok();
    let filter: Option<Targets> = asked.and_then(|filter| filter.parse().ok());
    let filter = filter.or_else(|| verbosity.parse().ok());
    let log = tracing_subscriber::fmt::layer()
        .with_writer(|| terminal::EscapingStderr)
        .with_ansi(false)
        .without_time();
    // A second logger cannot be there.
    let _ = tracing_subscriber::registry()
        .with(log)
        .with(filter.unwrap_or_default())
        .try_init();
}
