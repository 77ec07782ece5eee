//! Uploads that are cut off again and again, and end as if nothing had been.

use std::{
    collections::HashSet,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{film::Film, fuzzing::mutator::Mutator, program::Serving};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// What was cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cuts {
    /// Requests that ended in the middle of their bytes.
    pub broken: usize,
    /// Times that the server was killed in the middle of a request.
    pub killed: usize,
    /// Bytes of the film, which all came.
    pub bytes: usize,
}

/// A server that is killed and started again, and the one client that it has.
struct Cutter<'a> {
    folder: &'a Path,
    serving: Serving,
    chance: Mutator,
    left: usize,
    cuts: Cuts,
}

/// What is answered.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// Uploads a film by segments and as a whole file, with half of `cuts` in each, and compares what is there in the end.
pub fn run(folder: &Path, film: &Film, cuts: usize) -> Result<Cuts> {
    let serving = Serving::start(folder, &["--uploads"])?;
    let mut cutter = Cutter { folder, serving, chance: Mutator::new(1), left: cuts / 2, cuts: Cuts::default() };
    cutter.by_segments(film)?;
    cutter.left = cuts - cuts / 2;
    cutter.as_a_whole(&film.bytes)?;
    cutter.cuts.bytes = film.bytes.len();
    Ok(cutter.cuts)
}

impl Cutter<'_> {
    /// Sends each segment once it is its turn, and again if it was cut off. What was acknowledged is there ever after.
    fn by_segments(&mut self, film: &Film) -> Result<()> {
        let announced = self.ask("POST /api/v1/uploads", &[], film.announcement().as_bytes())?;
        let told: Value = serde_json::from_slice(&announced.body)?;
        let field = |name: &str| told[name].as_str().context("it tells no such field");
        let (id, bearer) = (field("id")?, format!("Bearer {}", field("token")?));
        let mut acknowledged = HashSet::new();
        let segments = film.segments();
        for (index, (rendition, number)) in segments.iter().enumerate() {
            let bytes = film.segment(rendition, *number)?;
            let name = format!("{rendition}/{number}");
            let fields = [("authorization", bearer.as_str()), ("segment", name.as_str())];
            while self.is_to_cut(segments.len() - index) {
                self.cut(&format!("PUT /upload/{id}"), &fields, &bytes)?;
                let state: Value = serde_json::from_slice(&self.ask(&format!("GET /upload/{id}"), &fields[..1], &[])?.body)?;
                let has = |(rendition, number): &(String, u32)| {
                    let stretches = state["have"][rendition].as_array();
                    stretches
                        .into_iter()
                        .flatten()
                        .any(|stretch| (stretch[0].as_u64()..=stretch[1].as_u64()).contains(&Some(u64::from(*number))))
                };
                ensure!(acknowledged.iter().all(has), "a segment that was acknowledged is gone: {state}");
            }
            let answer = self.ask(&format!("PUT /upload/{id}"), &fields, &bytes)?;
            ensure!(matches!(answer.status, 200 | 201), "{name}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
            acknowledged.insert((rendition.clone(), *number));
        }
        for (rendition, number) in &segments {
            let there = self.ask(&format!("GET /vod/{id}/{rendition}/{number}.m4s"), &[], &[])?;
            ensure!(there.body == film.segment(rendition, *number)?, "{rendition}/{number} is another");
        }
        Ok(())
    }

    /// Sends the file by tus, on from what the server says that it has, which is never less than it has said before.
    fn as_a_whole(&mut self, film: &[u8]) -> Result<()> {
        let length = film.len().to_string();
        let version = ("tus-resumable", "1.0.0");
        let begun = self.ask("POST /upload/tus/", &[version, ("upload-length", &length)], &[])?;
        let path = begun.field("location").context("it tells no place")?.to_owned();
        let mut acknowledged = 0;
        loop {
            let told = self.ask(&format!("HEAD {path}"), &[version], &[])?;
            let offset: usize = told.field("upload-offset").context("it tells no offset")?.parse()?;
            ensure!(offset >= acknowledged, "{offset} bytes are there of {acknowledged} that were acknowledged");
            if offset == film.len() {
                let asset = told.field("reelway-asset").context("it is no asset")?;
                ensure!(fs::read(self.folder.join("uploads").join(asset))? == film, "the file is another");
                return Ok(());
            }
            let from = offset.to_string();
            let fields = [version, ("content-type", "application/offset+octet-stream"), ("upload-offset", &from)];
            // A part of what is left, so that there is something for each cut.
            let step = (film.len() - offset).div_ceil(2 * self.left + 1);
            let part = &film[offset..offset + step];
            if self.left > 0 && self.chance.below(2) == 0 {
                self.cut(&format!("PATCH {path}"), &fields, part)?;
            } else {
                let answer = self.ask(&format!("PATCH {path}"), &fields, part)?;
                match answer.status {
                    204 => acknowledged = offset + step,
                    // A request that was cut off got its turn after the offset had been told: it is asked for again (tus 1.0, PATCH).
                    409 => {}
                    status => bail!("{status}"),
                }
            }
        }
    }

    /// Whether the next request is to be cut, where `left` more are to come.
    fn is_to_cut(&mut self, left: usize) -> bool {
        self.left > 0 && (left == 1 || self.chance.below(left + self.left) < self.left)
    }

    /// Sends a part of a request, and then ends: the connection, or every other time the server.
    fn cut(&mut self, what: &str, fields: &[(&str, &str)], body: &[u8]) -> Result<()> {
        let sent = self.chance.below(body.len() + 1);
        let mut stream = connect(self.serving.plain)?;
        stream.write_all(&head(what, fields, body.len()))?;
        stream.write_all(&body[..sent])?;
        self.left -= 1;
        if self.left.is_multiple_of(2) {
            self.serving.kill()?;
            self.cuts.killed += 1;
            self.serving = Serving::start(self.folder, &["--uploads"])?;
        } else {
            self.cuts.broken += 1;
        }
        Ok(())
    }

    fn ask(&self, what: &str, fields: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        let mut stream = connect(self.serving.plain)?;
        stream.write_all(&head(what, fields, body.len()))?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").with_context(|| format!("{what}: no answer"))?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        Ok(Answer { status, head, body: answer[end + 4..].to_vec() })
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn head(what: &str, fields: &[(&str, &str)], length: usize) -> Vec<u8> {
    let mut head = format!("{what} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n");
    for (name, value) in fields {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    head.into_bytes()
}
