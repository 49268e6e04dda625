//! libFuzzer runs `countersign_fuzz::mail`, where it stands what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::mail(data));
