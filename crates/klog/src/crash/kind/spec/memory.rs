//! Memory: allocators and their debugging (mm/).

use super::super::Begin::{At, In, Panic, With};
use super::super::{CrashKind, KindSpec, Nature};

pub(super) const SPECS: &[KindSpec] = &[
    KindSpec {
        kind: CrashKind::BadPage,
        id: "bad-page",
        nature: Nature::Report,
        begins: &[
            At("BUG: Bad page state"),
            At("BUG: Bad page cache"),
            At("BUG: Bad page map"),
            At("BUG: Bad rss-counter"),
        ],
        ends: &["panic_on_warn set"],
        burst: false,
        title: "page in an impossible state",
        sentence: |w| {
            format!(
                "A page, its mapping or a counter of pages is in a state that cannot be{}.",
                w.place
            )
        },
        means: "A page was freed while in use, or with flags or a count that it must not have; or the counters of an address space do not add up.",
        next: "`page dumped because` says which check failed; page_owner, where it is on, says who allocated it.",
    },
    KindSpec {
        kind: CrashKind::SlabCorruption,
        id: "slab-corruption",
        nature: Nature::Report,
        begins: &[
            With("BUG ", "ainted"),
            With("BUG ", "Objects remaining"),
            At("slab error in "),
            With("SLUB ", "still has objects"),
        ],
        ends: &["panic_on_warn set"],
        burst: false,
        title: "slab object corrupted",
        sentence: |w| {
            format!(
                "An object of a slab cache is damaged, or was freed wrongly{}{}.",
                w.detail, w.place
            )
        },
        means: "Redzone, poison or free list of a slab object is not as it was left: written past its end, after free, or freed twice; or the cache was destroyed with objects left.",
        next: "Compare `Allocated in` and `Freed in`, and look at what the foreign bytes are.",
    },
    KindSpec {
        kind: CrashKind::Oom,
        id: "oom",
        nature: Nature::Report,
        begins: &[
            In(" invoked oom-killer"),
            Panic("Out of memory"),
            Panic("System is deadlocked on memory"),
        ],
        ends: &[
            "Out of memory",
            "System is deadlocked on memory",
            "out of memory",
        ],
        burst: false,
        title: "out of memory",
        sentence: |w| format!("{} found no memory, and the OOM killer ran.", w.who),
        means: "No memory could be freed for an allocation. The killer ends the process with the highest score, or the kernel panics if it must not.",
        next: "Look at the table of tasks (rss is in pages), at free and slab in Mem-Info, and at the limits of the cgroup that is named.",
    },
    KindSpec {
        kind: CrashKind::AllocFailure,
        id: "alloc-failure",
        nature: Nature::Report,
        begins: &[In(": page allocation failure")],
        ends: &["panic_on_warn set"],
        burst: false,
        title: "page allocation failure",
        sentence: |w| format!("{} asked for pages and got none{}.", w.who, w.place),
        means: "A high order, or an allocation that must not wait (GFP_ATOMIC): there was no such block, or too little free. Callers mostly cope.",
        next: "Look at the order: above 3 memory is fragmented rather than short.",
    },
    KindSpec {
        kind: CrashKind::Kmemleak,
        id: "kmemleak",
        nature: Nature::Report,
        begins: &[At("BUG: memory leak"), At("unreferenced object 0x")],
        ends: &[],
        burst: false,
        title: "memory leak",
        sentence: |w| {
            format!(
                "Memory that {} allocated{} is referenced by nothing.",
                w.who_inside, w.place
            )
        },
        means: "kmemleak found no pointer to an allocated object: it was never freed, or the only pointer to it is hidden.",
        next: "Follow the object from the function that allocated it through its error paths.",
    },
];
