//! `virtopsy info`: what a dump is made of, and what its symbols and types come from.

use std::ffi::OsString;
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde::Serialize;
use virtopsy::info::{ContainerInfo, DumpInfo, Finding, KernelInfo, inspect};
use virtopsy::report::{ErrorReport, SCHEMA, Text};

use super::print;
use crate::exit::Status;
use crate::options::Common;
use crate::output::Output;
use crate::page::{Page, Tone};
use crate::progress::Progress;
use crate::render::{PageFormat, json};
use crate::terminal::{Look, say};
use crate::{batch, input, words};

const INFO_HELP: &str = "\
Examples:
  virtopsy info vmcore
  virtopsy info --vmcoreinfo vmcore
  virtopsy info --format json vmcore | jq .container.pages

Exit status:
  0  the dump opened                            2  it did not, or the vmlinux is not its own";

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

/// Ranges of memory that a page shows.
const RANGES_SHOWN: usize = 8;

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    #[serde(flatten)]
    info: &'a DumpInfo,
}

/// Prints what the dump is made of.
///
/// # Errors
/// When it cannot be printed.
pub(crate) fn run(args: &InfoArgs, common: &Common) -> anyhow::Result<Status> {
    let spec = input::spec(&args.dump);
    let found = {
        let _spinner =
            Progress::spinner(common.wants_progress(), format!("reading {}", spec.label()));
        batch::catch(|| inspect(&spec, &common.options(), &AtomicBool::new(false)))
    };
    let info = found.unwrap_or_else(|error| {
        let mut info = DumpInfo::default();
        info.path = spec.label();
        info.error = Some(error);
        info
    });
    for error in info.error.iter().chain(&info.kernel_error) {
        say(&format!("{}: {}: {}", info.path, error.kind, error.message));
    }
    match args.format {
        PageFormat::Json => json::print(
            &mut Output::stdout(),
            &Document {
                schema: SCHEMA,
                info: &info,
            },
        )?,
        PageFormat::Text => print(&page(&info, args.vmcoreinfo, common.look()))?,
    }
    Ok(if info.error.is_some() {
        Status::Error
    } else {
        Status::Pass
    })
}

fn page(info: &DumpInfo, whole: bool, look: Look) -> String {
    let mut page = Page::new(look);
    if let Some(found) = &info.container {
        container(found, &info.path, &mut page);
    }
    match (&info.kernel, &info.kernel_error) {
        (Some(found), _) => kernel(found, whole, &mut page),
        (None, Some(ErrorReport { message, .. })) => {
            page.section("kernel", Tone::Bad, &message.to_string());
        }
        (None, None) => {}
    }
    page.finish()
}

fn container(found: &ContainerInfo, path: &Text, page: &mut Page) {
    let mut what = found.format.clone();
    if !found.compression.is_empty() {
        what.push_str(&format!(", {}", found.compression.join(" and ")));
    }
    if let Some(packing) = &found.packed {
        what.push_str(&format!(", packed as {packing}"));
    }
    if found.live {
        what.push_str(" (the running machine: it changes while it is read)");
    }
    page.section(&path.to_string(), Tone::Plain, &what);
    let fields: Vec<(&str, String)> = found
        .header
        .iter()
        .map(|field| (field.name.as_str(), field.value.to_string()))
        .collect();
    page.fields(&fields);
    if let Some(extract) = &found.extract {
        page.section("extract", Tone::Plain, &format!("of {}", extract.of));
        page.fields(&[
            ("made by", extract.tool.clone()),
            ("for", words::word(&extract.questions)),
            ("the dump's format", extract.format.clone()),
            ("written by", words::word(&extract.origin)),
        ]);
    }
    match found.complete {
        true => page.section("complete", Tone::Good, "nothing is known to be lost"),
        false => page.section("incomplete", Tone::Bad, ""),
    }
    for reason in &found.incomplete_because {
        page.paragraph(2, Tone::Plain, reason);
    }
    pages(found, page);
    notes(found, page);
}

fn pages(found: &ContainerInfo, page: &mut Page) {
    let counts = &found.pages;
    page.section(
        "pages",
        Tone::Plain,
        &format!("of {} bytes", found.page_size),
    );
    let rows = [
        ("present", counts.present),
        ("zero", counts.zero),
        ("excluded", counts.excluded),
        ("missing", counts.missing),
        ("corrupt", counts.corrupt),
        ("hole", counts.hole),
    ];
    let rows = rows.iter().filter(|(_, count)| *count > 0);
    let rows: Vec<(&str, String)> = rows
        .map(|(name, count)| {
            (
                *name,
                format!(
                    "{count} ({})",
                    words::size(count.saturating_mul(found.page_size))
                ),
            )
        })
        .collect();
    page.fields(&rows);
    let total = found.ranges_total;
    page.section(
        "memory",
        Tone::Plain,
        &format!("{total} ranges of physical memory"),
    );
    for [start, end] in found.ranges.iter().take(RANGES_SHOWN) {
        page.line(2, Tone::Plain, &format!("{start} .. {end}"));
    }
    let hidden = total.saturating_sub(RANGES_SHOWN as u64);
    if hidden > 0 {
        page.line(2, Tone::Muted, &format!("and {hidden} more"));
    }
}

fn notes(found: &ContainerInfo, page: &mut Page) {
    page.section("notes", Tone::Plain, "");
    let rows: Vec<(String, String)> = found
        .notes
        .iter()
        .map(|note| {
            let what = format!("{} ({} bytes) {}", note.count, note.size, note.meaning);
            (format!("{} type {:#x}", note.owner, note.kind), what)
        })
        .collect();
    let rows: Vec<(&str, String)> = rows
        .iter()
        .map(|(owner, what)| (owner.as_str(), what.clone()))
        .collect();
    page.fields(&rows);
    if !found.vmcoreinfo_note {
        page.paragraph(2, Tone::Unsure, "there is no VMCOREINFO note");
    }
    for device in &found.device_dumps {
        page.paragraph(2, Tone::Plain, &format!("device dump: {device}"));
    }
    if !found.erased.is_empty() {
        page.section(
            "erased",
            Tone::Unsure,
            "on request; these values are not the kernel's",
        );
        for line in &found.erased {
            page.line(2, Tone::Plain, &line.to_string());
        }
    }
}

fn kernel(found: &KernelInfo, whole: bool, page: &mut Page) {
    page.section("kernel", Tone::Plain, &found.release.to_string());
    let none = || "unknown".to_owned();
    let mut fields = vec![
        ("build-id", found.build_id.clone().unwrap_or_else(none)),
        (
            "KASLR offset",
            found
                .kaslr_offset
                .map_or_else(none, |offset| offset.to_string()),
        ),
        (
            "page tables",
            format!("{} levels at {}", found.page_table_levels, found.page_table),
        ),
        ("symbols", finding(&found.symbols)),
        ("types", finding(&found.types)),
    ];
    let lines = found.vmcoreinfo.len();
    if !whole {
        fields.push((
            "VMCOREINFO",
            format!("{lines} lines (--vmcoreinfo shows them)"),
        ));
    }
    page.fields(&fields);
    for note in &found.notes {
        page.paragraph(2, Tone::Unsure, &note.to_string());
    }
    if whole {
        page.section("VMCOREINFO", Tone::Plain, &format!("{lines} lines"));
        for field in &found.vmcoreinfo {
            page.line(2, Tone::Plain, &format!("{}={}", field.name, field.value));
        }
    }
}

fn finding(found: &Finding) -> String {
    let count = found
        .count
        .map(|count| format!(", {count}"))
        .unwrap_or_default();
    match (&found.from, &found.missing, &found.needed) {
        (Some(from), _, _) => format!("{from}{count}"),
        (None, Some(why), Some(needed)) => format!("none: {why}; needed: {needed}"),
        (None, why, _) => format!("none: {}", why.clone().unwrap_or_default()),
    }
}
