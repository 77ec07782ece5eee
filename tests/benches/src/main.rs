//! Benches: each figure is a ratio to a peer or to a physical limit, measured in the same run.
//!
//! `cargo xtask bench package [--input FILE] [--rounds N] [--scratch DIR]` packages a file and compares with `cp`, ffmpeg and Shaka Packager.
//! `cargo xtask bench encrypt [--input FILE] [--rounds N]` encrypts its segments and compares with the cipher alone.
//! `cargo xtask bench ladder [--input FILE] [--rounds N] [--only files|live]` makes three rungs and compares with one ffmpeg command that does
//! the same; and tells how much later the rungs of a live stream are there than itself.
//! `cargo xtask bench jit [--input FILE] [--rounds N]` serves it and compares with serving plain bytes.
//! `cargo xtask bench instructions [--rounds N]` counts what the core takes for the index of a long film, by valgrind.
//! `cargo xtask bench transport [--rounds N] [--connections N] [--only whole|segments|jit|held|handshakes|lossy|reads]` compares
//! with bare quinn and with those of nginx, Caddy and ngtcp2's gtlsserver that are installed, holds connections, and compares ways to read a
//! disk, and congestion controllers on paths that lose packets.
//! `cargo xtask bench live [--viewers N] [--only delay|fan-out]` has N viewers of a live stream (100; five times as many for the delay) over
//! each protocol, for parts of 0.2, 0.5 and 1 s: p50 and p99 of the delay of a part, viewers that a core serves, memory of a viewer; and the
//! delay of a bare loop that does nothing but encrypt and send the same bytes to as many.
//! `cargo xtask bench soak [--minutes N] [--viewers N]` has N viewers (100) of three live streams come and go for so long (60 minutes) by all
//! protocols, compares what they get with what was pushed, and tells how much memory the server has at last for what it had at first. It is
//! not among those that run where no name is given.
//! `cargo xtask bench uploads [--scratch DIR]` cuts two uploads off 500 times, half of them by killing the server, and compares what comes of them.

mod encoder;
mod encrypt;
mod floor;
mod input;
mod instructions;
mod jit;
mod ladder;
mod live;
mod live_ladder;
mod measure;
mod package;
mod soak;
mod transport;
mod uploads;

use std::{path::PathBuf, process::ExitCode};

use anyhow::bail;

/// What all benches are told.
struct Options {
    input: Option<PathBuf>,
    rounds: usize,
    scratch: Option<PathBuf>,
    /// Idle connections to hold.
    connections: usize,
    /// Viewers of a live stream.
    viewers: usize,
    /// How long to soak.
    minutes: u64,
    /// The one part of a bench to run.
    only: Option<String>,
}

impl Options {
    /// Whether a part is to be run.
    fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next();
    if name.as_deref() == Some(measure::CHILD) {
        return measure::child(&arguments.collect::<Vec<_>>());
    }
    if name.as_deref() == Some(instructions::CHILD) {
        return instructions::child(&arguments.collect::<Vec<_>>());
    }
    if name.as_deref() == Some(transport::BARE_QUINN) {
        return transport::bare_quinn(&arguments.collect::<Vec<_>>());
    }
    if name.as_deref() == Some(floor::CHILD) {
        return floor::child(&arguments.collect::<Vec<_>>());
    }
    let mut options = Options { input: None, rounds: 5, scratch: None, connections: 5000, viewers: 100, minutes: 60, only: None };
    while let Some(option) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| anyhow::anyhow!("{option} needs a value"));
        match option.as_str() {
            "--input" => options.input = Some(value()?.into()),
            "--rounds" => options.rounds = value()?.parse()?,
            "--scratch" => options.scratch = Some(value()?.into()),
            "--connections" => options.connections = value()?.parse()?,
            "--viewers" => options.viewers = value()?.parse()?,
            "--minutes" => options.minutes = value()?.parse()?,
            "--only" => options.only = Some(value()?),
            _ => bail!(
                "unknown option {option}: there are --input FILE, --rounds N, --scratch DIR, --connections N, --viewers N, --minutes N, --only PART"
            ),
        }
    }
    match name.as_deref() {
        Some("package") => package::run(&options),
        Some("jit") => jit::run(&options),
        Some("encrypt") => encrypt::run(&options),
        Some("ladder") => ladder::run(&options),
        Some("instructions") => instructions::run(&options),
        Some("transport") => transport::run(&options),
        Some("live") => live::run(&options),
        Some("soak") => soak::run(&options),
        Some("uploads") => uploads::run(&options),
        None => package::run(&options)
            .and_then(|()| jit::run(&options))
            .and_then(|()| encrypt::run(&options))
            .and_then(|()| instructions::run(&options))
            .and_then(|()| transport::run(&options))
            .and_then(|()| live::run(&options))
            .and_then(|()| ladder::run(&options)),
        Some(other) => {
            bail!("unknown bench {other}: there are package, jit, encrypt, instructions, transport, live, soak, ladder and uploads")
        }
    }
}
