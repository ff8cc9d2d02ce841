//! Text for reading: one line for each dump of a batch, and the pages about one dump.

mod callback;
mod cpus;
mod crashes;
mod line;
mod log_read;
mod report;
mod splats;
mod verdict;

pub(crate) use callback::callback;
pub(crate) use cpus::{cpu, cpus};
pub(crate) use crashes::{cause_page, crashes};
pub(crate) use line::Lines;
pub(crate) use log_read::log_read;
pub(crate) use report::report;
pub(crate) use splats::splats;
