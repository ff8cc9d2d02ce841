//! Dumps examined in processes of their own.
//!
//! A thread cannot be ended from outside, and memory that a thread took cannot be told from that
//! of its neighbours. A process can: it is killed when its time is over, the kernel refuses it
//! more memory than its ceiling, and what ends it (a stack that overflows, a mapped file whose
//! disk fails) ends nothing else. So a batch examines in worker processes, one for each job, each
//! of which examines one dump after the other.
//!
//! A worker is this program, started with `--worker` before the command line that it was started
//! with itself, so that it opens dumps by the same options. Requests and answers are lines of
//! JSON on its standard input and output: the paths of a dump, and its report.

mod process;
mod serve;

use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use virtopsy::DumpSpec;
use virtopsy::report::Text;

pub(crate) use process::Worker;
pub(crate) use serve::run as serve;

/// What stands before a worker's command line.
pub(crate) const FLAG: &str = "--worker";

/// What one dump may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Time on the clock.
    pub(crate) timeout: Option<Duration>,
    /// Bytes of memory of its own: heap and stacks, not the files that it maps.
    pub(crate) memory: Option<u64>,
}

/// The least ceiling that a worker can run under: its threads' stacks count.
pub(crate) const LEAST_MEMORY: u64 = 64 << 20;

/// What a worker is asked: which files are one dump.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    paths: Vec<Text>,
}

impl Request {
    fn of(spec: &DumpSpec) -> Request {
        let paths = spec.paths.iter();
        Request {
            paths: paths
                .map(|path| Text::new(path.as_os_str().as_bytes()))
                .collect(),
        }
    }

    fn spec(&self) -> DumpSpec {
        let paths = self.paths.iter();
        DumpSpec {
            paths: paths
                .map(|path| PathBuf::from(OsStr::from_bytes(path.as_bytes())))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_survives_the_way_to_a_worker() {
        let spec = DumpSpec {
            paths: vec![
                "/dumps/a b".into(),
                OsStr::from_bytes(b"/dumps/\xff\n\"").into(),
            ],
        };
        let line = serde_json::to_string(&Request::of(&spec)).unwrap();
        assert!(!line.contains('\n'));
        let request: Request = serde_json::from_str(&line).unwrap();
        assert_eq!(request.spec(), spec);
    }
}
