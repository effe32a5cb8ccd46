//! How a daemon is told to stop: the first SIGTERM or SIGINT asks, a second one ends it at once.
//! Ending at once is safe: all progress is in the store (ARCHITECTURE I4).

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// A view of whether the daemon shall stop. Clones see the same.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// The means to ask for it.
#[derive(Clone, Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Shutdown {
    /// A view and its trigger.
    #[must_use]
    pub fn new() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (Trigger(sender), Self(receiver))
    }

    /// A view of the process's signals, with a trigger for other reasons to stop. Call it inside a
    /// runtime.
    ///
    /// # Errors
    /// The signal handlers cannot be set.
    pub fn on_signals() -> io::Result<(Trigger, Self)> {
        let (trigger, shutdown) = Self::new();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(listen(terminate, interrupt, trigger.clone()));
        Ok((trigger, shutdown))
    }

    /// Calls `reload` at each SIGHUP, until the shutdown.
    pub async fn on_hangup(&self, reload: impl AsyncFn()) {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            return tracing::warn!("SIGHUP cannot be heard");
        };
        loop {
            tokio::select! {
                _ = hangup.recv() => reload().await,
                () = self.wait() => return,
            }
        }
    }

    /// Whether it was asked for.
    #[must_use]
    pub fn requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is asked for, or all triggers are gone.
    pub async fn wait(&self) {
        let mut receiver = self.0.clone();
        // A closed channel means that nobody is left who could keep the daemon running.
        let _ = receiver.wait_for(|requested| *requested).await;
    }
}

impl Trigger {
    /// Asks for the shutdown.
    pub fn fire(&self) {
        self.0.send_replace(true);
    }
}

async fn listen(mut terminate: Signal, mut interrupt: Signal, trigger: Trigger) {
    for already in [false, true] {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if already {
            tracing::warn!("a second signal: ending at once");
            std::process::exit(1);
        }
        tracing::info!("stopping; a second signal ends it at once");
        trigger.fire();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_clones_see_the_shutdown() {
        let (trigger, shutdown) = Shutdown::new();
        let other = shutdown.clone();
        assert!(!other.requested());
        let waiting = tokio::spawn(async move { other.wait().await });
        trigger.fire();
        waiting.await.unwrap();
        assert!(shutdown.requested());
    }
}
