//! How C declares something of a type.
//!
//! C writes a declaration around the name: `char comm[16]`, `int (*open)(struct inode *)`. What stands
//! before the name's part is the base, `char` and `int` here; the rest is the declarator.

use crate::model::MAX_CHAIN;
use crate::{Error, Type, TypeId, TypeSource};

/// The most parameters of one function that are written.
const MAX_PARAMETERS: usize = 64;

/// A declaration in C, in its two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// What stands first: `const struct list_head`, `unsigned int`, `struct` for an anonymous one.
    pub base: String,
    /// The name, with what makes it a pointer, an array or a function: `*next`, `comm[16]`.
    pub declarator: String,
    /// The type of the base, without qualifiers.
    pub base_type: TypeId,
    /// Whether the base is only pointed to, or given by a function.
    pub pointed: bool,
}

impl Declaration {
    /// How `name` is declared as something of type `id`. An empty name gives the type alone.
    ///
    /// # Errors
    /// As [`TypeSource::describe`]; [`Error::TooDeep`] where pointers, arrays and functions do not
    /// end.
    pub fn of(source: &dyn TypeSource, id: TypeId, name: &str) -> Result<Self, Error> {
        Writer { source, left: 256 }.declare(id, name)
    }
}

impl std::fmt::Display for Declaration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.base)?;
        if !self.declarator.is_empty() {
            write!(f, " {}", self.declarator)?;
        }
        Ok(())
    }
}

struct Writer<'s> {
    source: &'s dyn TypeSource,
    /// Links and parameters that may still be followed.
    left: u32,
}

impl Writer<'_> {
    fn step(&mut self, at: TypeId) -> Result<(), Error> {
        self.left = self.left.checked_sub(1).ok_or(Error::TooDeep {
            what: "a declaration",
            limit: MAX_CHAIN.into(),
            at: at.0,
        })?;
        Ok(())
    }

    fn declare(&mut self, id: TypeId, name: &str) -> Result<Declaration, Error> {
        let mut declarator = name.to_owned();
        // Qualifiers met since the last pointer: they belong to what comes next.
        let mut words: Vec<String> = Vec::new();
        let (mut starred, mut pointed) = (false, false);
        let mut at = id;
        loop {
            self.step(at)?;
            let ty = self.source.describe(at)?;
            if starred && matches!(ty, Type::Array { .. } | Type::Func { name: None, .. }) {
                declarator = format!("({declarator})");
            }
            match ty {
                Type::Qualifier { word, target } => {
                    if !word.is_empty() && !words.iter().any(|known| *known == word) {
                        words.push(word.into_owned());
                    }
                    at = target;
                    continue;
                }
                Type::Pointer { target, .. } => {
                    let qualified = words.drain(..).fold(String::new(), |all, w| all + &w + " ");
                    declarator = format!("*{qualified}{declarator}");
                    (starred, pointed) = (true, true);
                    at = target;
                    continue;
                }
                Type::Array { element, count } => {
                    let count = count.map(|count| count.to_string()).unwrap_or_default();
                    declarator = format!("{declarator}[{count}]");
                    at = element;
                }
                Type::Func {
                    name: None,
                    result,
                    params,
                    variadic,
                } => {
                    let mut all = Vec::new();
                    for param in params.iter().take(MAX_PARAMETERS) {
                        all.push(self.declare(param.type_id, "")?.to_string());
                    }
                    if variadic {
                        all.push("...".to_owned());
                    }
                    if all.is_empty() {
                        all.push("void".to_owned());
                    }
                    declarator = format!("{declarator}({})", all.join(", "));
                    pointed = true;
                    at = result;
                }
                other => {
                    words.push(plain(&other));
                    return Ok(Declaration {
                        base: words.join(" "),
                        declarator: declarator.trim_end().to_owned(),
                        base_type: at,
                        pointed,
                    });
                }
            }
            starred = false;
        }
    }
}

/// The name of a type that is no pointer, array, function type or qualifier.
fn plain(ty: &Type) -> String {
    match ty {
        Type::Struct {
            name: None, union, ..
        } => if *union { "union" } else { "struct" }.to_owned(),
        Type::Enum { name: None, .. } => "enum".to_owned(),
        Type::Forward { name, union } => {
            format!("{} {name}", if *union { "union" } else { "struct" })
        }
        other => other.label(),
    }
}
