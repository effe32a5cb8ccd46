//! The units of the service manager: what they promise of memory, files and rights.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::process::Command;

use harness::source_tree::root;

const UNITS: [&str; 2] = [
    "sender/packaging/karez-sender.service",
    "receiver/packaging/karez-receiver.service",
];

/// What SECURITY.md says of the units.
const PROMISED: [&str; 12] = [
    "Type=notify",
    "Restart=always",
    "StartLimitIntervalSec=0",
    "LimitCORE=0",
    "MemorySwapMax=0",
    "UMask=0077",
    "ProtectSystem=strict",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "MemoryDenyWriteExecute=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    "SystemCallFilter=@system-service",
];

/// Tenths of systemd's measure of exposure, 100 for a unit without any hardening.
const EXPOSURE_MAX: u32 = 20;

#[test]
fn both_units_keep_what_the_security_page_promises() {
    for unit in UNITS {
        let text = std::fs::read_to_string(root().join(unit)).unwrap();
        for promise in PROMISED {
            assert!(text.lines().any(|l| l == promise), "{unit} lacks {promise}");
        }
        let name = unit
            .rsplit('/')
            .next()
            .unwrap()
            .trim_end_matches(".service");
        let start = format!("ExecStart=/usr/bin/{name} --data /var/lib/{name} run");
        assert!(text.lines().any(|l| l == start), "{unit} lacks {start}");
    }
}

#[test]
fn the_service_manager_itself_finds_little_exposed() {
    for unit in UNITS {
        let path = root().join(unit);
        let asked = Command::new("systemd-analyze")
            .args(["security", "--offline=yes"])
            .arg(&path)
            .output();
        let Ok(output) = asked else {
            println!("skipped: there is no systemd-analyze here");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let level = text.lines().rev().find(|l| l.contains("exposure level"));
        let level = level.unwrap_or_else(|| panic!("{unit}: {text}"));
        let number = level.rsplit(": ").next().unwrap();
        let tenths: String = number.chars().take_while(|c| *c != ' ').collect();
        let tenths: u32 = tenths.replace('.', "").parse().unwrap();
        println!("{unit}: exposed {tenths} of 100");
        assert!(tenths <= EXPOSURE_MAX, "{unit}: {level}");
    }
}
