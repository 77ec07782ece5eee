//! What players rely on in live playlists and MPDs, rule by rule, over every state of a stream that has it all: it begins, is lost, comes
//! back with another header and its clock at zero, stalls, has key frames at other distances, and ends.
//!
//! Each rule is a case of a table, its clause beside it. Not here: which requests are answered, held and refused (6.2.5; beside
//! `hls::Edge`), and all that is a matter of HTTP (caching, compression, priorities, ranges; beside the origin). Not kept, on purpose:
//! `UTCTiming` with the time itself (the MPD is shared by all viewers, so the time in it would be old); `Resync` and `$SubNumber$`
//! (optional); MPD patches; `EXT-X-DATERANGE`, so no `CAN-SKIP-DATERANGES`. Event messages are passed on (`live::messages`).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use reelway_core::{
    live::{Config, Piece, RenditionId},
    time::Moment,
};
use reelway_tests::{
    live::{Broadcast, at},
    movie::Movie,
    stream::{self, Form},
};

/// A segment of a playlist.
#[derive(Clone, Debug, Default, PartialEq)]
struct Listed {
    number: u32,
    /// Seconds; none while it grows.
    duration: Option<f64>,
    date: Option<String>,
    discontinuity: bool,
    header: Option<String>,
    gap: bool,
    /// Duration and whether it is independent.
    parts: Vec<(f64, bool)>,
    /// Tags in their order.
    order: Vec<&'static str>,
}

/// A playlist as a player reads it.
#[derive(Clone, Debug, Default)]
struct Playlist {
    lines: BTreeMap<&'static str, String>,
    segments: Vec<Listed>,
    hint: Option<(u32, u32)>,
    map_hint: Option<String>,
    reports: Vec<String>,
    skipped: Option<usize>,
    ended: bool,
}

const ONCE: [&str; 8] = [
    "#EXT-X-VERSION:",
    "#EXT-X-TARGETDURATION:",
    "#EXT-X-SERVER-CONTROL:",
    "#EXT-X-PART-INF:",
    "#EXT-X-MEDIA-SEQUENCE:",
    "#EXT-X-DISCONTINUITY-SEQUENCE:",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    "#EXT-X-PLAYLIST-TYPE:",
];

fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let fields = list.split(',').filter_map(|field| field.split_once('='));
    fields.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value.trim_matches('"'))
}

impl Playlist {
    fn read(text: &str) -> Result<Self> {
        let mut playlist = Self::default();
        ensure!(text.starts_with("#EXTM3U\n#EXT-X-VERSION:"), "it begins otherwise:\n{text}");
        let mut open = Listed::default();
        for line in text.lines() {
            if let Some(name) = ONCE.into_iter().find(|name| line.starts_with(name)) {
                let value = line.get(name.len()..).unwrap_or_default().to_owned();
                ensure!(playlist.lines.insert(name, value).is_none(), "{name} twice");
            } else if let Some(rest) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
                open.date = Some(rest.to_owned());
                open.order.push("date");
            } else if line == "#EXT-X-DISCONTINUITY" {
                open.discontinuity = true;
                open.order.push("discontinuity");
            } else if line == "#EXT-X-GAP" {
                open.gap = true;
            } else if let Some(rest) = line.strip_prefix("#EXT-X-MAP:") {
                open.header = attribute(rest, "URI").map(str::to_owned);
                open.order.push("map");
            } else if let Some(rest) = line.strip_prefix("#EXT-X-PART:") {
                let uri = attribute(rest, "URI").context("no URI")?;
                let number = uri.split('.').next().context("no number")?.parse()?;
                ensure!(open.number == 0 || open.number == number, "a part of another segment: {line}");
                open.number = number;
                ensure!(uri == format!("{number}.{}.m4s", open.parts.len()), "{uri}");
                open.parts.push((attribute(rest, "DURATION").context("no duration")?.parse()?, line.contains(",INDEPENDENT=YES")));
                open.order.push("part");
            } else if let Some(rest) = line.strip_prefix("#EXTINF:") {
                open.duration = Some(rest.trim_end_matches(',').parse()?);
            } else if let Some(number) = line.strip_suffix(".m4s").filter(|line| !line.starts_with('#')) {
                open.number = number.parse()?;
                playlist.segments.push(std::mem::take(&mut open));
            } else if let Some(rest) = line.strip_prefix("#EXT-X-PRELOAD-HINT:") {
                let uri = attribute(rest, "URI").context("no URI")?;
                match attribute(rest, "TYPE") {
                    Some("MAP") => playlist.map_hint = Some(uri.to_owned()),
                    _ => {
                        let mut numbers = uri.split('.').map(str::parse::<u32>);
                        playlist.hint = numbers.next().and_then(Result::ok).zip(numbers.next().and_then(Result::ok));
                        ensure!(playlist.hint.is_some(), "{line}");
                    }
                }
            } else if let Some(rest) = line.strip_prefix("#EXT-X-RENDITION-REPORT:") {
                playlist.reports.push(rest.to_owned());
            } else if let Some(rest) = line.strip_prefix("#EXT-X-SKIP:") {
                playlist.skipped = Some(attribute(rest, "SKIPPED-SEGMENTS").context("no number")?.parse()?);
            } else if line == "#EXT-X-ENDLIST" {
                playlist.ended = true;
            } else {
                ensure!(line == "#EXTM3U", "an unknown line: {line}");
            }
        }
        if !open.parts.is_empty() {
            playlist.segments.push(open);
        }
        Ok(playlist)
    }

    fn line(&self, name: &str) -> &str {
        self.lines.get(name).map_or("", String::as_str)
    }

    fn number(&self, line: &str, name: &str) -> Result<f64> {
        attribute(self.line(line), name).with_context(|| format!("no {name}"))?.parse().context("no number")
    }

    fn target(&self) -> Result<f64> {
        self.line("#EXT-X-TARGETDURATION:").parse().context("no number")
    }

    fn length(&self) -> f64 {
        self.segments.iter().map(length).sum()
    }
}

fn length(segment: &Listed) -> f64 {
    segment.duration.unwrap_or_else(|| segment.parts.iter().map(|(duration, _)| duration).sum())
}

/// Everything that could be seen of a stream.
struct History {
    broadcast: Broadcast,
    seen: Vec<(Moment, RenditionId, Playlist)>,
    mpds: Vec<String>,
    /// Full playlists and updates of them, at the same moments.
    updates: Vec<(String, String)>,
    multivariant: String,
}

impl History {
    fn record() -> Result<Self> {
        let mut broadcast = Broadcast::new(Config { window: 40_000, utc_timing: Some("/api/v1/time".into()), ..Config::default() })?;
        broadcast.seen = Some(Vec::new());
        let (mut mpds, mut updates, mut multivariant) = (Vec::new(), Vec::new(), String::new());
        let mut irregular = Movie::simple(20, 7);
        for track in &mut irregular.tracks {
            track.size = (640, 360);
            if track.timescale == 12_800 {
                for (number, sample) in track.samples.iter_mut().enumerate() {
                    sample.sync = [0, 60, 130, 181, 250, 333, 400].contains(&number);
                }
            }
        }
        let mut now = 0;
        for (movie, pause) in [(Movie::simple(60, 5), 5000), (irregular, 400), (Movie::simple(20, 2), 0)] {
            broadcast.push(&stream::header(&movie), at(now))?;
            for (number, piece) in stream::fragments(&movie, &Form::default()).iter().enumerate() {
                now += 200;
                // For eight seconds nothing comes, then all at once; later it stays as late as that.
                let place = i64::try_from(number)?;
                let stalls = pause == 5000 && (100..140).contains(&number);
                let late = pause == 0 && number >= 10;
                broadcast.push(
                    piece,
                    at(now
                        + if stalls {
                            200 * (139 - place)
                        } else if late {
                            8000
                        } else {
                            0
                        }),
                )?;
                if number % 7 == 0 {
                    mpds.extend(broadcast.live.mpd());
                    for id in broadcast.live.renditions().collect::<Vec<_>>() {
                        updates.extend(broadcast.live.media_playlist(id, false).zip(broadcast.live.media_playlist(id, true)));
                    }
                }
            }
            multivariant = broadcast.live.multivariant_playlist().context("no multivariant playlist")?;
            if pause > 0 {
                broadcast.lost(at(now));
                now += pause;
                broadcast.wait(at(now));
            }
        }
        // It stalls until nothing can be hoped for.
        now += 8000 + 9000;
        broadcast.wait(at(now));
        broadcast.end(at(now));
        mpds.extend(broadcast.live.mpd());
        let seen = broadcast.seen.take().unwrap_or_default();
        let seen = seen.into_iter().map(|(at, id, text)| Ok((at, id, Playlist::read(&text)?))).collect::<Result<_>>()?;
        Ok(Self { broadcast, seen, mpds, updates, multivariant })
    }

    fn of(&self, id: RenditionId) -> impl Iterator<Item = &Playlist> {
        self.seen.iter().filter(move |(_, found, _)| *found == id).map(|(_, _, playlist)| playlist)
    }

    fn all(&self) -> impl Iterator<Item = &Playlist> {
        self.seen.iter().map(|(_, _, playlist)| playlist)
    }

    /// The playlists of both renditions at each moment.
    fn pairs(&self) -> impl Iterator<Item = (&Playlist, &Playlist)> {
        self.seen.windows(2).filter_map(|pair| match pair {
            [(_, RenditionId(0), first), (_, RenditionId(1), second)] => Some((first, second)),
            _ => None,
        })
    }

    fn ids(&self) -> Vec<RenditionId> {
        self.broadcast.live.renditions().collect()
    }
}

fn promises_are_constant(history: &History) -> Result<()> {
    for name in ["#EXT-X-VERSION:", "#EXT-X-TARGETDURATION:", "#EXT-X-SERVER-CONTROL:", "#EXT-X-PART-INF:"] {
        let told: BTreeSet<&str> = history.all().map(|playlist| playlist.line(name)).collect();
        ensure!(told.len() == 1, "{name} {told:?}");
    }
    Ok(())
}

fn distances_are_kept(history: &History) -> Result<()> {
    for playlist in history.all() {
        let (target, part) = (playlist.target()?, playlist.number("#EXT-X-PART-INF:", "PART-TARGET")?);
        let control = "#EXT-X-SERVER-CONTROL:";
        ensure!(playlist.number(control, "HOLD-BACK")? >= 3.0 * target);
        ensure!(playlist.number(control, "PART-HOLD-BACK")? >= 3.0 * part - 0.000_000_1);
        ensure!(playlist.number(control, "CAN-SKIP-UNTIL")? >= 6.0 * target);
        ensure!(attribute(playlist.line(control), "CAN-BLOCK-RELOAD") == Some("YES"));
    }
    Ok(())
}

fn segments_are_no_longer_than_promised(history: &History) -> Result<()> {
    for playlist in history.all() {
        for segment in &playlist.segments {
            ensure!(segment.duration.unwrap_or(0.0).round() <= playlist.target()?, "{segment:?}");
        }
    }
    Ok(())
}

fn parts_are_as_long_as_promised(history: &History) -> Result<()> {
    for playlist in history.all() {
        let target = playlist.number("#EXT-X-PART-INF:", "PART-TARGET")?;
        for segment in &playlist.segments {
            for (index, (duration, independent)) in segment.parts.iter().enumerate() {
                ensure!(*duration <= target, "{segment:?}");
                let last = index + 1 == segment.parts.len();
                ensure!(*duration >= 0.85 * target || *independent || last, "{segment:?}");
            }
        }
    }
    Ok(())
}

fn independent_parts_are_told(history: &History) -> Result<()> {
    for id in history.ids() {
        let audio = history.broadcast.live.name(id).is_some_and(|name| name.starts_with('a'));
        for segment in history.of(id).flat_map(|playlist| &playlist.segments) {
            ensure!(segment.parts.first().is_none_or(|(_, independent)| *independent), "{segment:?}");
            ensure!(!audio || segment.parts.iter().all(|(_, independent)| *independent), "{segment:?}");
        }
    }
    Ok(())
}

fn what_changes_stands_before_the_first_part(history: &History) -> Result<()> {
    for segment in history.all().flat_map(|playlist| &playlist.segments) {
        let part = segment.order.iter().position(|tag| *tag == "part").unwrap_or(usize::MAX);
        let late = segment.order.iter().rposition(|tag| *tag != "part").unwrap_or(0);
        ensure!(late < part || part == usize::MAX, "{segment:?}");
    }
    for playlist in history.all() {
        ensure!(playlist.segments.first().is_none_or(|first| first.header.is_some()), "no header for the first segment");
    }
    Ok(())
}

fn parts_are_listed_near_the_end_alone(history: &History) -> Result<()> {
    for playlist in history.all().filter(|playlist| !playlist.ended) {
        let mut after = 0.0;
        for segment in playlist.segments.iter().rev() {
            ensure!(segment.parts.is_empty() || after < 3.0 * playlist.target()?, "{segment:?} {after} s before the end");
            after += length(segment);
        }
    }
    Ok(())
}

fn sequences_go_on(history: &History) -> Result<()> {
    for id in history.ids() {
        let (mut first, mut discontinuities) = (1, BTreeMap::new());
        for playlist in history.of(id) {
            let sequence: u32 = playlist.line("#EXT-X-MEDIA-SEQUENCE:").parse()?;
            ensure!(sequence >= first, "it goes back from {first} to {sequence}");
            first = sequence;
            let mut count: u32 = playlist.line("#EXT-X-DISCONTINUITY-SEQUENCE:").parse()?;
            for (number, segment) in (sequence..).zip(&playlist.segments) {
                ensure!(segment.number == number, "{segment:?} is number {number}");
                count += u32::from(segment.discontinuity);
                ensure!(*discontinuities.entry(number).or_insert(count) == count, "the discontinuities before {number} changed");
            }
        }
    }
    Ok(())
}

/// Dates do not change, and are the same in all renditions to half a sample of sound.
fn every_segment_has_its_date(history: &History) -> Result<()> {
    let mut dates: BTreeMap<(RenditionId, u32), String> = BTreeMap::new();
    for (_, id, playlist) in &history.seen {
        for segment in &playlist.segments {
            let date = segment.date.clone().with_context(|| format!("no date: {segment:?}"))?;
            let first = dates.entry((*id, segment.number)).or_insert(date.clone());
            ensure!(*first == date, "{first} became {date}");
        }
    }
    for output in history.broadcast.output.values() {
        for segment in &output.segments {
            for other in history.broadcast.output.values().flat_map(|output| &output.segments) {
                ensure!(other.number != segment.number || other.clock.since(segment.clock).abs() <= 22_000, "{segment:?} {other:?}");
            }
        }
    }
    Ok(())
}

fn windows_do_not_shrink(history: &History) -> Result<()> {
    for id in history.ids() {
        let mut longest = 0.0f64;
        for playlist in history.of(id) {
            ensure!(!playlist.lines.contains_key("#EXT-X-PLAYLIST-TYPE:"));
            let least = longest.min(3.0 * playlist.target()?);
            ensure!(playlist.length() >= least - 0.1, "{} s", playlist.length());
            longest = longest.max(playlist.length());
        }
        ensure!(longest < 60.0, "the window is 40 s: {longest}");
    }
    Ok(())
}

fn versions_are_those_of_what_is_used(history: &History) -> Result<()> {
    ensure!(history.all().all(|playlist| playlist.line("#EXT-X-VERSION:") == "9"));
    ensure!(history.all().flat_map(|playlist| &playlist.segments).all(|segment| segment.number >= 1));
    Ok(())
}

fn something_new_comes_in_time(history: &History) -> Result<()> {
    for id in history.ids() {
        let moments: Vec<&Moment> = history.seen.iter().filter(|(_, found, _)| *found == id).map(|(at, ..)| at).collect();
        for pair in moments.windows(2) {
            let [a, b] = pair else { continue };
            ensure!(b.since(**a) <= 6_000_000, "nothing for {} s", b.since(**a) / 1_000_000);
        }
    }
    Ok(())
}

fn hints_come_true(history: &History) -> Result<()> {
    for id in history.ids() {
        let published = history.broadcast.output.get(&id).context("nothing came out")?;
        let parts: BTreeSet<(u32, u32)> = published.parts.iter().map(|part| (part.segment, part.number)).collect();
        let gaps: BTreeSet<u32> = published.segments.iter().filter(|segment| segment.gap).map(|segment| segment.number).collect();
        let (mut hints, mut missed) = (BTreeSet::new(), 0);
        for playlist in history.of(id).filter(|playlist| !playlist.ended) {
            let hint = playlist.hint.context("no hint")?;
            if hints.insert(hint) && !parts.contains(&hint) && !gaps.contains(&hint.0) {
                missed += 1;
            }
        }
        // At a loss, at the end, and where key frames come earlier than they used to.
        ensure!(hints.len() > 300 && missed < 20, "{missed} of {} hints did not come true", hints.len());
    }
    Ok(())
}

fn headers_that_change_are_hinted(history: &History) -> Result<()> {
    let video = history.broadcast.live.find("v1").context("no v1")?;
    let hinted: BTreeSet<&str> = history.of(video).filter_map(|playlist| playlist.map_hint.as_deref()).collect();
    ensure!(hinted.contains("init-2.mp4") && hinted.contains("init-3.mp4"), "{hinted:?}");
    let used: BTreeSet<String> =
        history.of(video).flat_map(|playlist| &playlist.segments).filter_map(|segment| segment.header.clone()).collect();
    let made: BTreeSet<String> = history.broadcast.rendition("v1")?.headers.keys().map(|number| format!("init-{number}.mp4")).collect();
    ensure!(used == made, "{used:?}");
    Ok(())
}

fn others_are_reported_and_never_ahead(history: &History) -> Result<()> {
    for (first, second) in history.pairs() {
        for (playlist, other, name) in [(first, second, "../a1/media.m3u8"), (second, first, "../v1/media.m3u8")] {
            if playlist.ended {
                continue;
            }
            ensure!(playlist.reports.len() == 1, "{:?}", playlist.reports);
            let report = playlist.reports.first().context("no report")?;
            ensure!(attribute(report, "URI") == Some(name), "{report}");
            let last = other.segments.last().context("nothing is listed")?;
            let told: u32 = attribute(report, "LAST-MSN").context("no number")?.parse()?;
            ensure!(told == last.number, "{report}, but {last:?}");
            let part: Option<usize> = attribute(report, "LAST-PART").and_then(|part| part.parse().ok());
            ensure!(part == last.parts.len().checked_sub(1), "{report}, but {last:?}");
        }
    }
    Ok(())
}

fn renditions_are_in_step(history: &History) -> Result<()> {
    for (first, second) in history.pairs() {
        let last = |playlist: &Playlist| playlist.segments.last().map_or(0, |last| last.number);
        ensure!(last(first).abs_diff(last(second)) <= 2, "{} {}", last(first), last(second));
    }
    Ok(())
}

fn the_end_is_told(history: &History) -> Result<()> {
    for id in history.ids() {
        let last = history.of(id).last().context("nothing was seen")?;
        ensure!(last.ended && last.hint.is_none() && last.reports.is_empty());
        ensure!(last.segments.iter().all(|segment| segment.parts.is_empty() && segment.duration.is_some()));
        ensure!(history.of(id).filter(|playlist| playlist.ended).count() == 1, "it ends once");
    }
    Ok(())
}

fn updates_leave_out_what_is_old(history: &History) -> Result<()> {
    let mut skipped = 0;
    for (full, update) in &history.updates {
        let (full, update) = (Playlist::read(full)?, Playlist::read(update)?);
        let Some(count) = update.skipped else {
            ensure!(full.segments == update.segments);
            continue;
        };
        skipped += 1;
        ensure!(count > 0, "nothing is left out, and that is said");
        let rest = full.segments.get(count..).context("more than there is")?;
        let kept: f64 = rest.iter().map(length).sum();
        ensure!(kept >= 6.0 * full.target()? - 0.001, "{kept} s are kept");
        ensure!(update.segments.first().is_some_and(|first| first.header.is_some()), "the header is not told again");
        let plain = |segments: &[Listed]| -> Vec<Listed> {
            let without = |segment: &Listed| Listed { header: None, order: Vec::new(), ..segment.clone() };
            segments.iter().map(without).collect()
        };
        ensure!(plain(rest) == plain(&update.segments));
    }
    ensure!(skipped > 50, "{skipped} updates");
    Ok(())
}

/// A segment is there for its own duration and that of the playlist that listed it, after it was listed last.
fn what_was_listed_is_kept(history: &History) -> Result<()> {
    for (id, output) in &history.broadcast.output {
        let total: u64 = output.segments.iter().map(|segment| segment.duration).sum();
        let scale = u64::from(history.broadcast.live.window(*id).context("no window")?.timescale.get());
        for number in &output.removed {
            let after: u64 = output.segments.iter().filter(|segment| segment.number > *number).map(|segment| segment.duration).sum();
            ensure!(after >= 80 * scale, "{number} is removed {} s before the end of {} s", after / scale, total / scale);
        }
        ensure!(!output.removed.is_empty());
        ensure!(history.broadcast.live.piece(*id, 1, None) == Piece::Gone);
    }
    Ok(())
}

fn the_multivariant_playlist_tells_all(history: &History) -> Result<()> {
    for expected in [
        "BANDWIDTH=",
        "AVERAGE-BANDWIDTH=",
        "CODECS=\"avc1.4D400D,mp4a.40.2\"",
        "RESOLUTION=",
        "FRAME-RATE=25.000",
        "CLOSED-CAPTIONS=NONE",
        "AUDIO=\"audio1\"",
        "\nv1/media.m3u8\n",
        "URI=\"a1/media.m3u8\"",
    ] {
        ensure!(history.multivariant.contains(expected), "{expected} is not in\n{}", history.multivariant);
    }
    Ok(())
}

fn mpds_tell_of_a_live_stream(history: &History) -> Result<()> {
    let (last, live) = history.mpds.split_last().context("no MPD")?;
    for mpd in live {
        for expected in [
            " type=\"dynamic\"",
            " availabilityStartTime=\"2026-11-28T09:59:49.",
            " publishTime=\"",
            " minimumUpdatePeriod=\"PT",
            " timeShiftBufferDepth=\"PT40.000S\"",
            " suggestedPresentationDelay=\"PT1.000S\"",
            " minBufferTime=\"PT",
            "<Latency target=\"1000\" min=\"750\" max=\"2000\" referenceId=\"0\"/>",
            "<PlaybackRate min=\"0.96\" max=\"1.04\"/>",
            "<ProducerReferenceTime id=\"0\" inband=\"true\" type=\"encoder\"",
            "><UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"/api/v1/time\"/></ProducerReferenceTime>",
            "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"/api/v1/time\"/>",
        ] {
            ensure!(mpd.contains(expected), "{expected} is not in\n{mpd}");
        }
        // As long as nothing else is expected the longest that has come, at first two seconds and a frame of sound; else what is promised.
        let longest = number(mpd, "maxSegmentDuration").context("no maxSegmentDuration")?;
        let most = if Some(mpd) == live.first() { 2022 } else { 4499 };
        let expected = if mpd.contains("<SegmentTimeline>") { 4500..=4500 } else { 2000..=most };
        ensure!(expected.contains(&longest), "{longest} in\n{mpd}");
    }
    for gone in ["dynamic", "availability", "minimumUpdatePeriod", "timeShiftBufferDepth", "UTCTiming", "Latency"] {
        ensure!(!last.contains(gone), "{gone} is in\n{last}");
    }
    ensure!(last.contains("mediaPresentationDuration=\"PT"));
    Ok(())
}

/// By number and from the first chunk on, which lasts up to ten frames of sound (213.3 ms), as long as segments are exactly as long as each other; else only what is there.
fn segments_are_told_as_they_are(history: &History) -> Result<()> {
    let by_number = "duration=\"25600\" startNumber=\"1\" availabilityTimeOffset=\"1.786\" availabilityTimeComplete=\"false\"";
    ensure!(history.mpds.first().is_some_and(|mpd| mpd.matches(by_number).count() == 2));
    for mpd in &history.mpds {
        for period in mpd.split("<Period ").skip(1) {
            let offsets = period.matches("availabilityTimeOffset").count();
            let templates = period.matches("<SegmentTemplate ").count();
            ensure!(offsets == 0 || offsets == templates, "{period}");
            ensure!((offsets == 0) == period.contains("<SegmentTimeline>"), "{period}");
        }
    }
    let listed = history.mpds.iter().filter(|mpd| mpd.contains("<SegmentTimeline>") && mpd.contains("dynamic")).count();
    ensure!(listed > 3, "{listed}");
    Ok(())
}

/// What a period is does not change while it lasts: identifiers, start, sets, templates.
fn periods_stay_as_they_are(history: &History) -> Result<()> {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for mpd in history.mpds.iter().filter(|mpd| mpd.contains("dynamic")) {
        for period in mpd.split("<Period ").skip(1) {
            let id = period.split('"').nth(1).context("no id")?.to_owned();
            let mut told = String::new();
            for part in period.split('<') {
                if part.starts_with("id=") || part.starts_with("AdaptationSet id") || part.starts_with("ProducerReferenceTime") {
                    told.push_str(part.trim().trim_end_matches('>'));
                }
                if part.starts_with("SegmentTemplate ") && part.contains("duration=") {
                    told.push_str(part.trim());
                }
            }
            let first = known.entry(id.clone()).or_insert(told.clone());
            ensure!(*first == told, "period {id} was\n{first}\nand is\n{told}");
        }
    }
    ensure!(known.len() >= 4, "{} periods", known.len());
    Ok(())
}

/// An attribute as a number; a duration in milliseconds.
fn number(element: &str, name: &str) -> Option<u64> {
    let value = element.split_once(&format!(" {name}=\""))?.1.split('"').next()?;
    match value.strip_prefix("PT") {
        Some(seconds) => seconds.trim_end_matches('S').replace('.', "").parse().ok(),
        None => value.parse().ok(),
    }
}

/// A period that is over ends where the next begins, and its numbers tell of segments that are there, and of gaps, which are answered
/// without media. A player that goes from period to period by their ends finds each.
fn numbers_of_periods_that_are_over_are_answered(history: &History) -> Result<()> {
    let id = history.broadcast.live.find("v1").context("no v1")?;
    let output = history.broadcast.output.get(&id).context("nothing came out")?;
    let numbered: BTreeMap<u64, bool> = output.segments.iter().map(|segment| (segment.number.into(), segment.gap)).collect();
    let (mut over, mut gaps) = (BTreeSet::new(), 0);
    for mpd in history.mpds.iter().filter(|mpd| mpd.contains("dynamic")) {
        let periods: Vec<&str> = mpd.split("<Period ").skip(1).collect();
        for pair in periods.windows(2) {
            let [period, next] = pair else { continue };
            let by_number = |part: &&str| part.starts_with("SegmentTemplate ") && part.contains(" duration=\"");
            let Some(template) = period.split('<').find(by_number) else { continue };
            let head = format!(" {}", period.split('>').next().unwrap_or_default());
            ensure!(number(&head, "duration").is_none(), "{head} ends by itself in\n{mpd}");
            let start = number(&head, "start").context("no start")?;
            let end = number(&format!(" {next}"), "start").context("no start")?;
            let (first, length) =
                (number(template, "startNumber").context("no number")?, number(template, "duration").context("no length")?);
            let (ticks, length) = ((end - start) * 12_800, 1000 * length);
            for told in first..first + ticks.div_ceil(length) {
                let gap = *numbered.get(&told).with_context(|| format!("{told} is told in\n{mpd}"))?;
                gaps += usize::from(gap);
            }
            if let Some(other) = next.split('<').find(by_number).and_then(|template| number(template, "startNumber")) {
                // Less than a segment may be left before the next period: it is told by the number of what comes then.
                ensure!(first + ticks / length <= other, "those from {first} on reach into the next period in\n{mpd}");
            }
            over.insert(start);
        }
    }
    ensure!(!over.is_empty() && gaps > 0, "{} periods ended, with {gaps} gaps", over.len());
    Ok(())
}

type Rule = fn(&History) -> Result<()>;

#[test]
fn rules_are_kept() -> Result<()> {
    let history = History::record()?;
    let rules: &[(&str, &str, Rule)] = &[
        ("RFC 8216bis 4.4.3.1, 4.4.3.7, 4.4.3.8, 6.2.1", "promises never change and are those of all renditions", promises_are_constant),
        (
            "RFC 8216bis 4.4.3.8; HLS Authoring Specification",
            "distances from the end are at least three times what they have to be",
            distances_are_kept,
        ),
        ("RFC 8216bis 4.4.3.1", "no segment is longer than the target duration", segments_are_no_longer_than_promised),
        ("RFC 8216bis 4.4.4.9", "no part is longer than its target, few are shorter than 85 % of it", parts_are_as_long_as_promised),
        ("RFC 8216bis 4.4.4.9", "INDEPENDENT stands where decoding can begin", independent_parts_are_told),
        ("RFC 8216bis 4.4.4, 6.2.2", "what holds for a segment stands before its first part", what_changes_stands_before_the_first_part),
        ("RFC 8216bis 4.4.4.9, 6.2.2", "parts are listed for three target durations", parts_are_listed_near_the_end_alone),
        ("RFC 8216bis 4.4.3.2, 4.4.3.3, 6.2.2", "sequence numbers go on", sequences_go_on),
        (
            "RFC 8216bis 4.4.4.6, B.1",
            "every segment has a date, which does not change and is that of the other renditions",
            every_segment_has_its_date,
        ),
        ("RFC 8216bis 4.4.3.5, 6.2.2", "the window has no type and does not shrink", windows_do_not_shrink),
        (
            "RFC 8216bis 4.4.1.2, 7",
            "the version is that of what is used; the first segment is number 1",
            versions_are_those_of_what_is_used,
        ),
        ("RFC 8216bis 6.2.1, 6.2.2", "something new comes within one and a half target durations", something_new_comes_in_time),
        ("RFC 8216bis 4.4.5.3", "what is hinted comes", hints_come_true),
        ("RFC 8216bis 4.4.5.3", "a header that changes is hinted", headers_that_change_are_hinted),
        ("RFC 8216bis 4.4.5.4", "every other rendition is reported, none ahead of itself", others_are_reported_and_never_ahead),
        ("RFC 8216bis 6.2.4", "renditions are in step", renditions_are_in_step),
        ("RFC 8216bis 4.4.3.4", "the end is told, without parts and hints", the_end_is_told),
        ("RFC 8216bis 4.4.5.2, 6.2.5.1", "updates leave out what is older than the skip boundary", updates_leave_out_what_is_old),
        ("RFC 8216bis 6.2.2", "what was listed is kept", what_was_listed_is_kept),
        ("RFC 8216bis 4.4.6.2", "the multivariant playlist tells all", the_multivariant_playlist_tells_all),
        (
            "ISO/IEC 23009-1 5.3.1.2, K.3, 5.12; DASH-IF low latency",
            "an MPD tells of a live stream, and of one that is over",
            mpds_tell_of_a_live_stream,
        ),
        ("ISO/IEC 23009-1 5.3.9.5.3; DASH-IF low latency", "segments are told as they are", segments_are_told_as_they_are),
        ("ISO/IEC 23009-1 5.4", "a period stays as it is", periods_stay_as_they_are),
        (
            "ISO/IEC 23009-1 5.3.2.1, 5.3.9.5.3",
            "a period ends where the next begins, and its numbers are answered",
            numbers_of_periods_that_are_over_are_answered,
        ),
    ];
    let mut broken = Vec::new();
    for (clause, sentence, rule) in rules {
        if let Err(error) = rule(&history) {
            broken.push(format!("{clause}: {sentence}: {error:#}"));
        }
    }
    ensure!(broken.is_empty(), "{}", broken.join("\n\n"));
    Ok(())
}
