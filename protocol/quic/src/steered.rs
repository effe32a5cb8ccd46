//! What quinn takes for a congestion controller: it notes everything in the connection's
//! [`Steer`], and answers from there or from one of quinn's own.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;

use crate::steer::Steer;

/// The controller of one path. All paths of a connection share its state.
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
        let steered = Steered {
            steer: self.steer.clone(),
            inner: inner.map(|factory| factory.build(now, current_mtu)),
        };
        self.steer.begin_path(current_mtu);
        steered.note_window();
        Box::new(steered)
    }
}

impl Steered {
    fn note_window(&self) {
        if let Some(inner) = &self.inner {
            self.steer.set_window(inner.window());
        }
    }
}

impl Controller for Steered {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        if let Some(inner) = &mut self.inner {
            inner.on_sent(now, bytes, last_packet_number);
        }
        self.steer.made(now, bytes);
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
        self.steer.acked(now, sent, bytes, app_limited);
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
        self.note_window();
        self.steer.end_of_ack(now, in_flight);
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
        self.note_window();
        self.steer.lost(lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        if let Some(inner) = &mut self.inner {
            inner.on_mtu_update(new_mtu);
        }
        self.steer.set_mtu(new_mtu);
    }

    fn window(&self) -> u64 {
        self.steer.told_window()
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
