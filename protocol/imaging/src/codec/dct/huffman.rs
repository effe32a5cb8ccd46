//! Huffman codes of coefficients (T.81 annex F), read and written.
use super::super::scan::{Codes, Reader, Writer};
use super::jpeg::{Block, VALUE_MAX, ZIGZAG};

/// Bits of a coefficient.
const SIZE_MAX: u32 = 12;

impl Reader<'_> {
    /// A coefficient of so many bits.
    fn value(&mut self, size: u8) -> Option<i32> {
        match u32::from(size) {
            0 => Some(0),
            size @ 1..=SIZE_MAX => self.signed(size),
            _ => None,
        }
    }

    pub(super) fn block(
        &mut self,
        codes: &[Codes; 2],
        last: &mut i32,
        block: &mut Block,
    ) -> Option<()> {
        let size = self.symbol(&codes[0])?;
        *last += self.value(size)?;
        if last.abs() > VALUE_MAX {
            return None;
        }
        block[0] = *last as i16;
        let mut k = 1;
        while k < 64 {
            let symbol = self.symbol(&codes[1])?;
            let (run, size) = (usize::from(symbol >> 4), symbol & 15);
            match (run, size) {
                (0, 0) => return Some(()),
                (15, 0) => k += 16,
                (_, 0) => return None,
                _ => {
                    k += run;
                    let value = self.value(size)?;
                    *block.get_mut(*ZIGZAG.get(k)?)? = value as i16;
                    k += 1;
                }
            }
        }
        Some(())
    }
}

impl Writer {
    fn coded(&mut self, table: &Codes, run: u32, value: i32) -> Option<()> {
        let size = 32 - value.unsigned_abs().leading_zeros();
        let (code, len) = table.code((run << 4 | size) as usize)?;
        if size > SIZE_MAX {
            return None;
        }
        self.put(code, len);
        let value = if value < 0 { value - 1 } else { value };
        self.put(value as u32 & ((1 << size) - 1), size);
        Some(())
    }

    pub(super) fn block(
        &mut self,
        codes: &[Codes; 2],
        last: &mut i32,
        block: &Block,
    ) -> Option<()> {
        let first = i32::from(block[0]);
        self.coded(&codes[0], 0, first - *last)?;
        *last = first;
        let mut run = 0;
        for at in &ZIGZAG[1..] {
            let value = i32::from(block[*at]);
            if value == 0 {
                run += 1;
                continue;
            }
            while run > 15 {
                self.coded(&codes[1], 15, 0)?;
                run -= 16;
            }
            self.coded(&codes[1], run, value)?;
            run = 0;
        }
        if run > 0 {
            self.coded(&codes[1], 0, 0)?;
        }
        Some(())
    }
}
