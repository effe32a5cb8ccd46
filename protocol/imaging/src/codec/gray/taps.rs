//! Which neighbours predict a sample: groups of four side by side.
use super::context::Near;
use super::window::{BEFORE, BEFORE2, CURRENT};

/// Row and first column of a group, relative to the sample, within one frame.
const PLANE: [(isize, isize); 10] = [
    (0, -4),
    (-1, -3),
    (-1, 1),
    (-2, -3),
    (-2, 1),
    (-3, -3),
    (-3, 1),
    (-4, -2),
    (0, -8),
    (-5, -2),
];
/// The same for at most three groups.
const PLANE_FEW: [(isize, isize); 3] = [(0, -4), (-1, -1), (-2, -1)];
/// Frames back, row and first column.
const FRAMES: [(usize, isize, isize); 10] = [
    (0, 0, -4),
    (1, 0, -1),
    (0, -1, -3),
    (0, -1, 1),
    (1, 1, -1),
    (0, -2, -1),
    (1, -1, -1),
    (2, 0, -1),
    (0, -3, -1),
    (2, 1, -1),
];
/// The same for at most five groups.
const FRAMES_FEW: [(usize, isize, isize); 5] =
    [(0, 0, -4), (1, 0, -1), (0, -1, -1), (1, 1, -1), (0, -2, -1)];
/// The feature of this place, a far one in its group, is the difference of the frames' means.
const FRAME_STEP: usize = 7;

#[derive(Clone, Copy)]
pub(super) struct Taps {
    pub(super) frames: bool,
    groups: usize,
    /// Offset in the window, and whether the group is of an earlier frame.
    at: [(isize, bool); 10],
}

impl Taps {
    pub(super) fn new(groups: usize, frames: bool, stride: usize) -> Self {
        let mut at = [(0, false); 10];
        for (n, at) in at.iter_mut().enumerate().take(groups) {
            let (back, dy, dx) = match (frames, groups) {
                (false, ..4) => (0, PLANE_FEW[n].0, PLANE_FEW[n].1),
                (false, _) => (0, PLANE[n].0, PLANE[n].1),
                (true, ..6) => FRAMES_FEW[n],
                (true, _) => FRAMES[n],
            };
            let row = [CURRENT, BEFORE, BEFORE2][back] as isize - CURRENT as isize + dy;
            *at = (row * stride as isize + dx, back > 0);
        }
        Self { frames, groups, at }
    }

    /// Neighbours minus the local mean of their frame.
    #[inline(always)]
    pub(super) fn features<const N: usize>(&self, v: &[f32], i: usize, near: &Near) -> [f32; N] {
        let mut features = [0.0; N];
        for (four, &(offset, earlier)) in features.chunks_exact_mut(4).zip(&self.at) {
            let mean = if earlier { near.mean_before } else { near.mean };
            let from = i.wrapping_add_signed(offset);
            for (to, v) in four.iter_mut().zip(&v[from..from + 4]) {
                *to = v - mean;
            }
        }
        debug_assert_eq!(self.groups * 4, N);
        if self.frames {
            features[FRAME_STEP] = near.mean_before - near.mean;
        }
        features
    }
}
