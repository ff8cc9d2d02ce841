//! Which memory holds names of tasks and text of the log, for an extract that is given away.
//!
//! Whoever reads such bytes tells the address space so. Nothing is kept where reads are not
//! recorded ([`virtopsy_vmcore::OpenOptions::record`]).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use virtopsy_debuginfo::VirtAddr;
use virtopsy_vmcore::Dump;

/// What bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Private {
    /// `task_struct.comm`, all of the array.
    TaskName,
    /// Text of a record of the log, or of panic()'s buffer.
    LogText,
}

/// Bytes that were read, and what they tell; by their address.
type Found = BTreeMap<VirtAddr, (Private, Vec<u8>)>;

/// All such bytes; `None` where reads are not recorded.
#[derive(Debug)]
pub(crate) struct PrivateBytes {
    found: Option<Mutex<Found>>,
}

impl PrivateBytes {
    /// An empty list; none where `dump` records nothing.
    pub(crate) fn where_recorded(dump: &Dump) -> PrivateBytes {
        PrivateBytes {
            found: dump.is_recording().then(Mutex::default),
        }
    }

    /// Takes down what the bytes that were read at `at` hold.
    pub(crate) fn note(&self, what: Private, at: VirtAddr, bytes: &[u8]) {
        if let Some(found) = &self.found {
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.insert(at, (what, bytes.to_vec()));
        }
    }

    /// All that was taken down, by address.
    pub(crate) fn all(&self) -> Vec<(VirtAddr, Private, Vec<u8>)> {
        let Some(found) = &self.found else {
            return Vec::new();
        };
        let found = found.lock().unwrap_or_else(PoisonError::into_inner);
        let each = found.iter();
        each.map(|(at, (what, bytes))| (*at, *what, bytes.clone()))
            .collect()
    }
}
