//! What there is to say of a kind of report: the columns of the table in [`super::kind`].

/// A kind, described.
#[derive(Debug)]
pub(crate) struct KindSpec {
    /// Its name, as in JSON.
    pub(crate) id: &'static str,
    /// How the kernel prints it, and so how it is read and printed again.
    pub(crate) form: Form,
    /// It switches lockdep off before it is printed.
    pub(crate) turns_lockdep_off: bool,
    /// The kernel ends it with a backtrace.
    pub(crate) has_backtrace: bool,
    /// What it is about are the locks that the task holds.
    pub(crate) is_of_held: bool,
    /// Its texts behind `WARNING: `, `INFO: ` or `BUG: `, that of today first. What ends them
    /// (` detected`, `.`, `!`, ` ]`) differs by release.
    pub(crate) headlines: &'static [&'static str],
    /// How its line behind `BUG: ` begins, and what follows.
    pub(crate) bugs: &'static [(&'static str, Tail)],
    /// The message of its WARN, by its first words.
    pub(crate) messages: &'static [&'static str],
    /// Lines that no other kind has, by their beginnings: they tell the kind when the head is lost.
    pub(crate) begins: &'static [&'static str],
    /// The same by their ends.
    pub(crate) ends: &'static [&'static str],
    /// The functions that print it: they tell the kind as well, and are never guilty.
    pub(crate) printers: &'static [&'static str],
    /// What it is called in a title.
    pub(crate) title: Title,
    /// What its signature has beside locks and functions.
    pub(crate) signature: Mark,
    /// What is wrong, in one sentence.
    pub(crate) sentence: fn(&Words<'_>) -> String,
}

impl KindSpec {
    /// What most kinds are: the base of each description.
    pub(crate) const BASE: Self = Self {
        id: "",
        form: Form::Plain(Plain::Message),
        turns_lockdep_off: false,
        has_backtrace: true,
        is_of_held: false,
        headlines: &[],
        bugs: &[],
        messages: &[],
        begins: &[],
        ends: &[],
        printers: &[],
        title: Title::Message,
        signature: Mark::Nothing,
        sentence: |_| String::new(),
    };
}

/// How a kind is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Between rules; the backtrace follows `stack backtrace:` and no sooner.
    Framed(Framed),
    /// A WARN, or with one in it: registers and an `---[ end trace` follow.
    Warn(Warn),
    /// A line, and what belongs to it.
    Plain(Plain),
}

/// What stands between the rules and the held locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framed {
    /// What the task does with one lock, and the other.
    Locks(&'static str, Other),
    /// The lock that may sleep, and the context; its header is bracketed to this day.
    WaitContext,
    /// RCU's own message and state.
    Rcu,
    /// The chain whose hash another has.
    Collision,
    /// The lock that is released or contended: the verb.
    Release(&'static str),
    /// The memory that is freed.
    Freed,
    /// That the task leaves the kernel.
    Leaving,
    /// Nothing: the header names the task.
    Held,
}

/// How the second lock of a report is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// As a held lock, behind this sentence.
    Held(&'static str),
    /// As a class, behind a sentence that the report keeps.
    Class,
    /// By its name alone, behind this sentence; a second backtrace follows the held locks.
    Name(&'static str),
}

/// Whether a WARN stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Warn {
    /// It does.
    Alone,
    /// Behind the line that names the key (lockdep_init_map_type).
    BehindKey,
}

/// What belongs to the line of a kind without a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    /// Nothing more than the message.
    Message,
    /// Advice on keys.
    KeyAdvice,
    /// That lockdep is off, and how deep the locks are.
    Limit,
    /// The task and its preempt count in the line.
    Schedule,
    /// The counters of the sleep checks.
    Counters,
    /// The work function.
    Work,
    /// The state of a spinlock.
    Spinlock,
    /// The address of an rwlock in the line.
    Rwlock,
    /// `caller is`.
    Caller,
    /// The CPU in the line.
    DeadCpu,
}

/// What follows the first words of a line behind `BUG: `.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// `FILE:LINE`.
    Place,
    /// What belongs to the message.
    Message,
    /// A key, and what is wrong with it.
    Key,
    /// The name of a limit, and ` too low!`.
    Limit,
    /// `COMM/PID/0xCOUNT`.
    TaskAndCount,
    /// What was leaked, and by whom.
    Leak,
    /// What is wrong, `on CPU#N`, the task; for some the lock.
    Lock(&'static str),
    /// `FN() in preemptible [HEX] code: COMM/PID`.
    PerCpu,
}

/// What a kind is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Title {
    /// This.
    Words(&'static str),
    /// Its message, or its id.
    Message,
    /// Its message without this end; without a message the second text.
    MessageWithout(&'static str, &'static str),
    /// Its message up to this text; without a message the second text.
    MessageUpTo(&'static str, &'static str),
}

/// What tells reports of one kind apart beside locks and functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Nothing.
    Nothing,
    /// The file: who asked for what was not given. Of other kinds the file is the locking code's.
    File,
    /// The title.
    Title,
}

/// What sentences are made of; texts that may be absent are empty.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    /// The task.
    pub(crate) who: String,
    /// ` in FUNCTION()`.
    pub(crate) place: String,
    /// ` at FILE:LINE`, or the place.
    pub(crate) at: String,
    pub(crate) lock: &'a str,
    pub(crate) other: &'a str,
    /// The report's own words, without `!` and `.` at the end.
    pub(crate) message: &'a str,
    /// `: MESSAGE`.
    pub(crate) said: String,
    /// How many locks are held, their names, and `, holding NAMES`.
    pub(crate) held_count: usize,
    pub(crate) held: String,
    pub(crate) holding: String,
    /// ` (A -> B -> A)`.
    pub(crate) cycle: String,
    /// ` (A before, B now)`.
    pub(crate) change: String,
    /// The work function.
    pub(crate) work: &'a str,
    /// The irq-safe and the irq-unsafe side.
    pub(crate) sides: Option<Sides>,
    /// The lock took the other one in the past; otherwise it was taken under it.
    pub(crate) took: bool,
    /// That lockdep was off already.
    pub(crate) doubt: &'static str,
}

/// The sides of an irq-order report.
#[derive(Debug)]
pub(crate) struct Sides {
    /// `hardirq`, `softirq`.
    pub(crate) irq: String,
    /// The irq-safe lock, and ` (in FUNCTION())` where it became so.
    pub(crate) safe: String,
    pub(crate) safe_by: String,
    /// The irq-unsafe lock.
    pub(crate) unsafe_: String,
    pub(crate) unsafe_by: String,
}
