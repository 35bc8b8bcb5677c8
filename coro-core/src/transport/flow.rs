//! [`Flow`]: when a protocol is told to pause writing, and [`Outgoing`]: the bytes that wait to be written.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};

use super::channel::Channel;
use crate::error::{Result, ValueError};

/// Above this much room an empty buffer gives its memory back.
const KEPT: usize = 256 * 1024;

/// How much may wait to be written.
pub(crate) struct Flow {
    /// The upper limit if nothing is said.
    usual: usize,
    low: Cell<usize>,
    high: Cell<usize>,
    /// Whether the protocol was told to pause.
    pub(crate) paused: Cell<bool>,
}

impl Flow {
    /// With `usual` as the upper limit until another is set.
    pub(crate) fn new(usual: usize) -> Self {
        Self { usual, low: Cell::new(usual / 4), high: Cell::new(usual), paused: Cell::new(false) }
    }

    /// The lower and the upper limit.
    pub(crate) fn limits(&self) -> (usize, usize) {
        (self.low.get(), self.high.get())
    }

    /// Sets the limits; what is not given follows from the other, as in asyncio.
    pub(crate) fn set_limits(&self, high: Option<usize>, low: Option<usize>) -> Result<()> {
        let high = high.unwrap_or_else(|| low.map_or(self.usual, |low| low.saturating_mul(4)));
        let low = low.unwrap_or(high / 4);
        if high < low {
            return Err(ValueError::new(format!("high ({high}) must be >= low ({low}) must be >= 0")).into());
        }
        self.high.set(high);
        self.low.set(low);
        Ok(())
    }

    /// Whether the protocol is to be told to pause now that `size` bytes wait.
    pub(crate) fn pauses(&self, size: usize) -> bool {
        size > self.high.get() && !self.paused.replace(true)
    }

    /// Whether the protocol is to be told to resume now that `size` bytes wait.
    pub(crate) fn resumes(&self, size: usize) -> bool {
        size <= self.low.get() && self.paused.replace(false)
    }
}

/// Bytes that the system has not taken yet.
#[derive(Default)]
pub(super) struct Outgoing(RefCell<VecDeque<u8>>);

impl Outgoing {
    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn push(&self, data: &[u8]) {
        self.0.borrow_mut().extend(data);
    }

    pub(super) fn clear(&self) {
        drop(self.0.take());
    }

    /// Writes as much as goes at once. Whether nothing is left.
    pub(super) fn flush(&self, channel: &Channel) -> io::Result<bool> {
        let mut bytes = self.0.borrow_mut();
        let (front, back) = bytes.as_slices();
        let written = match back {
            [] => channel.write(&[IoSlice::new(front)])?,
            back => channel.write(&[IoSlice::new(front), IoSlice::new(back)])?,
        };
        bytes.drain(..written);
        if bytes.is_empty() && bytes.capacity() > KEPT {
            *bytes = VecDeque::new();
        }
        Ok(bytes.is_empty())
    }
}
