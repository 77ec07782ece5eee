//! Segments of WebVTT (RFC 8216bis 3.1.4).

use reelway_core::text::{self, webvtt};

use super::Check;

const SEGMENT: &str = "RFC 8216bis 3.1.4";

impl Check<'_> {
    /// The segment at `path`: whether it is WebVTT, places itself on the timeline of the other renditions, and has no cue that players pass over.
    pub fn webvtt(&mut self, path: &str) {
        let bytes = match self.read(path, None, text::MAX_BYTES as u64) {
            Ok(bytes) => bytes,
            Err(error) => return self.error(path, format!("the segment cannot be read: {error}"), SEGMENT),
        };
        match webvtt::read(&bytes) {
            Ok((_, None)) => {}
            Ok((_, Some(fault))) => {
                let what = format!("{} cues that players pass over; the first, in line {}: {}", fault.count, fault.first, fault.reason);
                self.error(path, what, "WebVTT 6.1");
            }
            Err(error) => self.error(path, error.to_string(), error.clause().unwrap_or(SEGMENT)),
        }
        let header = String::from_utf8_lossy(&bytes);
        let map = header.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix("X-TIMESTAMP-MAP="));
        match map {
            Some(map) if maps(map) => {}
            Some(map) => self.error(path, format!("X-TIMESTAMP-MAP={map} has no MPEGTS below 2^33 and LOCAL"), SEGMENT),
            None => self.error(path, "it has no X-TIMESTAMP-MAP: nothing places it beside the other renditions", SEGMENT),
        }
    }
}

fn maps(map: &str) -> bool {
    let value = |name: &str| map.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix(':'));
    let mpeg = value("MPEGTS").and_then(|value| value.parse::<u64>().ok());
    mpeg.is_some_and(|value| value < 1 << 33) && value("LOCAL").is_some_and(|time| time.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::maps;

    #[test]
    fn timestamp_maps() {
        for (map, expected) in [
            ("MPEGTS:900000,LOCAL:00:00:00.000", true),
            ("LOCAL:00:00:00.000,MPEGTS:0", true),
            ("MPEGTS:8589934592,LOCAL:00:00:00.000", false),
            ("MPEGTS:0", false),
            ("LOCAL:00:00:00.000", false),
            ("", false),
        ] {
            assert_eq!(maps(map), expected, "{map}");
        }
    }
}
