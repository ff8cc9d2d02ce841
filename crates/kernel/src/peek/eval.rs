//! Evaluating an expression: which place in memory it names, and of which type.

use std::sync::Arc;

use virtopsy_debuginfo::{Tag, Type, TypeId, TypeSource, TypeSourceExt as _, VirtAddr};

use super::globals::GLOBALS;
use super::parse::{Expression, TypeName, parse, parse_type};
use crate::cpu::CpuId;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::module::Module;
use crate::nearest::nearest;
use crate::object::{Object, TypeRef};
use crate::symbols::SymbolOrigin;

/// Most elements of a range, and most bytes of a hex dump.
const MAX_RANGE: u64 = 4096;
/// Most bytes that are shown of a variable whose type nobody knows.
const UNTYPED: u64 = 64;
/// What is said of one.
const ASK_FOR_CAST: &str = "its type is not known: cast it, for example '(int)NAME'";

/// A type with stars behind it that its source need not know.
#[derive(Clone, Debug)]
pub(super) struct Pointed {
    /// `None`: `void`.
    pub(super) ty: Option<TypeRef>,
    pub(super) stars: u32,
}

/// What an expression came to.
#[derive(Clone, Debug)]
pub(super) enum Item<'k> {
    /// Something of a known type in memory.
    Object(Object<'k>),
    /// A pointer: where it stands in memory, unless it was computed, what it says, and what it
    /// points to.
    Pointer {
        at: Option<VirtAddr>,
        to: VirtAddr,
        target: Pointed,
    },
    /// Some elements, by number.
    Elements { first: u64, items: Vec<Item<'k>> },
    /// An array that the types do not know as one; `None`: nobody knows how long it is.
    Table {
        first: Object<'k>,
        count: Option<u64>,
    },
    /// A number.
    Number(u64),
    /// Bytes without a type; `whole` says that there is no more.
    Bytes {
        at: VirtAddr,
        len: u64,
        why: Option<String>,
    },
}

pub(super) struct Evaluator<'k> {
    kernel: &'k Kernel,
}

impl<'k> Evaluator<'k> {
    pub(super) fn new(kernel: &'k Kernel) -> Self {
        Evaluator { kernel }
    }

    pub(super) fn eval(&self, expression: &Expression) -> Result<Item<'k>> {
        match expression {
            Expression::Number(number) => Ok(Item::Number(*number)),
            Expression::Bytes(at, len) if *len <= MAX_RANGE => Ok(Item::Bytes {
                at: VirtAddr(*at),
                len: *len,
                why: None,
            }),
            Expression::Bytes(at, len) => Err(refused(
                VirtAddr(*at),
                format!("{len} bytes, more than {MAX_RANGE}"),
            )),
            Expression::Variable { module, name } => self.variable(module.as_deref(), name, None),
            Expression::PerCpu { module, name, cpu } => {
                self.variable(module.as_deref(), name, Some(CpuId(*cpu)))
            }
            Expression::Member(of, name) => self.member(self.eval(of)?, name),
            Expression::Index(of, index) => self.element(&self.eval(of)?, *index),
            Expression::Range(of, from, to) => self.range(&self.eval(of)?, *from, *to),
            Expression::Deref(of) => self.deref(self.eval(of)?),
            Expression::AddressOf(of) => address_of(self.eval(of)?),
            Expression::Cast(ty, of) => self.cast(ty, &self.eval(of)?),
        }
    }

    fn variable(&self, module: Option<&str>, name: &str, cpu: Option<CpuId>) -> Result<Item<'k>> {
        let kernel = self.kernel;
        let (module, symbol, size) = self.symbol(module, name)?;
        let at = match cpu {
            Some(cpu) => kernel.cpus()?.address(symbol, cpu)?,
            None => symbol,
        };
        let source = match module {
            Some(module) => module.types(kernel),
            None => kernel.types(),
        };
        let source = match source {
            Ok(source) => source,
            Err(e) => return Ok(untyped(at, size, &e.to_string())),
        };
        // BTF knows few variables, DWARF all of them.
        let dwarf = module.is_none().then(|| kernel.dwarf()).flatten();
        for source in [Some(source), dwarf].into_iter().flatten() {
            if let Some(variable) = source.variable(name).ok().flatten() {
                let ty = TypeRef {
                    source: source.clone(),
                    id: variable.type_id,
                };
                return Ok(Item::Object(Object::new(kernel.space(), at, ty)));
            }
        }
        let known = self.by_table(source, name, at, size);
        Ok(known.unwrap_or_else(|| untyped(at, size, ASK_FOR_CAST)))
    }

    /// A symbol of the module that is named, else of the kernel, else of any module; and its size,
    /// where the table proves it. kallsyms has no sizes: what is said to be one there reaches to the
    /// next symbol.
    fn symbol(
        &self,
        scope: Option<&str>,
        name: &str,
    ) -> Result<(Option<&'k Module>, VirtAddr, Option<u64>)> {
        let kernel = self.kernel;
        let list = kernel.modules();
        let of_module = |module: &'k Module| {
            let symbols = module.symbols(kernel).ok()?;
            let found = virtopsy_debuginfo::SymbolSource::lookup(symbols, name);
            let symbol = found.first()?;
            Some((Some(module), symbol.address, symbol.size))
        };
        let missing = |known: Vec<String>| no_such("symbol", name, known);
        if let Some(scope) = scope {
            let module = list.get(scope).ok_or_else(|| {
                let names = list.modules.iter().map(|m| &m.name);
                no_such("module", scope, nearest(scope, names))
            })?;
            return of_module(module).ok_or_else(|| {
                let mut names = Vec::new();
                names_of_module(kernel, module, &mut |other| names.push(other.to_owned()));
                missing(nearest(name, names))
            });
        }
        let symbols = kernel.symbols()?;
        if let Some(symbol) = symbols.get(name) {
            let proven = symbols.origin() == SymbolOrigin::Vmlinux;
            return Ok((None, symbol.address, symbol.size.filter(|_| proven)));
        }
        list.modules.iter().find_map(of_module).ok_or_else(|| {
            let mut names = Vec::new();
            symbols.for_each(&mut |other, _, _| names.push(other.to_owned()));
            missing(nearest(name, names))
        })
    }

    /// By the built-in table: of several types, the one whose size is the symbol's.
    fn by_table(
        &self,
        source: &Arc<dyn TypeSource>,
        name: &str,
        at: VirtAddr,
        size: Option<u64>,
    ) -> Option<Item<'k>> {
        let candidates = GLOBALS.iter().filter(|(known, _)| *known == name);
        let parsed = candidates.filter_map(|(_, text)| {
            let (text, is_array) = match text.strip_suffix("[]") {
                Some(element) => (element, true),
                None => (*text, false),
            };
            let written = parse_type(text)?;
            let pointed = self.find_type(source, &written).ok()?;
            let known = match &pointed {
                Pointed { stars: 1.., .. } => Some(8),
                Pointed { ty: Some(ty), .. } => ty.source.size_of(ty.id).ok(),
                Pointed { ty: None, .. } => None,
            };
            Some((pointed, known, is_array))
        });
        let mut parsed: Vec<(Pointed, Option<u64>, bool)> = parsed.collect();
        let fitting = parsed
            .iter()
            .position(|(_, known, _)| known.is_some() && *known == size);
        let (pointed, known, is_array) = match fitting {
            Some(index) => parsed.swap_remove(index),
            None => parsed.into_iter().next()?,
        };
        let first = match self.place(at, pointed).ok()? {
            Item::Object(first) => first,
            other => return Some(other),
        };
        Some(if is_array {
            let count = size
                .zip(known)
                .and_then(|(size, one)| size.checked_div(one));
            Item::Table { first, count }
        } else {
            Item::Object(first)
        })
    }

    /// What stands at `at`.
    fn place(&self, at: VirtAddr, mut pointed: Pointed) -> Result<Item<'k>> {
        let space = self.kernel.space();
        if pointed.stars > 0 {
            pointed.stars -= 1;
            let to = space.pointer(at)?;
            return Ok(Item::Pointer {
                at: Some(at),
                to,
                target: pointed,
            });
        }
        match pointed.ty {
            Some(ty) => Ok(Item::Object(Object::new(space, at, ty))),
            None => Ok(untyped(at, None, "void")),
        }
    }

    /// A type by name: in `source`, else in the kernel's types, else in a module's.
    fn find_type(&self, source: &Arc<dyn TypeSource>, written: &TypeName) -> Result<Pointed> {
        let stars = written.stars;
        if written.name == "void" {
            return Ok(Pointed { ty: None, stars });
        }
        let kernel = self.kernel;
        if let Some(id) = lookup(&**source, &written.name)? {
            return Ok(Pointed {
                ty: Some(TypeRef {
                    source: source.clone(),
                    id,
                }),
                stars,
            });
        }
        let modules = kernel
            .modules()
            .modules
            .iter()
            .filter_map(|m| m.types_at_hand(kernel));
        for source in kernel.types().into_iter().chain(modules) {
            if let Some(id) = lookup(&**source, &written.name)? {
                return Ok(Pointed {
                    ty: Some(TypeRef {
                        source: source.clone(),
                        id,
                    }),
                    stars,
                });
            }
        }
        Err(no_such(
            "type",
            &written.name,
            self.near_types(&written.name),
        ))
    }

    /// Types of the kernel's BTF with names like this one.
    fn near_types(&self, name: &str) -> Vec<String> {
        let Some(btf) = self.kernel.btf() else {
            return Vec::new();
        };
        let bare = TAGS
            .iter()
            .find_map(|(word, _)| name.strip_prefix(word))
            .unwrap_or(name);
        let names = btf.ids().filter_map(|id| match btf.describe(id).ok()? {
            Type::Struct { name, .. } | Type::Enum { name, .. } => name,
            Type::Typedef { name, .. } | Type::Int { name, .. } => Some(name),
            _ => None,
        });
        nearest(bare, names)
    }

    fn cast(&self, written: &TypeName, item: &Item<'k>) -> Result<Item<'k>> {
        let source = match item {
            Item::Object(object) => object.ty.source.clone(),
            _ => self.kernel.types()?.clone(),
        };
        let mut pointed = self.find_type(&source, written)?;
        if pointed.stars == 0 {
            return match item {
                Item::Object(object) => self.place(object.address, pointed),
                Item::Bytes { at, .. } | Item::Pointer { at: Some(at), .. } => {
                    self.place(*at, pointed)
                }
                Item::Number(at) => self.place(VirtAddr(*at), pointed),
                _ => Err(refused(
                    VirtAddr(0),
                    "only what is in memory can be cast".into(),
                )),
            };
        }
        pointed.stars -= 1;
        let (at, to) = match item {
            Item::Number(number) => (None, VirtAddr(*number)),
            Item::Pointer { at, to, .. } => (*at, *to),
            Item::Object(object) => match object.resolved()? {
                // An array is the address of its first element, as in C.
                Type::Array { .. } => (None, object.address),
                _ => (Some(object.address), VirtAddr(object.u64()?)),
            },
            Item::Table { first, .. } => (None, first.address),
            Item::Bytes { at, .. } => (Some(*at), self.kernel.space().pointer(*at)?),
            Item::Elements { .. } => {
                return Err(refused(VirtAddr(0), "a range can't be cast".into()));
            }
        };
        Ok(Item::Pointer {
            at,
            to,
            target: pointed,
        })
    }

    /// A member; a pointer is followed, whether by `.` or `->`.
    fn member(&self, item: Item<'k>, name: &str) -> Result<Item<'k>> {
        match item {
            Item::Object(object) => match object.resolved()? {
                Type::Pointer { .. } => {
                    let target = object.deref()?.ok_or_else(|| null(object.address))?;
                    Ok(Item::Object(target.field(name)?))
                }
                _ => Ok(Item::Object(object.field(name)?)),
            },
            Item::Elements { first, items } => {
                let items = items.into_iter().map(|item| self.member(item, name));
                Ok(Item::Elements {
                    first,
                    items: items.collect::<Result<_>>()?,
                })
            }
            Item::Table { first, .. } => Ok(Item::Object(first.field(name)?)),
            pointer @ Item::Pointer { .. } => {
                let target = self.deref(pointer)?;
                self.member(target, name)
            }
            Item::Number(n) => Err(refused(
                VirtAddr(n),
                "a number has no members: cast it".into(),
            )),
            Item::Bytes { at, why, .. } => Err(refused(
                at,
                why.unwrap_or_else(|| "bytes have no members".into()),
            )),
        }
    }

    fn deref(&self, item: Item<'k>) -> Result<Item<'k>> {
        match item {
            Item::Pointer {
                at,
                to: VirtAddr(0),
                ..
            } => Err(null(at.unwrap_or(VirtAddr(0)))),
            Item::Pointer { to, target, .. } => self.place(to, target),
            Item::Object(object) => match object.resolved()? {
                Type::Array { .. } => Ok(Item::Object(object.index(0)?)),
                _ => Ok(Item::Object(
                    object.deref()?.ok_or_else(|| null(object.address))?,
                )),
            },
            Item::Table { first, .. } => Ok(Item::Object(first)),
            Item::Number(n) => Err(refused(
                VirtAddr(n),
                "a number is no pointer: cast it".into(),
            )),
            Item::Bytes { at, .. } => Err(refused(
                at,
                "what this points to is not known: cast it".into(),
            )),
            Item::Elements { .. } => Err(refused(VirtAddr(0), "a range is no pointer".into())),
        }
    }

    fn element(&self, item: &Item<'k>, index: u64) -> Result<Item<'k>> {
        match item {
            Item::Object(object) => match object.resolved()? {
                Type::Pointer { target, .. } => {
                    let first = object.deref()?.ok_or_else(|| null(object.address))?;
                    let step = first.ty.source.size_of(target)?;
                    Ok(Item::Object(moved(first, step, index)))
                }
                _ => Ok(Item::Object(object.index(index)?)),
            },
            Item::Pointer {
                at,
                to: VirtAddr(0),
                ..
            } => Err(null(at.unwrap_or(VirtAddr(0)))),
            Item::Pointer { to, target, .. } => {
                let step = match (&target.ty, target.stars) {
                    (_, 1..) => 8,
                    (Some(ty), 0) => ty.source.size_of(ty.id)?,
                    (None, 0) => return Err(refused(*to, "void has no size: cast it".into())),
                };
                let at = VirtAddr(to.0.wrapping_add(step.wrapping_mul(index)));
                self.place(at, target.clone())
            }
            Item::Table { first, count } if count.is_none_or(|count| index < count) => {
                let step = first.size()?;
                Ok(Item::Object(moved(first.clone(), step, index)))
            }
            Item::Table { first, count } => {
                let count = count.unwrap_or(0);
                Err(refused(first.address, format!("index {index} of {count}")))
            }
            Item::Elements { first, items } => {
                let inside = index
                    .checked_sub(*first)
                    .and_then(|i| items.get(usize::try_from(i).ok()?));
                inside
                    .cloned()
                    .ok_or_else(|| refused(VirtAddr(index), "not in the range".into()))
            }
            Item::Number(_) | Item::Bytes { .. } => {
                Err(refused(VirtAddr(0), "this has no elements: cast it".into()))
            }
        }
    }

    fn range(&self, item: &Item<'k>, from: u64, to: u64) -> Result<Item<'k>> {
        if to.saturating_sub(from) > MAX_RANGE {
            return Err(refused(
                VirtAddr(0),
                format!("a range of more than {MAX_RANGE}"),
            ));
        }
        let items = (from..to)
            .map(|index| self.element(item, index))
            .collect::<Result<_>>()?;
        Ok(Item::Elements { first: from, items })
    }
}

/// A pointer to what stands in memory.
fn address_of(item: Item<'_>) -> Result<Item<'_>> {
    let pointed = |ty: Option<TypeRef>, stars| Pointed { ty, stars };
    let (to, target) = match item {
        Item::Object(object) | Item::Table { first: object, .. } => {
            (object.address, pointed(Some(object.ty), 0))
        }
        Item::Bytes { at, .. } => (at, pointed(None, 0)),
        Item::Pointer {
            at: Some(at),
            target,
            ..
        } => (at, pointed(target.ty, target.stars.saturating_add(1))),
        Item::Pointer { at: None, .. } | Item::Number(_) | Item::Elements { .. } => {
            let why = "only what stands in memory has an address".into();
            return Err(refused(VirtAddr(0), why));
        }
    };
    Ok(Item::Pointer {
        at: None,
        to,
        target,
    })
}

fn moved(mut object: Object<'_>, step: u64, index: u64) -> Object<'_> {
    object.address = VirtAddr(object.address.0.wrapping_add(step.wrapping_mul(index)));
    object
}

fn untyped<'k>(at: VirtAddr, size: Option<u64>, why: &str) -> Item<'k> {
    Item::Bytes {
        at,
        // A width that nothing proves is none.
        len: size.unwrap_or(0).min(UNTYPED),
        why: Some(why.to_owned()),
    }
}

fn no_such(what: &'static str, name: &str, nearest: Vec<String>) -> Error {
    Error::NoSuch {
        what,
        name: name.to_owned(),
        known: (!nearest.is_empty()).then(|| format!("near to it are {}", nearest.join(", "))),
    }
}

/// The names of a module's symbols.
fn names_of_module(kernel: &Kernel, module: &Module, take: &mut dyn FnMut(&str)) {
    use virtopsy_debuginfo::SymbolSource as _;
    if let Ok(symbols) = module.symbols(kernel) {
        symbols.for_each(&mut |name, _, _| take(name));
    }
}

fn null(at: VirtAddr) -> Error {
    Error::Implausible {
        what: "a pointer".into(),
        at,
        found: "null".into(),
    }
}

fn refused(at: VirtAddr, found: String) -> Error {
    Error::Implausible {
        what: "a step of the expression".into(),
        at,
        found,
    }
}

/// The words before the name of a type, and what they say.
const TAGS: [(&str, Tag); 3] = [
    ("struct ", Tag::Struct),
    ("union ", Tag::Union),
    ("enum ", Tag::Enum),
];

/// A type by its name in C.
fn lookup(source: &dyn TypeSource, name: &str) -> Result<Option<TypeId>> {
    for (word, tag) in &TAGS {
        if let Some(bare) = name.strip_prefix(word) {
            return Ok(source.find(*tag, bare)?);
        }
    }
    for tag in [Tag::Typedef, Tag::Base, Tag::Struct, Tag::Union, Tag::Enum] {
        if let Some(id) = source.find(tag, compilers_name(name))? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// What GCC and clang call an arithmetic type in debug information.
fn compilers_name(name: &str) -> &str {
    match name {
        "unsigned" => "unsigned int",
        "long" => "long int",
        "unsigned long" => "long unsigned int",
        "long long" => "long long int",
        "unsigned long long" => "long long unsigned int",
        "short" => "short int",
        "unsigned short" => "short unsigned int",
        "bool" => "_Bool",
        other => other,
    }
}

/// Names that the expression may go on with: members behind a `.` or `->`, else symbols.
pub(super) fn completions(kernel: &Kernel, text: &str, limit: usize) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let start = text.rfind(|c: char| !is_name(c)).map_or(0, |at| {
        at.saturating_add(
            text.get(at..)
                .and_then(|t| t.chars().next())
                .map_or(1, char::len_utf8),
        )
    });
    let (before, word) = text.split_at_checked(start).unwrap_or((text, ""));
    let path = before
        .strip_suffix("->")
        .or_else(|| before.strip_suffix('.'));
    let mut found = match path {
        Some(path) => members(kernel, path, word),
        None => symbols(kernel, before.strip_suffix(':'), word, limit),
    };
    found.sort();
    found.dedup();
    found.truncate(limit);
    found
}

fn members(kernel: &Kernel, path: &str, prefix: &str) -> Vec<String> {
    // A cast of a path binds less than its steps: what counts is the path behind the last one.
    let Ok(expression) = parse(path) else {
        return Vec::new();
    };
    let Ok(item) = Evaluator::new(kernel).eval(&expression) else {
        return Vec::new();
    };
    let ty = match item {
        Item::Object(object) => object.ty,
        Item::Table { first, .. } => first.ty,
        Item::Pointer {
            target: Pointed {
                ty: Some(ty),
                stars: 0,
            },
            ..
        } => ty,
        _ => return Vec::new(),
    };
    let mut names = Vec::new();
    let id = match ty.source.resolve(ty.id) {
        Ok((_, Type::Pointer { target, .. })) => target,
        _ => ty.id,
    };
    member_names(&*ty.source, id, &mut 512, &mut names);
    names.retain(|name| name.starts_with(prefix));
    names
}

/// Names of the members, those of anonymous members too; `types` is how many may be looked into.
fn member_names(source: &dyn TypeSource, id: TypeId, types: &mut u32, out: &mut Vec<String>) {
    let mut queue = vec![id];
    while let Some(id) = queue.pop() {
        let Some(left) = types.checked_sub(1) else {
            return;
        };
        *types = left;
        let Ok((_, Type::Struct { members, .. })) = source.resolve(id) else {
            continue;
        };
        for member in members.iter() {
            if member.name.is_empty() {
                queue.push(member.type_id);
            } else {
                out.push(member.name.clone());
            }
        }
    }
}

fn symbols(kernel: &Kernel, module: Option<&str>, prefix: &str, limit: usize) -> Vec<String> {
    let mut out = Vec::new();
    if prefix.is_empty() && module.is_none() {
        return out;
    }
    let mut take = |name: &str| {
        if name.starts_with(prefix) && out.len() < limit.saturating_mul(16).min(1 << 16) {
            out.push(name.to_owned());
        }
    };
    let scope = module.map(|text| {
        let start = text
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .map_or(0, |i| i + 1);
        text.get(start..).unwrap_or_default()
    });
    match scope {
        Some(scope) => {
            if let Some(module) = kernel.modules().get(scope) {
                names_of_module(kernel, module, &mut take);
            }
        }
        None => {
            if let Ok(symbols) = kernel.symbols() {
                symbols.for_each(&mut |name, _, _| take(name));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_built_in_table_can_be_read() {
        for (name, ty) in GLOBALS {
            let element = ty.strip_suffix("[]").unwrap_or(ty);
            assert!(parse_type(element).is_some(), "{name}: {ty}");
        }
    }
}
