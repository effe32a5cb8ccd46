//! A multipart answer, taken apart as it comes (RFC 2046 5.1), in bounded memory.

use crate::limits::WEB_PART_HEAD;

/// What came of the bytes so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A part begins.
    Begins,
    /// Bytes of it.
    Bytes(Vec<u8>),
    /// It ends.
    Ends,
}

/// The bytes are not in the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no multipart message")]
pub(super) struct Malformed;

/// A reader of parts.
pub(super) struct Parts {
    delimiter: Vec<u8>,
    held: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Before,
    Head,
    Inside,
    Over,
}

impl Parts {
    /// For an answer of this content type; `None` when that names no boundary.
    pub(super) fn of(kind: &str) -> Option<Self> {
        let mut options = kind.split(';').map(str::trim);
        options
            .next()
            .filter(|kind| kind.to_ascii_lowercase().starts_with("multipart/"))?;
        let mut named = options.filter_map(|option| option.split_once('='));
        let (_, value) = named.find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?;
        let boundary = value.trim_matches('"');
        Some(Self {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            // The first delimiter may stand at the very beginning.
            held: b"\r\n".to_vec(),
            state: State::Before,
        })
    }

    /// Whether the message came to its end.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// The next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Piece>, Malformed> {
        self.held.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        while self.step(&mut pieces)? {}
        Ok(pieces)
    }

    /// One step; false when more bytes are needed.
    fn step(&mut self, pieces: &mut Vec<Piece>) -> Result<bool, Malformed> {
        match self.state {
            State::Over => {
                self.held.clear();
                Ok(false)
            }
            State::Before | State::Inside => Ok(self.body(pieces)),
            State::Head => self.head(pieces),
        }
    }

    fn body(&mut self, pieces: &mut Vec<Piece>) -> bool {
        let inside = self.state == State::Inside;
        let found = find(&self.held, &self.delimiter);
        let sure = self.held.len().saturating_sub(self.delimiter.len() - 1);
        let end = found.unwrap_or(sure);
        let rest = self.held.split_off(end);
        let bytes = std::mem::replace(&mut self.held, rest);
        if inside && !bytes.is_empty() {
            pieces.push(Piece::Bytes(bytes));
        }
        if found.is_some() {
            self.held.drain(..self.delimiter.len());
            pieces.extend(inside.then_some(Piece::Ends));
            self.state = State::Head;
        }
        found.is_some()
    }

    /// What follows a delimiter: the end, or a part's own head.
    fn head(&mut self, pieces: &mut Vec<Piece>) -> Result<bool, Malformed> {
        if self.held.starts_with(b"--") {
            self.state = State::Over;
            return Ok(true);
        }
        match find(&self.held, b"\r\n\r\n") {
            Some(at) => {
                self.held.drain(..at + 4);
                pieces.push(Piece::Begins);
                self.state = State::Inside;
                Ok(true)
            }
            None if self.held.len() > WEB_PART_HEAD => Err(Malformed),
            None => Ok(false),
        }
    }
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "multipart/related; type=\"application/dicom\"; boundary=\"B1\"";

    #[test]
    fn parts_come_out_the_same_however_the_bytes_are_cut() {
        let message =
            b"--B1\r\nContent-Type: application/dicom\r\n\r\nfirst\r\n--B\r\n\r\n--B1\r\nX: y\r\n\
            \r\n\r\n--B1--\r\ntail";
        for cut in 1..message.len() {
            let mut parts = Parts::of(KIND).unwrap();
            let mut bodies: Vec<Vec<u8>> = Vec::new();
            let mut ends = 0;
            for bytes in message.chunks(cut) {
                for piece in parts.take(bytes).unwrap() {
                    match piece {
                        Piece::Begins => bodies.push(Vec::new()),
                        Piece::Bytes(bytes) => bodies.last_mut().unwrap().extend(bytes),
                        Piece::Ends => ends += 1,
                    }
                }
            }
            assert_eq!(bodies, [&b"first\r\n--B\r\n"[..], b""], "{cut}");
            assert!(parts.is_over() && ends == 2);
        }
    }

    #[test]
    fn a_message_that_is_cut_is_not_over_and_an_endless_head_is_refused() {
        let mut parts = Parts::of(KIND).unwrap();
        parts.take(b"--B1\r\n\r\nfirst").unwrap();
        assert!(!parts.is_over());
        let mut parts = Parts::of(KIND).unwrap();
        let endless = [b"--B1\r\n".to_vec(), vec![b'x'; WEB_PART_HEAD + 1]].concat();
        assert_eq!(parts.take(&endless), Err(Malformed));
        assert!(Parts::of("application/json; boundary=x").is_none());
        assert!(Parts::of("multipart/related").is_none());
    }
}
