#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reelway_tests::fuzzing::webrtc::webrtc(bytes));
