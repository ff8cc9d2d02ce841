//! A sample with a few words changed: written again with plain pages; a word is found by its
//! symbol, through the kernel's own page tables, and changed in place.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../../../../tests/support/apart.rs"]
mod apart;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use apart::take_apart;
use virtopsy::report::{CheckVerdict, CpuState, DumpReport, Reason};
use virtopsy::{CheckId, DumpSpec, Options, examine};
use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{CpuId, Kernel, KernelOptions};
use virtopsy_testkit::{Elf, Kdump, KdumpBytes, Note};
use virtopsy_vmcore::{Dump, OpenOptions};

/// AMD: CPU 2 never took the crash NMI.
pub(crate) const STUCK: &str = "svm-stuck-cpu2.kdump";
/// AMD: CPU 1 crashed, CPU 3 was offline.
pub(crate) const OFFLINE: &str = "svm-offline-cpu3.kdump";
/// Intel, without types: CPU 1 crashed.
pub(crate) const VMX: &str = "vmx-off.kdump";

/// Intel, with types: CPU 1 crashed, CPU 2 stood in another NMI handler and stayed in VMX operation.
pub(crate) const VMX_STUCK: &str = "vmx-stuck-cpu2.kdump";

/// A sample that can be edited.
pub(crate) struct Edited {
    dir: tempfile::TempDir,
    built: KdumpBytes,
    pub(crate) kernel: Kernel,
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../samples")
        .join(name)
}

impl Edited {
    pub(crate) fn new(name: &str) -> Edited {
        Edited::with_notes(name, |_| {})
    }

    pub(crate) fn with_notes(name: &str, edit: impl FnOnce(&mut Vec<Note>)) -> Edited {
        let dump = Dump::open(&[sample(name)], &OpenOptions::default()).unwrap();
        let (memory, mut notes) = take_apart(&sample(name));
        edit(&mut notes);
        let plain = Kdump::new(memory).codec(None);
        let built = notes.into_iter().fold(plain, Kdump::note).build();
        let kernel = Kernel::open(Arc::new(dump), &KernelOptions::default()).unwrap();
        Edited {
            dir: tempfile::tempdir().unwrap(),
            built,
            kernel,
        }
    }

    pub(crate) fn write(&mut self, at: VirtAddr, bytes: &[u8]) -> &mut Self {
        let physical = self.kernel.space().translate(at).unwrap();
        let place = &self.built.places[&(physical.0 >> 12)];
        let start = place.data + (physical.0 & 0xfff) as usize;
        self.built.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn int(&mut self, symbol: &str, value: i32) -> &mut Self {
        let at = self.kernel.symbol(symbol).unwrap();
        self.write(at, &value.to_le_bytes())
    }

    pub(crate) fn pointer(&mut self, at: VirtAddr, value: u64) -> &mut Self {
        self.write(at, &value.to_le_bytes())
    }

    pub(crate) fn offline(&mut self, cpu: u32) -> &mut Self {
        let at = self.kernel.symbol("__cpu_online_mask").unwrap();
        let mask = self.kernel.space().u64(at).unwrap() & !(1 << cpu);
        self.write(at, &mask.to_le_bytes())
    }

    pub(crate) fn books(&mut self, cpu: u32, users: u32) -> &mut Self {
        let at = self
            .kernel
            .percpu("virtualization_nr_users", CpuId(cpu))
            .unwrap();
        self.write(at, &users.to_le_bytes());
        let kvm = self.kernel.modules().get("kvm").unwrap();
        let at = kvm
            .percpu(&self.kernel, "virtualization_enabled", CpuId(cpu))
            .unwrap();
        self.write(at, &[u8::from(users > 0)])
    }

    /// The word on a CPU's NMI stack that lies in the crash handler.
    pub(crate) fn parked_word(&self, cpu: u32) -> (VirtAddr, u64) {
        let stack = self.kernel.nmi_stack(CpuId(cpu)).unwrap();
        let words = self.kernel.code_words(&stack);
        let word = words
            .iter()
            .find(|w| w.location.symbol == "crash_nmi_callback")
            .unwrap();
        (word.at, word.value.0)
    }

    pub(crate) fn report(&self) -> DumpReport {
        self.report_with(&Options::default())
    }

    /// What is said of the same memory in an ELF core without notes.
    pub(crate) fn as_bare_elf(&self) -> DumpReport {
        let path = self.dir.path().join("memory");
        std::fs::write(&path, &self.built.bytes).unwrap();
        let (memory, _) = take_apart(&path);
        std::fs::write(&path, Elf::of(&memory).build()).unwrap();
        examine(&DumpSpec { paths: vec![path] }, &Options::default())
    }

    /// The kernel as it is with the edits.
    pub(crate) fn edited_kernel(&self) -> Kernel {
        let path = self.dir.path().join("edited");
        std::fs::write(&path, &self.built.bytes).unwrap();
        let dump = Dump::open(&[path], &OpenOptions::default()).unwrap();
        Kernel::open(Arc::new(dump), &KernelOptions::default()).unwrap()
    }

    pub(crate) fn report_with(&self, options: &Options) -> DumpReport {
        let path = self.dir.path().join("dump");
        std::fs::write(&path, &self.built.bytes).unwrap();
        examine(&DumpSpec { paths: vec![path] }, options)
    }
}

pub(crate) fn state(report: &DumpReport, cpu: usize) -> (CpuState, Reason) {
    let cpu = &report.virtualization.cpus[cpu];
    (cpu.state, cpu.reason)
}

pub(crate) fn verdict(report: &DumpReport, check: CheckId) -> CheckVerdict {
    report
        .checks
        .iter()
        .find(|c| c.id == check)
        .unwrap()
        .verdict
}
