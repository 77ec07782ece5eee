//! Clients of other makers: over HTTP/3 curl (by the Python package curl_cffi), aioquic, Debian's client of ngtcp2; over WebRTC aiortc.
//! `cargo xtask test` installs them and names the Python that has them in `REELWAY_INTEROP`. Where one is missing, that is said and
//! nothing is tested with it.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "running_support.rs"]
mod running;
#[path = "transport_support.rs"]
mod support;

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use reelway_tests::{
    ffmpeg::{self, View, is_there},
    files::workspace,
};
use running::Running;
use support::{BIG, soon};
use tokio::{net::TcpStream, task::spawn_blocking};

/// A script that is to be run by the Python which has the clients.
fn script(name: &str) -> Option<Command> {
    let Some(python) = env::var_os("REELWAY_INTEROP").filter(|python| !python.is_empty()) else {
        eprintln!("skipped: REELWAY_INTEROP names no Python with aioquic, aiortc and curl_cffi; `cargo xtask test` does that");
        return None;
    };
    let mut command = Command::new(python);
    command.arg(workspace().join("tests/interop").join(name));
    Some(command)
}

fn big(server: &Running) -> PathBuf {
    server.folder.path().join("media/big.mp4")
}

/// Runs it to its end, which must be good.
async fn passes(mut command: Command) {
    let ran = soon(spawn_blocking(move || command.output().unwrap())).await.unwrap();
    let said = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(ran.status.success(), "{said}");
}

#[tokio::test]
async fn curl_gets_files_ranges_and_conditions() {
    let Some(mut curl) = script("curl.py") else { return };
    let server = Running::start(&[]);
    // Of a file that changed within this second Last-Modified tells nothing (RFC 9110 section 8.8.2.1).
    let file = fs::File::options().write(true).open(big(&server)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap();
    curl.arg(format!("https://localhost:{}", server.secure.port())).arg(big(&server));
    passes(curl).await;
}

#[tokio::test]
async fn aioquic_gets_all_it_asked_for_of_a_server_that_ends() {
    let Some(mut client) = script("drain.py") else { return };
    let server = Running::start(&["--drain", "60s"]);
    client.arg(server.secure.port().to_string()).arg(big(&server));
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let (first, mut lines) = soon(spawn_blocking(move || (lines.next(), lines))).await.unwrap();
    assert_eq!(first.unwrap().unwrap(), "ready");
    server.signal("TERM");
    soon(async { while TcpStream::connect(server.plain).await.is_ok() {} }).await;
    client.stdin.take().unwrap().write_all(b"\n").unwrap();
    let (last, status) = soon(spawn_blocking(move || (lines.next(), client.wait()))).await.unwrap();
    assert!(status.unwrap().success());
    assert_eq!(last.unwrap().unwrap(), "ok");
    assert_eq!(server.ended().await, Some(0));
}

#[tokio::test]
async fn ngtcp2_gets_whole_files_also_from_a_new_address() {
    if Command::new("gtlsclient").arg("--help").output().is_err() {
        return eprintln!("skipped: there is no gtlsclient (Debian's package is ngtcp2-client)");
    }
    let server = Running::start(&[]);
    for number in 0..4 {
        fs::write(server.folder.path().join(format!("media/{number}.mp4")), &BIG[number * 1_000_003..][..3_000_000]).unwrap();
    }
    for options in [&[][..], &["--change-local-addr=5ms"]] {
        let into = tempfile::tempdir().unwrap();
        let mut client = Command::new("gtlsclient");
        client.args(["--quiet", "--exit-on-all-streams-close", "--sni=localhost"]).args(options);
        client.arg("--download").arg(into.path()).args(["127.0.0.1", &server.secure.port().to_string()]);
        client.args((0..4).map(|number| format!("https://localhost:{}/media/{number}.mp4", server.secure.port())));
        passes(client).await;
        for number in 0..4 {
            let got = fs::read(into.path().join(format!("{number}.mp4"))).unwrap();
            assert!(got == BIG[number * 1_000_003..][..3_000_000], "{options:?}: file {number}");
        }
    }
}

/// Its pictures, each brighter than the one before, are recorded as they were sent, and its sound beside them.
#[tokio::test]
async fn aiortc_publishes_by_whip() {
    let Some(mut publisher) = script("whip.py") else { return };
    if !is_there("ffmpeg") {
        return;
    }
    let server = Running::start(&[]);
    publisher.args([&format!("http://127.0.0.1:{}/whip/show", server.plain.port()), "150"]);
    passes(publisher).await;
    let live = server.folder.path().join("data/live/show");
    let recording = fs::read_dir(live).unwrap().next().unwrap().unwrap().path();
    for (rendition, at_least) in [("v1.mp4", 150), ("a1.mp4", 250)] {
        let file = recording.join(rendition);
        assert_eq!(ffmpeg::decoding_errors(&file, 0).unwrap(), "", "{rendition}");
        let packets = ffmpeg::packets(&file, View::Raw).unwrap();
        assert!(packets.len() >= at_least, "{rendition}: {}", packets.len());
    }
    let one_value = "-fps_mode passthrough -vf scale=1:1 -pix_fmt gray -f rawvideo -";
    let decoded = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(recording.join("v1.mp4"))
        .args(one_value.split(' '))
        .output()
        .unwrap()
        .stdout;
    assert!(decoded.is_sorted() && decoded[0] < 30 && *decoded.last().unwrap() > 150, "{decoded:?}");
}
