//! Reelway, the server: an HTTP/3, HTTP/2 and HTTP/1.1 origin for video, on demand and live, and the packager.
//!
//! ```text
//! cli -> front, operators -> origin -> http, storage -> reelway-core
//!    |-> net (TCP, QUIC) -> metrics  '- what net hands requests to
//!    |-> acme -> net: certificates from an authority
//!    |-> ingest -> auth, live, ladder (SRT) -> storage, reelway-core: encoders push into a log of each rendition, from which origin serves
//!    |-> upload -> auth, catalogue, storage -> reelway-core
//!    |-> content_key -> auth, config -> reelway-core: what origin and live encrypt with
//!    |-> live_ladder -> live, ladder: rungs of streams
//!    |-> upload_ladder -> upload, jobs: rungs of uploads
//!    '-> jobs -> upload, catalogue, ladder (ffmpeg) -> storage
//! ```

pub mod acme;
pub mod auth;
pub mod catalogue;
pub mod cli;
pub mod config;
pub mod content_key;
pub mod duration;
pub mod front;
pub mod http;
pub mod ingest;
pub mod jobs;
pub mod keys;
pub mod ladder;
pub mod live;
pub mod live_ladder;
pub mod metrics;
pub mod net;
pub mod operators;
pub mod origin;
pub mod package;
pub mod report;
pub mod storage;
pub mod upload;
pub mod upload_ladder;
pub mod verify;
