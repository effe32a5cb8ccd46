//! When the archive of a world misbehaves, and how.

use std::time::Duration;

use karez_dimse::Status;
use karez_dimse::stub::{Behaviour, Pacs};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use crate::calendar::Spans;
use crate::profile::ProfileError;
use crate::profile::values::SpanList;

/// A slow archive takes so long for each instance.
const SLOW: Duration = Duration::from_secs(10);

/// What the archive does wrong, and when: spans of moments each.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacsFaults {
    /// No connection comes up.
    pub down: SpanList,
    /// Ten seconds for each instance.
    pub slow: SpanList,
    /// It answers A700 and stores nothing.
    pub full: SpanList,
    /// It answers C000 and stores nothing.
    pub refuses: SpanList,
    /// It stores, and answers 0110 all the same.
    pub lies: SpanList,
    /// It stores, and cuts the connection before the answer.
    pub cuts: SpanList,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    pacs: PacsFaults,
}

impl PacsFaults {
    /// Reads `pacs.KEY=[[from, to], ...]` on top.
    ///
    /// # Errors
    /// Names the key, and the nearest known one.
    pub fn set(&mut self, setting: &str) -> Result<(), ProfileError> {
        let read: Result<Setting, _> = toml::from_str(setting);
        let read = read
            .map_err(|e| ProfileError::of_setting(setting, &e))?
            .pacs;
        for (own, given) in [
            (&mut self.down, read.down),
            (&mut self.slow, read.slow),
            (&mut self.full, read.full),
            (&mut self.refuses, read.refuses),
            (&mut self.lies, read.lies),
            (&mut self.cuts, read.cuts),
        ] {
            if !given.0.as_slice().is_empty() {
                *own = given;
            }
        }
        Ok(())
    }

    /// Lets it happen.
    pub(super) async fn befall(self, pacs: Pacs, start: Instant) {
        let mut at = Duration::ZERO;
        loop {
            let now = self.at(at);
            pacs.behave(|behaviour| *behaviour = now);
            let Some(next) = self.next_change(at) else {
                return;
            };
            at = next;
            sleep_until(start + at).await;
        }
    }

    fn at(&self, at: Duration) -> Behaviour {
        let within = |spans: &SpanList| spans.0.contains(at);
        let mut b = Behaviour {
            down: within(&self.down),
            cuts: within(&self.cuts),
            ..Behaviour::default()
        };
        if within(&self.slow) {
            b.delay = SLOW;
        }
        if within(&self.refuses) {
            b.answer = Some(Status::CANNOT_UNDERSTAND);
        }
        if within(&self.full) {
            b.answer = Some(Status::OUT_OF_RESOURCES);
        }
        b.lies = within(&self.lies).then_some(Status::PROCESSING_FAILURE);
        b
    }

    fn next_change(&self, at: Duration) -> Option<Duration> {
        let all = [
            &self.down,
            &self.slow,
            &self.full,
            &self.refuses,
            &self.lies,
            &self.cuts,
        ];
        let next = |spans: &Spans| spans.next_change(at).map(|(when, _)| when);
        all.iter().filter_map(|spans| next(&spans.0)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_set_one_by_one_and_unknown_ones_refused_with_the_nearest_name() {
        let mut faults = PacsFaults::default();
        faults.set("pacs.full=[[\"d1\", \"d1 12:00\"]]").unwrap();
        faults.set("pacs.down=[[10, 20]]").unwrap();
        assert!(faults.at(Duration::from_secs(15)).down);
        assert_eq!(
            faults.next_change(Duration::from_secs(15)),
            Some(Duration::from_secs(20))
        );
        let noon = Duration::from_secs(86_400 + 3600);
        assert_eq!(faults.at(noon).answer, Some(Status::OUT_OF_RESOURCES));
        let refused = faults.set("pacs.ful=[[1, 2]]").unwrap_err().to_string();
        assert!(refused.contains("did you mean `full`"), "{refused}");
        assert!(faults.set("pacs.down=[[20, 10]]").is_err());
    }
}
