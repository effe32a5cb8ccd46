//! Waking a connection that an outage has put to sleep.
//!
//! quinn doubles its probe timer without a useful cap and sends nothing new while its window is
//! full of packets that an outage swallowed: after an hour of outage the first byte came twenty
//! minutes after the link did. A kick opens the window by a few packets past what is in flight
//! and sends something that asks for an acknowledgement; that acknowledgement tells quinn what
//! was lost, and it goes on by itself.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;
use quinn_proto::congestion::ControllerMetrics;

/// Smaller packets are taken for bare acknowledgements, which nobody acknowledges.
const ASKS_FOR_ACK: u64 = 200;
/// No acknowledgement is missed before this long: the peer may delay one by 200 ms, and quinn's
/// own first probes come sooner.
const PATIENCE_MIN: Duration = Duration::from_millis(1500);
/// The only content of a datagram so far.
const KICK: &[u8] = &[0];

/// What the controller of one path knows and a kick needs.
#[derive(Debug, Default)]
pub(crate) struct Kick(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Exact after each acknowledgement; from then on never less than quinn's own count, which
    /// leaves out bare acknowledgements.
    in_flight: u64,
    floor: u64,
    mtu: u64,
    waiting_since: Option<Instant>,
    heard: Option<Instant>,
}

impl Kick {
    /// The state behind a connection's present path.
    pub(crate) fn of(conn: &quinn::Connection) -> Option<Arc<Self>> {
        let controller = conn.congestion_state().into_any().downcast::<Kickable>();
        controller.ok().map(|kickable| kickable.kick)
    }

    /// Data was handed to QUIC: from now on an acknowledgement is due.
    pub(crate) fn expect(&self, now: Instant) {
        self.state().waiting_since.get_or_insert(now);
    }

    /// How long an acknowledgement has been due; `None` when none is.
    pub(crate) fn silence(&self, now: Instant) -> Option<Duration> {
        let since = self.state().waiting_since?;
        Some(now.saturating_duration_since(since))
    }

    /// How long ago the last acknowledgement came; `None` before the first.
    pub(crate) fn unheard(&self, now: Instant) -> Option<Duration> {
        let heard = self.state().heard?;
        Some(now.saturating_duration_since(heard))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets `packets` more packets out at once and asks for an acknowledgement.
pub(crate) fn kick(conn: &quinn::Connection, packets: u64) {
    let Some(kick) = Kick::of(conn) else { return };
    {
        let mut state = kick.state();
        state.floor = state.in_flight + packets * state.mtu + 1;
    }
    // Fails only on a closed connection, which needs no kick.
    drop(conn.send_datagram(Bytes::from_static(KICK)));
}

/// The time between two probes of a silent link: 5 % of the silence, between half a second and 20
/// seconds, more or less by a quarter so that the clinics of a province do not all call at once.
pub(crate) fn probe_interval(silence: Duration, jitter: &mut Jitter) -> Duration {
    let even = (silence / 20).clamp(Duration::from_millis(500), Duration::from_secs(20));
    even.mul_f64(0.75 + jitter.next() / 2.0)
}

/// Decides when a driven connection is kicked.
pub(crate) struct Pulse {
    conn: quinn::Connection,
    kick: Option<Arc<Kick>>,
    jitter: Jitter,
    check_at: Option<tokio::time::Instant>,
}

impl Pulse {
    pub(crate) fn new(conn: &quinn::Connection, seed: u64) -> Self {
        Self {
            kick: Kick::of(conn),
            conn: conn.clone(),
            jitter: Jitter(seed),
            check_at: None,
        }
    }

    /// Data was handed to QUIC.
    pub(crate) fn expect(&self, now: tokio::time::Instant) {
        if let Some(kick) = &self.kick {
            kick.expect(now.into_std());
        }
    }

    /// Kicks if that is due; when to ask again, if ever without new data.
    pub(crate) fn check(&mut self, now: tokio::time::Instant) -> Option<tokio::time::Instant> {
        if self.check_at.is_none_or(|at| at <= now) {
            self.check_at = self.wait(now).map(|wait| now + wait);
        }
        self.check_at
    }

    fn wait(&mut self, now: tokio::time::Instant) -> Option<Duration> {
        // A migrated connection has a new controller.
        if self.check_at.is_some() {
            self.kick = Kick::of(&self.conn);
        }
        let silence = self.kick.as_ref()?.silence(now.into_std())?;
        let patience = PATIENCE_MIN.max(self.conn.rtt() * 3);
        if silence < patience {
            return Some(patience - silence);
        }
        kick(&self.conn, 1);
        Some(probe_interval(silence, &mut self.jitter))
    }
}

/// A stream of numbers to spread timers with (xorshift64*); not random enough for anything else.
pub(crate) struct Jitter(pub(crate) u64);

impl Jitter {
    /// From 0 to 1.
    pub(crate) fn next(&mut self) -> f64 {
        let mut x = self.0 | 1;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        let high = u32::try_from(x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32).unwrap_or(0);
        f64::from(high) / f64::from(u32::MAX)
    }
}

/// A quinn controller whose window a kick can lift.
pub(crate) struct Kickable {
    inner: Box<dyn Controller>,
    kick: Arc<Kick>,
}

/// Makes [`Kickable`] controllers around another factory's.
pub(crate) struct KickFactory(pub(crate) Arc<dyn ControllerFactory + Send + Sync>);

impl ControllerFactory for KickFactory {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let kick = Kick::default();
        kick.state().mtu = u64::from(current_mtu);
        Box::new(Kickable {
            inner: self.0.clone().build(now, current_mtu),
            kick: Arc::new(kick),
        })
    }
}

impl Controller for Kickable {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        let mut state = self.kick.state();
        state.in_flight += bytes;
        if bytes >= ASKS_FOR_ACK {
            state.waiting_since.get_or_insert(now);
        }
        drop(state);
        self.inner.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.kick.state().floor = 0;
        self.inner.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        let mut state = self.kick.state();
        state.in_flight = in_flight;
        state.waiting_since = (in_flight > 0).then_some(now);
        state.heard = Some(now);
        drop(state);
        self.inner
            .on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        let mut state = self.kick.state();
        state.in_flight = state.in_flight.saturating_sub(lost_bytes);
        drop(state);
        self.inner
            .on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.kick.state().mtu = u64::from(new_mtu);
        self.inner.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.inner.window().max(self.kick.state().floor)
    }

    fn metrics(&self) -> ControllerMetrics {
        self.inner.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            inner: self.inner.clone_box(),
            kick: self.kick.clone(),
        })
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_of_a_silent_link_grow_rare_but_never_rarer_than_25_seconds() {
        let mut jitter = Jitter(7);
        let mut between = |silence, low, high| {
            let all = (0..500).map(|_| probe_interval(Duration::from_secs(silence), &mut jitter));
            let millis: Vec<u128> = all.map(|d| d.as_millis()).collect();
            assert!(
                millis.iter().all(|ms| (low..=high).contains(ms)),
                "{silence}: {millis:?}"
            );
            assert!(millis.iter().max() > millis.iter().min());
        };
        between(0, 375, 625);
        between(100, 3_750, 6_250);
        between(1_000_000, 15_000, 25_000);
    }
}
