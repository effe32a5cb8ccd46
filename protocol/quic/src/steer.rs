//! The state that one connection's controllers, its pacing socket, its kicks and its status share.
//!
//! quinn asks its controller for a window and paces by it in bursts of ten packets. Here the
//! controller answers "as much as you like" while there is room, and the socket lets each packet
//! out at its exact moment.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use karez_protocol::link::{LinkMemory, PACED_BELOW, Pacer, Thin};

use crate::config::Law;

mod urgent;
use urgent::Urgent;

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

/// Round-trip time until one is measured.
const RTT_GUESS: Duration = Duration::from_millis(333);
/// An acknowledgement may be late by this and two round trips before the link is asked about.
const PATIENCE: Duration = Duration::from_secs(1);
/// Packets go out into a silence of this and two round trips.
const HOLD_AFTER: Duration = Duration::from_millis(1500);
/// A held packet leaves all the same after this many times the round trip and the peer's delay of
/// acknowledgements. quinn counts its probe timer from the last packet that it made, and doubles it
/// sixteen times at most: held for longer than twice this, that timer would lie in the past for
/// good and spin.
const HELD_MAX: u32 = 1 << 15;
/// The delay of acknowledgements that quinn adds.
const ACK_DELAY: Duration = Duration::from_millis(25);

/// Packets that something urgent may go ahead of its time, with the one that was made before it.
const AHEAD: f64 = 2.5;

/// What is known of a link, for the next connection over it.
pub(crate) type Memory = Arc<Mutex<LinkMemory>>;

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
    cap: Option<f64>,
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
    /// When a packet that asks for an acknowledgement last left.
    left: Option<Instant>,
    heard: Option<Instant>,
    /// Round-trip time without queue, or quinn's first guess.
    rtt: Duration,
    kicked: Option<Instant>,
    urgent: Urgent,
    /// There is a cheaper way than packets to find out whether a link is back.
    holds: bool,
}

impl Steer {
    pub(crate) fn new(now: Instant, memory: Memory, law: Law, mtu: u16) -> Arc<Self> {
        let known = lock(&memory).carried;
        let thin = law.thin.map(|ack_delay| {
            let thin = Thin::new(Duration::ZERO, mtu, ack_delay, known);
            if law.polite { thin.politely() } else { thin }
        });
        Arc::new(Self {
            origin: now,
            memory,
            state: Mutex::new(State {
                thin,
                cap: law.cap,
                pacer: Pacer::default(),
                made: None,
                stamps: VecDeque::new(),
                in_flight: 0,
                floor: 0,
                mtu: mtu.into(),
                window: 0,
                waiting_since: None,
                left: None,
                heard: None,
                rtt: RTT_GUESS,
                kicked: None,
                urgent: Urgent::default(),
                holds: false,
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
        Some(self.state().rate()).filter(|rate| *rate > 0.0)
    }

    /// From now on a silent link is asked, not filled.
    pub(crate) fn hold_in_silence(&self) {
        self.state().holds = true;
    }

    /// Round-trip time without queue.
    pub(crate) fn rtt(&self) -> Duration {
        self.state().rtt
    }

    /// How long a silence means nothing.
    pub(crate) fn patience(&self) -> Duration {
        self.state().patience()
    }

    /// The time that a packet takes.
    pub(crate) fn packet_time(&self) -> Duration {
        self.state().packet_time()
    }

    /// Opens the window past whatever an outage has swallowed.
    pub(crate) fn lift(&self, now: Instant) {
        let mut state = self.state();
        state.kicked = Some(now);
        let time = (state.rtt + KICK_EXTRA).as_secs_f64();
        let rate = state.rate();
        let extra = ((rate * time) as u64).max(KICK_LEAST * state.mtu + 1);
        state.floor = state.in_flight + extra;
        state.pacer.restart();
    }

    /// Whether a packet that quinn has made may leave, or when.
    pub(crate) fn may_leave(&self, now: Instant) -> Result<(), Instant> {
        let mut state = self.state();
        let waits = state.made.is_some_and(|(_, bytes)| bytes >= ASKS_FOR_ACK);
        if waits && let Some(until) = state.held_until(now) {
            return Err(until);
        }
        // What is urgent does not wait; what it takes is made good by what follows.
        let early = match state.urgent.waits() {
            true => state.packet_time().mul_f64(AHEAD),
            false => Duration::ZERO,
        };
        match state.pacer.next().map(|next| self.origin + next) {
            Some(next) if waits && next > now && state.urgent.takes_back() => Ok(()),
            Some(next) if waits && next > now + early => Err(next),
            _ => Ok(()),
        }
    }

    /// What quinn has made leaves now.
    pub(crate) fn leaves(&self, now: Instant) {
        let mut state = self.state();
        let Some((stamp, bytes)) = state.made.take() else {
            return;
        };
        if !state.urgent.leaves(stamp, bytes) {
            return;
        }
        let rate = state.rate();
        let since = self.since(now);
        state.pacer.sent(since, bytes, rate);
        if bytes >= ASKS_FOR_ACK {
            state.left = Some(now);
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

    /// A path begins, the first or another: nothing is in flight on it.
    pub(crate) fn begin_path(&self, mtu: u16) {
        let mut state = self.state();
        (state.in_flight, state.floor) = (0, 0);
        state.mtu = mtu.into();
    }

    /// quinn's own controller decides on this window.
    pub(crate) fn set_window(&self, window: u64) {
        self.state().window = window;
    }

    /// The largest datagram has changed.
    pub(crate) fn set_mtu(&self, mtu: u16) {
        let mut state = self.state();
        state.mtu = mtu.into();
        if let Some(thin) = &mut state.thin {
            thin.set_mtu(mtu);
        }
    }

    /// quinn has made a packet, or several.
    pub(crate) fn made(&self, now: Instant, bytes: u64) {
        let mut state = self.state();
        let patience = state.patience();
        state.urgent.made(now, patience);
        let before = state.made.map_or(0, |(_, bytes)| bytes);
        state.made = Some((now, before + bytes));
        if bytes >= ASKS_FOR_ACK {
            state.in_flight += bytes;
            state.waiting_since.get_or_insert(now);
        }
    }

    /// One packet of an acknowledgement; `sent` is quinn's time for it.
    pub(crate) fn acked(&self, now: Instant, sent: Instant, bytes: u64, app_limited: bool) {
        let mut state = self.state();
        state.floor = 0;
        let real = self.since(state.real(sent));
        if let Some(thin) = &mut state.thin {
            thin.on_ack(self.since(now), real, bytes, app_limited);
        }
    }

    /// An acknowledgement is read.
    pub(crate) fn end_of_ack(&self, now: Instant, in_flight: u64) {
        let since = self.since(now);
        let mut state = self.state();
        state.in_flight = in_flight;
        state.waiting_since = (in_flight > 0).then_some(now);
        state.heard = Some(now);
        let Some(thin) = &mut state.thin else { return };
        thin.on_end_of_ack(since);
        let (rtt, known) = (thin.base_rtt(), thin.remember());
        state.rtt = rtt.unwrap_or(state.rtt);
        drop(state);
        if known.is_some() {
            lock(&self.memory).carried = known;
        }
    }

    /// Packets were found lost.
    pub(crate) fn lost(&self, bytes: u64) {
        let mut state = self.state();
        state.in_flight = state.in_flight.saturating_sub(bytes);
        let bytes = state.urgent.lost(bytes);
        if let Some(thin) = &mut state.thin {
            thin.on_lost(bytes);
        }
    }

    /// The window as quinn is told it: open while there is room, so that its own pacer steps
    /// aside.
    pub(crate) fn told_window(&self) -> u64 {
        let state = self.state();
        let window = state.window();
        match state.is_paced() && state.in_flight + state.mtu < window {
            true => OPEN,
            false => window,
        }
    }

    fn since(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.origin)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// How long packets go out into a silence.
    fn hold_after(&self) -> Duration {
        HOLD_AFTER + 2 * self.rtt
    }

    /// Until when nothing but bare acknowledgements leaves, if that is so: the link is taken for
    /// dead, and asking is cheaper.
    fn held_until(&self, now: Instant) -> Option<Instant> {
        let past = |at: Instant| now.saturating_duration_since(at) > self.hold_after();
        let silent = self.waiting_since.filter(|at| past(*at))?;
        let until = self.left.unwrap_or(silent) + HELD_MAX * (self.rtt + ACK_DELAY);
        let is_held = self.holds && self.kicked.is_none_or(past) && now < until;
        is_held.then_some(until)
    }

    fn is_paced(&self) -> bool {
        (self.ours().is_some() || self.cap.is_some()) && self.rate() < PACED_BELOW
    }

    /// The larger of the two controllers', where both decide.
    fn window(&self) -> u64 {
        let own = self.thin.as_ref().map_or(0, Thin::window);
        own.max(self.window).max(self.floor)
    }

    /// Bytes per second that leave; zero for as many as one likes. A cap does not hold what is
    /// urgent.
    fn rate(&self) -> f64 {
        let cap = self.cap.filter(|_| !self.owes_urgent());
        let rate = self.ours().map_or(0.0, Thin::rate);
        match cap {
            Some(cap) if rate > 0.0 => rate.min(cap),
            Some(cap) => cap,
            None => rate,
        }
    }

    /// Our controller, where it decides. Where quinn's own window is the larger one, quinn's own
    /// pacer goes with it: beside another such flow an exact one would be unfair.
    fn ours(&self) -> Option<&Thin> {
        let thin = self.thin.as_ref();
        thin.filter(|thin| thin.window() >= self.window)
    }

    /// The time that a packet takes.
    fn packet_time(&self) -> Duration {
        let time = self.mtu as f64 / self.rate().max(1.0);
        let time = Duration::try_from_secs_f64(time).unwrap_or_default();
        time.min(PATIENCE)
    }

    fn owes_urgent(&self) -> bool {
        self.urgent.is_owed(self.heard)
    }

    fn patience(&self) -> Duration {
        PATIENCE + 2 * self.rtt
    }

    /// When a packet really left. Several may bear one stamp of quinn's.
    fn real(&self, stamp: Instant) -> Instant {
        let at = self.stamps.partition_point(|(made, _)| *made < stamp);
        match self.stamps.get(at) {
            Some((made, real)) if *made == stamp => *real,
            _ => stamp,
        }
    }
}
