//! The keys of `[link]`.

use karez_host::config::Unfit;
use karez_host::units::{Rate, Size};
use karez_quic::{Congestion, IP_MTU_MIN, LinkConfig, Manners};
use serde::{Deserialize, Serialize};

use crate::uplink::Limits;

/// Zones lie within a day of UTC.
const OFFSET_MAX: u32 = 14 * 60;
/// Spans of hours that can be given.
const HOURS_MAX: usize = 16;

/// The link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Link {
    /// Bytes of the largest IP packet.
    pub ip_mtu: u16,
    /// The congestion controller.
    pub congestion: CongestionChoice,
    /// How it behaves beside other flows.
    pub share: Share,
    /// Most bits per second that are sent; zero for no limit.
    pub rate_max: Rate,
    /// IP bytes per hour, both ways together; zero for no limit. The same per day and month.
    pub bytes_per_hour: Size,
    /// Per day.
    pub bytes_per_day: Size,
    /// Per month.
    pub bytes_per_month: Size,
    /// Spans of the local day in which is sent; none for always.
    pub hours: Vec<String>,
    /// How far local time is ahead of UTC.
    pub utc_offset: String,
}

/// A congestion controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CongestionChoice {
    /// Our own, for thin and lossy links.
    #[default]
    Thin,
    /// RFC 9438.
    Cubic,
    /// quinn's, blind to random loss.
    Bbr,
}

/// How the link is shared with other flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// The link is taken to be ours.
    #[default]
    Alone,
    /// Others go first.
    Polite,
    /// As one more flow among them.
    Competitive,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            ip_mtu: 1400,
            congestion: CongestionChoice::default(),
            share: Share::default(),
            rate_max: Rate(0),
            bytes_per_hour: Size(0),
            bytes_per_day: Size(0),
            bytes_per_month: Size(0),
            hours: Vec::new(),
            utc_offset: "+00:00".to_owned(),
        }
    }
}

impl Link {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        let unfit = |key, message: &str| {
            Err(Unfit {
                key,
                message: message.to_owned(),
            })
        };
        if !(IP_MTU_MIN..=1500).contains(&self.ip_mtu) {
            return unfit("link.ip_mtu", "must be 1228 to 1500");
        }
        let right = |text: &String| span(text).is_some();
        if self.hours.len() > HOURS_MAX || !self.hours.iter().all(right) {
            return unfit(
                "link.hours",
                "must be spans such as \"01:00-09:00\", at most 16",
            );
        }
        if offset(&self.utc_offset).is_none() {
            return unfit("link.utc_offset", "must be such as \"+05:00\"");
        }
        if self.share != Share::Alone && self.congestion != CongestionChoice::Thin {
            return unfit("link.share", "needs link.congestion = \"thin\"");
        }
        Ok(())
    }

    pub(super) fn config(&self) -> LinkConfig {
        LinkConfig {
            ip_mtu: self.ip_mtu,
            congestion: match self.congestion {
                CongestionChoice::Thin => Congestion::Thin,
                CongestionChoice::Cubic => Congestion::Cubic,
                CongestionChoice::Bbr => Congestion::Bbr,
            },
            manners: match self.share {
                Share::Alone => Manners::Alone,
                Share::Polite => Manners::Polite,
                Share::Competitive => Manners::Competitive,
            },
            rate_cap: Some(self.rate_max.0 / 8).filter(|rate| *rate > 0),
            ..LinkConfig::default()
        }
    }

    /// Takes over what a running link can change: what it may cost, and when.
    pub(crate) fn take_limits_of(&mut self, other: Self) {
        self.bytes_per_hour = other.bytes_per_hour;
        self.bytes_per_day = other.bytes_per_day;
        self.bytes_per_month = other.bytes_per_month;
        self.hours = other.hours;
        self.utc_offset = other.utc_offset;
    }

    /// Seconds by which local time is ahead of UTC.
    pub(crate) fn offset_s(&self) -> i64 {
        offset(&self.utc_offset).unwrap_or(0)
    }

    pub(crate) fn limits(&self) -> Limits {
        let sizes = [
            self.bytes_per_hour,
            self.bytes_per_day,
            self.bytes_per_month,
        ];
        Limits {
            bytes: sizes.map(|size| size.0),
            windows: self.hours.iter().filter_map(|text| span(text)).collect(),
            offset: self.offset_s(),
        }
    }
}

/// Minutes of the day from `01:00-09:00`; it may pass midnight.
fn span(text: &str) -> Option<(u32, u32)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (clock(from)?, clock(to)?);
    let day = 24 * 60;
    (from < day && to <= day && from != to).then_some((from, to))
}

/// Seconds from `+05:00`.
fn offset(text: &str) -> Option<i64> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let minutes = clock(rest.strip_prefix('+').unwrap_or(rest))?;
    (minutes <= OFFSET_MAX).then(|| sign * 60 * i64::from(minutes))
}

/// Minutes from `05:30`.
fn clock(text: &str) -> Option<u32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.len() <= 2);
    let (hour, minute) = (number(hour)?, number(minute)?);
    (hour <= 24 && minute < 60).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_offsets_are_read_as_people_write_them() {
        assert_eq!(span("01:00-09:00"), Some((60, 540)));
        assert_eq!(span("22:00 - 06:30"), Some((1320, 390)));
        assert_eq!(span("09:00-24:00"), Some((540, 1440)));
        for wrong in ["1-9", "25:00-26:00", "09:00-09:00", "09:00", "09:60-10:00"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
        assert_eq!(offset("+05:00"), Some(18_000));
        assert_eq!(offset("-03:30"), Some(-12_600));
        assert_eq!(offset("15:00"), None);
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_key() {
        let key = |link: Link| link.check().unwrap_err().key;
        let hours = vec!["all day".to_owned()];
        assert_eq!(
            key(Link {
                hours,
                ..Link::default()
            }),
            "link.hours"
        );
        let polite = Link {
            share: Share::Polite,
            congestion: CongestionChoice::Cubic,
            ..Link::default()
        };
        assert_eq!(key(polite), "link.share");
        assert!(Link::default().check().is_ok());
    }
}
