//! The ladder of a live stream: rungs that ffmpeg makes of its pictures are renditions of the same stream, with the same segments and key
//! frames at the same times; when ffmpeg dies the stream goes on, and so do the rungs.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "live_support.rs"]
mod support;

use std::{collections::BTreeMap, fs, process::Command, time::Duration};

use reelway_tests::ffmpeg::{self, View, decoding_errors, is_there};
use support::{Running, SHORT, Studio, transport::soon};
use tokio::time::sleep;

/// Segments of a media playlist that are whole: their numbers with their lengths; gaps are left out.
fn segments(playlist: &str) -> BTreeMap<u32, String> {
    let (mut all, mut length, mut gap) = (BTreeMap::new(), "", false);
    for line in playlist.lines() {
        gap |= line == "#EXT-X-GAP";
        length = line.strip_prefix("#EXTINF:").unwrap_or(length);
        if let Some(number) = line.strip_suffix(".m4s").and_then(|number| number.parse().ok()) {
            if !gap {
                all.insert(number, length.to_owned());
            }
            gap = false;
        }
    }
    all
}

/// The ffmpeg that makes rungs in this process.
async fn encoder() -> u32 {
    soon(async {
        loop {
            let processes = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
            let ours = |process: &u32| {
                let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
                let parent = format!("PPid:\t{}\n", std::process::id());
                let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
                status.contains(&parent) && line.starts_with(b"ffmpeg\0") && line.windows(6).any(|word| word == b"source")
            };
            if let Some(found) = processes.into_iter().find(ours) {
                return found;
            }
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

fn publish(studio: &Studio, more: &[&str]) -> Running {
    let url = studio.url("/ingest/news");
    let flags = "+frag_keyframe+empty_moov+default_base_moof";
    support::ffmpeg(&[more, &["-movflags", flags, "-frag_duration", "200000", "-f", "mp4", "-method", "PUT", &url]].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn rungs_are_renditions_of_the_stream_and_come_back() {
    if !is_there("ffmpeg") {
        return;
    }
    let config = SHORT.replace("window = \"20s\"", "window = \"10m\"\nladder = \"180p@300k,120p,96p\"");
    let studio = Studio::new(&config);
    let published = publish(&studio, &["-t", "14"]);
    let playlist = |rung: &'static str| format!("/live/news/{rung}/media.m3u8");
    // The stream has 180 lines already: two rungs are made. What there is before them is announced without them.
    let before = studio.until("/live/news/master.m3u8", |answer| answer.text().contains("v1/")).await.text();
    assert!(before.matches("RESOLUTION").count() == 1 || before.contains("v3/"), "{before}");
    let master = studio.until("/live/news/master.m3u8", |answer| answer.text().contains("v3/media.m3u8")).await.text();
    for size in ["320x180", "212x120", "170x96"] {
        assert!(master.contains(&format!("RESOLUTION={size}")), "{master}");
    }
    let streams = studio.get("/api/v1/streams").await.text();
    assert!(streams.contains("\"viewers\":0"), "ffmpeg is no viewer: {streams}");

    studio.until(&playlist("v3"), |answer| segments(&answer.text()).len() >= 2).await;
    let first = encoder().await;
    assert!(Command::new("kill").args(["-KILL", &first.to_string()]).status().unwrap().success());
    // It is seen until its parent has heard of its end.
    soon(async {
        while encoder().await == first {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(published.ended().await);

    let all: Vec<BTreeMap<u32, String>> = [
        segments(&studio.ended(&playlist("v1")).await),
        segments(&studio.ended(&playlist("v2")).await),
        segments(&studio.ended(&playlist("v3")).await),
    ]
    .into();
    let last = *all[0].last_key_value().unwrap().0;
    assert!(all[0].keys().copied().eq(1..=last), "the stream itself has every segment: {:?}", all[0]);
    for rung in &all[1..] {
        // Some at its beginning and some while there was no encoder.
        assert!(rung.len() >= 4 && rung.len() < all[0].len(), "{all:?}");
        assert!(rung.contains_key(&(last - 1)), "it has come back: {all:?}");
    }

    // Segment by segment the same times, each beginning with a key frame.
    let mut exact = 0;
    for number in all[1].keys() {
        let mut times = Vec::new();
        for rung in ["v1", "v2", "v3"] {
            let header = studio.get(&format!("/live/news/{rung}/init-1.mp4")).await.body;
            let segment = studio.get(&format!("/live/news/{rung}/{number}.m4s")).await;
            if !segment.status.is_success() {
                continue;
            }
            let file = studio.write(&format!("{rung}-{number}.mp4"), &[header, segment.body].concat());
            assert_eq!(decoding_errors(&file, 0).unwrap(), "", "segment {number} of {rung}");
            let packets = ffmpeg::packets(&file, View::Raw).unwrap();
            assert!(packets[0].key, "segment {number} of {rung}");
            times.push(packets.iter().map(|packet| packet.pts).collect::<Vec<_>>());
        }
        let whole = times.iter().max_by_key(|times| times.len()).unwrap().clone();
        for times in &times {
            assert_eq!(times[..], whole[..times.len()], "segment {number}");
        }
        exact += usize::from(times.len() == 3 && times.iter().all(|times| times.len() == whole.len()));
    }
    // But for the one in which ffmpeg was killed and the last, which ends while frames are being encoded.
    assert!(exact + 2 >= all[1].len(), "{exact} of {all:?}");
}

/// Rungs of an encrypted stream are made of its pictures as they came, and encrypted as these are.
#[tokio::test(flavor = "multi_thread")]
async fn rungs_of_an_encrypted_stream_are_encrypted() {
    if !is_there("ffmpeg") {
        return;
    }
    let key = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf";
    let encrypted = format!("ladder = \"120p\"\nencrypt = \"cenc\"\ncontent_key = \"000102030405060708090a0b0c0d0e0f:{key}\"\n");
    let studio = Studio::new(&format!("{SHORT}{encrypted}"));
    let published = publish(&studio, &["-t", "7"]);
    studio.until("/live/news/master.m3u8", |answer| answer.text().contains("RESOLUTION=212x120")).await;
    studio.until("/live/news/v2/media.m3u8", |answer| segments(&answer.text()).len() >= 2).await;
    let streams = studio.get("/api/v1/streams").await.text();
    assert!(streams.contains("\"viewers\":0"), "ffmpeg is no viewer: {streams}");
    assert!(published.ended().await);
    for rung in ["v1", "v2"] {
        let playlist = studio.ended(&format!("/live/news/{rung}/media.m3u8")).await;
        assert!(playlist.contains("#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,"), "{playlist}");
        let mut file = studio.get(&format!("/live/news/{rung}/init-1.mp4")).await.body.to_vec();
        for number in segments(&playlist).keys() {
            file.extend(studio.get(&format!("/live/news/{rung}/{number}.m4s")).await.body);
        }
        let file = studio.write(&format!("{rung}.mp4"), &file);
        for (key, is_right) in [(key, true), ("00000000000000000000000000000000", false)] {
            let words = ["-v", "error", "-decryption_key", key, "-i", "-", "-f", "null", "-"];
            let said = Command::new("ffmpeg").args(words).stdin(fs::File::open(&file).unwrap()).output().unwrap().stderr;
            assert_eq!(said.is_empty(), is_right, "{rung}: {}", String::from_utf8_lossy(&said));
        }
    }
}

/// What ffmpeg cannot do costs the stream nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_too_small_for_rungs_plays_without_them() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(&format!("{SHORT}ladder = \"1080p,180p\"\n[stream.other]\nladder = \"none\"\n"));
    assert!(publish(&studio, &["-t", "3"]).ended().await);
    studio.ended("/live/news/v1/media.m3u8").await;
    let master = studio.get("/live/news/master.m3u8").await.text();
    assert_eq!(master.matches("RESOLUTION").count(), 1, "{master}");
}
