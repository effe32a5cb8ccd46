//! Codec `LOSSLESS`: JPEG lossless (process 14) frames as their samples, packed by `GRAY` or
//! `COLOUR`, and encoded again with the same tables.
mod jpeg;

use super::lepton::items;
use super::{Corrupt, State, bytes, colour, gray, varint};
use crate::part::Level;
use crate::plan::Pixels;
use jpeg::Header;

const FRAMES_MAX: usize = 1 << 12;
/// Samples of one part: they are held several times over.
const SAMPLES_MAX: usize = 4 << 20;

/// One frame: its JPEG file, often one item, sometimes cut into several.
struct Frame {
    /// Lengths of its items but the last.
    cuts: Vec<usize>,
    jpeg: Vec<u8>,
    header: Header,
    /// Length of the scan.
    scan: usize,
    samples: Vec<u16>,
}

/// count | signed | per frame: number of cuts, these, bytes before and after its scan |
/// packed length of these bytes | these | the samples' stream
pub(crate) fn encode(raw: &[u8], level: Level, state: Option<&State>) -> Option<Vec<u8>> {
    let frames: Vec<Frame> = join(raw)?
        .into_iter()
        .map(Frame::new)
        .collect::<Option<_>>()?;
    let first = &frames.first()?.header;
    let samples: usize = frames.iter().map(|f| f.samples.len()).sum();
    let alike = frames.iter().all(|f| is_alike(&f.header, first));
    if !alike || samples > SAMPLES_MAX || frames.len() > FRAMES_MAX {
        return None;
    }
    let signed = first.precision == 16 && is_signed(&frames);
    let mut out = Vec::new();
    let mut around = Vec::new();
    varint::put(&mut out, frames.len() as u64);
    out.push(u8::from(signed));
    for frame in &frames {
        let (before, rest) = frame.jpeg.split_at(frame.header.scan);
        let after = &rest[frame.scan..];
        Items::put(&mut out, &frame.cuts, before.len(), after.len());
        around.extend_from_slice(before);
        around.extend_from_slice(after);
    }
    let packed = bytes::encode(&around, &[], 19)?;
    varint::put(&mut out, packed.len() as u64);
    out.extend_from_slice(&packed);
    let pixels = pixels(first, signed);
    let native: Vec<u8> = frames
        .iter()
        .flat_map(|f| to_bytes(&f.samples, pixels.bytes))
        .collect();
    out.extend_from_slice(&pack_samples(&native, &pixels, level, state)?);
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
    let shapes: Vec<Items> = (0..count)
        .map(|_| Items::take(&mut stream, raw_len))
        .collect::<Result<_, _>>()?;
    let total: usize = shapes.iter().map(|s| s.before + s.after).sum();
    let packed_len = varint::take_u32(&mut stream, u32::MAX)? as usize;
    let (around, stream) = stream.split_at_checked(packed_len).ok_or(Corrupt)?;
    if total > raw_len {
        return Err(Corrupt);
    }
    let around = bytes::decode(around, &[], total)?;
    let mut rest = around.as_slice();
    let mut pieces = Vec::new();
    for shape in &shapes {
        let (before, others) = rest.split_at(shape.before);
        let (after, others) = others.split_at(shape.after);
        rest = others;
        pieces.push((before, after, Header::parse(before).ok_or(Corrupt)?));
    }
    let (_, _, first) = pieces.first().ok_or(Corrupt)?;
    let pixels = pixels(first, signed == 1);
    let frame_len = first.height * first.width * first.components * usize::from(pixels.bytes);
    // Each sample took at least one bit of the raw bytes.
    let most = raw_len.saturating_mul(16).min(2 * SAMPLES_MAX);
    let alike = pieces.iter().all(|(_, _, header)| is_alike(header, first));
    if !alike || frame_len * count > most {
        return Err(Corrupt);
    }
    let (native, state) = unpack_samples(stream, frame_len * count, first.components, state)?;
    let mut raw = Vec::with_capacity(raw_len);
    let frames = native.chunks_exact(frame_len);
    for (((before, after, header), shape), native) in pieces.iter().zip(&shapes).zip(frames) {
        let scan = header
            .encode(&from_bytes(native, pixels.bytes))
            .ok_or(Corrupt)?;
        shape.put_items(
            &[before, scan.as_slice(), after].concat(),
            raw_len,
            &mut raw,
        )?;
    }
    if raw.len() == raw_len {
        Ok((raw, state))
    } else {
        Err(Corrupt)
    }
}

/// How a frame's file lies around its scan and in items.
pub(super) struct Items {
    cuts: Vec<usize>,
    pub(super) before: usize,
    pub(super) after: usize,
}

impl Items {
    pub(super) fn put(to: &mut Vec<u8>, cuts: &[usize], before: usize, after: usize) {
        varint::put(to, cuts.len() as u64);
        for &n in cuts.iter().chain(&[before, after]) {
            varint::put(to, n as u64);
        }
    }

    pub(super) fn take(from: &mut &[u8], raw_len: usize) -> Result<Self, Corrupt> {
        let max = raw_len as u32;
        let count = varint::take_u32(from, max / 8)?;
        let mut next = || Ok(varint::take_u32(from, max)? as usize);
        let cuts = (0..count).map(|_| next()).collect::<Result<_, _>>()?;
        Ok(Self {
            cuts,
            before: next()?,
            after: next()?,
        })
    }

    pub(super) fn put_items(
        &self,
        jpeg: &[u8],
        raw_len: usize,
        raw: &mut Vec<u8>,
    ) -> Result<(), Corrupt> {
        let mut rest = jpeg;
        let last = jpeg
            .len()
            .checked_sub(self.cuts.iter().sum())
            .ok_or(Corrupt)?;
        for &len in self.cuts.iter().chain(&[last]) {
            let (item, others) = rest.split_at(len);
            rest = others;
            if raw.len() + 8 + len > raw_len {
                return Err(Corrupt);
            }
            raw.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0]);
            raw.extend_from_slice(&(len as u32).to_le_bytes());
            raw.extend_from_slice(item);
        }
        Ok(())
    }
}

/// The items' values joined to files: one starts where an item starts like one.
pub(super) fn join(raw: &[u8]) -> Option<Vec<(Vec<usize>, Vec<u8>)>> {
    let mut files: Vec<(Vec<usize>, Vec<u8>)> = Vec::new();
    for (start, end) in items(raw)? {
        let item = &raw[start..end];
        if item.starts_with(&[0xFF, 0xD8]) {
            files.push((Vec::new(), Vec::new()));
        }
        let (lengths, jpeg) = files.last_mut()?;
        lengths.push(item.len());
        jpeg.extend_from_slice(item);
    }
    for (lengths, _) in &mut files {
        lengths.pop();
    }
    Some(files)
}

impl Frame {
    /// Only when the same bytes come out again.
    fn new((cuts, jpeg): (Vec<usize>, Vec<u8>)) -> Option<Self> {
        let header = Header::parse(&jpeg)?;
        if header.components == 3 && header.precision > 8 {
            return None;
        }
        let (samples, scan) = header.decode(&jpeg)?;
        let same = header.encode(&samples)? == jpeg.get(header.scan..header.scan + scan)?;
        same.then_some(Self {
            cuts,
            jpeg,
            header,
            scan,
            samples,
        })
    }
}

fn pack_samples(
    native: &[u8],
    pixels: &Pixels,
    level: Level,
    state: Option<&State>,
) -> Option<Vec<u8>> {
    match (pixels.samples, state) {
        (1, None) => gray::encode(native, pixels, 0, level, None),
        (1, Some(State::Gray(state))) => gray::encode(native, pixels, 0, level, Some(state)),
        (3, None) => colour::encode(native, pixels, 0, level, None),
        (3, Some(State::Colour(state))) => colour::encode(native, pixels, 0, level, Some(state)),
        _ => None,
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

fn is_alike(a: &Header, b: &Header) -> bool {
    (a.height, a.width, a.components, a.precision) == (b.height, b.width, b.components, b.precision)
}

/// Two's complement shows as values near both ends and none in the middle.
fn is_signed(frames: &[Frame]) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of 16 x 12 samples of 8 bits with every predictor, by our own encoder.
    fn made(predictor: u8, restart: u8, frame: u16) -> Vec<u8> {
        let mut jpeg = vec![
            0xFF, 0xD8, 0xFF, 0xC3, 0, 11, 8, 0, 12, 0, 16, 1, 1, 0x11, 0,
        ];
        jpeg.extend([
            0xFF, 0xC4, 0, 28, 0, 0, 0, 1, 5, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]);
        jpeg.extend([0, 1, 2, 3, 4, 5, 6, 7, 8]);
        jpeg.extend([0xFF, 0xDD, 0, 4, 0, restart * 16]);
        jpeg.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, predictor, 0, 0]);
        let header = Header::parse(&jpeg).unwrap();
        let samples: Vec<u16> = (0..192)
            .map(|i| (i % 16 * 11 + i / 16 * 3 + i * i % 7 + frame) & 255)
            .collect();
        jpeg.extend(header.encode(&samples).unwrap());
        jpeg.extend([0xFF, 0xD9]);
        jpeg
    }

    fn item(value: &[u8]) -> Vec<u8> {
        let len = (value.len() as u32).to_le_bytes();
        [&[0xFE, 0xFF, 0x00, 0xE0], len.as_slice(), value].concat()
    }

    #[test]
    fn every_predictor_is_restored_from_its_samples() {
        for predictor in 1..=7 {
            for restart in [0, 3] {
                let mut state = None;
                for frame in 0..3 {
                    let jpeg = made(predictor, restart, frame);
                    let (a, b) = jpeg.split_at(70);
                    let raw = [item(&made(predictor, restart, 9)), item(a), item(b)].concat();
                    let packed = encode(&raw, Level::Mid, state.as_ref()).unwrap();
                    let (back, next) = decode(&packed, raw.len(), state).unwrap();
                    assert!(back == raw);
                    state = Some(next);
                }
            }
        }
    }
}
