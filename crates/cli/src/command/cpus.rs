//! `virtopsy cpus`: VMX or SVM on every CPU.

use std::ffi::OsString;

use clap::Args;
use serde::Serialize;
use virtopsy::CheckId;
use virtopsy::facts::CpusFacts;
use virtopsy::report::{CpuReport, ErrorReport, SCHEMA, Text, VirtualizationReport};

use super::{cpu_states, examine_and_ask, judged, print};
use crate::exit::Status;
use crate::options::Common;
use crate::output::Output;
use crate::render::{PageFormat, json, text};
use crate::terminal::say;

/// VMX or SVM on every CPU, with the reason
#[derive(Debug, Args)]
#[command(after_long_help = crate::exit::HELP)]
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

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    path: &'a Text,
    error: &'a Option<ErrorReport>,
    virtualization: &'a VirtualizationReport,
    /// What each CPU was doing; absent where the kernel's memory can't be read.
    machine: Option<&'a CpusFacts>,
}

#[derive(Serialize)]
struct OneCpu<'a> {
    schema: &'static str,
    path: &'a Text,
    error: &'a Option<ErrorReport>,
    cpu: &'a CpuReport,
}

/// Prints the table, or with `--explain` one CPU's evidence.
///
/// # Errors
/// When it cannot be printed.
pub(crate) fn run(args: &CpusArgs, common: &Common) -> anyhow::Result<Status> {
    let (report, machine) = examine_and_ask(&args.dump, common, |session| session.cpus().ok());
    let machine = machine.filter(|_| report.error.is_none());
    let (judged, status) = judged(report, CheckId::VirtDisabledAllCpus);
    let report = &judged.report;
    let (schema, path, error, virtualization) =
        (SCHEMA, &report.path, &report.error, &report.virtualization);
    let look = common.look();
    let json = args.format == PageFormat::Json;
    match args.explain {
        Some(number) => match virtualization.cpus.iter().find(|cpu| cpu.cpu == number) {
            Some(cpu) if json => json::print(
                &mut Output::stdout(),
                &OneCpu {
                    schema,
                    path,
                    error,
                    cpu,
                },
            )?,
            Some(cpu) => print(&text::cpu(cpu, look))?,
            None => {
                say(&no_such(number, &virtualization.cpus));
                return Ok(Status::Error);
            }
        },
        None if json => json::print(
            &mut Output::stdout(),
            &Document {
                schema,
                path,
                error,
                virtualization,
                machine: machine.as_ref(),
            },
        )?,
        None if error.is_some() && virtualization.cpus.is_empty() => {}
        None => {
            let mut page = text::cpus(report, look);
            if let Some(machine) = &machine {
                page.push_str(&cpu_states::text(machine, look));
            }
            print(&page)?;
        }
    }
    Ok(status.exit_zero(args.exit_zero))
}

fn no_such(number: u32, cpus: &[CpuReport]) -> String {
    let known: Vec<u32> = cpus.iter().map(|cpu| cpu.cpu).collect();
    if known.is_empty() {
        return format!("nothing is known of CPU {number}: the dump's CPUs could not be read");
    }
    format!(
        "there is no CPU {number}; the dump's CPUs are {}",
        virtopsy::report::ranges(&known)
    )
}
