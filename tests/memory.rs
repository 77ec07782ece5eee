//! A hostile file takes no more memory than four times its bytes and 1 MB, whatever it says of itself and whatever is then made of it; and
//! however large it is no more than `demux::MAX_INDEX` says. However much the catalogue has, no more of it is in memory than
//! `catalogue::CACHE` says.

use std::{
    fs,
    sync::{Mutex, PoisonError},
};

use anyhow::{Result, ensure};
use peak_alloc::PeakAlloc;
use redb::TableDefinition;
use reelway::catalogue::{CACHE, Catalogue};
use reelway_core::{
    Demuxer, Movie as Index, Options, Vod,
    boxes::event::MAX_EVENT,
    demux::{MAX_INDEX, side_file},
    presentation::{Addressing, Layout},
};
use reelway_tests::{
    files,
    fuzzing::{mutator::Mutator, seeds},
    movie::Movie,
    surgery::{boxed, change, fields, set},
};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Held by each test: what is counted is of all threads.
static ALONE: Mutex<()> = Mutex::new(());

/// Bytes that a file of `size` bytes may take.
fn bound(size: usize) -> usize {
    4 * size + (1 << 20)
}

/// The most bytes that `work` held at a time, beside what was held before.
fn held<T>(work: impl FnOnce() -> T) -> usize {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let result = work();
    let peak = MEMORY.peak_usage();
    drop(result);
    peak.saturating_sub(before)
}

fn open(file: &[u8]) -> Option<Index> {
    let mut demuxer = Demuxer::new(file.len() as u64);
    demuxer.handle(0, file).ok()?;
    demuxer.finish().ok()
}

/// Everything that can be asked for of a movie, one after the other.
fn ask(movie: Index, options: &Options) {
    let Ok(vod) = Vod::new(vec![movie], options) else { return };
    drop(vod.multivariant_playlist());
    drop(vod.mpd());
    for (rendition, _) in vod.renditions() {
        drop(vod.header(&rendition.name));
        drop(vod.media_playlist(&rendition.name));
        drop(vod.i_frame_playlist(&rendition.name));
        drop(vod.index(&rendition.name));
        for (number, _) in (1..).zip(&rendition.timeline.segments) {
            drop(vod.segment(&rendition.name, number));
            drop(vod.webvtt_segment(&rendition.name, number));
        }
    }
}

/// What a file took beyond its bound: opened alone, and with all that is made of it.
fn excess(file: &[u8]) -> Option<String> {
    let allowed = bound(file.len());
    let mut movie = None;
    let opened = held(|| movie = open(file));
    let mut most = opened;
    if let Some(movie) = movie {
        for options in [
            Options::default(),
            Options { layout: Layout::SingleFile, ..Options::segments_of(1000) },
            Options { addressing: Addressing::Number, ..Options::segments_of(1000) },
        ] {
            let movie = movie.clone();
            most = most.max(movie.memory() + held(|| ask(movie, &options)));
        }
    }
    (most > allowed).then(|| format!("{most} bytes ({opened} to open it) for {}, {allowed} are allowed", file.len()))
}

/// Entries of tables in bombs.
const MANY: u32 = 40_000;

fn many(entry: &[u32]) -> Vec<u8> {
    let mut table = fields(&[MANY]);
    for _ in 0..MANY {
        table.extend(entry.iter().flat_map(|field| field.to_be_bytes()));
    }
    table
}

/// Files that say more than they hold, or say it in as few bytes as can be.
fn bombs() -> Result<Vec<(String, Vec<u8>)>> {
    let plain = Movie::simple(2, 1).write();
    let mut bombs = Vec::new();
    let tables: [(&str, Vec<u8>); 11] = [
        ("stts", many(&[1, 512])),
        ("stts", many(&[u32::MAX, 1])),
        ("ctts", many(&[1, 7])),
        ("stss", many(&[1])),
        ("stsc", many(&[1, 1, 1])),
        ("stsc", many(&[1, u32::MAX, 1])),
        ("stco", many(&[40])),
        ("stsz", [fields(&[0, MANY]), vec![0; 4 * MANY as usize]].concat()),
        ("stsz", fields(&[0, u32::MAX])),
        ("stsz", fields(&[1, u32::MAX])),
        ("stsd", [fields(&[MANY]), boxed("avc1", &[]).repeat(MANY as usize)].concat()),
    ];
    for (name, content) in tables {
        let mut file = plain.clone();
        change(&mut file, &format!("moov/trak/mdia/minf/stbl/{name}"), |table| table.clone_from(&content))?;
        bombs.push((format!("{name} of {} bytes", content.len()), file));
    }
    // As many samples as the other tables allow, without bytes, or of one byte: in a table of 4 bits each, and all the same.
    for (what, sizes, duration) in [
        ("samples in 4 bits", boxed("stz2", &[fields(&[4, 2 * MANY * 10]), vec![0; (MANY * 10) as usize]].concat()), 512),
        ("samples in 4 bits, of 1 byte", boxed("stz2", &[fields(&[4, 2 * MANY * 10]), vec![0x11; (MANY * 10) as usize]].concat()), 512),
        ("samples of 1 byte", boxed("stsz", &fields(&[1, MANY * 10])), 512),
        ("samples of 1 byte that last long", boxed("stsz", &fields(&[1, MANY * 10])), 12_800 * 10),
        ("samples of 0 bytes that last long", boxed("stsz", &fields(&[0, MANY])), 12_800 * 10),
    ] {
        let mut file = plain.clone();
        change(&mut file, "moov/trak/mdia/minf/stbl/stts", |table| *table = fields(&[1, u32::MAX, duration]))?;
        change(&mut file, "moov/trak/mdia/minf/stbl/stsc", |table| *table = fields(&[1, 1, u32::MAX, 1]))?;
        change(&mut file, "moov/trak/mdia/minf/stbl/stco", |table| *table = fields(&[1, 40]))?;
        change(&mut file, "moov/trak/mdia/minf/stbl", |table| {
            for name in [&b"stss"[..], b"ctts", b"stsz"] {
                if let Some(place) = table.windows(4).position(|window| window == name)
                    && let Some(slot) = table.get_mut(place..place + 4)
                {
                    slot.copy_from_slice(b"free");
                }
            }
            table.extend(&sizes);
        })?;
        file.extend(boxed("mdat", &vec![0; (MANY * 10) as usize]));
        bombs.push((what.into(), file));
    }
    for (what, count, content) in [
        ("tracks of nothing", MANY, boxed("trak", &[])),
        ("tracks that are the same", 500, plain_track(&plain)?),
        ("user data", MANY, boxed("udta", &boxed("name", b"x"))),
        ("a movie in a movie", 1, deep("moov", 5000)),
        ("tracks in tracks", 1, deep("trak", 5000)),
    ] {
        let mut file = plain.clone();
        change(&mut file, "moov", |moov| moov.extend(content.repeat(count as usize)))?;
        bombs.push((what.into(), file));
    }
    let mut file = plain.clone();
    change(&mut file, "moov/trak/edts/elst", |table| *table = many(&[1, 0, 0x1_0000]))?;
    bombs.push(("edits".into(), file));
    let mut file = plain.clone();
    change(&mut file, "moov/trak", |track| track.extend(boxed("tref", &boxed("chap", &vec![0; 4 * MANY as usize]))))?;
    bombs.push(("references".into(), file));
    bombs.extend(fragmented(&plain)?);
    Ok(bombs)
}

fn plain_track(plain: &[u8]) -> Result<Vec<u8>> {
    let mut track = Vec::new();
    change(&mut plain.to_vec(), "moov/trak", |content| track = boxed("trak", content))?;
    Ok(track)
}

fn deep(name: &str, depth: usize) -> Vec<u8> {
    (0..depth).fold(Vec::new(), |inner, _| boxed(name, &inner))
}

/// A `trun` with these flags that says that it has so many samples.
fn run(flags: u32, count: u32, content: &[u8]) -> Vec<u8> {
    boxed("trun", &[&flags.to_be_bytes()[..], &count.to_be_bytes(), content].concat())
}

/// A `traf` of track 1 whose samples have this size, with these runs.
fn fragment(size: u32, runs: &[u8]) -> Vec<u8> {
    let header = [0x2_0010u32, 1, size].iter().flat_map(|field| field.to_be_bytes()).collect::<Vec<u8>>();
    boxed("traf", &[boxed("tfhd", &header), runs.to_vec()].concat())
}

fn fragmented(plain: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut header = plain.to_vec();
    change(&mut header, "moov", |moov| moov.extend(boxed("mvex", &boxed("trex", &fields(&[1, 1, 12_800 * 10, 0, 0])))))?;
    for name in ["stts", "ctts", "stss", "stsc", "stco"] {
        change(&mut header, &format!("moov/trak/mdia/minf/stbl/{name}"), |table| *table = fields(&[0]))?;
    }
    set(&mut header, "moov/trak/mdia/minf/stbl/stsz", 8, 0)?;
    let count = MANY as usize;
    let media = boxed("mdat", &vec![0; 10 * count]);
    let named = |what: &str, moof: Vec<u8>| (what.to_owned(), [&header, &boxed("moof", &moof), &media[..]].concat());
    let mut extends = header.clone();
    change(&mut extends, "moov/mvex", |content| content.extend(boxed("trex", &fields(&[1, 1, 1, 1, 1])).repeat(count)))?;
    Ok(vec![
        ("defaults of fragments".into(), extends),
        (
            "an index of segments".into(),
            // ISO/IEC 14496-12 8.16.3: each says that it has references to 65535 others.
            [&header, &boxed("sidx", &fields(&[1, 1000, 0, 0, 0xffff])).repeat(count)[..]].concat(),
        ),
        named("runs of nothing", fragment(1, &run(0, 0, &[]).repeat(count))),
        named("runs of one sample", fragment(1, &run(0, 1, &[]).repeat(count))),
        named("a run of samples of no bytes", fragment(0, &run(0, u32::MAX, &[]))),
        named("a run of samples of one byte", fragment(1, &run(0, 10 * MANY, &[]))),
        named("runs of the same samples", fragment(1, &run(1, 9 * MANY, &[0; 4]).repeat(8))),
        named("fragments of nothing", fragment(1, &[]).repeat(count)),
        named("fragments of other tracks", fragment(1, &run(0, 1, &[])).repeat(count / 4)),
        ("many movie fragments".into(), [header.clone(), boxed("moof", &fragment(0, &run(0, 1, &[]))).repeat(count / 4)].concat()),
    ])
}

/// Files of text that hold as many cues, blocks and lines as their bytes allow.
fn texts() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let many = MANY as usize;
    let vtt = |content: String| ["WEBVTT\n\n", &content].concat().into_bytes();
    let srt = |content: &[u8]| [b"1\n00:00:00,000 --> 00:00:01,000\n", content].concat();
    let times = "00:00.000 --> 00:00.001\n";
    let falling = (0..many)
        .rev()
        .map(|n| format!("{:02}:{:02}.{:03}-->59:59.999\nx\n", n / 60_000 % 60, n / 1000 % 60, n % 1000))
        .collect::<Vec<_>>()
        .concat();
    let utf16 = |text: &str| [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    vec![
        ("cues", "a.vtt", vtt(format!("{times}x\n\n").repeat(many))),
        ("cues without space", "a.vtt", vtt("00:00.000-->00:00.001\nx\n".repeat(4 * many))),
        ("cues from the last to the first", "a.vtt", vtt(falling)),
        ("cues of settings", "a.vtt", vtt("00:00.000 --> 00:09.000 a:b\n&\n\n".repeat(many))),
        ("blocks", "a.vtt", vtt(format!("{}{times}x\n", "STYLE\nx\n\n".repeat(many)))),
        ("one block", "a.vtt", vtt(format!("STYLE\n{}\n{times}x\n", "x\n".repeat(20 * many)))),
        ("one cue of lines", "a.vtt", vtt(format!("{times}{}", "x\n".repeat(20 * many)))),
        ("one cue of a letter more", "a.vtt", vtt(format!("{times}{}", "x".repeat(4_000_000)))),
        ("zeros", "a.vtt", vtt(format!("{times}{}", "\0".repeat(many)))),
        ("arrows", "a.vtt", vtt("-->".repeat(many * 10))),
        ("no UTF-8", "a.vtt", [vtt(times.into()), vec![0xff; 10 * many]].concat()),
        ("what is escaped", "a.srt", srt("<".repeat(many * 10).as_bytes())),
        ("a little that is escaped", "a.srt", srt("<xxxxxxxxxxxxx".repeat(many).as_bytes())),
        ("letters of Windows", "a.srt", srt(&[0x80; MANY as usize])),
        ("many letters of Windows", "a.srt", srt(&[0xe9; 20 * MANY as usize])),
        ("empty lines", "a.srt", srt("\r".repeat(many * 10).as_bytes())),
        ("numbers", "a.srt", srt("1\n".repeat(many * 10).as_bytes())),
        ("cues of SubRip", "a.srt", "00:00:00,000 --> 00:00:09,000\nx\n\n".repeat(many).into_bytes()),
        ("short cues of SubRip", "a.srt", "0:0:0,0-->0:0:0,1\nx\n".repeat(4 * many).into_bytes()),
        (
            "cues after each other",
            "a.srt",
            (0..many).map(|n| format!("0:0:{n},0 --> 0:0:{n},9\nabcdefghij\nabcdefghij\n\n")).collect::<Vec<_>>().concat().into_bytes(),
        ),
        ("UTF-16", "a.srt", utf16(&format!("0:0:0,0-->0:0:0,1\n{}", "\u{4e00}".repeat(2 * many)))),
        ("faults", "a.srt", srt(format!("x\n\n{}", "x --> y\n\n".repeat(many)).as_bytes())),
    ]
}

/// Events without end, of a file of which as much has been read as was asked for.
fn endless() -> Result<()> {
    let movie = Movie::simple(2, 1).write();
    let mut header = movie.clone();
    change(&mut header, "moov", |moov| moov.extend(boxed("mvex", &boxed("trex", &fields(&[1, 1, 512, 0, 0])))))?;
    let event = boxed("emsg", &vec![0; usize::try_from(MAX_EVENT - 8)?]);
    let mut demuxer = Demuxer::new(1 << 40);
    demuxer.handle(0, &header)?;
    let opened = held(|| {
        let mut at = demuxer.required().map_or(0, |range| range.start);
        while demuxer.handle(at, &event).is_ok() {
            at += event.len() as u64;
        }
        at
    });
    ensure!(demuxer.required().is_none_or(|range| range.start < 1 << 29), "it goes on at {:?}", demuxer.required());
    ensure!((MAX_INDEX / 2..MAX_INDEX / 4 * 5).contains(&opened), "{opened} bytes");
    Ok(())
}

/// All in one test: memory is counted for the whole program.
#[test]
fn no_file_takes_more_than_its_bytes_allow() -> Result<()> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    endless()?;
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut judge = |what: &str, excess: Option<String>| {
        count += 1;
        wrong.extend(excess.map(|excess| format!("{what}: {excess}")));
    };
    for (what, file) in bombs()? {
        judge(&what, excess(&file));
    }
    for (what, name, text) in texts() {
        let mut movie = None;
        let opened = held(|| movie = side_file::read(name, &text).ok());
        let made = movie.map_or(0, |movie| movie.memory() + held(|| ask(movie, &Options::default())));
        let most = opened.max(made);
        judge(what, (most > bound(text.len())).then(|| format!("{most} bytes ({opened} to open it) for {}", text.len())));
    }
    for path in files::shared_media("bad").unwrap_or_default() {
        judge(&files::name(&path), excess(&fs::read(&path)?));
    }
    let seeds = seeds::movies()?;
    let mut mutator = Mutator::new(3);
    for number in 0..500 {
        judge(&format!("changed file {number}"), excess(&mutator.input(&seeds)));
    }
    println!("{count} files");
    ensure!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[test]
fn the_catalogue_is_on_the_disk() -> Result<()> {
    const ROWS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("test_rows");
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir()?;
    let catalogue = Catalogue::open(folder.path())?;
    let before = MEMORY.current_usage();
    for batch in 0..64 {
        catalogue.write(|tx| {
            let mut rows = tx.open_table(ROWS)?;
            for row in 0..16 {
                rows.insert(batch * 16 + row, vec![0; 32 << 10].as_slice())?;
            }
            Ok(())
        })?;
    }
    let held = MEMORY.current_usage().saturating_sub(before);
    ensure!(held <= CACHE + (1 << 20), "{held} bytes are held of 32 MiB");
    let all = catalogue.read(|tx| {
        let rows = tx.open_table(ROWS)?;
        (0..64 * 16).try_fold(0, |all, row| Ok(all + rows.get(row)?.map_or(0, |bytes| bytes.value().len())))
    })?;
    let held = MEMORY.current_usage().saturating_sub(before);
    ensure!(all == 32 << 20 && held <= CACHE + (1 << 20), "{held} bytes are held of {all} that were read");
    Ok(())
}
