//! The one table of keys: key handling, the help overlay, the footer and the manual read it.

use crate::key::Key;
use crate::place::View;

/// What a key can be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Command {
    Quit,
    Help,
    Show(View),
    Goto,
    Back,
    Follow,
    Cancel,
    Reload,
    Redraw,
    Suspend,
    NextDump,
    PreviousDump,
    Down,
    Up,
    Left,
    Right,
    HalfDown,
    HalfUp,
    PageDown,
    PageUp,
    Top,
    Bottom,
    OtherPane,
    Search,
    SearchNext,
    SearchPrevious,
    Filter,
    Sort,
    SortReverse,
    NextProblem,
    Level,
    Caller,
    Fold,
    FoldAll,
    Stack,
    OtherShape,
    Source,
    Copy,
    CopyAll,
    Export,
    Bookmark,
    Bookmarks,
    RemoveBookmark,
    Mouse,
}

/// Where a binding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// In every view.
    Any,
    /// In these views only.
    In(&'static [View]),
}

impl Scope {
    /// Whether it holds in `view`.
    pub(crate) fn holds(self, view: View) -> bool {
        match self {
            Scope::Any => true,
            Scope::In(views) => views.contains(&view),
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    /// Keys, each a sequence divided by blanks.
    pub(crate) keys: &'static [&'static str],
    pub(crate) command: Command,
    /// The name in configuration files.
    pub(crate) name: &'static str,
    /// What it does, for help and manual.
    pub(crate) help: &'static str,
    /// A word for the footer; empty to leave it out.
    pub(crate) hint: &'static str,
    pub(crate) scope: Scope,
}

/// A part of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) bindings: &'static [Binding],
}

const fn any(
    keys: &'static [&'static str],
    command: Command,
    name: &'static str,
    hint: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        keys,
        command,
        name,
        help,
        hint,
        scope: Scope::Any,
    }
}

const fn on(
    views: &'static [View],
    keys: &'static [&'static str],
    command: Command,
    name: &'static str,
    hint: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        keys,
        command,
        name,
        help,
        hint,
        scope: Scope::In(views),
    }
}

const FOLDING: &[View] = &[View::Splats, View::Stacks, View::Callback];
const FILTERED: &[View] = &[View::Cpus, View::Log, View::Stacks];
const SORTED: &[View] = &[View::Cpus, View::Stacks];
const CPUS: &[View] = &[View::Cpus];
const MEMORY: &[View] = &[View::Memory];
const LOG: &[View] = &[View::Log];

/// All keys.
pub(crate) const GROUPS: &[Group] = &[
    Group {
        title: "Views",
        bindings: &[
            any(
                &["1"],
                Command::Show(View::Overview),
                "overview",
                "",
                "the verdict, the CPUs at a glance, what else was found",
            ),
            any(
                &["2"],
                Command::Show(View::Cpus),
                "cpus",
                "",
                "every CPU, and the evidence on the chosen one",
            ),
            any(
                &["3"],
                Command::Show(View::Callback),
                "callback",
                "",
                "the KVM emergency callback and its code",
            ),
            any(
                &["4"],
                Command::Show(View::Splats),
                "splats",
                "",
                "lock reports, taken apart",
            ),
            any(
                &["5"],
                Command::Show(View::Log),
                "log",
                "",
                "the kernel log",
            ),
            any(
                &["6"],
                Command::Show(View::Stacks),
                "stacks",
                "",
                "the stacks of CPUs and tasks",
            ),
            any(
                &["7"],
                Command::Show(View::Modules),
                "modules",
                "",
                "virtual machines, and modules and where they lie",
            ),
            any(
                &["8"],
                Command::Show(View::Memory),
                "memory",
                "",
                "memory: by its type, as code, word by word",
            ),
            any(
                &["9", "="],
                Command::Show(View::Compare),
                "compare",
                "",
                "this dump beside the next one",
            ),
        ],
    },
    Group {
        title: "Move",
        bindings: &[
            any(&["j", "Down"], Command::Down, "down", "", "a line down"),
            any(&["k", "Up"], Command::Up, "up", "", "a line up"),
            any(
                &["h", "Left"],
                Command::Left,
                "left",
                "",
                "to the left in long lines",
            ),
            any(
                &["l", "Right"],
                Command::Right,
                "right",
                "",
                "to the right in long lines",
            ),
            any(
                &["Ctrl-d"],
                Command::HalfDown,
                "half-page-down",
                "",
                "half a page down",
            ),
            any(
                &["Ctrl-u"],
                Command::HalfUp,
                "half-page-up",
                "",
                "half a page up",
            ),
            any(
                &["PageDown", "Ctrl-f"],
                Command::PageDown,
                "page-down",
                "",
                "a page down",
            ),
            any(
                &["PageUp", "Ctrl-b"],
                Command::PageUp,
                "page-up",
                "",
                "a page up",
            ),
            any(
                &["g g", "Home"],
                Command::Top,
                "top",
                "",
                "to the first line",
            ),
            any(
                &["G", "End"],
                Command::Bottom,
                "bottom",
                "",
                "to the last line",
            ),
            any(
                &["Tab", "Shift-Tab"],
                Command::OtherPane,
                "other-pane",
                "pane",
                "between the list and what is chosen in it",
            ),
        ],
    },
    Group {
        title: "Find and follow",
        bindings: &[
            any(
                &["Enter"],
                Command::Follow,
                "follow",
                "follow",
                "to what the line speaks of: a CPU, a log line, an address",
            ),
            any(
                &["Backspace", "Ctrl-o"],
                Command::Back,
                "back",
                "back",
                "to where you were before",
            ),
            any(
                &[":", "Ctrl-p"],
                Command::Goto,
                "goto",
                "go to",
                "to a symbol, address, CPU, task, view, module, check or splat by name, or to what an expression of `virtopsy peek` comes to",
            ),
            any(
                &["o"],
                Command::Source,
                "source",
                "",
                "the line of the source in $VISUAL or $EDITOR (--source DIR says where the kernel's source is)",
            ),
            any(
                &["/"],
                Command::Search,
                "search",
                "search",
                "search in this pane (a regular expression; a capital letter makes case matter)",
            ),
            any(
                &["n"],
                Command::SearchNext,
                "search-next",
                "",
                "the next match",
            ),
            any(
                &["N"],
                Command::SearchPrevious,
                "search-previous",
                "",
                "the match before",
            ),
        ],
    },
    Group {
        title: "In some views",
        bindings: &[
            on(
                FILTERED,
                &["f"],
                Command::Filter,
                "filter",
                "filter",
                "show only lines that match (empty: all); of CPUs and tasks, those with a word that begins so (!word: without)",
            ),
            on(
                SORTED,
                &["s"],
                Command::Sort,
                "sort",
                "sort",
                "sort by the next column",
            ),
            on(
                SORTED,
                &["S"],
                Command::SortReverse,
                "sort-reverse",
                "",
                "sort the other way round",
            ),
            on(
                CPUS,
                &["p"],
                Command::NextProblem,
                "next-problem",
                "next problem",
                "the next CPU that is on, unknown or in conflict",
            ),
            on(
                CPUS,
                &["t"],
                Command::Stack,
                "stack-of-cpu",
                "stack",
                "the chosen CPU's stack",
            ),
            on(
                MEMORY,
                &["x"],
                Command::OtherShape,
                "other-shape",
                "shape",
                "show it in another shape: by its type, as code, word by word",
            ),
            on(
                LOG,
                &["L"],
                Command::Level,
                "level",
                "level",
                "only this severe and worse: the next level",
            ),
            on(
                LOG,
                &["c"],
                Command::Caller,
                "caller",
                "caller",
                "only what this line's caller printed; again: all callers",
            ),
            on(
                FOLDING,
                &["Space", "z"],
                Command::Fold,
                "fold",
                "fold",
                "fold or open the section under the cursor",
            ),
            on(
                FOLDING,
                &["Z"],
                Command::FoldAll,
                "fold-all",
                "",
                "fold or open all sections",
            ),
        ],
    },
    Group {
        title: "Take away",
        bindings: &[
            any(
                &["y"],
                Command::Copy,
                "copy",
                "copy",
                "copy this line (OSC 52; tmux needs `set -g set-clipboard on`)",
            ),
            any(
                &["Y"],
                Command::CopyAll,
                "copy-all",
                "",
                "copy the whole pane",
            ),
            any(
                &["e"],
                Command::Export,
                "export",
                "export",
                "write this pane to a file, as text, or as JSON if the name ends in .json (the overview: the whole report)",
            ),
            any(
                &["b"],
                Command::Bookmark,
                "bookmark",
                "",
                "put a bookmark with a note here",
            ),
            any(
                &["'"],
                Command::Bookmarks,
                "bookmarks",
                "",
                "the bookmarks of this dump",
            ),
            any(
                &["d", "Delete"],
                Command::RemoveBookmark,
                "remove-bookmark",
                "",
                "in the bookmarks: remove the one under the cursor",
            ),
        ],
    },
    Group {
        title: "Other",
        bindings: &[
            any(&["?", "F1"], Command::Help, "help", "help", "this help"),
            any(
                &["Esc"],
                Command::Cancel,
                "cancel",
                "",
                "cancel what is being worked on; leave a search or filter",
            ),
            any(
                &["r"],
                Command::Reload,
                "reload",
                "",
                "ask again for what failed or was cancelled",
            ),
            any(&["]"], Command::NextDump, "next-dump", "", "the next dump"),
            any(
                &["["],
                Command::PreviousDump,
                "previous-dump",
                "",
                "the dump before",
            ),
            any(
                &["m"],
                Command::Mouse,
                "mouse",
                "",
                "take the mouse or let it go (for the terminal's own selection)",
            ),
            any(
                &["Ctrl-l"],
                Command::Redraw,
                "redraw",
                "",
                "draw the screen anew",
            ),
            any(
                &["Ctrl-z"],
                Command::Suspend,
                "suspend",
                "",
                "back to the shell; `fg` returns",
            ),
            any(&["q", "Ctrl-c"], Command::Quit, "quit", "quit", "leave"),
        ],
    },
];

/// All rows of the table.
pub(crate) fn bindings() -> impl Iterator<Item = &'static Binding> {
    GROUPS.iter().flat_map(|g| g.bindings)
}

/// What a sequence of keys means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A command.
    Command(Command),
    /// The beginning of a longer sequence.
    Prefix,
    /// Nothing.
    Nothing,
}

/// The keys in force: the table and what the user changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keymap {
    entries: Vec<(Vec<Key>, &'static str)>,
}

impl Default for Keymap {
    fn default() -> Self {
        let of = |b: &'static Binding| {
            b.keys
                .iter()
                .filter_map(|k| Key::parse_sequence(k))
                .map(|k| (k, b.name))
        };
        Keymap {
            entries: bindings().flat_map(of).collect(),
        }
    }
}

impl Keymap {
    /// The table with the user's changes; what can't be understood comes back in words.
    pub(crate) fn new(changes: &[(String, String)]) -> (Keymap, Vec<String>) {
        let mut map = Keymap::default();
        let mut refused = Vec::new();
        for (key, action) in changes {
            if let Err(why) = map.change(key, action) {
                refused.push(why);
            }
        }
        (map, refused)
    }

    fn change(&mut self, key: &str, action: &str) -> Result<(), String> {
        let keys = Key::parse_sequence(key).ok_or_else(|| format!("{key:?} is no key"))?;
        let name = bindings().map(|b| b.name).find(|n| *n == action);
        if name.is_none() && action != "none" {
            return Err(format!("{action:?} is no action (key {key})"));
        }
        // An action has one name even where several scopes share a key: only the same key goes.
        self.entries.retain(|(k, _)| *k != keys);
        self.entries.extend(name.map(|n| (keys, n)));
        Ok(())
    }

    /// What `keys` mean in `view`.
    pub(crate) fn meaning(&self, keys: &[Key], view: View) -> Meaning {
        let live = |name: &str| bindings().find(|b| b.name == name && b.scope.holds(view));
        let mut prefix = false;
        for (sequence, name) in &self.entries {
            if let Some(binding) = live(name)
                && sequence.starts_with(keys)
            {
                if sequence.len() == keys.len() {
                    return Meaning::Command(binding.command);
                }
                prefix = true;
            }
        }
        if prefix {
            Meaning::Prefix
        } else {
            Meaning::Nothing
        }
    }

    /// The keys of an action, as they are written.
    pub(crate) fn keys_of(&self, name: &str) -> Vec<String> {
        let write = |keys: &Vec<Key>| -> String {
            let all: Vec<String> = keys.iter().map(ToString::to_string).collect();
            if all.iter().all(|k| k.chars().count() == 1) {
                all.concat()
            } else {
                all.join(" ")
            }
        };
        self.entries
            .iter()
            .filter(|(_, n)| *n == name)
            .map(|(k, _)| write(k))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keys(text: &str) -> Vec<Key> {
        Key::parse_sequence(text).unwrap()
    }

    #[test]
    fn every_key_of_the_table_can_be_read_and_none_means_two_things_in_a_view() {
        for view in View::ALL {
            let mut seen: Vec<Vec<Key>> = Vec::new();
            for binding in bindings().filter(|b| b.scope.holds(view)) {
                for key in binding.keys {
                    let keys = keys(key);
                    assert!(!seen.contains(&keys), "{key} twice in {view:?}");
                    seen.push(keys);
                }
            }
        }
    }

    #[test]
    fn names_of_actions_are_unique() {
        let mut names: Vec<&str> = bindings().map(|b| b.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_key_holds_in_its_views_only() {
        let map = Keymap::default();
        assert_eq!(
            map.meaning(&keys("s"), View::Cpus),
            Meaning::Command(Command::Sort)
        );
        assert_eq!(map.meaning(&keys("s"), View::Log), Meaning::Nothing);
        assert_eq!(map.meaning(&keys("g"), View::Log), Meaning::Prefix);
        assert_eq!(
            map.meaning(&keys("g g"), View::Log),
            Meaning::Command(Command::Top)
        );
    }

    #[test]
    fn users_can_bind_and_free_keys() {
        let change = |a: &str, b: &str| (a.to_string(), b.to_string());
        let (map, refused) = Keymap::new(&[
            change("x", "quit"),
            change("q", "none"),
            change("q q q", "fly"),
        ]);
        assert_eq!(
            map.meaning(&keys("x"), View::Log),
            Meaning::Command(Command::Quit)
        );
        assert_eq!(map.meaning(&keys("q"), View::Log), Meaning::Nothing);
        assert_eq!(refused, ["\"fly\" is no action (key q q q)"]);
    }
}
