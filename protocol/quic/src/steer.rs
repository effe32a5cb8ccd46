//! The state that one connection's controllers, its pacing socket, its kicks and its status share.
//!
//! quinn asks its controller for a window and paces by it in bursts of ten packets. Here the
//! controller answers "as much as you like" while there is room, and the socket lets each packet
//! out at its exact moment.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use karez_protocol::link::{PACED_BELOW, Pacer, Remembered, Thin};
use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;

/// Smaller packets are taken for bare acknowledgements, which nobody acknowledges and which wait
/// for nothing.
const ASKS_FOR_ACK: u64 = 200;
/// Packets whose real time of leaving is remembered.
const STAMPS_MAX: usize = 4096;
/// "As much as you like": above 2^32, where quinn's own pacer steps aside.
const OPEN: u64 = u64::MAX >> 1;
/// What a kick lets out beside the packets of a round trip.
const KICK_EXTRA: Duration = Duration::from_millis(300);
/// Packets that a kick lets out at least.
const KICK_LEAST: u64 = 4;

/// What is known of a link, for the next connection over it.
pub(crate) type Memory = Arc<Mutex<Option<Remembered>>>;

/// One connection's link state.
#[derive(Debug)]
pub(crate) struct Steer {
    origin: Instant,
    memory: Memory,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` under one of quinn's own controllers.
    thin: Option<Thin>,
    pacer: Pacer,
    /// What quinn has made and the socket has not yet let out, and quinn's time for it.
    made: Option<(Instant, u64)>,
    /// quinn's time for each packet beside the real one, the oldest first.
    stamps: VecDeque<(Instant, Instant)>,
    /// Exact after each acknowledgement; bare acknowledgements are left out.
    in_flight: u64,
    /// What a kick lifts the window to.
    floor: u64,
    mtu: u64,
    /// Of quinn's own controller.
    window: u64,
    waiting_since: Option<Instant>,
    heard: Option<Instant>,
}

impl Steer {
    /// `thin`: the delay of acknowledgements, where our own controller decides.
    pub(crate) fn new(now: Instant, memory: Memory, thin: Option<Duration>, mtu: u16) -> Arc<Self> {
        let known = *memory.lock().unwrap_or_else(PoisonError::into_inner);
        let thin = thin.map(|ack_delay| Thin::new(Duration::ZERO, mtu, ack_delay, known));
        Arc::new(Self {
            origin: now,
            memory,
            state: Mutex::new(State {
                thin,
                pacer: Pacer::default(),
                made: None,
                stamps: VecDeque::new(),
                in_flight: 0,
                floor: 0,
                mtu: mtu.into(),
                window: 0,
                waiting_since: None,
                heard: None,
            }),
        })
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

    /// Bytes that may be in flight.
    pub(crate) fn window(&self) -> u64 {
        self.state().window()
    }

    /// Bytes that may be handed to QUIC and not yet acknowledged.
    pub(crate) fn outstanding(&self) -> u64 {
        let state = self.state();
        let own = state.thin.as_ref().map_or(0, Thin::outstanding);
        own.max(state.window())
    }

    /// Bytes per second that are sent; `None` where quinn decides.
    pub(crate) fn rate(&self) -> Option<f64> {
        let state = self.state();
        let rate = state.thin.as_ref().map(Thin::rate);
        rate.filter(|rate| *rate > 0.0)
    }

    /// Opens the window past whatever an outage has swallowed.
    pub(crate) fn lift(&self, rtt: Duration) {
        let mut state = self.state();
        let time = (rtt + KICK_EXTRA).as_secs_f64();
        let rate = state.thin.as_ref().map_or(0.0, Thin::rate);
        let extra = ((rate * time) as u64).max(KICK_LEAST * state.mtu + 1);
        state.floor = state.in_flight + extra;
        state.pacer.restart();
    }

    /// Whether a packet that quinn has made may leave, or when.
    pub(crate) fn may_leave(&self, now: Instant) -> Result<(), Instant> {
        let state = self.state();
        let waits = state.made.is_some_and(|(_, bytes)| bytes >= ASKS_FOR_ACK);
        match state.pacer.next().map(|next| self.origin + next) {
            Some(next) if waits && next > now => Err(next),
            _ => Ok(()),
        }
    }

    /// What quinn has made leaves now.
    pub(crate) fn leaves(&self, now: Instant) {
        let mut state = self.state();
        let Some((stamp, bytes)) = state.made.take() else {
            return;
        };
        let rate = state.thin.as_ref().map_or(0.0, Thin::rate);
        let since = self.since(now);
        state.pacer.sent(since, bytes, rate);
        if bytes >= ASKS_FOR_ACK {
            if state.stamps.len() >= STAMPS_MAX {
                state.stamps.pop_front();
            }
            state.stamps.push_back((stamp, now));
        }
    }

    /// Whether timers are fine enough for the rate.
    pub(crate) fn is_paced(&self) -> bool {
        self.state().is_paced()
    }

    fn since(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.origin)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, known: Option<Remembered>) {
        if known.is_some() {
            *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = known;
        }
    }
}

impl State {
    fn is_paced(&self) -> bool {
        let rate = self.thin.as_ref().map(Thin::rate);
        rate.is_some_and(|rate| rate < PACED_BELOW)
    }

    fn window(&self) -> u64 {
        let own = self.thin.as_ref().map_or(self.window, Thin::window);
        own.max(self.floor)
    }

    /// The window as quinn is told it.
    fn told_window(&self) -> u64 {
        let window = self.window();
        match self.is_paced() && self.in_flight + self.mtu < window {
            true => OPEN,
            false => window,
        }
    }

    /// When a packet really left. Several may bear one stamp of quinn's.
    fn real(&mut self, stamp: Instant) -> Instant {
        let at = self.stamps.partition_point(|(made, _)| *made < stamp);
        match self.stamps.get(at) {
            Some((made, real)) if *made == stamp => *real,
            _ => stamp,
        }
    }
}

/// What quinn takes for the controller of one path. All paths of a connection share its state.
pub(crate) struct Steered {
    steer: Arc<Steer>,
    /// quinn's own, where it decides.
    inner: Option<Box<dyn Controller>>,
}

/// Makes [`Steered`] controllers for one connection.
pub(crate) struct SteerFactory {
    pub(crate) steer: Arc<Steer>,
    pub(crate) inner: Option<Arc<dyn ControllerFactory + Send + Sync>>,
}

impl ControllerFactory for SteerFactory {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let inner = self.inner.clone();
        let inner = inner.map(|factory| factory.build(now, current_mtu));
        let mut state = self.steer.state();
        (state.in_flight, state.floor) = (0, 0);
        state.mtu = current_mtu.into();
        state.window = inner.as_ref().map_or(0, |inner| inner.window());
        drop(state);
        Box::new(Steered {
            steer: self.steer.clone(),
            inner,
        })
    }
}

impl Controller for Steered {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        if let Some(inner) = &mut self.inner {
            inner.on_sent(now, bytes, last_packet_number);
        }
        let mut state = self.steer.state();
        let before = state.made.map_or(0, |(_, bytes)| bytes);
        state.made = Some((now, before + bytes));
        if bytes >= ASKS_FOR_ACK {
            state.in_flight += bytes;
            state.waiting_since.get_or_insert(now);
        }
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        if let Some(inner) = &mut self.inner {
            inner.on_ack(now, sent, bytes, app_limited, rtt);
        }
        let (steer, mut state) = (&self.steer, self.steer.state());
        state.floor = 0;
        let real = state.real(sent);
        if let Some(thin) = &mut state.thin {
            thin.on_ack(steer.since(now), steer.since(real), bytes, app_limited);
        }
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        if let Some(inner) = &mut self.inner {
            inner.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
        }
        let window = self.inner.as_ref().map_or(0, |inner| inner.window());
        let (steer, mut state) = (&self.steer, self.steer.state());
        state.in_flight = in_flight;
        state.waiting_since = (in_flight > 0).then_some(now);
        state.heard = Some(now);
        state.window = window;
        let known = state.thin.as_mut().and_then(|thin| {
            thin.on_end_of_ack(steer.since(now));
            thin.remember()
        });
        drop(state);
        steer.remember(known);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        if let Some(inner) = &mut self.inner {
            inner.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
        }
        let window = self.inner.as_ref().map_or(0, |inner| inner.window());
        let mut state = self.steer.state();
        state.in_flight = state.in_flight.saturating_sub(lost_bytes);
        state.window = window;
        if let Some(thin) = &mut state.thin {
            thin.on_lost(lost_bytes);
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        if let Some(inner) = &mut self.inner {
            inner.on_mtu_update(new_mtu);
        }
        let mut state = self.steer.state();
        state.mtu = new_mtu.into();
        if let Some(thin) = &mut state.thin {
            thin.set_mtu(new_mtu);
        }
    }

    fn window(&self) -> u64 {
        let state = self.steer.state();
        match &self.inner {
            Some(inner) => inner.window().max(state.floor),
            None => state.told_window(),
        }
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            steer: self.steer.clone(),
            inner: self.inner.as_ref().map(|inner| inner.clone_box()),
        })
    }

    fn initial_window(&self) -> u64 {
        let inner = self.inner.as_ref().map(|inner| inner.initial_window());
        inner.unwrap_or_else(|| self.steer.window())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
