//! A report as the kernel prints it (7.2), from what was read: whole again where memory completed it,
//! without prefixes, foreign lines and what a carrier broke. What [`scan_text`](crate::scan_text)
//! reads of it is the same report.
//!
//! Source of the texts: the functions of kernel/locking/lockdep.c and the places that
//! [`Kind`](crate::Kind) names.

use crate::lock::parts::{ClassDump, IrqSide, Lock, ScenarioStep};
use crate::lock::spec::{Form, Framed, Other, Plain, Warn};
use crate::lock::splat::Splat;
use crate::model::{Frame, TaskRef};

/// The lines of a report. `stale` says whether frames that are only words found on the stack
/// (`? f+0x1/0x2`) are printed too.
#[must_use]
pub fn lines(splat: &Splat, stale: bool) -> Vec<String> {
    let mut printer = Printer {
        splat,
        stale,
        lines: Vec::new(),
    };
    match splat.kind.spec().form {
        Form::Framed(form) => printer.framed(form),
        Form::Warn(Warn::BehindKey) => {
            printer.line("BUG: key ? has not been registered!");
            printer.warning(Some("DEBUG_LOCKS_WARN_ON(1)"));
        }
        Form::Warn(Warn::Alone) if splat.at.is_some() => {
            printer.warning(splat.message.as_deref());
        }
        Form::Warn(Warn::Alone) => printer.plain(Plain::Message),
        Form::Plain(form) => printer.plain(form),
    }
    printer.lines
}

struct Printer<'a> {
    splat: &'a Splat,
    stale: bool,
    lines: Vec<String>,
}

const HELP: &str = "other info that might help us debug this:";
const RULE: &str = "=====================================================";
const THIN_RULE: &str = "-----------------------------------------------------";
const OFF: &str = "turning off the locking correctness validator.";

/// `COMM/PID`.
fn pair(task: &TaskRef) -> String {
    format!("{}/{}", task.comm, task.pid)
}

/// `(NAME){USAGE}-{O:I}`.
fn class(lock: &Lock) -> String {
    let part = |text: &Option<String>, open: &str| {
        text.as_ref()
            .map_or(String::new(), |t| format!("{open}{{{t}}}"))
    };
    format!(
        "({}){}{}",
        lock.name,
        part(&lock.usage, ""),
        part(&lock.wait, "-")
    )
}

/// `ADDRESS (NAME){USAGE}-{O:I}, at: SYMBOL`.
fn held(lock: &Lock) -> String {
    let address = lock.address.as_deref().unwrap_or("");
    let address = address.strip_prefix("0x").unwrap_or(address);
    let at = lock
        .at
        .as_ref()
        .map_or(String::new(), |at| format!(", at: {at}"));
    format!("{address} {}{at}", class(lock))
}

/// `f+0x1/0x2 [module]`, and the place where it is known.
fn symbol(frame: &Frame) -> String {
    let mut out = frame.function.clone();
    if let (Some(offset), Some(size)) = (&frame.offset, &frame.size) {
        out.push_str(&format!("+{offset}/{size}"));
    } else if let Some(offset) = &frame.offset {
        out.push_str(&format!("+{offset}"));
    }
    if let Some(module) = &frame.module {
        out.push_str(&format!(" [{module}]"));
    }
    if let Some(source) = &frame.source {
        out.push_str(&format!(" {source}"));
    }
    out
}

impl Printer<'_> {
    fn line(&mut self, text: impl Into<String>) {
        self.lines.push(text.into());
    }

    /// A line behind a blank one.
    fn part(&mut self, text: impl Into<String>) {
        self.line("");
        self.line(text);
    }

    fn who(&self) -> String {
        self.splat
            .task
            .as_ref()
            .map_or_else(|| "?".to_owned(), pair)
    }

    /// The kinds between rules.
    fn framed(&mut self, form: Framed) {
        let splat = self.splat;
        self.line(RULE);
        self.line(header(splat, form));
        let taint = splat.taint.as_deref().unwrap_or("");
        let release = splat.release.as_deref().unwrap_or("");
        self.line(format!("{release} {taint}").trim());
        self.line(THIN_RULE);
        match form {
            Framed::Rcu => self.rcu(),
            Framed::Collision => return self.collision(),
            Framed::Release(verb) => self.unlock(verb),
            Framed::Freed => self.freed(),
            Framed::Leaving => self.line(format!(
                "{} is leaving the kernel with locks still held!",
                self.who()
            )),
            Framed::Held => {}
            Framed::WaitContext => self.two_locks(
                " is trying to lock:",
                Other::Held("but this task is not holding:"),
            ),
            Framed::Locks(does, Other::Name(words)) => {
                self.two_locks(does, Other::Name(words));
                self.backtrace(&splat.trace);
                self.part(HELP);
                self.held_locks();
                return self.backtrace(&splat.second_trace);
            }
            Framed::Locks(does, other) => self.two_locks(does, other),
        }
        self.held_locks();
        self.classes();
        if splat.kind.has_backtrace() {
            self.backtrace(&splat.trace);
        }
    }

    /// What the task does with which lock, and what stands against it.
    fn two_locks(&mut self, does: &str, other: Other) {
        let splat = self.splat;
        if let Some(change) = &splat.usage_change {
            self.line(format!(
                "inconsistent {{{}}} -> {{{}}} usage.",
                change.from, change.to
            ));
        }
        let context = splat.context.as_ref();
        let context = context.map_or(String::new(), |c| format!(" [{}]", c.text));
        self.line(format!("{}{context}{does}", self.who()));
        if let Some(lock) = &splat.lock {
            self.line(held(lock));
        }
        if let Some(lock) = &splat.other_lock {
            match other {
                Other::Class => {
                    let words = self.note("but this lock ").map(str::to_owned);
                    self.line(words.map_or_else(String::new, |w| format!("{w}:")));
                    self.line(format!(" {}", class(lock)));
                }
                Other::Name(words) => {
                    self.part(words);
                    self.line(&*lock.name);
                }
                Other::Held(words) => {
                    self.part(words);
                    self.line(held(lock));
                }
            }
        }
        self.against(other);
    }

    /// Why that is wrong.
    fn against(&mut self, other: Other) {
        let splat = self.splat;
        if let Some(note) = self.note("and the lock comparison ").map(str::to_owned) {
            self.line(format!("{note}:"));
        }
        if let Some(context) = &splat.wait_context {
            self.line(HELP);
            return self.line(format!("context-{{{context}}}"));
        }
        self.dependency();
        self.chain();
        if let Some(registered) = &splat.registered {
            self.line(format!("{{{}}} state was registered at:", registered.state));
            self.stored(2, &registered.trace);
        }
        self.irqtrace();
        if !matches!(other, Other::Name(_)) {
            self.part(HELP);
        }
        if !splat.chain_exists.is_empty() {
            self.line("Chain exists of:");
            self.line(format!("  {}", splat.chain_exists.join(" --> ")));
            self.line("");
        }
        self.scenario();
    }

    /// What an irq-order report would add, and the two sides of it.
    fn dependency(&mut self) {
        let splat = self.splat;
        if let Some((from, to)) = &splat.dependency {
            self.line("which would create a new lock dependency:");
            self.line(format!(" {} -> {}", class(from), class(to)));
        }
        self.side(&splat.irq_safe, "but this new dependency connects a");
        self.side(&splat.irq_unsafe, "to a");
    }

    fn side(&mut self, side: &Option<IrqSide>, words: &str) {
        let Some(side) = side else { return };
        if !side.lock.name.is_empty() {
            self.part(format!("{words} {} lock:", side.state));
            self.line(format!(" {}", class(&side.lock)));
        }
        self.part(format!("... which became {} at:", side.state));
        self.stored(2, &side.trace);
    }

    fn chain(&mut self) {
        let splat = self.splat;
        if splat.chain.is_empty() {
            return;
        }
        self.part("which lock already depends on the new lock.");
        self.part("the existing dependency chain (in reverse order) is:");
        for link in &splat.chain {
            self.part(format!("-> #{} {}:", link.index, class(&link.lock)));
            self.stored(7, &link.trace);
        }
    }

    fn scenario(&mut self) {
        let Some(table) = &self.splat.scenario else {
            return;
        };
        self.line(format!(" {}:", table.title));
        self.line("");
        let columns = if table.steps.iter().any(|step| step.cpu == Some(1)) {
            [
                "       CPU0                    CPU1",
                "       ----                    ----",
            ]
        } else {
            ["       CPU0", "       ----"]
        };
        self.lines.extend(columns.map(str::to_owned));
        let mut interrupted = false;
        for step in &table.steps {
            self.line(row(step, interrupted));
            interrupted |= step.action == "<Interrupt>";
        }
        self.part(" *** DEADLOCK ***");
        self.line("");
        if self.note("May be due to missing lock nesting").is_some() {
            self.line(" May be due to missing lock nesting notation");
            self.line("");
        }
    }

    /// A remark that begins so.
    fn note(&self, start: &str) -> Option<&str> {
        let mut notes = self.splat.notes.iter();
        notes
            .find(|note| note.starts_with(start))
            .map(String::as_str)
    }

    fn rcu(&mut self) {
        let splat = self.splat;
        let location = splat.location.as_deref().unwrap_or("?");
        self.line(format!(
            "{location} {}",
            splat.message.as_deref().unwrap_or("")
        ));
        self.part(HELP);
        self.line("");
        for note in splat.notes.iter().filter(|n| n.ends_with("CPU!")) {
            self.line(&**note);
        }
        if let (Some(active), Some(locks)) = (splat.rcu_scheduler_active, splat.debug_locks) {
            self.line(format!(
                "rcu_scheduler_active = {active}, debug_locks = {locks}"
            ));
        }
        for note in splat.notes.iter().filter(|n| !n.ends_with("CPU!")) {
            self.line(&**note);
        }
    }

    fn unlock(&mut self, verb: &str) {
        let splat = self.splat;
        let name = splat.lock.as_ref().map_or("?", |lock| &lock.name);
        self.line(format!(
            "{} is trying to {verb} lock ({name}) at:",
            self.who()
        ));
        if let Some(at) = &splat.at {
            self.line(&**at);
        }
        self.lines.extend(splat.notes.iter().cloned());
        self.part(HELP);
    }

    fn freed(&mut self) {
        let splat = self.splat;
        if let Some((from, to)) = &splat.memory {
            let bare = |a: &str| a.strip_prefix("0x").unwrap_or(a).to_owned();
            self.line(format!(
                "{} is freeing memory {}-{}, with a lock still held there!",
                self.who(),
                bare(from),
                bare(to)
            ));
        }
        if let Some(lock) = &splat.lock {
            self.line(held(lock));
        }
    }

    fn collision(&mut self) {
        let splat = self.splat;
        self.line(format!("{}: ", self.who()));
        self.line("Hash chain already cached but the contents don't match!");
        self.line("Held locks:");
        for lock in &splat.held {
            let text = held(&lock.lock);
            self.line(format!(" hlock_id:? -> chain_key:{:16}{text}", "?"));
        }
        self.backtrace(&splat.trace);
    }

    /// A WARN: what it says, where it stands, its trace.
    fn warning(&mut self, message: Option<&str>) {
        let splat = self.splat;
        self.line("------------[ cut here ]------------");
        if let Some(message) = message {
            self.line(message);
        }
        let location = splat
            .location
            .as_ref()
            .map_or(String::new(), |l| format!("{l} "));
        let at = splat.at.as_deref().unwrap_or("?");
        self.line(match (splat.cpu, &splat.task) {
            (Some(cpu), Some(task)) => {
                format!("WARNING: {location}at {at}, CPU#{cpu}: {}", pair(task))
            }
            _ => format!("WARNING: {location}at {at}"),
        });
        self.stack(&splat.trace);
        self.irqtrace();
        self.line("---[ end trace 0000000000000000 ]---");
    }

    /// The kinds without a frame.
    fn plain(&mut self, form: Plain) {
        let splat = self.splat;
        self.first_lines(form);
        if splat.held_declared.is_some() {
            self.held_locks();
        }
        self.irqtrace();
        if let Some(at) = splat
            .atomic
            .as_ref()
            .and_then(|a| a.preemption_disabled_at.as_ref())
        {
            self.line("Preemption disabled at:");
            self.line(&**at);
        }
        if splat.kind.has_backtrace() && !splat.trace.is_empty() {
            self.stack(&splat.trace);
        }
    }

    /// The line that names the problem, and what belongs to it.
    fn first_lines(&mut self, form: Plain) {
        let splat = self.splat;
        let (who, message) = (self.who(), splat.message.as_deref().unwrap_or(""));
        let cpu = splat
            .cpu
            .map_or_else(|| "?".to_owned(), |cpu| cpu.to_string());
        match form {
            Plain::Message => self.line(message),
            Plain::KeyAdvice => {
                self.line(format!("INFO: {message}"));
                self.line("The code is fine but needs lockdep annotation, or maybe");
                self.line("you didn't initialize this object before use?");
                self.line(OFF);
            }
            Plain::Limit => {
                self.line(format!("BUG: {message}"));
                self.line(OFF);
                self.lines.extend(splat.notes.iter().cloned());
            }
            Plain::Schedule => {
                let count = splat.atomic.as_ref().map_or_else(
                    || "?".to_owned(),
                    |a| match (a.preempt_count, a.non_block) {
                        (Some(count), _) => format!("0x{count:08x}"),
                        (None, Some(count)) => count.to_string(),
                        (None, None) => "?".to_owned(),
                    },
                );
                self.line(format!("BUG: {message}: {who}/{count}"));
            }
            Plain::Work => self.work(message),
            Plain::Spinlock => {
                self.line(format!("BUG: {message} on CPU#{cpu}, {who}"));
                if let Some(lock) = &splat.lock {
                    let state = self.note(".magic: ").unwrap_or(".magic: ?").to_owned();
                    self.line(format!(" lock: {}, {state}", lock.name));
                }
            }
            Plain::Rwlock => {
                let lock = splat.lock.as_ref().map_or("?", |lock| &lock.name);
                let lock = lock.strip_prefix("0x").unwrap_or(lock);
                self.line(format!("BUG: {message} on CPU#{cpu}, {who}, {lock}"));
            }
            Plain::Caller => {
                let message = message.replacen(" in preemptible code", "", 1);
                self.line(format!("BUG: {message} in preemptible [?] code: {who}"));
                if let Some(at) = &splat.at {
                    self.line(format!("caller is {at}"));
                }
            }
            Plain::DeadCpu => self.line(format!("CPU {cpu} left hardirqs enabled!")),
            Plain::Counters => self.sleep(message),
        }
    }

    /// Who leaked what, and the work function.
    fn work(&mut self, message: &str) {
        let splat = self.splat;
        let (comm, pid) = splat.task.as_ref().map_or(("?", 0), |t| (&t.comm, t.pid));
        self.line(format!("BUG: {message}: {comm}[{pid}]"));
        let counters = splat.notes.first().map_or("preempt=?", String::as_str);
        let work = splat.work.as_deref().unwrap_or("?");
        self.line(format!("     {counters} workfn={work}"));
    }

    /// Header and counters of the sleep checks.
    fn sleep(&mut self, message: &str) {
        let splat = self.splat;
        let at = splat
            .location
            .as_ref()
            .map_or(String::new(), |l| format!(" at {l}"));
        self.line(format!("BUG: {message}{at}"));
        let Some(state) = &splat.atomic else { return };
        let mut counters = Vec::new();
        let mut add = |name: &str, value: Option<i64>| {
            counters.extend(value.map(|v| format!("{name}: {v}")));
        };
        add("in_atomic()", state.in_atomic);
        add("irqs_disabled()", state.irqs_disabled);
        add("non_block", state.non_block);
        if let Some(task) = &splat.task {
            add("pid", Some(task.pid));
            counters.push(format!("name: {}", task.comm));
        }
        self.line(counters.join(", "));
        if let (Some(count), Some(expected)) = (state.preempt_count, state.preempt_expected) {
            self.line(format!("preempt_count: {count:x}, expected: {expected:x}"));
        }
        if let (Some(depth), Some(expected)) = (state.rcu_depth, state.rcu_expected) {
            self.line(format!("RCU nest depth: {depth}, expected: {expected}"));
        }
    }

    fn held_locks(&mut self) {
        let splat = self.splat;
        let Some(declared) = splat.held_declared else {
            return;
        };
        let who = self.who();
        self.line(match declared {
            0 => format!("no locks held by {who}."),
            1 => format!("1 lock held by {who}:"),
            n => format!("{n} locks held by {who}:"),
        });
        for lock in &splat.held {
            self.line(format!(" #{}: {}", lock.index, held(&lock.lock)));
        }
    }

    /// The dumps of the classes between the two locks of an irq report.
    fn classes(&mut self) {
        let mut section = "";
        for dump in &self.splat.classes {
            if dump.section != section {
                section = &dump.section;
                self.line("");
                // The kernel breaks this one into two lines.
                match section
                    .split_once(" and ")
                    .filter(|(a, _)| a.ends_with("to be acquired"))
                {
                    Some((first, second)) => {
                        self.line(first);
                        self.line(format!(" and {second}:"));
                    }
                    None => self.line(format!("{section}:")),
                }
            }
            self.class_dump(dump);
        }
    }

    fn class_dump(&mut self, dump: &ClassDump) {
        let depth = dump.depth.min(64) as usize;
        let blanks = " ".repeat(depth);
        let ops = dump.ops.map_or(String::new(), |n| format!(" ops: {n}"));
        self.line(format!("{blanks}-> {}{ops} {{", class(&dump.lock)));
        for usage in &dump.usages {
            self.line(format!("{blanks}   {} at:", usage.state));
            self.stored(depth.saturating_add(20), &usage.trace);
        }
        self.line(format!("{blanks} }}"));
        if let Some(key) = &dump.key {
            let address = dump.key_address.as_deref().unwrap_or("0x0000000000000000");
            let address = address.strip_prefix("0x").unwrap_or(address);
            self.line(format!("{blanks} ... key      at: [<{address}>] {key}"));
        }
        if !dump.acquired_at.is_empty() {
            self.line(format!("{blanks} ... acquired at:"));
            self.stored(depth.saturating_add(3), &dump.acquired_at);
            self.line("");
        }
    }

    fn irqtrace(&mut self) {
        let Some(trace) = &self.splat.irqtrace else {
            return;
        };
        self.line(format!("irq event stamp: {}", trace.stamp));
        for (words, event) in [
            ("hardirqs last  enabled", &trace.hardirqs_enabled),
            ("hardirqs last disabled", &trace.hardirqs_disabled),
            ("softirqs last  enabled", &trace.softirqs_enabled),
            ("softirqs last disabled", &trace.softirqs_disabled),
        ] {
            if let Some(event) = event {
                self.line(format!("{words} at ({}): {}", event.stamp, event.at));
            }
        }
    }

    /// A trace that lockdep has stored.
    fn stored(&mut self, indent: usize, trace: &[Frame]) {
        for frame in trace {
            self.frame(indent, frame);
        }
    }

    fn backtrace(&mut self, trace: &[Frame]) {
        if !trace.is_empty() {
            self.part("stack backtrace:");
            self.stack(trace);
        }
    }

    /// dump_stack().
    fn stack(&mut self, trace: &[Frame]) {
        if trace.is_empty() {
            return;
        }
        let splat = self.splat;
        if let (Some(cpu), Some(task)) = (splat.cpu, &splat.task) {
            let taint = splat.taint.as_deref().and_then(|t| t.split_once(' '));
            let kernel = match (taint, &splat.release) {
                (Some((build, taint)), Some(release)) => format!(" {taint} {release} {build}"),
                _ => String::new(),
            };
            self.line(format!(
                "CPU: {cpu} PID: {} Comm: {}{kernel}",
                task.pid, task.comm
            ));
        }
        self.line("Call Trace:");
        self.line(" <TASK>");
        let stale = self.stale;
        for frame in trace.iter().filter(|frame| frame.reliable || stale) {
            self.frame(1, frame);
        }
        self.line(" </TASK>");
    }

    /// A frame, what was inlined into it before it.
    fn frame(&mut self, indent: usize, frame: &Frame) {
        for inner in &frame.inlined {
            self.line(format!(
                "{:indent$}{} {} [inline]",
                "", inner.function, inner.source
            ));
        }
        let doubt = if frame.reliable { "" } else { "? " };
        self.line(format!("{:indent$}{doubt}{}", "", symbol(frame)));
    }
}

/// The line that names the problem.
fn header(splat: &Splat, form: Framed) -> String {
    // What it says where the log has lost the header.
    let spec = splat.kind.spec();
    let headline = spec.headlines.first().copied().unwrap_or(spec.id);
    match form {
        Framed::WaitContext => format!("[ BUG: {headline} ]"),
        // Its message is that of the line below.
        Framed::Rcu => format!("WARNING: {headline}"),
        Framed::Held => {
            let task = splat.task.as_ref().map_or_else(|| "?/0".to_owned(), pair);
            format!("WARNING: {task} still has locks held!")
        }
        Framed::Locks(..)
        | Framed::Collision
        | Framed::Release(_)
        | Framed::Freed
        | Framed::Leaving => {
            format!("WARNING: {}", splat.message.as_deref().unwrap_or(headline))
        }
    }
}

/// A row of a scenario table; behind `<Interrupt>` the first column is indented further.
fn row(step: &ScenarioStep, interrupted: bool) -> String {
    let blanks = match step.cpu {
        Some(1) => 31,
        _ if interrupted => 4,
        _ => 2,
    };
    match (&step.lock, step.action.as_str()) {
        (Some(lock), action) => format!("{:blanks$}{action}({lock});", ""),
        (None, "<Interrupt>") => format!("{:blanks$}<Interrupt>", ""),
        (None, action) => format!("{:blanks$}{action}();", ""),
    }
}
