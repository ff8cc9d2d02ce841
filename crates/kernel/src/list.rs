//! `struct list_head`: the kernel's doubly linked circular list.

use virtopsy_debuginfo::VirtAddr;

use crate::error::Error;
use crate::paging::AddressSpace;

/// Entries of a list, from its head's `next` on.
#[derive(Clone, Debug)]
pub struct ListWalk {
    /// Addresses of the entries' list heads, in order.
    pub entries: Vec<VirtAddr>,
    /// What ended the walk before it came back to the head. The entries before it stand.
    pub broken: Option<Error>,
}

/// Walks the list at `head` until it is back there, for at most `limit` entries.
///
/// A link that can't be read, a null link and a list that does not end are reported in
/// [`ListWalk::broken`], beside what was seen until then.
pub fn walk(space: &AddressSpace, what: &str, head: VirtAddr, limit: usize) -> ListWalk {
    follow(space, what, head, limit, 0)
}

/// The same from the other end, by `prev`: the last entry comes first.
pub fn walk_back(space: &AddressSpace, what: &str, head: VirtAddr, limit: usize) -> ListWalk {
    follow(space, what, head, limit, 8)
}

/// Walks by the link that stands `link` bytes into each `list_head`.
fn follow(space: &AddressSpace, what: &str, head: VirtAddr, limit: usize, link: u64) -> ListWalk {
    let mut entries = Vec::new();
    let mut here = head;
    let broken = loop {
        match space.pointer(VirtAddr(here.0.wrapping_add(link))) {
            Err(e) => break Some(e),
            Ok(next) if next == head => break None,
            Ok(next) if next.0 == 0 => {
                break Some(Error::Implausible {
                    what: what.into(),
                    at: here,
                    found: "a null link".into(),
                });
            }
            Ok(next) if entries.len() >= limit => {
                break Some(Error::EndlessList {
                    what: what.into(),
                    at: next,
                    count: entries.len(),
                });
            }
            Ok(next) => {
                entries.push(next);
                here = next;
            }
        }
    };
    ListWalk { entries, broken }
}

/// Address of the structure whose member at `offset` is at `member` (`container_of`).
pub fn container_of(member: VirtAddr, offset: u64) -> VirtAddr {
    VirtAddr(member.0.wrapping_sub(offset))
}
