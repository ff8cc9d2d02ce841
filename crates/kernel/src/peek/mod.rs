//! Reading memory by name: an expression such as `percpu(svm_data, 2).save_area_pa` becomes a tree
//! of typed values.
//!
//! ```text
//!  text ─► parse ─► Expression ─► eval ─► a place and its type ─► value ─► Node (plain data)
//! ```

mod eval;
mod globals;
mod parse;
mod value;

pub use parse::{Expression, ParseError, parse};
pub use value::{Node, Value};

use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// How much of a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeekLimits {
    /// Levels of structures inside structures.
    pub depth: u32,
    /// Elements of an array that was not asked for by range.
    pub elements: u64,
    /// Values in all.
    pub nodes: usize,
}

impl Default for PeekLimits {
    fn default() -> Self {
        PeekLimits {
            depth: 3,
            elements: 64,
            nodes: 4096,
        }
    }
}

impl Kernel {
    /// Evaluates an expression.
    ///
    /// ```text
    ///  init_task.tasks.next              a variable, its members; -> and . mean the same
    ///  percpu(cpu_tlbstate, 2).cr4       a CPU's copy of a per-CPU variable
    ///  kvm:vm_list                       a variable of the module kvm
    ///  (struct task_struct *)0xffff…     a cast; members of it may follow
    ///  ((struct kvm *)0xffff…)->vcpus[0..4]   elements 0 to 3
    ///  *init_task.stack                  what a pointer points to
    ///  &init_task.tasks                  where it is
    ///  0xffff…:64                        64 bytes as they are
    /// ```
    ///
    /// # Errors
    /// [`Error::Expression`] with the place in the text; whatever keeps a step from being read.
    pub fn peek(&self, text: &str, limits: PeekLimits) -> Result<Node> {
        let expression = parse(text).map_err(|e| Error::Expression {
            text: text.to_owned(),
            at: e.at,
            expected: e.expected.to_owned(),
        })?;
        let item = eval::Evaluator::new(self).eval(&expression)?;
        Ok(value::Reader::new(self, limits).read(text.trim(), &item))
    }

    /// How the expression may go on: names that begin as its last word does, at most `limit`,
    /// sorted. Empty where nothing fits, or what stands before can't be evaluated.
    pub fn peek_completions(&self, text: &str, limit: usize) -> Vec<String> {
        eval::completions(self, text, limit)
    }
}
