//! "Do you have this UID, and what is in it?" QIDO-RS for the one instance, never a list that a
//! server may cut short; then WADO-RS, whose bytes are compared.

use karez_dimse::Uid;
use karez_dimse::part10::Head;
use serde_json::Value;

use super::answer::text;
use super::client::{Client, Fault, Reply};
use super::parts::{Parts, Piece};
use super::words;
use crate::handoff::identity::Content;
use crate::handoff::{Identity, Item, Look, Seen, TargetError};
use crate::limits::{WEB_ANSWER, WEB_VERSIONS};

/// The attributes of an answer.
const INSTANCE: &str = "00080018";
const STUDY: &str = "0020000D";
const SERIES: &str = "0020000E";
const JSON: &str = "application/dicom+json";
const ANY_FILE: &str = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";

/// Where a service has an instance.
struct Place {
    study: Uid,
    series: Uid,
}

/// Whether the service has an item's UID, and what it has there.
pub(super) async fn look(
    client: &Client,
    item: &Item,
    identity: &Identity,
) -> Result<Look, TargetError> {
    let places = places(client, item, identity).await?;
    if places.is_empty() {
        return Ok(Look::Absent);
    }
    let mut seen = Vec::new();
    for place in &places {
        match read_back(client, place, &identity.sop_instance).await? {
            Some(some) => seen.extend(some),
            None => return Ok(Look::There(words::THERE.into())),
        }
    }
    match seen.is_empty() {
        true => Ok(Look::There(words::THERE.into())),
        false => Ok(Look::Holds(seen)),
    }
}

/// Asks for nothing: whether the service answers questions.
pub(super) async fn answers(client: &Client) -> Result<(), TargetError> {
    let nothing = Uid::new("2.25.1");
    search(client, "/instances", &nothing).await.map(drop)
}

/// In its series; where that says nothing, or there is doubt, also anywhere else: a correction can
/// change the study.
async fn places(
    client: &Client,
    item: &Item,
    identity: &Identity,
) -> Result<Vec<Place>, TargetError> {
    let uid = &identity.sop_instance;
    let named = identity.study.is_well_formed() && identity.series.is_well_formed();
    let mut all = Vec::new();
    if named {
        let (study, series) = (identity.study.as_str(), identity.series.as_str());
        let below = format!("/studies/{study}/series/{series}/instances");
        all = search(client, &below, uid).await?;
    }
    let doubtful = item.other_given || item.released || item.alone;
    if all.is_empty() && (doubtful || !named) {
        all = search(client, "/instances", uid).await?;
    }
    Ok(all)
}

async fn search(client: &Client, below: &str, uid: &Uid) -> Result<Vec<Place>, TargetError> {
    let path = format!("{below}?SOPInstanceUID={}", escaped(uid.as_str()));
    let reply = client.get(&path, JSON).await;
    let reply = reply.map_err(|fault| words::unreachable(&client.service, &fault))?;
    match reply.status() {
        200 => {}
        204 => return Ok(Vec::new()),
        status => return Err(words::evasive(status)),
    }
    let body = reply
        .whole(WEB_ANSWER)
        .await
        .map_err(|fault| silent(&fault))?;
    let answer: Value = serde_json::from_slice(&body)
        .map_err(|_| TargetError::Later("the PACS's answer (QIDO-RS) is no JSON".into()))?;
    let all = answer.as_array().into_iter().flatten();
    // A service may pass over the key that it was asked by.
    let named = all.filter(|one| text(one, INSTANCE).is_none_or(|text| Uid::new(text) == *uid));
    let uid = |one: &Value, tag| text(one, tag).map(Uid::new).unwrap_or_default();
    let place = |one: &Value| Place {
        study: uid(one, STUDY),
        series: uid(one, SERIES),
    };
    Ok(named.take(WEB_VERSIONS).map(place).collect())
}

/// The versions that a service gives out; `None` when it gives out nothing that can be compared.
async fn read_back(
    client: &Client,
    place: &Place,
    uid: &Uid,
) -> Result<Option<Vec<Seen>>, TargetError> {
    let all = [&place.study, &place.series, uid];
    if !all.iter().all(|uid| uid.is_well_formed()) {
        return Ok(None);
    }
    let [study, series, uid] = all.map(Uid::as_str);
    let path = format!("/studies/{study}/series/{series}/instances/{uid}");
    let reply = client.get(&path, ANY_FILE).await;
    let mut reply = reply.map_err(|fault| words::unreachable(&client.service, &fault))?;
    match reply.status() {
        200 => {}
        status @ (401 | 403 | 408 | 425 | 429 | 500..=599) => return Err(words::evasive(status)),
        _ => return Ok(None),
    }
    versions(&mut reply).await.map_err(|fault| silent(&fault))
}

async fn versions(reply: &mut Reply) -> Result<Option<Vec<Seen>>, Fault> {
    let Some(mut parts) = Parts::of(reply.kind()) else {
        return Ok(None);
    };
    let (mut reader, mut seen) = (Reader::default(), Vec::new());
    while let Some(bytes) = reply.piece().await? {
        let Ok(pieces) = parts.take(&bytes) else {
            return Ok(None);
        };
        for piece in pieces {
            match piece {
                Piece::Begins => reader = Reader::default(),
                Piece::Bytes(bytes) => reader.take(&bytes),
                Piece::Ends if seen.len() < WEB_VERSIONS => {
                    seen.push(std::mem::take(&mut reader).finish());
                }
                Piece::Ends => {}
            }
        }
    }
    match parts.is_over() {
        true => Ok(Some(seen)),
        false => Err(Fault::Broke("the instance was cut short".into())),
    }
}

/// Takes an instance's bytes for what counts of them.
#[derive(Default)]
struct Reader {
    whole: blake3::Hasher,
    /// First bytes, until the data set's begin is known.
    first: Vec<u8>,
    content: Option<Content>,
}

impl Reader {
    fn take(&mut self, bytes: &[u8]) {
        self.whole.update(bytes);
        if let Some(content) = &mut self.content {
            content.take(bytes);
        } else if self.first.len() <= karez_dimse::limits::META {
            self.first.extend_from_slice(bytes);
            self.try_begin();
        }
    }

    fn try_begin(&mut self) {
        let Ok(head) = Head::read(&self.first) else {
            return;
        };
        // The meta group may go on in the bytes to come.
        if head.data_set < self.first.len() {
            let mut content = Content::behind(&head.meta.transfer_syntax, head.data_set as u64);
            content.take(&std::mem::take(&mut self.first));
            self.content = Some(content);
        }
    }

    fn finish(self) -> Seen {
        Seen {
            whole: karez_protocol::id::Fingerprint(*self.whole.finalize().as_bytes()),
            content: self.content.and_then(Content::finish),
        }
    }
}

fn silent(fault: &Fault) -> TargetError {
    TargetError::Later(format!("the PACS broke off when it was asked: {fault}"))
}

/// A UID in a query (RFC 3986).
fn escaped(uid: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    uid.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_dimse::part10::Meta;

    #[test]
    fn what_is_read_back_counts_the_same_however_it_is_cut() {
        let meta = Meta {
            sop_class: "1.2".into(),
            sop_instance: "1.2.3".into(),
            transfer_syntax: "1.2.840.10008.1.2.1".into(),
        };
        let file = [meta.encode(), vec![8, 0, 5, 0, 1, 2, 3, 4]].concat();
        let read = |cut: usize| {
            let mut reader = Reader::default();
            file.chunks(cut).for_each(|bytes| reader.take(bytes));
            reader.finish()
        };
        let whole = read(file.len());
        assert!(whole.content.is_some());
        for cut in 1..file.len() {
            assert_eq!(read(cut), whole, "{cut}");
        }
        assert_eq!(Reader::default().finish().content, None);
    }

    #[test]
    fn a_uid_ends_no_query() {
        assert_eq!(escaped("1.2&x=#"), "1.2%26x%3D%23");
    }
}
