//! The limits and windows of the transports.

use std::time::Duration;

/// Limits, windows and timeouts of every listener. The defaults suit a public origin on a machine with a few GiB of memory.
///
/// # Worst case
///
/// What one hostile HTTP/3 connection can make the transports hold, with the defaults:
///
/// | what | how much |
/// |---|---|
/// | received and not yet read ([`receive_window`](Self::receive_window)) | 2 MiB |
/// | written and not yet acknowledged ([`send_window`](Self::send_window)) | 2 MiB |
/// | header sections on the way ([`max_header_bytes`](Self::max_header_bytes) x [`max_streams`](Self::max_streams)) | 8 MiB |
/// | the chunk each response waits with | 128 x one [`Bytes`](bytes::Bytes) of the handler, usually shared |
///
/// A connection that behaves holds 30 to 60 KiB. HTTP/2 is bound by the same windows for what is received, and by 128 KiB a stream
/// for what is written; HTTP/1.1 by one request at a time. All of it is multiplied by
/// [`max_connections`](Self::max_connections), once for TCP and once for QUIC.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Time for a TLS or QUIC handshake. Default 10 s.
    pub handshake_timeout: Duration,
    /// Time for the header section of a request to arrive, once begun. Default 10 s. HTTP/1.1 has one timer for this and for the
    /// pause before the next request: there it is [`idle_timeout`](Self::idle_timeout) up to 30 s, when that is longer.
    pub header_timeout: Duration,
    /// A TCP connection without a request for this long is closed. Default 60 s.
    pub idle_timeout: Duration,
    /// A QUIC connection from which no packet came for this long is gone (RFC 9000 section 10.1). Default 30 s.
    pub quic_idle_timeout: Duration,
    /// After the shutdown signal, time for running requests to end before they are cut. Default 10 s.
    pub drain_timeout: Duration,
    /// Largest header section of a request in bytes, as RFC 9114 section 4.2.2 counts them. Default 64 KiB.
    pub max_header_bytes: u32,
    /// Requests that one HTTP/2 or HTTP/3 connection may have open at once. Default 128.
    pub max_streams: u32,
    /// Connections at once, over TCP and over QUIC each. Default 8192.
    pub max_connections: usize,
    /// Above this many QUIC handshakes under way, clients must first prove their address (Retry, RFC 9000 section 8.1.2).
    /// Default 256.
    pub retry_above: usize,
    /// Bytes that one QUIC connection may have written and not yet acknowledged. It bounds throughput to this much a round
    /// trip, and how much stale media queues in front of newer. Default 2 MiB.
    pub send_window: u32,
    /// Bytes that one connection may have received and not yet read, all its streams together. Default 2 MiB.
    pub receive_window: u32,
    /// The same for one stream. It bounds upload speed to this much a round trip. Default 512 KiB.
    pub stream_receive_window: u32,
    /// First congestion window of QUIC, in packets of 1200 bytes. Default 40.
    pub initial_window_packets: u16,
    /// Size asked for the kernel's buffers of a UDP socket, in bytes; the kernel may give less. Default 4 MiB.
    pub udp_buffer_bytes: usize,
    /// How long a client may remember that HTTP/3 is offered (`ma`, RFC 7838 section 3.1). Default 24 h.
    pub alt_svc_max_age: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(1),
            quic_idle_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            max_header_bytes: 64 << 10,
            max_streams: 128,
            max_connections: 8192,
            retry_above: 256,
            send_window: 2 << 20,
            receive_window: 2 << 20,
            stream_receive_window: 512 << 10,
            initial_window_packets: 40,
            udp_buffer_bytes: 4 << 20,
            alt_svc_max_age: Duration::from_hours(24),
        }
    }
}
