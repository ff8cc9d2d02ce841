//! The command line as the user types it. What a command takes is in the file of the command.

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::command;
use crate::options::Common;

const TOP_HELP: &str = "\
Examples:
  virtopsy /var/crash/2026-11-02/vmcore            everything about one dump
  virtopsy check /var/crash                        one line for each dump in a tree
  virtopsy cpus vmcore --explain 2                 how CPU 2 came to its state
  virtopsy crashes --log serial.log                why a kernel died or warned, from a text log
  virtopsy splats --log serial.log                 lock reports in a text log

A file whose name is that of a command is given as ./NAME.

Exit status:
  0  every question that was asked has its good answer
  1  a check failed
  2  usage, input or internal error
  3  nothing failed, but something is inconclusive
  Of several, 2 wins over 1, 1 over 3, 3 over 0. Missing evidence is never a pass.";

/// Was hardware virtualization off when the crash kernel took over, and how do we know?
///
/// Opens a Linux kdump vmcore and says, with proof, whether VMX or SVM was off on every CPU, which
/// KVM emergency callback was registered and whether it was alive, why the kernel died, and which
/// reports are in its log. No debug information is required: types and symbols are read
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
    Check(command::check::CheckArgs),
    Summary(command::summary::SummaryArgs),
    Report(command::report::ReportArgs),
    Cpus(command::cpus::CpusArgs),
    Callback(command::callback::CallbackArgs),
    Info(command::info::InfoArgs),
    Crashes(command::crashes::CrashesArgs),
    Splats(command::splats::SplatsArgs),
    Log(command::log::LogArgs),
    Bt(command::bt::BtArgs),
    Tasks(command::tasks::TasksArgs),
    Modules(command::modules::ModulesArgs),
    Vms(command::vms::VmsArgs),
    Locks(command::locks::LocksArgs),
    Peek(command::peek::PeekArgs),
    Layout(command::layout::LayoutArgs),
    Supports(command::supports::SupportsArgs),
    Extract(command::extract::ExtractArgs),
    Open(command::open::OpenArgs),
    Explain(command::explain::ExplainArgs),
    Schema(command::schema::SchemaArgs),
    Completions(command::completions::CompletionsArgs),
    Man(command::man::ManArgs),
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
                    | Command::Crashes(_)
                    | Command::Splats(_)
                    | Command::Extract(_)
                    | Command::Explain(_)
                    | Command::Schema(_)
                    | Command::Completions(_)
                    | Command::Man(_)
            )
        );
        (self.common.redact && !can).then_some(
            "--redact is for check, report, cpus, callback, crashes, splats and extract; this command shows the memory itself",
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
    use crate::explain;
    use crate::generated::assert_committed;
    use clap_complete::Shell;
    use std::path::PathBuf;

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
        assert_eq!(
            cli.common.options().kernel.vmlinux,
            Some(PathBuf::from("v"))
        );
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
            "layout",
            "supports",
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

    #[test]
    fn the_committed_manual_pages_are_what_the_arguments_say() {
        let mut whole = Cli::command();
        whole.build();
        let commands = whole.get_subcommands().filter(|c| c.get_name() != "help");
        for page in commands.chain([&whole]) {
            let name = page.get_display_name().unwrap_or("virtopsy").to_owned();
            let roff = command::man::roff(page.clone()).unwrap();
            assert_committed(&format!("man/{name}.1"), &roff);
        }
    }

    #[test]
    fn the_committed_completions_are_what_the_arguments_say() {
        for (shell, file) in [
            (Shell::Bash, "virtopsy.bash"),
            (Shell::Zsh, "_virtopsy"),
            (Shell::Fish, "virtopsy.fish"),
        ] {
            let script = command::completions::script(shell, Cli::command());
            assert_committed(&format!("completions/{file}"), &script);
        }
    }
}
