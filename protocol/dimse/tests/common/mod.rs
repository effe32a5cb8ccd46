//! What the tests share: requests, made data sets, and a peer that speaks raw PDUs.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use karez_dimse::scu::{Contexts, Outgoing, Request};
use karez_dimse::uid::{APPLICATION_CONTEXT, CT_STORAGE, EXPLICIT_LE};
use karez_dimse::{AeTitle, Timeouts, Uid};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

pub const CT: &[(&str, &str)] = &[(CT_STORAGE, EXPLICIT_LE)];

pub fn request(pairs: &[(&str, &str)]) -> Request {
    let mut contexts = Contexts::new();
    contexts.add_echo().unwrap();
    contexts.add_find().unwrap();
    for (class, syntax) in pairs {
        contexts.add(&Uid::new(class), &Uid::new(syntax)).unwrap();
    }
    Request {
        calling: AeTitle::new("HUB").unwrap(),
        called: AeTitle::new("PACS").unwrap(),
        contexts,
        reports: false,
        timeouts: Timeouts::default(),
    }
}

pub fn outgoing(class: &str, instance: &str, syntax: &str, length: usize) -> Outgoing {
    Outgoing {
        sop_class: Uid::new(class),
        sop_instance: Uid::new(instance),
        transfer_syntax: Uid::new(syntax),
        priority: Default::default(),
        length: u64::try_from(length).unwrap(),
    }
}

pub fn ct(instance: &str, length: usize) -> Outgoing {
    outgoing(CT_STORAGE, instance, EXPLICIT_LE, length)
}

/// Bytes without a pattern.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

/// A peer that says whatever bytes it is told to.
pub struct Raw(pub DuplexStream);

impl Raw {
    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next PDU's type and body, or `None` when the stream has ended.
    pub async fn pdu(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 6];
        self.0.read_exact(&mut header).await.ok()?;
        let length = u32::from_be_bytes(header[2..].try_into().unwrap());
        let mut body = vec![0; length.try_into().unwrap()];
        self.0.read_exact(&mut body).await.ok()?;
        Some((header[0], body))
    }

    pub async fn associate(&mut self) {
        self.send(&associate_rq(
            &[(1, CT_STORAGE), (3, "1.2.840.10008.1.1")],
            16_384,
        ))
        .await;
        assert_eq!(self.pdu().await.unwrap().0, 2);
    }
}

fn item(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind, 0, length[0], length[1]], value].concat()
}

pub fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 0], &length[..], body].concat()
}

fn associate_head() -> Vec<u8> {
    let mut body = vec![0, 1, 0, 0];
    body.extend(b"KAREZ           CT01            ");
    body.extend([0; 32]);
    body.extend(item(0x10, APPLICATION_CONTEXT.as_bytes()));
    body
}

pub fn associate_rq(contexts: &[(u8, &str)], max_pdu: u32) -> Vec<u8> {
    associate_rq_in(EXPLICIT_LE, contexts, max_pdu)
}

pub fn associate_rq_in(syntax: &str, contexts: &[(u8, &str)], max_pdu: u32) -> Vec<u8> {
    let mut body = associate_head();
    for (id, class) in contexts {
        let syntaxes = [item(0x30, class.as_bytes()), item(0x40, syntax.as_bytes())].concat();
        body.extend(item(0x20, &[&[*id, 0, 0, 0], &syntaxes[..]].concat()));
    }
    body.extend(item(0x50, &item(0x51, &max_pdu.to_be_bytes())));
    pdu(1, &body)
}

/// An acceptance of contexts with the given result and syntax.
pub fn associate_ac(results: &[(u8, u8, &str)], max_pdu: u32) -> Vec<u8> {
    let mut body = associate_head();
    for (id, result, syntax) in results {
        let value = [&[*id, 0, *result, 0], &item(0x40, syntax.as_bytes())[..]].concat();
        body.extend(item(0x21, &value));
    }
    body.extend(item(0x50, &item(0x51, &max_pdu.to_be_bytes())));
    pdu(2, &body)
}

pub const COMMAND: u8 = 1;
pub const DATA: u8 = 0;
pub const LAST: u8 = 2;

pub fn pdv(context: u8, control: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len() + 2).unwrap().to_be_bytes();
    [&length[..], &[context, control], bytes].concat()
}

/// A P-DATA-TF with one value.
pub fn p_data(context: u8, control: u8, bytes: &[u8]) -> Vec<u8> {
    pdu(4, &pdv(context, control, bytes))
}
