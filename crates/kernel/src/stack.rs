//! Stacks, as raw words: what return addresses stand on them.

use virtopsy_debuginfo::{TypeSourceExt as _, VirtAddr};

use crate::cpu::CpuId;
use crate::declared::{cpu, task};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::symbols::Location;

/// The largest stack that is read: an NMI stack is 4 or 8 KiB (16 with KASAN), a task's 16 or 32.
const MAX_STACK: u64 = 256 << 10;

/// A stack's memory.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Lowest address.
    pub bottom: VirtAddr,
    /// One past the highest.
    pub top: VirtAddr,
    /// Its words, lowest first.
    pub words: Vec<u64>,
}

/// A word of a stack that is an address in code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeWord {
    /// Where it stands.
    pub at: VirtAddr,
    /// The code address.
    pub value: VirtAddr,
    /// Its name.
    pub location: Location,
}

impl Stack {
    /// The word at an address; `None` outside the stack or unaligned.
    pub fn word(&self, at: VirtAddr) -> Option<u64> {
        let offset = at.0.checked_sub(self.bottom.0)?;
        if !offset.is_multiple_of(8) {
            return None;
        }
        self.words.get(usize::try_from(offset / 8).ok()?).copied()
    }

    /// Address and value of every word, from the top down: callers first.
    pub fn from_top(&self) -> impl Iterator<Item = (VirtAddr, u64)> + '_ {
        let bottom = self.bottom.0;
        let with_address =
            move |(i, word): (usize, &u64)| (VirtAddr(bottom.wrapping_add(i as u64 * 8)), *word);
        self.words.iter().enumerate().rev().map(with_address)
    }
}

impl Kernel {
    /// A CPU's NMI stack.
    ///
    /// `exception_stacks` is the per-CPU storage itself, which needs no page walk through the
    /// CPU entry area. A struct with member `NMI_stack` since 5.1; before, and where the kernel's
    /// types are not at hand, it is told by size: the storage is four stacks of one size (five
    /// until 5.7), without guards between them, and the NMI's is the second.
    ///
    /// # Errors
    /// Where the symbol or the memory is missing, or the size is that of no such storage.
    pub fn nmi_stack(&self, cpu: CpuId) -> Result<Stack> {
        let typed = self
            .percpu_object("exception_stacks", "struct exception_stacks", cpu)
            .and_then(|stacks| stacks.declared(&cpu::NMI_STACK));
        match typed {
            Ok(stack) => self.stack_at(stack.address, stack.size()?),
            Err(e) if e.is_absent() || matches!(e, Error::NoTypes { .. }) => {
                let at = self.percpu("exception_stacks", cpu)?;
                let size = self.symbols()?.declared(&cpu::EXCEPTION_STACKS)?.size;
                let one = size.and_then(one_stack).ok_or(e)?;
                self.stack_at(VirtAddr(at.0.wrapping_add(one)), one)
            }
            Err(e) => Err(e),
        }
    }

    /// `size` bytes at `bottom`, as a stack.
    ///
    /// # Errors
    /// Where it can't be read, or is no stack by its size.
    pub fn stack_at(&self, bottom: VirtAddr, size: u64) -> Result<Stack> {
        if size > MAX_STACK || !size.is_multiple_of(8) || !bottom.0.is_multiple_of(8) {
            return Err(Error::Implausible {
                what: "a stack".into(),
                at: bottom,
                found: format!("{size} bytes"),
            });
        }
        let bytes = self.space().bytes(bottom, size as usize)?;
        let words = bytes
            .chunks_exact(8)
            .map(|c| c.iter().rev().fold(0, |w, b| w << 8 | u64::from(*b)))
            .collect();
        Ok(Stack {
            bottom,
            top: VirtAddr(bottom.0.wrapping_add(size)),
            words,
        })
    }

    /// The stack of the task whose `task_struct` is at `task`.
    ///
    /// # Errors
    /// Where it can't be read (it is freed when a task dies).
    pub fn task_stack(&self, task: VirtAddr) -> Result<Stack> {
        let object = self.object(task, "struct task_struct")?;
        let bottom = object.declared(&task::STACK)?.pointer()?;
        let size = match self.types()?.struct_named("thread_union") {
            Ok(id) => self.types()?.size_of(id).unwrap_or(16 << 10),
            Err(_) => 16 << 10,
        };
        self.stack_at(bottom, size.clamp(8 << 10, 64 << 10))
    }

    /// Words of a stack that are addresses in kernel or module code, from the top down.
    ///
    /// A word that looks like one can be a leftover or a saved function pointer: a scan proves
    /// nothing by itself.
    pub fn code_words(&self, stack: &Stack) -> Vec<CodeWord> {
        let name = |(at, word)| {
            let value = VirtAddr(word);
            if !self.may_be_code(value) {
                return None;
            }
            self.locate(value).map(|location| CodeWord {
                at,
                value,
                location,
            })
        };
        stack.from_top().filter_map(name).collect()
    }

    /// Whether an address lies in the kernel's text or in a module's.
    pub fn may_be_code(&self, at: VirtAddr) -> bool {
        if let Some((start, end)) = self.text_range()
            && (start..end).contains(&at)
        {
            return true;
        }
        self.modules().containing(at).is_some()
    }

    /// `_stext` to `_etext`.
    pub fn text_range(&self) -> Option<(VirtAddr, VirtAddr)> {
        // Asked for every word of a stack.
        *self.text_range.get_or_init(|| {
            let symbols = self.symbols().ok()?;
            Some((
                symbols.get("_stext")?.address,
                symbols.get("_etext")?.address,
            ))
        })
    }
}

/// Bytes of one of the stacks in storage of `size` bytes: a page or more (`EXCEPTION_STKSZ`).
fn one_stack(size: u64) -> Option<u64> {
    let fits = |count: u64| {
        let one = size / count;
        (size.is_multiple_of(count) && one.is_power_of_two() && (0x1000..=MAX_STACK).contains(&one))
            .then_some(one)
    };
    fits(4).or_else(|| fits(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_one_exception_stack_follows_from_the_storage() {
        assert_eq!(one_stack(0x8000), Some(0x2000));
        assert_eq!(one_stack(0x4000), Some(0x1000));
        assert_eq!(one_stack(5 * 0x1000), Some(0x1000));
        assert_eq!(one_stack(0x3000), None);
        assert_eq!(one_stack(0), None);
    }
}
