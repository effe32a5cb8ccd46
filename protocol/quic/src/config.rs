//! How a link is used: sizes, windows, acknowledgements, congestion control.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::{BbrConfig, ControllerFactory, CubicConfig};
use quinn::{AckFrequencyConfig, IdleTimeout, TransportConfig, VarInt};
use tokio::time::Instant;

use crate::steer::{Memory, Steer};
use crate::steered::SteerFactory;

/// The smallest IP MTU that can carry QUIC: 1,200 bytes of UDP payload (RFC 9000 section 14) and
/// 28 bytes of IPv4 and UDP headers.
pub const IP_MTU_MIN: u16 = 1228;
/// An Ethernet frame's payload.
const IP_MTU_MAX: u16 = 1500;
/// Uni-directional streams that a peer may have open: one per lane, and a hub's for the probe key.
const STREAMS: u32 = 6;
/// Datagrams carry kicks and copies of small frames.
const DATAGRAM_BUFFER: usize = 16 * 1024;

/// What decides how fast packets leave and how many may be in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Congestion {
    /// Our own: by the delay, blind to random loss, each packet at its moment. See LINK.md.
    #[default]
    Thin,
    /// RFC 9438. Gives way to others; loses most of a lossy link.
    Cubic,
    /// Blind to random loss; queues 1 to 2 s on thin links. Not reproducible under a seed.
    Bbr,
}

/// How a sender behaves towards other flows on its link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manners {
    /// The link is taken to be ours: the engine's own law, which holds its own beside others.
    #[default]
    Alone,
    /// Others go first; a little is kept.
    Polite,
    /// As one Cubic flow beside others; fills what they leave.
    Competitive,
}

/// A link's settings. The defaults suit a thin, lossy, long link.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Bytes of the largest IP packet sent, headers included. Taken as at least [`IP_MTU_MIN`]
    /// (1248 over IPv6) and at most 1500. Not searched for: that costs 5.9 kB per connection.
    pub ip_mtu: u16,
    /// The peer acknowledges after this many packets that ask for it (measured: 8 cuts the
    /// acknowledgements by three to four).
    pub ack_threshold: u32,
    /// The peer acknowledges after this long at the latest.
    pub ack_delay: Duration,
    /// Bytes of one lane that the peer may send ahead of our reading. At least four times the
    /// bandwidth-delay product.
    pub stream_receive_window: u32,
    /// Bytes handed to QUIC beyond its congestion window. They can no longer be withdrawn when a
    /// study's priority changes, so they are few.
    pub uncommitted: u32,
    /// Most bytes of bulk unacknowledged at once: the memory that a fast link may take.
    pub send_window_max: u32,
    /// After this long without a word a connection is dropped. `None`: an outage is not an error.
    pub idle_timeout: Option<Duration>,
    /// The congestion controller.
    pub congestion: Congestion,
    /// How [`Congestion::Thin`] behaves beside others.
    pub manners: Manners,
    /// Most IP bytes per second, both for what is sent; what is urgent goes at once all the same.
    pub rate_cap: Option<u64>,
    /// How long one attempt to reach one address may take. A pending QUIC handshake backs off 0,
    /// 3, 9, 21, 45 s, so it is better begun anew than waited for. On a line that lives and is too
    /// slow for it, [`crate::Redial`] gives up to four times as long.
    pub dial_timeout: Duration,
}

/// Who decides how fast packets leave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Law {
    /// The delay of acknowledgements, where our own controller decides.
    pub(crate) thin: Option<Duration>,
    /// It gives way to others.
    pub(crate) polite: bool,
    /// Most bytes of UDP payload per second.
    pub(crate) cap: Option<f64>,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            ip_mtu: 1400,
            ack_threshold: 8,
            ack_delay: Duration::from_millis(200),
            stream_receive_window: 1024 * 1024,
            uncommitted: 64 * 1024,
            send_window_max: 4 * 1024 * 1024,
            idle_timeout: None,
            congestion: Congestion::default(),
            manners: Manners::default(),
            rate_cap: None,
            dial_timeout: Duration::from_secs(5),
        }
    }
}

impl LinkConfig {
    /// Bytes of the largest UDP payload to or from `addr`.
    #[must_use]
    pub fn udp_payload(&self, addr: SocketAddr) -> u16 {
        let headers = ip_udp_headers(addr);
        self.ip_mtu.clamp(1200 + headers, IP_MTU_MAX) - headers
    }

    /// The link state of a connection about to be made to or from `addr`.
    pub(crate) fn steer(&self, addr: SocketAddr, memory: Memory) -> Arc<Steer> {
        let law = Law {
            thin: (self.congestion == Congestion::Thin).then_some(self.ack_delay),
            polite: self.manners != Manners::Alone,
            cap: self.udp_cap(addr),
        };
        let now = Instant::now().into_std();
        Steer::new(now, memory, law, self.udp_payload(addr))
    }

    /// The cap in bytes of UDP payload, of packets as large as may be.
    fn udp_cap(&self, addr: SocketAddr) -> Option<f64> {
        let payload = f64::from(self.udp_payload(addr));
        let packet = payload + f64::from(ip_udp_headers(addr));
        self.rate_cap.map(|cap| cap as f64 * payload / packet)
    }

    pub(crate) fn transport(&self, addr: SocketAddr, steer: Arc<Steer>) -> TransportConfig {
        let inner: Option<Arc<dyn ControllerFactory + Send + Sync>> = match self.congestion {
            Congestion::Thin if self.manners != Manners::Competitive => None,
            Congestion::Thin | Congestion::Cubic => Some(Arc::new(CubicConfig::default())),
            Congestion::Bbr => Some(Arc::new(BbrConfig::default())),
        };
        let mut acks = AckFrequencyConfig::default();
        acks.ack_eliciting_threshold(VarInt::from_u32(self.ack_threshold))
            .max_ack_delay(Some(self.ack_delay));
        let mut transport = TransportConfig::default();
        transport
            .max_concurrent_bidi_streams(VarInt::from_u32(0))
            .max_concurrent_uni_streams(VarInt::from_u32(STREAMS))
            .max_idle_timeout(
                self.idle_timeout
                    .and_then(|t| IdleTimeout::try_from(t).ok()),
            )
            .keep_alive_interval(None)
            .stream_receive_window(VarInt::from_u32(self.stream_receive_window))
            .send_window(u64::from(self.uncommitted))
            // Without it quinn goes on with the stream it is at, whatever has become more urgent.
            .send_fairness(true)
            .initial_rtt(Duration::from_millis(333))
            .initial_mtu(self.udp_payload(addr))
            .mtu_discovery_config(None)
            .ack_frequency_config(Some(acks))
            .allow_spin(false)
            .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER))
            .datagram_send_buffer_size(DATAGRAM_BUFFER)
            .congestion_controller_factory(Arc::new(SteerFactory { steer, inner }));
        transport
    }
}

/// Bytes of IP and UDP headers before each datagram to or from `addr`.
pub(crate) fn ip_udp_headers(addr: SocketAddr) -> u16 {
    let mapped = |ip: std::net::Ipv6Addr| ip.to_ipv4_mapped().is_some();
    match addr {
        SocketAddr::V4(_) => 28,
        SocketAddr::V6(v6) if mapped(*v6.ip()) => 28,
        SocketAddr::V6(_) => 48,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_leaves_room_for_the_headers_and_never_falls_below_quics_minimum() {
        let v4: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let v6: SocketAddr = "[2001:db8::1]:1".parse().unwrap();
        let with = |ip_mtu| LinkConfig {
            ip_mtu,
            ..LinkConfig::default()
        };
        assert_eq!(with(1400).udp_payload(v4), 1372);
        assert_eq!(with(1400).udp_payload(v6), 1352);
        assert_eq!(with(0).udp_payload(v4), 1200);
        assert_eq!(with(0).udp_payload(v6), 1200);
        assert_eq!(with(9000).udp_payload(v4), 1472);
    }
}
