//! The plain synthetic link of `bench --link`: `rate_kbit=512,rtt_ms=650,loss=0.10,...`.

use super::Profile;
use super::error::{ProfileError, suggestion};

const PLACE: &str = "--link";
const KEYS: [&str; 12] = [
    "rate_kbit",
    "rtt_ms",
    "loss",
    "queue_ms",
    "queue_bytes",
    "mtu",
    "up_s",
    "down_s",
    "fade_s",
    "fade_every_s",
    "jitter_ms",
    "signal",
];

/// Reads the list; both directions are alike, loss is per direction.
pub(super) fn parse(spec: &str) -> Result<Profile, ProfileError> {
    let values = Values::read(spec)?;
    let toml = values.toml()?;
    let profile =
        Profile::from_toml(PLACE, &toml, None).map_err(|e| ProfileError { line: None, ..e })?;
    Ok(Profile {
        name: spec.to_owned(),
        about: "plain synthetic link".into(),
        ..profile
    })
}

struct Values(Vec<(&'static str, f64)>);

impl Values {
    fn read(spec: &str) -> Result<Self, ProfileError> {
        let mut out: Vec<(&'static str, f64)> = Vec::new();
        for pair in spec
            .split(',')
            .map(str::trim)
            .filter(|pair| !pair.is_empty())
        {
            let fault = |problem: &str| ProfileError::new(PLACE, problem).key(pair);
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| fault("is not key=value").fix("write rate_kbit=512,rtt_ms=650"))?;
            let Some(known) = KEYS.iter().find(|known| **known == key.trim()) else {
                return Err(ProfileError::new(PLACE, "unknown key")
                    .key(key.trim())
                    .fix(suggestion(key.trim(), &KEYS)));
            };
            let number = value
                .trim()
                .parse()
                .ok()
                .filter(|n: &f64| (0.0..=1e9).contains(n));
            let number = number.ok_or_else(|| fault("is no number from 0 to 1e9"))?;
            if out.iter().any(|(key, _)| key == known) {
                return Err(fault("stands there twice"));
            }
            out.push((known, number));
        }
        Ok(Self(out))
    }

    fn get(&self, key: &str) -> Option<f64> {
        self.0
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, value)| *value)
    }

    fn toml(&self) -> Result<String, ProfileError> {
        let rate = self.get("rate_kbit").ok_or_else(|| {
            ProfileError::new(PLACE, "`rate_kbit` is missing").fix("write rate_kbit=512,rtt_ms=650")
        })?;
        let mtu = self.get("mtu").unwrap_or(1500.0);
        let queue = self.queue(rate, mtu)?;
        let signal = if self.get("signal").unwrap_or(1.0) > 0.0 {
            "[\"cycle\"]"
        } else {
            "[]"
        };
        let mut out = format!("mtu = {mtu:.0}\nsignal = {signal}\n");
        out += &self.pair("cycle", ("up_s", "up_s"), ("down_s", "down_s"))?;
        out += &self.pair("fade", ("for_s", "fade_s"), ("every_s", "fade_every_s"))?;
        let owd = self.get("rtt_ms").unwrap_or_default() / 2.0;
        let loss = self.get("loss").unwrap_or_default();
        for direction in ["up", "down"] {
            out += &format!(
                "[{direction}]\nrate = {{ median_kbit = {rate:?} }}\nowd_ms = {owd:?}\nloss = {loss:?}\nqueue_bytes = {queue:.0}\n"
            );
            if let Some(jitter) = self.get("jitter_ms").filter(|ms| *ms > 0.0) {
                out += &format!("jitter = {{ median_ms = {jitter:?}, sigma = 0.8, corr = 0.7 }}\n");
            }
        }
        Ok(out)
    }

    /// `queue_bytes`, or `queue_ms` of the rate, or 500 ms; never less than two packets.
    fn queue(&self, rate_kbit: f64, mtu: f64) -> Result<f64, ProfileError> {
        let by_time = |ms: f64| (rate_kbit * ms / 8.0).max(2.0 * mtu);
        match (self.get("queue_bytes"), self.get("queue_ms")) {
            (Some(_), Some(_)) => Err(ProfileError::new(
                PLACE,
                "`queue_ms` and `queue_bytes` are both given",
            )
            .fix("take one of them out")),
            (Some(bytes), None) => Ok(bytes),
            (None, ms) => Ok(by_time(ms.unwrap_or(500.0))),
        }
    }

    fn pair(
        &self,
        table: &str,
        first: (&str, &str),
        second: (&str, &str),
    ) -> Result<String, ProfileError> {
        match (
            self.get(first.1).filter(|s| *s > 0.0),
            self.get(second.1).filter(|s| *s > 0.0),
        ) {
            (Some(a), Some(b)) => Ok(format!(
                "{table} = {{ {} = {a:?}, {} = {b:?} }}\n",
                first.0, second.0
            )),
            (None, None) => Ok(String::new()),
            _ => Err(ProfileError::new(
                PLACE,
                format!("`{}` and `{}` go together", first.1, second.1),
            )
            .fix("give both or neither")),
        }
    }
}
