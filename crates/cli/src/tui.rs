//! The way to the terminal UI: the one place that knows it.
//!
//! What the environment says of the terminal and of the user's directories is found out here;
//! the terminal UI itself reads none of it.

use virtopsy::{DumpSpec, Options};

use crate::args::{OpenArgs, Theme};
use crate::terminal::Look;

/// Shows dumps in the terminal until the user leaves.
///
/// # Errors
/// When there is no terminal, or it fails.
#[cfg(feature = "tui")]
pub(crate) fn run(
    specs: Vec<DumpSpec>,
    options: Options,
    args: &OpenArgs,
    look: Look,
) -> anyhow::Result<()> {
    let settings = virtopsy_tui::Settings {
        theme: match args.theme {
            Theme::Dark => virtopsy_tui::ThemeChoice::Dark,
            Theme::Light => virtopsy_tui::ThemeChoice::Light,
            Theme::Mono => virtopsy_tui::ThemeChoice::Mono,
        },
        ascii: !look.unicode,
        no_color: !look.color,
        mouse: args.mouse,
        state_dir: state_dir(|name| std::env::var_os(name)),
        ..virtopsy_tui::Settings::default()
    };
    virtopsy_tui::run(specs, options, settings)?;
    Ok(())
}

/// Says that this build cannot.
#[cfg(not(feature = "tui"))]
pub(crate) fn run(
    _specs: Vec<DumpSpec>,
    _options: Options,
    args: &OpenArgs,
    _look: Look,
) -> anyhow::Result<()> {
    let _: (Theme, bool) = (args.theme, args.mouse);
    anyhow::bail!("this build has no terminal UI (it was built without the feature `tui`)")
}

/// Where bookmarks are kept, by the XDG base directory specification.
#[cfg(feature = "tui")]
fn state_dir(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<std::path::PathBuf> {
    use std::path::PathBuf;
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    base.map(|base| base.join("virtopsy"))
}
