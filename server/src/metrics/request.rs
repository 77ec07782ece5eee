//! One request, from its arrival to the last byte of its response: counted, and told in the access log.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use percent_encoding::percent_decode_str;

use super::{Metrics, Protocol, STATUSES, add, kind};
use crate::http::{Cmcd, Format, ObjectType, StreamType};

/// The target of the events of the access log.
pub const ACCESS_LOG: &str = "reelway::access";

/// A request under way. When it is dropped it has ended, one way or another.
#[derive(Debug)]
pub struct Record {
    metrics: Arc<Metrics>,
    protocol: Protocol,
    kind: usize,
    begun: Instant,
    /// None: the client has left before its answer began.
    status: Option<u16>,
    first_byte: Option<Instant>,
    bytes: u64,
    whole: bool,
    /// For the access log, when there is one.
    line: Option<Line>,
}

#[derive(Debug)]
struct Line {
    peer: SocketAddr,
    method: String,
    path: String,
    /// What the player told of itself.
    cmcd: Cmcd,
}

impl Record {
    /// A request begins.
    pub fn begin<B>(metrics: &Arc<Metrics>, request: &http::Request<B>, peer: SocketAddr) -> Self {
        let protocol = Protocol::of(request.version());
        add(&metrics.running[protocol as usize], 1);
        let path = request.uri().path();
        let line = tracing::enabled!(target: ACCESS_LOG, tracing::Level::INFO).then(|| Line {
            peer,
            method: request.method().to_string(),
            path: without_secrets(path),
            cmcd: Cmcd::of(request.uri(), request.headers()).unwrap_or_default(),
        });
        Self {
            metrics: Arc::clone(metrics),
            protocol,
            kind: kind(path),
            begun: Instant::now(),
            status: None,
            first_byte: None,
            bytes: 0,
            whole: false,
            line,
        }
    }

    /// The head of the response is there.
    pub fn answered(&mut self, status: http::StatusCode) {
        self.status = Some(status.as_u16());
    }

    /// A piece of the response goes to the transport.
    pub fn gave(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.first_byte.get_or_insert_with(Instant::now);
    }

    /// The response has all been handed to the transport.
    pub fn complete(&mut self) {
        self.whole = true;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let protocol = self.protocol as usize;
        self.metrics.running[protocol].fetch_sub(1, Relaxed);
        let first_byte = self.first_byte.unwrap_or_else(Instant::now).duration_since(self.begun);
        match self.status {
            Some(status) => {
                let index = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len() - 1);
                add(&self.metrics.requests[protocol][self.kind][index], 1);
                add(&self.metrics.bytes[protocol][self.kind], self.bytes);
                self.metrics.first_byte[protocol].record(first_byte);
            }
            None => add(&self.metrics.abandoned[protocol], 1),
        }
        if let Some(Line { peer, method, path, cmcd }) = &self.line {
            tracing::info!(
                target: ACCESS_LOG,
                %peer,
                method,
                path,
                protocol = self.protocol.name(),
                status = self.status.unwrap_or(0),
                bytes = self.bytes,
                whole = self.whole,
                first_byte_us = u64::try_from(first_byte.as_micros()).unwrap_or(u64::MAX),
                total_us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX),
                cmcd.sid = cmcd.session,
                cmcd.cid = cmcd.content,
                cmcd.sf = cmcd.format.map(Format::token),
                cmcd.st = cmcd.stream.map(StreamType::token),
                cmcd.ot = cmcd.object.map(ObjectType::token),
                cmcd.br = cmcd.bitrate,
                cmcd.tb = cmcd.top_bitrate,
                cmcd.d = cmcd.duration,
                cmcd.bl = cmcd.buffer,
                cmcd.dl = cmcd.deadline,
                cmcd.mtp = cmcd.throughput,
                cmcd.rtp = cmcd.sufficient,
                cmcd.pr = cmcd.rate.map(|thousandths| f64::from(thousandths) / 1000.0),
                cmcd.bs = cmcd.starved.then_some(true),
                cmcd.su = cmcd.startup.then_some(true),
            );
        }
    }
}

/// A path as logs may show it: a signed token (`/t/TOKEN/...`), the key of a publisher (`/ingest/NAME~KEY`) and the name of a file that
/// whoever knows it may write (`/upload/tus/NAME`) are left out. A query is never shown.
pub fn without_secrets(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    if let [_, top, token, ..] = &mut parts[..]
        && percent_decode_str(top).eq(b"t".iter().copied())
    {
        *token = "-";
    }
    if let [_, "upload", "tus", name] = &mut parts[..]
        && !name.is_empty()
    {
        *name = "-";
    }
    let parts: Vec<String> = parts.into_iter().map(without_key).collect();
    parts.join("/")
}

fn without_key(part: &str) -> String {
    let plain = part.find('~');
    let encoded = part.to_ascii_lowercase().find("%7e");
    match plain.into_iter().chain(encoded).min() {
        Some(at) => format!("{}~-", &part[..at]),
        None => part.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;

    #[test]
    fn requests_are_logged_with_what_players_tell_and_without_their_query() {
        let mut file = Arc::new(tempfile::tempfile().unwrap());
        let subscriber = tracing_subscriber::fmt().with_writer(Arc::clone(&file)).with_ansi(false).finish();
        let uri = "/vod/a.mp4/v1/1.m4s?token=secret&CMCD=br%3D3200%2Cbs%2Cot%3Dv%2Cpr%3D1.5%2Csf%3Dh%2Csid%3D%22abc%22";
        let request = http::Request::get(uri).body(()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            Record::begin(&Arc::default(), &request, ([192, 0, 2, 1], 4433).into()).answered(http::StatusCode::NOT_FOUND);
        });
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        for told in [
            "access: peer=192.0.2.1:4433 method=\"GET\" path=\"/vod/a.mp4/v1/1.m4s\" protocol=\"http/1.1\" status=404 bytes=0",
            " cmcd.sid=\"abc\"",
            " cmcd.sf=\"h\"",
            " cmcd.ot=\"v\"",
            " cmcd.br=3200",
            " cmcd.pr=1.5",
            " cmcd.bs=true",
        ] {
            assert!(text.contains(told), "{told} is not in {text}");
        }
        assert!(!text.contains("secret") && !text.contains("cmcd.su"), "{text}");
    }

    #[test]
    fn secrets_are_not_shown() {
        for (path, shown) in [
            ("/media/a b.mp4", "/media/a b.mp4"),
            ("/t/abc.def/vod/a.mp4/master.m3u8", "/t/-/vod/a.mp4/master.m3u8"),
            ("/t/abc", "/t/-"),
            ("/%74/abc/vod", "/%74/-/vod"),
            ("/ingest/show~secret/v1/1.m4s", "/ingest/show~-/v1/1.m4s"),
            ("/ingest/show%7Esecret", "/ingest/show~-"),
            ("/ingest/show~sec%7eret~", "/ingest/show~-"),
            ("/upload/tus/0123", "/upload/tus/-"),
            ("/upload/tus/", "/upload/tus/"),
        ] {
            assert_eq!(without_secrets(path), shown, "{path}");
        }
    }
}
