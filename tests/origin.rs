//! The origin, asked in memory: what it makes on demand is what `package` writes; what changes under its hands is never mixed up; what is
//! not to be served is not there.

use std::{
    fs::{self, File},
    io,
    os::unix::{fs::symlink, net::UnixListener},
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use reelway::{
    http::{Body, Handler},
    live::{Clock, Streams},
    origin::{Origin, ServerInfo},
    package::{Manifests, package},
    storage::SourceFile,
};
use reelway_core::{Options, Vod, time::Moment};
use reelway_tests::movie::{Movie, Sample};

/// A media folder and an origin that serves it.
struct Site {
    folder: tempfile::TempDir,
    origin: Origin,
}

/// An answer whose body is not read yet.
struct Answer {
    status: StatusCode,
    fields: HeaderMap,
    body: Body,
}

impl Site {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("media"))?;
        let origin = Origin::new(Some(&folder.path().join("media")), ServerInfo::new(vec!["h3"], None))?;
        Ok(Self { folder, origin })
    }

    /// A site with one film.
    fn with(name: &str, movie: &Movie) -> Result<Self> {
        let site = Self::new()?;
        site.put(name, &movie.write())?;
        Ok(site)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("media").join(name)
    }

    /// Writes a file that was last changed long ago: any change that a test makes then changes its time too, whatever the clock's grain.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().context("no folder")?)?;
        fs::write(&path, bytes)?;
        File::options().write(true).open(&path)?.set_modified(SystemTime::now() - Duration::from_hours(24))?;
        Ok(())
    }

    async fn ask(&self, method: Method, path: &str, fields: &[(header::HeaderName, &str)]) -> Result<Answer> {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(name, *value);
        }
        let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
        let (parts, body) = self.origin.handle(request.body(body)?).await.into_parts();
        Ok(Answer { status: parts.status, fields: parts.headers, body })
    }

    /// The body of what is there.
    async fn get(&self, path: &str) -> Result<Vec<u8>> {
        let answer = self.ask(Method::GET, path, &[]).await?;
        ensure!(answer.status == StatusCode::OK, "{path}: {}", answer.status);
        let length = answer.field(&header::CONTENT_LENGTH)?.parse::<usize>()?;
        let bytes = answer.bytes().await?;
        ensure!(bytes.len() == length, "{path}: {} bytes, said to be {length}", bytes.len());
        Ok(bytes)
    }
}

impl Answer {
    fn field(&self, name: &header::HeaderName) -> Result<String> {
        let value = self.fields.get(name).with_context(|| format!("no {name}"))?;
        Ok(value.to_str()?.to_owned())
    }

    /// The next piece of the body.
    async fn piece(&mut self) -> Option<io::Result<Bytes>> {
        let frame = self.body.frame().await?;
        Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
    }

    async fn bytes(self) -> io::Result<Vec<u8>> {
        Ok(self.body.collect().await?.to_bytes().to_vec())
    }
}

/// What `package` writes of the films at `paths`: name and content of every file.
fn packaged(paths: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>> {
    let folder = tempfile::tempdir()?;
    let sources: Vec<SourceFile> = paths.iter().map(|path| SourceFile::new(File::open(path)?)).collect::<io::Result<_>>()?;
    let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let movies = sources.iter().zip(paths).map(|(source, path)| Ok(source.read_input(&name(path))??)).collect::<Result<_>>()?;
    let mut vod = Vod::new(movies, &Options::default())?.with_trick_modes()?;
    package(&sources, &mut vod, folder.path(), Manifests { hls: true, dash: true }, |_| {})?;
    let mut files = Vec::new();
    for entry in fs::read_dir(folder.path())? {
        let path = entry?.path();
        let paths = if path.is_dir() { fs::read_dir(&path)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()? } else { vec![path] };
        for path in paths {
            let name = path.strip_prefix(folder.path())?.display().to_string();
            files.push((name, fs::read(path)?));
        }
    }
    Ok(files)
}

/// A film of some megabytes, which no window holds whole, with one sample that is larger than a window.
fn large(seed: u64) -> Movie {
    let mut movie = Movie::simple(30, seed);
    for sample in movie.tracks.iter_mut().flat_map(|track| &mut track.samples) {
        *sample = Sample { size: sample.size * 3, ..*sample };
    }
    if let Some(sample) = movie.tracks.first_mut().and_then(|track| track.samples.get_mut(7)) {
        sample.size = 900_000;
    }
    movie
}

#[tokio::test]
async fn what_is_made_on_demand_is_what_is_packaged() -> Result<()> {
    let late_moov = Movie { moov_first: false, ..Movie::simple(9, 3) };
    for (name, movie) in [("a.mp4", Movie::simple(9, 1)), ("films/ä b.mov", large(2)), ("c.m4v", late_moov)] {
        let site = Site::with(name, &movie)?;
        let url = name.replace('ä', "%C3%A4").replace(' ', "%20");
        let files = packaged(&[site.path(name)])?;
        ensure!(files.len() > 10, "too few segments to tell");
        for (file, expected) in &files {
            let answer = site.ask(Method::GET, &format!("/vod/{url}/{file}"), &[]).await?;
            let kind = match file.rsplit_once('.') {
                Some((_, "m3u8")) => "application/vnd.apple.mpegurl",
                Some((_, "mpd")) => "application/dash+xml",
                _ if file.starts_with(['v', 'k']) => "video/mp4",
                _ => "audio/mp4",
            };
            ensure!(answer.field(&header::CONTENT_TYPE)? == kind, "{file}: {:?}", answer.fields);
            ensure!(site.get(&format!("/vod/{url}/{file}")).await? == *expected, "{file}: other bytes");
        }
        ensure!(site.get(&format!("/media/{url}")).await? == movie.write(), "{name}: other bytes");
        for missing in [
            "v1/0.m4s",
            "v1/99.m4s",
            "v2/1.m4s",
            "v1/01.m4s",
            "a9/init.mp4",
            "t1/media.m3u8",
            "a1/iframes.m3u8",
            "v2/iframes.m3u8",
            "v1/media.mpd",
            "v1",
        ] {
            let answer = site.ask(Method::GET, &format!("/vod/{url}/{missing}"), &[]).await?;
            ensure!(answer.status == StatusCode::NOT_FOUND, "{missing}: {}", answer.status);
        }
    }
    Ok(())
}

/// The clock of the system may be set while streams are on: manifests go on by theirs, and so does what players compare with.
#[tokio::test]
async fn players_are_told_the_time_by_which_streams_are_published() -> Result<()> {
    let streams = Streams::default().with_clock(Clock::beginning(Moment(1_000_000_000_000)));
    let origin = Origin::with_live(None, ServerInfo::new(vec!["h3"], None), Arc::new(streams))?;
    let site = Site { folder: tempfile::tempdir()?, origin };
    let told = String::from_utf8(site.get("/api/v1/time").await?)?;
    ensure!(told.starts_with("1970-01-12T13:4"), "{told}");
    Ok(())
}

#[tokio::test]
async fn ranges_are_slices() -> Result<()> {
    let site = Site::with("a.mp4", &large(1))?;
    for path in ["/vod/a.mp4/v1/1.m4s", "/vod/a.mp4/a1/2.m4s", "/vod/a.mp4/v1/init.mp4", "/vod/a.mp4/manifest.mpd", "/media/a.mp4"] {
        let whole = site.get(path).await?;
        let length = whole.len();
        let window = 256 << 10;
        let parts = [(0, 1), (0, length), (1, 2), (length - 1, length), (length / 3, length / 2), (90, 3000), (window - 1, window + 1)];
        for (start, end) in parts.into_iter().map(|(start, end)| (start, end.min(length))).filter(|(start, end)| start < end) {
            let range = format!("bytes={start}-{}", end - 1);
            let answer = site.ask(Method::GET, path, &[(header::RANGE, &range)]).await?;
            ensure!(answer.status == StatusCode::PARTIAL_CONTENT, "{path} {range}: {}", answer.status);
            ensure!(answer.field(&header::CONTENT_RANGE)? == format!("bytes {start}-{}/{length}", end - 1), "{path} {range}");
            ensure!(Some(answer.bytes().await?.as_slice()) == whole.get(start..end), "{path} {range}: other bytes");
        }
        let answer = site.ask(Method::GET, path, &[(header::RANGE, "bytes=-10")]).await?;
        ensure!(Some(answer.bytes().await?.as_slice()) == whole.get(length - 10..), "{path}: the last ten bytes");
        let answer = site.ask(Method::GET, path, &[(header::RANGE, &format!("bytes={length}-"))]).await?;
        ensure!(answer.status == StatusCode::RANGE_NOT_SATISFIABLE, "{path}: {}", answer.status);
        ensure!(answer.field(&header::CONTENT_RANGE)? == format!("bytes */{length}"), "{path}: {:?}", answer.fields);
    }
    Ok(())
}

#[tokio::test]
async fn validators_hold_while_nothing_changes() -> Result<()> {
    let site = Site::with("a.mp4", &Movie::simple(9, 1))?;
    let mut tags = Vec::new();
    for path in ["/vod/a.mp4/master.m3u8", "/vod/a.mp4/v1/media.m3u8", "/vod/a.mp4/v1/1.m4s", "/vod/a.mp4/a1/1.m4s", "/media/a.mp4"] {
        let get = site.ask(Method::GET, path, &[]).await?;
        let tag = get.field(&header::ETAG)?;
        ensure!(tag.starts_with('"') && !tags.contains(&tag), "{path}: {tag}");
        let head = site.ask(Method::HEAD, path, &[]).await?;
        ensure!(head.status == StatusCode::OK && head.fields == get.fields, "{path}: {:?} for HEAD, {:?} for GET", head.fields, get.fields);
        for method in [Method::GET, Method::HEAD] {
            let same = site.ask(method, path, &[(header::IF_NONE_MATCH, &tag)]).await?;
            ensure!(same.status == StatusCode::NOT_MODIFIED && same.field(&header::ETAG)? == tag, "{path}: {}", same.status);
            ensure!(same.bytes().await?.is_empty(), "{path}: a body beside 304");
        }
        tags.push(tag);
    }
    Ok(())
}

#[tokio::test]
async fn a_replaced_file_is_another_file() -> Result<()> {
    let (before, after) = (Movie::simple(9, 1), Movie::simple(13, 2));
    let site = Site::with("a.mp4", &before)?;
    let paths = ["/media/a.mp4", "/vod/a.mp4/v1/1.m4s", "/vod/a.mp4/v1/media.m3u8", "/vod/a.mp4/manifest.mpd"];
    let mut old = Vec::new();
    for path in paths {
        let answer = site.ask(Method::GET, path, &[]).await?;
        old.push((path, answer.field(&header::ETAG)?, answer.bytes().await?));
    }
    site.put("a.mp4", &after.write())?;
    let expected = packaged(&[site.path("a.mp4")])?;
    for (path, tag, bytes) in old {
        // Whoever has a part of the old file must not be given a part of the new one.
        let answer = site.ask(Method::GET, path, &[(header::RANGE, "bytes=0-9"), (header::IF_RANGE, &tag)]).await?;
        ensure!(answer.status == StatusCode::OK && answer.field(&header::ETAG)? != tag, "{path}: {}", answer.status);
        let new = answer.bytes().await?;
        ensure!(new != bytes, "{path}: the old bytes");
        let packaged = expected.iter().find(|(name, _)| path.strip_prefix("/vod/a.mp4/") == Some(name));
        ensure!(packaged.is_none_or(|(_, expected)| *expected == new), "{path}: not the new bytes");
        let answer = site.ask(Method::GET, path, &[(header::IF_NONE_MATCH, &tag)]).await?;
        ensure!(answer.status == StatusCode::OK, "{path}: {}", answer.status);
        let answer = site.ask(Method::GET, path, &[(header::IF_MATCH, &tag)]).await?;
        ensure!(answer.status == StatusCode::PRECONDITION_FAILED, "{path}: {}", answer.status);
    }
    Ok(())
}

/// Whoever resumes a download by `If-Range` (RFC 9110 13.1.5) has in the end one version or the other, however often the file is replaced
/// meanwhile: never a part of each.
#[tokio::test]
async fn resumed_downloads_are_of_one_version() -> Result<()> {
    let site = Site::with("a.mp4", &large(1))?;
    let versions = [large(1).write(), large(2).write()];
    let mut wholes = Vec::new();
    for version in &versions {
        site.put("a.mp4", version)?;
        for path in ["/media/a.mp4", "/vod/a.mp4/v1/1.m4s"] {
            wholes.push((path, site.get(path).await?));
        }
    }
    let (mut resumed, mut begun_again) = (0, 0);
    for round in 0..500usize {
        let path = if round % 2 == 0 { "/media/a.mp4" } else { "/vod/a.mp4/v1/1.m4s" };
        let replace = || -> Result<()> {
            let next = versions.get(round / 4 % 2).context("no version")?;
            fs::write(site.path("next"), next)?;
            Ok(fs::rename(site.path("next"), site.path("a.mp4"))?)
        };
        let mut first = site.ask(Method::GET, path, &[]).await?;
        let tag = first.field(&header::ETAG)?;
        let mut bytes = first.piece().await.context("no body")??.to_vec();
        drop(first);
        if round % 3 != 0 {
            replace()?;
        }
        let range = format!("bytes={}-", bytes.len());
        let rest = site.ask(Method::GET, path, &[(header::RANGE, &range), (header::IF_RANGE, &tag)]).await?;
        match rest.status {
            StatusCode::PARTIAL_CONTENT => resumed += 1,
            StatusCode::OK => {
                begun_again += 1;
                bytes.clear();
            }
            status => anyhow::bail!("{path}: {status}"),
        }
        bytes.extend(rest.bytes().await?);
        ensure!(wholes.iter().any(|(known, whole)| *known == path && *whole == bytes), "{path}: neither version, in round {round}");
    }
    ensure!(resumed > 100 && begun_again > 100, "{resumed} resumed, {begun_again} begun again");
    Ok(())
}

/// Reads a body that is disturbed after its first piece, to its end.
async fn disturbed(site: &Site, path: &str, whole: &[u8], disturb: impl FnOnce() -> Result<()>) -> Result<io::Result<()>> {
    let mut answer = site.ask(Method::GET, path, &[]).await?;
    let mut read = answer.piece().await.context("no body")??.to_vec();
    ensure!(read.len() < whole.len(), "{path}: one piece is all of it");
    disturb()?;
    loop {
        match answer.piece().await {
            None => {
                ensure!(read == whole, "{path}: ended cleanly after {} of {} bytes", read.len(), whole.len());
                return Ok(Ok(()));
            }
            Some(Err(error)) => {
                ensure!(whole.starts_with(&read), "{path}: wrong bytes before the error");
                return Ok(Err(error));
            }
            Some(Ok(piece)) => read.extend(piece),
        }
    }
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_ends_the_response() -> Result<()> {
    let (before, after) = (large(1).write(), large(2).write());
    let half = before.get(..before.len() / 2).context("short")?;
    ensure!(before.len() == after.len() && before != after, "the same size, other bytes");
    for path in ["/media/a.mp4", "/vod/a.mp4/v1/1.m4s"] {
        let longer = [before.as_slice(), &[0; 1000]].concat();
        for (told, content) in [("rewritten", after.as_slice()), ("cut short", half), ("empty", &[]), ("longer", &longer)] {
            let site = Site::with("a.mp4", &large(1))?;
            let whole = site.get(path).await?;
            let outcome = disturbed(&site, path, &whole, || Ok(fs::write(site.path("a.mp4"), content)?)).await?;
            ensure!(outcome.is_err(), "{path}: {told} and yet ended cleanly");
        }
        // A file put in the place of another leaves the other whole for those who read it.
        let site = Site::with("a.mp4", &large(1))?;
        let whole = site.get(path).await?;
        site.put("b.mp4", &after)?;
        let renamed = disturbed(&site, path, &whole, || Ok(fs::rename(site.path("b.mp4"), site.path("a.mp4"))?)).await?;
        ensure!(renamed.is_ok(), "{path}: {renamed:?}");
        let removed = disturbed(&site, path, &site.get(path).await?, || Ok(fs::remove_file(site.path("a.mp4"))?)).await?;
        ensure!(removed.is_ok(), "{path}: {removed:?}");
        let answer = site.ask(Method::GET, path, &[]).await?;
        ensure!(answer.status == StatusCode::NOT_FOUND, "{path}: {}", answer.status);
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_to_be_served_is_not_there() -> Result<()> {
    let film = Movie::simple(2, 1).write();
    let site = Site::with("films/a.mp4", &Movie::simple(2, 1))?;
    fs::write(site.folder.path().join("outside.mp4"), &film)?;
    site.put(".hidden.mp4", &film)?;
    site.put(".git/a.mp4", &film)?;
    symlink(site.folder.path().join("outside.mp4"), site.path("out.mp4"))?;
    symlink("../outside.mp4", site.path("up.mp4"))?;
    symlink("..", site.path("above"))?;
    symlink("/", site.path("root"))?;
    symlink("loop.mp4", site.path("loop.mp4"))?;
    symlink("nothing.mp4", site.path("dangling.mp4"))?;
    symlink("films/a.mp4", site.path("inside.mp4"))?;
    let _socket = UnixListener::bind(site.path("socket.mp4"))?;
    if !Command::new("mkfifo").arg(site.path("pipe.mp4")).status().is_ok_and(|status| status.success()) {
        println!("skipped: no FIFO can be made");
    }
    // The same numbers as /dev/zero, which never ends.
    if !Command::new("mknod").arg(site.path("device.mp4")).args(["c", "1", "5"]).status().is_ok_and(|status| status.success()) {
        println!("skipped: no device can be made");
    }
    let deep = format!("{}a.mp4", format!("{}/", "d".repeat(250)).repeat(30));
    let long = "n".repeat(256);
    for name in [
        ".hidden.mp4",
        ".git/a.mp4",
        "%2ehidden.mp4",
        "../outside.mp4",
        "films/../../outside.mp4",
        "%2e%2e/outside.mp4",
        "..%2foutside.mp4",
        "films/..",
        "out.mp4",
        "up.mp4",
        "above/outside.mp4",
        "root/etc/passwd",
        "loop.mp4",
        "dangling.mp4",
        "socket.mp4",
        "pipe.mp4",
        "device.mp4",
        "films/A.mp4",
        "FILMS/a.mp4",
        "films/a.MP4",
        "films/a.mp4.",
        "films/a.mp4%20",
        "films/a.mp4%00",
        "films%5ca.mp4",
        "films/a%2emp4%2f",
        "above",
        "root",
        "films/",
        "films//a.mp4",
        "films/a.mp4/",
        "films/a.mp4/b.mp4",
        "missing.mp4",
        "",
        &deep,
        &long,
    ] {
        for path in [format!("/media/{name}"), format!("/vod/{name}/master.m3u8"), format!("/vod/{name}/v1/1.m4s")] {
            let answer = site.ask(Method::GET, &path, &[]).await?;
            ensure!(answer.status == StatusCode::NOT_FOUND, "{path}: {}", answer.status);
            ensure!(answer.field(&header::CONTENT_TYPE)? == "application/problem+json", "{path}: {:?}", answer.fields);
        }
    }
    ensure!(site.ask(Method::GET, "/media/films", &[]).await?.status == StatusCode::NOT_FOUND, "a folder is no file");
    ensure!(site.get("/media/inside.mp4").await? == film, "a link that stays inside");
    Ok(())
}

#[tokio::test]
async fn media_that_cannot_be_played_says_why() -> Result<()> {
    let film = Movie { moov_first: true, ..Movie::simple(9, 1) }.write();
    let site = Site::new()?;
    let media = film.windows(4).position(|name| name == b"mdat").context("no mdat")? + 4;
    site.put("cut.mp4", film.get(..media).context("short")?)?;
    site.put("empty.mp4", b"")?;
    site.put("text.mp4", b"This is no video, but it is long enough for a header.\n")?;
    for (name, reason) in [("cut.mp4", "cut short"), ("empty.mp4", "empty"), ("text.mp4", "not an MP4 or MOV file")] {
        for part in ["master.m3u8", "manifest.mpd", "v1/media.m3u8", "v1/init.mp4", "v1/1.m4s"] {
            let answer = site.ask(Method::GET, &format!("/vod/{name}/{part}"), &[]).await?;
            ensure!(answer.status == StatusCode::UNPROCESSABLE_ENTITY, "{name}/{part}: {}", answer.status);
            let detail = String::from_utf8(answer.bytes().await?)?;
            ensure!(detail.contains(reason) && detail.contains(name), "{name}/{part}: {detail}");
        }
    }
    // As files they are what they are.
    ensure!(site.get("/media/empty.mp4").await?.is_empty(), "an empty file");
    ensure!(site.get("/media/text.mp4").await?.starts_with(b"This is"), "a file of text");
    // Once they are good, they play.
    site.put("cut.mp4", &film)?;
    ensure!(site.get("/vod/cut.mp4/master.m3u8").await?.starts_with(b"#EXTM3U"), "after the upload was done");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_get_the_same() -> Result<()> {
    let site = Arc::new(Site::with("a.mp4", &large(1))?);
    let expected = packaged(&[site.path("a.mp4")])?;
    let asked = (0..64).map(|number| {
        let (site, path) = (Arc::clone(&site), expected.get(number % expected.len()).map(|(name, _)| format!("/vod/a.mp4/{name}")));
        tokio::spawn(async move { site.get(&path.unwrap_or_default()).await })
    });
    for (number, answer) in asked.collect::<Vec<_>>().into_iter().enumerate() {
        let (name, bytes) = expected.get(number % expected.len()).context("none")?;
        ensure!(answer.await?? == *bytes, "{name}: other bytes");
    }
    Ok(())
}

#[tokio::test]
async fn the_library_lists_what_can_be_asked_for() -> Result<()> {
    let site = Site::with("films/ä b.mp4", &Movie::simple(9, 1))?;
    site.put("bad.mp4", b"no video at all, by no means")?;
    site.put(".hidden.mp4", &Movie::simple(2, 1).write())?;
    site.put("notes.txt", b"text")?;
    let library: serde_json::Value = serde_json::from_slice(&site.get("/api/v1/assets").await?)?;
    let assets = library["assets"].as_array().context("no assets")?;
    ensure!(assets.len() == 2, "{library:#}");
    for asset in assets {
        site.get(asset["file"].as_str().context("no file")?).await?;
        if asset["id"] == "bad.mp4" {
            ensure!(asset["problem"].as_str().is_some_and(|problem| problem.contains("not an MP4")), "{asset:#}");
        } else {
            site.get(asset["hls"].as_str().context("no hls")?).await?;
            site.get(asset["dash"].as_str().context("no dash")?).await?;
            ensure!(asset["durationMs"] == 9000 && asset["tracks"][0]["codec"] == "avc1.4D400D", "{asset:#}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_folder_of_rungs_is_one_title() -> Result<()> {
    let site = Site::new()?;
    let (high, low) = ("films/title/1080.mp4", "films/title/360.mp4");
    site.put(high, &Movie::rung(12, 4, 50).write())?;
    site.put(low, &Movie::rung(12, 2, 50).write())?;
    site.put("films/title/.hidden.mp4", b"no video")?;
    site.put("films/title/notes.txt", b"no video")?;
    site.put("films/title/extras/other.mp4", &Movie::simple(9, 1).write())?;
    fs::create_dir(site.path("films/title/folder.mp4"))?;
    for (file, expected) in packaged(&[site.path(high), site.path(low)])? {
        ensure!(site.get(&format!("/vod/films/title/{file}")).await? == expected, "{file}: other bytes");
    }
    for (file, expected) in packaged(&[site.path(low)])? {
        ensure!(site.get(&format!("/vod/{low}/{file}")).await? == expected, "{file}: other bytes");
    }
    let missing =
        ["films/title/v3/1.m4s", "films/title/a2/1.m4s", "films/v1/1.m4s", "films/none/v1/1.m4s", "films/title/folder.mp4/v1/1.m4s"];
    for path in missing {
        let answer = site.ask(Method::GET, &format!("/vod/{path}"), &[]).await?;
        ensure!(answer.status == StatusCode::NOT_FOUND, "{path}: {}", answer.status);
    }
    Ok(())
}

/// Every change of a file of a title is another version of all that is made of it: cuts depend on all files.
#[tokio::test]
async fn a_title_changes_with_each_of_its_files() -> Result<()> {
    let site = Site::new()?;
    let rung = |times, gop| Movie::rung(24, times, gop).write();
    site.put("title/1080.mp4", &rung(4, 50))?;
    site.put("title/360.mp4", &rung(2, 50))?;
    let paths = ["/vod/title/master.m3u8", "/vod/title/manifest.mpd", "/vod/title/v1/media.m3u8", "/vod/title/v1/2.m4s"];
    let tags = async || {
        let mut tags = Vec::new();
        for path in paths {
            let answer = site.ask(Method::GET, path, &[]).await?;
            ensure!(answer.status == StatusCode::OK, "{path}: {}", answer.status);
            // A file that goes leaves those that changed before it: no time tells the versions apart.
            ensure!(!answer.fields.contains_key(header::LAST_MODIFIED), "{path}: {:?}", answer.fields);
            tags.push(answer.field(&header::ETAG)?);
        }
        Ok(tags)
    };
    let mut seen: Vec<String> = tags().await?;
    ensure!(tags().await? == seen, "nothing changed");
    let steps: [(&str, &dyn Fn() -> Result<()>); 3] = [
        ("the other rung", &|| site.put("title/360.mp4", &rung(3, 50))),
        ("one more rung", &|| site.put("title/240.mp4", &rung(1, 50))),
        ("one rung less", &|| Ok(fs::remove_file(site.path("title/360.mp4"))?)),
    ];
    for (what, change) in steps {
        change()?;
        for tag in tags().await? {
            ensure!(!seen.contains(&tag), "{what}: {tag} again");
            seen.push(tag);
        }
    }
    site.put("title/240.mp4", &rung(1, 52))?;
    let answer = site.ask(Method::GET, "/vod/title/master.m3u8", &[]).await?;
    ensure!(answer.status == StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.status);
    let problem: serde_json::Value = serde_json::from_slice(&answer.bytes().await?)?;
    let expected = "title: at 4.000 s 1080.mp4 (1280x720) has a key frame, but the nearest of 240.mp4 (320x180) is 160 ms later: ";
    ensure!(problem["detail"].as_str().is_some_and(|detail| detail.starts_with(expected)), "{problem:#}");
    // Each file alone plays on.
    site.get("/vod/title/240.mp4/v1/1.m4s").await?;
    Ok(())
}

#[tokio::test]
async fn a_folder_of_many_films_is_no_title() -> Result<()> {
    let site = Site::new()?;
    for number in 0..65 {
        site.put(&format!("films/{number}.mp4"), &Movie::simple(1, number).write())?;
    }
    let answer = site.ask(Method::GET, "/vod/films/master.m3u8", &[]).await?;
    ensure!(answer.status == StatusCode::NOT_FOUND, "{}", answer.status);
    Ok(())
}

#[tokio::test]
async fn the_library_lists_a_folder_as_a_title_only_if_its_files_fit() -> Result<()> {
    let site = Site::new()?;
    let rung = |seconds, times, gop| Movie::rung(seconds, times, gop);
    let sound = |seconds| {
        let mut movie = Movie::simple(seconds, 9);
        movie.tracks.remove(0);
        movie
    };
    for (file, movie) in [
        ("ladder/1080.mp4", rung(12, 4, 50)),
        ("ladder/360.mp4", rung(12, 2, 50)),
        ("dubbed/film.mp4", rung(12, 1, 50)),
        ("dubbed/german.m4a", sound(12)),
        // Films that lie beside each other: of other lengths, of one size, cut at other times.
        ("lengths/a.mp4", rung(12, 4, 50)),
        ("lengths/b.mp4", rung(13, 2, 50)),
        ("sizes/a.mp4", rung(12, 2, 50)),
        ("sizes/b.mp4", rung(12, 2, 50)),
        ("cuts/a.mp4", rung(24, 4, 50)),
        ("cuts/b.mp4", rung(24, 2, 52)),
        ("music/a.m4a", sound(12)),
        ("music/b.m4a", sound(12)),
        ("alone/a.mp4", rung(12, 4, 50)),
        ("1080.mp4", rung(12, 4, 50)),
        ("360.mp4", rung(12, 2, 50)),
    ] {
        site.put(file, &movie.write())?;
    }
    let library: serde_json::Value = serde_json::from_slice(&site.get("/api/v1/assets").await?)?;
    let assets = library["assets"].as_array().context("no assets")?;
    let ids: Vec<&str> = assets.iter().filter_map(|asset| asset["id"].as_str()).collect();
    let expected = [
        &["1080.mp4", "360.mp4", "alone/a.mp4", "cuts/a.mp4", "cuts/b.mp4", "dubbed", "ladder"][..],
        &["lengths/a.mp4", "lengths/b.mp4", "music/a.m4a", "music/b.m4a", "sizes/a.mp4", "sizes/b.mp4"],
    ];
    ensure!(ids == expected.concat(), "{ids:?}");
    let ladder = assets.iter().find(|asset| asset["id"] == "ladder").context("no ladder")?;
    let sizes = ["ladder/1080.mp4", "ladder/360.mp4"].iter().map(|name| fs::metadata(site.path(name)).map(|metadata| metadata.len()));
    ensure!(ladder["size"].as_u64() == Some(sizes.sum::<io::Result<u64>>()?) && ladder.get("file").is_none(), "{ladder:#}");
    ensure!(ladder["tracks"].as_array().is_some_and(|tracks| tracks.len() == 3), "{ladder:#}");
    site.get(ladder["hls"].as_str().context("no hls")?).await?;
    site.get(ladder["dash"].as_str().context("no dash")?).await?;
    Ok(())
}

/// Side files: a film is published with the texts beside it that are called like it, a folder with all in it; as `package` does.
#[tokio::test]
async fn texts_beside_a_film_are_published_with_it() -> Result<()> {
    let site = Site::new()?;
    let text = |line: &str| format!("WEBVTT\n\n00:01.000 --> 00:03.000\n{line}\n");
    site.put("films/a.mp4", &Movie::simple(8, 1).write())?;
    site.put("films/b.mp4", &Movie::simple(6, 2).write())?;
    site.put("films/a.en.vtt", text("Good evening").as_bytes())?;
    site.put("films/a.de.forced.srt", b"1\n00:00:05,000 --> 00:00:06,000\nGuten Abend\n")?;
    site.put("films/a.fr.vtt", b"no text")?;
    site.put("films/a.final.es.vtt", text("Buenas noches").as_bytes())?;
    let master = String::from_utf8(site.get("/vod/films/a.mp4/master.m3u8").await?)?;
    let told = |language: &str| master.lines().find(|line| line.contains(&format!("LANGUAGE=\"{language}\""))).unwrap_or_default();
    ensure!(told("en").starts_with("#EXT-X-MEDIA:TYPE=SUBTITLES,") && told("de").contains("FORCED=YES"), "{master}");
    ensure!(master.matches("TYPE=SUBTITLES").count() == 2, "one cannot be read, one is of another film: {master}");
    let of_other = String::from_utf8(site.get("/vod/films/b.mp4/master.m3u8").await?)?;
    ensure!(!of_other.contains("SUBTITLES"), "{of_other}");
    for (name, content) in packaged(&["a.mp4", "a.de.forced.srt", "a.en.vtt"].map(|name| site.path("films").join(name)))? {
        ensure!(site.get(&format!("/vod/films/a.mp4/{name}")).await? == content, "{name} is another");
    }

    let texts = async || {
        let library: serde_json::Value = serde_json::from_slice(&site.get("/api/v1/assets").await?)?;
        let film = library["assets"].as_array().and_then(|assets| assets.iter().find(|asset| asset["id"] == "films/a.mp4").cloned());
        let tracks = film.and_then(|film| film["tracks"].as_array().cloned()).context("no film")?;
        anyhow::Ok(tracks.iter().filter(|track| track["kind"] == "text").count())
    };
    ensure!(texts().await? == 2, "listed: {}", texts().await?);
    fs::remove_file(site.path("films/a.en.vtt"))?;
    ensure!(texts().await? == 1, "listed when one is gone: {}", texts().await?);
    let master = String::from_utf8(site.get("/vod/films/a.mp4/master.m3u8").await?)?;
    ensure!(master.matches("TYPE=SUBTITLES").count() == 1, "{master}");

    for (name, times) in [("1080.mp4", 4), ("360.mp4", 2)] {
        site.put(&format!("title/{name}"), &Movie::rung(12, times, 50).write())?;
    }
    site.put("title/any.en.vtt", text("Good evening").as_bytes())?;
    let master = String::from_utf8(site.get("/vod/title/master.m3u8").await?)?;
    ensure!(master.contains("LANGUAGE=\"en\"") && master.matches("SUBTITLES=\"").count() == 2, "{master}");
    ensure!(String::from_utf8(site.get("/vod/title/t1/1.vtt").await?)?.contains("Good evening"), "no text");
    Ok(())
}
