//! Event messages (`emsg`; ISO/IEC 23009-1 5.10.3.3): what happens in the programme, carried between its segments.

use alloc::{format, vec::Vec};

use crate::{
    coding::{Reader, Writer},
    error::{Error, Result},
    time::Timescale,
};

/// The largest `emsg` that is read, in bytes.
pub const MAX_EVENT: u64 = 1 << 20;

/// `event_duration` of an event whose end is not known.
pub const UNKNOWN_DURATION: u32 = u32::MAX;

/// When an event begins, in ticks of its timescale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTime {
    /// Version 0: from the earliest presentation time of the segment in front of which the message stands.
    InSegment(u32),
    /// Version 1: on the timeline of the track.
    Absolute(u64),
}

/// An event message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventMessage<'a> {
    /// `scheme_id_uri`.
    pub scheme: &'a str,
    /// `value`.
    pub value: &'a str,
    /// Ticks a second of its times.
    pub timescale: Timescale,
    /// When it begins.
    pub time: EventTime,
    /// `event_duration`, or [`UNKNOWN_DURATION`].
    pub duration: u32,
    /// `id`: two messages of one scheme, value and number tell of one event.
    pub id: u32,
    /// `message_data`.
    pub data: &'a [u8],
}

impl<'a> EventMessage<'a> {
    /// Reads the content of an `emsg`.
    pub fn read(mut content: Reader<'a>) -> Result<Self> {
        let start = content.position();
        let (version, _) = content.full_box()?;
        let timescale =
            |ticks| Timescale::new(ticks).ok_or_else(|| Error::malformed("a timescale of 0").at(start).by("ISO/IEC 23009-1 5.10.3.3.4"));
        match version {
            0 => {
                let (scheme, value) = (text(&mut content)?, text(&mut content)?);
                let timescale = timescale(content.u32()?)?;
                let time = EventTime::InSegment(content.u32()?);
                let (duration, id) = (content.u32()?, content.u32()?);
                Ok(Self { scheme, value, timescale, time, duration, id, data: content.rest() })
            }
            1 => {
                let timescale = timescale(content.u32()?)?;
                let time = EventTime::Absolute(content.u64()?);
                let (duration, id) = (content.u32()?, content.u32()?);
                let (scheme, value) = (text(&mut content)?, text(&mut content)?);
                Ok(Self { scheme, value, timescale, time, duration, id, data: content.rest() })
            }
            other => Err(Error::unsupported(format!("version {other} of an event message")).at(start)),
        }
    }

    /// Writes the box.
    pub fn write(&self, w: &mut Writer) {
        let text = |w: &mut Writer, text: &str| {
            w.bytes(text.as_bytes());
            w.u8(0);
        };
        match self.time {
            EventTime::InSegment(delta) => w.full_box(b"emsg", 0, 0, |w| {
                text(w, self.scheme);
                text(w, self.value);
                for field in [self.timescale.get(), delta, self.duration, self.id] {
                    w.u32(field);
                }
                w.bytes(self.data);
            }),
            EventTime::Absolute(time) => w.full_box(b"emsg", 1, 0, |w| {
                w.u32(self.timescale.get());
                w.u64(time);
                w.u32(self.duration);
                w.u32(self.id);
                text(w, self.scheme);
                text(w, self.value);
                w.bytes(self.data);
            }),
        }
    }

    /// The box.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(40 + self.scheme.len() + self.value.len() + self.data.len());
        self.write(&mut w);
        w.into_bytes()
    }

    /// The same event told on the timeline of its track, whose segment is presented from tick `earliest` of `scale` on.
    ///
    /// Where both scales have a common one of 32 bits, the result is exact; else it is so to a tick of the event.
    #[must_use]
    pub fn absolute(self, earliest: u64, scale: Timescale) -> Self {
        let EventTime::InSegment(delta) = self.time else { return self };
        let common = self.timescale.common(scale).and_then(|common| {
            let (own, media) = (common.get() / self.timescale.get(), common.get() / scale.get());
            let duration = if self.duration == UNKNOWN_DURATION { Some(UNKNOWN_DURATION) } else { self.duration.checked_mul(own) };
            let time = (earliest.checked_mul(media.into())?).checked_add(u64::from(delta) * u64::from(own))?;
            Some(Self { timescale: common, time: EventTime::Absolute(time), duration: duration?, ..self })
        });
        common.unwrap_or_else(|| {
            let start = crate::time::rescale_length(earliest, scale, self.timescale);
            Self { time: EventTime::Absolute(start.saturating_add(delta.into())), ..self }
        })
    }
}

/// A string that ends with a zero.
fn text<'a>(content: &mut Reader<'a>) -> Result<&'a str> {
    let start = content.position();
    let malformed = |what| Error::malformed(what).at(start).by("ISO/IEC 23009-1 5.10.3.3.4");
    let length = content.rest().iter().position(|byte| *byte == 0).ok_or_else(|| malformed("a string without an end"))?;
    let bytes = content.take(length)?;
    content.skip(1)?;
    core::str::from_utf8(bytes).map_err(|_| malformed("a string that is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::BoxHeader;

    fn scale(ticks: u32) -> Timescale {
        Timescale::new(ticks).unwrap()
    }

    fn message(time: EventTime) -> EventMessage<'static> {
        EventMessage {
            scheme: "urn:scte:scte35:2013:bin",
            value: "1",
            timescale: scale(1000),
            time,
            duration: 500,
            id: 7,
            data: &[0xfc, 0x30],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for time in [EventTime::InSegment(9), EventTime::Absolute(u64::MAX)] {
            let bytes = message(time).to_bytes();
            let mut reader = Reader::new(&bytes, 0);
            assert_eq!(BoxHeader::read(&mut reader).unwrap().size, Some(bytes.len() as u64));
            assert_eq!(EventMessage::read(reader).unwrap(), message(time));
        }
        for broken in [&[0, 0, 0, 0, b'a'][..], &[0, 0, 0, 0, 0xff, 0, 0], &[2, 0, 0, 0], &[1, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(EventMessage::read(Reader::new(broken, 0)).is_err(), "{broken:?}");
        }
    }

    /// 5.10.3.3.4: from the start of a segment, or on the timeline.
    #[test]
    fn times_of_segments_become_times_of_the_track() {
        let long = u64::from(u32::MAX) * 9;
        for (timescale, media, earliest, expected) in [
            (1000, 1000, 4000, (1000, 4250, 500)),
            (1000, 90_000, 90_001, (90_000, 90_001 + 22_500, 45_000)),
            (90_000, 44_100, 1024, (4_410_000, 102_400 + 250 * 49, 500 * 49)),
            (48_000, 48_000, long, (48_000, long + 250, 500)),
            // No common scale of 32 bits: to a tick of the event.
            (4_000_000_000, 90_001, 90_001, (4_000_000_000, 4_000_000_250, 500)),
        ] {
            let event = EventMessage { timescale: scale(timescale), ..message(EventTime::InSegment(250)) };
            let told = event.absolute(earliest, scale(media));
            let (timescale, time, duration) = expected;
            assert_eq!((told.timescale, told.time, told.duration), (scale(timescale), EventTime::Absolute(time), duration));
            assert_eq!(told.absolute(earliest, scale(media)), told, "told once and for all");
        }
        let endless = EventMessage { duration: UNKNOWN_DURATION, ..message(EventTime::InSegment(0)) };
        assert_eq!(endless.absolute(0, scale(90_000)).duration, UNKNOWN_DURATION);
    }
}
