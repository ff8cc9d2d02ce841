//! `virtopsy profile`: what checks need of a kernel, kept and shipped.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use virtopsy::Session;
use virtopsy::profile::{Profile, ProfileStore, Stored};
use virtopsy::report::Text;

use super::{print, print_json};
use crate::batch;
use crate::exit::Status;
use crate::input;
use crate::options::Common;
use crate::output::Output;
use crate::render::PageFormat;
use crate::terminal::say;

const PROFILE_HELP: &str = "\
Examples:
  virtopsy profile create --vmlinux /usr/lib/debug vmcore --output kernel.profile
  virtopsy profile use kernel.profile
  virtopsy profile list

A profile is of one build of a kernel (its build-id) and one version of virtopsy. It is text with a
checksum; one that is damaged, of another version or of another build is left aside, which -v tells.";

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

/// Runs one of the commands.
///
/// # Errors
/// When what was asked for cannot be written or read.
pub(crate) fn run(command: &ProfileCommand, common: &Common) -> anyhow::Result<Status> {
    match command {
        ProfileCommand::Create(args) => create(args, common),
        ProfileCommand::List(args) => list(args, common),
        ProfileCommand::Use(args) => {
            let store = store(common)?;
            let mut status = Status::Pass;
            for file in &args.files {
                if install(&store, file)? == Status::Error {
                    status = Status::Error;
                }
            }
            Ok(status)
        }
    }
}

fn store(common: &Common) -> anyhow::Result<ProfileStore> {
    let folder = common.profile_folder();
    folder.map(ProfileStore::new).ok_or_else(|| {
        anyhow::anyhow!(
            "no folder for profiles: --no-profile was given, or neither XDG_CACHE_HOME nor HOME \
             is set (see --profile-dir)"
        )
    })
}

fn create(args: &ProfileCreateArgs, common: &Common) -> anyhow::Result<Status> {
    store(common)?;
    let (spec, mut options) = (input::spec(&args.dump), common.report_options());
    // Whoever asks for the profile of a dump believes it.
    if let Some(profiles) = &mut options.profiles {
        profiles.of_dumps = true;
    }
    let made = batch::catch(|| {
        let session = Session::open(&spec, &options)?;
        session.report();
        Ok(session.kernel()?.profile())
    });
    let label = Text::new(args.dump.as_encoded_bytes());
    let profile = match made.unwrap_or_else(Err) {
        Ok(Some(profile)) => profile,
        Ok(None) => {
            say(&format!(
                "{label}: no profile: the dump tells neither a build-id that can be believed nor \
                 its KASLR offset, or lacks symbols or types (see --vmlinux)"
            ));
            return Ok(Status::Error);
        }
        Err(error) => {
            say(&format!("{label}: {}: {}", error.kind, error.message));
            return Ok(Status::Error);
        }
    };
    let mut out = Output::create(args.output.as_deref())?;
    out.write_all(&profile.encode()?)?;
    out.finish()?;
    Ok(Status::Pass)
}

fn install(store: &ProfileStore, file: &Path) -> anyhow::Result<Status> {
    match store.install(file) {
        Ok((profile, at)) => {
            print(&format!("{}: {}\n", at.display(), words(&profile)))?;
            Ok(Status::Pass)
        }
        Err(error) => {
            say(&format!("{}: {error}", file.display()));
            Ok(Status::Error)
        }
    }
}

/// One profile, as JSON has it.
#[derive(Serialize)]
struct Entry {
    file: Text,
    installed: bool,
    bytes: u64,
    build_id: Option<String>,
    release: Option<Text>,
    source: Option<String>,
    symbols_from: Option<Text>,
    types_from: Option<Text>,
    answers: Option<usize>,
    modules: Vec<Text>,
    /// Why it is not used.
    error: Option<Text>,
}

impl Entry {
    fn new(stored: &Stored) -> Entry {
        let profile = stored.profile.as_ref().ok();
        let text = |word: &String| Text::from(word.as_str());
        Entry {
            file: Text::new(stored.path.as_os_str().as_encoded_bytes()),
            installed: stored.installed,
            bytes: stored.size,
            build_id: profile.map(|p| p.key.build_id.clone()),
            release: profile.map(|p| text(&p.release)),
            source: profile.map(|p| p.key.source.clone()),
            symbols_from: profile.map(|p| text(&p.symbols_from)),
            types_from: profile.map(|p| text(&p.types_from)),
            answers: profile.map(|p| p.types.len()),
            modules: profile.map_or_else(Vec::new, |p| p.modules.keys().map(text).collect()),
            error: stored
                .profile
                .as_ref()
                .err()
                .map(|e| Text::from(e.to_string())),
        }
    }
}

#[derive(Serialize)]
struct Answer {
    profiles: Vec<Entry>,
}

fn list(args: &ProfileListArgs, common: &Common) -> anyhow::Result<Status> {
    let store = store(common)?;
    let stored = store.list();
    if args.format == PageFormat::Json {
        let answer = Answer {
            profiles: stored.iter().map(Entry::new).collect(),
        };
        print_json(store.folder().as_os_str(), &answer)?;
        return Ok(Status::Pass);
    }
    let mut out = String::new();
    for one in &stored {
        let words = match &one.profile {
            Ok(profile) => words(profile),
            Err(error) => format!("not used: {}", Text::from(error.to_string())),
        };
        let installed = if one.installed { ", installed" } else { "" };
        let path = Text::new(one.path.as_os_str().as_encoded_bytes());
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{path}: {words}, {} KiB{installed}",
            one.size.div_ceil(1024)
        );
    }
    if stored.is_empty() {
        let folder = Text::new(store.folder().as_os_str().as_encoded_bytes());
        let _ = writeln!(out, "no profiles in {folder}");
    }
    print(&out)?;
    Ok(Status::Pass)
}

/// What a profile is of, in a line.
fn words(profile: &Profile) -> String {
    format!(
        "{}, build-id {}, symbols from {}, types from {}",
        Text::from(profile.release.as_str()),
        profile.key.build_id,
        Text::from(profile.symbols_from.as_str()),
        Text::from(profile.types_from.as_str()),
    )
}
