//! What hardware and firmware tell: machine checks, memory controllers, IOMMUs, interrupts.

use super::super::Begin::{At, In, Panic, Soft, With};
use super::super::{CrashKind, KindSpec, Nature};

pub(super) const SPECS: &[KindSpec] = &[
    KindSpec {
        kind: CrashKind::Ghes,
        id: "ghes",
        nature: Nature::Event,
        begins: &[
            In("Hardware error from APEI Generic Hardware Error Source"),
            Panic("Fatal hardware error"),
        ],
        ends: &["Fatal hardware error"],
        burst: true,
        title: "hardware error reported by firmware",
        sentence: |w| {
            format!(
                "The firmware reported an error of the hardware{}.",
                w.detail
            )
        },
        means: "ACPI's platform error interface (GHES) handed over an error record: memory, PCIe or a processor.",
        next: "Read `event severity` and the section type below it; they name the DIMM, the PCIe device or the CPU.",
    },
    KindSpec {
        kind: CrashKind::Edac,
        id: "edac",
        nature: Nature::Event,
        begins: &[
            With("EDAC ", "HANDLING MCE MEMORY ERROR"),
            With("EDAC MC", " CE "),
            With("EDAC MC", " UE "),
            With("EDAC PCI", "Parity Error"),
        ],
        ends: &["UE "],
        burst: true,
        title: "memory error reported by its controller",
        sentence: |w| format!("The memory controller reported an error{}.", w.detail),
        means: "CE is an error that was corrected, UE one that was not. Corrected ones that repeat on one DIMM announce its failure.",
        next: "Read channel, slot and label, and count how often the same DIMM is named.",
    },
    KindSpec {
        kind: CrashKind::Mce,
        id: "mce",
        nature: Nature::Event,
        begins: &[
            At("mce: [Hardware Error]"),
            In("Machine Check Exception"),
            With("[Hardware Error]: ", "Machine check events logged"),
            At("[Hardware Error]: Corrected error, no action required"),
            At("[Hardware Error]: Uncorrected, software"),
            At("[Hardware Error]: Deferred error, no action required"),
            At("[Hardware Error]: System Fatal error"),
            At("Machine check events logged"),
            Panic("Fatal machine check"),
            Panic("Machine check from unknown source"),
        ],
        ends: &[
            "Fatal machine check",
            "Fatal local machine check",
            "Machine check",
            "Unable to continue",
            "Uncorrected machine check",
            "Timeout: Not all CPUs entered broadcast exception handler",
            "Timeout synchronizing machine check",
            "Fatal hardware error",
        ],
        burst: true,
        title: "machine check",
        sentence: |w| {
            format!(
                "{} reported an error of the hardware (machine check).",
                w.cpu_begin
            )
        },
        means: "The CPU found an error in itself, its caches, the memory or the bus. The kernel only prints it.",
        next: "Decode bank and status (mcelog, rasdaemon); look for earlier corrected errors of the same bank.",
    },
    KindSpec {
        kind: CrashKind::IommuFault,
        id: "iommu-fault",
        nature: Nature::Event,
        begins: &[
            In("DMAR: [DMA "),
            In("DMAR:[DMA "),
            In("DMAR: [INTR-REMAP]"),
            In("DMAR:[INTR-REMAP]"),
            In("AMD-Vi: Event logged ["),
            In("Unhandled context fault: "),
        ],
        ends: &[],
        burst: true,
        title: "IOMMU fault",
        sentence: |w| {
            format!(
                "A device accessed memory that it is not allowed to{}{}.",
                w.detail, w.at_address
            )
        },
        means: "The IOMMU stopped a DMA: the address is not mapped for the device, or was unmapped too early. After a crash it may be DMA that the first kernel had started.",
        next: "The request id names the device; look at its driver's mappings and at firmware that uses it (RMRR, IVMD).",
    },
    KindSpec {
        kind: CrashKind::Nmi,
        id: "nmi",
        nature: Nature::Event,
        begins: &[
            At("Uhhuh. NMI received"),
            At("NMI: PCI system error"),
            At("NMI: IOCK error"),
            At("NMI: Not continuing"),
            Panic("NMI: Not continuing"),
            Panic("NMI IOCK error: Not continuing"),
        ],
        ends: &[
            "NMI: Not continuing",
            "NMI IOCK error: Not continuing",
            "nmi_watchdog",
        ],
        burst: true,
        title: "NMI without a known source",
        sentence: |w| format!("{} received an NMI that no handler claimed.", w.cpu_begin),
        means: "A button, the management controller, a PCI error or a chipset raised it. Many set-ups send an NMI on purpose to get a dump.",
        next: "Ask the management controller's event log; with PCI SERR look at the devices' status registers.",
    },
    KindSpec {
        kind: CrashKind::IrqNobodyCared,
        id: "irq-nobody-cared",
        nature: Nature::Report,
        begins: &[With("irq ", ": nobody cared")],
        ends: &[],
        burst: false,
        title: "interrupt that no driver handles",
        sentence: |w| {
            format!(
                "An interrupt line fired again and again, no handler claimed it, and it was switched off{}.",
                w.detail
            )
        },
        means: "A device keeps its line asserted and its driver does not know of it, or is not there. All devices on that line are now deaf or polled.",
        next: "The handlers listed below share the line; look for the device without a working driver.",
    },
    KindSpec {
        kind: CrashKind::MsrAccess,
        id: "msr-access",
        nature: Nature::Report,
        begins: &[At("unchecked MSR access error")],
        ends: &["panic_on_warn set"],
        burst: false,
        title: "access to an MSR that does not exist",
        sentence: |w| {
            format!(
                "{} accessed a model-specific register that this CPU does not have{}.",
                w.who, w.place
            )
        },
        means: "The CPU or the hypervisor refused a read or write of an MSR; the kernel went on with zero.",
        next: "Look the MSR up for this CPU model; under a hypervisor it may just not be emulated.",
    },
    KindSpec {
        kind: CrashKind::SysrqCrash,
        id: "sysrq-crash",
        nature: Nature::Panic,
        begins: &[Panic("sysrq triggered crash")],
        ends: &[],
        burst: false,
        title: "crash on request (sysrq)",
        sentence: |w| format!("{} asked for a crash by sysrq.", w.who),
        means: "Someone wrote `c` to /proc/sysrq-trigger or pressed the keys, mostly to test kdump or to get a dump of a machine that hangs.",
        next: "If the machine hung before, look for lockups, hung tasks and stalls earlier in the log.",
    },
    KindSpec {
        kind: CrashKind::BugText,
        id: "bug-text",
        nature: Nature::Report,
        begins: &[
            At("WARNING: kernel stack regs at"),
            At("WARNING: kernel stack frame pointer at"),
            At("WARNING: stack regs at"),
            At("WARNING: can't "),
            At("BUG: Dentry "),
            At("BUG: non-zero "),
            At("BUG: unexpected "),
            Soft("BUG: "),
        ],
        ends: &["panic_on_warn set"],
        burst: false,
        title: "BUG",
        sentence: |w| format!("The kernel reports a bug{}{}.", w.detail, w.place),
        means: "A line `BUG:` of a check that has no kind of its own; its text says what was found.",
        next: "Search the kernel's source for the text; it stands where the check is.",
    },
];
