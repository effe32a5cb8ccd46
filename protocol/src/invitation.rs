//! Invitations: the one line by which a clinic finds its hub and is let in (SPEC 3.5).
//!
//! `karez1-` and groups of Crockford's base 32 over: version, hub key, token, addresses, and the
//! first four bytes of a BLAKE3 over all of it, so that a mistyped line says so.

use crate::crockford;
use crate::id::PeerId;

/// What every invitation begins with.
pub const PREFIX: &str = "karez1-";
/// Addresses in one invitation.
pub const ADDRESSES_MAX: usize = 4;
/// Bytes of one address.
pub const ADDRESS_MAX: usize = 128;

const VERSION: u8 = 1;
const GROUP: usize = 6;
const CHECK: usize = 4;

/// What a hub tells a clinic that shall join.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The hub's key, to be pinned.
    pub hub: PeerId,
    /// Lets one key in, once.
    pub token: [u8; 16],
    /// Where the hub can be reached, as `host:port`, the best first.
    pub addresses: Vec<String>,
}

/// Why a line is no invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// Something else was given.
    #[error("this is not an invitation: one begins with {PREFIX}")]
    Prefix,
    /// The checksum does not hold.
    #[error("the invitation is mistyped or cut short: copy the whole line again")]
    Mistyped,
    /// A newer hub wrote it.
    #[error("the invitation is of version {0}, newer than this program: update it")]
    Version(u8),
    /// No address, too many, or one that is no `host:port`.
    #[error("an invitation names 1 to {ADDRESSES_MAX} addresses, each as HOST:PORT")]
    Address,
}

impl InvitationError {
    /// The same line stays as bad as it is.
    #[must_use]
    pub const fn retry(&self) -> crate::Retry {
        crate::Retry::Never
    }
}

impl Invitation {
    /// The line.
    ///
    /// # Errors
    /// [`InvitationError::Address`].
    pub fn to_line(&self) -> Result<String, InvitationError> {
        if !addresses_hold(&self.addresses) {
            return Err(InvitationError::Address);
        }
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(self.hub.as_bytes());
        bytes.extend_from_slice(&self.token);
        for address in &self.addresses {
            bytes.push(address.len() as u8);
            bytes.extend_from_slice(address.as_bytes());
        }
        bytes.extend_from_slice(&check(&bytes));
        let digits = crockford::encode(&bytes);
        let groups = digits.as_bytes().chunks(GROUP);
        let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
        Ok(format!("{PREFIX}{}", groups.join("-")))
    }

    /// Reads a line: case, spaces and dashes do not matter; O counts as 0, I and L as 1.
    ///
    /// # Errors
    /// [`InvitationError`].
    pub fn from_line(line: &str) -> Result<Self, InvitationError> {
        let line: Vec<u8> = line
            .bytes()
            .filter(|c| !c.is_ascii_whitespace() && *c != b'-')
            .collect();
        let prefix = PREFIX.trim_end_matches('-').as_bytes();
        let (start, digits) = line
            .split_at_checked(prefix.len())
            .ok_or(InvitationError::Prefix)?;
        if !start.eq_ignore_ascii_case(prefix) {
            return Err(InvitationError::Prefix);
        }
        let bytes = crockford::decode(digits).ok_or(InvitationError::Mistyped)?;
        let at = bytes.len().checked_sub(CHECK);
        let (body, sum) = bytes.split_at(at.ok_or(InvitationError::Mistyped)?);
        if check(body) != sum {
            return Err(InvitationError::Mistyped);
        }
        read(body)
    }
}

/// Shows neither token nor address.
impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Invitation({})", self.hub.short())
    }
}

fn read(body: &[u8]) -> Result<Invitation, InvitationError> {
    let (version, rest) = body.split_first().ok_or(InvitationError::Mistyped)?;
    if *version != VERSION {
        return Err(InvitationError::Version(*version));
    }
    let (hub, rest) = rest
        .split_first_chunk::<32>()
        .ok_or(InvitationError::Mistyped)?;
    let (token, mut rest) = rest
        .split_first_chunk::<16>()
        .ok_or(InvitationError::Mistyped)?;
    let mut addresses = Vec::new();
    while let Some((length, after)) = rest.split_first() {
        let (text, after) = after
            .split_at_checked(usize::from(*length))
            .ok_or(InvitationError::Address)?;
        let text = str::from_utf8(text).map_err(|_| InvitationError::Address)?;
        addresses.push(text.to_owned());
        rest = after;
    }
    if !addresses_hold(&addresses) {
        return Err(InvitationError::Address);
    }
    Ok(Invitation {
        hub: PeerId(*hub),
        token: *token,
        addresses,
    })
}

fn addresses_hold(addresses: &[String]) -> bool {
    (1..=ADDRESSES_MAX).contains(&addresses.len()) && addresses.iter().all(|a| is_address(a))
}

fn is_address(text: &str) -> bool {
    let port = text.rsplit_once(':').map(|(host, port)| {
        let host = !host.is_empty() && host.bytes().all(|c| c.is_ascii_graphic());
        host && port.parse::<u16>().is_ok_and(|p| p > 0)
    });
    text.len() <= ADDRESS_MAX && port == Some(true)
}

fn check(body: &[u8]) -> [u8; CHECK] {
    let mut hasher = blake3::Hasher::new_derive_key("karez/1 invitation check");
    hasher.update(body);
    let mut sum = [0; CHECK];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn invitation(addresses: &[&str]) -> Invitation {
        Invitation {
            hub: PeerId([7; 32]),
            token: [9; 16],
            addresses: addresses.iter().map(|a| (*a).to_owned()).collect(),
        }
    }

    #[test]
    fn a_line_reads_back_however_it_was_copied() {
        let ours = invitation(&["hub.example.org:4433", "[2001:db8::1]:4433"]);
        let line = ours.to_line().unwrap();
        assert!(line.starts_with(PREFIX) && line.len() < 220, "{line}");
        let copied = line.to_lowercase().replace('0', "o").replace('-', " - ");
        let copied = copied.replacen("karez1", "KAREZ1", 1);
        assert_eq!(Invitation::from_line(&copied), Ok(ours));
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_noticed(at in 7_usize..110, by in 1_u8..32) {
            let line = invitation(&["192.0.2.1:4433"]).to_line().unwrap();
            let mut bytes = line.into_bytes();
            // A dash stands after every sixth digit: the one behind it is a digit.
            let at = at.min(bytes.len() - 2);
            let at = at + usize::from(bytes[at] == b'-');
            let value = crockford::value(bytes[at]).unwrap();
            bytes[at] = crockford::digit(u64::from((value + by) % 32)) as u8;
            let wrong = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(Invitation::from_line(&wrong), Err(InvitationError::Mistyped));
        }
    }

    #[test]
    fn other_text_and_bad_addresses_are_named() {
        let from = |text: &str| Invitation::from_line(text).unwrap_err();
        assert_eq!(from("hello"), InvitationError::Prefix);
        assert_eq!(from("karez1-"), InvitationError::Mistyped);
        for bad in [&[][..], &["host"], &["host:0"], &[":1"], &["a:1"; 5]] {
            assert_eq!(invitation(bad).to_line(), Err(InvitationError::Address));
        }
    }
}
