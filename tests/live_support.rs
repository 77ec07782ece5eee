//! A server of live streams for tests, encoders that push to it, and viewers.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, missing_docs, reason = "these are tests, though not marked as such")]

#[path = "transport_support.rs"]
pub mod transport;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use reelway::{
    auth::{Gate, Secret},
    config::Config,
    front::{Front, Readiness},
    ingest::{Ingest, Rtmp, Whip},
    live::{Clock, Streams},
    net::{Settings, listen, listen_udp},
    origin::{Origin, ServerInfo},
};
use reelway_tests::ffmpeg::{self, View};
use tokio::time::sleep;
use transport::{Protocol, Server, soon};

/// Short segments, so that tests need not wait for long ones; all that is not said is as usual.
pub const SHORT: &str = "[live]\nsegment = \"1s\"\npart = \"200ms\"\nwindow = \"20s\"\ngrace = \"2s\"\ntakeover = \"1s\"\n";

/// A server with live streams.
pub struct Studio {
    pub server: Server<Front>,
    pub streams: Arc<Streams>,
    pub ingest: Ingest,
    pub folder: tempfile::TempDir,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub fields: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn field(&self, name: impl header::AsHeaderName) -> &str {
        self.fields.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Studio {
    /// A server whose configuration is `config`.
    pub fn new(config: &str) -> Self {
        Self::by(Clock::default(), config)
    }

    /// The same, which publishes by this clock.
    pub fn by(clock: Clock, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reelway.toml");
        fs::write(&file, config).unwrap();
        let streams = Streams::new(Config::read(&file).unwrap(), folder.path().join("live")).with_clock(clock);
        let streams = Arc::new(streams.with_secret(Secret::of(folder.path()).unwrap()));
        let origin = Origin::with_live(None, ServerInfo::new(vec!["h3"], None), Arc::clone(&streams)).unwrap();
        tokio::spawn(reelway::live_ladder::run(Arc::clone(&streams)));
        let ingest = Ingest::new(Arc::clone(&streams), Gate::new(Secret::of(folder.path()).unwrap()));
        let socket = listen_udp("127.0.0.1:0".parse().unwrap()).unwrap();
        let whip = Whip::new(socket, None, ingest.clone(), Arc::default()).unwrap();
        let front = Arc::new(Front::new(origin, ingest.clone(), Readiness::default(), Arc::default()).with_whip(Some(whip)));
        Self { server: Server::serving(front, Settings::default()), streams, ingest, folder }
    }

    /// Takes publishers over RTMP, at this address.
    pub fn rtmp(&self) -> SocketAddr {
        let listeners = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listeners[0].local_addr().unwrap();
        let rtmp = Rtmp::new(self.ingest.clone(), listeners, &transport::identity().into(), Arc::default()).unwrap();
        tokio::spawn(rtmp.run());
        address
    }

    /// An address without TLS.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.server.plain.port())
    }

    pub async fn ask(&self, method: Method, path: &str, fields: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        self.ask_by(Protocol::H1, method, path, fields, body).await
    }

    pub async fn ask_by(&self, protocol: Protocol, method: Method, path: &str, fields: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("https://localhost:{}{path}", self.server.secure.port()));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (parts, body) = Box::pin(self.server.exchange(protocol, request.body(body.into()).unwrap())).await.unwrap();
        Answer { status: parts.status, fields: parts.headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], Bytes::new()).await
    }

    pub async fn put(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.ask(Method::PUT, path, &[], body).await
    }

    /// Asks again until the answer is as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        soon(async {
            loop {
                let answer = self.get(path).await;
                if wanted(&answer) {
                    return answer;
                }
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await
    }

    /// A media playlist once the stream is over.
    pub async fn ended(&self, path: &str) -> String {
        self.until(path, |answer| answer.text().contains("#EXT-X-ENDLIST")).await.text()
    }

    /// All that a player gets of a rendition that is over, as one file.
    pub async fn download(&self, stream: &str, rendition: &str) -> Vec<u8> {
        let playlist = self.ended(&format!("/live/{stream}/{rendition}/media.m3u8")).await;
        let mut file = Vec::new();
        for name in headers_and_segments(&playlist) {
            let answer = self.get(&format!("/live/{stream}/{rendition}/{name}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{name} of\n{playlist}");
            file.extend_from_slice(&answer.body);
        }
        file
    }

    /// Writes a file into the folder of the test.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// The names of headers and segments in a media playlist, in order, each once; without those that it calls gaps.
pub fn headers_and_segments(playlist: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut gap = false;
    for line in playlist.lines() {
        gap |= line == "#EXT-X-GAP";
        if gap && !line.starts_with('#') {
            gap = false;
            continue;
        }
        let map = line.strip_prefix("#EXT-X-MAP:URI=\"").and_then(|rest| rest.split('"').next());
        if let Some(name) = map.or_else(|| Some(line).filter(|line| !line.starts_with('#') && !line.is_empty()))
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }
    names
}

/// A program that is killed when dropped.
pub struct Running(pub Child);

impl Running {
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// Waits for its end; whether it ended well.
    pub async fn ended(mut self) -> bool {
        soon(async {
            loop {
                if let Some(status) = self.0.try_wait().unwrap() {
                    return status.success();
                }
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What ffmpeg makes in real time: a picture with a key frame every second, and sound.
pub const SOURCE: [&str; 29] = [
    "-nostdin",
    "-loglevel",
    "error",
    "-re",
    "-f",
    "lavfi",
    "-i",
    "testsrc=size=320x180:rate=25",
    "-re",
    "-f",
    "lavfi",
    "-i",
    "sine=frequency=440:sample_rate=48000",
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-tune",
    "zerolatency",
    "-g",
    "25",
    "-keyint_min",
    "25",
    "-sc_threshold",
    "0",
    "-c:a",
    "aac",
    "-b:a",
    "64k",
];

/// ffmpeg in real time with these outputs.
pub fn ffmpeg(arguments: &[&str]) -> Running {
    Running::start("ffmpeg", &[&SOURCE[..], arguments].concat())
}

/// Three seconds of picture and sound as a fragmented MP4, a fragment for every fifth of a second.
pub static FILM: LazyLock<(PathBuf, Bytes)> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("live-tests-{}.mp4", std::process::id()));
    let mut arguments: Vec<&str> = SOURCE[1..].iter().copied().filter(|argument| *argument != "-re").collect();
    arguments.extend(["-t", "3", "-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "200000", "-f", "mp4"]);
    ffmpeg::run(arguments, &path).unwrap();
    let bytes = fs::read(&path).unwrap().into();
    (path, bytes)
});

/// The MD5 of each sample of the stream `index` of a file.
pub fn samples(path: &Path, index: usize) -> Vec<String> {
    let packets = ffmpeg::packets(path, View::Raw).unwrap();
    packets.into_iter().filter(|packet| packet.stream == index).map(|packet| packet.hash).collect()
}

/// Where the boxes of a file begin, with their names.
pub fn boxes(bytes: &[u8]) -> Vec<(usize, [u8; 4])> {
    let (mut at, mut found) = (0, Vec::new());
    while let Some(head) = bytes.get(at..at + 8) {
        found.push((at, head[4..8].try_into().unwrap()));
        at += u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
    }
    found
}

/// A fragmented file as its header and its fragments.
pub fn fragments(bytes: &Bytes) -> (Bytes, Vec<Bytes>) {
    let starts: Vec<usize> = boxes(bytes).into_iter().filter(|(_, name)| matches!(name, b"moof" | b"mfra")).map(|(at, _)| at).collect();
    let pieces = starts.windows(2).map(|pair| bytes.slice(pair[0]..pair[1]));
    (bytes.slice(..starts[0]), pieces.collect())
}
