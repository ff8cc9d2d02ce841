//! `virtopsy peek`: memory by name.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;
use serde_json::{Value as Json, json};
use virtopsy::facts::ValueFacts;
use virtopsy::kernel::{Node, PeekLimits, Value};
use virtopsy::report::{ErrorReport, escape};

use super::{ask_session, print, print_json};
use crate::exit::Status;
use crate::options::Common;
use crate::page::clean;
use crate::render::PageFormat;
use crate::terminal::{Look, say};

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

#[derive(Serialize)]
struct Answer {
    values: Vec<Json>,
}

/// Prints what the expressions came to.
///
/// # Errors
/// When it cannot be printed.
pub(crate) fn run(args: &PeekArgs, common: &Common) -> anyhow::Result<Status> {
    let limits = PeekLimits {
        depth: args.depth,
        elements: args.elements,
        ..PeekLimits::default()
    };
    let asked = ask_session(&args.dump, common, |session| {
        session.kernel()?;
        let ask = |text: &String| (text.clone(), session.peek(text, limits));
        Ok(args.expressions.iter().map(ask).collect::<Vec<_>>())
    });
    let Some(found) = asked else {
        return Ok(Status::Error);
    };
    let failed = found.iter().any(|(_, found)| found.is_err());
    match args.format {
        PageFormat::Json => {
            let values = found
                .iter()
                .map(|(text, found)| outcome(text, found))
                .collect();
            print_json(&args.dump, &Answer { values })?;
        }
        PageFormat::Text => {
            let look = common.look();
            for (text, found) in &found {
                match found {
                    Ok(found) => print(&tree(&found.0, look))?,
                    Err(e) => say(&format!("{text}: {}", e.message())),
                }
            }
        }
    }
    Ok(if failed { Status::Error } else { Status::Pass })
}

fn outcome(text: &str, found: &virtopsy::Result<ValueFacts>) -> Json {
    match found {
        Ok(found) => json!(found),
        Err(e) => json!({"name": text, "error": ErrorReport::from(e.clone())}),
    }
}

fn tree(node: &Node, look: Look) -> String {
    let mut out = String::new();
    branch(&mut out, node, 0);
    out.lines()
        .map(|line| clean(line, look.unicode) + "\n")
        .collect()
}

fn branch(out: &mut String, node: &Node, depth: usize) {
    let indent = "  ".repeat(depth);
    let name = escape(node.name.as_bytes());
    let ty = escape(node.type_name.as_bytes());
    let head = match (ty.is_empty(), name.is_empty()) {
        (true, _) => name,
        (false, true) => ty,
        (false, false) => format!("{ty} {name}"),
    };
    // Writing to a string cannot fail.
    match &node.value {
        Value::Struct(members) => {
            let at = node.address.map(|a| format!("  // {:#018x}", a.0));
            let _ = writeln!(out, "{indent}{head} {{{}", at.unwrap_or_default());
            members
                .iter()
                .for_each(|member| branch(out, member, depth + 1));
            let _ = writeln!(out, "{indent}}}");
        }
        Value::Array { elements, count } => {
            let _ = writeln!(out, "{indent}{head} = [");
            elements
                .iter()
                .for_each(|element| branch(out, element, depth + 1));
            let left = count.saturating_sub(elements.len() as u64);
            if left > 0 {
                let _ = writeln!(out, "{indent}  and {left} more");
            }
            let _ = writeln!(out, "{indent}]");
        }
        Value::Bytes(bytes, why) => hex_dump(out, &indent, node, bytes, why.as_deref()),
        value => {
            let _ = writeln!(out, "{indent}{head} = {}", leaf(value));
        }
    }
}

fn leaf(value: &Value) -> String {
    match value {
        Value::Integer {
            value,
            signed: true,
        } => (*value as i64).to_string(),
        Value::Integer { value, .. } if *value < 10 => value.to_string(),
        Value::Integer { value, .. } => format!("{value} ({value:#x})"),
        Value::Boolean(value) => value.to_string(),
        Value::Enumerator {
            name: Some(name),
            value,
        } => {
            format!("{} ({value})", escape(name.as_bytes()))
        }
        Value::Enumerator { name: None, value } => format!("{value} (no enumerator)"),
        Value::Pointer { to, symbol, text } => {
            let mut out = if to.0 == 0 {
                "NULL".to_owned()
            } else {
                format!("{:#018x}", to.0)
            };
            if let Some(symbol) = symbol {
                let _ = write!(out, " <{}>", escape(symbol.to_string().as_bytes()));
            }
            if let Some(text) = text {
                let _ = write!(out, " \"{}\"", escape(text));
            }
            out
        }
        Value::Text(bytes) => format!("\"{}\"", escape(bytes)),
        Value::Unreadable(e) => format!("! {}", escape(e.to_string().as_bytes())),
        _ => "{…}".to_owned(),
    }
}

fn hex_dump(out: &mut String, indent: &str, node: &Node, bytes: &[u8], why: Option<&str>) {
    if let Some(why) = why {
        let _ = writeln!(
            out,
            "{indent}{}: {}",
            escape(node.name.as_bytes()),
            escape(why.as_bytes())
        );
    }
    let start = node.address.map_or(0, |a| a.0);
    for (line, chunk) in bytes.chunks(16).enumerate() {
        let at = start.wrapping_add(line as u64 * 16);
        let hex: Vec<String> = chunk.iter().map(|b| format!("{b:02x}")).collect();
        let shown = |b: &u8| {
            if b.is_ascii_graphic() || *b == b' ' {
                char::from(*b)
            } else {
                '.'
            }
        };
        let text: String = chunk.iter().map(shown).collect();
        let _ = writeln!(out, "{indent}{at:#018x}  {:<47}  {text}", hex.join(" "));
    }
}
