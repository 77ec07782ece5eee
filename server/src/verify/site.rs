//! A server as the place where a presentation is published: files by URL, read by byte ranges, as little of each as is looked at.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    io::{self, ErrorKind},
    ops::Range,
    sync::Arc,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode, Uri,
    header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE},
};
use tokio::{runtime::Runtime, task::JoinSet};

use super::{
    MAX_TEXT,
    publication::{Publication, extension},
};
use crate::net::client::{Answer, Client};

/// Bytes that are asked for at least: the boxes before the media of a segment.
const WINDOW: u64 = 16 << 10;
/// Files of a server that gives no ranges are read whole up to this size.
const MOST_WITHOUT_RANGES: u64 = 64 << 20;
/// What is read ahead and not yet looked at takes no more than this.
const MOST_AHEAD: usize = 64 << 20;
/// Requests under way at once.
const AT_ONCE: usize = 8;
/// The names that manifests have where a URL names none.
const USUAL: [&str; 2] = ["manifest.mpd", "master.m3u8"];

/// A server. The paths of its files are those of their URLs, without the first slash.
pub struct Site {
    runtime: Runtime,
    client: Arc<Client>,
    /// Scheme and authority, and the path to begin with.
    origin: String,
    first: String,
    known: RefCell<Known>,
}

/// What has been read.
#[derive(Default)]
struct Known {
    files: HashMap<String, io::Result<File>>,
    /// Bytes held in all files.
    held: usize,
}

struct File {
    size: u64,
    /// Stretches of it, by where they begin.
    parts: BTreeMap<u64, Bytes>,
}

impl Site {
    /// The server of `url`, asked by `client`. The URL is that of a manifest, or of what holds `master.m3u8` or `manifest.mpd`.
    ///
    /// # Errors
    /// It is no URL of http or https.
    pub fn new(url: &str, client: Client) -> io::Result<Self> {
        let bad = |reason: &str| io::Error::new(ErrorKind::InvalidInput, reason.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad("it is no URL"))?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(bad("it is no URL of http or https"));
        };
        let first = uri.path_and_query().map_or("", |path| path.as_str()).trim_start_matches('/').to_owned();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let origin = format!("{scheme}://{authority}/");
        Ok(Self { runtime, client: Arc::new(client), origin, first, known: RefCell::default() })
    }

    /// Reads a stretch of a file and keeps it.
    fn fetch(&self, path: &str, range: &Range<u64>) -> io::Result<()> {
        let fetched = self.runtime.block_on(fetch(&self.client, &self.origin, path, range));
        self.known.borrow_mut().keep(path, fetched)
    }
}

impl Known {
    fn keep(&mut self, path: &str, fetched: io::Result<(u64, u64, Bytes)>) -> io::Result<()> {
        match (fetched, self.files.get_mut(path)) {
            (Ok((_, start, bytes)), Some(Ok(file))) => {
                self.held += bytes.len();
                file.parts.insert(start, bytes);
            }
            (Ok((size, start, bytes)), _) => {
                self.held += bytes.len();
                self.files.insert(path.to_owned(), Ok(File { size, parts: BTreeMap::from([(start, bytes)]) }));
            }
            (Err(error), Some(Ok(_))) => return Err(error), // this part of it alone
            (Err(error), _) => {
                let told = io::Error::new(error.kind(), error.to_string());
                self.files.insert(path.to_owned(), Err(told));
                return Err(error);
            }
        }
        if self.held > MOST_AHEAD {
            self.held = 0;
            self.files.values_mut().flatten().for_each(|file| file.parts.clear());
        }
        Ok(())
    }

    /// The bytes `range` of a file, if they are at hand. What lies before them is not needed again.
    fn take(&mut self, path: &str, range: &Range<u64>) -> Option<Vec<u8>> {
        let Some(Ok(file)) = self.files.get(path) else { return None };
        let (start, bytes) = file.parts.range(..=range.start).next_back()?;
        let from = usize::try_from(range.start - start).ok()?;
        let length = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        bytes.get(from..)?.get(..length).map(<[u8]>::to_vec)
    }
}

/// Size of the file, where the bytes begin, and at least the bytes `range` of it, or all that there are of them.
async fn fetch(client: &Client, origin: &str, path: &str, range: &Range<u64>) -> io::Result<(u64, u64, Bytes)> {
    let uri: Uri = format!("{origin}{path}").parse().map_err(|_| io::Error::new(ErrorKind::InvalidInput, "it is no URL"))?;
    // Texts are read whole: one that changes is then of one version.
    let text = matches!(extension(path), "m3u8" | "mpd" | "vtt");
    let mut fields = HeaderMap::new();
    if !text {
        let last = range.end.max(range.start.saturating_add(WINDOW)) - 1;
        fields.insert(RANGE, HeaderValue::try_from(format!("bytes={}-{last}", range.start)).map_err(io::Error::other)?);
    }
    let limit = if text { MAX_TEXT } else { MOST_WITHOUT_RANGES.max(range.end - range.start) };
    let answer = client.get(&uri, fields, usize::try_from(limit).unwrap_or(usize::MAX)).await?;
    match answer.status {
        StatusCode::PARTIAL_CONTENT => {
            let (start, size) =
                content_range(&answer).ok_or_else(|| io::Error::other("206 without the Content-Range that was asked for"))?;
            let told = usize::try_from(size.saturating_sub(start).min(WINDOW.max(range.end - range.start))).unwrap_or(usize::MAX);
            if start != range.start || answer.content.len() < told {
                return Err(io::Error::other(format!("206 with {} bytes from byte {start}", answer.content.len())));
            }
            Ok((size, start, answer.content))
        }
        StatusCode::OK if answer.whole => Ok((answer.content.len() as u64, 0, answer.content)),
        StatusCode::OK if range.start == 0 => {
            let length = answer.fields.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
            let size =
                length.ok_or_else(|| io::Error::new(ErrorKind::FileTooLarge, format!("more than {limit} bytes of unknown length")))?;
            Ok((size, 0, answer.content))
        }
        StatusCode::OK => Err(io::Error::other("200: the server gives no byte ranges")),
        StatusCode::RANGE_NOT_SATISFIABLE if range.start == 0 => Ok((0, 0, Bytes::new())),
        status if status.is_redirection() => {
            let place = answer.fields.get(http::header::LOCATION).and_then(|place| place.to_str().ok()).unwrap_or("nowhere");
            Err(io::Error::other(format!("{status} to {place}, which is not followed")))
        }
        StatusCode::NOT_FOUND => Err(io::Error::new(ErrorKind::NotFound, "404 Not Found")),
        status => Err(io::Error::other(status.to_string())),
    }
}

/// The first byte and the size of the whole, as `Content-Range` tells them (RFC 9110 14.4).
fn content_range(answer: &Answer) -> Option<(u64, u64)> {
    let (range, size) = answer.fields.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, size.parse().ok()?))
}

impl Publication for Site {
    fn manifests(&self) -> io::Result<Vec<String>> {
        if matches!(extension(&self.first), "m3u8" | "mpd") {
            self.size(&self.first)?;
            return Ok(vec![self.first.clone()]);
        }
        let path = self.first.split('?').next().unwrap_or_default().trim_end_matches('/');
        let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut found = Vec::new();
        for name in USUAL.map(|name| format!("{folder}{name}")) {
            match self.size(&name) {
                Ok(_) => found.push(name),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if found.is_empty() {
            return Err(io::Error::new(ErrorKind::NotFound, "neither master.m3u8 nor manifest.mpd is there: name the manifest"));
        }
        Ok(found)
    }

    fn resolve(&self, from: &str, uri: &str) -> Result<String, &'static str> {
        let uri = uri.split('#').next().unwrap_or_default();
        if uri.is_empty() {
            return Err("names no file");
        }
        let foreign = "leads to another server, which is not looked at";
        let (path, query) = uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
        if path.starts_with("//") {
            return Err(foreign);
        }
        let scheme = path.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'));
        let path = match (scheme, path.strip_prefix(&self.origin), path.strip_prefix('/')) {
            (true, None, _) => return Err(foreign),
            (_, Some(path), _) | (_, _, Some(path)) => path.to_owned(),
            _ => {
                let from = from.split('?').next().unwrap_or_default();
                format!("{}{path}", from.get(..from.rfind('/').map_or(0, |slash| slash + 1)).unwrap_or_default())
            }
        };
        // Dot segments are taken out (RFC 3986 5.2.4); those that lead above the root lead to the root.
        let mut steps: Vec<&str> = Vec::new();
        let last = path.rsplit('/').next();
        for step in path.split('/') {
            match step {
                "." => {}
                ".." => drop(steps.pop()),
                step => steps.push(step),
            }
        }
        if matches!(last, Some("." | "..")) {
            steps.push("");
        }
        let path = steps.join("/");
        Ok(query.map_or(path.clone(), |query| format!("{path}?{query}")))
    }

    fn size(&self, path: &str) -> io::Result<u64> {
        if !self.known.borrow().files.contains_key(path) {
            self.fetch(path, &(0..WINDOW))?;
        }
        match self.known.borrow().files.get(path) {
            Some(Ok(file)) => Ok(file.size),
            Some(Err(error)) => Err(io::Error::new(error.kind(), error.to_string())),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn read(&self, path: &str, range: Range<u64>) -> io::Result<Vec<u8>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(bytes) = self.known.borrow_mut().take(path, &range) {
            return Ok(bytes);
        }
        self.fetch(path, &range)?;
        let bytes = self.known.borrow_mut().take(path, &range);
        bytes.ok_or_else(|| io::Error::new(ErrorKind::UnexpectedEof, "the file has become shorter"))
    }

    /// Reads the beginnings of these files, several at a time.
    fn expect(&self, paths: &[String]) {
        let mut known = self.known.borrow_mut();
        let mut wanted: Vec<String> = paths.iter().filter(|path| !known.files.contains_key(*path)).cloned().collect();
        wanted.sort();
        wanted.dedup();
        let mut wanted = wanted.into_iter();
        self.runtime.block_on(async {
            let mut under_way = JoinSet::new();
            loop {
                while under_way.len() < AT_ONCE
                    && let Some(path) = wanted.next()
                {
                    let (client, origin) = (Arc::clone(&self.client), self.origin.clone());
                    under_way.spawn(async move { (fetch(&client, &origin, &path, &(0..WINDOW)).await, path) });
                }
                let Some(done) = under_way.join_next().await else { return };
                if let Ok((fetched, path)) = done {
                    let _ = known.keep(&path, fetched); // told when it is asked for
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::client::Version;

    #[test]
    fn references_stay_on_the_server() -> io::Result<()> {
        let site = Site::new("https://example.org/vod/a.mp4/", Client::new(Version::Any, None).map_err(io::Error::other)?)?;
        for (uri, expected) in [
            ("1.m4s", Some("vod/a.mp4/v1/1.m4s")),
            ("../a1/media.m3u8?t=a/b", Some("vod/a.mp4/a1/media.m3u8?t=a/b")),
            ("/x/1.m4s", Some("x/1.m4s")),
            ("https://example.org/x/1.m4s#t=1", Some("x/1.m4s")),
            ("../../../../../x", Some("x")),
            ("..", Some("vod/a.mp4/")),
            ("https://example.com/x", None),
            ("//example.com/x", None),
            ("data:text/plain,x", None),
            ("", None),
        ] {
            assert_eq!(site.resolve("vod/a.mp4/v1/media.m3u8?t=1", uri).ok().as_deref(), expected, "{uri}");
        }
        Ok(())
    }
}
