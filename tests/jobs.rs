//! Jobs of a server that runs: ordered, told while they are done, ended, and there again after a kill.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use reelway_tests::{
    description::conforms,
    ffmpeg::{self, is_there},
    program::binary,
};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};

/// Certificates that the server trusts.
const TRUSTED: &str = "trusted.pem";

/// A server on a folder with a film of some seconds, and on one that ffmpeg does not read.
struct Server {
    folder: tempfile::TempDir,
    child: Child,
    port: u16,
}

impl Server {
    fn new(seconds: u32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let media = folder.path().join("media");
        fs::create_dir_all(media.join("films"))?;
        let pictures = format!("testsrc2=size=640x360:rate=25:duration={seconds}");
        let tone = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
        let words = ["-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", &tone, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"];
        ffmpeg::run(words, &media.join("films/a b.mkv"))?;
        fs::write(media.join("broken.mkv"), "This is no film.")?;
        fs::create_dir(media.join("taken"))?;
        fs::write(media.join("taken/notes.txt"), "mine")?;
        fs::copy(media.join("films/a b.mkv"), media.join("taken.mkv"))?;
        fs::copy(media.join("films/a b.mkv"), media.join("films/c.mkv"))?;
        configure(folder.path(), 1)?;
        let (child, port) = start(folder.path())?;
        Ok(Self { folder, child, port })
    }

    /// Kills it as a power cut does, and starts it again.
    fn restart(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        (self.child, self.port) = start(self.folder.path())?;
        Ok(())
    }

    /// Has it do so many jobs at once from now on.
    fn adjust(&self, jobs: usize) -> Result<()> {
        configure(self.folder.path(), jobs)?;
        ensure!(Command::new("kill").args(["-s", "HUP", &self.child.id().to_string()]).status()?.success(), "no signal");
        Ok(())
    }

    fn media(&self, path: &str) -> PathBuf {
        self.folder.path().join("media").join(path)
    }

    fn key(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("data/jobs.key"))?.trim().to_owned())
    }

    /// Status and body of a plain request.
    fn ask(&self, method: &str, path: &str, fields: &str, body: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).context("no status")?.parse()?;
        Ok((status, answer.split_once("\r\n\r\n").context("no body")?.1.to_owned()))
    }

    fn get(&self, path: &str) -> Result<Value> {
        let (status, body) = self.ask("GET", path, "", "")?;
        ensure!(status == 200, "{path}: {status} {body}");
        Ok(serde_json::from_str(&body)?)
    }

    fn order(&self, order: &Value) -> Result<(u16, Value)> {
        let fields = format!("Content-Type: application/json\r\nAuthorization: Bearer {}\r\n", self.key()?);
        let (status, body) = self.ask("POST", "/api/v1/jobs", &fields, &order.to_string())?;
        Ok((status, serde_json::from_str(&body)?))
    }

    fn delete(&self, job: &Value) -> Result<u16> {
        let fields = format!("Authorization: Bearer {}\r\n", self.key()?);
        Ok(self.ask("DELETE", &place(job)?, &fields, "")?.0)
    }

    /// The events of a job to its end.
    fn events(&self, job: &Value) -> Result<Vec<Value>> {
        let (status, body) = self.ask("GET", &format!("{}/events", place(job)?), "", "")?;
        ensure!(status == 200, "{status}");
        body.lines().filter_map(|line| line.strip_prefix("data: ")).map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// Waits until a job is as it should be.
    fn until(&self, job: &Value, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        for _ in 0..6000 {
            let now = self.get(&place(job)?)?;
            if fits(&now) {
                return Ok(now);
            }
            thread::sleep(Duration::from_millis(20));
        }
        anyhow::bail!("it never is: {}", self.get(&place(job)?)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn place(job: &Value) -> Result<String> {
    Ok(format!("/api/v1/jobs/{}", job["id"].as_str().context("no id")?))
}

fn configure(folder: &Path, jobs: usize) -> Result<()> {
    Ok(fs::write(folder.join("reelway.toml"), format!("[server]\njobs = {jobs}\n"))?)
}

fn start(folder: &Path) -> Result<(Child, u16)> {
    let mut command = Command::new(binary()?);
    command.env("SSL_CERT_FILE", folder.join(TRUSTED));
    command.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--media", "media", "--data", "data"]);
    command.args(["--config", "reelway.toml"]);
    let mut child = command.current_dir(folder).stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let line = lines.map_while(Result::ok).find(|line| line.contains("http://")).context("no address")?;
    let port = line.split_once("localhost:").and_then(|(_, rest)| rest.split_once('/')).context("no port")?.0.parse()?;
    Ok((child, port))
}

fn quick(asset: &str) -> Value {
    json!({ "asset": asset, "rungs": "180p,96p", "preset": "ultrafast" })
}

/// What a hook is told, which says that it has heard.
fn hear(mut stream: impl Read + Write) -> Result<String> {
    let mut told = Vec::new();
    let mut buffer = [0; 4096];
    while !told.ends_with(b"}") {
        let count = stream.read(&mut buffer)?;
        ensure!(count > 0, "it ends");
        told.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    stream.flush()?;
    Ok(String::from_utf8(told)?)
}

/// A hook by https, and what it hears. Its certificate is put beside the media, where the server is told to look for those to trust.
fn https_hook(folder: &Path) -> Result<(String, thread::JoinHandle<Result<String>>)> {
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
    fs::write(folder.join(TRUSTED), certificate.pem())?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| anyhow::anyhow!(error))?;
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("https://localhost:{}/done", listener.local_addr()?.port());
    let heard =
        thread::spawn(move || hear(rustls::StreamOwned::new(rustls::ServerConnection::new(Arc::new(config))?, listener.accept()?.0)));
    Ok((url, heard))
}

#[test]
fn a_job_makes_a_title_beside_its_source_and_tells_when_it_is_done() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let server = Server::new(4)?;
    let hook = TcpListener::bind("127.0.0.1:0")?;
    let webhook = format!("http://{}/done?a=1", hook.local_addr()?);
    let heard = thread::spawn(move || hear(hook.accept()?.0));
    let mut order = quick("films/a b.mkv");
    order["webhook"] = webhook.into();
    let (status, job) = server.order(&order)?;
    ensure!(status == 201 && job["output"] == "films/a b", "{status} {job}");
    // The same order is the same job, while it is not over.
    let (status, same) = server.order(&order)?;
    ensure!(status == 200 && same["id"] == job["id"], "{status} {same}");
    let events = server.events(&job)?;
    let last = events.last().context("no event")?;
    ensure!(last["state"] == "done" && last["problem"].is_null(), "{events:#?}");
    ensure!(last["products"] == json!(["96p-h264.mp4", "images", "180p-h264.mp4"]), "the smallest is there first: {last}");
    let description = server.get("/api/v1/openapi.json")?;
    conforms(&description, &json!({ "$ref": "#/components/schemas/Jobs" }), &server.get("/api/v1/jobs")?, "jobs")?;
    for (name, value) in [("Order", &order), ("Job", &job)].into_iter().chain(events.iter().map(|event| ("Job", event))) {
        conforms(&description, &json!({ "$ref": format!("#/components/schemas/{name}") }), value, name)?;
    }
    ensure!(server.get("/api/v1/jobs")?["jobs"].as_array().is_some_and(|jobs| jobs.len() == 1), "one job");
    let library = server.get("/api/v1/assets")?;
    ensure!(
        library["assets"].as_array().into_iter().flatten().any(|asset| asset["id"] == "films/a b" && asset["hls"].is_string()),
        "{library:#}"
    );
    let (status, playlist) = server.ask("GET", "/vod/films/a%20b/master.m3u8", "", "")?;
    ensure!(status == 200 && playlist.contains("RESOLUTION=170x96"), "{playlist}");
    ensure!(server.ask("GET", "/media/films/a%20b/images/poster.jpg", "", "")?.0 == 200, "no poster");
    let told = heard.join().map_err(|_| anyhow::anyhow!("the hook panicked"))??;
    ensure!(told.starts_with("POST /done?a=1 HTTP/1.1\r\n") && told.contains("\"state\":\"done\""), "{told}");
    // A job that is over is forgotten; what it made stays.
    ensure!(server.delete(&job)? == 200 && server.ask("GET", &place(&job)?, "", "")?.0 == 404, "it is not forgotten");
    ensure!(server.media("films/a b/180p-h264.mp4").exists(), "it is gone");
    Ok(())
}

#[test]
fn jobs_are_there_after_a_kill_and_end_when_asked_to() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let mut server = Server::new(20)?;
    let slow = json!({ "asset": "films/a b.mkv", "rungs": "360p,180p", "preset": "veryslow" });
    let (_, running) = server.order(&slow)?;
    let (_, waiting) = server.order(&quick("films/c.mkv"))?;
    server.until(&running, |job| job["state"] == "running" && job["progress"]["done"].as_u64() > Some(0))?;
    ensure!(server.get(&place(&waiting)?)?["state"] == "queued", "two at once");
    server.restart()?;
    // What was being done is begun again, and is the only one still.
    server.until(&running, |job| job["state"] == "running")?;
    ensure!(server.get(&place(&waiting)?)?["state"] == "queued", "the order is lost");
    // Where more may be done at once, it waits no more.
    server.adjust(2)?;
    server.until(&waiting, |job| job["state"] != "queued")?;
    ensure!(server.get(&place(&running)?)?["state"] == "running", "what runs goes on");
    ensure!(server.delete(&running)? == 200, "it is not ended");
    server.until(&running, |job| job["state"] == "cancelled")?;
    server.until(&waiting, |job| job["state"] == "done")?;
    ensure!(!server.media("films/a b/.ladder/making").exists(), "something half-made is left");
    Ok(())
}

#[test]
fn what_cannot_be_ordered_is_told() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let server = Server::new(1)?;
    let order = quick("films/a b.mkv").to_string();
    for fields in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic x\r\n"] {
        let fields = format!("Content-Type: application/json\r\n{fields}");
        ensure!(server.ask("POST", "/api/v1/jobs", &fields, &order)?.0 == 401, "{fields}");
        ensure!(server.ask("DELETE", "/api/v1/jobs/0", &fields, "")?.0 == 401, "{fields}");
    }
    let bearer = format!("Authorization: Bearer {}\r\n", server.key()?);
    ensure!(server.ask("POST", "/api/v1/jobs", &bearer, &order)?.0 == 415, "no type");
    let large = format!("{{\"asset\":\"{}\"}}", "a".repeat(20_000));
    ensure!(server.ask("POST", "/api/v1/jobs", &format!("{bearer}Content-Type: application/json\r\n"), &large)?.0 == 413, "too large");
    for (order, status) in [
        (json!({ "asset": "missing.mkv" }), 404),
        (json!({ "asset": "../data/jobs.key" }), 404),
        (json!({ "asset": "/etc/passwd" }), 404),
        (json!({ "asset": "films" }), 404),
        (json!({ "asset": ".hidden.mkv" }), 404),
        (json!({ "asset": "taken.mkv" }), 409),
        (json!({ "asset": "broken.mkv", "rungs": "huge" }), 400),
        (json!({ "asset": "broken.mkv", "webhook": "file:///etc/passwd" }), 400),
        (json!({ "asset": "broken.mkv", "output": "x" }), 400),
        (json!([]), 400),
    ] {
        let (found, answer) = server.order(&order)?;
        ensure!(found == status && answer["status"] == status, "{order}: {found} {answer}");
    }
    for (method, path, status) in [
        ("GET", "/api/v1/jobs/0", 404),
        ("GET", "/api/v1/jobs/0/events", 404),
        ("DELETE", "/api/v1/jobs/0", 404),
        ("PUT", "/api/v1/jobs", 405),
    ] {
        let found = server.ask(method, path, &bearer, "")?.0;
        ensure!(found == status, "{method} {path}: {found}");
    }
    // What is taken and cannot be made fails at once, with the reason.
    let (webhook, heard) = https_hook(server.folder.path())?;
    let mut order = quick("broken.mkv");
    order["webhook"] = webhook.into();
    let (status, job) = server.order(&order)?;
    ensure!(status == 201, "{job}");
    let failed = server.until(&job, |job| job["state"] == "failed")?;
    ensure!(
        failed["attempts"] == 1 && failed["problem"].as_str().is_some_and(|problem| problem.contains("cannot be read as video")),
        "{failed}"
    );
    ensure!(!server.media("broken").exists(), "a folder is left");
    let told = heard.join().map_err(|_| anyhow::anyhow!("the hook panicked"))??;
    ensure!(told.starts_with("POST /done HTTP/1.1\r\n") && told.contains("\"state\":\"failed\""), "{told}");
    Ok(())
}
