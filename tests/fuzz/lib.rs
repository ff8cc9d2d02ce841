//! What the fuzzers call. The functions are in `targets`, which the project's own tests include as
//! well, to replay the corpora without a fuzzer.

pub mod targets;
