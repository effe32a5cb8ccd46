//! At which level the next instance is packed: the fewest bytes that never hold the link.

use std::time::Duration;

use karez_imaging::Level;

use super::Engine;
use crate::settings::LevelChoice;

/// Sealed bytes lie ready for so long: the core would only wait, so it may compute more.
const AHEAD: Duration = Duration::from_secs(20);
/// With less than this ready, that is over.
const CLOSE: Duration = Duration::from_secs(5);
/// With less than this ready, and more waiting to be packed, the link may wait for the core.
const STARVED: Duration = Duration::from_secs(1);
/// Instances begun like that, one after the other, before the level falls: the first ones of a
/// study always are.
const STARVED_MAX: u32 = 4;

/// The level of the last instance, how fast it makes sealed bytes, and how often the link has
/// waited since.
#[derive(Default)]
pub(super) struct Pace {
    /// None while nothing is to be packed.
    level: Option<Level>,
    starved: u32,
    /// Sealed bits a second of one packer at this level, lately.
    makes: Option<f64>,
}

/// How things stand when an instance is begun.
#[derive(Clone, Copy, Default)]
struct Stand {
    /// What the link carries, in bits a second, now or when it last carried something.
    link: Option<u64>,
    /// Sealed bytes that have not arrived.
    ahead: u64,
    /// Others wait to be packed.
    more: bool,
    /// Instances that are packed at a time.
    packers: u32,
}

impl Pace {
    /// The level for the next instance.
    fn next(&mut self, stand: Stand) -> Level {
        let first = stand.link.map_or(Level::default(), Level::for_link);
        let old = match self.level {
            Some(level) if stand.more || stand.ahead > 0 => level,
            _ => first,
        };
        let Some(link) = stand.link.filter(|link| *link > 0) else {
            return self.change(old);
        };
        let ahead = Duration::from_millis(stand.ahead.saturating_mul(8000) / link);
        self.starved = match stand.more && ahead < STARVED {
            true => self.starved.saturating_add(1),
            false => 0,
        };
        let makes = self.makes.filter(|_| Some(old) == self.level);
        let slower = makes.is_some_and(|m| m * f64::from(stand.packers) < link as f64);
        let holds = self.starved > STARVED_MAX && slower;
        self.change(match old {
            Level::Fast if ahead >= AHEAD => Level::Mid,
            Level::Mid if ahead >= AHEAD => Level::Best,
            Level::Best if holds || ahead < CLOSE && first < Level::Best => Level::Mid,
            Level::Mid if holds => Level::Fast,
            level => level,
        })
    }

    fn change(&mut self, level: Level) -> Level {
        if self.level.replace(level) != Some(level) {
            self.makes = None;
            self.starved = 0;
        }
        level
    }

    /// So many bytes were packed and sealed in this time.
    pub(super) fn made(&mut self, bytes: usize, took: Duration) {
        let speed = bytes as f64 * 8.0 / took.as_secs_f64().max(1e-6);
        self.makes = Some(self.makes.map_or(speed, |old| 0.7 * old + 0.3 * speed));
    }
}

impl Engine {
    /// By the configuration, else by the link and what waits for it.
    pub(super) fn level(&mut self) -> Level {
        match self.shared.settings.pack.level {
            LevelChoice::Fast => Level::Fast,
            LevelChoice::Mid => Level::Mid,
            LevelChoice::Best => Level::Best,
            LevelChoice::Auto => self.level_by_link(),
        }
    }

    fn level_by_link(&mut self) -> Level {
        let studies = self.tables.studies.iter();
        let studies = studies.filter(|(_, study)| study.facts.withdrawn.is_none());
        let (mut ahead, mut waiting) = (0, 0);
        for (id, study) in studies {
            let (received, sealed) = self.source.progress(*id);
            ahead += sealed.saturating_sub(received);
            waiting += study.waiting.len();
        }
        let stand = Stand {
            link: self.link_carries(),
            ahead,
            more: waiting > 1,
            packers: u32::try_from(self.packers).unwrap_or(1),
        };
        self.pace.next(stand)
    }

    /// Bits a second that the link takes, as its controller has it now or had it last.
    fn link_carries(&self) -> Option<u64> {
        let now = self.link.live.as_ref().and_then(|l| l.handle.stats().rate);
        let last = self.shared.client.memory().carried;
        let rate = now.or(last.map(|carried| carried.rate as u64));
        rate.map(|bytes| bytes.saturating_mul(8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THIN: u64 = 64_000;
    const USUAL: u64 = 1_000_000;
    const RICH: u64 = 100_000_000;
    const SLICE: u64 = 190_000;
    /// A core makes 14 Mbit/s at `mid`.
    const TOOK: Duration = Duration::from_millis(108);

    fn at(link: u64, ahead: u64, more: bool) -> Stand {
        Stand {
            link: Some(link),
            ahead,
            more,
            packers: 1,
        }
    }

    /// The levels of so many instances, each of which was packed in `took`.
    fn levels(stand: Stand, took: Duration, count: usize) -> Vec<Level> {
        let mut pace = Pace::default();
        let level = |_| {
            let level = pace.next(stand);
            pace.made(SLICE as usize, took);
            level
        };
        (0..count).map(level).collect()
    }

    #[test]
    fn the_thinnest_link_gets_best_from_the_first_instance_on() {
        assert_eq!(Pace::default().next(at(THIN, 0, true)), Level::Best);
        assert!(
            levels(at(THIN, 0, true), TOOK, 50)
                .iter()
                .all(|l| *l == Level::Best)
        );
    }

    #[test]
    fn an_idle_link_of_a_megabit_is_begun_at_mid_and_stays_there_while_the_core_is_faster() {
        assert!(
            levels(at(USUAL, 0, true), TOOK, 50)
                .iter()
                .all(|l| *l == Level::Mid)
        );
        assert!(
            levels(at(USUAL, 0, false), TOOK, 50)
                .iter()
                .all(|l| *l == Level::Mid)
        );
    }

    #[test]
    fn a_deep_backlog_gets_best_until_it_is_worked_off() {
        let mut pace = Pace::default();
        assert_eq!(pace.next(at(USUAL, 0, true)), Level::Mid);
        assert_eq!(pace.next(at(USUAL, 20 * USUAL / 8, true)), Level::Best);
        assert_eq!(pace.next(at(USUAL, 8 * USUAL / 8, true)), Level::Best);
        assert_eq!(pace.next(at(USUAL, 4 * USUAL / 8, true)), Level::Mid);
    }

    #[test]
    fn a_core_that_is_slower_than_the_link_packs_less() {
        let slow = Duration::from_secs(4);
        let all = levels(at(USUAL, 0, true), slow, 8);
        assert_eq!((all[3], all[7]), (Level::Mid, Level::Fast));
        let thin = levels(at(THIN, 0, true), Duration::from_secs(60), 20);
        assert_eq!((thin[0], thin[19]), (Level::Best, Level::Fast));
    }

    #[test]
    fn a_rich_link_is_begun_at_fast_and_gets_more_once_the_core_is_ahead() {
        let mut pace = Pace::default();
        assert_eq!(pace.next(at(RICH, 0, true)), Level::Fast);
        assert_eq!(pace.next(at(RICH, 20 * RICH / 8, true)), Level::Mid);
    }

    #[test]
    fn what_was_slow_yesterday_is_tried_again_when_all_is_idle() {
        let mut pace = Pace::default();
        for _ in 0..8 {
            pace.next(at(USUAL, 0, true));
            pace.made(SLICE as usize, Duration::from_secs(4));
        }
        assert_eq!(pace.next(at(USUAL, SLICE, true)), Level::Fast);
        assert_eq!(pace.next(at(USUAL, 0, false)), Level::Mid);
    }

    #[test]
    fn a_link_of_which_nothing_is_known_gets_mid() {
        let unknown = Stand {
            more: true,
            ahead: 1 << 40,
            ..Stand::default()
        };
        assert_eq!(Pace::default().next(unknown), Level::Mid);
    }
}
