//! Ladders of uploads: made by a server that runs, of what has come to it, and led to once they are whole.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use reelway_tests::{
    description::conforms,
    ffmpeg::{self, is_there},
    program::Serving,
};
use serde_json::{Value, json};

/// An answer to a plain request.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    }

    fn json(&self) -> Result<Value> {
        ensure!(self.status == 200, "{} {}", self.status, self.body);
        Ok(serde_json::from_str(&self.body)?)
    }
}

fn ask(server: SocketAddr, method: &str, path: &str, fields: &str, body: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect(server)?;
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n")?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("no body")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

fn get(server: SocketAddr, path: &str) -> Result<Answer> {
    ask(server, "GET", path, "", b"")
}

/// A film whose key frames are where no ladder has them.
fn film(folder: &Path, seconds: u32) -> Result<Vec<u8>> {
    let path = folder.join("film.mp4");
    let pictures = format!("testsrc2=size=640x360:rate=25:duration={seconds}");
    let tone = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
    let list = folder.join("chapters.txt");
    fs::write(&list, ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\ntitle=Opening\n")?;
    let words = ["-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", &tone, "-i", &list.to_string_lossy(), "-map_chapters", "2"];
    let coding = ["-map", "0", "-map", "1", "-c:v", "libx264", "-preset", "ultrafast", "-g", "33", "-c:a", "aac"];
    ffmpeg::run(words.into_iter().chain(coding), &path)?;
    Ok(fs::read(path)?)
}

/// Sends a whole file by tus; the asset that it becomes, and where the file is.
fn send(server: SocketAddr, film: &[u8]) -> Result<(String, String)> {
    let fields = format!(
        "Tus-Resumable: 1.0.0\r\nUpload-Length: {}\r\nContent-Type: application/offset+octet-stream\r\nUpload-Metadata: filename ZmlsbS5tcDQ=\r\n",
        film.len()
    );
    let answer = ask(server, "POST", "/upload/tus/", &fields, film)?;
    ensure!(answer.status == 201, "{} {}", answer.status, answer.body);
    let field = |name| answer.field(name).map(str::to_owned).context("a field is missing");
    Ok((field("reelway-asset")?, field("location")?))
}

/// Waits until the newest job is as it should be.
fn until(server: SocketAddr, fits: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut job = Value::Null;
    for _ in 0..6000 {
        job = get(server, "/api/v1/jobs")?.json()?["jobs"][0].clone();
        if fits(&job) {
            return Ok(job);
        }
        thread::sleep(Duration::from_millis(20));
    }
    bail!("it never is: {job}")
}

/// What a hook is told.
fn hear(listener: &TcpListener) -> Result<Value> {
    let (mut stream, mut told) = (listener.accept()?.0, Vec::new());
    while !told.ends_with(b"}") {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer)?;
        ensure!(count > 0, "it ends");
        told.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    let told = String::from_utf8(told)?;
    Ok(serde_json::from_str(told.split_once("\r\n\r\n").context("no body")?.1)?)
}

#[test]
fn an_upload_gets_its_ladder_and_plays_meanwhile() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let hook = TcpListener::bind("127.0.0.1:0")?;
    let config = folder.path().join("reelway.toml");
    fs::write(&config, format!("[uploads]\nladder = \"180p,96p\"\nwebhook = \"http://{}/done\"\n", hook.local_addr()?))?;
    let heard = thread::spawn(move || hear(&hook));
    let config = config.to_string_lossy();
    let server = Serving::start(&folder.path().join("data"), &["--uploads", "--config", &config])?;
    let at = server.plain;
    let (asset, _) = send(at, &film(folder.path(), 6)?)?;
    let own = get(at, &format!("/vod/{asset}/v1/media.m3u8"))?;
    ensure!(own.status == 200, "{}", own.body);

    let job = until(at, |job| job["state"] == "done" || job["state"] == "failed")?;
    ensure!(job["state"] == "done" && job["asset"] == asset.as_str() && job["output"] == asset.as_str(), "{job}");
    let told = heard.join().map_err(|_| anyhow::anyhow!("the hook panicked"))??;
    ensure!(told["state"] == "done" && told["asset"] == asset.as_str(), "{told}");

    // Who begins is led to the rungs, by a way that keeps a token before the path; who plays goes on with what there was.
    for (name, place, found) in
        [("master.m3u8", "ladder/master.m3u8", "RESOLUTION=320x180"), ("manifest.mpd", "ladder/manifest.mpd", "height=\"96\"")]
    {
        let led = get(at, &format!("/vod/{asset}/{name}"))?;
        ensure!(led.status == 307 && led.field("location") == Some(place), "{name}: {}", led.head);
        let rungs = get(at, &format!("/vod/{asset}/{place}"))?;
        ensure!(rungs.status == 200 && rungs.body.contains(found), "{name}: {}", rungs.body);
    }
    ensure!(get(at, &format!("/vod/{asset}/ladder/v1/1.m4s"))?.status == 200, "no segment");
    ensure!(get(at, &format!("/vod/{asset}/v1/media.m3u8"))?.body == own.body, "what was there is another");

    for path in ["chapters.vtt", "ladder/chapters.vtt"] {
        let chapters = get(at, &format!("/vod/{asset}/{path}"))?;
        ensure!(chapters.body.contains("00:00:00.000 --> 00:00:06.000\nOpening\n"), "{path}: {}", chapters.body);
    }

    let description = get(at, "/api/v1/openapi.json")?.json()?;
    let upload = get(at, &format!("/api/v1/uploads/{asset}"))?.json()?;
    let poster = format!("/media/{asset}/ladder/images/poster.jpg");
    ensure!(upload["poster"] == poster.as_str() && get(at, &poster)?.status == 200, "{upload}");
    conforms(&description, &json!({ "$ref": "#/components/schemas/Job" }), &job, "job")?;
    // It has its ladder now, and needs no other.
    let key = fs::read_to_string(folder.path().join("data/jobs.key"))?;
    let fields = format!("Content-Type: application/json\r\nAuthorization: Bearer {}\r\n", key.trim());
    let again = ask(at, "POST", "/api/v1/jobs", &fields, json!({ "asset": asset }).to_string().as_bytes())?;
    ensure!(again.status == 409, "{} {}", again.status, again.body);
    Ok(())
}

#[test]
fn what_came_before_gets_its_ladder_after_a_restart_and_it_goes_with_the_upload() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let (folder, film) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let film = self::film(film.path(), 2)?;
    let (data, config) = (folder.path().join("data"), folder.path().join("reelway.toml"));
    let server = Serving::start(&data, &["--uploads"])?;
    let (asset, file) = send(server.plain, &film)?;
    // Without a word of the configuration nothing is made, but by an order; what is not whole is none.
    ensure!(get(server.plain, "/api/v1/jobs")?.json()?["jobs"] == json!([]), "nobody asked for that");
    let key = fs::read_to_string(data.join("jobs.key"))?;
    let fields = format!("Content-Type: application/json\r\nAuthorization: Bearer {}\r\n", key.trim());
    for unknown in ["up-0123456789abcdef0123456789abcdef", "up-1", "films/a.mkv"] {
        let refused = ask(server.plain, "POST", "/api/v1/jobs", &fields, json!({ "asset": unknown }).to_string().as_bytes())?;
        ensure!(refused.status == 404, "{unknown}: {} {}", refused.status, refused.body);
    }
    drop(server);

    fs::write(&config, "[uploads]\nladder = \"96p\"\n")?;
    let config = config.to_string_lossy();
    let server = Serving::start(&data, &["--uploads", "--config", &config])?;
    let job = until(server.plain, |job| job["state"] == "done" || job["state"] == "failed")?;
    ensure!(job["state"] == "done" && job["asset"] == asset.as_str(), "{job}");
    ensure!(data.join("ladders").join(&asset).join("ladder/96p-h264.mp4").is_file(), "it is not in its place");
    drop(server);

    // What is made is not made again.
    let server = Serving::start(&data, &["--uploads", "--config", &config])?;
    ensure!(get(server.plain, &format!("/vod/{asset}/master.m3u8"))?.status == 307, "it is forgotten");
    ensure!(get(server.plain, "/api/v1/jobs")?.json()?["jobs"].as_array().is_some_and(|jobs| jobs.len() == 1), "it is made again");
    let gone = ask(server.plain, "DELETE", &file, "Tus-Resumable: 1.0.0\r\n", b"")?;
    ensure!(gone.status == 204 && !data.join("ladders").join(&asset).exists(), "{} {}", gone.status, gone.body);
    ensure!(get(server.plain, &format!("/vod/{asset}/ladder/master.m3u8"))?.status == 404, "it plays still");
    Ok(())
}
