//! Other settings for a running daemon.

use std::sync::{Arc, PoisonError};

use karez_host::Failure;

use super::Handle;
use crate::engine::Command;
use crate::settings::Settings;

impl Handle {
    /// Other settings from now on, without touching a transfer; the changed keys that wait for a
    /// restart.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn reload(&self, settings: Settings) -> Result<Vec<String>, Failure> {
        let old = self.tools.settings();
        let waits = settings.waits_for_restart(&old);
        let settings = Arc::new(settings.with_fixed_of(&old));
        let shared = settings.clone();
        self.ask(|reply| Command::Reload(shared, reply)).await?;
        *self
            .tools
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(waits)
    }
}
