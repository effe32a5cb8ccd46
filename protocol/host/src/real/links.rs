//! The thread that watches for links to come up and for the machine to wake.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use tokio::sync::watch;

use super::clock::slept;
use super::netlink::Netlink;
use crate::limits::{LINK_INTERFACES, LINK_POLL};

const INTERFACES: &str = "/sys/class/net";

/// Counts link-up events; its thread starts with the first who wants to know.
#[derive(Debug, Default)]
pub(super) struct Links(OnceLock<Arc<watch::Sender<u64>>>);

impl Links {
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        let sender = self.0.get_or_init(|| {
            let sender = Arc::new(watch::channel(0).0);
            let weak = Arc::downgrade(&sender);
            let started = thread::Builder::new()
                .name("links".into())
                .spawn(move || watch_links(&weak));
            if let Err(error) = started {
                tracing::error!(%error, "links are not watched: the system has no thread left");
            }
            sender
        });
        sender.subscribe()
    }
}

/// Runs until the [`Links`] are dropped.
fn watch_links(count: &Weak<watch::Sender<u64>>) {
    let mut source = Source::open();
    let mut slept_before = slept();
    while count.strong_count() > 0 {
        let came_up = source.wait();
        let slept_now = slept();
        let woke = slept_now.saturating_sub(slept_before) > Duration::from_secs(1);
        slept_before = slept_now;
        if let (true, Some(count)) = (came_up || woke, count.upgrade()) {
            tracing::debug!(came_up, woke, "a link may be up");
            count.send_modify(|events| *events += 1);
        }
    }
}

/// Netlink, or where a sandbox forbids it a look at `/sys` every [`LINK_POLL`].
enum Source {
    Netlink(Netlink),
    Poll(BTreeSet<String>),
}

impl Source {
    fn open() -> Self {
        match Netlink::open() {
            Ok(netlink) => Self::Netlink(netlink),
            Err(error) => Self::poll(&error),
        }
    }

    fn poll(error: &io::Error) -> Self {
        tracing::info!(%error, "no netlink: links are looked at every {LINK_POLL:?}");
        Self::Poll(usable().unwrap_or_default())
    }

    fn wait(&mut self) -> bool {
        match self {
            Self::Netlink(netlink) => match netlink.wait() {
                Ok(came_up) => came_up,
                Err(error) => {
                    *self = Self::poll(&error);
                    true
                }
            },
            Self::Poll(before) => {
                thread::sleep(LINK_POLL);
                let now = usable().unwrap_or_default();
                let came_up = now.difference(before).next().is_some();
                *before = now;
                came_up
            }
        }
    }
}

/// The interfaces, but for the loopback, whose state is `up`, or `unknown` as of a modem.
fn usable() -> io::Result<BTreeSet<String>> {
    let directory = openat(
        CWD,
        INTERFACES,
        OFlags::RDONLY | OFlags::DIRECTORY,
        Mode::empty(),
    )?;
    let mut usable = BTreeSet::new();
    for entry in Dir::read_from(directory)?.take(LINK_INTERFACES) {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "lo" {
            continue;
        }
        if matches!(state(&name), Ok(state) if is_usable(&state)) {
            usable.insert(name);
        }
    }
    Ok(usable)
}

fn state(interface: &str) -> io::Result<Vec<u8>> {
    let path = format!("{INTERFACES}/{interface}/operstate");
    let file = openat(CWD, path, OFlags::RDONLY, Mode::empty())?;
    let mut state = [0; 32];
    let length = rustix::io::read(&file, &mut state)?;
    Ok(state[..length].to_vec())
}

fn is_usable(state: &[u8]) -> bool {
    matches!(state.trim_ascii(), b"up" | b"unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_came_up_between_two_looks_counts_once() {
        let mut source = Source::Poll(usable().unwrap());
        assert!(!source.wait());
        if let Source::Poll(before) = &mut source {
            let was_down = before.pop_first();
            assert_eq!(source.wait(), was_down.is_some());
        }
        assert!(!source.wait());
    }

    #[test]
    fn states_of_the_kernel_are_told_apart() {
        assert!(is_usable(b"up\n") && is_usable(b"unknown\n"));
        for state in [
            &b"down\n"[..],
            b"dormant\n",
            b"lowerlayerdown\n",
            b"notpresent\n",
            b"",
        ] {
            assert!(!is_usable(state));
        }
    }

    #[test]
    fn the_thread_ends_with_its_owner() {
        let links = Links::default();
        let events = links.subscribe();
        assert_eq!(*events.borrow(), 0);
        let weak = Arc::downgrade(links.0.get().unwrap());
        drop(links);
        assert_eq!(weak.strong_count(), 0);
    }
}
