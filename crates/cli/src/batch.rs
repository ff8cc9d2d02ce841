//! Many dumps at a time, results in input order.
//!
//! Each job is a thread with an examiner of its own, for a batch a process ([`crate::worker`]). It
//! takes dumps from one counter and sends their reports to the caller's thread, which puts them
//! back in order. The threads are never joined: those of a run that is cancelled end with this
//! process, and their workers with them.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use virtopsy::report::{DumpReport, ErrorReport, Text};
use virtopsy::{DumpSpec, Options};

use crate::input::Job;
use crate::terminal::say;

/// How far ahead of the oldest unfinished dump others may be: bounds the reports held in memory.
const WINDOW: usize = 1024;
/// What a deep recursion in a hostile dump may use before the guard page ends the process.
pub(crate) const STACK: usize = 16 << 20;
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// Examines one dump.
pub(crate) type Examine = dyn Fn(&DumpSpec, &Options) -> DumpReport + Send + Sync;

/// Examines one dump after the other.
pub(crate) trait Examiner {
    /// The report of a dump, which says for itself what went wrong; nothing where the run was
    /// cancelled before it was there.
    fn examine(&mut self, spec: &DumpSpec) -> Option<DumpReport>;
}

/// Makes the examiner of a job, on the job's thread.
pub(crate) type MakeExaminer = dyn Fn() -> Box<dyn Examiner> + Send + Sync;

/// Examines in this process.
pub(crate) struct InProcess {
    pub(crate) examine: Arc<Examine>,
    pub(crate) options: Options,
}

impl Examiner for InProcess {
    fn examine(&mut self, spec: &DumpSpec) -> Option<DumpReport> {
        Some(guarded(&*self.examine, spec, &self.options))
    }
}

/// How to run a batch.
pub(crate) struct Plan {
    pub(crate) examiner: Arc<MakeExaminer>,
    /// Dumps at a time.
    pub(crate) jobs: usize,
    /// Set by a signal: start nothing more, keep what is done.
    pub(crate) cancel: Arc<AtomicBool>,
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Complete,
    Cancelled,
}

struct Shared {
    queue: Vec<Job>,
    plan: Plan,
    next: AtomicUsize,
    delivered: Mutex<usize>,
    room: Condvar,
    stop: AtomicBool,
}

/// Examines all of `queue` and hands each report to `deliver`, with its index, in order.
/// `arrived` hears of each one as it is done. Of a cancelled run, all that is done is delivered.
///
/// # Errors
/// The first that `deliver` returns ends the run.
pub(crate) fn run<E>(
    queue: Vec<Job>,
    plan: Plan,
    mut arrived: impl FnMut(),
    mut deliver: impl FnMut(usize, DumpReport) -> Result<(), E>,
) -> Result<Ended, E> {
    let total = queue.len();
    let shared = Arc::new(Shared {
        queue,
        plan,
        next: AtomicUsize::new(0),
        delivered: Mutex::new(0),
        room: Condvar::new(),
        stop: AtomicBool::new(false),
    });
    let results = start(&shared);
    let mut waiting = BTreeMap::new();
    let mut turn = 0;
    let mut ended = Ended::Complete;
    while turn < total {
        if shared.plan.cancel.load(Ordering::Relaxed) {
            ended = Ended::Cancelled;
            waiting.extend(results.try_iter());
            break;
        }
        match results.recv_timeout(POLL) {
            Ok((index, report)) => {
                arrived();
                waiting.insert(index, report);
            }
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        }
        while let Some(report) = waiting.remove(&turn) {
            deliver(turn, report).inspect_err(|_| shared.stop())?;
            turn += 1;
            shared.make_room(turn);
        }
    }
    shared.stop();
    for (index, report) in waiting {
        deliver(index, report)?;
    }
    Ok(ended)
}

fn start(shared: &Arc<Shared>) -> Receiver<(usize, DumpReport)> {
    let (results, receiver) = channel();
    let workers = shared.plan.jobs.clamp(1, shared.queue.len().max(1));
    let mut started = 0_usize;
    for _ in 0..workers {
        let (worker, results) = (Arc::clone(shared), results.clone());
        let thread = thread::Builder::new()
            .stack_size(STACK)
            .spawn(move || worker.work(&results));
        started += usize::from(thread.is_ok());
    }
    if started == 0 {
        // No thread is to be had: nothing is done ahead, but everything is done.
        shared.work(&results);
    }
    receiver
}

impl Shared {
    fn work(&self, results: &Sender<(usize, DumpReport)>) {
        let mut examiner = (self.plan.examiner)();
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = self.queue.get(index) else {
                return;
            };
            self.wait_for_room(index);
            if self.stopped() {
                return;
            }
            let report = match &job.spec {
                Err(error) => Some(failed(error.clone())),
                Ok(spec) => examiner.examine(spec),
            };
            let Some(report) = report else {
                return;
            };
            let path = job.label.clone();
            if results
                .send((index, DumpReport { path, ..report }))
                .is_err()
            {
                return;
            }
        }
    }

    fn wait_for_room(&self, index: usize) {
        let mut delivered = self
            .delivered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while index >= delivered.saturating_add(WINDOW) && !self.stopped() {
            delivered = match self.room.wait_timeout(delivered, POLL) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn make_room(&self, delivered: usize) {
        *self
            .delivered
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = delivered;
        self.room.notify_all();
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.room.notify_all();
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.plan.cancel.load(Ordering::Relaxed)
    }
}

/// Examines a dump; a panic becomes its error.
pub(crate) fn guarded(examine: &Examine, spec: &DumpSpec, options: &Options) -> DumpReport {
    catch(|| examine(spec, options)).unwrap_or_else(failed)
}

thread_local! {
    /// Where the last panic of this thread was, while panics are caught here.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic in it becomes an error of the kind `internal`.
///
/// # Errors
/// After a panic.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, ErrorReport> {
    CATCHING.set(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(false);
    result.map_err(|payload| {
        let place = PLACE
            .take()
            .map(|place| format!(" at {place}"))
            .unwrap_or_default();
        defect(format!(
            "this is a defect of virtopsy: {}{place}",
            words(&*payload)
        ))
    })
}

/// Makes panics that [`catch`] sees silent (the error record tells of them), and others escaped.
pub(crate) fn quieten_panics() {
    std::panic::set_hook(Box::new(|info| {
        if CATCHING.get() {
            PLACE.set(info.location().map(ToString::to_string));
        } else {
            say(&info.to_string());
        }
    }));
}

pub(crate) fn defect(message: String) -> ErrorReport {
    ErrorReport {
        kind: "internal".to_owned(),
        message: Text::from(message),
    }
}

pub(crate) fn failed(error: ErrorReport) -> DumpReport {
    DumpReport {
        error: Some(error),
        ..DumpReport::default()
    }
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn plan(examine: impl Fn(&Path) -> DumpReport + Send + Sync + 'static, jobs: usize) -> Plan {
        let examine: Arc<Examine> =
            Arc::new(move |spec: &DumpSpec, _: &Options| examine(&spec.paths[0]));
        let examiner = move || -> Box<dyn Examiner> {
            Box::new(InProcess {
                examine: Arc::clone(&examine),
                options: Options::default(),
            })
        };
        Plan {
            examiner: Arc::new(examiner),
            jobs,
            cancel: Arc::default(),
        }
    }

    fn queue(count: usize) -> Vec<Job> {
        let spec = |n: usize| DumpSpec {
            paths: vec![n.to_string().into()],
        };
        (0..count)
            .map(|n| Job {
                label: Text::from(n.to_string()),
                spec: Ok(spec(n)),
            })
            .collect()
    }

    fn collect(queue: Vec<Job>, plan: Plan) -> (Ended, Vec<DumpReport>) {
        let mut reports = Vec::new();
        let ended = run(
            queue,
            plan,
            || {},
            |_, report| {
                reports.push(report);
                Ok::<(), ()>(())
            },
        );
        (ended.unwrap(), reports)
    }

    fn number(path: &Path) -> u64 {
        path.to_str().unwrap().parse().unwrap()
    }

    #[test]
    fn results_come_in_input_order_for_any_number_of_jobs() {
        for jobs in [1, 2, 7] {
            let (ended, reports) = collect(
                queue(40),
                plan(
                    |path| {
                        thread::sleep(Duration::from_millis(number(path) % 3));
                        DumpReport::default()
                    },
                    jobs,
                ),
            );
            assert_eq!(ended, Ended::Complete);
            let paths: Vec<String> = reports.iter().map(|r| r.path.to_string()).collect();
            assert_eq!(paths, (0..40).map(|n| n.to_string()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_in_one_dump_becomes_its_error_and_the_others_go_on() {
        let (_, reports) = collect(
            queue(3),
            plan(
                |path| {
                    assert!(number(path) != 1, "bad page {}", 7);
                    DumpReport::default()
                },
                2,
            ),
        );
        let error = reports[1].error.as_ref().unwrap();
        assert_eq!(error.kind, "internal");
        assert!(error.message.to_string().contains("bad page 7"));
        assert!(reports[0].error.is_none() && reports[2].error.is_none());
    }

    #[test]
    fn a_cancelled_run_delivers_what_is_done_in_order() {
        let mut plan = plan(
            |path| {
                if number(path) == 1 {
                    thread::sleep(Duration::from_secs(5));
                }
                DumpReport::default()
            },
            2,
        );
        let cancel = Arc::new(AtomicBool::new(false));
        plan.cancel = Arc::clone(&cancel);
        let (mut arrived, mut done) = (0, Vec::new());
        let ended = run(
            queue(20),
            plan,
            || {
                arrived += 1;
                if arrived == 19 {
                    cancel.store(true, Ordering::Relaxed);
                }
            },
            |index, _| {
                done.push(index);
                Ok::<(), ()>(())
            },
        );
        assert_eq!(ended, Ok(Ended::Cancelled));
        assert_eq!(done, (0..20).filter(|n| *n != 1).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_of_the_receiver_ends_the_run() {
        let ended = run(
            queue(50),
            plan(|_| DumpReport::default(), 2),
            || {},
            |index, _| {
                if index == 3 { Err("pipe") } else { Ok(()) }
            },
        );
        assert_eq!(ended, Err("pipe"));
    }

    #[test]
    fn more_dumps_than_the_window_all_come_through() {
        let (_, reports) = collect(queue(3 * WINDOW), plan(|_| DumpReport::default(), 3));
        assert_eq!(reports.len(), 3 * WINDOW);
    }
}
