//! The limits and windows of the transports.

use std::time::Duration;

use clap::ValueEnum;

use super::ResetKey;

/// Limits, windows and timeouts of every listener. The defaults suit a public origin on a machine with 1 GiB of memory.
///
/// # Worst case
///
/// What clients can make the transports hold, with the defaults:
///
/// | what | one connection | the whole server |
/// |---|---|---|
/// | an idle HTTP/3 connection; with TLS on TCP less | 54 KiB | 432 MiB at [`max_connections`](Self::max_connections) |
/// | written over QUIC and not yet acknowledged | 64 KiB, and up to [`send_window`](Self::send_window) as its path takes more | all beyond 64 KiB: [`send_total`](Self::send_total), 128 MiB |
/// | encrypted for TCP and not yet taken by the kernel | 144 KiB | |
/// | taken by the kernel and not yet sent over TCP, on Linux | 128 KiB | |
/// | written over HTTP/2 and not yet taken | 128 KiB a stream | with the piece of each response, below |
/// | the piece that each response waits with | 128 KiB a request, where the handler made it | 128 KiB x [`max_requests`](Self::max_requests), reached only by so many requests for different files that all stall within [`write_timeout`](Self::write_timeout) |
/// | memory for blocks of files that waits to be used again | | 4 MiB |
/// | bursts of QUIC packets that are gathered | | 1 MiB a UDP socket, of which each address has one for each processor |
/// | packets that came to another of these than their connection runs on | | 6 MiB a UDP socket |
/// | packets that are received at once | | 3 MiB a UDP socket |
/// | received and not yet read ([`receive_window`](Self::receive_window)) | 1 MiB | |
/// | header sections on the way ([`max_header_bytes`](Self::max_header_bytes) x [`max_streams`](Self::max_streams)) | within `receive_window` | for [`header_timeout`](Self::header_timeout) |
/// | handshakes ([`max_handshakes`](Self::max_handshakes)) | some 50 KiB | 50 MiB, and 8 MiB for those not yet looked at |
///
/// What has no bound in the last column is bounded for one client by [`max_connections_per_ip`](Self::max_connections_per_ip).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Time for a TLS or QUIC handshake. Default 10 s.
    pub handshake_timeout: Duration,
    /// Time for the header section of a request to arrive, once begun. Default 10 s. HTTP/1.1 has one timer for this and for the
    /// pause before the next request: there it is [`idle_timeout`](Self::idle_timeout) up to 30 s, when that is longer.
    pub header_timeout: Duration,
    /// A connection without a request for this long is closed. Default 60 s.
    pub idle_timeout: Duration,
    /// A QUIC connection from which no packet came for this long is gone (RFC 9000 section 10.1). Default 30 s.
    pub quic_idle_timeout: Duration,
    /// A client over HTTP/2 from which nothing came for this long is asked whether it is there (PING, RFC 9113 section 6.7), and is gone
    /// when nothing comes for as long again. Default 20 s.
    pub http2_silence: Duration,
    /// Time for a client to take a piece of a response: what the handler gave at once, 128 KiB of a file. What is not taken is reset,
    /// over HTTP/1.1 with its connection. So 4.4 kB/s is the least rate of a download. Default 30 s.
    pub write_timeout: Duration,
    /// Least rate of a request body, in bytes a second over each [`body_window`](Self::body_window) in which its handler waits for
    /// it. Default 1024.
    pub min_body_rate: u32,
    /// See [`min_body_rate`](Self::min_body_rate). Default 30 s.
    pub body_window: Duration,
    /// After the shutdown signal, time for running requests to end before they are cut. Default 10 s.
    pub drain_timeout: Duration,
    /// Largest header section of a request in bytes, as RFC 9114 section 4.2.2 counts them. Default 64 KiB.
    pub max_header_bytes: u32,
    /// Most fields of the header section of a request. Default 200.
    pub max_header_fields: usize,
    /// Requests that one HTTP/2 or HTTP/3 connection may have open at once. Default 100, the least that RFC 9114
    /// section 6.1 wants: quinn sets memory aside for each that may be.
    pub max_streams: u32,
    /// Connections at once, over TCP and QUIC together. Default 8192.
    pub max_connections: usize,
    /// Connections at once of one IPv4 address or one /64 of IPv6 addresses; behind a proxy or a CDN that is all of them.
    /// Default 1024.
    pub max_connections_per_ip: usize,
    /// TLS and QUIC handshakes under way at once. Default 1024. More are turned away, and above half of them QUIC clients must first
    /// prove their address (Retry, RFC 9000 section 8.1.2).
    pub max_handshakes: usize,
    /// Requests under way at once, over all connections; more are answered 503. Default 16384.
    pub max_requests: usize,
    /// Most bytes that one QUIC connection may have written and not yet acknowledged. It bounds throughput to this much a round
    /// trip. A connection begins with 64 KiB and gets what its path takes in two round trips, in four
    /// while that loses packets, so that little is held for a client
    /// that vanishes, and little stale media queues in front of newer. Default 4 MiB.
    pub send_window: u32,
    /// Bytes that all QUIC connections together may have beyond the 64 KiB of each. Default 128 MiB.
    pub send_total: usize,
    /// Bytes that one connection may have received and not yet read, all its streams together. Default 1 MiB.
    pub receive_window: u32,
    /// The same for one stream. It bounds upload speed to this much a round trip. Default 512 KiB.
    pub stream_receive_window: u32,
    /// First congestion window of QUIC, in packets of 1200 bytes. Default 40.
    pub initial_window_packets: u16,
    /// What decides how fast QUIC sends. Default: [`Congestion::Bbr`]: without losses it is as fast as Cubic and keeps queues short, where
    /// viewers lose 1 % of their packets it is faster by more than ten times, and it leaves Cubic its share.
    pub congestion: Congestion,
    /// Size asked for the kernel's buffers of a UDP socket, in bytes; the kernel may give less. Default 4 MiB.
    pub udp_buffer_bytes: usize,
    /// How long a client may remember that HTTP/3 is offered (`ma`, RFC 7838 section 3.1). Default 24 h.
    pub alt_svc_max_age: Duration,
    /// What tells the QUIC clients of a server that was killed that their connections are gone, once it runs again (RFC 9000
    /// section 10.3). Default: none, and they wait until [`quic_idle_timeout`](Self::quic_idle_timeout).
    pub reset_key: Option<ResetKey>,
}

/// A congestion controller of QUIC. What goes over TCP is up to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Congestion {
    /// BBR, version 3 (draft-ietf-ccwg-bbr): by what the path delivers
    Bbr,
    /// Cubic (RFC 9438): faster until packets are lost
    Cubic,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(1),
            quic_idle_timeout: Duration::from_secs(30),
            http2_silence: Duration::from_secs(20),
            write_timeout: Duration::from_secs(30),
            min_body_rate: 1024,
            body_window: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            max_header_bytes: 64 << 10,
            max_header_fields: 200,
            max_streams: 100,
            max_connections: 8192,
            max_connections_per_ip: 1024,
            max_handshakes: 1024,
            max_requests: 16384,
            send_window: 4 << 20,
            send_total: 128 << 20,
            receive_window: 1 << 20,
            stream_receive_window: 512 << 10,
            initial_window_packets: 40,
            congestion: Congestion::Bbr,
            udp_buffer_bytes: 4 << 20,
            alt_svc_max_age: Duration::from_hours(24),
            reset_key: None,
        }
    }
}
