//! Colours and glyphs by meaning.
//!
//! Only the terminal's own sixteen colours and its default are used, and never white or black
//! text. Every state has a glyph and a word besides its colour.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;
use virtopsy::report::{CallbackState, CheckVerdict, CpuState, Says, Verdict};

use crate::settings::{Settings, ThemeChoice};

/// What a text means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// Ordinary text.
    #[default]
    Plain,
    /// Labels, borders, hints.
    Muted,
    /// Headings.
    Heading,
    /// What can be followed.
    Link,
    /// In order.
    Good,
    /// Not in order.
    Bad,
    /// Not known.
    Unsure,
    /// A match of the search.
    Match,
    /// A bar across the screen: in order.
    GoodBar,
    /// A bar: not in order.
    BadBar,
    /// A bar: not known.
    UnsureBar,
    /// A bar that says neither.
    PlainBar,
}

/// What makes a text a bar.
const BAR: Modifier = Modifier::REVERSED.union(Modifier::BOLD);

/// Colours and glyphs in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    choice: ThemeChoice,
    /// No character outside ASCII.
    pub(crate) ascii: bool,
}

impl Theme {
    pub(crate) fn new(settings: &Settings) -> Theme {
        let choice = if settings.no_color {
            ThemeChoice::Mono
        } else {
            settings.theme
        };
        Theme {
            choice,
            ascii: settings.ascii,
        }
    }

    /// The style of a role.
    pub(crate) fn style(self, role: Role) -> Style {
        let plain = Style::new();
        let color = |dark: Color, light: Color| match self.choice {
            ThemeChoice::Dark => plain.fg(dark),
            ThemeChoice::Light => plain.fg(light),
            ThemeChoice::Mono => plain,
        };
        match role {
            Role::Plain => plain,
            Role::Muted if self.choice == ThemeChoice::Mono => plain.add_modifier(Modifier::DIM),
            Role::Muted => color(Color::Gray, Color::DarkGray),
            Role::Heading => plain.add_modifier(Modifier::BOLD),
            Role::Link => color(Color::Cyan, Color::Blue).add_modifier(Modifier::UNDERLINED),
            Role::Good => color(Color::LightBlue, Color::Blue),
            Role::Bad => color(Color::LightRed, Color::Red).add_modifier(Modifier::BOLD),
            Role::Unsure => color(Color::Yellow, Color::Magenta).add_modifier(Modifier::BOLD),
            Role::Match => plain.add_modifier(Modifier::REVERSED),
            Role::GoodBar => self.style(Role::Good).add_modifier(BAR),
            Role::BadBar => self.style(Role::Bad).add_modifier(BAR),
            Role::UnsureBar => self.style(Role::Unsure).add_modifier(BAR),
            Role::PlainBar => plain.add_modifier(BAR),
        }
    }

    /// The row that the cursor is on.
    pub(crate) fn selection(self, focused: bool) -> Style {
        if focused {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            Style::new().add_modifier(Modifier::BOLD)
        }
    }

    /// Glyphs.
    pub(crate) fn glyphs(self) -> &'static Glyphs {
        if self.ascii { &ASCII } else { &UNICODE }
    }

    /// Lines of a box.
    pub(crate) fn border(self) -> border::Set<'static> {
        if self.ascii {
            ASCII_BORDER
        } else {
            border::PLAIN
        }
    }
}

const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// The glyphs of one set.
#[derive(Debug)]
pub(crate) struct Glyphs {
    pub(crate) pass: &'static str,
    pub(crate) fail: &'static str,
    pub(crate) unsure: &'static str,
    pub(crate) none: &'static str,
    pub(crate) off: &'static str,
    pub(crate) on: &'static str,
    pub(crate) offline: &'static str,
    pub(crate) ellipsis: &'static str,
    pub(crate) arrow: &'static str,
    pub(crate) down: &'static str,
    pub(crate) bar: &'static str,
    pub(crate) corner: &'static str,
    pub(crate) corner_top: &'static str,
    pub(crate) line: &'static str,
    pub(crate) folded: &'static str,
    pub(crate) open: &'static str,
    pub(crate) separator: &'static str,
    /// Levels of the log's minimap: error, warning, other.
    pub(crate) map: [&'static str; 3],
    /// One frame after the other while work is going on.
    pub(crate) spinner: &'static [&'static str],
}

const UNICODE: Glyphs = Glyphs {
    pass: "✓",
    fail: "✗",
    unsure: "?",
    none: "–",
    off: "○",
    on: "●",
    offline: "·",
    ellipsis: "…",
    arrow: "→",
    down: "▼",
    bar: "│",
    corner: "└",
    corner_top: "┌",
    line: "─",
    folded: "▸",
    open: "▾",
    separator: "·",
    map: ["█", "▌", "·"],
    spinner: &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
};

const ASCII: Glyphs = Glyphs {
    pass: "+",
    fail: "X",
    unsure: "?",
    none: "-",
    off: "o",
    on: "#",
    offline: ".",
    ellipsis: "~",
    arrow: "->",
    down: "v",
    bar: "|",
    corner: "`",
    corner_top: ",",
    line: "-",
    folded: ">",
    open: "v",
    separator: "|",
    map: ["#", "=", "."],
    spinner: &["|", "/", "-", "\\"],
};

/// A state as meaning, glyph and word.
pub(crate) type Mark = (Role, &'static str, &'static str);

impl Glyphs {
    pub(crate) fn check(&self, verdict: CheckVerdict) -> Mark {
        match verdict {
            CheckVerdict::Pass => (Role::Good, self.pass, "pass"),
            CheckVerdict::Fail => (Role::Bad, self.fail, "fail"),
            CheckVerdict::Inconclusive => (Role::Unsure, self.unsure, "inconclusive"),
            CheckVerdict::NotApplicable => (Role::Muted, self.none, "not applicable"),
            CheckVerdict::Error => (Role::Bad, "!", "error"),
        }
    }

    pub(crate) fn verdict(&self, verdict: Verdict) -> Mark {
        match verdict {
            Verdict::AllOff => (Role::Good, self.pass, "ALL OFF"),
            Verdict::NotAllOff => (Role::Bad, self.fail, "NOT ALL OFF"),
            Verdict::Inconclusive => (Role::Unsure, self.unsure, "INCONCLUSIVE"),
            Verdict::NotApplicable => (Role::Muted, self.none, "NOT APPLICABLE"),
        }
    }

    pub(crate) fn cpu(&self, state: CpuState, online: Option<bool>) -> Mark {
        match state {
            CpuState::Off if online == Some(false) => (Role::Good, self.offline, "off"),
            CpuState::Off => (Role::Good, self.off, "off"),
            CpuState::On => (Role::Bad, self.on, "ON"),
            CpuState::Unknown => (Role::Unsure, self.unsure, "unknown"),
        }
    }

    pub(crate) fn callback(&self, state: CallbackState) -> Mark {
        match state {
            CallbackState::None => (Role::Plain, self.none, "none registered"),
            CallbackState::Registered => (Role::Good, self.pass, "registered"),
            CallbackState::Unloading => (Role::Bad, self.fail, "unloading"),
            CallbackState::Dangling => (Role::Bad, self.fail, "dangling"),
            CallbackState::Unknown => (Role::Unsure, self.unsure, "unknown"),
        }
    }

    pub(crate) fn says(&self, says: Says) -> Mark {
        match says {
            Says::Off => (Role::Good, self.off, "off"),
            Says::On => (Role::Bad, self.on, "ON"),
            Says::Neutral => (Role::Muted, self.none, "neutral"),
        }
    }
}
