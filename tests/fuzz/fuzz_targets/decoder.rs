//! The body named by `KAREZ_BODY` under libFuzzer.
#![no_main]

use std::sync::LazyLock;

use harness::decoders::{Body, body};
use libfuzzer_sys::fuzz_target;

static BODY: LazyLock<Body> = LazyLock::new(|| {
    let name = std::env::var("KAREZ_BODY").expect("KAREZ_BODY names a body of harness::decoders");
    body(&name).expect("KAREZ_BODY names no body of harness::decoders")
});

fuzz_target!(|bytes: &[u8]| BODY(bytes));
