#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| virtopsy_fuzz::targets::crashes(data));
