//! One C-STORE request: what is refused before it is kept, and how the rest is kept.

use karez_dimse::command::Comment;
use karez_dimse::part10::Meta;
use karez_dimse::scp::{Announced, Store};
use karez_dimse::{Error, Status, Uid};
use karez_host::Failure;
use karez_host::env::BoxStream;
use karez_imaging::plan;

use super::Door;
use super::known::Caller;
use crate::ingest::{Given, Intake};
use crate::limits::SCANNER_PEEK;

/// Why an instance is not taken: a status, and words for the status page and the scanner.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    status: Status,
    words: String,
}

/// Why receiving ended early.
enum Stop {
    /// The association is dead, and what came of the instance is dropped.
    Peer(Error),
    /// It is not kept; the scanner is told.
    Refused(Refusal),
}

/// Receives an instance, keeps it, and answers.
///
/// # Errors
/// The association is dead. If that was before the scanner was told, the instance may be here all
/// the same; it comes again, and is found to be the same bytes.
pub(super) async fn take(
    door: &Door,
    mut store: Store<'_, BoxStream>,
    caller: &Caller,
    given: Given,
) -> Result<(), Error> {
    match receive(door, &mut store, caller, given).await {
        Ok(()) => {
            door.scanners.took(caller);
            store.answer(Status::SUCCESS).await
        }
        Err(Stop::Refused(refusal)) => {
            let (status, words) = (refusal.status, refusal.words);
            tracing::warn!(scanner = caller.title, %status, words, "an image was refused");
            door.scanners.refused(caller, &words);
            store.answer_with(status, Comment(words)).await
        }
        Err(Stop::Peer(error)) => {
            door.scanners.broke(caller);
            Err(error)
        }
    }
}

async fn receive(
    door: &Door,
    store: &mut Store<'_, BoxStream>,
    caller: &Caller,
    given: Given,
) -> Result<(), Stop> {
    let first = beginning(store).await.map_err(Stop::Peer)?;
    let meta = judge(store.announced(), &first).map_err(Stop::Refused)?;
    let meta = meta.encode();
    let theirs = door.handle.by(&format!("scanner {}", caller.title));
    let mut intake = theirs.intake(given).map_err(no_room)?;
    intake.behind_meta(meta.len() as u32);
    intake.sent_by_scanner(&caller.title);
    intake.write(&meta).await.map_err(no_room)?;
    intake.write(&first).await.map_err(no_room)?;
    stream(&mut intake, store).await?;
    intake.finish().await.map(drop).map_err(no_room)
}

/// The data set's first bytes, all of a short one.
async fn beginning(store: &mut Store<'_, BoxStream>) -> Result<Vec<u8>, Error> {
    let mut first = Vec::new();
    while first.len() < SCANNER_PEEK
        && let Some(bytes) = store.data().await?
    {
        first.extend_from_slice(&bytes);
    }
    Ok(first)
}

async fn stream(intake: &mut Intake, store: &mut Store<'_, BoxStream>) -> Result<(), Stop> {
    while let Some(bytes) = store.data().await.map_err(Stop::Peer)? {
        intake.write(&bytes).await.map_err(no_room)?;
    }
    Ok(())
}

/// Whether what comes is what was announced, as far as its beginning says; the file meta group for
/// it. What says nothing of itself is taken as it is announced.
fn judge(announced: &Announced, first: &[u8]) -> Result<Meta, Refusal> {
    let refuse = |status, words: &str| {
        Err(Refusal {
            status,
            words: words.to_owned(),
        })
    };
    if first.is_empty() {
        return refuse(Status::CANNOT_UNDERSTAND, "the image holds no bytes");
    }
    // A walk over bytes in memory cannot fail.
    let own = plan(&first).map(|plan| plan.info).unwrap_or_default();
    let own_class = Uid::new(&own.sop_class_uid.unwrap_or_default());
    let own_instance = Uid::new(&own.sop_instance_uid.unwrap_or_default());
    let class = or(&announced.sop_class, &announced.context.abstract_syntax);
    let instance = or(&announced.sop_instance, &own_instance);
    if instance.is_empty() {
        return refuse(
            Status::CANNOT_UNDERSTAND,
            "the image has no SOP instance UID",
        );
    }
    if differ(class, &own_class) {
        return refuse(
            Status::CLASS_MISMATCH,
            "the image is of another SOP class than announced",
        );
    }
    if differ(instance, &own_instance) {
        return refuse(
            Status::CLASS_MISMATCH,
            "the image has another SOP instance UID than announced",
        );
    }
    Ok(Meta {
        sop_class: class.clone(),
        sop_instance: instance.clone(),
        transfer_syntax: announced.context.transfer_syntax.clone(),
    })
}

fn or<'a>(first: &'a Uid, second: &'a Uid) -> &'a Uid {
    if first.is_empty() { second } else { first }
}

/// Whether both are known and not the same. What is no UID may be a misreading of ours.
fn differ(announced: &Uid, own: &Uid) -> bool {
    own.is_well_formed() && announced != own
}

/// All that keeps an instance from being kept here is the disk or a daemon that stops: the scanner
/// has to send it again later, which is what "out of resources" tells it.
fn no_room(failure: Failure) -> Stop {
    Stop::Refused(Refusal {
        status: Status::OUT_OF_RESOURCES,
        words: failure.cause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_dimse::Context;
    use karez_dimse::command::Priority;
    use karez_dimse::uid::{CR_STORAGE, CT_STORAGE, EXPLICIT_LE};

    fn announced(class: &str, instance: &str) -> Announced {
        Announced {
            sop_class: Uid::new(class),
            sop_instance: Uid::new(instance),
            context: Context {
                abstract_syntax: Uid::new(CT_STORAGE),
                transfer_syntax: Uid::new(EXPLICIT_LE),
            },
            priority: Priority::Medium,
        }
    }

    fn element(tag: [u8; 4], vr: &[u8; 2], value: &str) -> Vec<u8> {
        let mut value = value.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(0);
        }
        let length = (value.len() as u16).to_le_bytes();
        [&tag[..], vr, &length, &value].concat()
    }

    fn data_set(class: &str, instance: &str) -> Vec<u8> {
        [
            element([8, 0, 0x16, 0], b"UI", class),
            element([8, 0, 0x18, 0], b"UI", instance),
            element([8, 0, 0x60, 0], b"CS", "CT"),
        ]
        .concat()
    }

    fn status(announced: &Announced, first: &[u8]) -> Option<u16> {
        judge(announced, first).err().map(|r| r.status.0)
    }

    #[test]
    fn t03_a_data_set_that_contradicts_its_command_is_refused_as_a_mismatch() {
        let right = data_set(CT_STORAGE, "1.2.3");
        assert_eq!(status(&announced(CT_STORAGE, "1.2.3"), &right), None);
        assert_eq!(
            status(&announced(CR_STORAGE, "1.2.3"), &right),
            Some(0xA900)
        );
        assert_eq!(
            status(&announced(CT_STORAGE, "1.2.4"), &right),
            Some(0xA900)
        );
    }

    #[test]
    fn t03_a_data_set_without_bytes_or_a_name_cannot_be_understood() {
        let nameless = element([8, 0, 0x60, 0], b"CS", "CT");
        assert_eq!(status(&announced(CT_STORAGE, "1.2.3"), &[]), Some(0xC000));
        assert_eq!(status(&announced(CT_STORAGE, ""), &nameless), Some(0xC000));
        let named = judge(&announced("", ""), &data_set(CT_STORAGE, "1.2.3")).unwrap();
        assert_eq!(named.sop_instance.as_str(), "1.2.3");
        assert_eq!(named.sop_class.as_str(), CT_STORAGE);
    }

    #[test]
    fn t22_t24_what_says_nothing_of_itself_and_odd_uids_are_taken() {
        let announced_as = announced(CT_STORAGE, "1.2.3");
        assert_eq!(status(&announced_as, b"\x07 not a data set at all"), None);
        assert_eq!(status(&announced_as, &data_set(CT_STORAGE, "")), None);
        let odd = data_set(CT_STORAGE, "../../etc/passwd");
        assert_eq!(status(&announced_as, &odd), None);
        let padded = data_set(CT_STORAGE, "1.2.3 ");
        assert_eq!(status(&announced_as, &padded), None);
    }
}
