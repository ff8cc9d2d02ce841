//! Checkers built into the kernel: the sanitizers, hardening of lists, counters and copies.

use super::super::Begin::{At, Panic, Soft, SoftIn, With};
use super::super::{CrashKind, KindSpec, Nature};

/// The panic that any warning ends in where it is asked for.
pub(super) const WARN_ENDS: &[&str] = &["panic_on_warn set", "kernel: panic_on_warn set"];

pub(super) const SPECS: &[KindSpec] = &[
    KindSpec {
        kind: CrashKind::Kasan,
        id: "kasan",
        nature: Nature::Report,
        begins: &[At("BUG: KASAN"), With("BUG ", "kasan: bad access detected")],
        ends: &["panic_on_warn set", "kasan.fault"],
        burst: false,
        title: "KASAN: invalid memory access",
        sentence: |w| {
            format!(
                "{} accessed memory that it must not{}{}.",
                w.who, w.detail, w.place
            )
        },
        means: "KASAN knows of every byte whether it may be accessed. This one was freed, lies outside its object, or was never allocated.",
        next: "Compare the three stacks: who accessed, who allocated, who freed; the last two tell whose object it was.",
    },
    KindSpec {
        kind: CrashKind::Kfence,
        id: "kfence",
        nature: Nature::Report,
        begins: &[At("BUG: KFENCE")],
        ends: &["panic_on_warn set", "kfence.fault"],
        burst: false,
        title: "KFENCE: invalid memory access",
        sentence: |w| {
            format!(
                "{} accessed memory that it must not{}{}.",
                w.who, w.detail, w.place
            )
        },
        means: "KFENCE puts a sample of all allocations between guard pages; this one was accessed out of bounds or after it was freed.",
        next: "Compare the stacks of the access, the allocation and the free.",
    },
    KindSpec {
        kind: CrashKind::Kmsan,
        id: "kmsan",
        nature: Nature::Report,
        begins: &[At("BUG: KMSAN")],
        ends: &["panic_on_warn set", "panic_on_kmsan set", "kmsan.panic set"],
        burst: false,
        title: "KMSAN: use of an uninitialised value",
        sentence: |w| {
            format!(
                "{} used a value that was never set{}{}.",
                w.who, w.detail, w.place
            )
        },
        means: "A branch, an address or data for user space or a device depends on memory that nobody initialised.",
        next: "`Uninit was created at` says where the memory comes from, `was stored to memory at` the way it took.",
    },
    KindSpec {
        kind: CrashKind::Kcsan,
        id: "kcsan",
        nature: Nature::Report,
        begins: &[At("BUG: KCSAN")],
        ends: &["panic_on_warn set"],
        burst: false,
        title: "KCSAN: data race",
        sentence: |w| {
            format!(
                "Two CPUs accessed the same memory at the same time without synchronisation{}.",
                w.place
            )
        },
        means: "At least one access was a write and neither was marked (READ_ONCE, WRITE_ONCE, atomic): the compiler may tear or repeat it.",
        next: "Decide whether a lock is missing or the race is meant, and mark the accesses accordingly.",
    },
    KindSpec {
        kind: CrashKind::Ubsan,
        id: "ubsan",
        nature: Nature::Report,
        begins: &[At("UBSAN: ")],
        ends: &["panic_on_warn set"],
        burst: false,
        title: "UBSAN: undefined behaviour",
        sentence: |w| {
            format!(
                "{} did what C leaves undefined{}{}{}.",
                w.who, w.detail, w.place, w.source
            )
        },
        means: "An index out of bounds, a shift too far, a signed overflow or a misaligned pointer: the compiler may make anything of it.",
        next: "Read the line that is named and ask where the value comes from: often from a file system image, a packet or a device.",
    },
    KindSpec {
        kind: CrashKind::ListCorruption,
        id: "list-corruption",
        nature: Nature::Warn,
        begins: &[
            Soft("list_add corruption"),
            Soft("list_del corruption"),
            SoftIn("list_add corruption"),
            SoftIn("list_del corruption"),
            At("kernel BUG at lib/list_debug.c"),
        ],
        ends: &["panic_on_warn set", "Fatal exception", "Oops - "],
        burst: false,
        title: "list corruption",
        sentence: |w| {
            format!(
                "{} found a list whose links do not match{}.",
                w.who, w.place
            )
        },
        means: "An entry was added or removed twice, was freed while on the list, or its memory was overwritten.",
        next: "Look at whose list it is and which lock protects it; poison values say that the entry had been deleted or freed.",
    },
    KindSpec {
        kind: CrashKind::Refcount,
        id: "refcount",
        nature: Nature::Warn,
        begins: &[Soft("refcount_t: ")],
        ends: WARN_ENDS,
        burst: false,
        title: "reference counter out of range",
        sentence: |w| {
            format!(
                "{} took or dropped a reference that was not there to take{}{}.",
                w.who, w.detail, w.place
            )
        },
        means: "The counter went below zero, was raised from zero, or was saturated: somewhere a reference is dropped once too often, or taken too late.",
        next: "Find who gets and puts references of the object, error paths first.",
    },
    KindSpec {
        kind: CrashKind::Usercopy,
        id: "usercopy",
        nature: Nature::Warn,
        begins: &[
            Soft("usercopy: "),
            Soft("Bad or missing usercopy whitelist?"),
            At("kernel BUG at mm/usercopy.c"),
        ],
        ends: &["panic_on_warn set", "Fatal exception", "Oops - "],
        burst: false,
        title: "copy from or to user space out of bounds",
        sentence: |w| {
            format!(
                "{} was about to copy more than the object has to or from user space{}.",
                w.who, w.place
            )
        },
        means: "Hardened usercopy stopped a copy that leaves its slab object, its stack frame or its page, or whose cache has no whitelist for it.",
        next: "Check the length that is copied against the size of the object.",
    },
    KindSpec {
        kind: CrashKind::Odebug,
        id: "odebug",
        nature: Nature::Warn,
        begins: &[Soft("ODEBUG: ")],
        ends: WARN_ENDS,
        burst: false,
        title: "object misused in its life cycle",
        sentence: |w| {
            format!(
                "{} freed or set up an object that is still in use{}{}.",
                w.who, w.detail, w.place
            )
        },
        means: "A timer, work item, RCU head or the like was freed while active, initialised twice, or used before it was initialised.",
        next: "The hint names the object's callback; make sure that it is cancelled before its memory goes.",
    },
    KindSpec {
        kind: CrashKind::DmaApi,
        id: "dma-api",
        nature: Nature::Warn,
        begins: &[SoftIn("DMA-API: ")],
        ends: WARN_ENDS,
        burst: false,
        title: "misuse of the DMA API",
        sentence: |w| format!("A driver used the DMA API wrongly{}{}.", w.detail, w.place),
        means: "A mapping was freed with another size, direction or function than it was made with, was not checked, or was left behind.",
        next: "Compare the driver's map and unmap calls.",
    },
    KindSpec {
        kind: CrashKind::Cfi,
        id: "cfi",
        nature: Nature::Warn,
        begins: &[At("CFI failure")],
        ends: &[
            "panic_on_warn set",
            "Fatal exception",
            "Oops - ",
            "CFI failure",
        ],
        burst: false,
        title: "call through a pointer of the wrong type",
        sentence: |w| {
            format!(
                "{} called a function through a pointer whose type does not match{}.",
                w.who, w.place
            )
        },
        means: "Control-flow integrity checks each indirect call. The target's prototype differs, or the pointer was overwritten.",
        next: "Compare the prototype of the target with the type of the pointer.",
    },
    KindSpec {
        kind: CrashKind::StackProtector,
        id: "stack-protector",
        nature: Nature::Panic,
        begins: &[Panic("stack-protector: Kernel stack is corrupted")],
        ends: &[],
        burst: false,
        title: "stack frame overwritten",
        sentence: |w| {
            format!(
                "{} returned from a function whose stack frame had been overwritten{}.",
                w.who, w.place
            )
        },
        means: "The canary between the local variables and the return address has changed: an array on the stack was written past its end.",
        next: "Look at the arrays on the stack of the named function and of those that it passes them to.",
    },
];
