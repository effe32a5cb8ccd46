//! Which level the next instance is packed at: the fewest bytes that never hold the link.

use std::time::Duration;

use karez_imaging::Level;

use super::Engine;
use crate::settings::LevelChoice;

/// Sealed bytes lie ready for so long: the core would only wait, so it may compute more.
const AHEAD: Duration = Duration::from_secs(20);
/// With less than this ready, that is over.
const CLOSE: Duration = Duration::from_secs(5);
/// With less than this ready, and more waiting to be packed, the link waits for the core.
const STARVED: Duration = Duration::from_secs(1);
/// Instances begun like that, one after the other, before the level falls: the first ones of a
/// study always are.
const STARVED_MAX: u32 = 4;

/// The level of the last instance, and how often the link has waited since.
#[derive(Default)]
pub(super) struct Pace {
    level: Level,
    starved: u32,
}

impl Pace {
    /// The level for the next instance. `rate` is the link's, in bits a second, 0 when nothing is
    /// known of it; `ahead` are sealed bytes that have not arrived; `more` instances wait.
    fn next(&mut self, rate: u64, ahead: u64, more: bool) -> Level {
        if rate == 0 {
            return self.level;
        }
        let ahead = Duration::from_millis(ahead.saturating_mul(8000) / rate);
        self.starved = match more && ahead < STARVED {
            true => self.starved.saturating_add(1),
            false => 0,
        };
        self.level = match self.level {
            Level::Fast if ahead >= AHEAD => Level::Mid,
            Level::Mid if ahead >= AHEAD => Level::Best,
            Level::Best if ahead < CLOSE => Level::Mid,
            Level::Mid if self.starved > STARVED_MAX => Level::Fast,
            level => level,
        };
        self.level
    }
}

impl Engine {
    /// By the configuration, else by the link and what waits for it.
    pub(super) fn level(&mut self) -> Level {
        match self.shared.settings.pack.level {
            LevelChoice::Fast => Level::Fast,
            LevelChoice::Mid => Level::Mid,
            LevelChoice::Best => Level::Best,
            LevelChoice::Auto => {
                let studies = self.tables.studies.iter();
                let studies = studies.filter(|(_, study)| study.facts.withdrawn.is_none());
                let (mut ahead, mut waiting) = (0, 0);
                for (id, study) in studies {
                    let (received, sealed) = self.source.progress(*id);
                    ahead += sealed.saturating_sub(received);
                    waiting += study.waiting.len();
                }
                self.pace.next(self.link.rate, ahead, waiting > 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THIN: u64 = 64_000;
    const SLICE: u64 = 190_000;

    #[test]
    fn a_thin_link_gets_mid_at_first_and_best_once_it_has_enough_to_do() {
        let mut pace = Pace::default();
        assert_eq!(pace.next(THIN, 0, true), Level::Mid);
        assert_eq!(pace.next(THIN, SLICE, true), Level::Best);
        assert_eq!(pace.next(THIN, 60_000, true), Level::Best);
        assert_eq!(pace.next(THIN, 30_000, true), Level::Mid);
    }

    #[test]
    fn single_images_on_an_idle_link_stay_at_mid() {
        let mut pace = Pace::default();
        assert!((0..50).all(|_| pace.next(THIN, 0, false) == Level::Mid));
    }

    #[test]
    fn a_rich_link_that_waits_for_the_core_gets_fast_until_the_core_is_ahead() {
        let rich = 100_000_000;
        let mut pace = Pace::default();
        let levels: Vec<Level> = (0..8).map(|_| pace.next(rich, SLICE, true)).collect();
        assert_eq!(levels[3], Level::Mid);
        assert_eq!(levels[7], Level::Fast);
        assert_eq!(pace.next(rich, 20 * rich / 8, true), Level::Mid);
    }

    #[test]
    fn nothing_is_known_of_a_link_that_never_was() {
        assert_eq!(Pace::default().next(0, 1 << 40, true), Level::Mid);
    }
}
