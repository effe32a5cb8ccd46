//! A network namespace with one TUN device in it.

use std::process::{Child, Command};
use std::sync::Arc;

use tun_rs::{DeviceBuilder, SyncDevice};

use super::{CLINIC, HUB, LiveError};

/// Names are `karez-PID-side`: what a dead process left behind can be told.
const PREFIX: &str = "karez-";

pub(super) struct Namespace {
    name: String,
    device: Arc<SyncDevice>,
}

impl Namespace {
    /// Makes the namespace, the device, and puts one into the other.
    pub(super) fn create(side: &str, address: &str, mtu: usize) -> Result<Self, LiveError> {
        let pid = std::process::id();
        let name = format!("{PREFIX}{pid}-{side}");
        // Interface names have 15 letters at most.
        let interface = format!("kz{}{pid}", side.get(..1).unwrap_or_default());
        let device = DeviceBuilder::new()
            .name(&interface)
            .enable(false)
            .build_sync()?;
        ip(&["netns", "add", &name])?;
        let namespace = Self {
            name,
            device: Arc::new(device),
        };
        ip(&["link", "set", &interface, "netns", &namespace.name])?;
        let inside =
            |arguments: &[&str]| ip(&[&["-n", namespace.name.as_str()], arguments].concat());
        inside(&["link", "set", "lo", "up"])?;
        inside(&["addr", "add", &format!("{address}/24"), "dev", &interface])?;
        inside(&["link", "set", &interface, "mtu", &mtu.to_string(), "up"])?;
        Ok(namespace)
    }

    pub(super) fn device(&self) -> Arc<SyncDevice> {
        Arc::clone(&self.device)
    }

    /// Starts a command inside; none for an empty one.
    pub(super) fn spawn(
        &self,
        side: &'static str,
        command: &[String],
    ) -> Result<Option<Child>, LiveError> {
        if command.is_empty() {
            return Ok(None);
        }
        let mut ip = Command::new("ip");
        ip.args(["netns", "exec", &self.name]).args(command);
        ip.env("LINK_CLINIC", CLINIC).env("LINK_HUB", HUB);
        ip.spawn()
            .map(Some)
            .map_err(|source| LiveError::Start { side, source })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        end_inside(&self.name);
        // Nobody is left to hear of a failure; the next run removes what stayed.
        let _ = ip(&["netns", "del", &self.name]);
    }
}

/// Ends what a command left running inside: without its network it would wait for ever.
fn end_inside(name: &str) {
    let Ok(list) = Command::new("ip").args(["netns", "pids", name]).output() else {
        return;
    };
    let pids = String::from_utf8_lossy(&list.stdout).into_owned();
    for pid in pids.lines().filter_map(|line| line.trim().parse().ok()) {
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            // It may have ended meanwhile.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Removes the namespaces of processes that are gone.
pub(super) fn remove_stale() {
    let Ok(list) = Command::new("ip").args(["netns", "list"]).output() else {
        return;
    };
    for line in String::from_utf8_lossy(&list.stdout).lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let pid = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        let gone = |pid: &str| {
            pid.parse::<u32>()
                .is_ok_and(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
        };
        if pid.is_some_and(gone) {
            // It may be in use by root's own doing: then it stays.
            let _ = ip(&["netns", "del", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), LiveError> {
    let fault = |problem: String| LiveError::Setup {
        command: format!("ip {}", arguments.join(" ")),
        problem,
    };
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .map_err(|e| fault(e.to_string()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(fault(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ))
    }
}
