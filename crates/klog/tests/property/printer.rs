//! Prints the pieces of a report as the kernel does, and keeps the book of what must be read back.
//!
//! Source: kernel/locking/lockdep.c (print_lock, print_lock_name, lockdep_print_held_locks,
//! print_circular_bug_entry, print_lock_class_header, print_irqtrace_events), lib/dump_stack.c.

use virtopsy_klog::{
    ChainEntry, ClassDump, Frame, HeldLock, IrqEvent, IrqTrace, Kind, Lock, Scenario, ScenarioStep,
    Splat, TaskContext, TaskRef, UsageTrace,
};

/// Whose way of printing: the releases at which it changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Style {
    /// `[ INFO: … ]`, six usage letters, `[<address>] f`, no address of a lock.
    V4_4,
    /// Four letters, `WARNING: …`, addresses only where a lock was taken.
    V4_15,
    /// The address of the lock.
    V5_4,
    /// Wait types, `<TASK>`.
    V7_2,
    /// `locks held by COMM/PID: N, last CPU#C:`.
    V7_3,
}

impl Style {
    pub(crate) const ALL: [Style; 5] = [
        Style::V4_4,
        Style::V4_15,
        Style::V5_4,
        Style::V7_2,
        Style::V7_3,
    ];
}

const ADDRESS: &str = "ffffffff81ca45ed";

/// A report in the making: its records, and what must be read from them.
pub(crate) struct Printer {
    pub(crate) style: Style,
    pub(crate) records: Vec<String>,
    pub(crate) want: Splat,
}

impl Printer {
    pub(crate) fn new(style: Style, task: TaskRef, cpu: u32) -> Self {
        let mut want: Splat = serde_json::from_value(serde_json::json!({
            "kind": Kind::Circular, "title": "", "held": [], "trace": [], "first_line": 0,
            "last_line": 0, "cut": false, "missing": [], "sentence": "", "signature": "",
        }))
        .unwrap();
        want.task = Some(task);
        want.cpu = Some(cpu);
        want.release = Some("7.2.13-x".to_owned());
        Self {
            style,
            records: Vec::new(),
            want,
        }
    }

    pub(crate) fn line(&mut self, text: impl Into<String>) {
        self.records.push(text.into());
    }

    /// `COMM/PID`.
    pub(crate) fn who(&self) -> String {
        let task = self.want.task.as_ref().unwrap();
        format!("{}/{}", task.comm, task.pid)
    }

    /// The header between its rules, and the identity of the kernel.
    pub(crate) fn head(&mut self, kind: Kind, word: &str, text: &str) {
        self.want.kind = kind;
        self.want.message = Some(text.to_owned());
        self.line("\n=========================");
        if self.style == Style::V4_4 {
            let word = if word == "WARNING" { "INFO" } else { word };
            self.line(format!("[ {word}: {text} ]"));
        } else {
            self.line(format!("{word}: {text}"));
        }
        self.line("7.2.13-x #1 Tainted: G           O       ");
        self.line("-------------------------");
    }

    /// A lock as this release would know it.
    fn known(&self, lock: &Lock) -> Lock {
        let mut lock = lock.clone();
        if self.style < Style::V5_4 {
            lock.address = None;
        }
        if self.style < Style::V7_2 {
            lock.wait = None;
        }
        if self.style == Style::V4_4 {
            lock.usage = lock.usage.map(|u| format!("{u}.."));
        }
        lock
    }

    /// `(NAME){USAGE}-{O:I}`.
    fn name(lock: &Lock) -> String {
        let wait = lock
            .wait
            .as_ref()
            .map_or(String::new(), |w| format!("-{{{w}}}"));
        format!(
            "({}){{{}}}{wait}",
            lock.name,
            lock.usage.as_deref().unwrap()
        )
    }

    /// A lock without the place where it was taken: ` (NAME){USAGE}`.
    pub(crate) fn class(&self, lock: &Lock) -> (String, Lock) {
        let mut lock = self.known(lock);
        lock.address = None;
        lock.at = None;
        (format!(" {}", Self::name(&lock)), lock)
    }

    /// A lock and the place where it was taken (print_lock).
    pub(crate) fn lock(&self, lock: &Lock) -> (String, Lock) {
        let lock = self.known(lock);
        let at = lock.at.as_deref().unwrap();
        let text = match &lock.address {
            Some(address) => format!(
                "{} {}, at: {at}",
                address.trim_start_matches("0x"),
                Self::name(&lock)
            ),
            None => format!(" {}, at: [<{ADDRESS}>] {at}", Self::name(&lock)),
        };
        (text, lock)
    }

    /// The same as a record of its own.
    pub(crate) fn lock_line(&mut self, lock: &Lock) -> Lock {
        let (text, lock) = self.lock(lock);
        self.line(text);
        lock
    }

    /// A class on a record of its own.
    pub(crate) fn class_line(&mut self, lock: &Lock) -> Lock {
        let (text, lock) = self.class(lock);
        self.line(text);
        lock
    }

    /// The locks that the task holds.
    pub(crate) fn held(&mut self, locks: &[Lock]) {
        let (who, n) = (self.who(), locks.len());
        self.line(match (self.style, n) {
            (Style::V7_3, 0) => format!("locks held by {who}: 0, on CPU#2"),
            (Style::V7_3, _) => format!("locks held by {who}: {n}, last CPU#2:"),
            (_, 0) => format!("no locks held by {who}."),
            (_, 1) => format!("1 lock held by {who}:"),
            _ => format!("{n} locks held by {who}:"),
        });
        self.want.held_declared = Some(n as u32);
        for (index, lock) in (0u32..).zip(locks) {
            let (text, lock) = self.lock(lock);
            self.line(format!(" #{index}: {text}"));
            self.want.held.push(HeldLock::new(index, lock));
        }
    }

    /// A symbol with its module.
    pub(crate) fn symbol(frame: &Frame) -> String {
        let module = frame
            .module
            .as_ref()
            .map_or(String::new(), |m| format!(" [{m}]"));
        format!(
            "{}+{}/{}{module}",
            frame.function,
            frame.offset.as_deref().unwrap(),
            frame.size.as_deref().unwrap()
        )
    }

    /// A frame, and how it is read back.
    fn frame(&mut self, indent: usize, frame: &Frame) -> Frame {
        let mut frame = frame.clone();
        let mut address = String::new();
        if self.style == Style::V4_4 {
            address = format!("[<{ADDRESS}>] ");
            frame.address = Some(format!("0x{ADDRESS}"));
        }
        let doubt = if frame.reliable { "" } else { "? " };
        let symbol = Self::symbol(&frame);
        self.line(format!("{:indent$}{address}{doubt}{symbol}", ""));
        frame
    }

    /// A trace that lockdep has stored.
    pub(crate) fn stored(&mut self, indent: usize, frames: &[Frame]) -> Vec<Frame> {
        let out = frames.iter().map(|f| self.frame(indent, f)).collect();
        if self.style == Style::V4_4 {
            self.line(format!(
                "{:indent$}[<ffffffffffffffff>] 0xffffffffffffffff",
                ""
            ));
        }
        out
    }

    /// dump_stack(): who runs where, and the frames.
    pub(crate) fn stack(&mut self, frames: &[Frame]) -> Vec<Frame> {
        let task = self.want.task.clone().unwrap();
        let (cpu, pid, comm) = (self.want.cpu.unwrap(), task.pid, task.comm);
        let uid = if self.style >= Style::V7_2 {
            "UID: 0 "
        } else {
            ""
        };
        self.line(format!(
            "CPU: {cpu} {uid}PID: {pid} Comm: {comm} Not tainted 7.2.13-x #1 "
        ));
        self.line("Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-debian-1.16.2-1 04/01/2014");
        if self.style == Style::V4_4 {
            self.line(" 0000000000000001 ffff8801d614bd58 ffffffff81ca45ed ffff8801d12ce040");
        }
        self.line("Call Trace:");
        if self.style >= Style::V7_2 {
            self.line(" <TASK>");
        }
        let out = frames.iter().map(|f| self.frame(1, f)).collect();
        if self.style >= Style::V7_2 {
            self.line("RIP: 0033:0x47b7a0");
            self.line("RSP: 002b:00007fff25746198 EFLAGS: 00000202 ORIG_RAX: 0000000000000001");
            self.line(" </TASK>");
        }
        out
    }

    /// The backtrace that ends a report between rules.
    pub(crate) fn end(&mut self, frames: &[Frame]) {
        self.line("\nstack backtrace:");
        self.want.trace = self.stack(frames);
    }

    /// The links of a chain, from above; the last is the acquisition being made now.
    pub(crate) fn chain(&mut self, links: &[(&Lock, &[Frame])]) {
        for (index, (lock, trace)) in links.iter().enumerate().rev() {
            let index = index as u32;
            let (text, lock) = self.class(lock);
            self.line(format!("\n-> #{index}{text}:"));
            let trace = self.stored(7, trace);
            self.want.chain.push(ChainEntry { index, lock, trace });
        }
        self.want.cycle = links.iter().map(|(lock, _)| lock.name.clone()).collect();
    }

    /// `Chain exists of:`.
    pub(crate) fn exists(&mut self, names: &[&str]) {
        self.line(format!("Chain exists of:\n  {}\n", names.join(" --> ")));
        self.want.chain_exists = names.iter().map(|n| (*n).to_owned()).collect();
    }

    /// A scenario table: column (0, 1; 2: the first behind `<Interrupt>`), verb, lock.
    pub(crate) fn scenario(
        &mut self,
        title: &str,
        columns: usize,
        steps: &[(u8, &str, Option<&str>)],
    ) {
        self.line(format!(" {title}:\n"));
        let heads = [
            "       CPU0                    CPU1",
            "       ----                    ----",
        ];
        for head in heads {
            let end = if columns == 1 { 11 } else { head.len() };
            self.line(head.get(..end).unwrap().to_owned());
        }
        let mut table = Scenario {
            title: title.to_owned(),
            steps: Vec::new(),
        };
        for (column, action, lock) in steps {
            let blanks = " ".repeat([2, 31, 4][usize::from(*column)]);
            self.line(match (*action, lock) {
                ("<Interrupt>", _) => format!("{blanks}<Interrupt>"),
                (action, Some(lock)) => format!("{blanks}{action}({lock});"),
                (action, None) => format!("{blanks}{action}();"),
            });
            table.steps.push(ScenarioStep {
                cpu: Some(*column % 2),
                action: (*action).to_owned(),
                lock: lock.map(str::to_owned),
            });
        }
        self.line("\n *** DEADLOCK ***\n");
        self.want.scenario = Some(table);
    }

    /// One class of a dump (print_lock_class_header and what follows it).
    pub(crate) fn class_dump(
        &mut self,
        section: &str,
        depth: usize,
        lock: &Lock,
        usages: &[(&str, &[Frame])],
        acquired: Option<&[Frame]>,
    ) {
        let (text, lock) = self.class(lock);
        let blanks = " ".repeat(depth);
        self.line(format!("{blanks}->{text} ops: 7 {{"));
        let mut dump = ClassDump {
            section: section.to_owned(),
            depth: depth as u32,
            lock,
            ops: Some(7),
            key_address: Some(format!("0x{ADDRESS}")),
            key: Some("__key.8+0x0/0x40".to_owned()),
            ..ClassDump::default()
        };
        for (state, trace) in usages {
            self.line(format!("{blanks}   {state} at:"));
            let trace = self.stored(depth + 20, trace);
            dump.usages.push(UsageTrace {
                state: (*state).to_owned(),
                trace,
            });
        }
        self.line(format!("{blanks} }}"));
        self.line(format!(
            "{blanks} ... key      at: [<{ADDRESS}>] __key.8+0x0/0x40"
        ));
        if let Some(trace) = acquired {
            self.line(format!("{blanks} ... acquired at:"));
            dump.acquired_at = self.stored(depth + 3, trace);
            self.line("\n");
        }
        self.want.classes.push(dump);
    }

    /// `irq event stamp` and its lines.
    pub(crate) fn irqtrace(&mut self, stamp: u64, at: &Frame) {
        let symbol = Self::symbol(at);
        self.line(format!("irq event stamp: {stamp}"));
        let event = |stamp: u64, at: &str| {
            Some(IrqEvent {
                stamp,
                at: at.to_owned(),
            })
        };
        self.line(format!(
            "hardirqs last  enabled at ({stamp}): [<{ADDRESS}>] {symbol}"
        ));
        self.line(format!(
            "hardirqs last disabled at (0): [<{ADDRESS}>] {symbol}"
        ));
        self.line(format!(
            "softirqs last  enabled at (9): [<{ADDRESS}>] {symbol}"
        ));
        self.line("softirqs last disabled at (0): [<0000000000000000>] 0x0");
        self.want.irqtrace = Some(IrqTrace {
            stamp,
            hardirqs_enabled: event(stamp, &symbol),
            hardirqs_disabled: event(0, &symbol),
            softirqs_enabled: event(9, &symbol),
            softirqs_disabled: event(0, "0x0"),
        });
    }

    /// ` [HC0[0]:SC1[1]:HE0:SE1]` behind a task.
    pub(crate) fn context(&mut self, softirq: bool) -> String {
        let n = u8::from(softirq);
        let text = format!("HC0[0]:SC{n}[{n}]:HE0:SE1");
        self.want.context = Some(TaskContext {
            text: text.clone(),
            hardirq: false,
            softirq,
            hardirqs_enabled: false,
            softirqs_enabled: true,
        });
        format!(" [{text}]")
    }
}
