//! The worker's end: examine what is asked for, until the other end is gone.

use std::io::{self, BufRead, Write};
use std::num::NonZeroUsize;
use std::thread;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, Signal};
use virtopsy::Options;

use super::{Limits, Request};
use crate::batch::{self, Examine, STACK};
use crate::exit::Status;

/// Examines the dumps that standard input asks for. `jobs` workers run beside each other.
///
/// # Errors
/// When a limit cannot be set, or the other end cannot be understood.
pub(crate) fn run(options: Options, limits: Limits, jobs: usize) -> anyhow::Result<Status> {
    // A worker whose parent is killed must not go on alone.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if let Some(bytes) = limits.memory {
        cap_memory(bytes).with_context(|| format!("a memory limit of {bytes} bytes"))?;
    }
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    // The workers together have a thread for each processor.
    rayon::ThreadPoolBuilder::new()
        .num_threads(processors.div_ceil(jobs.max(1)).max(1))
        .build_global()
        .context("the threads of the library")?;
    thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || {
            serve(
                &mut io::stdin().lock(),
                &mut io::stdout().lock(),
                &virtopsy::examine,
                &options,
            )
        })?
        .join()
        .unwrap_or_else(|_| anyhow::bail!("the worker's thread panicked"))?;
    Ok(Status::Pass)
}

/// `RLIMIT_DATA` counts private writable memory, whether used or not, so that an allocation is
/// refused. Files that are mapped to be read do not count.
fn cap_memory(bytes: u64) -> rustix::io::Result<()> {
    let limit = Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    rustix::process::setrlimit(Resource::Data, limit)
}

fn serve(
    requests: &mut dyn BufRead,
    answers: &mut dyn Write,
    examine: &Examine,
    options: &Options,
) -> anyhow::Result<()> {
    for line in requests.lines() {
        let request: Request = serde_json::from_str(&line?).context("a request")?;
        let report = batch::guarded(examine, &request.spec(), options);
        serde_json::to_writer(&mut *answers, &report)?;
        answers.write_all(b"\n")?;
        answers.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;
    use virtopsy::DumpSpec;
    use virtopsy::report::DumpReport;

    fn answers(requests: &str) -> anyhow::Result<Vec<DumpReport>> {
        let mut out = Vec::new();
        let examine = |spec: &DumpSpec, _: &Options| match spec.paths[0].to_str() {
            Some("bad") => samples::bad(),
            Some("panic") => panic!("a defect"),
            _ => samples::broken(),
        };
        serve(
            &mut requests.as_bytes(),
            &mut out,
            &examine,
            &Options::default(),
        )?;
        let lines = out.split(|byte| *byte == b'\n');
        lines
            .filter(|line| !line.is_empty())
            .map(|line| Ok(serde_json::from_slice(line)?))
            .collect()
    }

    #[test]
    fn each_request_has_its_answer_also_after_a_panic() {
        let requests = "{\"paths\":[\"bad\"]}\n{\"paths\":[\"panic\"]}\n{\"paths\":[\"broken\"]}\n";
        let answers = answers(requests).unwrap();
        assert_eq!(
            serde_json::to_value(&answers[0]).unwrap(),
            serde_json::to_value(samples::bad()).unwrap()
        );
        assert_eq!(answers[1].error.as_ref().unwrap().kind, "internal");
        assert_eq!(
            answers[2].path,
            samples::broken().path,
            "no byte of a path is lost"
        );
        assert_eq!(answers.len(), 3);
    }

    #[test]
    fn what_is_no_request_ends_the_worker() {
        assert!(answers("hello\n").is_err());
    }
}
