//! A listener of SRT, held by ffmpeg: what a caller sends comes out as a transport stream.

use std::{ffi::OsString, net::SocketAddr};

use tokio::io::AsyncWriteExt;

use super::{LadderError, Pipe, Tool, error::at};

/// Waits for a caller at `address` that knows the passphrase; its media, as it is, is what is read. It ends with the caller.
///
/// The address is told in a list that ffmpeg reads (`ffconcat`): words of a command are for everybody on the machine to see.
///
/// # Errors
/// ffmpeg cannot be started.
pub async fn listen(tool: &Tool, address: SocketAddr, passphrase: Option<&str>) -> Result<Pipe, LadderError> {
    let secret = passphrase.map(|passphrase| format!("&passphrase={passphrase}")).unwrap_or_default();
    let list = format!("ffconcat version 1.0\nfile 'srt://{address}?mode=listener{secret}'\n");
    let (pipe, mut input) = Pipe::filter(tool, &arguments())?;
    let written = async {
        input.write_all(list.as_bytes()).await?;
        input.shutdown().await
    };
    written.await.map_err(at("the list for ffmpeg".as_ref()))?;
    Ok(pipe)
}

fn arguments() -> Vec<OsString> {
    let words = "-hide_banner -nostdin -v error -nostats -protocol_whitelist pipe,srt -format_whitelist concat,mpegts -safe 0 -f concat -i pipe:0 \
                 -map 0:v? -map 0:a? -c copy -muxdelay 0 -muxpreload 0 -flush_packets 1 -f mpegts pipe:1";
    words.split_whitespace().map(OsString::from).collect()
}
