//! One upload: what it is to become, what of it is there, and the taking of a segment.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::File,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use reelway_core::{Vod, demux::chapters::Chapter, time::Date};
use ring::digest::{SHA256, digest};

use super::{
    error::{Refusal, Result},
    record::{self, Received, Record},
};
use crate::{catalogue::Catalogue, storage::SourceFile};

/// A segment: its rendition and number.
type Id = (String, u32);

/// A file that comes by segments.
#[derive(Debug)]
pub struct Upload {
    /// In URLs.
    pub id: String,
    /// What is kept of it.
    pub record: Record,
    /// Its presentation.
    pub vod: Vod,
    /// The file of full size.
    pub source: Arc<SourceFile>,
    writer: File,
    there: Mutex<There>,
}

#[derive(Debug)]
struct There {
    digests: HashMap<Id, [u8; 32]>,
    /// Those that are being written.
    coming: HashSet<Id>,
    /// How many of each rendition follow each other from the first on.
    arrived: BTreeMap<String, u32>,
    /// When that last changed, as far as this process knows.
    changed: Date,
}

/// What came of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was not there.
    New,
    /// It was, with the same bytes.
    Again,
}

impl Upload {
    /// An upload of which `received` is there, in the file that both handles are of.
    pub fn new(id: String, record: Record, vod: Vod, source: SourceFile, writer: File, received: Vec<Received>) -> Self {
        let mut there = There { digests: received.into_iter().collect(), coming: HashSet::new(), arrived: BTreeMap::new(), changed: now() };
        for rendition in &vod.presentation().renditions {
            if record.whole {
                let all = (1..).zip(&rendition.timeline.segments);
                // Nobody sends a segment of it: there is nothing to compare.
                there.digests.extend(all.map(|(number, _)| ((rendition.name.clone(), number), [0; 32])));
            }
            there.advance(&rendition.name);
        }
        Self { id, record, vod, source: Arc::new(source), writer, there: Mutex::new(there) }
    }

    /// Bytes of a segment, as planned.
    pub fn planned(&self, rendition: &str, number: u32) -> Result<u64> {
        let found = self.vod.presentation().renditions.iter().find(|found| found.name == rendition);
        let segment = found.and_then(|rendition| rendition.timeline.segment(number));
        segment.map(|segment| segment.bytes).ok_or_else(Refusal::not_found)
    }

    /// Takes the header of a rendition. It is not kept: the plan has it.
    pub fn take_header(&self, rendition: &str, bytes: &[u8]) -> Result<Taken> {
        let planned = self.vod.header(rendition).map_err(|_| Refusal::not_found())?;
        if planned != bytes {
            return Err(Refusal::content("the header is not that of the plan: both sides must use one version of reelway"));
        }
        Ok(Taken::Again)
    }

    /// Takes the bytes of a segment, whose SHA-256 comes with them. Once this is `New` it is on the disk.
    pub fn take(&self, catalogue: &Catalogue, rendition: &str, number: u32, (bytes, sum): (&[u8], [u8; 32])) -> Result<Taken> {
        let writes = self.compare(rendition, number, bytes)?;
        let id = (rendition.to_owned(), number);
        {
            let mut there = self.there();
            if let Some(known) = there.digests.get(&id) {
                let other = || Refusal(http::StatusCode::CONFLICT, "the segment is there with other bytes".into());
                return if *known == sum { Ok(Taken::Again) } else { Err(other()) };
            }
            if !there.coming.insert(id.clone()) {
                return Err(Refusal(http::StatusCode::CONFLICT, "the segment is just being received".into()));
            }
        }
        let written = self.write(&writes).and_then(|()| Ok(record::receive(catalogue, &self.id, rendition, number, sum)?));
        let mut there = self.there();
        there.coming.remove(&id);
        written?;
        there.digests.insert(id, sum);
        there.advance(rendition);
        Ok(Taken::New)
    }

    /// Compares a segment with the plan: its size and all its heads, which tell structure, times, sizes and key frames. Returns where its
    /// payload belongs.
    fn compare<'a>(&self, rendition: &str, number: u32, bytes: &'a [u8]) -> Result<Vec<(u64, &'a [u8])>> {
        let planned = self.planned(rendition, number)?;
        if bytes.len() as u64 != planned {
            return Err(Refusal::content(format!("the segment has {} bytes, planned are {planned}", bytes.len())));
        }
        let mut rest = bytes;
        let mut take = |length: u64| {
            let (taken, left) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            rest = left;
            Some(taken)
        };
        let short = || Refusal::content("the segment is shorter than its plan");
        let mut writes = Vec::new();
        for (index, fragment) in self.vod.segment(rendition, number).map_err(|_| Refusal::not_found())?.into_iter().enumerate() {
            if take(fragment.head.len() as u64).ok_or_else(short)? != fragment.head {
                let message =
                    format!("the head of fragment {} is not that of the plan: both sides must use one version of reelway", index + 1);
                return Err(Refusal::content(message));
            }
            for extent in fragment.extents {
                writes.push((extent.start, take(extent.end - extent.start).ok_or_else(short)?));
            }
        }
        Ok(writes)
    }

    fn write(&self, writes: &[(u64, &[u8])]) -> Result<()> {
        for (at, bytes) in writes {
            self.writer.write_all_at(bytes, *at)?;
        }
        Ok(self.writer.sync_data()?)
    }

    /// Whether a segment is there.
    pub fn has(&self, rendition: &str, number: u32) -> bool {
        self.there().digests.contains_key(&(rendition.to_owned(), number))
    }

    /// How many segments of a rendition follow each other from the first on, all of them there.
    pub fn arrived(&self, rendition: &str) -> u32 {
        self.there().arrived.get(rendition).copied().unwrap_or(0)
    }

    /// When that last changed.
    pub fn changed(&self) -> Date {
        self.there().changed
    }

    /// Whether all is there.
    pub fn is_complete(&self) -> bool {
        let there = self.there();
        self.vod
            .presentation()
            .renditions
            .iter()
            .all(|rendition| there.arrived.get(&rendition.name).copied().unwrap_or(0) as usize >= rendition.timeline.segments.len())
    }

    /// Its chapters, as far as what is there of it tells them.
    pub fn chapters(&self) -> Vec<Chapter> {
        self.source.read_chapters().unwrap_or_default()
    }

    /// What is there, as the first and last numbers of stretches without a gap.
    pub fn have(&self) -> BTreeMap<String, Vec<(u32, u32)>> {
        let mut have: BTreeMap<String, Vec<(u32, u32)>> = BTreeMap::new();
        let mut numbers: Vec<Id> = self.there().digests.keys().cloned().collect();
        numbers.sort_unstable();
        for (rendition, number) in numbers {
            let stretches = have.entry(rendition).or_default();
            match stretches.last_mut() {
                Some((_, last)) if last.saturating_add(1) == number => *last = number,
                _ => stretches.push((number, number)),
            }
        }
        have
    }

    fn there(&self) -> MutexGuard<'_, There> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl There {
    fn advance(&mut self, rendition: &str) {
        let arrived = self.arrived.entry(rendition.to_owned()).or_default();
        while self.digests.contains_key(&(rendition.to_owned(), arrived.saturating_add(1))) {
            *arrived += 1;
            self.changed = now();
        }
    }
}

fn now() -> Date {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Date(i64::try_from(since.as_millis()).unwrap_or(0))
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap_or_default()
}
