//! What the server counts, and `/metrics`, which tells it as Prometheus reads it.
//!
//! A registry of our own: all that is counted is known when the server is built, so that counting is an addition to an array element,
//! without hashing, locks or allocation. General registries are made for names that come up at run time, and bring some forty crates.

mod exposition;
mod histogram;
mod live;
mod process;
mod request;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::live::Streams;
use exposition::Exposition;
use histogram::Histogram;
pub use request::{ACCESS_LOG, Record, without_secrets};

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 and HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// HTTP/3.
    Http3,
}

/// What connections are counted by: what was agreed on, or plain, where HTTP/1.1 and HTTP/2 share a port without agreeing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// TCP without TLS.
    Plain,
    /// HTTP/1.1 over TLS.
    Http1,
    /// HTTP/2 over TLS.
    Http2,
    /// HTTP/3.
    Http3,
}

const LINKS: [&str; 4] = ["plain", "http/1.1", "h2", "h3"];

impl Protocol {
    const ALL: [Self; 3] = [Self::Http1, Self::Http2, Self::Http3];

    /// By the version of a request.
    pub fn of(version: http::Version) -> Self {
        match version {
            http::Version::HTTP_3 => Self::Http3,
            http::Version::HTTP_2 => Self::Http2,
            _ => Self::Http1,
        }
    }

    /// As ALPN calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
            Self::Http3 => "h3",
        }
    }
}

/// The statuses that are counted one by one; the last one stands for all others.
const STATUSES: [u16; 32] = [
    200, 201, 202, 204, 206, 301, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 410, 411, 412, 413, 414, 415, 416, 422, 425, 429, 431,
    500, 501, 503, 507, 0,
];

/// What a path asks for, as far as its form tells.
const KINDS: [&str; 9] = ["playlist", "mpd", "init", "segment", "media", "ingest", "upload", "api", "other"];

/// The index in [`KINDS`].
fn kind(path: &str) -> usize {
    let name = path.rsplit('/').next().unwrap_or_default();
    let ends = |suffix: &str| name.len() > suffix.len() && name.ends_with(suffix);
    let top = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    match top {
        "media" => 4,
        "ingest" => 5,
        "upload" => 6,
        "api" | "metrics" | "healthz" | "readyz" => 7,
        _ if ends(".m3u8") => 0,
        _ if ends(".mpd") => 1,
        _ if name.starts_with("init") && ends(".mp4") => 2,
        _ if ends(".m4s") || ends(".mp4") => 3,
        _ => 8,
    }
}

/// All that is counted. One for a server; counting is cheap and never waits.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: [[[AtomicU64; STATUSES.len()]; KINDS.len()]; 3],
    bytes: [[AtomicU64; KINDS.len()]; 3],
    first_byte: [Histogram; 3],
    running: [AtomicU64; 3],
    abandoned: [AtomicU64; 3],
    connections: [AtomicU64; LINKS.len()],
    open: [AtomicU64; LINKS.len()],
    turned_away: AtomicU64,
    handshakes_failed: AtomicU64,
    packets_sent: AtomicU64,
    packets_lost: AtomicU64,
}

/// A connection that is open, until dropped.
#[derive(Debug)]
pub struct Open {
    metrics: Arc<Metrics>,
    link: Link,
}

impl Metrics {
    /// Counts a connection in.
    pub fn connection(self: &Arc<Self>, link: Link) -> Open {
        add(&self.connections[link as usize], 1);
        add(&self.open[link as usize], 1);
        Open { metrics: Arc::clone(self), link }
    }

    /// Counts a connection for which there was no room.
    pub fn turned_away(&self) {
        add(&self.turned_away, 1);
    }

    /// Counts a TLS or QUIC handshake that failed or took too long.
    pub fn handshake_failed(&self) {
        add(&self.handshakes_failed, 1);
    }

    /// Counts the packets of a QUIC connection that has ended.
    pub fn packets(&self, sent: u64, lost: u64) {
        add(&self.packets_sent, sent);
        add(&self.packets_lost, lost);
    }

    /// Everything in the text format of Prometheus 0.0.4. `index_cache`: hits and misses.
    pub fn render(&self, index_cache: (u64, u64), streams: &Streams) -> String {
        let mut text = Exposition::default();
        text.begin("reelway_requests_total", "counter", "Requests answered.");
        for (protocol, kinds) in Protocol::ALL.iter().zip(&self.requests) {
            for (kind, statuses) in KINDS.iter().zip(kinds) {
                for (status, count) in STATUSES.iter().zip(statuses) {
                    let count = count.load(Relaxed);
                    if count > 0 {
                        let status = if *status == 0 { "other".to_owned() } else { status.to_string() };
                        text.sample(&[("protocol", protocol.name()), ("kind", kind), ("status", &status)], count);
                    }
                }
            }
        }
        text.begin("reelway_response_bytes_total", "counter", "Bytes of response content handed to the transports.");
        for (protocol, kinds) in Protocol::ALL.iter().zip(&self.bytes) {
            for (kind, bytes) in KINDS.iter().zip(kinds) {
                let bytes = bytes.load(Relaxed);
                if bytes > 0 {
                    text.sample(&[("protocol", protocol.name()), ("kind", kind)], bytes);
                }
            }
        }
        text.begin("reelway_first_byte_seconds", "histogram", "Time from the request to the first byte of its response.");
        for (protocol, histogram) in Protocol::ALL.iter().zip(&self.first_byte) {
            histogram.render(&mut text, protocol.name());
        }
        for (name, kind, help, values) in [
            ("reelway_requests_running", "gauge", "Requests under way.", &self.running),
            ("reelway_requests_abandoned_total", "counter", "Requests whose client left before their answer began.", &self.abandoned),
        ] {
            text.begin(name, kind, help);
            for (protocol, value) in Protocol::ALL.iter().zip(values) {
                text.sample(&[("protocol", protocol.name())], value.load(Relaxed));
            }
        }
        for (name, kind, help, values) in [
            ("reelway_connections_total", "counter", "Connections, once their protocol is agreed on.", &self.connections),
            ("reelway_connections_open", "gauge", "Connections that are open.", &self.open),
        ] {
            text.begin(name, kind, help);
            for (link, value) in LINKS.iter().zip(values) {
                text.sample(&[("protocol", link)], value.load(Relaxed));
            }
        }
        for (name, help, value) in [
            ("reelway_connections_turned_away_total", "Connections for which there was no room.", self.turned_away.load(Relaxed)),
            ("reelway_handshakes_failed_total", "TLS and QUIC handshakes that failed.", self.handshakes_failed.load(Relaxed)),
            ("reelway_quic_packets_sent_total", "Packets of QUIC connections that ended.", self.packets_sent.load(Relaxed)),
            ("reelway_quic_packets_lost_total", "Those of them that were lost.", self.packets_lost.load(Relaxed)),
            ("reelway_index_cache_hits_total", "Indexes of files found in memory.", index_cache.0),
            ("reelway_index_cache_misses_total", "Indexes of files that had to be read.", index_cache.1),
        ] {
            text.begin(name, "counter", help);
            text.sample(&[], value);
        }
        live::render(&mut text, streams);
        process::render(&mut text);
        text.finish()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.open[self.link as usize].fetch_sub(1, Relaxed);
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_kinds() {
        for (path, expected) in [
            ("/vod/a/b.mp4/master.m3u8", "playlist"),
            ("/vod/a.mp4/v1/media.m3u8", "playlist"),
            ("/vod/a.mp4/manifest.mpd", "mpd"),
            ("/vod/a.mp4/v1/init.mp4", "init"),
            ("/live/a/v1/init-3.mp4", "init"),
            ("/live/a/v1/12.3.m4s", "segment"),
            ("/media/a.mp4", "media"),
            ("/media/a.m3u8", "media"),
            ("/api/v1/server", "api"),
            ("/readyz", "api"),
            ("/", "other"),
            ("/.m4s", "other"),
        ] {
            assert_eq!(KINDS[kind(path)], expected, "{path}");
        }
    }

    #[test]
    fn statuses_are_in_order_and_none_twice() {
        assert!(STATUSES[..STATUSES.len() - 1].is_sorted_by(|a, b| a < b));
    }
}
