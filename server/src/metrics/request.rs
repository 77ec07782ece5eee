//! One request, from its arrival to the last byte of its response: counted, and told in the access log.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use percent_encoding::percent_decode_str;

use super::{Metrics, Protocol, STATUSES, add, kind};

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
        if let Some(Line { peer, method, path }) = &self.line {
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
            );
        }
    }
}

/// A path as logs may show it: a signed token (`/t/TOKEN/...`) and the key of a publisher (`/ingest/NAME~KEY`) are left out. A
/// query is never shown.
pub fn without_secrets(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    if let [_, top, token, ..] = &mut parts[..]
        && percent_decode_str(top).eq(b"t".iter().copied())
    {
        *token = "-";
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
    use super::*;

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
        ] {
            assert_eq!(without_secrets(path), shown, "{path}");
        }
    }
}
