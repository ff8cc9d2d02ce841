//! The one typed value that every output is made from.
//!
//! Field names are the public contract (`schema` names its version): they may be added to, never
//! renamed. Everything here is plain data; who fills it is [`crate::examine`], who prints it are
//! the command and the terminal UI.

pub(crate) mod check;
pub(crate) mod extract;
mod json;
mod redact;
mod scalar;
pub(crate) mod state;

use serde::{Deserialize, Serialize};

pub use check::{Check, CheckId};
pub use extract::{ExtractReport, Questions};
pub use json::write_json;
pub use redact::{REDACTED, redacted_crashes, redacted_splats, without_addresses};
pub use scalar::{Hex, Text, ranges};
pub use state::{CpuState, Feature, Origin, Reason, Says, Strength, Verdict};

pub use crate::evidence::EvidenceKind;
pub use crate::known_issue::id::KnownIssueId;
pub use virtopsy_klog::escape;

use virtopsy_klog::{Crash, Splat};

/// Version of the JSON documents (SchemaVer: model.revision.addition).
pub const SCHEMA: &str = "1.0.4";

/// Everything that is known of one dump.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct DumpReport {
    /// The path as the user gave it; split dumps joined by commas.
    pub path: Text,
    /// The dump's files, in the order of the path: what tells a later run that one has changed.
    pub files: Vec<FileReport>,
    /// Why nothing (or no more) can be said; the other fields then hold what was learnt before.
    pub error: Option<ErrorReport>,
    /// Container format: `elf`, `kdump`, `kdump-flattened`, `kdump-split`, `raw`, …
    pub format: Option<String>,
    /// Page codecs that the container declares.
    pub compression: Vec<String>,
    /// False when the dump says, or its length shows, that pages are missing.
    pub complete: Option<bool>,
    /// What is missing, where `complete` is false.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete_because: Vec<String>,
    /// What the dump was made of, where it is an extract of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extract: Option<ExtractReport>,
    /// Who wrote the dump.
    pub origin: Origin,
    /// `uname -r` of the crashed kernel.
    pub release: Option<Text>,
    /// GNU build-id of its vmlinux, lower-case hex.
    pub build_id: Option<String>,
    /// Where structure layouts come from: `btf`, `btf-in-dump`, `dwarf`.
    pub types_from: Option<String>,
    /// Where addresses of symbols come from: `vmlinux`, `kallsyms-in-dump`.
    pub symbols_from: Option<String>,
    /// CPUs in the possible mask.
    pub cpus_possible: Option<u32>,
    /// CPUs in the online mask at the instant that the dump holds.
    pub cpus_online: Option<u32>,
    /// What is known of the crash; absent for a machine that had not crashed.
    pub crash: Option<CrashReport>,
    /// VMX/SVM, CPU by CPU.
    pub virtualization: VirtualizationReport,
    /// The KVM emergency callback.
    pub callback: CallbackReport,
    /// How much of the kernel log is there; absent where it could not be read.
    pub log: Option<LogReport>,
    /// Lock-debugging reports found in the kernel log.
    pub splats: Vec<Splat>,
    /// Why the kernel died or warned: every other report found in the kernel log.
    pub crashes: Vec<Crash>,
    /// Known defects whose traces are in this dump.
    pub known_issues: Vec<KnownIssueReport>,
    /// The verdict of each selected check.
    pub checks: Vec<CheckReport>,
    /// What limits the statements above: what was missing, what was tried, what would help.
    pub notes: Vec<Text>,
    /// Names of tasks that only notes tell: what a redaction must know.
    #[serde(skip)]
    pub named_in_notes: Vec<Text>,
}

/// A file, as it was before it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct FileReport {
    /// Length in bytes.
    pub size: u64,
    /// When its content last changed: seconds since 1970 (UTC) with nine decimals, as
    /// `stat -c %.9Y` prints them. Absent where the file system does not say.
    pub modified: Option<String>,
}

/// Why a dump could not be examined.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorReport {
    /// A stable kebab-case word: `not-a-dump`, `truncated`, `wrong-vmlinux`, …
    pub kind: String,
    /// What was found where, and what would help.
    pub message: Text,
}

/// The crash as the dump records it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CrashReport {
    /// The CPU that ran the crash path.
    pub cpu: Option<u32>,
    /// The panic message, without `Kernel panic - not syncing: `.
    pub reason: Option<Text>,
    /// The task that was current on that CPU.
    pub task: Option<TaskReport>,
    /// How the other CPUs were stopped.
    pub nmi_shootdown: ShootdownReport,
    /// RCU on the crashing CPU; absent where no CPU is known to have crashed.
    pub rcu: Option<RcuReport>,
    /// Index in `crashes` of the report that took the kernel down; absent where none in the log did.
    pub cause: Option<u32>,
    /// Why it died, for a person.
    pub sentence: Option<Text>,
    /// The cause as the crashed kernel's memory tells it, in the form of a report; absent where it
    /// does not. Its lines are 0: no log holds it.
    pub memory: Option<Crash>,
    /// What the cause stands on, and what was looked at in vain.
    pub proof: Vec<ProofReport>,
    /// The same for the same cause on any build and in any run; absent where none is known.
    pub signature: Option<String>,
}

/// Something that was read to learn why the kernel died.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ProofReport {
    /// What was read: `panic_cpu`, `panic text`, `stack of CPU 1`, `pt_regs`, …
    pub what: Text,
    /// Where (kernel virtual address).
    pub address: Option<Hex>,
    /// The value; absent where it could not be read.
    pub value: Option<Text>,
    /// What that means, or why it could not be read.
    pub why: Text,
}

/// A task, by name and number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TaskReport {
    /// `task_struct.comm`.
    pub comm: Text,
    /// `task_struct.pid` (a thread id, as the kernel prints it).
    pub pid: i32,
}

/// The NMI that stops the other CPUs before the crash kernel starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ShootdownReport {
    /// Whether the NMI was sent; absent when the dump does not say.
    pub ran: Option<bool>,
    /// CPUs that were online and left no trace of having answered, ascending.
    pub missing_cpus: Vec<u32>,
    /// CPUs of which that can't be read, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_cpus: Vec<u32>,
}

/// VMX/SVM over the machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct VirtualizationReport {
    /// Which extension.
    pub feature: Feature,
    /// The answer.
    pub verdict: Verdict,
    /// One sentence that says why.
    pub summary: String,
    /// Kernel layout by which the facts were read.
    pub era: Option<String>,
    /// Possible CPUs, ascending.
    pub cpus: Vec<CpuReport>,
}

/// VMX/SVM on one CPU.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CpuReport {
    /// The kernel's number of the CPU.
    pub cpu: u32,
    /// Its state.
    pub state: CpuState,
    /// Why.
    pub reason: Reason,
    /// How sure.
    pub strength: Strength,
    /// True when evidence of equal standing disagrees, or strong evidence disagrees with proof.
    pub conflict: bool,
    /// Whether the CPU was in the online mask at the instant of the dump.
    pub online: Option<bool>,
    /// The task that was current on it.
    pub task: Option<TaskReport>,
    /// One sentence that a kernel developer would say.
    pub summary: String,
    /// The same in words, in order of time.
    pub story: Vec<StoryStep>,
    /// All that was read, in the order in which the kernel's events happened.
    pub evidence: Vec<EvidenceReport>,
}

/// One step of a CPU's story.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct StoryStep {
    /// `before`, `the stop`, `this CPU` or `so`.
    pub when: String,
    /// What happened, in one or a few sentences.
    pub text: String,
}

/// One fact, with its proof.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EvidenceReport {
    /// Stable name of the kind of evidence: `crash_notes`, `cr4-shadow`, `parked-frame`, …
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub what: EvidenceKind,
    /// What it says.
    #[serde(default)]
    pub says: Says,
    /// How far it can be trusted.
    #[serde(default)]
    pub strength: Strength,
    /// Where it was read (kernel virtual address).
    #[serde(default)]
    pub address: Option<Hex>,
    /// The value as read.
    #[serde(default)]
    pub value: Option<String>,
    /// The rule by which it speaks.
    #[serde(default)]
    pub why: String,
    /// When that rule is known to be wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lies_when: Option<String>,
}

impl EvidenceReport {
    /// Evidence of a kind that says nothing yet: neutral, weak, without a value.
    #[must_use]
    pub fn new(what: EvidenceKind) -> Self {
        EvidenceReport {
            what,
            says: Says::default(),
            strength: Strength::default(),
            address: None,
            value: None,
            why: String::new(),
            lies_when: None,
        }
    }
}

/// State of the emergency callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CallbackState {
    /// No callback was registered.
    None,
    /// Registered, and its code stays alive.
    Registered,
    /// Registered, and its module was on its way out.
    Unloading,
    /// It points to where no module is.
    Dangling,
    /// The pointer, or what it points to, could not be read.
    #[default]
    Unknown,
}

/// The KVM emergency callback.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CallbackReport {
    /// Its state.
    pub state: CallbackState,
    /// The variable that holds the pointer in this kernel.
    pub variable: Option<String>,
    /// Address of that variable.
    pub address: Option<Hex>,
    /// The pointer.
    pub value: Option<Hex>,
    /// The function that it points to.
    pub symbol: Option<Text>,
    /// The module which that function belongs to; absent for the kernel itself.
    pub module: Option<Text>,
    /// State of that module: `live`, `coming`, `going`, `unformed`.
    pub module_state: Option<String>,
    /// Whether it is the function that this machine's KVM registers.
    pub expected: Option<bool>,
    /// The function that KVM's own table of operations names for it; absent where this kernel
    /// has no such entry (before 6.12), or KVM is not there.
    pub ops_table: Option<OpsTableReport>,
    /// What stands in memory where the pointer leads; absent for a null pointer.
    pub code: Option<CodeReport>,
    /// Who keeps the callback's module loaded; absent where it is in no module.
    pub module_use: Option<ModuleUseReport>,
    /// CPUs whose stack stands inside the callback.
    pub in_flight: Vec<InFlightReport>,
    /// How the kernel reads the pointer (7.1 and later; absent before).
    pub dereference: Option<DereferenceReport>,
    /// One sentence that says what follows.
    pub summary: String,
}

/// What KVM's table of operations (`kvm_x86_ops`) names as the emergency callback.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct OpsTableReport {
    /// Address of the table's entry.
    pub address: Hex,
    /// The pointer there.
    pub value: Hex,
    /// The function that it points to.
    pub symbol: Option<Text>,
    /// Whether the registered pointer is the same.
    pub agrees: bool,
}

/// What stands in memory at an address of code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CodeState {
    /// Bytes that can be instructions.
    Present,
    /// Filled with trapping instructions (0xcc): freed module text of kernels that keep it mapped.
    Poisoned,
    /// Nothing is mapped there.
    Unmapped,
    /// It is mapped, but the dump does not hold it.
    #[default]
    Unreadable,
}

/// What stands where the callback's pointer leads.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CodeReport {
    /// Its state.
    pub state: CodeState,
    /// The first bytes, lower-case hex; absent where they can't be read.
    pub bytes: Option<String>,
    /// Why they can't be read.
    pub why: Option<String>,
}

/// Who keeps a module loaded.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ModuleUseReport {
    /// Its reference count as `lsmod` shows it; absent where it can't be read.
    pub refcount: Option<i64>,
    /// Modules that use it.
    pub users: Vec<Text>,
}

/// A CPU that was executing the callback.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct InFlightReport {
    /// The CPU.
    pub cpu: u32,
    /// Where its return address stands.
    pub address: Hex,
    /// That return address, by name.
    pub at: Text,
    /// How that was found.
    pub why: String,
}

/// How the kernel's text reads the callback's pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Dereference {
    /// With lockdep's check: `rcu_dereference()` without `rcu_read_lock()`, which prints a
    /// report on every crash (since 428afac5a8ea).
    Checked,
    /// Without it: `rcu_dereference_raw()` (fff82ea9d900).
    Unchecked,
    /// The kernel has no CONFIG_PROVE_RCU: both are the same instruction.
    NotApplicable,
    /// The text can't be read.
    #[default]
    Unknown,
}

/// How the kernel reads the pointer, and whether its check fired.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct DereferenceReport {
    /// By its text in the dump.
    pub state: Dereference,
    /// The function that reads the pointer.
    pub function: Option<String>,
    /// Whether the check has printed its report in this boot (`__warned`); absent without a check.
    pub warned: Option<bool>,
    /// Address of that flag.
    pub warned_address: Option<Hex>,
    /// Why it is so.
    pub why: String,
}

/// RCU on the crashing CPU, at the instant of the dump. Two facts that are easily confused: RCU
/// can be watching a CPU that holds no read lock.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RcuReport {
    /// Whether RCU was watching the CPU (it was in no extended quiescent state).
    pub watching: RcuFact,
    /// Whether the CPU's task held the RCU read lock.
    pub lock_held: RcuFact,
}

/// One fact, with what it stands on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RcuFact {
    /// The answer; absent where the dump does not hold it.
    pub value: Option<bool>,
    /// Where it was read.
    pub address: Option<Hex>,
    /// What was read and what that means, or why it could not be.
    pub why: String,
}

/// How much of the kernel log the dump holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct LogReport {
    /// Records that are there.
    pub records: u64,
    /// Older records that newer ones overwrote.
    pub overwritten: u64,
    /// Records whose text is not in the dump.
    pub lost: u64,
    /// Records that were being written when the machine died.
    pub uncommitted: u64,
}

/// A known defect that left its traces here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KnownIssueReport {
    /// Stable id; `virtopsy explain ID` tells more.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub id: KnownIssueId,
    /// What it is.
    pub title: String,
    /// The commit that mends it.
    pub fixed_by: Option<String>,
    /// What in this dump shows it.
    pub because: String,
}

/// The verdict of one check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CheckVerdict {
    /// Shown to be in order.
    Pass,
    /// Shown not to be.
    Fail,
    /// Not shown to be either.
    #[default]
    Inconclusive,
    /// The question does not arise on this machine.
    NotApplicable,
    /// The check could not run.
    Error,
}

/// One check on one dump.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckReport {
    /// Stable id.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub id: CheckId,
    /// The verdict.
    pub verdict: CheckVerdict,
    /// One sentence that says why.
    pub summary: String,
}

/// What a batch run adds up to. Each dump counts once, by its worst check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Summary {
    /// Dumps examined.
    pub dumps: u64,
    /// Dumps whose every selected check passed or did not apply.
    pub pass: u64,
    /// Dumps with a failed check.
    pub fail: u64,
    /// Dumps without a failed check, but with an inconclusive one.
    pub inconclusive: u64,
    /// Dumps that could not be examined.
    pub error: u64,
}

impl DumpReport {
    /// Whether the machine had crashed; a dump of which that is not known counts as one of a crash.
    pub fn had_crashed(&self) -> bool {
        self.crash.is_some() || !matches!(self.origin, Origin::Hypervisor | Origin::Live)
    }

    /// Why the kernel died: the log's report, or what memory tells in its place.
    pub fn cause(&self) -> Option<&Crash> {
        let crash = self.crash.as_ref()?;
        match crash.cause {
            Some(at) => self.crashes.get(usize::try_from(at).ok()?),
            None => crash.memory.as_ref(),
        }
    }

    /// How many of the checks failed, if virtualization was off on all CPUs nevertheless: a verdict
    /// that is good must not hide them.
    pub fn failed_beside_verdict(&self) -> usize {
        let failed = self
            .checks
            .iter()
            .filter(|c| c.verdict == CheckVerdict::Fail);
        match self.virtualization.verdict {
            Verdict::AllOff => failed.count(),
            _ => 0,
        }
    }

    /// The worst verdict among the checks; what could not be examined is an error.
    #[must_use]
    pub fn worst(&self) -> CheckVerdict {
        let failed = self.error.as_ref().map(|_| CheckVerdict::Error);
        CheckVerdict::worst(self.checks.iter().map(|c| c.verdict).chain(failed))
    }
}

impl CheckVerdict {
    /// The worst of some: error, fail, inconclusive, then pass, also where there is none.
    pub fn worst(verdicts: impl IntoIterator<Item = CheckVerdict>) -> CheckVerdict {
        let rank = |verdict: &CheckVerdict| match verdict {
            CheckVerdict::NotApplicable | CheckVerdict::Pass => 0,
            CheckVerdict::Inconclusive => 1,
            CheckVerdict::Fail => 2,
            CheckVerdict::Error => 3,
        };
        match verdicts.into_iter().max_by_key(rank) {
            None | Some(CheckVerdict::NotApplicable) => CheckVerdict::Pass,
            Some(worst) => worst,
        }
    }
}

impl Summary {
    /// Counts one more dump, which counts as `verdict`.
    pub fn add(&mut self, verdict: CheckVerdict) {
        self.dumps = self.dumps.saturating_add(1);
        let slot = match verdict {
            CheckVerdict::Error => &mut self.error,
            CheckVerdict::Fail => &mut self.fail,
            CheckVerdict::Inconclusive => &mut self.inconclusive,
            CheckVerdict::Pass | CheckVerdict::NotApplicable => &mut self.pass,
        };
        *slot = slot.saturating_add(1);
    }

    /// The exit status that a batch run ends with: 2 error, 1 fail, 3 inconclusive, 0 pass.
    pub fn exit_status(&self) -> u8 {
        if self.error > 0 {
            2
        } else if self.fail > 0 {
            1
        } else if self.inconclusive > 0 {
            3
        } else {
            0
        }
    }
}
