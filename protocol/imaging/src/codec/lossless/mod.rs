//! Codec `LOSSLESS`: JPEG lossless (process 14) frames as their samples, packed by `GRAY` or
//! `COLOUR`, and encoded again with the same tables.
mod jpeg;

use super::lepton::items;
use super::{Corrupt, State, bytes, colour, gray, varint};
use crate::part::{Level, PART_RAW_MAX};
use crate::plan::Pixels;
use jpeg::Header;

const FRAMES_MAX: usize = 1 << 12;

/// One frame: an item's bytes around its scan.
struct Frame<'a> {
    before: &'a [u8],
    after: &'a [u8],
    header: Header,
    samples: Vec<u16>,
}

/// count | signed | per frame: bytes before and after its scan | packed length of these | these |
/// the samples' stream
pub(crate) fn encode(raw: &[u8], level: Level, state: Option<&State>) -> Option<Vec<u8>> {
    let frames: Vec<Frame<'_>> = items(raw)?
        .into_iter()
        .map(|item| frame(raw, item))
        .collect::<Option<_>>()?;
    let first = &frames.first()?.header;
    let samples: usize = frames.iter().map(|f| f.samples.len()).sum();
    let alike = frames.iter().all(|f| is_alike(&f.header, first));
    if !alike || samples * 2 > PART_RAW_MAX || frames.len() > FRAMES_MAX {
        return None;
    }
    let signed = first.precision == 16 && is_signed(&frames);
    let mut out = Vec::new();
    let mut around = Vec::new();
    varint::put(&mut out, frames.len() as u64);
    out.push(u8::from(signed));
    for frame in &frames {
        // The item's length follows from the rest.
        around.extend_from_slice(&frame.before[..4]);
        around.extend_from_slice(&frame.before[8..]);
        around.extend_from_slice(frame.after);
        varint::put(&mut out, frame.before.len() as u64 - 4);
        varint::put(&mut out, frame.after.len() as u64);
    }
    let packed = bytes::encode(&around, &[], 19)?;
    varint::put(&mut out, packed.len() as u64);
    out.extend_from_slice(&packed);
    let pixels = pixels(first, signed);
    let native: Vec<u8> = frames
        .iter()
        .flat_map(|f| to_bytes(&f.samples, pixels.bytes))
        .collect();
    let stream = match (first.components, state) {
        (1, None) => gray::encode(&native, &pixels, 0, level, None),
        (1, Some(State::Gray(state))) => gray::encode(&native, &pixels, 0, level, Some(state)),
        (3, None) => colour::encode(&native, &pixels, 0, level, None),
        (3, Some(State::Colour(state))) => colour::encode(&native, &pixels, 0, level, Some(state)),
        _ => None,
    }?;
    out.extend_from_slice(&stream);
    Some(out)
}

pub(crate) fn decode(
    packed: &[u8],
    raw_len: usize,
    state: Option<State>,
) -> Result<(Vec<u8>, State), Corrupt> {
    let mut stream = packed;
    let count = varint::take_u32(&mut stream, FRAMES_MAX as u32)? as usize;
    let (&signed, rest) = stream.split_first().ok_or(Corrupt)?;
    stream = rest;
    let mut lengths = Vec::new();
    for _ in 0..count {
        let before = varint::take_u32(&mut stream, raw_len as u32)? as usize;
        lengths.push((
            before,
            varint::take_u32(&mut stream, raw_len as u32)? as usize,
        ));
    }
    let total: usize = lengths.iter().map(|(before, after)| before + after).sum();
    let packed_len = varint::take_u32(&mut stream, u32::MAX)? as usize;
    let (around, stream) = stream.split_at_checked(packed_len).ok_or(Corrupt)?;
    if total > raw_len {
        return Err(Corrupt);
    }
    let around = bytes::decode(around, &[], total)?;
    let mut pieces = Vec::new();
    let mut rest = around.as_slice();
    for (before, after) in lengths {
        let (piece, others) = rest.split_at(before);
        let (after, others) = others.split_at(after);
        rest = others;
        let header = Header::parse(piece.get(4..).ok_or(Corrupt)?).ok_or(Corrupt)?;
        pieces.push((piece, after, header));
    }
    let (_, _, first) = pieces.first().ok_or(Corrupt)?;
    if !pieces.iter().all(|(_, _, header)| is_alike(header, first)) {
        return Err(Corrupt);
    }
    let (pixels, per_frame) = (
        pixels(first, signed == 1),
        first.height * first.width * first.components,
    );
    let native_len = per_frame * count * usize::from(pixels.bytes);
    // Each sample took at least one bit of the raw bytes.
    if native_len > PART_RAW_MAX || per_frame * count > raw_len.saturating_mul(8) {
        return Err(Corrupt);
    }
    let (native, state) = unpack_samples(stream, native_len, first.components, state)?;
    let mut raw = Vec::with_capacity(raw_len);
    for ((before, after, header), native) in pieces
        .iter()
        .zip(native.chunks_exact(per_frame * usize::from(pixels.bytes)))
    {
        let scan = header
            .encode(&from_bytes(native, pixels.bytes))
            .ok_or(Corrupt)?;
        let len = before.len() - 4 + scan.len() + after.len();
        if raw.len() + 8 + len > raw_len {
            return Err(Corrupt);
        }
        raw.extend_from_slice(&before[..4]);
        raw.extend_from_slice(&(len as u32).to_le_bytes());
        raw.extend_from_slice(&before[4..]);
        raw.extend_from_slice(&scan);
        raw.extend_from_slice(after);
    }
    if raw.len() == raw_len {
        Ok((raw, state))
    } else {
        Err(Corrupt)
    }
}

fn unpack_samples(
    stream: &[u8],
    len: usize,
    components: usize,
    state: Option<State>,
) -> Result<(Vec<u8>, State), Corrupt> {
    if components == 1 {
        let state = match state {
            Some(State::Gray(gray)) => Some(*gray),
            None => None,
            Some(_) => return Err(Corrupt),
        };
        let (native, gray) = gray::decode(stream, len, state)?;
        return Ok((native, State::Gray(Box::new(gray))));
    }
    let state = match state {
        Some(State::Colour(colour)) => Some(*colour),
        None => None,
        Some(_) => return Err(Corrupt),
    };
    let (native, colour) = colour::decode(stream, len, state)?;
    Ok((native, State::Colour(Box::new(colour))))
}

/// Only when the same bytes come out again.
fn frame(raw: &[u8], (start, end): (usize, usize)) -> Option<Frame<'_>> {
    let jpeg = &raw[start..end];
    let header = Header::parse(jpeg)?;
    if header.components == 3 && header.precision > 8 {
        return None;
    }
    let (samples, len) = header.decode(jpeg)?;
    let (scan, after) = jpeg[header.scan..].split_at_checked(len)?;
    if header.encode(&samples)? != scan {
        return None;
    }
    Some(Frame {
        before: &raw[start - 8..start + header.scan],
        after,
        header,
        samples,
    })
}

fn is_alike(a: &Header, b: &Header) -> bool {
    (a.height, a.width, a.components, a.precision) == (b.height, b.width, b.components, b.precision)
}

/// Two's complement shows as values near both ends and none in the middle.
fn is_signed(frames: &[Frame<'_>]) -> bool {
    let all = || frames.iter().flat_map(|f| &f.samples);
    all().any(|&s| s >= 0xE000)
        && all().any(|&s| s < 0x2000)
        && !all().any(|s| (0x6000..0xA000).contains(s))
}

fn pixels(header: &Header, signed: bool) -> Pixels {
    Pixels {
        rows: header.height as u32,
        columns: header.width as u32,
        bytes: if header.precision > 8 { 2 } else { 1 },
        samples: header.components as u8,
        planar: false,
        signed,
        big: false,
        luma: false,
    }
}

fn to_bytes(samples: &[u16], bytes: u8) -> Vec<u8> {
    if bytes == 1 {
        return samples.iter().map(|&s| s as u8).collect();
    }
    samples.iter().flat_map(|s| s.to_le_bytes()).collect()
}

fn from_bytes(native: &[u8], bytes: u8) -> Vec<u16> {
    if bytes == 1 {
        return native.iter().map(|&b| u16::from(b)).collect();
    }
    native
        .chunks_exact(2)
        .map(|b| u16::from_le_bytes([b[0], b[1]]))
        .collect()
}
