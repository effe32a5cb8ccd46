//! Which neighbours predict a sample: groups of four side by side.
use super::context::Near;
use super::lsq::Four;
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
#[derive(Clone, Copy)]
pub(crate) struct Taps {
    pub(crate) frames: bool,
    /// Offset in the window, and whether the group is of an earlier frame.
    at: [(isize, bool); 10],
}

impl Taps {
    pub(crate) fn new(groups: usize, frames: bool, stride: usize) -> Self {
        let mut at = [(0, false); 10];
        for (n, at) in at.iter_mut().enumerate().take(groups) {
            let (dy, dx) = PLANE[n];
            let (back, dy, dx) = if frames { FRAMES[n] } else { (0, dy, dx) };
            let row = [CURRENT, BEFORE, BEFORE2][back] as isize - CURRENT as isize + dy;
            *at = (row * stride as isize + dx, back > 0);
        }
        Self { frames, at }
    }

    /// Neighbours minus the local mean of their frame.
    #[inline(always)]
    pub(crate) fn features<const G: usize>(&self, v: &[f32], i: usize, near: &Near) -> [Four; G] {
        let mut features = [Four::ZERO; G];
        for (four, &(offset, earlier)) in features.iter_mut().zip(&self.at) {
            let mean = if earlier { near.mean_before } else { near.mean };
            let from = i.wrapping_add_signed(offset);
            let place = &v[from..from + 4];
            *four = Four::new([place[0], place[1], place[2], place[3]]) - Four::splat(mean);
        }
        if self.frames {
            features[1].as_mut_array()[3] = near.mean_before - near.mean;
        }
        features
    }
}
