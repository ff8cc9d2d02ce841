//! Workers: they do what may take long, each job under its own number.
//!
//! A job that panics is answered with an error; a job that nobody waits for any more is not begun,
//! and told to end if it looks. Workers are not waited for when the program ends.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};
use virtopsy::report::Text;

use crate::editor::{self, SourceLine};
use crate::effect::{Answer, JobId, Payload, Reply, Request, SourceOf};
use crate::logtext::{Line, LogText};
use crate::source::{Cancelled, Opener, Source};

/// Symbols that a search gives at most.
const MOST_SYMBOLS: usize = 200;
/// Longest file of bookmarks that is read.
const LONGEST_NOTES: u64 = 1 << 20;

/// The workers.
#[derive(Debug)]
pub(crate) struct Pool {
    tasks: Sender<Task>,
    running: BTreeMap<JobId, Cancelled>,
}

struct Task {
    job: JobId,
    request: Request,
    cancelled: Cancelled,
}

struct Shelf {
    opener: Arc<dyn Opener>,
    open: Mutex<BTreeMap<usize, Arc<dyn Source>>>,
}

impl Pool {
    /// Starts `threads` workers; their answers go to `answers`.
    pub(crate) fn start(
        opener: Arc<dyn Opener>,
        threads: usize,
        answers: &Sender<Answer>,
    ) -> io::Result<Pool> {
        let (tasks, queue) = unbounded();
        let shelf = Arc::new(Shelf {
            opener,
            open: Mutex::default(),
        });
        for _ in 0..threads.max(1) {
            let (queue, answers, shelf) = (queue.clone(), answers.clone(), shelf.clone());
            std::thread::Builder::new()
                .name("virtopsy-tui-worker".into())
                .spawn(move || work(&queue, &answers, &shelf))?;
        }
        Ok(Pool {
            tasks,
            running: BTreeMap::new(),
        })
    }

    /// Begins a job.
    pub(crate) fn begin(&mut self, job: JobId, request: Request) {
        let cancelled = Cancelled::default();
        self.running.insert(job, cancelled.clone());
        // Workers end only with the program, and then nobody waits.
        let _ = self.tasks.send(Task {
            job,
            request,
            cancelled,
        });
    }

    /// Nobody waits for this job any more.
    pub(crate) fn cancel(&mut self, job: JobId) {
        if let Some(cancelled) = self.running.remove(&job) {
            cancelled.set();
        }
    }

    /// An answer has come.
    pub(crate) fn done(&mut self, job: JobId) {
        self.running.remove(&job);
    }
}

fn work(queue: &Receiver<Task>, answers: &Sender<Answer>, shelf: &Shelf) {
    for task in queue {
        if task.cancelled.is_set() {
            continue;
        }
        let run = AssertUnwindSafe(|| shelf.run(&task.request, &task.cancelled));
        let result = catch_unwind(run).unwrap_or_else(|panic| Err(panic_text(panic.as_ref())));
        if answers
            .send(Answer {
                job: task.job,
                result,
            })
            .is_err()
        {
            return;
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned());
    format!(
        "a worker failed, which is a bug: {}",
        crate::doc::safe(&text.unwrap_or_default())
    )
}

impl Shelf {
    fn open_dumps(&self) -> MutexGuard<'_, BTreeMap<usize, Arc<dyn Source>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn source(&self, tab: usize) -> Result<Arc<dyn Source>, String> {
        self.open_dumps()
            .get(&tab)
            .cloned()
            .ok_or_else(|| "the dump is not open".into())
    }

    fn run(&self, request: &Request, cancelled: &Cancelled) -> Result<Reply, String> {
        match request {
            Request::Open { tab } => Ok(Reply::Opened(self.opener.open(*tab).map(|source| {
                let opened = source.opened();
                self.open_dumps().insert(*tab, source);
                opened
            }))),
            Request::Report { tab } => Ok(Reply::Report(Arc::new(self.source(*tab)?.report()))),
            Request::Log { tab } => Ok(Reply::Log(Arc::new(LogText::new(
                self.source(*tab)?.log()?,
            )))),
            Request::Code { tab, report } => self
                .source(*tab)?
                .code(&report.0)
                .map(|c| Reply::Code(Arc::new(c))),
            Request::Stack { tab, of } => self
                .source(*tab)?
                .stack(*of, cancelled)
                .map(|s| Reply::Stack(Arc::new(s))),
            Request::Tasks { tab } => self
                .source(*tab)?
                .tasks()
                .map(|t| Reply::Tasks(Arc::new(t))),
            Request::Modules { tab } => self
                .source(*tab)?
                .modules()
                .map(|m| Reply::Modules(Arc::new(m))),
            Request::Vms { tab } => self.source(*tab)?.vms().map(|v| Reply::Vms(Arc::new(v))),
            Request::Symbols { tab, query } => self
                .source(*tab)?
                .symbols(query, MOST_SYMBOLS, cancelled)
                .map(Reply::Symbols),
            Request::Memory { tab, at } => self
                .source(*tab)?
                .memory(at)
                .map(|m| Reply::Memory(Arc::new(m))),
            Request::Scan {
                log,
                filter,
                within,
            } => log
                .0
                .scan(filter, within.as_ref().map(|w| w.as_slice()), cancelled)
                .map(|l| Reply::Lines(Arc::new(l))),
            Request::Write {
                path,
                payload,
                over,
            } => write(path, payload, *over),
            Request::Notes { path } => read_notes(path),
            Request::Source { tab, of, dirs } => {
                let line = match of {
                    SourceOf::Line(line) => line.clone(),
                    SourceOf::Code(at) => self.source(*tab)?.line_of(*at)?,
                };
                find_source(dirs, &line)
            }
        }
    }
}

fn find_source(dirs: &[PathBuf], line: &SourceLine) -> Result<Reply, String> {
    let shown = crate::doc::safe(&format!("{}:{}", line.file, line.line));
    if dirs.is_empty() {
        return Err(format!(
            "{shown}: no folder of sources is known; --source DIR names one"
        ));
    }
    editor::find(dirs, &line.file)
        .map(|path| Reply::Source(path, line.line))
        .ok_or_else(|| format!("{shown} is in none of the source folders"))
}

/// Writes a new file, or replaces one if that was asked for.
fn write(path: &Path, payload: &Payload, over: bool) -> Result<Reply, String> {
    let shown = crate::effect::shown(path);
    if over && let Some(folder) = path.parent() {
        // The folder of bookmarks may not be there yet; another missing folder fails below.
        let _ = std::fs::create_dir_all(folder);
    }
    let mut options = OpenOptions::new();
    let options = if over {
        options.write(true).create(true).truncate(true)
    } else {
        options.write(true).create_new(true)
    };
    let file = options.open(path).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => format!("{shown} exists; a ! behind the name replaces it"),
        _ => format!("{shown}: {e}"),
    })?;
    let mut counted = Counted {
        inner: BufWriter::new(file),
        bytes: 0,
    };
    write_payload(payload, &mut counted)
        .and_then(|()| counted.inner.flush())
        .map_err(|e| format!("{shown}: {e}"))?;
    Ok(Reply::Written(path.to_owned(), counted.bytes))
}

struct Counted<W> {
    inner: W,
    bytes: usize,
}

impl<W: io::Write> io::Write for Counted<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buf)?;
        self.bytes = self.bytes.saturating_add(n);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn write_payload(payload: &Payload, out: &mut impl io::Write) -> io::Result<()> {
    match payload {
        Payload::Text(text) => out.write_all(text.as_bytes()),
        Payload::View(value) => write_json(value, out),
        Payload::Report(report) => write_json(report.as_ref(), out),
        Payload::Log(log, lines) => {
            numbers(log, lines.as_deref()).try_for_each(|n| write_line(log, n, out))
        }
        Payload::LogJson(log, lines) => {
            out.write_all(b"[")?;
            let mut comma = "\n";
            for number in numbers(log, lines.as_deref()) {
                if let Some(line) = log.line(number) {
                    out.write_all(comma.as_bytes())?;
                    virtopsy::report::write_json(&mut *out, &line_json(number, &line))?;
                    comma = ",\n";
                }
            }
            out.write_all(b"\n]\n")
        }
    }
}

/// The chosen lines of the log, or all.
fn numbers<'a>(log: &LogText, lines: Option<&'a Vec<u32>>) -> Box<dyn Iterator<Item = usize> + 'a> {
    match lines {
        Some(lines) => Box::new(lines.iter().map(|n| *n as usize)),
        None => Box::new(0..log.len()),
    }
}

fn write_json(value: &impl serde::Serialize, out: &mut impl io::Write) -> io::Result<()> {
    virtopsy::report::write_json(&mut *out, value)?;
    out.write_all(b"\n")
}

fn line_json(number: usize, line: &Line<'_>) -> serde_json::Value {
    serde_json::json!({
        "line": number.saturating_add(1),
        "sequence": line.record.sequence,
        "timestamp_ns": line.record.timestamp_ns,
        "caller": line.record.caller,
        "level": line.record.level,
        "facility": line.record.facility,
        "text": Text::new(line.text),
    })
}

/// A line as dmesg shows it, escaped.
fn write_line(log: &LogText, number: usize, out: &mut impl io::Write) -> io::Result<()> {
    let Some(line) = log.line(number) else {
        return Ok(());
    };
    let ns = line.record.timestamp_ns.unwrap_or(0);
    let (seconds, micros) = (ns / 1_000_000_000, ns % 1_000_000_000 / 1_000);
    let caller = line
        .record
        .caller
        .as_ref()
        .map_or(String::new(), |c| format!("[{c:>6}]"));
    writeln!(
        out,
        "[{seconds:>5}.{micros:06}]{caller} {}",
        virtopsy::report::escape(line.text)
    )
}

/// The bookmarks of a dump; none where there is no file yet.
fn read_notes(path: &Path) -> Result<Reply, String> {
    let mut text = String::new();
    match std::fs::File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e.to_string()),
        Ok(file) => {
            file.take(LONGEST_NOTES)
                .read_to_string(&mut text)
                .map_err(|e| e.to_string())?;
        }
    }
    Ok(Reply::Notes(path.to_owned(), text))
}
