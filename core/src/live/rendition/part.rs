//! The part that grows: samples go in, a CMAF chunk comes out.

use alloc::{format, vec::Vec};
use core::mem;

use bytes::Bytes;

use super::{
    super::{clock::Clock, cuts::Time, event::Event, pace},
    Desk, MOST_BYTES, Placed, Rendition,
};
use crate::{
    codec::Kind,
    coding::Writer,
    error::{Error, Result},
    sample::{LiveSample, Sample, SampleTableBuilder},
    segment::{
        chunk::{self, Additions},
        header::TRACK_ID,
    },
    time::{Moment, Timescale, compare, rescale, rescale_length},
    window::Part,
};

impl Rendition {
    /// Whether a part grows.
    pub fn has_part(&self) -> bool {
        !self.part.is_empty()
    }

    /// Adds a sample to the segment that is open.
    pub fn add(&mut self, mut placed: Placed, desk: &mut Desk<'_>) -> Result<()> {
        let scale = self.window.timescale;
        let is_stretched = self.track.kind() == Kind::Audio || self.place.is_derived();
        if is_stretched && !desk.promise.fits_part(placed.sample.duration.into(), scale) {
            // No frame of sound is so long: what follows it is silence that its writer had no other means to tell. Nor is one that was made
            // of others which are not: some are missing.
            let (limit, of) = desk.promise.part_target;
            placed.sample.duration = u32::try_from(rescale_length(limit, of, scale).saturating_sub(1)).unwrap_or(1).max(1);
        }
        let duration = u64::from(placed.sample.duration);
        let Some(open) = self.window.open.as_mut() else { return Ok(()) };
        if self.part.is_empty() && open.parts.is_empty() {
            open.header = placed.header;
        }
        let other = self.part.first().is_some_and(|first| first.sample.description != placed.sample.description);
        if !self.part.is_empty()
            && (other || self.ends_before(duration, desk) || self.part_bytes.saturating_add(placed.sample.len()) > MOST_BYTES)
        {
            self.close_part(desk)?;
        }
        if !desk.promise.fits_part(duration, scale) {
            let limit = desk.promise.part_micros() / 1000;
            let message = format!(
                "{}: a sample lasts {duration} ticks of {} a second, longer than the parts of {limit} ms that are promised to players; \
                 send frames at a constant rate (ffmpeg: -r 25 -vsync cfr), or promise longer parts",
                self.name,
                scale.get()
            );
            return Err(Error::unsupported(message).by("RFC 8216bis 4.4.3.7"));
        }
        self.decoded = placed.time.saturating_add(placed.sample.duration.into());
        self.shown = self.shown.max(placed.shown().saturating_add(placed.sample.duration.into()));
        self.step = placed.sample.duration.into();
        self.part_duration = self.part_duration.saturating_add(duration);
        self.part_bytes = self.part_bytes.saturating_add(placed.sample.len());
        self.part.push(placed);
        // One more that lasts as long would not belong to it: it is whole, and nothing is waited for.
        if self.ends_before(duration, desk) {
            self.close_part(desk)?;
        }
        Ok(())
    }

    /// Whether the part that grows ends before a sample that follows it and lasts so many ticks.
    fn ends_before(&self, duration: u64, desk: &Desk<'_>) -> bool {
        let scale = self.window.timescale;
        let with = (self.part_duration.saturating_add(duration), scale);
        if self.track.kind() != Kind::Audio {
            return compare(with, desk.pace).is_gt();
        }
        let is_beside_the_next = self.part.first().is_some_and(|first| {
            let middle = self.decoded.saturating_add(i64::try_from(duration / 2).unwrap_or(i64::MAX));
            middle >= pace::end_of_part(self.cut, first.middle(), desk.pace, scale)
        });
        let is_enough = pace::is_enough((self.part_duration, scale), desk.promise.part_target);
        !desk.promise.fits_part(with.0, scale) || (is_beside_the_next && is_enough)
    }

    /// The part that grows is whole.
    pub(super) fn close_part(&mut self, desk: &mut Desk<'_>) -> Result<()> {
        let samples = mem::take(&mut self.part);
        (self.part_duration, self.part_bytes) = (0, 0);
        let (Some(first), Some(open)) = (samples.first(), self.window.open.as_mut()) else { return Ok(()) };
        let start = u64::try_from(first.time).unwrap_or(0);
        let mut table = SampleTableBuilder::default();
        table.description_run(0, first.sample.description);
        let (mut offset, mut independent) = (0u64, false);
        for placed in &samples {
            let LiveSample { duration, composition_offset, sync, .. } = placed.sample;
            let size = u32::try_from(placed.sample.len()).unwrap_or(u32::MAX);
            let decode_time = u64::try_from(placed.time).unwrap_or(0);
            table.push(&Sample { decode_time, duration, composition_offset, sync, offset, size })?;
            offset = offset.saturating_add(size.into());
            independent |= sync;
        }
        let table = table.finish();
        self.fragments = self.fragments.wrapping_add(1);
        let begins = open.parts.is_empty();
        let mut before = Writer::with_capacity(0);
        if begins {
            write_reference_time(&mut before, desk.clock, start, self.window.timescale);
        }
        self.messages.write_before(rescale(self.decoded, self.window.timescale, Timescale::MICROS), &mut before);
        let write = |additions: &Additions| Bytes::from(chunk::head_of(&table, &(0..table.len()), (0, self.fragments), begins, additions));
        let mut additions = Additions { before: before.into_bytes(), ..Additions::default() };
        let plain = write(&additions);
        let (head, payload, clear) = match &mut self.cipher {
            None => (plain, pieces(samples), None),
            Some(cipher) if cipher.is_whole() => {
                let payload = pieces(samples);
                (cipher.seal_part(open.number, &plain, &payload).into(), Vec::new(), Some((plain, payload)))
            }
            Some(cipher) => {
                if begins {
                    let past = self.past.iter().find(|(number, _)| *number == open.header);
                    cipher.begin(past.map_or(&self.track, |(_, track)| track))?;
                }
                let (payload, told) = cipher.encrypt(open.number, begins, samples.iter().map(|placed| &placed.sample))?;
                additions = Additions { before: additions.before, ..told };
                (write(&additions), Vec::from([payload.into()]), Some((plain, pieces(samples))))
            }
        };
        let bytes = payload.iter().fold(head.len(), |sum, piece| sum.saturating_add(piece.len())) as u64;
        let part = Part { duration: table.duration(), bytes, independent };
        let number = u32::try_from(open.parts.len()).unwrap_or(u32::MAX);
        if begins {
            desk.events.push_back(Event::Opened { rendition: self.id, segment: open.clone() });
        }
        open.parts.push(part);
        open.bytes = open.bytes.saturating_add(part.bytes);
        open.duration = open.duration.saturating_add(part.duration);
        desk.events.push_back(Event::Part {
            rendition: self.id,
            segment: open.number,
            part: number,
            head,
            payload,
            clear,
            start,
            duration: part.duration,
            independent,
        });
        Ok(())
    }
}

/// The payload of samples, in the pieces in which it came.
fn pieces(samples: Vec<Placed>) -> Vec<Bytes> {
    samples.into_iter().flat_map(|placed| placed.sample.payload).collect()
}

/// `prft` (ISO/IEC 14496-12 8.16.5): when the sample that is decoded at `time` was captured, as far as that is known.
fn write_reference_time(w: &mut Writer, clock: &Clock, time: u64, scale: Timescale) {
    /// The times belong together in a way that is consistent, but arbitrary.
    const ARBITRARY: u32 = 8;
    let at = Time { ticks: i64::try_from(time).unwrap_or(i64::MAX), scale };
    let moment: Moment = clock.zero().after(at.micros());
    w.full_box(b"prft", 1, ARBITRARY, |w| {
        w.u32(TRACK_ID);
        w.u64(moment.ntp());
        w.u64(time);
    });
}
