//! Logs to standard error: what `RUST_LOG` asks for, as text or JSON, without patient data.
//!
//! Patient data goes into a log only inside [`Redacted`], which shows its value only while an event
//! of level TRACE is written (ARCHITECTURE I7). A panic is logged by its place; its message may
//! quote data and is withheld.

use std::cell::Cell;
use std::fmt;
use std::io::Write;
use std::panic::PanicHookInfo;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{self as lines, FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::Failure;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Sets up logs and the panic hook, once for a process. Without `RUST_LOG` it is `info`.
///
/// # Errors
/// `RUST_LOG` cannot be understood, or logs are set up already.
pub fn init(format: LogFormat) -> Result<(), Failure> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env()
        .map_err(|_| {
            Failure::usage("the log filter cannot be understood")
                .at("RUST_LOG")
                .fix("Write it as in RUST_LOG=info or RUST_LOG=warn,karez_sender=debug")
        })?;
    let builder = lines::Subscriber::builder()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let set = match format {
        LogFormat::Text => builder
            .event_format(Discreet(lines::format()))
            .finish()
            .try_init(),
        LogFormat::Json => builder
            .fmt_fields(JsonFields::new())
            .event_format(Discreet(lines::format().json()))
            .finish()
            .try_init(),
    };
    set.map_err(|_| Failure::new("logs were set up twice"))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A value that may be, or hold, patient data: it prints as `[redacted]` everywhere but in a log
/// line of level TRACE.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Redacted<T>(pub T);

impl<T: fmt::Debug> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if SHOWN.get() {
            self.0.fmt(f)
        } else {
            f.write_str(HIDDEN)
        }
    }
}

impl<T: fmt::Display> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if SHOWN.get() {
            self.0.fmt(f)
        } else {
            f.write_str(HIDDEN)
        }
    }
}

const HIDDEN: &str = "[redacted]";

thread_local! {
    /// Whether this thread is writing a log line of level TRACE just now.
    static SHOWN: Cell<bool> = const { Cell::new(false) };
}

/// Formats events, and opens [`Redacted`] for those of level TRACE.
struct Discreet<F>(F);

impl<S, N, F> FormatEvent<S, N> for Discreet<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let _closed_again = Opened::new(*event.metadata().level() == Level::TRACE);
        self.0.format_event(context, writer, event)
    }
}

struct Opened {
    before: bool,
}

impl Opened {
    fn new(shown: bool) -> Self {
        Self {
            before: SHOWN.replace(shown),
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        SHOWN.set(self.before);
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    let thread = std::thread::current()
        .name()
        .unwrap_or("unnamed")
        .to_owned();
    if tracing::enabled!(Level::ERROR) {
        tracing::error!(
            place,
            thread,
            "a bug stopped this thread; its message is withheld, because it may quote data"
        );
    } else {
        let line = format!("a bug stopped the thread {thread} at {place}\n");
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }

        fn of(json: bool, write: impl FnOnce()) -> String {
            let lines = Self::default();
            let to = lines.clone();
            let builder = lines::Subscriber::builder()
                .with_max_level(Level::TRACE)
                .with_writer(move || to.clone())
                .with_ansi(false);
            if json {
                let subscriber = builder
                    .fmt_fields(JsonFields::new())
                    .event_format(Discreet(lines::format().json()))
                    .finish();
                tracing::subscriber::with_default(subscriber, write);
            } else {
                let subscriber = builder.event_format(Discreet(lines::format())).finish();
                tracing::subscriber::with_default(subscriber, write);
            }
            lines.text()
        }
    }

    const NAME: Redacted<&str> = Redacted("CANARY^PATIENT");

    fn at_every_level_above_trace() {
        let _span = tracing::info_span!("study", name = %NAME).entered();
        tracing::error!(name = %NAME, "error");
        tracing::warn!(name = ?NAME, "warn {NAME}");
        tracing::info!("info {NAME:?} {}", format!("{NAME}"));
        tracing::debug!(many = ?[NAME, NAME], "debug");
    }

    #[test]
    fn a_redacted_value_is_in_no_line_above_trace_even_when_trace_is_on() {
        for json in [false, true] {
            let text = Lines::of(json, at_every_level_above_trace);
            assert_eq!(text.lines().count(), 4, "{text}");
            assert!(!text.contains("CANARY"), "{text}");
            assert!(text.matches("[redacted]").count() >= 8, "{text}");
        }
    }

    #[test]
    fn trace_shows_it_and_what_follows_hides_it_again() {
        for json in [false, true] {
            let text = Lines::of(json, || {
                tracing::trace!(name = ?NAME, "trace {NAME}");
                tracing::debug!(name = %NAME, "after");
            });
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines[0].matches("CANARY^PATIENT").count(), 2, "{text}");
            assert!(lines[1].contains("[redacted]") && !lines[1].contains("CANARY"));
        }
        assert_eq!(NAME.to_string(), "[redacted]");
    }

    #[test]
    fn the_search_finds_a_planted_leak() {
        let text = Lines::of(true, || tracing::info!(name = NAME.0, "leaks"));
        assert!(text.contains("CANARY"));
    }

    #[test]
    fn json_lines_are_json() {
        let text = Lines::of(true, at_every_level_above_trace);
        for line in text.lines() {
            assert!(
                serde_json::from_str::<serde_json::Value>(line)
                    .unwrap()
                    .is_object()
            );
        }
    }
}
