#![no_main]
#![allow(dead_code)]

// Policies are read by the command, which is no library: its two files are taken as they are.
#[path = "../../../crates/cli/src/explain.rs"]
mod explain;
#[path = "../../../crates/cli/src/policy.rs"]
mod policy;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = policy::Policy::parse(text);
    }
});
