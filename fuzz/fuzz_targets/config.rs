//! libFuzzer runs `countersign_fuzz::config`, where it stands what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::config(data));
