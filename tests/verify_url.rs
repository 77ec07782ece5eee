//! `verify` of a URL: what our own server answers has no fault, over each version of HTTP; what other servers answer is judged within bounds.

#[path = "transport_support.rs"]
mod support;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body::{Body, Frame};
use reelway::{
    net::{
        Service, Settings,
        client::{Client, Version},
    },
    origin::{Origin, ServerInfo},
    verify::{Severity, Site, Verdict, verify},
};
use reelway_tests::{files, fuzzing::publication::PUBLISHED, parallel, synthetic};
use support::{Server, certificate_file};

const VERSIONS: [Version; 4] = [Version::Any, Version::Http1, Version::Http2, Version::Http3];

/// Judges what stands at `url`, as a program that has no other threads.
fn judged(url: &str, version: Version) -> Result<Verdict> {
    Ok(verify(&Site::new(url, Client::new(version, Some(&certificate_file()))?)?)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_has_no_fault() -> Result<()> {
    let Some(paths) = synthetic::files()? else { return Ok(()) };
    let folder = paths.first().and_then(|path| path.parent()).context("no folder")?.to_owned();
    let origin = Origin::new(Some(&folder), ServerInfo::new(vec!["h3", "h2", "http/1.1"], None))?;
    let server = Server::serving(Arc::new(origin), Settings::default());
    let port = server.secure.port();
    tokio::task::spawn_blocking(move || {
        let cases: Vec<_> = paths.iter().flat_map(|path| VERSIONS.map(|version| (files::name(path), version))).collect();
        let judged = parallel::map(&cases, |(name, version)| {
            let verdict = judged(&format!("https://localhost:{port}/vod/{name}/"), *version);
            let mut faults = verdict.with_context(|| format!("{name} by {version:?}"))?.faults;
            if name == "audio_shorter.mp4" {
                // As the name says: worth a warning, and all there is to say.
                faults.retain(|fault| fault.severity != Severity::Warning || fault.clause != "RFC 8216bis 6.2.4");
            }
            ensure!(faults.is_empty(), "{name} by {version:?}: {faults:#?}");
            Ok(())
        });
        let wrong: Vec<String> = judged.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
        println!("{} presentations, each by {} versions of HTTP", paths.len(), VERSIONS.len());
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
    .await?
}

/// A server of the files in memory, with something odd about it.
struct Odd(BTreeMap<String, Vec<u8>>, Oddity);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Oddity {
    /// Ranges are passed over.
    NoRanges,
    /// The length is not told.
    NoLength,
    /// Segments are elsewhere.
    Redirects,
    /// A range that nobody asked for is answered.
    OtherRange,
    /// Segments never end.
    Endless,
}

/// Content that is whole, or that never ends.
struct Content {
    left: Option<Bytes>,
    again: bool,
    hint: bool,
}

impl Body for Content {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let next = if self.again { self.left.clone() } else { self.left.take() };
        Poll::Ready(next.filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match &self.left {
            Some(left) if self.hint && !self.again => http_body::SizeHint::with_exact(left.len() as u64),
            _ => http_body::SizeHint::default(),
        }
    }
}

impl Service for Odd {
    type Body = Content;

    async fn call(&self, request: reelway::http::Request) -> Response<Content> {
        let Self(files, oddity) = self;
        let content = |bytes: Vec<u8>, again| Content { left: Some(bytes.into()), again, hint: *oddity != Oddity::NoLength };
        let file = request.uri().path().strip_prefix('/').and_then(|path| files.get(path)).cloned();
        let segment = extension(request.uri().path()) == "m4s";
        let answer = Response::builder();
        let answered: Result<_, Infallible> = Ok(match (file, oddity) {
            (None, _) => answer.status(StatusCode::NOT_FOUND).body(content(Vec::new(), false)),
            (_, Oddity::Redirects) if segment => {
                answer.status(StatusCode::FOUND).header(header::LOCATION, "/elsewhere").body(content(Vec::new(), false))
            }
            (Some(file), Oddity::OtherRange) if segment => {
                let field = format!("bytes 1-8/{}", file.len());
                answer.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, field).body(content(vec![0; 8], false))
            }
            (Some(_), Oddity::Endless) if segment => answer.body(content(vec![0; 1 << 20], true)),
            (Some(file), Oddity::NoLength) => answer.body(content(file, false)),
            (Some(file), _) => answer.header(header::CONTENT_LENGTH, file.len()).body(content(file, false)),
        });
        let Ok(answer) = answered;
        answer.unwrap_or_else(|_| Response::new(content(Vec::new(), false)))
    }
}

fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// Each oddity, and what is said of each segment; nothing where it is as good as usual.
const ODDITIES: [(Oddity, Option<&str>); 5] = [
    (Oddity::NoRanges, None),
    (Oddity::NoLength, None),
    (Oddity::Redirects, Some("302 Found to /elsewhere, which is not followed")),
    (Oddity::OtherRange, Some("206 with 8 bytes from byte 1")),
    (Oddity::Endless, Some("more than 67108864 bytes of unknown length")),
];

#[tokio::test(flavor = "multi_thread")]
async fn odd_servers_are_judged_within_bounds() -> Result<()> {
    for (oddity, said) in ODDITIES {
        let [files, _] = &*PUBLISHED;
        let server = Server::serving(Arc::new(Odd(files.0.clone(), oddity)), Settings::default());
        let port = server.secure.port();
        for version in VERSIONS {
            let url = format!("https://localhost:{port}/master.m3u8");
            let verdict = tokio::task::spawn_blocking(move || judged(&url, version)).await??;
            let whole = verdict.faults.iter().all(|fault| said.is_some_and(|said| fault.what.contains(said)));
            ensure!(whole && verdict.faults.is_empty() == said.is_none(), "{oddity:?} by {version:?}: {:#?}", verdict.faults);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_live_is_judged_as_it_is() -> Result<()> {
    let [files, _] = &*PUBLISHED;
    let mut files = files.0.clone();
    for (name, content) in &mut files {
        let text = String::from_utf8_lossy(content).into_owned();
        if extension(name) == "m3u8" {
            *content = text.replace("#EXT-X-ENDLIST\n", "").replace("#EXT-X-PLAYLIST-TYPE:VOD\n", "").into_bytes();
        } else if extension(name) == "mpd" {
            let (before, rest) = text.split_once(" mediaPresentationDuration=\"").context("no duration")?;
            let (_, after) = rest.split_once('"').context("no duration")?;
            let live = "type=\"dynamic\" availabilityStartTime=\"2026-01-01T00:00:00Z\" publishTime=\"2026-01-01T00:00:09Z\"";
            *content = format!("{before}{after}").replace("type=\"static\"", live).into_bytes();
        }
    }
    let server = Server::serving(Arc::new(Odd(files, Oddity::NoRanges)), Settings::default());
    let port = server.secure.port();
    let verdict = tokio::task::spawn_blocking(move || judged(&format!("https://localhost:{port}/"), Version::Http3)).await??;
    ensure!(verdict.live && verdict.faults.is_empty(), "{verdict:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_said() -> Result<()> {
    let server = Server::start(Settings::default());
    let (secure, plain) = (server.secure.port(), server.plain.port());
    tokio::task::spawn_blocking(move || {
        for (url, version, trusted, said) in [
            (format!("https://localhost:{secure}/nowhere/"), Version::Any, true, "neither master.m3u8 nor manifest.mpd is there"),
            (format!("https://localhost:{secure}/nowhere.m3u8"), Version::Http3, true, "404 Not Found"),
            (format!("https://localhost:{secure}/"), Version::Any, false, "UnknownIssuer"),
            (format!("https://localhost:{secure}/"), Version::Http3, false, "UnknownIssuer"),
            (format!("http://localhost:{plain}/"), Version::Http2, true, "neither"),
            (format!("http://localhost:{plain}/"), Version::Http3, true, "HTTP/3 is spoken with https alone"),
            ("ftp://localhost/".into(), Version::Any, true, "it is no URL of http or https"),
            ("https://".into(), Version::Any, true, "it is no URL"),
        ] {
            let file = certificate_file();
            let client = Client::new(version, trusted.then_some(file.as_path()))?;
            let told = match Site::new(&url, client).and_then(|site| verify(&site)) {
                Ok(verdict) => format!("{:?}", verdict.faults),
                Err(error) => error.to_string(),
            };
            ensure!(told.contains(said), "{url} by {version:?}: {told}");
        }
        Ok(())
    })
    .await?
}
