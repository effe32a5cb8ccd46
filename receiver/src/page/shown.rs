//! A status as a page.

use karez_host::page::{
    Action, Banner, ClinicRow, Lamp, Left, Mood, Need, Row, Say, Verb, View, Word,
};
use karez_host::status::bytes;
use karez_protocol::priority::Class;
use serde_json::Value;

pub(super) fn view(status: &Value, name: &str, place: &str) -> View {
    let clinics: Vec<ClinicRow> = list(status, "clinics").iter().map(clinic).collect();
    let mut studies: Vec<&Value> = list(status, "studies").iter().collect();
    studies.sort_by_key(|s| (count(s, "stored") >= count(s, "instances"), class(s)));
    let needs: Vec<Need> = list(status, "alarms")
        .iter()
        .map(alarm)
        .chain(list(status, "parked").iter().map(parked))
        .collect();
    let at_hub = match place {
        "" => Say::word(Word::Here),
        place => Say::Word(Word::InPlace, vec![Say::As(place.to_owned())]),
    };
    let free = status["disk"]["free_bytes"].as_u64();
    let disk = free.into_iter().map(|free| Say::As(bytes(free)));
    View {
        name: name.to_owned(),
        hub: true,
        banner: banner(&clinics, needs.len() as u64),
        figures: disk
            .map(|free| (Word::Disk, Say::Word(Word::Free, vec![free])))
            .collect(),
        ribbon: None,
        needs,
        columns: vec![at_hub, Say::word(Word::InArchive)],
        studies: studies.into_iter().map(row).collect(),
        clinics,
        actions: Vec::new(),
        oldest_s: None,
        disk_free: free,
        utc_offset: 0,
    }
}

fn banner(clinics: &[ClinicRow], needs: u64) -> Banner {
    let up = clinics.iter().filter(|c| c.line == Some(Word::Connected));
    let up = Say::number(up.count() as u64);
    let all = Say::number(
        clinics
            .iter()
            .filter(|c| c.line != Some(Word::Revoked))
            .count() as u64,
    );
    let (mood, text) = match needs {
        0 => (Mood::Good, Say::Word(Word::HubAllWell, vec![up, all])),
        _ => {
            let fill = vec![Say::number(needs), up, all];
            (Mood::Bad, Say::Word(Word::HubNeedsYou, fill))
        }
    };
    Banner {
        mood,
        text,
        detail: String::new(),
    }
}

fn clinic(clinic: &Value) -> ClinicRow {
    let line = match (&clinic["revoked"], &clinic["connected"]) {
        (Value::Bool(true), _) => Word::Revoked,
        (_, Value::Bool(true)) => Word::Connected,
        _ => Word::NoLine,
    };
    ClinicRow {
        name: word(clinic, "name"),
        line: Some(line),
        heard_s: clinic["last_contact_s"].as_u64(),
        open: count(clinic, "studies_open"),
        missing: count(clinic, "bytes_missing"),
    }
}

fn row(study: &Value) -> Row {
    let all =
        count(study, "instances") - count(study, "lost_at_source").min(count(study, "instances"));
    let (verified, stored) = (count(study, "verified"), count(study, "stored"));
    let archive = match count(study, "parked") {
        0 => Lamp::of(stored, all),
        _ => Lamp::Trouble,
    };
    let waits = list(study, "handoff").iter().map(|h| word(h, "reason"));
    let why = waits.into_iter().find(|reason| !reason.is_empty());
    Row {
        study: word(study, "study"),
        what: vec![
            Say::As(word(study, "clinic")),
            Say::Word(Word::Images, vec![Say::number(all)]),
        ],
        class: class(study),
        arrived: None,
        lamps: vec![Lamp::of(verified, all), archive],
        left: match stored >= all && all > 0 {
            true => Left::Nothing,
            false => Left::Unknown,
        },
        note: why.map(Say::English),
        actions: Vec::new(),
    }
}

fn alarm(alarm: &Value) -> Need {
    Need {
        item: String::new(),
        reason: Say::English(word(alarm, "alarm")),
        owner: word(alarm, "owner"),
        advice: actions(alarm),
        actions: Vec::new(),
    }
}

fn parked(parked: &Value) -> Need {
    let item = word(parked, "item");
    let known = list(parked, "actions").iter().filter_map(Value::as_str);
    let known = known.filter_map(|name| {
        let verb = Verb::of(name)?;
        Some(Action::new(verb, item.clone()))
    });
    let actions_here: Vec<Action> = known.collect();
    let advice = match actions_here.is_empty() {
        true => actions(parked),
        false => String::new(),
    };
    Need {
        reason: Say::English(word(parked, "reason")),
        owner: word(parked, "owner"),
        advice,
        actions: actions_here,
        item: format!(
            "{}, study {}, {item}",
            word(parked, "clinic"),
            word(parked, "study")
        ),
    }
}

fn actions(of: &Value) -> String {
    let all = list(of, "actions").iter().filter_map(Value::as_str);
    all.collect::<Vec<_>>().join("; ")
}

fn class(study: &Value) -> Class {
    serde_json::from_value(study["priority"].clone()).unwrap_or_default()
}

pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

pub(super) fn count(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or(0)
}
