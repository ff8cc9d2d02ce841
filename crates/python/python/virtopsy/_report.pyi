"""The types of reports. Written by crates/python/stubs from the JSON Schema."""

from typing import Any, List, Literal, Union

from . import Record

Text = Union[str, bytes]
"""Text; where it is not UTF-8, its bytes."""
Hex = str
"""A 64-bit value in hex, `0x…`."""

class AtomicState(Record):
    """The counters of the sleep and schedule checks (__might_resched and its kin)."""
    in_atomic: Union[int, None]
    """`in_atomic()`."""
    irqs_disabled: Union[int, None]
    """`irqs_disabled()`."""
    non_block: Union[int, None]
    """`non_block` (5.4 and later)."""
    preempt_count: Union[int, None]
    """`preempt_count`, hexadecimal in the log."""
    preempt_expected: Union[int, None]
    """The count that was expected."""
    preemption_disabled_at: Union[str, None]
    """`Preemption disabled at:`."""
    rcu_depth: Union[int, None]
    """`RCU nest depth`."""
    rcu_expected: Union[int, None]
    """The depth that was expected."""


class Attachment(Record):
    """Text beside a report that is none itself."""
    held: List[HeldLock]
    """The locks listed."""
    held_declared: Union[int, None]
    """`N locks held by`, in a held-locks dump."""
    kind: str
    """`lockdep-off`, `held-locks-dump`, `taint`, `hung-owner`, `exited-atomic`."""
    line: int
    """Its number, from 1."""
    task: Union[TaskRef, None]
    """The task it speaks of."""
    text: str
    """The line."""


class CallbackReport(Record):
    """The KVM emergency callback."""
    address: Union[Hex, None]
    """Address of that variable."""
    code: Union[CodeReport, None]
    """What stands in memory where the pointer leads; absent for a null pointer."""
    dereference: Union[DereferenceReport, None]
    """How the kernel reads the pointer (7.1 and later; absent before)."""
    expected: Union[bool, None]
    """Whether it is the function that this machine's KVM registers."""
    in_flight: List[InFlightReport]
    """CPUs whose stack stands inside the callback."""
    module: Union[Text, None]
    """The module which that function belongs to; absent for the kernel itself."""
    module_state: Union[str, None]
    """State of that module: `live`, `coming`, `going`, `unformed`."""
    module_use: Union[ModuleUseReport, None]
    """Who keeps the callback's module loaded; absent where it is in no module."""
    ops_table: Union[OpsTableReport, None]
    """The function that KVM's own table of operations names for it; absent where this kernel has no such entry (before 6.12), or KVM is not there."""
    state: CallbackState
    """Its state."""
    summary: str
    """One sentence that says what follows."""
    symbol: Union[Text, None]
    """The function that it points to."""
    value: Union[Hex, None]
    """The pointer."""
    variable: Union[str, None]
    """The variable that holds the pointer in this kernel."""

CallbackState = Literal["none", "registered", "unloading", "dangling", "unknown"]
"""State of the emergency callback."""

class ChainEntry(Record):
    """One link of a dependency chain: `-> #N (NAME){...}:` and the trace of its acquisition."""
    index: int
    """N; the chain is printed in reverse, 0 is the acquisition being made now."""
    lock: Lock
    """The lock class."""
    trace: List[Frame]
    """Where it was acquired while the one below was held."""


class CheckReport(Record):
    """One check on one dump."""
    id: str
    """Stable id."""
    summary: str
    """One sentence that says why."""
    verdict: CheckVerdict
    """The verdict."""

CheckVerdict = Literal["pass", "fail", "inconclusive", "not-applicable", "error"]
"""The verdict of one check."""

class ClassDump(Record):
    """One class of a dependency dump (print_lock_class_header and the trace behind it)."""
    acquired_at: List[Frame]
    """Where it was acquired while the class above was held."""
    depth: int
    """Depth in the dependency path (leading blanks)."""
    key: Union[str, None]
    """Symbol of the key."""
    key_address: Union[str, None]
    """Address of the key, `0x…`."""
    lock: Lock
    """The class."""
    ops: Union[int, None]
    """`ops: N` (DEBUG_LOCKDEP)."""
    section: str
    """The heading that the dump stands under, without the colon."""
    usages: List[UsageTrace]
    """Every usage state with its trace."""


class CodeReport(Record):
    """What stands where the callback's pointer leads."""
    bytes: Union[str, None]
    """The first bytes, lower-case hex; absent where they can't be read."""
    state: CodeState
    """Its state."""
    why: Union[str, None]
    """Why they can't be read."""

CodeState = Literal["present", "poisoned", "unmapped", "unreadable"]
"""What stands in memory at an address of code."""

class CpuReport(Record):
    """VMX/SVM on one CPU."""
    conflict: bool
    """True when evidence of equal standing disagrees, or strong evidence disagrees with proof."""
    cpu: int
    """The kernel's number of the CPU."""
    evidence: List[EvidenceReport]
    """All that was read, in the order in which the kernel's events happened."""
    online: Union[bool, None]
    """Whether the CPU was in the online mask at the instant of the dump."""
    reason: Reason
    """Why."""
    state: CpuState
    """Its state."""
    story: List[StoryStep]
    """The same in words, in order of time."""
    strength: Strength
    """How sure."""
    summary: str
    """One sentence that a kernel developer would say."""
    task: Union[TaskReport, None]
    """The task that was current on it."""

CpuState = Literal["off", "on", "unknown"]
"""State of VMX or SVM on one CPU at the instant that the dump holds."""

class CrashReport(Record):
    """The crash as the dump records it."""
    cpu: Union[int, None]
    """The CPU that ran the crash path."""
    nmi_shootdown: ShootdownReport
    """How the other CPUs were stopped."""
    rcu: Union[RcuReport, None]
    """RCU on the crashing CPU; absent where no CPU is known to have crashed."""
    reason: Union[Text, None]
    """The panic message, without `Kernel panic - not syncing: `."""
    task: Union[TaskReport, None]
    """The task that was current on that CPU."""

Dereference = Literal["checked", "unchecked", "not-applicable", "unknown"]
"""How the kernel's text reads the callback's pointer."""

class DereferenceReport(Record):
    """How the kernel reads the pointer, and whether its check fired."""
    function: Union[str, None]
    """The function that reads the pointer."""
    state: Dereference
    """By its text in the dump."""
    warned: Union[bool, None]
    """Whether the check has printed its report in this boot (`__warned`); absent without a check."""
    warned_address: Union[Hex, None]
    """Address of that flag."""
    why: str
    """Why it is so."""


class Report(Record):
    """A dump's report, and what it counts as."""
    build_id: Union[str, None]
    """GNU build-id of its vmlinux, lower-case hex."""
    callback: CallbackReport
    """The KVM emergency callback."""
    checks: List[CheckReport]
    """The verdict of each selected check."""
    complete: Union[bool, None]
    """False when the dump says, or its length shows, that pages are missing."""
    compression: List[str]
    """Page codecs that the container declares."""
    cpus_online: Union[int, None]
    """CPUs in the online mask at the instant that the dump holds."""
    cpus_possible: Union[int, None]
    """CPUs in the possible mask."""
    crash: Union[CrashReport, None]
    """What is known of the crash; absent for a machine that had not crashed."""
    error: Union[ErrorReport, None]
    """Why nothing (or no more) can be said; the other fields then hold what was learnt before."""
    files: List[FileReport]
    """The dump's files, in the order of the path: what tells a later run that one has changed."""
    format: Union[str, None]
    """Container format: `elf`, `kdump`, `kdump-flattened`, `kdump-split`, `raw`, …"""
    incomplete_because: List[str]
    """What is missing, where `complete` is false."""
    known_issues: List[KnownIssueReport]
    """Known defects whose traces are in this dump."""
    log: Union[LogReport, None]
    """How much of the kernel log is there; absent where it could not be read."""
    notes: List[Text]
    """What limits the statements above: what was missing, what was tried, what would help."""
    origin: Origin
    """Who wrote the dump."""
    path: Text
    """The path as the user gave it; split dumps joined by commas."""
    release: Union[Text, None]
    """`uname -r` of the crashed kernel."""
    splats: List[Splat]
    """Lock-debugging reports found in the kernel log."""
    symbols_from: Union[str, None]
    """Where addresses of symbols come from: `vmlinux`, `kallsyms-in-dump`."""
    types_from: Union[str, None]
    """Where structure layouts come from: `btf`, `btf-in-dump`, `dwarf`."""
    verdict: CheckVerdict
    """The worst verdict of the checks that count: `pass`, `fail`, `inconclusive` or `error`."""
    virtualization: VirtualizationReport
    """VMX/SVM, CPU by CPU."""


class ErrorReport(Record):
    """Why a dump could not be examined."""
    kind: str
    """A stable kebab-case word: `not-a-dump`, `truncated`, `wrong-vmlinux`, …"""
    message: Text
    """What was found where, and what would help."""


class EvidenceReport(Record):
    """One fact, with its proof."""
    address: Union[Hex, None]
    """Where it was read (kernel virtual address)."""
    lies_when: Union[str, None]
    """When that rule is known to be wrong."""
    says: Says
    """What it says."""
    strength: Strength
    """How far it can be trusted."""
    value: Union[str, None]
    """The value as read."""
    what: str
    """Stable name of the kind of evidence: `crash_notes`, `cr4-shadow`, `parked-frame`, …"""
    why: str
    """The rule by which it speaks."""

Feature = Literal["svm", "vmx", "none", "unknown"]
"""Which virtualization extension the machine's CPUs have."""

class FileReport(Record):
    """A file, as it was before it was opened."""
    modified: Union[str, None]
    """When its content last changed: seconds since 1970 (UTC) with nine decimals, as `stat -c %.9Y` prints them. Absent where the file system does not say."""
    size: int
    """Length in bytes."""


class Frame(Record):
    """One line of a trace."""
    address: Union[str, None]
    """The `[<address>]` of kernels up to 4.9 and of some architectures, `0x…`."""
    function: str
    """Function name as printed (`.isra.0`, `.cold` and the like included), or a bare `0x…` address."""
    inlined: List[Inlined]
    """Functions inlined here, innermost first."""
    module: Union[str, None]
    """Module that holds the function."""
    offset: Union[str, None]
    """Offset into the function, `0x…`."""
    reliable: bool
    """False for `? func` (and PowerPC's `(unreliable)`): a stale word on the stack, maybe no caller."""
    size: Union[str, None]
    """Size of the function, `0x…`."""
    source: Union[str, None]
    """`file:line` where a symbolizer added it."""


class HeldLock(Record):
    """One entry of a task's held locks."""
    address: Union[str, None]
    """Address of the lock instance, `0x…`; absent before 4.16, hashed up to 5.3."""
    at: Union[str, None]
    """Where it was acquired, as the symbol was printed."""
    class_: str
    """Name of the class alone: the expression that initialised the lock."""
    index: int
    """The `#I` of the line: 0 is the lock taken first."""
    inlined: List[str]
    """Functions that a symbolizer found inlined at [`Lock::at`], innermost first."""
    name: str
    """Name as printed, with `#V` and `/S`."""
    subclass: Union[int, None]
    """`/S`: lockdep subclass, 1 to 7."""
    usage: Union[str, None]
    """Usage letters (hardirq write and read, softirq write and read: `.`, `-`, `+` or `?`)."""
    version: Union[int, None]
    """`#V`: several classes share the name; this is the V-th, from 2."""
    wait: Union[str, None]
    """Wait types `outer:inner` (5.7 and later)."""


class InFlightReport(Record):
    """A CPU that was executing the callback."""
    address: Hex
    """Where its return address stands."""
    at: Text
    """That return address, by name."""
    cpu: int
    """The CPU."""
    why: str
    """How that was found."""


class Inlined(Record):
    """A function that the compiler inlined into a frame (logs that went through a symbolizer)."""
    function: str
    """The inlined function."""
    source: str
    """`file:line` of the call."""


class IrqEvent(Record):
    """One line of an irq trace."""
    at: str
    """Where it happened; `0x0` when it never did."""
    stamp: int
    """The event's stamp."""


class IrqSide(Record):
    """One side of an irq-order report: the irq-safe or the irq-unsafe lock."""
    lock: Lock
    """The lock class."""
    state: str
    """What it is, as printed: `HARDIRQ-irq-safe`, `SOFTIRQ-irq-unsafe`, …."""
    trace: List[Frame]
    """Where it became so."""


class IrqTrace(Record):
    """`irq event stamp:` and the four lines behind it (print_irqtrace_events)."""
    hardirqs_disabled: Union[IrqEvent, None]
    """`hardirqs last disabled at`."""
    hardirqs_enabled: Union[IrqEvent, None]
    """`hardirqs last enabled at`."""
    softirqs_disabled: Union[IrqEvent, None]
    """`softirqs last disabled at`."""
    softirqs_enabled: Union[IrqEvent, None]
    """`softirqs last enabled at`."""
    stamp: int
    """The task's (since 5.10 the CPU's) event counter."""

Kind = Literal["circular", "recursive", "irq-order", "irq-inversion", "inconsistent-state", "invalid-wait-context", "nested-not-held", "bad-unlock-balance", "bad-contention", "held-lock-freed", "still-has-locks", "user-return-locks", "suspicious-rcu", "chain-key-collision", "non-static-key", "unregistered-key", "invalid-subclass", "lockdep-limit", "debug-locks-warn", "lockdep-warn", "lockdep-assert", "rwsem-warn", "rtmutex-warn", "irqflags-warn", "irqs-left-enabled", "atomic-sleep", "nonrunning-sleep", "atomic-sched", "cant-sleep", "cant-migrate", "workqueue-leak", "spinlock-debug", "rwlock-debug", "preemptible-percpu", "rcu-voluntary-switch"]
"""What a report is about. The names in JSON are those of the kebab-case constants."""

class KnownIssueReport(Record):
    """A known defect that left its traces here."""
    because: str
    """What in this dump shows it."""
    fixed_by: Union[str, None]
    """The commit that mends it."""
    id: str
    """Stable id; `virtopsy explain ID` tells more."""
    title: str
    """What it is."""


class Lock(Record):
    """A lock as a report names it (print_lock, print_lock_name)."""
    address: Union[str, None]
    """Address of the lock instance, `0x…`; absent before 4.16, hashed up to 5.3."""
    at: Union[str, None]
    """Where it was acquired, as the symbol was printed."""
    class_: str
    """Name of the class alone: the expression that initialised the lock."""
    name: str
    """Name as printed, with `#V` and `/S`."""
    subclass: Union[int, None]
    """`/S`: lockdep subclass, 1 to 7."""
    usage: Union[str, None]
    """Usage letters (hardirq write and read, softirq write and read: `.`, `-`, `+` or `?`)."""
    version: Union[int, None]
    """`#V`: several classes share the name; this is the V-th, from 2."""
    wait: Union[str, None]
    """Wait types `outer:inner` (5.7 and later)."""


class LogReport(Record):
    """How much of the kernel log the dump holds."""
    lost: int
    """Records whose text is not in the dump."""
    overwritten: int
    """Older records that newer ones overwrote."""
    records: int
    """Records that are there."""
    uncommitted: int
    """Records that were being written when the machine died."""


class ModuleUseReport(Record):
    """Who keeps a module loaded."""
    refcount: Union[int, None]
    """Its reference count as `lsmod` shows it; absent where it can't be read."""
    users: List[Text]
    """Modules that use it."""


class OpsTableReport(Record):
    """What KVM's table of operations (`kvm_x86_ops`) names as the emergency callback."""
    address: Hex
    """Address of the table's entry."""
    agrees: bool
    """Whether the registered pointer is the same."""
    symbol: Union[Text, None]
    """The function that it points to."""
    value: Hex
    """The pointer there."""

Origin = Literal["kdump", "hypervisor", "live", "unknown"]
"""Who wrote the dump."""

class RcuFact(Record):
    """One fact, with what it stands on."""
    address: Union[Hex, None]
    """Where it was read."""
    value: Union[bool, None]
    """The answer; absent where the dump does not hold it."""
    why: str
    """What was read and what that means, or why it could not be."""


class RcuReport(Record):
    """RCU on the crashing CPU, at the instant of the dump. Two facts that are easily confused: RCU can be watching a CPU that holds no read lock."""
    lock_held: RcuFact
    """Whether the CPU's task held the RCU read lock."""
    watching: RcuFact
    """Whether RCU was watching the CPU (it was in no extended quiescent state)."""

Reason = Literal["never-enabled", "released", "emergency-disabled", "offline", "still-enabled", "did-not-answer", "not-supported", "no-evidence"]
"""Why a CPU is in its state."""
Says = Literal["off", "on", "neutral"]
"""What a piece of evidence says of the state."""

class Scenario(Record):
    """` Possible unsafe locking scenario:` and its table."""
    steps: List[ScenarioStep]
    """The steps, from above."""
    title: str
    """The title, without the colon."""


class ScenarioStep(Record):
    """One line of a scenario table."""
    action: str
    """`lock`, `rlock`, `sync`, `local_irq_disable`, `<Interrupt>`."""
    cpu: Union[int, None]
    """Column: 0 or 1. Absent where the carrier lost the indentation."""
    lock: Union[str, None]
    """The lock, without usage letters."""


class ShootdownReport(Record):
    """The NMI that stops the other CPUs before the crash kernel starts."""
    missing_cpus: List[int]
    """CPUs that were online and left no trace of having answered, ascending."""
    ran: Union[bool, None]
    """Whether the NMI was sent; absent when the dump does not say."""
    unknown_cpus: List[int]
    """CPUs of which that can't be read, ascending."""


class Splat(Record):
    """One lock-debugging report."""
    at: Union[str, None]
    """Symbol at which a lock was released or contended, `caller is`, or the function that WARNed."""
    atomic: Union[AtomicState, None]
    """Counters of the sleep and schedule checks."""
    attachments: List[Attachment]
    """Texts that stand inside the report and belong beside it."""
    beheaded: bool
    """The ring buffer had wrapped, and begins inside this report."""
    caller: Union[str, None]
    """Who printed it: `T91` a task, `C0` a CPU in irq context (PRINTK_CALLER, ring buffer)."""
    chain: List[ChainEntry]
    """The dependency chain of a circular report, as printed: highest index first."""
    chain_exists: List[str]
    """`Chain exists of:`."""
    classes: List[ClassDump]
    """The class dumps of irq reports."""
    context: Union[TaskContext, None]
    """The irq state printed behind the task."""
    cpu: Union[int, None]
    """The CPU it ran on."""
    cut: bool
    """True when the log broke it off, or a bound of the scanner did."""
    cycle: List[str]
    """The cycle itself: lock names, each depending on the next, the last on the first."""
    debug_locks: Union[int, None]
    """`debug_locks` (suspicious-rcu): with 0 the held locks cannot be trusted."""
    dependency: Union[List[Union[Lock]], None]
    """The dependency that an irq-order report would create: from, to."""
    first_line: int
    """Line of the header, from 1."""
    from_memory: List[str]
    """What was added to it from the dump's memory, and why that holds."""
    guilty: Union[str, None]
    """The function to look at first: the nearest to the problem outside the locking code."""
    held: List[HeldLock]
    """The held locks it lists."""
    held_declared: Union[int, None]
    """How many held locks the report announces."""
    in_progress: bool
    """The machine crashed while it was being printed."""
    irq_safe: Union[IrqSide, None]
    """The irq-safe side."""
    irq_unsafe: Union[IrqSide, None]
    """The irq-unsafe side."""
    irqtrace: Union[IrqTrace, None]
    """`irq event stamp:` and its lines."""
    kind: Kind
    """What it is about."""
    known_issue: Union[str, None]
    """Id of the known issue that this is."""
    last_line: int
    """Last line that belongs to it."""
    location: Union[str, None]
    """`file:line` in the source, where the report gives it."""
    lock: Union[Lock, None]
    """The lock that was to be taken, released, contended, changed or freed."""
    loose_trace: List[Frame]
    """Frames whose `Call Trace:` line was overprinted by another CPU: probably this report's."""
    memory: Union[List[Union[str]], None]
    """Memory being freed, first and last byte, `0x…`."""
    message: Union[str, None]
    """The report's own words about what was wrong."""
    missing: List[str]
    """What is not there although the kind has it, or was taken from elsewhere."""
    notes: List[str]
    """Sentences of the report that qualify it (`RCU used illegally from offline CPU!`, …)."""
    other_lock: Union[Lock, None]
    """The lock held already (or, for inversions, the lock taken under or over it)."""
    rcu_scheduler_active: Union[int, None]
    """`rcu_scheduler_active` (suspicious-rcu): 0 inactive, 1 init, 2 running."""
    registered: Union[UsageTrace, None]
    """`{STATE} state was registered at:`."""
    release: Union[str, None]
    """Kernel release."""
    scenario: Union[Scenario, None]
    """The scenario table."""
    second_trace: List[Frame]
    """The second backtrace of a nested-not-held report."""
    sentence: str
    """What is wrong, in one plain sentence."""
    signature: str
    """The same text for the same problem on any build: no address, offset, counter or line number."""
    taint: Union[str, None]
    """Where the release came from: the rest of the identity line (`#1 Not tainted`)."""
    task: Union[TaskRef, None]
    """The task it is about."""
    timestamp: Union[float, None]
    """Seconds since boot at the header line."""
    title: str
    """One line that names the problem and where it is, the same for the same problem in any run."""
    trace: List[Frame]
    """Its backtrace."""
    usage_change: Union[UsageChange, None]
    """`inconsistent {A} -> {B} usage.`"""
    wait_context: Union[str, None]
    """`context-{outer:inner}` of a wait-context report."""
    work: Union[str, None]
    """The work function of a leak."""


class StoryStep(Record):
    """One step of a CPU's story."""
    text: str
    """What happened, in one or a few sentences."""
    when: str
    """`before`, `the stop`, `this CPU` or `so`."""

Strength = Literal["weak", "strong", "proof"]
"""How far a statement can be trusted."""

class TaskContext(Record):
    """`[HCa[b]:SCc[d]:HEe:SEf]` behind a task: its irq state."""
    hardirq: bool
    """In hard irq context."""
    hardirqs_enabled: bool
    """Hard irqs enabled."""
    softirq: bool
    """In soft irq context."""
    softirqs_enabled: bool
    """Soft irqs enabled."""
    text: str
    """As printed, without the brackets."""


class TaskRef(Record):
    """A task as `COMM/PID` names it. `pid` is what the log says: 0 for idle tasks, and garbage (even negative) when the task was."""
    comm: str
    """Command name, at most 15 bytes in the kernel; any bytes, here made visible."""
    pid: int
    """Process id."""


class TaskReport(Record):
    """A task, by name and number."""
    comm: Text
    """`task_struct.comm`."""
    pid: int
    """`task_struct.pid` (a thread id, as the kernel prints it)."""


class UsageChange(Record):
    """`inconsistent {FROM} -> {TO} usage.`"""
    from_: str
    """The state that was registered before."""
    to: str
    """The state that this use would add."""


class UsageTrace(Record):
    """When a lock class got into a usage state: `{IN-SOFTIRQ-W} state was registered at:` and alike."""
    state: str
    """The state (`IN-HARDIRQ-W`, `INITIAL USE`, …)."""
    trace: List[Frame]
    """Where."""

Verdict = Literal["all-off", "not-all-off", "inconclusive", "not-applicable"]
"""The answer for the whole machine."""

class VirtualizationReport(Record):
    """VMX/SVM over the machine."""
    cpus: List[CpuReport]
    """Possible CPUs, ascending."""
    era: Union[str, None]
    """Kernel layout by which the facts were read."""
    feature: Feature
    """Which extension."""
    summary: str
    """One sentence that says why."""
    verdict: Verdict
    """The answer."""

