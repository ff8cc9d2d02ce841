//! Profiles: what was asked of one kernel's symbols and types, and the answers.
//!
//! ```text
//! virtopsy-profile VERSION CRC32 LENGTH\n
//! { "build_id": …, "source": …, "symbols": …, "types": …, "modules": … }
//! ```
//! The second dump of a kernel asks what the first asked. With the answers at hand it needs neither
//! the kallsyms and the BTF in the dump nor the DWARF of a vmlinux; what was not asked before is
//! asked of those then ([`RecordedTypes`], [`RecordedSymbols`]), so that a profile changes no
//! answer. Addresses are those before KASLR.
//!
//! A profile is input like any other: it is bounded, checked, and left aside with a word in the
//! log where it does not hold.

mod answers;
mod recorded;
mod store;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, TypeOrigin};

pub use answers::{SymbolAnswers, TypeAnswers};
pub use recorded::{RecordedSymbols, RecordedTypes};
pub use store::{ProfileStore, Stored};

/// What [`Error`] calls a profile.
const PLACE: &str = "profile";
/// Raised whenever the content or what it means changes. The tool's version counts too.
const FORMAT: u32 = 1;
/// The largest profile that is read or written, in bytes. A usual one has a hundred thousand.
pub const MAX_PROFILE: u64 = 4 << 20;
/// The most modules of one profile.
const MAX_MODULES: usize = 1024;

/// Which kernel a profile is of, and what its answers were read from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileKey {
    /// The kernel's build-id, in lower-case hex.
    pub build_id: String,
    /// `dump`, or `vmlinux-` and what tells the file from others of the same build-id; then the
    /// types that were asked for.
    pub source: String,
}

impl ProfileKey {
    /// A key, if the build-id is one and the source can be part of a file's name.
    #[must_use]
    pub fn new(build_id: &str, source: &str) -> Option<Self> {
        let hex = (8..=128).contains(&build_id.len())
            && build_id
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let plain = (1..=64).contains(&source.len())
            && source
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (hex && plain).then(|| Self {
            build_id: build_id.to_owned(),
            source: source.to_owned(),
        })
    }

    /// Whether the answers were read from the dump itself.
    #[must_use]
    pub fn is_of_dump(&self) -> bool {
        self.source.starts_with("dump-")
    }
}

/// The answers of one kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Of what.
    pub key: ProfileKey,
    /// The version of this program that wrote it.
    pub tool: String,
    /// `uname -r`, for people.
    pub release: String,
    /// Where symbols came from, in the caller's words.
    pub symbols_from: String,
    /// Where types came from, in the caller's words.
    pub types_from: String,
    /// What was asked of the kernel's symbols.
    pub symbols: SymbolAnswers,
    /// Where [`Self::types`] came from.
    pub origin: TypeOrigin,
    /// What was asked of the kernel's types.
    pub types: TypeAnswers,
    /// What was asked of modules' types, by the module's name.
    pub modules: BTreeMap<String, ModuleProfile>,
}

/// The answers of one module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleProfile {
    /// What tells its types from those of another build: [`identity`] of what they were read from.
    pub identity: u64,
    /// Where [`Self::types`] came from.
    pub origin: TypeOrigin,
    /// What was asked of its types.
    pub types: TypeAnswers,
}

impl Profile {
    /// The version that profiles have to be written by.
    #[must_use]
    pub fn current_tool() -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    /// Adds what another profile of the same key knows. Its own answers stay.
    pub fn merge(&mut self, other: &Profile) {
        if self.key != other.key || self.origin != other.origin || self.tool != other.tool {
            return;
        }
        self.symbols.merge(&other.symbols);
        self.types.merge(&other.types);
        for (name, module) in &other.modules {
            let room = self.modules.len() < MAX_MODULES;
            match self.modules.get_mut(name) {
                Some(own) if own.identity == module.identity && own.origin == module.origin => {
                    own.types.merge(&module.types);
                }
                Some(_) => {}
                None if room => {
                    self.modules.insert(name.clone(), module.clone());
                }
                None => {}
            }
        }
    }

    /// The profile as it stands in a file.
    ///
    /// # Errors
    /// Where it is too large.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let failed =
            |found: String| Error::malformed(PLACE, 0, "a profile of at most 4 MiB", found);
        let body = serde_json::to_vec(self).map_err(|error| failed(error.to_string()))?;
        if body.len() as u64 > MAX_PROFILE {
            return Err(failed(format!("{} bytes", body.len())));
        }
        let mut bytes = header(&body).into_bytes();
        bytes.extend(body);
        Ok(bytes)
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// Where it is cut, damaged, of another version, or says what cannot be.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let bad = |at: usize, expected, found: String| Error::malformed(PLACE, at, expected, found);
        let end = memchr::memchr(b'\n', bytes.get(..64).unwrap_or(bytes));
        let end = end.ok_or_else(|| bad(0, "a line `virtopsy-profile …`", "none".to_owned()))?;
        let (first, body) = bytes.split_at_checked(end + 1).unwrap_or_default();
        if first != header(body).as_bytes() {
            let found = String::from_utf8_lossy(first)
                .trim_end()
                .escape_debug()
                .to_string();
            return Err(bad(
                0,
                "version, checksum and length of what follows",
                found,
            ));
        }
        let profile: Self = serde_json::from_slice(body)
            .map_err(|error| bad(first.len(), "a profile", error.to_string()))?;
        if profile.tool != Self::current_tool() {
            return Err(bad(first.len(), "a profile of this version", profile.tool));
        }
        let key = &profile.key;
        if ProfileKey::new(&key.build_id, &key.source).is_none() {
            return Err(bad(
                first.len(),
                "a build-id and a source",
                format!("{key:?}"),
            ));
        }
        if profile.modules.len() > MAX_MODULES {
            return Err(bad(first.len(), "at most 1024 modules", "more".to_owned()));
        }
        for types in profile
            .modules
            .values()
            .map(|module| &module.types)
            .chain([&profile.types])
        {
            types.check()?;
        }
        profile.symbols.check()?;
        Ok(profile)
    }
}

fn header(body: &[u8]) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(body);
    format!(
        "virtopsy-profile {FORMAT} {:08x} {}\n",
        crc.sum(),
        body.len()
    )
}

/// A number that tells bytes from others.
#[must_use]
pub fn identity(bytes: &[u8]) -> u64 {
    crate::name_index::hash64(u64::from(FORMAT), bytes)
}

#[cfg(test)]
mod tests;
