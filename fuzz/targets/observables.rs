#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(target) = seamline_fuzz::target("observables") {
        (target.run)(data);
    }
});
