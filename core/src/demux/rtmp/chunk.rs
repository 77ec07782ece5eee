//! The chunk stream: messages cut into chunks that interleave (RTMP 1.0, 5.3).

use alloc::{collections::BTreeMap, format, vec::Vec};

use bytes::Bytes;

use crate::{
    coding::{Reader, Writer},
    error::{Error, Result},
};

/// The chunk size of both sides until they say another (5.4.1).
const FIRST_SIZE: usize = 128;
/// The longest chunk that a peer may announce (5.4.1), and the one that we send.
const MOST_SIZE: u32 = 0xff_ffff;
pub const OUR_SIZE: usize = 4096;
/// The longest message, and the most bytes of all that are not whole.
const MOST_MESSAGE: usize = 8 << 20;
const MOST_PARTIAL: usize = 16 << 20;
/// The most chunk streams: encoders use four or five.
const MOST_STREAMS: usize = 32;
/// Stands for a timestamp that follows in a field of its own (5.3.1.3).
const EXTENDED: u32 = 0xff_ffff;
/// Clause of it all.
const CHUNKS: &str = "RTMP 1.0 5.3";

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type.
    pub kind: u8,
    /// The message stream that it is of.
    pub stream: u32,
    /// Milliseconds, with rounds of 32 bits.
    pub timestamp: u32,
    /// What it holds.
    pub body: Bytes,
}

/// A chunk stream, as the last header left it.
#[derive(Clone, Debug, Default)]
struct State {
    timestamp: u32,
    /// What a header of type 3 adds.
    delta: u32,
    length: usize,
    kind: u8,
    stream: u32,
    /// The extended timestamp, if the last header had one.
    extended: Option<u32>,
    /// What has come of a message.
    partial: Vec<u8>,
    /// Whether there is a message that is not whole.
    open: bool,
}

/// Puts messages together from the chunks of a peer.
#[derive(Debug)]
pub struct Chunks {
    size: usize,
    streams: BTreeMap<u32, State>,
    /// Bytes of messages that are not whole.
    partial: usize,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { size: FIRST_SIZE, streams: BTreeMap::new(), partial: 0 }
    }
}

impl Chunks {
    /// The peer says how long its chunks are from now on.
    pub fn set_size(&mut self, size: u32) -> Result<()> {
        if size == 0 || size > MOST_SIZE {
            return Err(Error::malformed(format!("chunks of {size} bytes")).by("RTMP 1.0 5.4.1"));
        }
        self.size = usize::try_from(size).unwrap_or(FIRST_SIZE);
        Ok(())
    }

    /// The peer gives up the message of a chunk stream (5.4.2).
    pub fn abort(&mut self, stream: u32) {
        if let Some(state) = self.streams.get_mut(&stream) {
            self.partial = self.partial.saturating_sub(state.partial.len());
            (state.partial, state.open) = (Vec::new(), false);
        }
    }

    /// Reads the chunk that `bytes` begin with: how many bytes it has, and the message that it makes whole. `None`: not all of it is there.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<(usize, Option<Message>)>> {
        let mut reader = Reader::new(bytes, 0);
        let Some((form, id)) = basic_header(&mut reader) else { return Ok(None) };
        let state = self.streams.get(&id);
        if state.is_none() && self.streams.len() == MOST_STREAMS {
            return Err(Error::malformed(format!("more than {MOST_STREAMS} chunk streams")).by(CHUNKS));
        }
        if state.is_none() && form != 0 {
            return Err(Error::malformed(format!("chunk stream {id} begins without a whole header")).by(CHUNKS));
        }
        let open = state.is_some_and(|state| state.open);
        if open && form != 3 {
            return Err(Error::malformed(format!("a message begins in chunk stream {id} before the last is whole")).by(CHUNKS));
        }
        let mut next = State { partial: Vec::new(), ..state.map(State::header).unwrap_or_default() };
        if !next.read_header(form, open, &mut reader) {
            return Ok(None);
        }
        if next.length > MOST_MESSAGE {
            return Err(Error::malformed(format!("a message of {} bytes, {MOST_MESSAGE} are read", next.length)).by("RTMP 1.0 6.1.1"));
        }
        let come = state.map_or(0, |state| state.partial.len());
        let length = next.length.saturating_sub(come).min(self.size);
        let Ok(payload) = reader.take(length) else { return Ok(None) };
        self.partial = self.partial.saturating_add(length);
        if self.partial > MOST_PARTIAL {
            return Err(Error::malformed("too much of messages that are not whole").by(CHUNKS));
        }
        let used = bytes.len() - reader.remaining();
        let state = self.streams.entry(id).or_default();
        next.partial = core::mem::take(&mut state.partial);
        next.partial.extend_from_slice(payload);
        next.open = next.partial.len() < next.length;
        let message = (!next.open).then(|| {
            let body = Bytes::from(core::mem::take(&mut next.partial));
            self.partial = self.partial.saturating_sub(body.len());
            Message { kind: next.kind, stream: next.stream, timestamp: next.timestamp, body }
        });
        *state = next;
        Ok(Some((used, message)))
    }
}

impl State {
    /// The same without what has come.
    fn header(&self) -> Self {
        Self { partial: Vec::new(), ..*self }
    }

    /// Reads the message header of type `form` (5.3.1.2); whether all of it is there. `open`: it goes on with a message.
    fn read_header(&mut self, form: u8, open: bool, reader: &mut Reader<'_>) -> bool {
        let mut fields = || -> Result<()> {
            if form == 3 {
                // Not everybody repeats the extended timestamp: it is there if it is the same.
                let repeated = self.extended.filter(|extended| reader.rest().starts_with(&extended.to_be_bytes()));
                if self.extended.is_some() && reader.remaining() < 4 {
                    return Err(Error::truncated("the header is not all there"));
                }
                reader.skip(if repeated.is_some() { 4 } else { 0 })?;
                if !open {
                    self.timestamp = self.timestamp.wrapping_add(self.delta);
                }
                return Ok(());
            }
            let mut time = reader.u24()?;
            if form < 2 {
                self.length = usize::try_from(reader.u24()?).unwrap_or(usize::MAX);
                self.kind = reader.u8()?;
            }
            if form == 0 {
                self.stream = reader.u32()?.swap_bytes();
            }
            self.extended = None;
            if time == EXTENDED {
                time = reader.u32()?;
                self.extended = Some(time);
            }
            self.timestamp = if form == 0 { time } else { self.timestamp.wrapping_add(time) };
            self.delta = time;
            Ok(())
        };
        fields().is_ok()
    }
}

/// The type of the header and the number of the chunk stream (5.3.1.1).
fn basic_header(reader: &mut Reader<'_>) -> Option<(u8, u32)> {
    let first = reader.u8().ok()?;
    let id = match first & 0x3f {
        0 => 64 + u32::from(reader.u8().ok()?),
        1 => 64 + u32::from(reader.u16().ok()?.swap_bytes()),
        short => short.into(),
    };
    Some((first >> 6, id))
}

/// Writes a message in chunks of `size` bytes.
pub fn write(w: &mut Writer, chunk_stream: u8, message: &Message, size: usize) {
    let chunks = message.body.chunks(size.max(1));
    let header = |w: &mut Writer| {
        w.u8(chunk_stream & 0x3f);
        let time = message.timestamp.min(EXTENDED).to_be_bytes();
        let length = u32::try_from(message.body.len()).unwrap_or(0).to_be_bytes();
        w.bytes(time.get(1..).unwrap_or_default());
        w.bytes(length.get(1..).unwrap_or_default());
        w.u8(message.kind);
        w.u32(message.stream.swap_bytes());
        if message.timestamp >= EXTENDED {
            w.u32(message.timestamp);
        }
    };
    header(w);
    for (number, chunk) in chunks.enumerate() {
        if number > 0 {
            w.u8(0xc0 | (chunk_stream & 0x3f));
            if message.timestamp >= EXTENDED {
                w.u32(message.timestamp);
            }
        }
        w.bytes(chunk);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn all(chunks: &mut Chunks, mut bytes: &[u8]) -> Result<Vec<(u8, u32, u32, usize)>> {
        let mut found = Vec::new();
        while let Some((used, message)) = chunks.read(bytes)? {
            bytes = &bytes[used..];
            found.extend(message.map(|message| (message.kind, message.stream, message.timestamp, message.body.len())));
            if bytes.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    #[test]
    fn headers_of_all_types() {
        let zero = [4, 0, 0, 10, 0, 0, 2, 9, 1, 0, 0, 0, b'a', b'b'];
        for (rest, expected, clause) in [
            (&[][..], vec![], "5.3.1.2.1: type 0"),
            (&[0x44, 0, 0, 5, 0, 0, 1, 8, b'x'], vec![(8, 1, 15, 1)], "5.3.1.2.2: type 1"),
            (&[0x84, 0, 0, 5, b'x', b'y'], vec![(9, 1, 15, 2)], "5.3.1.2.3: type 2"),
            (&[0xc4, b'x', b'y'], vec![(9, 1, 20, 2)], "5.3.1.2.4: type 3 behind type 0 adds its timestamp"),
            (&[0x84, 0, 0, 5, b'x', b'y', 0xc4, b'x', b'y'], vec![(9, 1, 15, 2), (9, 1, 20, 2)], "type 3 behind type 2"),
            (&[0x84, 0xff, 0xff, 0xff, 1, 0, 0, 0, b'x', b'y'], vec![(9, 1, 0x0100_000a, 2)], "5.3.1.3: an extended delta"),
            (&[4, 0xff, 0xff, 0xff, 0, 0, 1, 9, 1, 0, 0, 0, 1, 0, 0], vec![], "cut off"),
            (&[0x84, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, b'x', b'y'], vec![(9, 1, 9, 2)], "a timestamp that wraps"),
        ] {
            let mut expected = expected;
            expected.insert(0, (9, 1, 10, 2));
            let bytes = [&zero[..], rest].concat();
            // A header that is cut off is waited for.
            assert_eq!(all(&mut Chunks::default(), &bytes), Ok(expected), "{clause}");
        }
        // 5.3.1.1: longer numbers of chunk streams.
        for start in [&[0, 0][..], &[0, 255], &[1, 0, 0], &[1, 255, 255]] {
            let bytes = [start, &zero[1..]].concat();
            assert_eq!(all(&mut Chunks::default(), &bytes), Ok(vec![(9, 1, 10, 2)]), "{start:?}");
        }
    }

    #[test]
    fn messages_of_several_chunks_interleave() {
        let video = Message { kind: 9, stream: 1, timestamp: 7, body: vec![1; 300].into() };
        let audio = Message { kind: 8, stream: 1, timestamp: 0x0100_0000, body: vec![2; 200].into() };
        let (mut one, mut two) = (Writer::default(), Writer::default());
        write(&mut one, 6, &video, FIRST_SIZE);
        write(&mut two, 4, &audio, FIRST_SIZE);
        let (one, two) = (one.into_bytes(), two.into_bytes());
        let bytes = [&one[..12 + 128], &two[..16 + 128], &one[12 + 128..=12 + 2 * 128], &two[16 + 128..], &one[12 + 2 * 128 + 1..]];
        let mut chunks = Chunks::default();
        assert_eq!(all(&mut chunks, &bytes.concat()), Ok(vec![(8, 1, 0x0100_0000, 200), (9, 1, 7, 300)]));
        assert_eq!(chunks.partial, 0);
        // Encoders that do not repeat the extended timestamp.
        let plain = [&two[..16 + 128], &two[16 + 128..16 + 129], &two[16 + 133..]].concat();
        assert_eq!(all(&mut Chunks::default(), &plain), Ok(vec![(8, 1, 0x0100_0000, 200)]));
        // Given up.
        let mut chunks = Chunks::default();
        assert_eq!(all(&mut chunks, &one[..12 + 128]), Ok(vec![]));
        chunks.abort(6);
        assert_eq!((chunks.partial, all(&mut chunks, &one)), (0, Ok(vec![(9, 1, 7, 300)])));
    }

    #[test]
    fn what_no_encoder_sends() {
        let begin = |id: u8, length: u32| {
            let length = length.to_be_bytes();
            [vec![id, 0, 0, 0], length[1..].to_vec(), vec![9, 1, 0, 0, 0], vec![0; 128]].concat()
        };
        let streams = (2..=63).flat_map(|id| begin(id, 1000)).collect::<Vec<_>>();
        for (bytes, told) in [
            (begin(4, 0xff_ffff), "a message of 16777215 bytes"),
            (vec![0xc4, 1], "begins without a whole header"),
            ([begin(4, 300), begin(4, 300)].concat(), "before the last is whole"),
            (streams, "more than 32 chunk streams"),
        ] {
            let error = all(&mut Chunks::default(), &bytes).unwrap_err();
            assert!(error.message().contains(told), "{error}");
        }
        for size in [0, 1 << 24, u32::MAX] {
            assert!(Chunks::default().set_size(size).is_err(), "{size}");
        }
        let mut chunks = Chunks::default();
        chunks.set_size(MOST_SIZE).unwrap();
        let error = (2..32).find_map(|id| {
            let bytes = [&begin(id, 8 << 20)[..12], &vec![0; (8 << 20) - 1]].concat();
            let _ = chunks.set_size((8 << 20) - 1);
            all(&mut chunks, &bytes).err()
        });
        assert!(error.is_some_and(|error| error.message().contains("not whole")), "all streams together");
    }
}
