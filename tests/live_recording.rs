//! Recordings: nothing that a playlist listed is lost, however the server ends; the disk may fail, the stream goes on.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "live_support.rs"]
mod support;

use std::fs;

use http::StatusCode;
use reelway_tests::ffmpeg::{self, is_there};
use support::{FILM, SHORT, Studio, samples};

/// The one recording of `stream`.
fn folder(studio: &Studio, stream: &str) -> std::path::PathBuf {
    let mut sessions = fs::read_dir(studio.folder.path().join("live").join(stream)).unwrap();
    sessions.next().unwrap().unwrap().path()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_a_file_that_plays() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(&format!("{SHORT}record = true\n"));
    assert_eq!(studio.put("/ingest/show", FILM.1.clone()).await.status, StatusCode::OK);
    studio.ended("/live/show/v1/media.m3u8").await;
    let folder = folder(&studio, "show");
    for (rendition, index) in [("v1", 0), ("a1", 1)] {
        let file = folder.join(format!("{rendition}.mp4"));
        assert_eq!(samples(&file, 0), samples(&FILM.0, index), "{rendition}");
        assert_eq!(ffmpeg::decoding_errors(&file, 0).unwrap(), "");
        assert_eq!(fs::read(&file).unwrap(), studio.download("show", rendition).await, "it is what viewers get");
    }
}
