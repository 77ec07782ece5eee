//! Poster and storyboard: a picture that stands for the film, and small ones along the timeline, many in a file (sprites), with a track of
//! WebVTT that tells where each is.

use std::fmt::Write;

use super::source::Video;

/// The folder of the images, in that of the ladder.
pub const FOLDER: &str = "images";
/// The poster.
pub const POSTER: &str = "poster.jpg";
/// The files of the storyboard, as ffmpeg numbers them from 1.
pub const PATTERN: &str = "storyboard-%d.jpg";
/// What tells where each small picture is.
pub const TRACK: &str = "storyboard.vtt";

/// Small pictures in a line of a file, and lines of it.
const COLUMNS: u64 = 10;
const ROWS: u64 = 10;

/// The longer side of a small picture and of the poster, in pixels.
const SMALL: u32 = 160;
const LARGE: u32 = 1280;

/// As many small pictures as there are at most for a short film; in a long one they are as far apart as the second number of seconds.
const MANY: u64 = 100;
const FURTHEST: u64 = 10;

/// The images of a film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    duration_millis: u64,
    /// Seconds from one small picture to the next.
    interval: u64,
    small: (u32, u32),
    large: (u32, u32),
}

impl Images {
    /// The images of a film with such pictures that plays for so long.
    pub fn new(video: &Video, duration_millis: u64) -> Self {
        let (width, height) = video.shown();
        let fit = |longest: u32| {
            let longest = longest.min(width.max(height));
            let scaled = |side: u32| {
                let side = u64::from(side) * u64::from(longest) / u64::from(width.max(height).max(1));
                u32::try_from(side / 2 * 2).unwrap_or(0).max(2)
            };
            (scaled(width), scaled(height))
        };
        let interval = duration_millis.div_ceil(1000 * MANY).clamp(1, FURTHEST);
        Self { duration_millis, interval, small: fit(SMALL), large: fit(LARGE) }
    }

    /// The filters that make them of pictures: `split=2[..][..];...[poster];...[board]`. `tone_map`: filters for each, with a comma behind.
    pub fn filters(&self, tone_map: &str) -> String {
        let Self { interval, small, large, .. } = self;
        // Not the very beginning, which is often black.
        let start = self.duration_millis / 10_000;
        let mut filters = String::from("split=2[poster_in][board_in];");
        let _ = write!(filters, "[poster_in]trim=start={start}:end={},{tone_map}", start + 3);
        let _ = write!(filters, "scale={}:{},setsar=1,format=yuvj420p,thumbnail=n=100[poster];", large.0, large.1);
        let _ = write!(filters, "[board_in]fps=1/{interval},{tone_map}");
        let _ = write!(filters, "scale={}:{},setsar=1,format=yuvj420p,tile={COLUMNS}x{ROWS}[board]", small.0, small.1);
        filters
    }

    /// How many small pictures there are: the frame in the middle of each interval stands for it.
    fn count(&self) -> u64 {
        ((self.duration_millis + 500 * self.interval) / (1000 * self.interval)).max(1)
    }

    /// How many files the storyboard has.
    pub fn files(&self) -> u64 {
        self.count().div_ceil(COLUMNS * ROWS)
    }

    /// The name of a file of the storyboard, counted from 1.
    pub fn file(number: u64) -> String {
        format!("storyboard-{number}.jpg")
    }

    /// The track: for each small picture a cue, whose text is the file and the place in it (Media Fragments 4.2.2).
    pub fn track(&self) -> String {
        let mut track = String::from("WEBVTT\n");
        let time = |millis: u64| {
            let seconds = millis / 1000;
            format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, millis % 1000)
        };
        let (width, height) = (u64::from(self.small.0), u64::from(self.small.1));
        for number in 0..self.count() {
            let place = number % (COLUMNS * ROWS);
            let (x, y) = (place % COLUMNS * width, place / COLUMNS * height);
            let start = number * self.interval * 1000;
            let end = if number + 1 == self.count() { self.duration_millis.max(start + 1) } else { start + self.interval * 1000 };
            let file = Self::file(number / (COLUMNS * ROWS) + 1);
            let _ = write!(track, "\n{} --> {}\n{file}#xywh={x},{y},{width},{height}\n", time(start), time(end));
        }
        track
    }
}

#[cfg(test)]
mod tests {
    use super::{super::source::tests::video, *};

    #[test]
    fn tracks_tell_where_each_picture_is() {
        let images = Images::new(&video(1920, 1080), 3200);
        let expected = "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nstoryboard-1.jpg#xywh=0,0,160,90\n\n\
                        00:00:01.000 --> 00:00:02.000\nstoryboard-1.jpg#xywh=160,0,160,90\n\n\
                        00:00:02.000 --> 00:00:03.200\nstoryboard-1.jpg#xywh=320,0,160,90\n";
        assert_eq!(images.track(), expected);
        // Two hours.
        let long = Images::new(&video(1080, 1920), 7_200_000);
        let track = long.track();
        assert_eq!((long.files(), track.matches("-->").count()), (8, 720));
        assert!(track.ends_with("\n01:59:50.000 --> 02:00:00.000\nstoryboard-8.jpg#xywh=810,160,90,160\n"), "{track}");
    }

    #[test]
    fn any_length_has_a_picture() {
        for millis in [1, 40, 499, 500, 1499, 100_000, 100_001, 1_000_000, 86_400_000] {
            let images = Images::new(&video(320, 180), millis);
            assert!(images.count() >= 1 && images.count() <= 8640 && images.files() >= 1, "{millis}");
        }
    }
}
