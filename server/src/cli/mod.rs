//! The command line: `reelway serve`, `package`, `ladder`, `live`, `inspect`, `verify`, `token`, `config`.

mod config;
mod input;
mod inspect;
mod ladder;
mod live;
mod log;
mod package;
mod publishers;
mod reload;
mod serve;
mod settings;
mod signals;
mod tls;
mod token;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Plays a folder of videos everywhere, adaptively, over HTTP/3.
#[derive(Debug, Parser)]
#[command(name = "reelway", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a folder of MP4 and MOV files as HLS, DASH and plain files
    Serve(Box<serve::Serve>),
    /// Write one or several files as CMAF segments with HLS and DASH manifests
    Package(package::Package),
    /// Make the qualities of a title from one file, by ffmpeg: an MP4 for each, in a folder that is served as one title
    Ladder(ladder::Ladder),
    /// Send a camera, a file in a loop, the stream of another server or a test pattern to a server of live streams, by ffmpeg
    Live(live::Live),
    /// Tell what a file holds
    Inspect(inspect::Inspect),
    /// Check a published presentation: playlists, MPDs and the segments that they name
    Verify(verify::Verify),
    /// Make keys and signed URLs, and explain them
    Token(token::Token),
    /// Check a configuration, and tell all that can stand in one
    Config(config::Arguments),
}

/// Runs the command that the arguments of the process name. Exit code 0: done; 1: the input or the environment is at fault, said in one
/// line; 2: wrong usage.
pub fn main() -> ExitCode {
    let given: Vec<_> = std::env::args_os().collect();
    let mut matches = command().get_matches_from(&given); // exits with 2 on wrong usage
    if let Some(serve) = matches.subcommand_matches("serve") {
        matches = match settings::complete(given, serve) {
            Ok(all) => command().get_matches_from(all),
            Err(error) => return fail(&error),
        };
    }
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let result = match arguments.command {
        Command::Serve(serve) => serve.run().map(|()| ExitCode::SUCCESS),
        Command::Package(package) => package.run().map(|()| ExitCode::SUCCESS),
        Command::Ladder(ladder) => ladder.run().map(|()| ExitCode::SUCCESS),
        Command::Live(live) => live.run().map(|()| ExitCode::SUCCESS),
        Command::Inspect(inspect) => inspect.run().map(|()| ExitCode::SUCCESS),
        Command::Verify(verify) => verify.run(),
        Command::Token(token) => token.run().map(|()| ExitCode::SUCCESS),
        Command::Config(config) => config.run().map(|()| ExitCode::SUCCESS),
    };
    match result {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// What can be said on the command line.
fn command() -> clap::Command {
    Arguments::command()
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("reelway: {error:#}");
    ExitCode::FAILURE
}
