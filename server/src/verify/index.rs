//! The segment index of a Representation that is one file (`sidx`, ISO/IEC 14496-12 8.16.3), against the bytes of the file.

use reelway_core::{boxes::children, coding::Reader};

use super::{Check, Part, representation::Span};

/// The largest index that is read, in bytes: one of the most references that there can be.
const MAX_INDEX: u64 = 1 << 20;
const CLAUSE: &str = "ISO/IEC 14496-12 8.16.3";

/// What an index tells.
struct Index {
    scale: u32,
    /// When the first segment begins, and how many bytes behind the index.
    first: (u64, u64),
    /// Bytes, ticks, and whether it begins with a stream access point.
    references: Vec<(u64, u64, bool)>,
}

impl Check<'_> {
    /// The segments that the index at `part` names, each with its place and its time.
    pub fn index(&mut self, part: &Part) -> Option<(Vec<Option<Part>>, Vec<Span>)> {
        let path = &part.path;
        let bytes = match self.read(path, part.range.as_ref(), MAX_INDEX) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.error(path, format!("the index cannot be read: {error}"), CLAUSE);
                return None;
            }
        };
        let start = part.range.as_ref().map_or(0, |range| range.start);
        let index = match read(&bytes, start) {
            Ok(index) => index,
            Err(what) => {
                self.error(path, what, CLAUSE);
                return None;
            }
        };
        let (mut places, mut spans) = (Vec::new(), Vec::new());
        let (mut time, offset) = index.first;
        let mut position = (start + bytes.len() as u64).saturating_add(offset);
        for (bytes, duration, _) in &index.references {
            let end = position.saturating_add(*bytes);
            let inside = self.range_inside(path, path, position, *bytes, CLAUSE);
            places.push(inside.then(|| Part { path: path.clone(), range: Some(position..end) }));
            spans.push(Span { time, duration: *duration, scale: index.scale });
            (position, time) = (end, time.saturating_add(*duration));
        }
        if self.publication.size(path).is_ok_and(|size| size > position) {
            self.error(path, format!("the index ends at byte {position}, the file does not"), CLAUSE);
        }
        Some((places, spans))
    }
}

/// Reads an index that is all of `bytes`, which stand at byte `position` of their file.
fn read(bytes: &[u8], position: u64) -> Result<Index, String> {
    let boxes: Vec<_> = children(Reader::new(bytes, position)).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let [(name, content)] = boxes.as_slice() else { return Err(format!("the index holds {} boxes, one is expected", boxes.len())) };
    if &name.0 != b"sidx" {
        return Err(format!("box '{name}' stands where the index must be"));
    }
    fields(*content).map_err(|error| error.to_string())?
}

fn fields(mut content: Reader<'_>) -> reelway_core::Result<Result<Index, String>> {
    let (version, _) = content.full_box()?;
    content.skip(4)?; // reference_ID
    let scale = content.u32()?;
    let first = if version == 0 { (content.u32()?.into(), content.u32()?.into()) } else { (content.u64()?, content.u64()?) };
    content.skip(2)?;
    let count = content.u16()?;
    let mut references = Vec::new();
    for _ in 0..count {
        let (size, duration, access) = (content.u32()?, content.u32()?, content.u32()?);
        if size >> 31 == 1 {
            return Ok(Err("the index refers to another index, which players pass over".into()));
        }
        references.push((size.into(), duration.into(), access >> 31 == 1));
    }
    Ok(if scale == 0 { Err("the timescale of the index is zero".into()) } else { Ok(Index { scale, first, references }) })
}
