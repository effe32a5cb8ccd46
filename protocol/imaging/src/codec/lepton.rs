//! Codec `LEPTON`: the JPEG files inside fragments, by lepton_jpeg; the bytes between them by zstd.
use std::io::{self, Cursor, Write};

use lepton_jpeg::{EnabledFeatures, SingleThreadPool, decode_lepton, encode_lepton};

use super::{Corrupt, bytes, varint};
use crate::part::PART_RAW_MAX;

/// Pictures of more pixels are left to zstd: lepton holds all coefficients in memory.
const PIXELS_MAX: u32 = 1 << 22;
const PICTURES_MAX: usize = 1 << 16;

/// One JPEG file inside the raw bytes.
struct Picture {
    start: usize,
    end: usize,
    packed: Vec<u8>,
}

/// count | per picture: bytes before it, its length, its packed length, height, width |
/// packed length of the bytes between | these | the pictures.
pub(crate) fn encode(raw: &[u8]) -> Option<Vec<u8>> {
    let pictures: Vec<Picture> = items(raw)?
        .into_iter()
        .filter_map(|r| picture(raw, r))
        .collect();
    if pictures.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    let mut between = Vec::new();
    let mut at = 0;
    varint::put(&mut out, pictures.len() as u64);
    for picture in &pictures {
        let (height, width) = size(&raw[picture.start..picture.end])?;
        between.extend_from_slice(&raw[at..picture.start]);
        for n in [
            picture.start - at,
            picture.end - picture.start,
            picture.packed.len(),
        ] {
            varint::put(&mut out, n as u64);
        }
        varint::put(&mut out, u64::from(height));
        varint::put(&mut out, u64::from(width));
        at = picture.end;
    }
    between.extend_from_slice(&raw[at..]);
    let packed = bytes::encode(&between, &[], 19)?;
    varint::put(&mut out, packed.len() as u64);
    out.extend_from_slice(&packed);
    pictures
        .iter()
        .for_each(|picture| out.extend_from_slice(&picture.packed));
    Some(out)
}

pub(crate) fn decode(packed: &[u8], raw_len: usize) -> Result<Vec<u8>, Corrupt> {
    let mut stream = packed;
    let count = varint::take(&mut stream)? as usize;
    if count > PICTURES_MAX {
        return Err(Corrupt);
    }
    let mut lengths = Vec::new();
    let mut rest = raw_len;
    for _ in 0..count {
        let [gap, len, packed_len] = [(); 3].map(|()| varint::take_u32(&mut stream, u32::MAX));
        let [height, width] = [(); 2].map(|()| varint::take_u32(&mut stream, 1 << 16));
        let (gap, len) = (gap? as usize, len? as usize);
        rest = rest
            .checked_sub(gap)
            .and_then(|rest| rest.checked_sub(len))
            .ok_or(Corrupt)?;
        lengths.push((gap, len, packed_len? as usize, height?, width?));
    }
    let between_len = rest + lengths.iter().map(|l| l.0).sum::<usize>();
    let packed_len = varint::take_u32(&mut stream, u32::MAX)? as usize;
    let (between, mut pictures) = stream.split_at_checked(packed_len).ok_or(Corrupt)?;
    let between = bytes::decode(between, &[], between_len)?;
    let mut between = between.as_slice();
    let mut raw = Vec::with_capacity(raw_len.min(PART_RAW_MAX));
    for (gap, len, packed_len, height, width) in lengths {
        let (before, after) = between.split_at_checked(gap).ok_or(Corrupt)?;
        raw.extend_from_slice(before);
        between = after;
        let (picture, rest) = pictures.split_at_checked(packed_len).ok_or(Corrupt)?;
        pictures = rest;
        unpack_picture(picture, len, &features(height, width)?, &mut raw)?;
    }
    raw.extend_from_slice(between);
    if raw.len() == raw_len {
        Ok(raw)
    } else {
        Err(Corrupt)
    }
}

/// The values of the items that the bytes consist of.
pub(super) fn items(raw: &[u8]) -> Option<Vec<(usize, usize)>> {
    let mut items = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        let header = raw.get(at..at + 8)?;
        let len = u32::from_le_bytes(header[4..].try_into().ok()?) as usize;
        let end = (at + 8).checked_add(len).filter(|&end| end <= raw.len())?;
        if header[..4] != [0xFE, 0xFF, 0x00, 0xE0] || items.len() == PICTURES_MAX {
            return None;
        }
        items.push((at + 8, end));
        at = end;
    }
    Some(items)
}

fn picture(raw: &[u8], (start, end): (usize, usize)) -> Option<Picture> {
    let jpeg = &raw[start..end];
    let (height, width) = size(jpeg)?;
    let features = features(height, width).ok()?;
    let mut packed = Cursor::new(Vec::new());
    let pool = SingleThreadPool::default();
    encode_lepton(&mut Cursor::new(jpeg), &mut packed, &features, &pool).ok()?;
    let packed = packed.into_inner();
    (packed.len() < jpeg.len()).then_some(Picture { start, end, packed })
}

/// Height and width of a JPEG file that lepton takes: Huffman-coded DCT, sequential or progressive.
fn size(jpeg: &[u8]) -> Option<(u32, u32)> {
    if jpeg.get(..2)? != [0xFF, 0xD8] {
        return None;
    }
    let mut at = 2;
    loop {
        let head = jpeg.get(at..at + 4)?;
        if head[0] != 0xFF {
            return None;
        }
        match head[1] {
            0xC0..=0xC2 => {
                let size = jpeg.get(at + 5..at + 9)?;
                let [height, width] =
                    [0, 2].map(|n| u32::from(u16::from_be_bytes([size[n], size[n + 1]])));
                return (height * width > 0 && height * width <= PIXELS_MAX)
                    .then_some((height, width));
            }
            0xC4 | 0xDB | 0xDD | 0xE0..=0xEF | 0xFE => {
                at += 2 + usize::from(u16::from_be_bytes([head[2], head[3]]));
            }
            _ => return None,
        }
    }
}

fn features(height: u32, width: u32) -> Result<EnabledFeatures, Corrupt> {
    if height
        .checked_mul(width)
        .is_none_or(|pixels| pixels > PIXELS_MAX)
    {
        return Err(Corrupt);
    }
    Ok(EnabledFeatures {
        max_jpeg_height: height,
        max_jpeg_width: width,
        max_partitions: 1,
        max_processor_threads: 1,
        max_jpeg_file_size: PART_RAW_MAX as u32,
        ..EnabledFeatures::compat_lepton_vector_write()
    })
}

fn unpack_picture(
    packed: &[u8],
    len: usize,
    features: &EnabledFeatures,
    raw: &mut Vec<u8>,
) -> Result<(), Corrupt> {
    let before = raw.len();
    let mut bounded = Bounded { to: raw, left: len };
    let pool = SingleThreadPool::default();
    decode_lepton(&mut Cursor::new(packed), &mut bounded, features, &pool).map_err(|_| Corrupt)?;
    if raw.len() == before + len {
        Ok(())
    } else {
        Err(Corrupt)
    }
}

/// Takes no more bytes than were promised.
struct Bounded<'a> {
    to: &'a mut Vec<u8>,
    left: usize,
}

impl Write for Bounded<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.left = self
            .left
            .checked_sub(from.len())
            .ok_or(io::ErrorKind::FileTooLarge)?;
        self.to.extend_from_slice(from);
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
