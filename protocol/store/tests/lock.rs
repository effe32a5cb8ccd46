//! The lock of a real directory. Alone in its program: a child that is being started holds copies
//! of all handles for a moment.
#![allow(clippy::unwrap_used, reason = "a helper fails its test")]

use std::sync::Arc;

use karez_store::{Error, RealDisk, Store};

#[test]
fn a_second_process_is_refused_until_the_first_lets_go() {
    let temporary = tempfile::tempdir().unwrap();
    let (first, _) = Store::open(Arc::new(RealDisk), temporary.path()).unwrap();
    let second = Store::open(Arc::new(RealDisk), temporary.path()).map(drop);
    let error = second.unwrap_err();
    assert!(matches!(error, Error::Locked));
    assert!(error.to_string().contains("in use by another process"));
    // The lock is the kernel's: another program meets it too.
    let lock = temporary.path().join("lock");
    let tried = || {
        std::process::Command::new("flock")
            .args(["-n".as_ref(), lock.as_os_str(), "true".as_ref()])
            .status()
    };
    if let Ok(status) = tried() {
        assert!(!status.success());
        drop(first);
        assert!(tried().unwrap().success());
    }
}
