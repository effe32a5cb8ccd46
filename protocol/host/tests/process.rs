//! What can only be seen from outside a process: its standard error, its signals, its dumps. Each
//! test starts itself again as a child that plays a part.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use karez_host::log::{LogFormat, Redacted, init};
use karez_host::process::{block_on, keep_memory_private};
use karez_host::shutdown::Shutdown;
use rustix::process::{
    DumpableBehavior, Pid, Resource, Signal, dumpable_behavior, getrlimit, kill_process,
};

const PART: &str = "KAREZ_TEST_PART";
const CANARY: &str = "CANARY^PATIENT";

/// Starts this test again as a child.
fn child(test: &str, log: &str) -> Child {
    let own = std::env::current_exe().unwrap();
    Command::new(own)
        .args([test, "--exact", "--nocapture"])
        .env(PART, "child")
        .env("RUST_LOG", log)
        .env("RUST_BACKTRACE", "full")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn plays_a_part() -> bool {
    std::env::var_os(PART).is_some()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn log_and_panic(format: LogFormat) {
    init(format).unwrap();
    tracing::error!(name = %Redacted(CANARY), "error");
    tracing::debug!(name = ?Redacted(CANARY), "debug {}", Redacted(CANARY));
    tracing::trace!(name = ?Redacted(CANARY), "trace");
    let panics = std::thread::Builder::new().name("packer".into());
    let panicking = panics.spawn(|| panic!("cannot parse {CANARY}")).unwrap();
    assert!(panicking.join().is_err());
}

fn check_no_canary(test: &str) {
    let output = child(test, "debug").wait_with_output().unwrap();
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(!text.contains("CANARY"), "{text}");
    assert!(
        text.contains("[redacted]") && text.contains("a bug stopped this thread"),
        "{text}"
    );
    assert!(
        text.contains("packer") && text.contains("process.rs"),
        "{text}"
    );
    // The same search finds what TRACE may show, so it would have found a leak.
    let traced = child(test, "trace").wait_with_output().unwrap();
    let leaks: Vec<&str> = stderr(&traced)
        .lines()
        .filter(|l| l.contains("CANARY"))
        .collect();
    assert_eq!(leaks.len(), 1, "{leaks:?}");
    assert!(leaks[0].contains("TRACE"));
}

#[test]
fn neither_logs_nor_a_panic_tell_a_canary_in_text() {
    if plays_a_part() {
        return log_and_panic(LogFormat::Text);
    }
    check_no_canary("neither_logs_nor_a_panic_tell_a_canary_in_text");
}

#[test]
fn neither_logs_nor_a_panic_tell_a_canary_in_json() {
    if plays_a_part() {
        return log_and_panic(LogFormat::Json);
    }
    check_no_canary("neither_logs_nor_a_panic_tell_a_canary_in_json");
}

#[test]
fn a_panic_is_told_even_when_logs_are_off() {
    if plays_a_part() {
        return log_and_panic(LogFormat::Text);
    }
    let output = child("a_panic_is_told_even_when_logs_are_off", "off")
        .wait_with_output()
        .unwrap();
    let text = stderr(&output);
    assert!(
        text.contains("a bug stopped the thread packer at "),
        "{text}"
    );
    assert!(!text.contains("CANARY"), "{text}");
}

#[test]
fn a_log_filter_that_cannot_be_understood_is_wrong_usage_with_the_fix() {
    if plays_a_part() {
        let failure = init(LogFormat::Text).unwrap_err();
        return karez_host::exit::say("karez-sender", &failure);
    }
    let test = "a_log_filter_that_cannot_be_understood_is_wrong_usage_with_the_fix";
    let output = child(test, "info,=,=,[").wait_with_output().unwrap();
    let expected = "karez-sender: the log filter cannot be understood (RUST_LOG). Write it as in";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
}

#[test]
fn the_first_signal_asks_and_the_second_ends_at_once() {
    if plays_a_part() {
        init(LogFormat::Text).unwrap();
        return block_on(async {
            let (_trigger, shutdown) = Shutdown::on_signals().unwrap();
            tracing::info!("ready");
            shutdown.wait().await;
            tracing::info!("asked");
            // Work that will not stop.
            std::future::pending::<()>().await;
        })
        .unwrap();
    }
    let mut child = child("the_first_signal_asks_and_the_second_ends_at_once", "info");
    let pid = Pid::from_child(&child);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut wait_for = |what: &str| {
        lines
            .find(|line| line.as_ref().unwrap().contains(what))
            .unwrap()
    };
    wait_for("ready").unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    wait_for("asked").unwrap();
    assert!(child.try_wait().unwrap().is_none());
    kill_process(pid, Signal::INT).unwrap();
    wait_for("a second signal").unwrap();
    let since = Instant::now();
    while child.try_wait().unwrap().is_none() && since.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_process_whose_memory_is_private_leaves_no_core_dump() {
    if plays_a_part() {
        keep_memory_private().unwrap();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        std::process::abort();
    }
    let test = "a_process_whose_memory_is_private_leaves_no_core_dump";
    let status = child(test, "info").wait_with_output().unwrap().status;
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()));
    assert!(!status.core_dumped());
}
