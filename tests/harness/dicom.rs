//! A scanner that puts a file's data set on the wire untouched, as DCMTK's does not: one
//! association for one instance (PS3.7 9.3.1, PS3.8 9.3). It shares no code with what it tests.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the peer may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// The length of a PDU's value that we take.
const LONGEST: u32 = 1 << 20;
/// In which the data set's own UIDs are looked for.
const HEAD: usize = 64 << 10;

/// An instance as a scanner has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// SOP Class UID.
    pub class: String,
    /// SOP Instance UID.
    pub instance: String,
    /// Transfer Syntax UID.
    pub syntax: String,
    /// The data set, as the file has it.
    pub data_set: Vec<u8>,
}

impl Instance {
    /// Takes a Part 10 file apart; `None` when that says too little to be sent. UIDs that the data
    /// set does not show come from the file meta group.
    #[must_use]
    pub fn of_file(file: &[u8]) -> Option<Self> {
        let mut at = 132;
        let (mut class, mut instance, mut syntax) = (None, None, None);
        (file.get(128..at)? == b"DICM").then_some(())?;
        while let Some([2, 0, low, high, vr @ ..]) = file.get(at..at + 8) {
            let long = matches!(&vr[..2], b"OB" | b"OW" | b"UN" | b"UT" | b"SQ");
            let (start, length) = match long {
                true => (at + 12, u32::from_le_bytes(array(file, at + 8)?) as usize),
                false => (
                    at + 8,
                    usize::from(u16::from_le_bytes(array(file, at + 6)?)),
                ),
            };
            let value = file.get(start..start.checked_add(length)?)?;
            match u16::from_le_bytes([*low, *high]) {
                0x02 => class = uid(value),
                0x03 => instance = uid(value),
                0x10 => syntax = uid(value),
                _ => {}
            }
            at = start + length;
        }
        let data_set = file.get(at..)?.to_vec();
        Some(Self {
            class: named(&data_set, 0x16).or(class)?,
            instance: named(&data_set, 0x18).or(instance)?,
            syntax: syntax?,
            data_set,
        })
    }

    /// Sends it; the status of the answer.
    ///
    /// # Errors
    /// No association came about, the peer accepts no context for it, or broke off.
    pub fn send(&self, to: SocketAddr, called: &str) -> io::Result<u16> {
        let mut stream = TcpStream::connect_timeout(&to, SILENCE)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        stream.write_all(&self.request(called))?;
        let room = accepted(&expect(&mut stream, 2)?)?;
        stream.write_all(&p_data(3, &self.command()))?;
        let mut pieces = self.data_set.chunks(room).peekable();
        while let Some(piece) = pieces.next() {
            let last = if pieces.peek().is_none() { 2 } else { 0 };
            stream.write_all(&p_data(last, piece))?;
        }
        let answer = expect(&mut stream, 4)?;
        let status = status(answer.get(6..).unwrap_or_default());
        stream.write_all(&pdu(5, &[0; 4]))?;
        expect(&mut stream, 6)?;
        status.ok_or_else(|| broken("the answer has no status"))
    }

    fn request(&self, called: &str) -> Vec<u8> {
        let mut body = vec![0, 1, 0, 0];
        body.extend(format!("{called:16}{:16}", "RAWSCU").into_bytes());
        body.extend([0; 32]);
        body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
        let mut context = vec![1, 0, 0, 0];
        context.extend(item(0x30, self.class.as_bytes()));
        context.extend(item(0x40, self.syntax.as_bytes()));
        body.extend(item(0x20, &context));
        body.extend(item(0x50, &item(0x51, &LONGEST.to_be_bytes())));
        pdu(1, &body)
    }

    fn command(&self) -> Vec<u8> {
        let fields = [
            element(0x0002, self.class.as_bytes()),
            element(0x0100, &1_u16.to_le_bytes()),
            element(0x0110, &1_u16.to_le_bytes()),
            element(0x0700, &0_u16.to_le_bytes()),
            element(0x0800, &1_u16.to_le_bytes()),
            element(0x1000, self.instance.as_bytes()),
        ]
        .concat();
        [element(0, &(fields.len() as u32).to_le_bytes()), fields].concat()
    }
}

/// Bytes of a data set that fit into one PDU of the acceptor's.
fn accepted(body: &[u8]) -> io::Result<usize> {
    let (mut at, mut room, mut taken) = (68, LONGEST, false);
    while let Some(kind) = body.get(at).copied() {
        let length = array(body, at + 2).ok_or_else(|| broken("an item is cut short"))?;
        let length = usize::from(u16::from_be_bytes(length));
        let value = body.get(at + 4..at + 4 + length).unwrap_or_default();
        match kind {
            0x21 => taken = value.get(2) == Some(&0),
            0x50 => room = array(value, 4).map_or(room, u32::from_be_bytes),
            _ => {}
        }
        at += 4 + length;
    }
    if !taken {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "no context accepted",
        ));
    }
    let most = if room == 0 {
        LONGEST
    } else {
        room.min(LONGEST)
    };
    Ok((most as usize - 6) & !1)
}

fn expect(stream: &mut TcpStream, kind: u8) -> io::Result<Vec<u8>> {
    let mut head = [0; 6];
    stream.read_exact(&mut head)?;
    let [came, _, length @ ..] = head;
    let length = u32::from_be_bytes(length);
    if came != kind || length > LONGEST {
        return Err(broken(&format!("a PDU of type {came} came, not of {kind}")));
    }
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// (0000,0900) of a command set.
fn status(command: &[u8]) -> Option<u16> {
    let at = command.windows(4).position(|w| w == [0, 0, 0, 9])?;
    Some(u16::from_le_bytes(array(command, at + 8)?))
}

fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[kind, 0], &length[..], body].concat()
}

fn p_data(control: u8, bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u32 + 2).to_be_bytes();
    pdu(4, &[&length[..], &[1, control], bytes].concat())
}

fn item(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = (value.len() as u16).to_be_bytes();
    [&[kind, 0], &length[..], value].concat()
}

/// An element of a command set.
fn element(number: u16, value: &[u8]) -> Vec<u8> {
    let odd = value.len() % 2;
    let length = ((value.len() + odd) as u32).to_le_bytes();
    let tag = [&[0, 0], &number.to_le_bytes()[..]].concat();
    [&tag[..], &length, value, &[0][..odd]].concat()
}

/// The value of (0008,`element`) where the data set shows it: little endian, or big, which begins
/// with the high byte of a small group number. What only looks like the element holds no UID.
fn named(data_set: &[u8], element: u8) -> Option<String> {
    let head = data_set.get(..HEAD.min(data_set.len()))?;
    let big = head.first() == Some(&0);
    let tag = match big {
        true => [0, 8, 0, element],
        false => [8, 0, element, 0],
    };
    let places = head.windows(4).enumerate().filter(|(_, w)| *w == tag);
    let digits = |text: &String| text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let mut values = places.filter_map(|(at, _)| {
        let length = match head.get(at + 4..at + 6)? {
            b"UI" => array(head, at + 6)?,
            _ => array(head, at + 4)?,
        };
        let length = match big {
            true => u16::from_be_bytes(length),
            false => u16::from_le_bytes(length),
        };
        uid(head.get(at + 8..at + 8 + usize::from(length))?).filter(digits)
    });
    values.next()
}

fn uid(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let text = text.trim_end_matches(['\0', ' ']);
    (!text.is_empty()).then(|| text.to_owned())
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
