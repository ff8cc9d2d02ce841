//! `struct xarray`: a tree of nodes with 64 slots each (16 in small kernels), indexed by number.
//!
//! ```text
//!  an entry's low bits: 00 a pointer │ 01 a value │ 10 internal: up to 4096 a mark, above a node
//!  node:  u8 shift │ u8 offset │ u8 count │ … │ void *slots[64]
//!         slot i stands for the indices from i << shift on
//! ```
//! Source: include/linux/xarray.h, since 4.20.

use std::cell::Cell;

use virtopsy_debuginfo::VirtAddr;

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::object::Object;
use crate::paging::AddressSpace;

/// Low bits of an entry.
const KIND: u64 = 3;
const INTERNAL: u64 = 2;
/// Internal entries up to here are marks: siblings, retries, zeroes.
const MAX_MARK: u64 = 4096;
/// Most slots of a node that are believed.
const MAX_SLOTS: u64 = 64;
/// Levels of a tree of 64-bit indices, six bits each.
const MAX_LEVELS: u32 = 11;

/// Pointers in an xarray, by index, ascending.
#[derive(Clone, Debug, Default)]
pub struct XArrayWalk {
    /// Index and pointer.
    pub entries: Vec<(u64, VirtAddr)>,
    /// What could not be read, or is no xarray.
    pub broken: Option<Error>,
}

/// Where things are in `struct xa_node`.
#[derive(Clone, Copy, Debug)]
pub struct NodeLayout {
    /// Offset of `shift`.
    pub shift: u64,
    /// Offset of `slots`.
    pub slots: u64,
    /// How many slots there are; more than 64 are not believed.
    pub count: u64,
}

/// Reads the pointers in the xarray that `array` is, at most `limit`. A module's types often only
/// declare `struct xa_node`: then it is the kernel's.
pub fn walk(kernel: &Kernel, array: &Object<'_>, limit: usize) -> XArrayWalk {
    let head = array.field("xa_head").and_then(|head| head.u64());
    match (head, NodeLayout::of(kernel)) {
        (Ok(head), Ok(layout)) => walk_from(array.space(), head, layout, limit),
        (Err(e), _) | (_, Err(e)) => XArrayWalk {
            entries: Vec::new(),
            broken: Some(e),
        },
    }
}

/// The same from the value of `xa_head` on.
pub fn walk_from(space: &AddressSpace, head: u64, layout: NodeLayout, limit: usize) -> XArrayWalk {
    let mut out = XArrayWalk::default();
    if layout.count > MAX_SLOTS {
        broken(
            &mut out,
            Error::Implausible {
                what: "slots of a node of an xarray".into(),
                at: VirtAddr(head),
                found: layout.count.to_string(),
            },
        );
        return out;
    }
    // A node has an entry below it, or it would have been freed: more nodes than entries allow
    // (on each level one) are a lie, such as slots that all lead to one node.
    let nodes = Cell::new(limit.saturating_mul(MAX_LEVELS as usize));
    Walk {
        space,
        layout,
        limit,
        nodes,
    }
    .run(head, &mut out);
    out
}

impl NodeLayout {
    fn of(kernel: &Kernel) -> Result<NodeLayout> {
        let node = kernel.object(VirtAddr(0), "struct xa_node")?;
        let (shift, slots) = (node.field("shift")?, node.field("slots")?);
        let count = slots.count()?;
        Ok(NodeLayout {
            shift: shift.address.0,
            slots: slots.address.0,
            count,
        })
    }
}

struct Walk<'k> {
    space: &'k AddressSpace,
    layout: NodeLayout,
    limit: usize,
    /// Nodes that may still be visited.
    nodes: Cell<usize>,
}

impl Walk<'_> {
    fn run(&self, head: u64, out: &mut XArrayWalk) {
        match node_of(head) {
            Some(node) => self.node(node, 0, None, MAX_LEVELS, out),
            None => self.leaf(0, head, out),
        }
    }

    /// One node, whose slots stand for the indices from `first` on. A node must stand for less
    /// than the one above it: that ends every loop.
    fn node(&self, at: u64, first: u64, above: Option<u8>, levels: u32, out: &mut XArrayWalk) {
        let Some(left) = self.nodes.get().checked_sub(1) else {
            let (what, at) = ("nodes of an xarray".into(), VirtAddr(at));
            return broken(
                out,
                Error::EndlessList {
                    what,
                    at,
                    count: self.limit,
                },
            );
        };
        self.nodes.set(left);
        let shift = match self.space.u8(VirtAddr(at.wrapping_add(self.layout.shift))) {
            Ok(shift) => shift,
            Err(e) => return broken(out, e),
        };
        if levels == 0 || shift >= 64 || above.is_some_and(|above| shift >= above) {
            let found = format!("a node of shift {shift} below one of {above:?}");
            let at = VirtAddr(at);
            return broken(
                out,
                Error::Implausible {
                    what: "a node of an xarray".into(),
                    at,
                    found,
                },
            );
        }
        for slot in 0..self.layout.count {
            let place = at.wrapping_add(self.layout.slots).wrapping_add(slot * 8);
            let index = first.wrapping_add(slot.checked_shl(shift.into()).unwrap_or(0));
            match self.space.u64(VirtAddr(place)) {
                Ok(entry) => match node_of(entry) {
                    Some(node) => self.node(node, index, Some(shift), levels - 1, out),
                    None => self.leaf(index, entry, out),
                },
                Err(e) => return broken(out, e),
            }
            if out.entries.len() > self.limit {
                return;
            }
        }
    }

    fn leaf(&self, index: u64, entry: u64, out: &mut XArrayWalk) {
        if entry == 0 || entry & KIND != 0 {
            return; // nothing, a value, or a mark
        }
        if out.entries.len() >= self.limit {
            let (what, at) = ("an xarray".into(), VirtAddr(entry));
            return broken(
                out,
                Error::EndlessList {
                    what,
                    at,
                    count: self.limit,
                },
            );
        }
        out.entries.push((index, VirtAddr(entry)));
    }
}

fn node_of(entry: u64) -> Option<u64> {
    (entry & KIND == INTERNAL && entry > MAX_MARK).then_some(entry & !KIND)
}

fn broken(out: &mut XArrayWalk, e: Error) {
    out.broken.get_or_insert(e);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_node_only_when_it_is_internal_and_no_mark() {
        assert_eq!(node_of(0xffff_8880_0000_1002), Some(0xffff_8880_0000_1000));
        assert_eq!(node_of(0xffff_8880_0000_1000), None, "a pointer");
        assert_eq!(node_of(0x0000_0000_0000_0402), None, "a mark");
        assert_eq!(node_of(0x0000_0000_0000_1003), None, "a value");
    }
}
