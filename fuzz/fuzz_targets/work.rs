#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| claude_router_fuzz::work(data));
