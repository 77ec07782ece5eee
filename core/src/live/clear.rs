//! In place of `cipher` where the feature `encryption` is off: nothing is encrypted, and there is no value of these types.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use bytes::Bytes;

use crate::{error::Result, protection::Protection, sample::LiveSample, segment::chunk::Additions, track::Track};

/// How a live stream is encrypted: it is not.
#[derive(Clone, Debug)]
pub enum LiveEncryption {}

impl LiveEncryption {
    /// Whether whole segments are encrypted.
    pub fn is_whole(&self) -> bool {
        match *self {}
    }
}

/// What would encrypt the parts of a rendition.
#[derive(Debug)]
pub enum PartCipher {}

impl PartCipher {
    pub fn new(_: &Track, _: usize, encryption: LiveEncryption) -> Result<Self> {
        match encryption {}
    }

    pub fn header(&self, _: &Track) -> Result<Vec<u8>> {
        match *self {}
    }

    pub fn begin(&mut self, _: &Track) -> Result<()> {
        match *self {}
    }

    pub fn encrypt<'a>(&mut self, _: u32, _: bool, _: impl Iterator<Item = &'a LiveSample>) -> Result<(Vec<u8>, Additions)> {
        match *self {}
    }

    pub fn is_whole(&self) -> bool {
        match *self {}
    }

    pub fn seal_part(&mut self, _: u32, _: &[u8], _: &[Bytes]) -> Vec<u8> {
        match *self {}
    }

    pub fn seal_segment(&mut self, _: u32) -> Option<Vec<u8>> {
        match *self {}
    }

    pub fn protection(&self) -> Protection {
        match *self {}
    }

    pub fn protection_of(&self, _: RangeInclusive<u32>) -> Protection {
        match *self {}
    }
}
