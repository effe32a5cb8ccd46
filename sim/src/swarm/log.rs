//! Listens to the daemons' logs: an error fails a run, and a replay prints all of it.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Messages that are kept.
const KEPT: usize = 16;

/// Hears errors; prints everything from INFO on when it is to.
#[derive(Clone)]
pub(super) struct Ear {
    errors: Arc<Mutex<Vec<String>>>,
    warnings: Arc<AtomicU64>,
    start: Instant,
    prints: bool,
}

impl Ear {
    pub(super) fn new(prints: bool) -> Self {
        Self {
            errors: Arc::default(),
            warnings: Arc::default(),
            start: Instant::now(),
            prints,
        }
    }

    /// The errors that were logged since this was asked last.
    pub(super) fn take_errors(&self) -> Vec<String> {
        std::mem::take(&mut *self.errors.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many warnings were logged.
    pub(super) fn warnings(&self) -> u64 {
        self.warnings.load(Ordering::Relaxed)
    }

    /// Says something of the simulator's own.
    pub(super) fn say(&self, what: &str) {
        if self.prints {
            let at = self.start.elapsed().as_secs_f64();
            // A closed terminal ends nothing.
            let _ = writeln!(io::stderr(), "{at:12.3} {what}");
        }
    }
}

impl Subscriber for Ear {
    fn enabled(&self, of: &Metadata<'_>) -> bool {
        let least = if self.prints {
            Level::DEBUG
        } else {
            Level::WARN
        };
        *of.level() <= least && of.is_event() && of.target().starts_with("karez")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let of = event.metadata();
        if *of.level() == Level::WARN {
            self.warnings.fetch_add(1, Ordering::Relaxed);
            if !self.prints {
                return;
            }
        }
        let mut text = Text(format!("{} {}:", of.level(), of.target()));
        event.record(&mut text);
        self.say(&text.0);
        if *of.level() == Level::ERROR {
            let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
            if errors.len() < KEPT {
                errors.push(text.0);
            }
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
