//! A question to a peer that has not been heard for a while, and its answer: the cheapest way to
//! learn that a link is back. Neither changes anything; an answer is a reason to wake the
//! connection. Clinics ask, and so does a hub that owes its clinic something.
//!
//! ```text
//! question  0x0B | tag 8 | nonce 8 | MAC 16    33 bytes
//! answer    0x0C | nonce 8 | MAC 16            25 bytes, never longer than the question
//! ```
//!
//! The first byte has QUIC's fixed bit clear (RFC 9000 section 17.2), so that both share a port.
//! The MAC is keyed BLAKE3 over what precedes it. Its key is made from the hub's secret and the
//! clinic's tag alone: the hub keeps nothing, and answers after a restart.

use std::fmt;
use std::time::Duration;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::id::PeerId;

const QUESTION: u8 = 0x0B;
const ANSWER: u8 = 0x0C;
const MAC: usize = 16;
/// Bytes of a question.
pub const QUESTION_LEN: usize = 1 + 8 + 8 + MAC;
/// Bytes of an answer.
pub const ANSWER_LEN: usize = 1 + 8 + MAC;
/// The time between two questions is this part of the silence, within bounds.
const PART_OF_SILENCE: u32 = 20;
const INTERVAL: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(20));
/// The longest while something urgent is owed.
const INTERVAL_URGENT: Duration = Duration::from_secs(2);

/// Names a clinic in its questions.
pub type Tag = [u8; 8];
/// Ties an answer to its question.
pub type Nonce = [u8; 8];

/// What one clinic and its hub share for questions.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ProbeKey([u8; 32]);

impl ProbeKey {
    /// As the hub makes it from a secret of its own.
    #[must_use]
    pub fn derive(hub_secret: &[u8; 32], tag: Tag) -> Self {
        Self(*blake3::keyed_hash(hub_secret, &tag).as_bytes())
    }

    /// As the hub has told it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For telling and keeping it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A clinic's question.
    #[must_use]
    pub fn question(&self, tag: Tag, nonce: Nonce) -> [u8; QUESTION_LEN] {
        let mut out = [0; QUESTION_LEN];
        out[0] = QUESTION;
        out[1..9].copy_from_slice(&tag);
        out[9..17].copy_from_slice(&nonce);
        self.seal(&mut out);
        out
    }

    /// The nonce of a question that was really asked with this key.
    #[must_use]
    pub fn check_question(&self, datagram: &[u8]) -> Option<Nonce> {
        self.check(datagram, QUESTION, QUESTION_LEN)?;
        datagram.get(9..17)?.try_into().ok()
    }

    /// The hub's answer.
    #[must_use]
    pub fn answer(&self, nonce: Nonce) -> [u8; ANSWER_LEN] {
        let mut out = [0; ANSWER_LEN];
        out[0] = ANSWER;
        out[1..9].copy_from_slice(&nonce);
        self.seal(&mut out);
        out
    }

    /// The nonce that is answered, if the hub did.
    #[must_use]
    pub fn check_answer(&self, datagram: &[u8]) -> Option<Nonce> {
        self.check(datagram, ANSWER, ANSWER_LEN)?;
        datagram.get(1..9)?.try_into().ok()
    }

    fn seal(&self, out: &mut [u8]) {
        let (body, mac) = out.split_at_mut(out.len() - MAC);
        mac.copy_from_slice(&self.mac(body));
    }

    fn check(&self, datagram: &[u8], kind: u8, len: usize) -> Option<()> {
        if datagram.len() != len || datagram.first() != Some(&kind) {
            return None;
        }
        let (body, mac) = datagram.split_at(len - MAC);
        // Compared without a hint of where they differ.
        let differ = self
            .mac(body)
            .iter()
            .zip(mac)
            .fold(0, |all, (a, b)| all | (a ^ b));
        (differ == 0).then_some(())
    }

    fn mac(&self, body: &[u8]) -> [u8; MAC] {
        let full = blake3::keyed_hash(&self.0, body);
        let mut mac = [0; MAC];
        mac.copy_from_slice(&full.as_bytes()[..MAC]);
        mac
    }
}

impl fmt::Debug for ProbeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProbeKey")
    }
}

/// The tag of a clinic: says nothing to those who do not know its key.
#[must_use]
pub fn tag_of(clinic: &PeerId) -> Tag {
    let hash = blake3::derive_key("karez/1 probe tag", clinic.as_bytes());
    let [a, b, c, d, e, f, g, h, ..] = hash;
    [a, b, c, d, e, f, g, h]
}

/// Whose question a datagram is, before its MAC is checked.
#[must_use]
pub fn question_tag(datagram: &[u8]) -> Option<Tag> {
    let asks = datagram.len() == QUESTION_LEN && datagram.first() == Some(&QUESTION);
    datagram.get(1..9).filter(|_| asks)?.try_into().ok()
}

/// What a datagram answers, before its MAC is checked.
#[must_use]
pub fn answer_nonce(datagram: &[u8]) -> Option<Nonce> {
    let answers = datagram.len() == ANSWER_LEN && datagram.first() == Some(&ANSWER);
    datagram.get(1..9).filter(|_| answers)?.try_into().ok()
}

/// The time to the next question after so long a silence; `spread` from 0 to 1 keeps the clinics
/// of a province apart. `urgent`: something urgent is owed.
#[must_use]
pub fn interval(silence: Duration, urgent: bool, spread: f64) -> Duration {
    let longest = if urgent { INTERVAL_URGENT } else { INTERVAL.1 };
    let even = (silence / PART_OF_SILENCE).clamp(INTERVAL.0, longest);
    // Never much later than said, and on a long dead link not more often either.
    let (least, most) = if even < INTERVAL.1 {
        (0.75, 1.0)
    } else {
        (1.0, 1.125)
    };
    even.mul_f64(least + (most - least) * spread.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: Tag = *b"a clinic";
    const NONCE: Nonce = *b"any once";

    #[test]
    fn a_question_is_answered_by_whoever_has_the_hubs_secret_and_by_no_one_else() {
        let hub = [7; 32];
        let told = ProbeKey::from_bytes(*ProbeKey::derive(&hub, TAG).as_bytes());
        let question = told.question(TAG, NONCE);
        let tag = question_tag(&question).unwrap();
        let restarted = ProbeKey::derive(&hub, tag);
        assert_eq!(restarted.check_question(&question), Some(NONCE));
        let answer = restarted.answer(NONCE);
        assert!(answer_nonce(&answer) == Some(NONCE) && answer.len() < question.len());
        assert_eq!(told.check_answer(&answer), Some(NONCE));
        let other = ProbeKey::derive(&[8; 32], TAG);
        assert_eq!(other.check_question(&question), None);
        assert_eq!(other.check_answer(&answer), None);
    }

    #[test]
    fn no_bit_of_either_can_be_changed() {
        let key = ProbeKey::derive(&[7; 32], TAG);
        let (question, answer) = (key.question(TAG, NONCE), key.answer(NONCE));
        for bit in 0..QUESTION_LEN * 8 {
            let mut bad = question;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.check_question(&bad), None);
        }
        for bit in 0..ANSWER_LEN * 8 {
            let mut bad = answer;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.check_answer(&bad), None);
        }
        assert_eq!(key.check_question(&question[..32]), None);
        assert_eq!(question_tag(&[QUESTION; 40]), None);
    }

    #[test]
    fn quic_never_begins_like_a_probe() {
        assert_eq!((QUESTION | ANSWER) & 0xC0, 0);
    }

    #[test]
    fn questions_grow_rare_but_not_too_rare_and_differ_between_clinics() {
        let secs = Duration::from_secs;
        assert_eq!(interval(secs(0), false, 1.0), Duration::from_millis(500));
        assert_eq!(interval(secs(100), false, 1.0), secs(5));
        assert_eq!(interval(secs(100), false, 0.0), secs(5).mul_f64(0.75));
        assert_eq!(interval(secs(10_000_000), false, 0.0), secs(20));
        assert_eq!(
            interval(secs(10_000_000), false, 1.0),
            secs(20).mul_f64(1.125)
        );
        assert_eq!(interval(secs(10_000_000), true, 1.0), secs(2));
    }
}
