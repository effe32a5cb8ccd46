//! What the kernel says about interfaces and addresses (rtnetlink(7)), as far as it means that
//! sending may work again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use crate::limits::{LINK_INTERFACES, LINK_POLL};

/// RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
const NEW_LINK: u16 = 16;
const DEL_LINK: u16 = 17;
const NEW_ADDRESS: u16 = 20;
const DEL_ADDRESS: u16 = 21;
/// IFF_UP and IFF_RUNNING: set up by somebody, and with a carrier.
const USABLE: u32 = 0x1 | 0x40;
const LOOPBACK: u32 = 0x8;

/// A socket that hears of interfaces and addresses.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
    seen: Seen,
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        // Protocol 0 is NETLINK_ROUTE.
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )?;
        set_socket_timeout(&socket, Timeout::Recv, Some(LINK_POLL))?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        Ok(Self {
            socket,
            seen: Seen::default(),
        })
    }

    /// Waits at most [`LINK_POLL`]; whether something came up meanwhile.
    pub(super) fn wait(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 32 * 1024];
        match recv(&self.socket, &mut buffer, RecvFlags::empty()) {
            Ok((length, _)) => Ok(self.seen.datagram(&buffer[..length])),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            // Messages were lost, one of them perhaps the one that counts.
            Err(Errno::NOBUFS) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is up already, so that repeated messages (lease renewals, Wi-Fi scans) count once.
#[derive(Debug, Default)]
struct Seen {
    usable: BTreeMap<u32, bool>,
    addresses: BTreeSet<Vec<u8>>,
}

impl Seen {
    /// Goes through a datagram's messages: `length u32 | type u16 | flags u16 | sequence u32 |
    /// port u32 | body`, each aligned to 4 bytes, in the machine's byte order.
    fn datagram(&mut self, mut bytes: &[u8]) -> bool {
        let mut came_up = false;
        while let Some((length, kind)) = word(bytes, 0).zip(half(bytes, 4)) {
            let length = length as usize;
            let Some(body) = bytes.get(16..length) else {
                break;
            };
            came_up |= self.message(kind, body);
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        }
        came_up
    }

    fn message(&mut self, kind: u16, body: &[u8]) -> bool {
        match kind {
            NEW_LINK => self.link(body).unwrap_or(false),
            DEL_LINK => {
                word(body, 4).map(|index| self.usable.remove(&index));
                false
            }
            NEW_ADDRESS => self.address(body).unwrap_or(false),
            DEL_ADDRESS => {
                address_of(body).map(|address| self.addresses.remove(&address));
                false
            }
            _ => false,
        }
    }

    /// `family u8 | - u8 | type u16 | index u32 | flags u32 | change u32 | attributes`.
    fn link(&mut self, body: &[u8]) -> Option<bool> {
        let (index, flags) = (word(body, 4)?, word(body, 8)?);
        let usable = flags & USABLE == USABLE && flags & LOOPBACK == 0;
        if self.usable.len() >= LINK_INTERFACES {
            self.usable.clear();
        }
        let before = self.usable.insert(index, usable).unwrap_or(false);
        Some(usable && !before)
    }

    fn address(&mut self, body: &[u8]) -> Option<bool> {
        let address = address_of(body)?;
        if self.addresses.len() >= LINK_INTERFACES {
            self.addresses.clear();
        }
        Some(self.addresses.insert(address))
    }
}

/// Interface and attributes of an address that reaches beyond its own link:
/// `family u8 | prefix u8 | flags u8 | scope u8 | index u32 | attributes`.
///
/// Of the attributes (`length u16 | type u16 | value`) only IFA_ADDRESS and IFA_LOCAL stay: the
/// others change with every renewal of a lease.
fn address_of(body: &[u8]) -> Option<Vec<u8>> {
    const GLOBAL: u8 = 0;
    if *body.get(3)? != GLOBAL {
        return None;
    }
    let mut name = body.get(4..8)?.to_vec();
    let mut rest = body.get(8..)?;
    while let Some((length, kind)) = half(rest, 0).zip(half(rest, 2)) {
        let length = usize::from(length);
        let Some(value) = rest.get(4..length) else {
            break;
        };
        if matches!(kind, 1 | 2) {
            name.extend_from_slice(value);
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Some(name)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(word.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let half = bytes.get(at..at + 2)?;
    Some(u16::from_ne_bytes(half.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + body.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn link(index: u32, flags: u32) -> Vec<u8> {
        let parts = [0, index, flags, 0].map(u32::to_ne_bytes);
        message(NEW_LINK, parts.as_flattened())
    }

    fn address(kind: u16, scope: u8, index: u32, last: u8, lease: u8) -> Vec<u8> {
        let mut body = vec![2, 24, 0, scope];
        body.extend(index.to_ne_bytes());
        for (kind, value) in [(2u16, [10, 0, 0, last]), (6, [lease; 4])] {
            body.extend(8u16.to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(value);
        }
        message(kind, &body)
    }

    #[test]
    fn a_carrier_counts_when_it_comes_and_only_then() {
        let mut seen = Seen::default();
        assert!(!seen.datagram(&link(2, 0x1)));
        assert!(seen.datagram(&link(2, USABLE)));
        assert!(!seen.datagram(&link(2, USABLE)));
        assert!(!seen.datagram(&link(2, 0x1)));
        assert!(seen.datagram(&link(2, USABLE)));
        assert!(!seen.datagram(&link(1, USABLE | LOOPBACK)));
        let gone = message(
            DEL_LINK,
            [0u32, 2, 0, 0].map(u32::to_ne_bytes).as_flattened(),
        );
        assert!(!seen.datagram(&gone));
        assert!(seen.datagram(&link(2, USABLE)));
    }

    #[test]
    fn a_new_address_counts_and_its_renewal_does_not() {
        let mut seen = Seen::default();
        assert!(seen.datagram(&address(NEW_ADDRESS, 0, 2, 7, 1)));
        assert!(!seen.datagram(&address(NEW_ADDRESS, 0, 2, 7, 2)));
        assert!(seen.datagram(&address(NEW_ADDRESS, 0, 3, 7, 1)));
        assert!(!seen.datagram(&address(DEL_ADDRESS, 0, 2, 7, 3)));
        assert!(seen.datagram(&address(NEW_ADDRESS, 0, 2, 7, 1)));
        assert!(!seen.datagram(&address(NEW_ADDRESS, 253, 2, 8, 1)));
    }

    #[test]
    fn every_message_of_a_datagram_is_read() {
        let two = [link(2, 0x1), link(3, USABLE)].concat();
        assert!(Seen::default().datagram(&two));
    }

    #[test]
    fn the_kernel_lets_us_listen() {
        assert!(Netlink::open().unwrap().wait().is_ok());
    }

    proptest! {
        #[test]
        fn no_datagram_can_upset_the_reader(bytes: Vec<u8>, kind in 15u16..23) {
            Seen::default().datagram(&bytes);
            Seen::default().datagram(&message(kind, &bytes));
        }
    }
}
