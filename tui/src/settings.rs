//! What the caller decides: this crate reads no environment and no file of its own accord.

use std::fmt;
use std::path::PathBuf;

/// Which colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThemeChoice {
    /// For a dark background.
    #[default]
    Dark,
    /// For a light background.
    Light,
    /// No colour: bold, dim and reversed text only.
    Mono,
}

/// How the terminal UI looks and behaves.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Colours, from the terminal's own sixteen.
    pub theme: ThemeChoice,
    /// Use no character outside ASCII: for a locale that is not UTF-8.
    pub ascii: bool,
    /// Use no colour whatever the theme says (`NO_COLOR`).
    pub no_color: bool,
    /// Take the mouse from the start. The user can switch it with a key; while it is taken, the
    /// terminal's own selection needs Shift.
    pub mouse: bool,
    /// Directory that `e` offers to export to; the current one where absent.
    pub export_dir: Option<PathBuf>,
    /// Directory where bookmarks are kept, one file for each dump; absent: they are not kept.
    pub state_dir: Option<PathBuf>,
    /// Folders that hold the kernel's source, for the files that reports and debug information
    /// name.
    pub sources: Vec<PathBuf>,
    /// The command that shows a file of the source, with its arguments (`$VISUAL`, `$EDITOR`);
    /// `vi` where absent.
    pub editor: Option<String>,
    /// What is waited for below (a download), asked while work is going on: `None` where nothing
    /// new is known, empty where the wait is over.
    pub waiting: Option<fn() -> Option<String>>,
    /// Keys bound anew, as (`key`, `action`): `("Ctrl-d", "half-page-down")`. An action's name is
    /// that of [`crate::keys`]; `none` frees the key.
    pub keys: Vec<(String, String)>,
}

/// What is wrong with a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Settings {
    /// Takes over what a configuration file (TOML) says:
    ///
    /// ```toml
    /// theme = "light"      # dark, light or mono
    /// ascii = false
    /// mouse = false
    /// sources = ["/usr/src/linux"]
    ///
    /// [keys]               # a key, or keys divided by blanks, and an action of `virtopsy_tui::keys`
    /// "Ctrl-n" = "down"
    /// "x" = "quit"
    /// "q" = "none"
    /// ```
    ///
    /// # Errors
    /// What is wrong, and where. The settings are then as they were.
    pub fn merge(&mut self, config: &str) -> Result<(), ConfigError> {
        let table: toml::Table = config
            .parse()
            .map_err(|e: toml::de::Error| ConfigError(e.to_string()))?;
        let mut new = self.clone();
        for (name, value) in &table {
            new.set(name, value)
                .map_err(|why| ConfigError(format!("{name}: {why}")))?;
        }
        let (_, refused) = crate::keymap::Keymap::new(&new.keys);
        if let Some(why) = refused.into_iter().next() {
            return Err(ConfigError(format!("keys: {why}")));
        }
        *self = new;
        Ok(())
    }

    fn set(&mut self, name: &str, value: &toml::Value) -> Result<(), String> {
        let flag = || value.as_bool().ok_or("true or false is expected");
        match name {
            "ascii" => self.ascii = flag()?,
            "mouse" => self.mouse = flag()?,
            "theme" => {
                self.theme = match value.as_str() {
                    Some("dark") => ThemeChoice::Dark,
                    Some("light") => ThemeChoice::Light,
                    Some("mono") => ThemeChoice::Mono,
                    _ => return Err("dark, light or mono is expected".into()),
                };
            }
            "sources" => {
                let folders = value.as_array().ok_or("a list of folders is expected")?;
                for folder in folders {
                    let folder = folder.as_str().ok_or("a list of folders is expected")?;
                    self.sources.push(folder.into());
                }
            }
            "keys" => {
                let keys = value.as_table().ok_or("a table of keys is expected")?;
                for (key, action) in keys {
                    let action = action
                        .as_str()
                        .ok_or_else(|| format!("{key}: the name of an action is expected"))?;
                    self.keys.push((key.clone(), action.to_owned()));
                }
            }
            _ => {
                return Err(
                    "there is no such setting; theme, ascii, mouse, sources and keys are".into(),
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_configuration_file_sets_what_it_names_and_nothing_else() {
        let mut settings = Settings {
            mouse: true,
            ..Settings::default()
        };
        settings
            .merge("theme = \"light\"\n[keys]\n\"x\" = \"quit\"")
            .unwrap();
        assert_eq!(
            (settings.theme, settings.mouse, settings.keys.len()),
            (ThemeChoice::Light, true, 1)
        );
    }

    #[test]
    fn what_a_configuration_file_gets_wrong_is_said() {
        for (config, word) in [
            ("theme = \"pink\"", "theme: dark, light or mono"),
            ("colour = 1", "no such setting"),
            ("sources = \"/usr/src\"", "sources: a list of folders"),
            ("[keys]\nx = \"fly\"", "\"fly\" is no action"),
            ("[keys]\nNonsense = \"quit\"", "is no key"),
            ("ascii", ""),
        ] {
            let mut settings = Settings::default();
            let said = settings.merge(config).unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
            assert!(settings.keys.is_empty());
        }
    }
}
