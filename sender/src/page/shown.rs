//! A status as a page.

use karez_host::page::{
    Action, Banner, History, Lamp, Left, Mood, Need, Row, Say, Verb, View, Word,
};
use karez_host::status::{bytes, rate};
use karez_protocol::priority::Class;

use crate::settings::Settings;
use crate::status::{Parked, ScannerStatus, Status, StudyStatus};

const DAY_S: u64 = 86_400;

/// What is shown at `wall`, seconds since 1970.
pub(super) fn view(status: &Status, settings: &Settings, history: &History, wall: i64) -> View {
    let offset = settings.link.offset_s();
    let mut studies: Vec<&StudyStatus> = status.studies.iter().collect();
    studies.sort_by_key(|s| (!waits(s), s.priority, std::cmp::Reverse(s.since)));
    let place = &settings.page.place;
    let at_hub = match place.is_empty() {
        true => Say::word(Word::AtHub),
        false => Say::Word(Word::InPlace, vec![Say::As(place.clone())]),
    };
    let name = match settings.name.is_empty() {
        true => status.hub.name.clone(),
        false => settings.name.clone(),
    };
    View {
        name,
        hub: false,
        banner: banner(status, wall.saturating_add(offset)),
        figures: figures(status, settings),
        ribbon: Some(history.ribbon(wall)),
        needs: needs(status),
        columns: vec![Say::word(Word::Here), at_hub, Say::word(Word::InArchive)],
        studies: studies.into_iter().map(|s| row(s, history)).collect(),
        clinics: Vec::new(),
        actions: vec![match status.budget.paused {
            true => Action::new(Verb::Resume, "all"),
            false => Action::new(Verb::Pause, "all"),
        }],
        oldest_s: status
            .studies
            .iter()
            .filter(|s| waits(s))
            .map(|s| s.age_s)
            .max(),
        disk_free: Some(status.spool.free_bytes),
        utc_offset: offset,
    }
}

/// Whether the hub does not have all of it yet.
fn waits(study: &StudyStatus) -> bool {
    study.receipt == "none" && !study.withdrawn && study.parked < study.instances
}

fn banner(status: &Status, local: i64) -> Banner {
    let waiting = status.studies.iter().filter(|s| waits(s)).count() as u64;
    let count = Say::number(waiting);
    let hub = &status.hub;
    let say = |word| Say::Word(word, vec![count.clone()]);
    let (mood, text) = if !status.spool.problem.is_empty() {
        let why = Say::English(status.spool.problem.clone());
        (Mood::Bad, Say::Word(Word::DiskTrouble, vec![why]))
    } else if hub.name.is_empty() && !hub.connected {
        (Mood::Bad, Say::word(Word::NotJoined))
    } else if let (false, Some(ago)) = (hub.connected, hub.last_contact_s) {
        let since = local.saturating_sub(i64::try_from(ago).unwrap_or(0));
        (
            Mood::Busy,
            Say::Word(Word::NoLineSince, vec![clock(since), count]),
        )
    } else if !hub.connected {
        (Mood::Busy, say(Word::NoLineYet))
    } else if waiting == 0 {
        (Mood::Good, Say::word(Word::SafeOff))
    } else if status.budget.paused {
        (Mood::Busy, say(Word::Waiting))
    } else {
        (Mood::Busy, say(Word::OnTheWay))
    };
    let detail = [&hub.problem, &status.budget.holds];
    let detail: Vec<&str> = detail
        .iter()
        .map(|d| d.as_str())
        .filter(|d| !d.is_empty())
        .collect();
    Banner {
        mood,
        text,
        detail: detail.join("; "),
    }
}

/// `HH:MM` of local seconds.
fn clock(local: i64) -> Say {
    let second = local.rem_euclid(DAY_S as i64);
    Say::As(format!("{:02}:{:02}", second / 3600, second / 60 % 60))
}

fn figures(status: &Status, settings: &Settings) -> Vec<(Word, Say)> {
    let (spool, day) = (&status.spool, status.budget.day.bytes);
    let fresh = status.studies.iter().filter(|s| s.age_s < DAY_S);
    let daily: u64 = fresh.map(|s| s.bytes_sealed).sum();
    let free = spool.free_bytes.saturating_sub(settings.spool.keep_free.0);
    let free_words = Say::As(bytes(free));
    // What would last for years is no figure to plan by.
    let disk = match free.checked_div(daily).filter(|days| *days < 1000) {
        Some(days) => Say::Word(Word::FreeDays, vec![free_words, Say::number(days)]),
        None => Say::Word(Word::Free, vec![free_words]),
    };
    let price = u64::from(settings.page.price_per_gb);
    let today = match price {
        0 => Say::As(bytes(day)),
        _ => {
            let cost = u128::from(day) * u128::from(price) / 1_000_000_000;
            let money = settings.page.currency.clone();
            let fill = vec![
                Say::As(bytes(day)),
                Say::As(money),
                Say::As(cost.to_string()),
            ];
            Say::Word(Word::TodayCost, fill)
        }
    };
    let mut figures = vec![(Word::Disk, disk), (Word::Today, today)];
    if status.hub.connected && status.hub.rate_bits_per_s > 0 {
        figures.push((Word::Rate, Say::As(rate(status.hub.rate_bits_per_s))));
    }
    figures
}

fn row(study: &StudyStatus, history: &History) -> Row {
    let images = Say::number(study.instances);
    let what = match study.modality.is_empty() {
        true => Say::Word(Word::Images, vec![images]),
        false => Say::Word(
            Word::ImagesOf,
            vec![Say::As(study.modality.clone()), images],
        ),
    };
    let mut said = vec![what];
    if !study.scanner.is_empty() {
        said.push(Say::Word(Word::From, vec![Say::As(study.scanner.clone())]));
    }
    let note = if study.withdrawn {
        Some(Say::word(Word::TakenBack))
    } else {
        let odd = vec![Say::number(study.not_whole)];
        (study.not_whole > 0).then_some(Say::Word(Word::NotWhole, odd))
    };
    Row {
        study: study.study.clone(),
        what: said,
        class: study.priority,
        arrived: Some(study.since),
        lamps: lamps(study),
        left: left(study, history),
        note,
        actions: actions(study),
    }
}

fn lamps(study: &StudyStatus) -> Vec<Lamp> {
    let verified = study.receipt != "none";
    let at_hub = match Lamp::of(study.bytes_received, study.bytes_sealed.max(1)) {
        _ if verified => Lamp::Full,
        // All bytes are there, and the hub has not yet said that they are right.
        Lamp::Full => Lamp::Part(99),
        other => other,
    };
    let stored = matches!(study.receipt.as_str(), "stored" | "committed");
    let archive = match (study.parked, stored) {
        (0, true) => Lamp::Full,
        (0, false) => Lamp::Empty,
        _ => Lamp::Trouble,
    };
    vec![Lamp::Full, at_hub, archive]
}

fn left(study: &StudyStatus, history: &History) -> Left {
    match (study.withdrawn, study.receipt.as_str()) {
        (true, _) => return Left::Over,
        (false, "none") => {}
        _ => return Left::Nothing,
    }
    let known = study.eta_s.filter(|s| *s > 0);
    known
        .and_then(|seconds| history.stretched(seconds))
        .map_or(Left::Unknown, Left::About)
}

fn actions(study: &StudyStatus) -> Vec<Action> {
    if study.withdrawn {
        return Vec::new();
    }
    let on = |verb| Action::new(verb, &study.study);
    let mut actions = Vec::new();
    if waits(study) {
        if study.priority > Class::Urgent {
            actions.push(on(Verb::Urgent));
        }
        if study.priority > Class::Stat {
            actions.push(on(Verb::Stat));
        }
    }
    actions.push(on(Verb::Withdraw));
    actions
}

fn needs(status: &Status) -> Vec<Need> {
    let asks = status.scanners.iter().filter(|s| !s.allowed).map(asking);
    let port = Some(&status.scanner_port.problem).filter(|p| !p.is_empty());
    let port = port.map(|problem| Need {
        item: status.scanner_port.listen.clone(),
        reason: Say::English(problem.clone()),
        owner: "clinic".to_owned(),
        advice: String::new(),
        actions: Vec::new(),
    });
    let broken = status
        .scanners
        .iter()
        .filter(|s| s.allowed && !s.problem.is_empty());
    let broken = broken.map(|scanner| Need {
        item: scanner.title.clone(),
        reason: Say::English(plain(&scanner.problem)),
        owner: "clinic".to_owned(),
        advice: String::new(),
        actions: Vec::new(),
    });
    let parked = status.parked.iter().map(need);
    asks.chain(port).chain(broken).chain(parked).collect()
}

fn asking(scanner: &ScannerStatus) -> Need {
    let fill = [&scanner.title, &scanner.address].map(|text| Say::As(text.clone()));
    Need {
        item: scanner.title.clone(),
        reason: Say::Word(Word::ScannerAsks, fill.to_vec()),
        owner: "clinic".to_owned(),
        advice: String::new(),
        actions: vec![Action::new(Verb::Allow, &scanner.title)],
    }
}

fn need(parked: &Parked) -> Need {
    Need {
        item: parked.item.clone(),
        reason: Say::English(plain(&parked.reason)),
        owner: parked.owner.clone(),
        advice: plain(&parked.actions.join("; ")),
        actions: Vec::new(),
    }
}

/// The project's words in a technician's: none of them stands on the clinic's page.
fn plain(text: &str) -> String {
    const WORDS: [(&str, &str); 5] = [
        ("spool", "disk"),
        ("hand-off", "delivery"),
        ("receipt", "answer"),
        ("parked", "waiting for a person"),
        ("committed", "confirmed"),
    ];
    let replace = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    WORDS.iter().fold(text.to_owned(), replace)
}
