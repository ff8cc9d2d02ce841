//! `virtopsy layout`: how a type lies in memory.

use std::ffi::OsString;

use clap::Args;
use virtopsy::facts::{LayoutFacts, MemberFacts};
use virtopsy::report::ErrorReport;

use super::{ask_session, print, print_json};
use crate::batch;
use crate::exit::Status;
use crate::options::Common;
use crate::page::clean;
use crate::render::PageFormat;
use crate::terminal::say;

const LAYOUT_HELP: &str = "\
Examples:
  virtopsy layout vmcore task_struct             a structure of the crashed kernel
  virtopsy layout vmcore task_struct.se.vruntime where one member is
  virtopsy layout vmcore 'struct kvm' --module kvm
  virtopsy layout --btf vmlinux.btf page         of a kernel without a dump
  virtopsy layout --btf /sys/kernel/btf page     of the running kernel
  virtopsy layout --vmlinux vmlinux 'union rcu_special'
  virtopsy layout --module ./kvm.ko kvm_vcpu     of a module's file with DWARF

Offsets and sizes are in bytes and stand in comments behind the members, for a bitfield as
BYTE:BIT SIZE with the byte and size of its storage unit. A member of a member is asked for with
dots, an element of an array as member[3].

Exit status:
  0  the type or member was found
  2  it was not, or there are no types to ask";

/// How a structure lies in memory: offsets, sizes, holes, cache lines
#[derive(Debug, Args)]
#[command(after_long_help = LAYOUT_HELP)]
pub(crate) struct LayoutArgs {
    /// A dump, then TYPE or TYPE.MEMBER; no dump where --btf, --vmlinux or a module's file is given
    #[arg(required = true, num_args = 1..=2, value_names = ["DUMP", "TYPE[.MEMBER]"])]
    pub(crate) asked: Vec<OsString>,
    /// The module whose types are meant: the name of one, or its file
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) module: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: PageFormat,
}

/// Prints a type, or where a member is.
///
/// # Errors
/// When it cannot be printed.
pub(crate) fn run(args: &LayoutArgs, common: &Common) -> anyhow::Result<Status> {
    let module = args.module.as_deref();
    let (source, found) = match args.asked.as_slice() {
        [dump, asked] => {
            let asked = asked.to_string_lossy();
            let found = ask_session(dump, common, |session| session.layout(&asked, module));
            (dump.clone(), found)
        }
        [asked] => (of_files(common, args), without_dump(asked, module, common)),
        _ => return Ok(Status::Error),
    };
    let Some(found) = found else {
        return Ok(Status::Error);
    };
    match args.format {
        PageFormat::Json => print_json(&source, &found)?,
        PageFormat::Text => {
            let text = match &found {
                LayoutFacts::Type(ty) => ty.text.clone(),
                LayoutFacts::Member(member) => place(member),
            };
            let unicode = common.look().unicode;
            let lines = text.lines().map(|line| {
                let body = line.trim_start_matches('\t');
                let tabs = line.get(..line.len() - body.len()).unwrap_or_default();
                tabs.to_owned() + &clean(body, unicode) + "\n"
            });
            print(&lines.collect::<String>())?;
        }
    }
    Ok(Status::Pass)
}

/// The file that stands for the kernel in the JSON.
fn of_files(common: &Common, args: &LayoutArgs) -> OsString {
    let file = common.btf.as_ref().or(common.vmlinux.as_ref());
    match (file, &args.module) {
        (Some(file), _) => file.clone().into_os_string(),
        (None, module) => module.clone().unwrap_or_default().into(),
    }
}

fn without_dump(asked: &OsString, module: Option<&str>, common: &Common) -> Option<LayoutFacts> {
    let asked = asked.to_string_lossy();
    let options = common.options();
    let found =
        batch::catch(|| virtopsy::layout(&options, &asked, module).map_err(ErrorReport::from));
    match found.unwrap_or_else(Err) {
        Ok(found) => Some(found),
        Err(error) => {
            say(&format!("{asked}: {}: {}", error.kind, error.message));
            None
        }
    }
}

fn place(member: &MemberFacts) -> String {
    let bits = match (member.bit, member.bits) {
        (Some(bit), Some(bits)) => format!(", bit {bit}, {bits} bit{}", plural(bits.into())),
        _ => String::new(),
    };
    let size = member
        .size
        .map(|size| format!(", {size} byte{}", plural(size)))
        .unwrap_or_default();
    format!(
        "{}.{}: offset {} ({:#x}){bits}{size}, {}\n",
        member.name, member.member, member.offset, member.offset, member.type_name
    )
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}
