//! Word to systemd (sd_notify(3)): ready, stopping, still alive. Without `NOTIFY_SOCKET` it says
//! nothing.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager, if there is one.
#[derive(Debug)]
pub struct Manager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// Finds it in the environment.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        Self::new(
            variable("NOTIFY_SOCKET").as_deref(),
            number("WATCHDOG_USEC").filter(|_| ours),
        )
    }

    fn new(address: Option<&OsStr>, watchdog_us: Option<u64>) -> Self {
        let socket = address.and_then(|address| {
            let connected = connect(address);
            let warn = |error| tracing::warn!(%error, "the service manager cannot be reached");
            connected.map_err(warn).ok()
        });
        let watchdog = watchdog_us.filter(|us| *us > 0).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// The daemon serves.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// The daemon is about to end.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// One line for `systemctl status`. No patient data.
    pub fn status(&self, line: &str) {
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        self.say(&format!("STATUS={line}"));
    }

    /// Says that the daemon is alive at half the time that the manager allows, as often as `alive`
    /// answers yes: one that does not answer is not. Returns at once when nobody wants to know.
    pub async fn watchdog(&self, alive: impl AsyncFn() -> bool) {
        let Some(allowed) = self.watchdog.filter(|_| self.socket.is_some()) else {
            return;
        };
        let mut ticks = tokio::time::interval(allowed / 2);
        loop {
            ticks.tick().await;
            if alive().await {
                self.say("WATCHDOG=1");
            }
        }
    }

    fn say(&self, what: &str) {
        if let Some(socket) = &self.socket {
            // A manager that does not listen is no reason to stop.
            let _ = socket.send(what.as_bytes());
        }
    }
}

/// A path, or an abstract name when it starts with `@`.
fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let address = match address.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn hear(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn the_manager_hears_ready_status_and_stopping() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::new(Some(path.as_os_str()), None);
        manager.ready();
        manager.status("2 studies\nwaiting");
        manager.stopping();
        assert_eq!(hear(&socket), "READY=1");
        assert_eq!(hear(&socket), "STATUS=2 studieswaiting");
        assert_eq!(hear(&socket), "STOPPING=1");
    }

    #[test]
    fn an_abstract_name_works() {
        let name = format!("karez-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Manager::new(Some(OsStr::new(&format!("@{name}"))), None).ready();
        assert_eq!(hear(&socket), "READY=1");
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_only_while_the_daemon_is_alive() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let manager = Manager::new(Some(path.as_os_str()), Some(20_000_000));
        let asked = AtomicUsize::new(0);
        let alive = async || asked.fetch_add(1, Ordering::SeqCst) < 3;
        let feeding = manager.watchdog(alive);
        assert!(
            tokio::time::timeout(Duration::from_secs(95), feeding)
                .await
                .is_err()
        );
        assert_eq!(asked.load(Ordering::SeqCst), 10);
        for _ in 0..3 {
            assert_eq!(hear(&socket), "WATCHDOG=1");
        }
        assert!(socket.recv(&mut [0; 8]).is_err());
    }

    #[tokio::test]
    async fn without_a_manager_nothing_happens() {
        let nobody = Manager::new(None, Some(1));
        nobody.ready();
        nobody.watchdog(async || true).await;
        let missing = Manager::new(Some(OsStr::new("/nonexistent/notify")), None);
        missing.ready();
    }
}
