//! `virtopsy open`: the terminal UI, and the one place that knows it.
//!
//! What the environment says of the terminal and of the user's directories is found out here;
//! the terminal UI itself reads none of it.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use virtopsy::{DumpSpec, Options};

use crate::exit::Status;
use crate::input;
use crate::options::Common;
use crate::terminal::Look;

/// Look around in a dump, in the terminal
///
/// Colours and keys can be set in $XDG_CONFIG_HOME/virtopsy/tui.toml (else
/// ~/.config/virtopsy/tui.toml): `theme = "light"`, `ascii = true`, `mouse = true`,
/// `sources = ["/usr/src/linux"]`, and under `[keys]` lines such as `"Ctrl-n" = "down"`.
/// Bookmarks and notes are kept in $XDG_STATE_HOME/virtopsy (else ~/.local/state/virtopsy).
#[derive(Debug, Args)]
#[command(after_long_help = keys())]
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

/// Opens the dumps in the terminal UI.
///
/// # Errors
/// When there is no terminal, or the terminal UI ends with an error.
pub(crate) fn run(args: &OpenArgs, common: &Common) -> anyhow::Result<Status> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        anyhow::bail!("`open` needs a terminal; `virtopsy report` prints the same for reading");
    }
    let look = common.look();
    let specs = args.dumps.iter().map(|name| input::spec(name)).collect();
    show(specs, common.options(), args, look)?;
    Ok(Status::Pass)
}

/// Shows dumps in the terminal until the user leaves.
///
/// # Errors
/// When there is no terminal, or it fails.
#[cfg(feature = "tui")]
fn show(specs: Vec<DumpSpec>, options: Options, args: &OpenArgs, look: Look) -> anyhow::Result<()> {
    let variable = |name: &str| std::env::var_os(name);
    let mut settings = virtopsy_tui::Settings {
        ascii: !look.unicode,
        no_color: !look.color,
        state_dir: directory(variable, "XDG_STATE_HOME", ".local/state"),
        editor: ["VISUAL", "EDITOR"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty())),
        ..virtopsy_tui::Settings::default()
    };
    configure(
        &mut settings,
        directory(variable, "XDG_CONFIG_HOME", ".config"),
    )?;
    // What stands on the command line outweighs the file.
    settings.mouse |= args.mouse;
    settings.sources.splice(0..0, args.sources.iter().cloned());
    match args.theme {
        Some(Theme::Dark) => settings.theme = virtopsy_tui::ThemeChoice::Dark,
        Some(Theme::Light) => settings.theme = virtopsy_tui::ThemeChoice::Light,
        Some(Theme::Mono) => settings.theme = virtopsy_tui::ThemeChoice::Mono,
        None => {}
    }
    crate::progress::keep();
    settings.waiting = Some(crate::progress::kept);
    virtopsy_tui::run(specs, options, settings)?;
    Ok(())
}

/// The keys, for `--help` and the manual: each with its name in `tui.toml`.
#[cfg(feature = "tui")]
fn keys() -> String {
    let mut out = String::from("Keys, and their actions' names for tui.toml:\n");
    let mut group = "";
    for row in virtopsy_tui::keys() {
        if row.group != group {
            group = row.group;
            out.push_str(&format!("\n{group}:\n"));
        }
        let keys = row.keys.join("  ");
        out.push_str(&format!("  {keys:<18} {:<16} {}\n", row.action, row.help));
    }
    out
}

/// Nothing: without the terminal UI there are no keys.
#[cfg(not(feature = "tui"))]
fn keys() -> String {
    String::new()
}

/// Says that this build cannot.
#[cfg(not(feature = "tui"))]
fn show(
    _specs: Vec<DumpSpec>,
    _options: Options,
    args: &OpenArgs,
    _look: Look,
) -> anyhow::Result<()> {
    let _: (Option<Theme>, bool, &[std::path::PathBuf]) = (args.theme, args.mouse, &args.sources);
    anyhow::bail!("this build has no terminal UI (it was built without the feature `tui`)")
}

/// Takes over `tui.toml` of the configuration directory, where there is one.
#[cfg(feature = "tui")]
fn configure(
    settings: &mut virtopsy_tui::Settings,
    directory: Option<std::path::PathBuf>,
) -> anyhow::Result<()> {
    use anyhow::Context as _;
    let Some(path) = directory.map(|d| d.join("tui.toml")) else {
        return Ok(());
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e).with_context(|| path.display().to_string()),
    };
    settings
        .merge(&text)
        .with_context(|| path.display().to_string())
}

/// Our folder below one of the XDG base directories; `beside` is its place in the home folder.
#[cfg(feature = "tui")]
fn directory(
    variable: impl Fn(&str) -> Option<std::ffi::OsString>,
    name: &str,
    beside: &str,
) -> Option<std::path::PathBuf> {
    use std::path::PathBuf;
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute(name).or_else(|| absolute("HOME").map(|home| home.join(beside)));
    base.map(|base| base.join("virtopsy"))
}
