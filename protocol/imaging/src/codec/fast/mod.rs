//! Codec `FAST`: native samples of one channel, each part for itself, about ten times as fast as
//! `GRAY`.
mod bits;
mod loco;

use super::map::{self, Map};
use super::samples::{self, Form};
use super::{Corrupt, varint};
use crate::plan::Pixels;
use bits::{Reader, Writer};
use loco::Loco;

const COLUMNS_MAX: u32 = 1 << 16;

/// columns | form | map | bytes behind the last row | bits
pub(crate) fn encode(raw: &[u8], pixels: &Pixels) -> Option<Vec<u8>> {
    let form = Form::guess(pixels, raw);
    let columns = pixels.columns as usize;
    let row_len = columns * form.bytes();
    let (rows, tail) = raw.split_at(raw.len() - raw.len() % row_len);
    let mut samples = samples::from_bytes(rows, form);
    let map = Map::new(&map::find(&samples));
    let mut out = Vec::new();
    varint::put(&mut out, columns as u64);
    out.push(form.to_byte());
    map.put(&mut out)?;
    out.extend_from_slice(tail);
    map.apply(&mut samples);
    let mut writer = Writer::new();
    let mut model = Loco::new(columns, map.max());
    for row in samples.chunks_exact_mut(columns) {
        model.row(&mut writer, row);
    }
    writer.finish(&mut out);
    Some(out)
}

pub(crate) fn decode(packed: &[u8], raw_len: usize) -> Result<Vec<u8>, Corrupt> {
    let mut stream = packed;
    let columns = varint::take_u32(&mut stream, COLUMNS_MAX)?.max(1) as usize;
    let (&form, rest) = stream.split_first().ok_or(Corrupt)?;
    stream = rest;
    let form = Form::from_byte(form);
    let map = Map::take(&mut stream)?;
    let row_len = columns * form.bytes();
    let (tail, stream) = stream.split_at_checked(raw_len % row_len).ok_or(Corrupt)?;
    let mut reader = Reader::new(stream)?;
    let mut model = Loco::new(columns, map.max());
    let mut samples = vec![0; raw_len / row_len * columns];
    for row in samples.chunks_exact_mut(columns) {
        model.row(&mut reader, row);
    }
    map.invert(&mut samples);
    let mut raw = samples::to_bytes(&samples, form);
    raw.extend_from_slice(tail);
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_noisy_and_extreme_rows_are_restored() {
        let pixels = Pixels {
            rows: 40,
            columns: 33,
            bytes: 2,
            samples: 1,
            planar: false,
            signed: false,
            big: false,
            luma: false,
        };
        let mut seed = 1u32;
        let mut next = |bits: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as u16 & ((1u32 << bits) - 1) as u16
        };
        for bits in [0, 1, 4, 12, 16] {
            let samples: Vec<u16> = (0..40 * 33)
                .map(|i| if i / 100 % 2 == 0 { 7 } else { next(bits) })
                .collect();
            let mut raw: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
            raw.push(9);
            let packed = encode(&raw, &pixels).unwrap();
            assert!(packed.len() < raw.len() * 21 / 20);
            assert!(decode(&packed, raw.len()).unwrap() == raw);
        }
    }
}
