//! Packaging on demand: how long the first answers take when nothing is known of a film, and how the rate of warm segments compares
//! with that of plain bytes from the same server.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use crate::{
    Options,
    input::{film, folder, reelway, warm},
    measure::{cpu_of, median},
};

/// A server that is ended when it is dropped.
struct Server {
    child: Child,
    address: String,
    /// Kept, so that what the server prints has a reader.
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start(media: &Path) -> anyhow::Result<Self> {
        let data = folder()?.join("data");
        let mut command = Command::new(reelway()?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--media"]).arg(media).arg("--data").arg(data);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("no output")?);
        let mut line = String::new();
        while output.read_line(&mut line)? > 0 {
            if let Some((_, rest)) = line.split_once("http://localhost:")
                && let Some((port, _)) = rest.split_once('/')
            {
                let address = format!("127.0.0.1:{port}");
                return Ok(Self { child, address, _output: output });
            }
            line.clear();
        }
        bail!("the server did not tell its address");
    }

    fn connect(&self) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, buffer: vec![0; 1 << 20] })
    }

    /// Processor time it has used.
    fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One HTTP/1.1 connection, kept.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Asks for `path` and reads the answer to its end; the bytes of its body.
    fn get(&mut self, path: &str, fields: &str) -> anyhow::Result<u64> {
        write!(self.stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")?;
        let mut filled = 0;
        let (head, mut body) = loop {
            let free = self.buffer.get_mut(filled..).filter(|free| !free.is_empty()).context("an endless head")?;
            filled += match self.stream.read(free)? {
                0 => bail!("{path}: the connection was closed"),
                count => count,
            };
            let read = self.buffer.get(..filled).unwrap_or_default();
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break (String::from_utf8_lossy(read.get(..end).unwrap_or_default()).to_ascii_lowercase(), (filled - end - 4) as u64);
            }
        };
        if !head.starts_with("http/1.1 20") {
            bail!("{path}: {}", head.lines().next().unwrap_or(""));
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("no length")?.trim().parse::<u64>()?;
        while body < length {
            body += match self.stream.read(&mut self.buffer)? {
                0 => bail!("{path}: the body was cut"),
                count => count as u64,
            };
        }
        Ok(length)
    }
}

/// Measures cold answers, then the warm rate.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let film = film(options.input.as_deref())?;
    warm(&film)?;
    println!("jit: {}, {} rounds, HTTP/1.1 on loopback", film.display(), options.rounds);
    cold(&film, options.rounds)?;
    rate(&film, options.rounds)
}

/// Measures the warm rate alone.
pub fn warm_rate(options: &Options) -> anyhow::Result<()> {
    let film = film(options.input.as_deref())?;
    warm(&film)?;
    rate(&film, options.rounds)
}

/// Asks for what nobody asked for before. A server that is up reads what is in its folder at its start, so the film comes into the folder
/// later, under a new name for each question: its bytes are in the page cache, nothing else is known of it.
fn cold(film: &Path, rounds: usize) -> anyhow::Result<()> {
    let folder = folder()?.join("cold");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let first = folder.join(".film");
    fs::hard_link(film, &first).or_else(|_| fs::copy(film, &first).and_then(|_| warm(&first)).map(drop))?;
    let server = Server::start(&folder)?;
    let mut client = server.connect()?;
    client.get("/api/v1/assets", "")?;
    let segment = format!("v1/{}.m4s", (segments(film)? * 4 / 5).max(1));
    for (what, path) in [("MPD", "manifest.mpd"), ("HLS playlist", "v1/media.m3u8"), ("segment at 4/5", &segment)] {
        let (mut cold, mut plain) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let name = format!("{}-{round}.mp4", what.replace([' ', '/'], "-"));
            fs::hard_link(&first, folder.join(&name))?;
            client.get("/healthz", "")?;
            let start = Instant::now();
            let length = client.get(&format!("/vod/{name}/{path}"), "")?;
            cold.push(start.elapsed().as_secs_f64() * 1000.0);
            let start = Instant::now();
            client.get(&format!("/media/{name}"), &format!("Range: bytes=0-{}\r\n", length - 1))?;
            plain.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        let least = cold.iter().copied().fold(f64::INFINITY, f64::min);
        let (cold, plain) = (median(&mut cold), median(&mut plain));
        println!("  {what:<16} from a cold index {cold:>7.2} ms (least {least:.2}); as many plain bytes {plain:>7.2} ms");
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Number of video segments, from the playlist of a server of its own.
fn segments(film: &Path) -> anyhow::Result<usize> {
    let output = Command::new(reelway()?).args(["inspect", "--json"]).arg(film).output()?;
    let text = String::from_utf8(output.stdout)?;
    let count = text.lines().find_map(|line| line.trim().strip_prefix("\"segments\": ")).context("no segments")?;
    Ok(count.trim_end_matches(',').parse()?)
}

/// Asks for the same number of bytes as segments and as ranges of the file, in turn.
fn rate(film: &Path, rounds: usize) -> anyhow::Result<()> {
    let folder = film.parent().context("a file has a folder")?;
    let name = film.file_name().context("a file has a name")?.to_string_lossy();
    let server = Server::start(folder)?;
    let mut client = server.connect()?;
    let count = segments(film)?.min(300);
    let paths: Vec<String> = (1..=count).map(|number| format!("/vod/{name}/v1/{number}.m4s")).collect();
    let lengths: Vec<u64> = paths.iter().map(|path| client.get(path, "")).collect::<Result<_, _>>()?;
    let (mut wall_ratios, mut cpu_ratios) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (start, cpu) = (Instant::now(), server.cpu()?);
        for path in &paths {
            client.get(path, "")?;
        }
        let (jit, jit_cpu) = (start.elapsed().as_secs_f64(), server.cpu()?.saturating_sub(cpu).as_secs_f64());
        let (start, cpu) = (Instant::now(), server.cpu()?);
        let mut offset = 0;
        for length in &lengths {
            client.get(&format!("/media/{name}"), &format!("Range: bytes={offset}-{}\r\n", offset + length - 1))?;
            offset += length;
        }
        let (plain, plain_cpu) = (start.elapsed().as_secs_f64(), server.cpu()?.saturating_sub(cpu).as_secs_f64());
        wall_ratios.push(jit / plain);
        cpu_ratios.push(jit_cpu / plain_cpu);
    }
    println!(
        "  {count} warm segments against the same bytes as a plain file: wall {:.2} x, server CPU {:.2} x (asked: 1.15 at most)",
        median(&mut wall_ratios),
        median(&mut cpu_ratios)
    );
    Ok(())
}
