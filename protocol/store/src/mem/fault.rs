//! Faults that a simulated disk can be told to have.

use std::io;

/// What a call can fail with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk fails (EIO).
    Io,
    /// No room (ENOSPC); only calls that may need room fail so.
    Full,
}

/// What a call is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Look,
    Change,
    Grow,
    Sync,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) calls: u64,
    pub(super) syncs: u64,
    /// The n-th sync, counted from the disk's beginning, and everything after it fails.
    pub(super) kill_at_sync: Option<u64>,
    /// The same for the n-th call of any kind.
    pub(super) kill_at_call: Option<u64>,
    pub(super) killed: bool,
    /// From which call on, what, and whether for good.
    pub(super) at: Option<(u64, Fault, bool)>,
    pub(super) capacity: Option<u64>,
    pub(super) read_only: bool,
}

impl Faults {
    /// Counts a call and says whether it may go on.
    pub(super) fn meet(&mut self, call: Call) -> io::Result<()> {
        self.calls += 1;
        if call == Call::Sync {
            self.syncs += 1;
        }
        let at_sync = call == Call::Sync && self.kill_at_sync.is_some_and(|n| self.syncs >= n);
        let at_call = self.kill_at_call.is_some_and(|n| self.calls >= n);
        self.killed |= at_sync || at_call;
        if self.killed {
            return Err(killed());
        }
        if self.read_only && call != Call::Look {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.fault(call)
    }

    /// What a power cut ends.
    pub(super) fn reset(&mut self) {
        (self.killed, self.kill_at_sync, self.kill_at_call) = (false, None, None);
    }

    fn fault(&mut self, call: Call) -> io::Result<()> {
        let Some((from, fault, for_good)) = self.at else {
            return Ok(());
        };
        let due = if for_good {
            self.calls >= from
        } else {
            self.calls == from
        };
        if !due {
            return Ok(());
        }
        match fault {
            Fault::Io => Err(io::Error::other("simulated input/output error")),
            Fault::Full if matches!(call, Call::Grow | Call::Sync) => Err(full()),
            Fault::Full => Ok(()),
        }
    }
}

pub(super) fn killed() -> io::Error {
    io::Error::other("killed")
}

pub(super) fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}
