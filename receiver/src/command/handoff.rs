//! `handoff resend`: for the day on which an archive was restored.

use karez_host::cli::Common;
use karez_host::{Failure, status as show};

use super::args::HandoffVerb;
use super::{Command, ask};

pub(super) fn handoff(common: &Common, verb: HandoffVerb) -> Result<(), Failure> {
    let HandoffVerb::Resend {
        target,
        since,
        study,
    } = verb;
    let since = day(&since).ok_or_else(|| {
        Failure::usage(format!("`{since}` is no day")).fix("Write it as YYYY-MM-DD")
    })?;
    let answer = ask::ask(
        common,
        Command::Resend {
            target,
            since,
            study,
        },
    )?;
    let count = answer["instances"].as_u64().unwrap_or(0);
    let are = if count == 1 {
        "instance is"
    } else {
        "instances are"
    };
    show::print(&format!("{count} {are} handed off again\n"))?;
    match answer["removed"].as_u64().unwrap_or(0) {
        0 => Ok(()),
        removed => show::print(&format!(
            "{removed} more are no longer here: store.keep_stored says how long they stay. A clinic \
             that still has them can send them again\n"
        )),
    }
}

/// The first second of a day (UTC), since 1970.
pub(super) fn day(text: &str) -> Option<i64> {
    let parts: Vec<i64> = text
        .split('-')
        .map(|p| p.parse().ok())
        .collect::<Option<_>>()?;
    let &[year, month, day] = parts.as_slice() else {
        return None;
    };
    let valid = (1970..=9999).contains(&year) && (1..=12).contains(&month);
    if !valid || !(1..=31).contains(&day) {
        return None;
    }
    // Days from the civil calendar, with March as the first month of a year.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (y / 400, y % 400);
    let of_year = (153 * m + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_has_them() {
        assert_eq!(day("1970-01-01"), Some(0));
        assert_eq!(day("2000-02-29"), Some(951_782_400));
        assert_eq!(day("2026-11-24"), Some(1_795_478_400));
        for bad in [
            "",
            "2026",
            "2026-13-01",
            "2026-01-32",
            "yesterday",
            "1969-01-01",
        ] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }
}
