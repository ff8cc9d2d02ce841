//! Sets of things that have an id, closed: the compiler knows each of them.

use std::fmt;

/// An id that names nothing of its set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct UnknownId {
    /// What was to be named: `check`, `known issue`.
    what: &'static str,
    given: String,
    /// Ids that are like it, the best first.
    near: Vec<String>,
    known: Vec<&'static str>,
}

impl fmt::Display for UnknownId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnknownId { what, given, .. } = self;
        write!(f, "there is no {what} `{given}`; ")?;
        if !self.near.is_empty() {
            write!(f, "near to it are {}; ", self.near.join(", "))?;
        }
        write!(f, "there are {}", self.known.join(", "))
    }
}

impl UnknownId {
    pub(crate) fn new(what: &'static str, given: &str, known: Vec<&'static str>) -> UnknownId {
        UnknownId {
            what,
            given: given.to_owned(),
            near: virtopsy_kernel::nearest(given, &known),
            known,
        }
    }
}

/// Declares a closed set, in its order: `Name = "id";`. What has no id or no place in the order does
/// not compile; what describes the members is a match over all of them.
macro_rules! closed_set {
    (
        $(#[$doc:meta])*
        $name:ident, $what:literal;
        $($(#[$member_doc:meta])* $member:ident = $id:literal;)+
    ) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
        )]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$member_doc])* #[serde(rename = $id)] $member,)+
        }

        impl $name {
            /// All of them, in the order in which they are listed.
            pub const ALL: &'static [$name] = &[$($name::$member),+];

            /// Its stable id.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self {
                    $($name::$member => $id,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.id())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::closed_set::UnknownId;

            fn from_str(id: &str) -> Result<Self, Self::Err> {
                match id {
                    $($id => Ok($name::$member),)+
                    _ => Err(crate::closed_set::UnknownId::new($what, id, vec![$($id),+])),
                }
            }
        }
    };
}

pub(crate) use closed_set;
