//! The last frames of one plane.

/// Frames of more samples are coded without a look at earlier frames.
pub(crate) const FRAME_MAX: usize = 1 << 20;

/// Samples of the last two whole frames and of the current one, and their absolute errors.
#[derive(Clone, Default)]
pub(crate) struct History {
    now: Vec<u16>,
    errors_now: Vec<u16>,
    pub(crate) before: Vec<u16>,
    pub(crate) before2: Vec<u16>,
    /// In sixteenths.
    pub(crate) errors: Vec<u16>,
}

impl History {
    /// As if `samples` of the current frame had been skipped.
    pub(crate) fn new(samples: usize) -> Self {
        Self {
            now: vec![0; samples],
            errors_now: vec![0; samples],
            ..Self::default()
        }
    }

    pub(crate) fn push(&mut self, samples: impl Iterator<Item = u16>, errors: &[f32]) {
        self.now.extend(samples);
        self.errors_now
            .extend(errors.iter().map(|error| (error * 16.0) as u16));
    }

    /// The current frame becomes the previous one.
    pub(crate) fn turn(&mut self) {
        std::mem::swap(&mut self.before, &mut self.before2);
        std::mem::swap(&mut self.before, &mut self.now);
        std::mem::swap(&mut self.errors, &mut self.errors_now);
        if self.before2.is_empty() {
            self.before2.clone_from(&self.before);
        }
        self.now.clear();
        self.errors_now.clear();
    }
}
