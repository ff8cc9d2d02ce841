//! Thousands of damaged dumps: none may end `check` in a panic or a signal, take over 5 s of CPU
//! or 512 MiB, or have a CPU called off that is on.
//!
//! ```text
//!  campaign ── prepares each dump: a plain copy whose every page can be changed in place, and a
//!     │        list of what the verdict on it reads (`subject`)
//!     └─ worker processes ── run N: damage chosen by (seed, N) (`mutation`), examine, undo
//! ```
//! A worker that dies names the run that killed it. `VIRTOPSY_MUTATION_RUNS`,
//! `VIRTOPSY_MUTATION_SEED`, `VIRTOPSY_MUTATION_JOBS` set the size; `VIRTOPSY_MUTATION_ONLY=N`
//! repeats run N alone, of the same RUNS and SEED, and tells what it damages; `VIRTOPSY_MUTATION_DUMPS=WORD,…` takes only the
//! dumps whose names contain a word.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

#[path = "../support/apart.rs"]
mod apart;
mod campaign;
mod mutation;
#[path = "../support/pages.rs"]
mod pages;
mod subject;
#[path = "../support/mod.rs"]
mod support;
mod worker;

#[test]
fn no_damaged_dump_breaks_a_check_or_turns_on_into_off() {
    campaign::run();
}

/// Started by the campaign, not by hand.
#[test]
#[ignore = "a part of the campaign, which starts it"]
fn worker_of_the_campaign() {
    if std::env::var_os(worker::FOLDER).is_some() {
        worker::run();
    }
}
