//! Panics that no other report explains (kernel/panic.c and its callers).

use super::super::Begin::Panic;
use super::super::{CrashKind, KindSpec, Nature};

pub(super) const SPECS: &[KindSpec] = &[
    KindSpec {
        kind: CrashKind::InitDied,
        id: "init-died",
        nature: Nature::Panic,
        begins: &[Panic("Attempted to kill init")],
        ends: &[],
        burst: false,
        title: "the first process ended",
        sentence: |w| {
            format!(
                "The first process (init){} ended, and the kernel cannot go on without it.",
                w.detail
            )
        },
        means: "PID 1 exited or was killed by a signal. In the exit code the low byte is the signal (0x0b: a segmentation fault), the next one the exit status.",
        next: "Look at what init printed before, at a missing or broken program on the root file system, and at segfault lines.",
    },
    KindSpec {
        kind: CrashKind::NoRoot,
        id: "no-root",
        nature: Nature::Panic,
        begins: &[
            Panic("VFS: Unable to mount root fs"),
            Panic("VFS: Unable to mount root"),
        ],
        ends: &[],
        burst: false,
        title: "no root file system",
        sentence: |w| {
            format!(
                "The kernel could not mount its root file system{}.",
                w.detail
            )
        },
        means: "The device named by root= is not there (a missing driver or initramfs), or holds no file system that the kernel knows.",
        next: "Compare root= with the partitions listed just before the panic.",
    },
    KindSpec {
        kind: CrashKind::Panic,
        id: "panic",
        nature: Nature::Panic,
        begins: &[Panic("")],
        ends: &[],
        burst: false,
        title: "panic",
        sentence: |w| format!("The kernel panicked{}{}.", w.detail, w.place),
        means: "panic() was called and no other report in the log says why, or the report's head is lost.",
        next: "The text after `not syncing:` names the caller's reason; the trace names the caller.",
    },
];
