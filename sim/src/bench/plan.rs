//! What `karez-sim bench` is asked, as options; a row of the table is a line of them.

use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use karez_quic::{Congestion, LinkConfig, Manners, Remembered};

use super::{Bench, Span};
use crate::profile::{Profile, ProfileError, RateSource};
use crate::time::When;

/// IP and UDP headers.
const HEADERS: u16 = 28;
/// Most simulated time for `--bytes`.
const WITHIN: Duration = Duration::from_secs(86_400);

/// One link, what is sent over it, and how often that is repeated.
#[derive(Clone, Debug, Args)]
pub struct Plan {
    /// A plain link, such as rate_kbit=512,rtt_ms=650,loss=0.10; keys: rate_kbit, rtt_ms, loss,
    /// queue_ms or queue_bytes, mtu, up_s, down_s, fade_s, fade_every_s, jitter_ms, signal.
    #[arg(long, value_name = "KEY=VALUE,...")]
    pub link: Option<String>,
    /// A built-in profile or the path of one, instead of a plain link.
    #[arg(long, conflicts_with = "link")]
    pub profile: Option<String>,
    /// Change one key of the profile; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "link")]
    pub set: Vec<String>,
    /// Of the profile only rate, delay and loss: no flapping, no outages.
    #[arg(long, conflicts_with = "link")]
    pub steady: bool,
    /// Send so many bytes and stop, instead of looking at an endless backlog.
    #[arg(long, value_name = "N", conflicts_with_all = ["warm", "length"])]
    pub bytes: Option<u64>,
    /// How much of the beginning is not measured.
    #[arg(long, value_parser = When::parse, default_value = "60s")]
    pub warm: When,
    /// How long is measured.
    #[arg(long = "for", value_name = "FOR", value_parser = When::parse, default_value = "600s")]
    pub length: When,
    /// One seed, or a range such as 1-5.
    #[arg(long, value_parser = seeds, default_value = "1")]
    pub seeds: Seeds,
    /// What decides how fast is sent.
    #[arg(long, value_enum, default_value = "thin")]
    pub congestion: Law,
    /// The clinic knows rate and round trip from an earlier day.
    #[arg(long)]
    pub remembered: bool,
    /// A STAT frame of 1 kB so often beside the backlog.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub stat_every: Option<When>,
    /// How it behaves beside other flows.
    #[arg(long, value_enum, default_value = "alone")]
    pub share: Sharing,
    /// Another flow on the same link, under this law.
    #[arg(long, value_enum)]
    pub beside: Option<Law>,
    /// The hub loses power so often.
    #[arg(long, value_name = "TIME", value_parser = When::parse, conflicts_with = "bytes")]
    pub hub_cut_every: Option<When>,
    /// For so long each time.
    #[arg(long, value_name = "TIME", value_parser = When::parse, default_value = "2s")]
    pub hub_cut: When,
}

/// Seeds, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

/// What decides how fast is sent.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Law {
    /// Karez's own.
    Thin,
    /// RFC 9438.
    Cubic,
    /// quinn's BBR; its runs are not reproducible.
    Bbr,
}

/// How a flow behaves beside others.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Sharing {
    /// The link is taken to be ours.
    Alone,
    /// Others go first.
    Polite,
    /// As one Cubic flow beside others.
    Competitive,
}

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Line {
    #[command(flatten)]
    plan: Plan,
}

impl Plan {
    /// The plan of a line of options.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &str) -> Result<Self, String> {
        let parsed = Line::try_parse_from(line.split_whitespace());
        parsed.map(|line| line.plan).map_err(|e| e.to_string())
    }

    /// The run of its first seed; the others differ in the seed alone.
    ///
    /// # Errors
    /// Names the key of the link or profile that does not fit, and the fix.
    pub fn bench(&self) -> Result<Bench, ProfileError> {
        let profile = self.profile()?;
        let config = |law: Law| LinkConfig {
            ip_mtu: u16::try_from(profile.mtu).unwrap_or(u16::MAX),
            congestion: law.congestion(),
            ..LinkConfig::default()
        };
        let span = match self.bytes {
            Some(bytes) => Span::Bytes {
                bytes,
                within: WITHIN,
            },
            None => Span::Window {
                warm: self.warm.0,
                length: self.length.0,
            },
        };
        Ok(Bench {
            seed: self.seeds.from,
            config: LinkConfig {
                manners: self.share.manners(),
                ..config(self.congestion)
            },
            span,
            stat_every: self.stat_every.map(|every| every.0),
            remembered: self.remembered.then(|| known(&profile)),
            rival: self.beside.map(config),
            hub_cuts: self.hub_cut_every.map(|every| (every.0, self.hub_cut.0)),
            profile,
        })
    }

    fn profile(&self) -> Result<Profile, ProfileError> {
        let Some(name) = &self.profile else {
            let usual = "rate_kbit=512,rtt_ms=650";
            return Profile::from_spec(self.link.as_deref().unwrap_or(usual));
        };
        let profile = Profile::load_with(name, &self.set)?;
        if !self.steady {
            return Ok(profile);
        }
        let plain = Profile::from_spec("rate_kbit=1")?;
        Ok(Profile {
            name: profile.name,
            mtu: profile.mtu,
            up: profile.up,
            down: profile.down,
            idle_promotion: profile.idle_promotion,
            ..plain
        })
    }
}

impl Sharing {
    const fn manners(self) -> Manners {
        match self {
            Self::Alone => Manners::Alone,
            Self::Polite => Manners::Polite,
            Self::Competitive => Manners::Competitive,
        }
    }
}

impl Seeds {
    /// All of them.
    pub fn all(self) -> impl Iterator<Item = u64> {
        self.from..=self.to
    }
}

impl Law {
    const fn congestion(self) -> Congestion {
        match self {
            Self::Thin => Congestion::Thin,
            Self::Cubic => Congestion::Cubic,
            Self::Bbr => Congestion::Bbr,
        }
    }
}

fn seeds(text: &str) -> Result<Seeds, String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let wrong = |_| format!("`{text}` is neither a seed nor a range such as 1-5");
    let (from, to) = (from.parse().map_err(wrong)?, to.parse().map_err(wrong)?);
    match (from..=to).count() {
        1..=100_000 => Ok(Seeds { from, to }),
        _ => Err(format!("`{text}` is no range of 1 to 100000 seeds")),
    }
}

/// As a connection of an earlier day would have left it.
fn known(profile: &Profile) -> Remembered {
    let mtu = profile.mtu as f64;
    let kbit = match &profile.up.rate {
        RateSource::Process(rate) => rate.median_kbit.0,
        RateSource::Trace(trace) => trace.0.first().map_or(0.0, |(_, kbit)| *kbit),
    };
    let ip_rate = kbit * 125.0;
    Remembered {
        rate: ip_rate * (mtu - f64::from(HEADERS)) / mtu,
        rtt: profile.up.owd + profile.down.owd,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_link_is_refused_with_the_key_named() {
        let fault = |link: &str| {
            let plan = Plan::parse(&format!("--link {link}")).unwrap();
            plan.bench().unwrap_err().to_string()
        };
        assert!(fault("rate_kbit=512,rtt=650").contains("rtt_ms"));
        assert!(fault("rate_kbit=fast").contains("rate_kbit"));
        assert!(fault("rtt_ms=650").contains("rate_kbit"));
        assert!(fault("rate_kbit=512,up_s=25").contains("down_s"));
    }

    #[test]
    fn seeds_are_one_or_a_range() {
        assert_eq!(seeds("7"), Ok(Seeds { from: 7, to: 7 }));
        assert_eq!(seeds("1-5").map(|s| s.all().count()), Ok(5));
        assert!(seeds("5-1").is_err() && seeds("x").is_err());
    }
}
