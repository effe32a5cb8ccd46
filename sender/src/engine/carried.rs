//! What is known of the link, kept for the next start: at what rate to begin, the key to ask the
//! hub with while the link is down, and what of the budget is spent.

use karez_host::Failure;
use karez_host::audit::Event;
use karez_quic::LinkMemory;

use super::Engine;
use super::entry::{BUDGET, LINK};

/// A rate or round-trip time that differs by this part is worth writing down.
const WORTH: f64 = 0.1;

impl Engine {
    /// The link's next connection begins with what an earlier process knew.
    pub(super) fn restore_link(&mut self) -> Result<(), Failure> {
        let mut known = LinkMemory::default();
        self.read(LINK, &mut |bytes| known = LinkMemory::from_bytes(bytes))?;
        self.shared.client.set_memory(known.clone());
        self.link.known = known;
        let mut spent = None;
        self.read(BUDGET, &mut |bytes| spent = Some(bytes.to_vec()))?;
        if let Some(bytes) = &spent
            && let Err(error) = self.shared.gate.restore(bytes)
        {
            tracing::warn!(%error, "what the link has cost this month is not known any more");
        }
        self.link.spent = spent;
        Ok(())
    }

    /// Sends nothing but STAT, or everything again.
    pub(super) fn pause(&mut self, paused: bool) -> Result<(), Failure> {
        self.shared.gate.pause(paused);
        self.write_link();
        let how = if paused { "paused" } else { "resumed" };
        self.note(&self.line(Event::Changed).saying(how));
        let failed = || Failure::new("the disk does not take it: a restart forgets it");
        let kept = self.trouble.is_none() && self.sync();
        // The connection looks again when it is given something.
        if let Some(live) = &self.link.live {
            live.port.ring();
        }
        if kept { Ok(()) } else { Err(failed()) }
    }

    /// Writes down what has become known. The next sync makes it durable; a kill before costs no
    /// more than a slower start.
    pub(super) fn write_link(&mut self) {
        self.write_spent();
        let now = self.shared.client.memory();
        if !differs(&self.link.known, &now) {
            return;
        }
        match self.keep_last(LINK, &now.to_bytes()) {
            Ok(()) => self.link.known = now,
            Err(error) => self.troubled(&error),
        }
    }
}

impl Engine {
    fn write_spent(&mut self) {
        let gate = &self.shared.gate;
        let now = Some(gate.to_bytes());
        if now == self.link.spent || self.link.spent.is_none() && gate.is_free() {
            return;
        }
        match self.keep_last(BUDGET, now.as_deref().unwrap_or_default()) {
            Ok(()) => self.link.spent = now,
            Err(error) => self.troubled(&error),
        }
    }
}

fn differs(old: &LinkMemory, new: &LinkMemory) -> bool {
    let far = |a: f64, b: f64| (a - b).abs() > WORTH * a.max(b);
    let carried = match (old.carried, new.carried) {
        (Some(old), Some(new)) => {
            far(old.rate, new.rate) || far(old.rtt.as_secs_f64(), new.rtt.as_secs_f64())
        }
        (old, new) => old.is_some() != new.is_some(),
    };
    carried || old.probe != new.probe
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use karez_quic::Remembered;

    use super::*;

    #[test]
    fn only_what_has_changed_noticeably_is_written() {
        let memory = |rate| LinkMemory {
            carried: Some(Remembered {
                rate,
                rtt: Duration::from_millis(650),
            }),
            probe: None,
        };
        assert!(differs(&LinkMemory::default(), &memory(1e4)));
        assert!(!differs(&memory(1e4), &memory(1.05e4)));
        assert!(differs(&memory(1e4), &memory(1.2e4)));
    }
}
