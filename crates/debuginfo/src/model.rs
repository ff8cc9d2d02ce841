//! The one model of types that BTF and DWARF are read into.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use crate::{Error, VirtAddr};

/// How many links a chain of typedefs and qualifiers, or a nest of arrays and
/// anonymous structures, may have before it counts as a cycle.
pub const MAX_CHAIN: u32 = 64;

/// The longest name that is read, in bytes. The kernel's own bound is
/// `KSYM_NAME_LEN`, 512 since 6.1; names of Rust types are longer.
pub const MAX_NAME: usize = 2048;

/// The most members or enumerators of one type (`BTF_MAX_VLEN` until 7.0).
pub const MAX_MEMBERS: usize = 0xffff;

/// A handle of a type. It means something only to the source that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u64);

impl TypeId {
    /// The type `void`, in every source.
    pub const VOID: Self = Self(0);
}

/// What kind of definition a name is looked up among. C keeps structures,
/// unions and enums in one space of names, typedefs and functions in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tag {
    /// `struct name`.
    Struct,
    /// `union name`.
    Union,
    /// `enum name`.
    Enum,
    /// `typedef … name`.
    Typedef,
    /// An arithmetic type such as `long unsigned int`, by the compiler's name.
    Base,
    /// A function.
    Func,
}

/// Where types came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypeOrigin {
    /// BTF: complete for types, knows only per-CPU variables.
    Btf,
    /// DWARF: types and variables.
    Dwarf,
}

impl std::fmt::Display for TypeOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Btf => "BTF",
            Self::Dwarf => "DWARF",
        })
    }
}

/// One member of a structure or union.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name; empty for an anonymous structure or union.
    pub name: String,
    /// Bits from the start of the structure to the member's lowest bit.
    pub bit_offset: u64,
    /// The width in bits of a bitfield; `None` for any other member.
    pub bit_size: Option<u32>,
    /// Its type.
    pub type_id: TypeId,
}

/// One parameter of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name; empty where the source has none.
    pub name: String,
    /// Its type.
    pub type_id: TypeId,
}

/// A type, one level deep: what it refers to is behind [`TypeId`]s.
/// Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Type {
    /// `void`.
    Void,
    /// An integer, a character or a boolean.
    Int {
        /// The compiler's name for it.
        name: String,
        /// Bytes.
        size: u64,
        /// Whether it has a sign.
        signed: bool,
        /// Whether it is `_Bool`.
        boolean: bool,
    },
    /// A floating-point number.
    Float {
        /// The compiler's name for it.
        name: String,
        /// Bytes.
        size: u64,
    },
    /// A pointer.
    Pointer {
        /// To what.
        target: TypeId,
        /// Bytes.
        size: u64,
    },
    /// One dimension of an array.
    Array {
        /// Of what.
        element: TypeId,
        /// How many; `None` for a flexible member and for `[0]`, which BTF
        /// cannot tell apart.
        count: Option<u64>,
    },
    /// A structure or union.
    Struct {
        /// Its tag; `None` if anonymous.
        name: Option<String>,
        /// Bytes.
        size: u64,
        /// In the order of the source.
        members: Arc<[Member]>,
        /// Whether it is a union.
        union: bool,
    },
    /// An enum.
    Enum {
        /// Its tag; `None` if anonymous.
        name: Option<String>,
        /// Bytes.
        size: u64,
        /// Whether values are signed. Values of an unsigned enum of eight bytes
        /// are given by their bit pattern.
        signed: bool,
        /// Names and values.
        enumerators: Arc<[(String, i64)]>,
    },
    /// Another name for a type.
    Typedef {
        /// The name.
        name: String,
        /// The type.
        target: TypeId,
    },
    /// `const`, `volatile`, `restrict`, `_Atomic`, or a type tag such as `__rcu`.
    Qualifier {
        /// The word in C; empty where there is none (a variable's type).
        word: Cow<'static, str>,
        /// The type that is qualified.
        target: TypeId,
    },
    /// A function or the type of one.
    Func {
        /// Its name; `None` for a type of functions.
        name: Option<String>,
        /// What it returns.
        result: TypeId,
        /// In order.
        params: Arc<[Param]>,
        /// Whether more arguments may follow (`...`).
        variadic: bool,
    },
    /// A declaration whose definition is not known to the source.
    Forward {
        /// The tag.
        name: String,
        /// Whether it is a union.
        union: bool,
    },
}

impl Type {
    /// The type in words, for messages: `struct task_struct`, `pointer`.
    #[must_use]
    pub fn label(&self) -> String {
        fn tagged(word: &str, name: Option<&String>) -> String {
            match name {
                Some(name) => format!("{word} {name}"),
                None => format!("anonymous {word}"),
            }
        }
        match self {
            Self::Void => "void".to_owned(),
            Self::Int { name, .. } | Self::Float { name, .. } | Self::Typedef { name, .. } => {
                name.clone()
            }
            Self::Pointer { .. } => "pointer".to_owned(),
            Self::Array {
                count: Some(count), ..
            } => format!("array of {count}"),
            Self::Array { count: None, .. } => "array of unknown length".to_owned(),
            Self::Struct {
                name, union: false, ..
            } => tagged("struct", name.as_ref()),
            Self::Struct {
                name, union: true, ..
            } => tagged("union", name.as_ref()),
            Self::Enum { name, .. } => tagged("enum", name.as_ref()),
            Self::Qualifier { .. } => "qualified type".to_owned(),
            Self::Func { name, .. } => tagged("function", name.as_ref()),
            Self::Forward { name, union: false } => format!("struct {name} (declared only)"),
            Self::Forward { name, union: true } => format!("union {name} (declared only)"),
        }
    }
}

/// A variable of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its type.
    pub type_id: TypeId,
    /// Its address as linked, before KASLR. For a module's file see
    /// [`ElfFile::section_at`](crate::ElfFile::section_at). `None` if the source
    /// does not know: a declaration, or any variable of BTF (what BTF knows is
    /// in [`Btf::section_of_variable`](crate::Btf::section_of_variable)).
    pub address: Option<VirtAddr>,
}

/// Where a member lies in the structure that the path started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bits from the start of the structure.
    pub bit_offset: u64,
    /// The member's type.
    pub type_id: TypeId,
    /// The width in bits of a bitfield; `None` for any other member.
    pub bit_size: Option<u32>,
}

impl Place {
    /// Bytes from the start of the structure; for a bitfield, of the byte that
    /// holds its lowest bit.
    #[must_use]
    pub fn byte_offset(&self) -> u64 {
        self.bit_offset >> 3
    }
}

/// A source of types: one kernel or one module, from BTF or DWARF.
///
/// `Ok(None)` is "this source has no such name". An error is damage.
pub trait TypeSource: Send + Sync + Debug {
    /// Where the types came from.
    fn origin(&self) -> TypeOrigin;

    /// The first complete definition of `name`; declarations do not count.
    fn find(&self, tag: Tag, name: &str) -> Result<Option<TypeId>, Error>;

    /// What `id` is.
    fn describe(&self, id: TypeId) -> Result<Type, Error>;

    /// The variable `name`. BTF knows per-CPU variables only.
    fn variable(&self, name: &str) -> Result<Option<Variable>, Error>;

    /// The value of the enumerator `name`, whichever enum it is in.
    fn enumerator(&self, name: &str) -> Result<Option<i64>, Error>;

    /// Names of structures, unions, enums and typedefs, in any order, each perhaps several times: of
    /// which a message chooses those that are like a name that is not there. Empty where the source
    /// has no list of its names.
    fn type_names(&self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    /// What [`Self::keep_place`] was told of a path from `id`, if it was kept.
    fn known_place(&self, _id: TypeId, _path: &str) -> Option<Place> {
        None
    }

    /// Is told where a path from `id` leads. A source that others ask may keep it: the same members
    /// are asked for again for each CPU, task and module.
    fn keep_place(&self, _id: TypeId, _path: &str, _place: Place) {}
}
