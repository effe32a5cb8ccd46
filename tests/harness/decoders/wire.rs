//! Bytes from a peer over QUIC, and lines that a person types.

use karez_protocol::id::{SegmentId, StudyId};
use karez_protocol::invitation::Invitation;
use karez_protocol::link::{LinkMemory, probe};
use karez_protocol::manifest::{
    Gone, NamedRecords, Receipt, RecordBody, RecordBytes, Revision, SegmentHead,
};
use karez_protocol::resume::{Have, RunSet};
use karez_protocol::seal::{Identity, Signed};
use karez_protocol::wire::{Frame, decode, encode};

const SEGMENT: SegmentId = SegmentId([3; 16]);

/// A frame that reads is written the same way again.
pub(super) fn frame(bytes: &[u8]) {
    if let Ok(frame) = Frame::from_bytes(bytes) {
        assert_eq!(frame.to_bytes(), bytes);
    }
}

pub(super) fn frames() -> Vec<Vec<u8>> {
    let lines = include_str!("../../../protocol/vectors/frames.txt").lines();
    let hex = lines.filter_map(|line| line.split_whitespace().last());
    hex.filter_map(unhex)
        .filter(|bytes| !bytes.is_empty())
        .collect()
}

/// A record as it comes, and what it says once opened.
pub(super) fn record(bytes: &[u8]) {
    if let Ok(sealed) = RecordBytes::from_bytes(bytes.to_vec()) {
        assert_eq!(sealed.as_bytes(), bytes);
        let _ = sealed.place(1);
    }
    if let Ok(body) = decode::<RecordBody>(bytes) {
        assert_eq!(encode(&body), bytes);
        let chunks = body.chunks();
        assert!(chunks.start <= chunks.end);
        let _ = body.parts_with_serials().count();
    }
}

pub(super) fn records() -> Vec<Vec<u8>> {
    frames()
}

/// A have-set from a hub that may lie: the runs that it names stay ordered and apart.
pub(super) fn have(bytes: &[u8]) {
    let Ok(have) = decode::<Have>(bytes) else {
        return;
    };
    let Some(runs) = have.chunks.runs() else {
        return;
    };
    let all: Vec<_> = runs.iter().collect();
    assert!(all.windows(2).all(|pair| pair[0].end < pair[1].start));
    let mut twice = runs.clone();
    twice.union(&runs);
    assert_eq!(twice, runs);
}

pub(super) fn haves() -> Vec<Vec<u8>> {
    // Behind the wire version and the frame's kind (SPEC 2.2).
    let body = |frame: Vec<u8>| Some(frame.strip_prefix(&[1, 8])?.to_vec());
    frames().into_iter().filter_map(body).collect()
}

/// Signed statements: nothing is read that the peer has not signed, whatever the body says.
pub(super) fn signed(bytes: &[u8]) {
    let signer = Identity::from_secret(&[9; 32]);
    let peer = signer.peer();
    let forged = Signed {
        body: bytes.to_vec(),
        signature: [0; 64],
    };
    assert!(SegmentHead::read(&forged).is_err());
    assert!(Receipt::read(&peer, &peer, &forged).is_err());
    assert!(Revision::read(&peer, &forged).is_err());
    assert!(Gone::read(&peer, &forged).is_err());
    // The same body as an honest statement of a hostile peer.
    if let Ok(revision) = decode::<Revision>(bytes) {
        let _ = Revision::read(&peer, &revision.sign(&signer));
    }
    if let Ok(gone) = decode::<Gone>(bytes)
        && let Ok(gone) = Gone::read(&peer, &gone.sign(&signer))
    {
        let _ = gone.records.set().count();
    }
    if let Ok(receipt) = decode::<Receipt>(bytes) {
        let _ = Receipt::read(&peer, &peer, &receipt.sign(&signer));
    }
}

pub(super) fn signed_bodies() -> Vec<Vec<u8>> {
    let runs: RunSet = [0..5, 9..12].into_iter().collect();
    let gone = Gone {
        records: NamedRecords::of(SEGMENT, &runs),
    };
    let revision = Revision {
        study: StudyId([1; 16]),
        segments: vec![(SEGMENT, 12)],
        root: karez_protocol::manifest::RootHasher::default().finish(),
    };
    vec![encode(&gone), encode(&revision)]
}

/// A line that reads says the same when it is written and read again.
pub(super) fn invitation(bytes: &[u8]) {
    let line = String::from_utf8_lossy(bytes);
    if let Ok(read) = Invitation::from_line(&line)
        && let Ok(written) = read.to_line()
    {
        assert_eq!(Invitation::from_line(&written), Ok(read));
    }
}

pub(super) fn invitations() -> Vec<Vec<u8>> {
    let invitation = Invitation {
        hub: Identity::from_secret(&[2; 32]).peer(),
        token: [7; 16],
        addresses: vec!["hub.example.org:4433".into(), "192.0.2.1:4433".into()],
    };
    invitation.to_line().into_iter().map(Into::into).collect()
}

/// Questions and answers of a link, and the note of a link that a restart reads.
pub(super) fn probe(bytes: &[u8]) {
    let key = probe::ProbeKey::from_bytes([4; 32]);
    assert_eq!(key.check_question(bytes), None);
    assert_eq!(key.check_answer(bytes), None);
    let _ = (probe::question_tag(bytes), probe::answer_nonce(bytes));
    let memory = LinkMemory::from_bytes(bytes);
    let again = LinkMemory::from_bytes(&memory.to_bytes());
    assert_eq!(again.to_bytes(), memory.to_bytes());
}

pub(super) fn probes() -> Vec<Vec<u8>> {
    // Of another key, so that none of them is an honest one.
    let key = probe::ProbeKey::from_bytes([8; 32]);
    let question = key.question(*b"a clinic", *b"any once");
    let answer = key.answer(*b"any once");
    vec![
        question.to_vec(),
        answer.to_vec(),
        LinkMemory::default().to_bytes(),
    ]
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.len()
        .is_multiple_of(2)
        .then(|| pairs.map(byte).collect())?
}
