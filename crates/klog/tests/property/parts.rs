//! What reports are made of: names as the kernel has them, and stranger ones.

use proptest::prelude::*;
use virtopsy_klog::{Frame, Lock, TaskRef};

use super::printer::Style;

/// The ingredients of one report.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) style: Style,
    pub(crate) task: TaskRef,
    pub(crate) cpu: u32,
    /// Different classes.
    pub(crate) locks: Vec<Lock>,
    /// How many of a report's locks are held.
    pub(crate) held: usize,
    /// How many links a chain has.
    pub(crate) links: usize,
    pub(crate) frames: Vec<Frame>,
    pub(crate) number: u64,
    pub(crate) flag: bool,
}

fn comm() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,15}",
        "kworker/u[0-9]:[0-9]",
        "[A-Za-z0-9(^_]([ -~]{0,13}[A-Za-z0-9)_*/:])?",
    ]
}

fn class_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_]{1,16}lock",
        "&[a-z]{1,8}->[a-z_]{1,12}",
        r"&\([a-z]{1,4}\)->[a-z]{1,8}",
        r"\(work_completion\)\(&\(&[a-z]{1,6}->dwork\)->work\)",
        r"\(wq_completion\)[a-z]{1,5}-[a-z0-9%]{1,8}",
        r"per_cpu_ptr\(&[a-z_]{1,10}, cpu\)",
        r"&q->q_usage_counter\(io\)",
        r"\(console_sem\)\.lock",
        r"[a-z_]{1,6}\[[a-z0-9+]{1,4}\]\.[a-z]{1,6}",
        "[A-Za-z0-9_&(*]([A-Za-z0-9_&>().\\[\\] ,:*+-]{0,24}[a-z0-9)\\]])?",
    ]
}

fn symbol_name() -> impl Strategy<Value = String> {
    (
        "[a-z_][a-z0-9_]{2,20}",
        prop_oneof![
            6 => Just(""),
            1 => Just(".isra.0"),
            1 => Just(".cold"),
            1 => Just(".constprop.0"),
        ],
    )
        .prop_map(|(name, suffix)| format!("{name}{suffix}"))
}

fn module() -> impl Strategy<Value = Option<String>> {
    proptest::option::weighted(0.3, "[a-z][a-z0-9_]{0,11}")
}

fn frame() -> impl Strategy<Value = Frame> {
    (symbol_name(), module(), 1u32..0x2000, 1u32..0x2000).prop_map(
        |(function, module, offset, more)| Frame {
            function,
            offset: Some(format!("{offset:#x}")),
            size: Some(format!("{:#x}", offset + more)),
            module,
            reliable: true,
            ..Frame::default()
        },
    )
}

fn lock() -> impl Strategy<Value = Lock> {
    let suffixes = (
        proptest::option::weighted(0.2, 2u32..100),
        proptest::option::weighted(0.2, 1u32..8),
    );
    (
        class_name(),
        suffixes,
        "[.?+-]{4}",
        0u64..1 << 46,
        (0u8..6, 0u8..6),
        frame(),
    )
        .prop_map(
            |(class, (version, subclass), usage, address, (outer, inner), at)| {
                let mut name = class.clone();
                if let Some(v) = version {
                    name.push_str(&format!("#{v}"));
                }
                if let Some(s) = subclass {
                    name.push_str(&format!("/{s}"));
                }
                Lock {
                    address: Some(format!("{:#x}", 0xffff_8000_0000_0000 + address)),
                    name,
                    class,
                    version,
                    subclass,
                    usage: Some(usage),
                    wait: Some(format!("{outer}:{inner}")),
                    at: Some(super::printer::Printer::symbol(&at)),
                }
            },
        )
}

pub(crate) fn parts() -> impl Strategy<Value = Parts> {
    let who = (comm(), -1i64..70_000, 0u32..512);
    let sizes = (0usize..5, 2usize..5, 0u64..1 << 40, any::<bool>());
    let pieces = (
        proptest::collection::vec(lock(), 8),
        proptest::collection::vec(frame(), 16),
    );
    (
        proptest::sample::select(&Style::ALL[..]),
        who,
        sizes,
        pieces,
    )
        .prop_map(
            |(style, (comm, pid, cpu), (held, links, number, flag), (locks, frames))| Parts {
                style,
                task: TaskRef { comm, pid },
                cpu,
                locks,
                held,
                links,
                frames,
                number,
                flag,
            },
        )
}
