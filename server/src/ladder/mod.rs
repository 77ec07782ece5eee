//! The ladder: one source in, an aligned set of qualities out, by ffmpeg, which is used nowhere else.
//!
//! ```text
//! source -> probe (core | ffprobe) -> rungs -> plan -> command -> process (ffmpeg) -> check (core) -> work: in place, whole
//! camera, test pattern, ... -> capture -> pipe (ffmpeg) -> ingest of a server
//! a caller of SRT -> listening -> pipe (ffmpeg) -> ingest
//! pictures of a live stream -> rendering -> pipe (ffmpeg) -> further renditions of it
//! ```
//!
//! What makes files waits for disks and processes: whoever must not wait gives it a thread.

mod capture;
mod check;
mod codec;
mod command;
mod complexity;
mod error;
mod images;
mod listening;
mod loudness;
mod pipe;
mod plan;
mod probe;
mod process;
mod rendering;
mod rungs;
mod source;
mod tool;
mod work;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use reelway_core::Movie;

pub use capture::LiveSource;
pub use codec::Codec;
pub use error::LadderError;
pub use listening::listen;
pub use pipe::Pipe;
pub use plan::Settings;
pub use process::Cancel;
pub use rendering::render;
pub use rungs::{Wanted, WantedRung};
pub use tool::Tool;

use complexity::Complexity;
use error::at;
use images::Images;
use loudness::Loudness;
use plan::{Plan, Product, ProductKind, Way};
use process::Progress;
use source::{Source, TextContent};
use work::Work;

use crate::storage::is_media;

/// What happens while a ladder is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is clear what is made.
    Planned {
        /// What will be in the folder: each with whether it is there already.
        products: Vec<(String, bool)>,
        /// What is worth knowing: a sentence each.
        notes: Vec<String>,
    },
    /// So much is done.
    Progress {
        /// Of all that is to be done, in tenths of a thousandth.
        done: u32,
        /// How many times faster than it plays, in thousandths.
        speed: u64,
        /// What is left at this speed; `None`: not known yet.
        left: Option<Duration>,
    },
    /// A product is whole and in place.
    Finished {
        /// Which.
        product: String,
    },
    /// ffmpeg complained and went on.
    Complained {
        /// The end of what it said, in one line.
        log: String,
    },
}

/// Caps as they are usual, in hundredths of themselves.
const USUAL: u64 = 100;

/// What to make of what, and where.
#[derive(Clone, Debug)]
pub struct Request {
    /// The source.
    pub input: PathBuf,
    /// The folder of the ladder.
    pub output: PathBuf,
    /// How.
    pub settings: Settings,
}

/// Makes a ladder: all that is not there yet. What is whole when it fails or is cancelled stays; nothing half-made does.
pub fn make(request: &Request, tool: &Tool, cancel: &Cancel, events: &mut dyn FnMut(Event)) -> Result<(), LadderError> {
    // A source that is not there makes no folder.
    fs::metadata(&request.input).map_err(at(&request.input))?;
    let mut work = Work::open(&request.output, &request.input)?;
    let source = probe::probe(&request.input, &work.making(), tool, cancel)?;
    let settings = &request.settings;
    let mut plan = plan::plan(&source, settings, tool, USUAL)?;
    if let Some(rung) = plan.rungs.last().filter(|_| settings.per_title) {
        let Complexity { hundredths, measured } = complexity::measure(&source, rung, &work, tool, cancel)?;
        plan = plan::plan(&source, settings, tool, hundredths)?;
        let how = if measured { "measured by SSIM" } else { "by their rate alone: this ffmpeg measures no SSIM" };
        plan.notes.push(format!("its pictures may take {hundredths} % of what is usual for their size, {how}"));
    }
    measure_loudness(&mut plan, settings, &work, tool, cancel)?;
    plan.list_products(&source, settings);
    work.agree(source.identity, &plan.key_frames())?;
    let (done, missing): (Vec<&Product>, Vec<&Product>) =
        plan.products.iter().partition(|product| work.is_whole(&product.name, &product.settings));
    let is_done = |product: &&Product| done.contains(product);
    let mut notes = plan.notes.clone();
    notes.extend(source.notes.iter().cloned());
    events(Event::Planned { products: plan.products.iter().map(|product| (product.name.clone(), is_done(&product))).collect(), notes });
    check_space(&request.output, plan.most_bytes(&source, missing.iter().copied()))?;
    let ladder =
        Ladder { source: &source, plan: &plan, settings, tool, cancel, images: Images::new(&source.video, source.duration_millis) };
    let runs = runs(missing, settings.one_by_one);
    let count = runs.len();
    for (number, products) in runs.iter().enumerate() {
        ladder.run(products, (number, count), &mut work, events)?;
    }
    Ok(())
}

/// What each run of ffmpeg makes: all at once, or a rung in each, the smallest first, because with it the title plays soonest.
fn runs(missing: Vec<&Product>, one_by_one: bool) -> Vec<Vec<&Product>> {
    if !one_by_one {
        return if missing.is_empty() { Vec::new() } else { vec![missing] };
    }
    let (rungs, others): (Vec<&Product>, Vec<&Product>) =
        missing.into_iter().partition(|product| matches!(product.kind, ProductKind::Rung(_)));
    let mut runs: Vec<Vec<&Product>> = rungs.into_iter().rev().map(|rung| vec![rung]).collect();
    match runs.first_mut() {
        Some(first) => first.extend(others),
        None if others.is_empty() => {}
        None => runs.push(others),
    }
    runs
}

/// What all runs of ffmpeg for a ladder have in common.
struct Ladder<'a> {
    source: &'a Source,
    plan: &'a Plan,
    settings: &'a Settings,
    tool: &'a Tool,
    cancel: &'a Cancel,
    images: Images,
}

impl Ladder<'_> {
    /// Makes these products, as run `number` of so many.
    fn run(
        &self,
        products: &[&Product],
        (number, count): (usize, usize),
        work: &mut Work,
        events: &mut dyn FnMut(Event),
    ) -> Result<(), LadderError> {
        let kinds: Vec<ProductKind> = products.iter().map(|product| product.kind).collect();
        let mut log = String::new();
        if kinds.iter().any(|kind| *kind != ProductKind::Texts) || self.texts_of_ffmpeg() {
            let words = command::arguments(self.source, self.plan, &kinds, &self.images);
            let begun = Instant::now();
            let total = self.source.duration_millis.max(1);
            let mut told = |Progress { done_millis, speed_millis }: Progress| {
                let part = u64::try_from(number).unwrap_or(0) * total + done_millis.min(total);
                let all = u64::try_from(count).unwrap_or(1).max(1) * total;
                let here = done_millis.min(total);
                let left =
                    begun.elapsed().as_millis().checked_mul(u128::from(all - part)).and_then(|left| left.checked_div(u128::from(here)));
                let left = left.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis);
                events(Event::Progress { done: u32::try_from(part * 10_000 / all).unwrap_or(10_000), speed: speed_millis, left });
            };
            log = process::one_line(&self.tool.ffmpeg.with_progress(&words, &work.making(), self.cancel, &mut told)?.log);
        }
        self.write_texts(&kinds, work)?;
        self.check(products, work).map_err(|error| match error {
            LadderError::Wrong(what) if !log.is_empty() => LadderError::Wrong(format!("{what} (ffmpeg: {log})")),
            error => error,
        })?;
        if !log.is_empty() {
            events(Event::Complained { log });
        }
        for product in products {
            work.finish(&product.name, &product.settings, &self.files(product, work))?;
            events(Event::Finished { product: product.name.clone() });
        }
        Ok(())
    }

    fn texts_of_ffmpeg(&self) -> bool {
        self.source.texts.iter().any(|text| matches!(text.content, TextContent::Stream(_)))
    }

    /// Writes what ffmpeg does not: texts that were read already, the track of the storyboard.
    fn write_texts(&self, kinds: &[ProductKind], work: &Work) -> Result<(), LadderError> {
        let write = |name: &str, text: &str| {
            let path = work.making().join(name);
            fs::write(&path, text).map_err(at(&path))
        };
        if kinds.contains(&ProductKind::Images) {
            write(images::TRACK, &self.images.track())?;
        }
        if kinds.contains(&ProductKind::Texts) {
            for (index, text) in self.source.texts.iter().enumerate() {
                if let TextContent::WebVtt(text) = &text.content {
                    write(&command::text_making_name(index), text)?;
                }
            }
        }
        Ok(())
    }

    /// Reads the rungs that were made, and sees to it that they and those that are there go together.
    fn check(&self, products: &[&Product], work: &Work) -> Result<(), LadderError> {
        let mut movies: Vec<Movie> = Vec::new();
        for product in products {
            for (from, _) in self.files(product, work) {
                let path = work.making().join(&from);
                if let ProductKind::Rung(index) = product.kind {
                    movies.push(check::read_rung(&path, &product.name, self.plan.rungs.get(index), self.source.duration_millis)?);
                } else if !path.is_file() {
                    return Err(LadderError::Wrong(format!("{}: {from} was not made", product.name)));
                }
            }
        }
        if movies.is_empty() {
            return Ok(());
        }
        let made: Vec<&str> = products.iter().map(|product| product.name.as_str()).collect();
        for name in work.others(&made).iter().filter(|name| is_media(name)) {
            movies.push(check::read_rung(&work.place(name), name, None, 0)?);
        }
        check::check_alignment(movies, self.settings.segment_millis)
    }

    /// The files of a product: what each is called while it is made, and where it belongs.
    fn files(&self, product: &Product, work: &Work) -> Vec<(String, String)> {
        match product.kind {
            ProductKind::Rung(index) => vec![(command::rung_making_name(index), product.name.clone())],
            ProductKind::Texts => {
                let names = (0..).map(command::text_making_name).zip(plan::text_names(&self.source.texts));
                // A text that shows nothing is none.
                let shows = |from: &str| fs::read_to_string(work.making().join(from)).is_ok_and(|text| text.contains("-->"));
                names.filter(|(from, _)| shows(from)).collect()
            }
            ProductKind::Images => {
                let boards = (1..=self.images.files()).map(Images::file);
                let names = [images::POSTER.to_owned(), images::TRACK.to_owned()].into_iter().chain(boards);
                names.map(|name| (name.clone(), format!("{}/{name}", images::FOLDER))).collect()
            }
        }
    }
}

/// Measures how loud the sounds are that are to be as loud as was asked for.
fn measure_loudness(plan: &mut Plan, settings: &Settings, work: &Work, tool: &Tool, cancel: &Cancel) -> Result<(), LadderError> {
    let Some(target) = settings.loudness else { return Ok(()) };
    for sound in &mut plan.sounds {
        if let Way::Aac { loudness, .. } = &mut sound.way {
            *loudness = Loudness::measure(&sound.sound.stream, target, &work.making(), tool, cancel)?;
        }
    }
    Ok(())
}

/// Sees to it that there is room for so many bytes.
fn check_space(folder: &Path, bytes: u64) -> Result<(), LadderError> {
    const MEGABYTE: u64 = 1_000_000;
    let room = rustix::fs::statvfs(folder).map_err(|error| at(folder)(error.into()))?;
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    if bytes > free {
        return Err(LadderError::Space { folder: folder.into(), needed: bytes / MEGABYTE + 1, free: free / MEGABYTE });
    }
    Ok(())
}
