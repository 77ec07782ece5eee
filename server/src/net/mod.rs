//! The transports: TLS, TCP (HTTP/1.1 and HTTP/2) and QUIC (HTTP/3).
