//! Uploads of segments: what is planned is taken in any order, once, and kept; what is not is refused with the reason; it plays as it comes.

use std::{
    fs,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use reelway::{
    catalogue::Catalogue,
    http::Handler,
    upload::{Limits, Uploads},
};
use reelway_core::{Demuxer, Options, Vod};
use reelway_tests::{description::conforms, movie::Movie, schema::Schema};
use serde_json::{Value, json};

/// A data folder that takes uploads, until it is opened again.
struct Site {
    data: tempfile::TempDir,
    uploads: Option<Arc<Uploads>>,
    limits: Limits,
}

/// An answer, with what it says.
struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Site {
    fn new(limits: Limits) -> Result<Self> {
        let mut site = Self { data: tempfile::tempdir()?, uploads: None, limits };
        site.restart()?;
        Ok(site)
    }

    fn restart(&mut self) -> Result<()> {
        // The catalogue is open once.
        self.uploads = None;
        let catalogue = Catalogue::open(self.data.path())?;
        self.uploads = Some(Arc::new(Uploads::open(self.data.path(), catalogue, self.limits)?));
        Ok(())
    }

    async fn ask(&self, method: Method, path: &str, fields: &[(&str, &str)], body: impl Into<Bytes>) -> Result<Answer> {
        let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let response = self.uploads.as_ref().context("closed")?.handle(request.body(body)?).await;
        let (parts, body) = response.into_parts();
        Ok(Answer { status: parts.status, body: body.collect().await?.to_bytes() })
    }

    async fn get(&self, path: &str) -> Result<Answer> {
        self.ask(Method::GET, path, &[], Bytes::new()).await
    }

    /// Announces a film; its identifier and token.
    async fn announce(&self, film: &Film) -> Result<(String, String)> {
        let answer = self.ask(Method::POST, "/api/v1/uploads", &[], film.announcement()).await?;
        ensure!(matches!(answer.status, StatusCode::CREATED | StatusCode::OK), "{}: {}", answer.status, answer.text());
        let told = answer.json()?;
        let field = |name: &str| Ok::<_, anyhow::Error>(told[name].as_str().context("missing")?.to_owned());
        Ok((field("id")?, field("token")?))
    }

    async fn put(&self, upload: &(String, String), segment: &str, bytes: &[u8]) -> Result<Answer> {
        let bearer = format!("Bearer {}", upload.1);
        let fields = [("authorization", bearer.as_str()), ("segment", segment)];
        self.ask(Method::PUT, &format!("/upload/{}", upload.0), &fields, bytes.to_vec()).await
    }

    async fn state(&self, upload: &(String, String)) -> Result<Value> {
        self.get(&format!("/upload/{}?token={}", upload.0, upload.1)).await?.json()
    }
}

/// A film, and what a client makes of it.
struct Film {
    bytes: Vec<u8>,
    vod: Vod,
    index: Vec<(u64, Vec<u8>)>,
}

impl Film {
    /// One that has another index than those of other numbers.
    fn new(number: u32) -> Result<Self> {
        let bytes = Movie::simple(20 + number, 1).write();
        let mut demuxer = Demuxer::new(bytes.len() as u64);
        let mut index = Vec::new();
        while let Some(range) = demuxer.required() {
            let part = &bytes[usize::try_from(range.start)?..usize::try_from(range.end)?];
            index.push((range.start, part.to_vec()));
            demuxer.handle(range.start, part)?;
        }
        Ok(Self { vod: Vod::new(vec![demuxer.finish()?], &Options::segments_of(4000))?, bytes, index })
    }

    fn announcement(&self) -> String {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let index: Vec<Value> = self.index.iter().map(|(at, bytes)| json!({ "at": at, "bytes": BASE64_STANDARD.encode(bytes) })).collect();
        json!({ "size": self.bytes.len(), "segment": 4000, "name": "film.mp4", "index": index }).to_string()
    }

    fn segment(&self, rendition: &str, number: u32) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for fragment in self.vod.segment(rendition, number)? {
            bytes.extend(fragment.head);
            for extent in fragment.extents {
                bytes.extend(&self.bytes[usize::try_from(extent.start)?..usize::try_from(extent.end)?]);
            }
        }
        Ok(bytes)
    }

    /// All segments, by rendition and number.
    fn segments(&self) -> Vec<(String, u32)> {
        let renditions = self.vod.presentation().renditions.iter();
        let counted =
            renditions.flat_map(|rendition| (1u32..).zip(&rendition.timeline.segments).map(|(number, _)| (rendition.name.clone(), number)));
        counted.collect()
    }
}

#[tokio::test]
async fn segments_come_in_any_order_and_are_the_film() -> Result<()> {
    let mut site = Site::new(Limits::default())?;
    let film = Film::new(1)?;
    let upload = site.announce(&film).await?;
    let at = |path: &str| format!("/vod/{}/{path}", upload.0);
    let header = film.vod.header("v1")?;
    ensure!(site.put(&upload, "v1/init", &header).await?.status == StatusCode::OK);
    let mut segments = film.segments();
    segments.reverse();
    for (count, (rendition, number)) in segments.iter().enumerate() {
        // Nothing that was acknowledged is forgotten.
        if count == segments.len() / 2 {
            site.restart()?;
            ensure!(site.announce(&film).await? == upload, "the same film is the same upload");
        }
        let bytes = film.segment(rendition, *number)?;
        let name = format!("{rendition}/{number}");
        for expected in [StatusCode::CREATED, StatusCode::OK] {
            let answer = site.put(&upload, &name, &bytes).await?;
            ensure!(answer.status == expected, "{name}: {} {}", answer.status, answer.text());
        }
        ensure!(site.get(&at(&format!("{name}.m4s"))).await?.body == bytes, "{name} is served as it came");
    }
    let state = site.state(&upload).await?;
    let last = u32::try_from(segments.iter().filter(|(rendition, _)| rendition == "v1").count())?;
    ensure!(state["complete"] == true && state["have"]["v1"] == json!([[1, last]]), "{state}");
    ensure!(site.get(&at("master.m3u8")).await?.text() == film.vod.multivariant_playlist());
    ensure!(site.get(&at("v1/media.m3u8")).await?.text() == film.vod.media_playlist("v1")?);
    ensure!(site.get(&at("v1/iframes.m3u8")).await?.text() == film.vod.i_frame_playlist("v1")?);
    ensure!(site.get(&at("manifest.mpd")).await?.text() == film.vod.mpd());
    ensure!(site.get(&at("v1/init.mp4")).await?.body == header);
    Ok(())
}

#[tokio::test]
async fn answers_are_as_described() -> Result<()> {
    let site = Site::new(Limits::default())?;
    let film = Film::new(7)?;
    let description: Value =
        serde_json::from_str(&fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../server/src/origin/openapi.json"))?)?;
    let schema = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let sent: Value = serde_json::from_str(&film.announcement())?;
    conforms(&description, &schema("Announcement"), &sent, "what is sent")?;
    let announced = site.ask(Method::POST, "/api/v1/uploads", &[], film.announcement()).await?;
    conforms(&description, &schema("Upload"), &announced.json()?, "what is answered")?;
    let upload = site.announce(&film).await?;
    site.put(&upload, "v1/1", &film.segment("v1", 1)?).await?;
    conforms(&description, &schema("Upload"), &site.state(&upload).await?, "its state")?;
    let asset = site.get(&format!("/api/v1/uploads/{}", upload.0)).await?.json()?;
    conforms(&description, &schema("UploadedAsset"), &asset, "the asset")?;
    ensure!(asset["name"] == "film.mp4" && asset["complete"] == false && asset["tracks"][0]["kind"] == "video", "{asset}");
    let problem = site.get("/upload/up-0").await?.json()?;
    conforms(&description, &schema("Problem"), &problem, "a refusal")
}

#[tokio::test]
async fn it_plays_from_the_first_segments_on() -> Result<()> {
    let site = Site::new(Limits::default())?;
    let film = Film::new(2)?;
    let upload = site.announce(&film).await?;
    let playlist = format!("/vod/{}/v1/media.m3u8", upload.0);
    let listed = |text: &str| text.matches(".m4s\n").count();
    // Segments behind a gap are not listed.
    for (number, expected) in [(1, 1), (3, 1), (2, 3)] {
        site.put(&upload, &format!("v1/{number}"), &film.segment("v1", number)?).await?;
        let text = site.get(&playlist).await?.text();
        ensure!(listed(&text) == expected && text.contains("TYPE:EVENT") && !text.contains("ENDLIST"), "{text}");
    }
    ensure!(site.get(&format!("/vod/{}/v1/4.m4s", upload.0)).await?.status == StatusCode::NOT_FOUND);
    // The MPD comes once there is something of every rendition.
    let manifest = format!("/vod/{}/manifest.mpd", upload.0);
    ensure!(site.get(&manifest).await?.status == StatusCode::NOT_FOUND);
    site.put(&upload, "a1/1", &film.segment("a1", 1)?).await?;
    let mpd = site.get(&manifest).await?.text();
    ensure!(mpd.contains("type=\"dynamic\"") && mpd.matches("<S ").count() == 2, "{mpd}");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("manifest.mpd");
    fs::write(&file, &mpd)?;
    if let Some(schema) = Schema::open(folder.path())? {
        schema.check(&file)?;
    }
    ensure!(!site.get(&format!("/vod/{}/master.m3u8", upload.0)).await?.text().contains("I-FRAME"));
    let complete = format!("/upload/{}/complete?token={}", upload.0, upload.1);
    ensure!(site.ask(Method::POST, &complete, &[], Bytes::new()).await?.status == StatusCode::CONFLICT);
    Ok(())
}

#[tokio::test]
async fn what_is_not_as_planned_is_refused_with_the_reason() -> Result<()> {
    let site = Site::new(Limits::default())?;
    let film = Film::new(3)?;
    let upload = site.announce(&film).await?;
    let good = film.segment("v1", 1)?;
    let other_head = [&good[..40], &[good[40] ^ 1], &good[41..]].concat();
    let other_media = [&good[..good.len() - 1], &[good[good.len() - 1] ^ 1]].concat();
    for (segment, bytes, status, why) in [
        ("v1/1", &good[..good.len() - 1], 422, "planned are"),
        ("v1/1", &[&good[..], b"x"].concat(), 422, "planned"),
        ("v1/1", &other_head, 422, "the head of fragment 1"),
        ("v1/init", b"no header", 422, "the header is not that of the plan"),
        ("v1/99", &good, 404, "no such"),
        ("v9/1", &good, 404, "no such"),
        ("v1", &good, 404, "no such"),
        ("v1/1", &good, 201, ""),
        ("v1/1", &other_media, 409, "other bytes"),
    ] {
        let answer = site.put(&upload, segment, bytes).await?;
        ensure!(answer.status == status && answer.text().contains(why), "{segment}: {} {}", answer.status, answer.text());
    }
    let wrong = "sha-256=:WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=:";
    let bearer = format!("Bearer {}", upload.1);
    let path = format!("/upload/{}/v1/2.m4s", upload.0);
    for (fields, status) in [
        (&[("authorization", bearer.as_str()), ("content-digest", wrong)][..], 422),
        (&[("authorization", "Bearer 0123")], 401),
        (&[], 401),
        (&[("authorization", bearer.as_str())], 201),
    ] {
        let answer = site.ask(Method::PUT, &path, fields, film.segment("v1", 2)?).await?;
        ensure!(answer.status == status, "{fields:?}: {} {}", answer.status, answer.text());
    }
    // A simple request of another origin has all in its URL.
    let simple = format!("/upload/{}?s=v1/3&token={}", upload.0, upload.1);
    ensure!(site.ask(Method::POST, &simple, &[], film.segment("v1", 3)?).await?.status == StatusCode::CREATED);
    let unknown = format!("/upload/up-{}", "0".repeat(32));
    ensure!(site.get(&unknown).await?.status == StatusCode::NOT_FOUND);
    ensure!(site.get("/upload/up-../x").await?.status == StatusCode::NOT_FOUND);
    Ok(())
}

#[tokio::test]
async fn announcements_are_checked_and_bounded() -> Result<()> {
    let limits = Limits { file: 1 << 20, announcement: 1 << 20, segment: 200_000, files: 1, ..Limits::default() };
    let site = Site::new(limits)?;
    for (body, status, why) in [
        ("{".to_owned(), 400, "the plan"),
        (
            json!({ "size": 16, "segment": 4000, "index": [{ "at": 0, "bytes": "bm8gdmlkZW8gYXQgYWxsLg==" }] }).to_string(),
            422,
            "not an MP4",
        ),
        (json!({ "size": 100, "segment": 4000, "index": [] }).to_string(), 422, "the plan needs bytes 0 to"),
        (json!({ "size": 2 << 20, "segment": 4000, "index": [] }).to_string(), 413, "files of up to"),
        (" ".repeat(2 << 20), 413, "more than"),
    ] {
        let answer = site.ask(Method::POST, "/api/v1/uploads", &[], body).await?;
        ensure!(answer.status == status && answer.text().contains(why), "{} {}", answer.status, answer.text());
    }
    ensure!(fs::read_dir(site.data.path().join("uploads"))?.count() == 0, "nothing is left of what was refused");
    Ok(())
}

/// RFC 4918 11.5: nothing of what has no room is kept, and all else goes on.
#[tokio::test]
async fn a_full_disk_takes_no_more_and_loses_nothing() -> Result<()> {
    let mut site = Site::new(Limits::default())?;
    let (film, other) = (Film::new(8)?, Film::new(9)?);
    let upload = site.announce(&film).await?;
    let first = film.segment("v1", 1)?;
    ensure!(site.put(&upload, "v1/1", &first).await?.status == StatusCode::CREATED);
    let before = site.state(&upload).await?;
    site.limits.reserve = u64::MAX;
    site.restart()?;
    let announced = site.ask(Method::POST, "/api/v1/uploads", &[], other.announcement()).await?;
    let sent = site.put(&upload, "v1/2", &film.segment("v1", 2)?).await?;
    for answer in [announced, sent] {
        ensure!(answer.status == StatusCode::INSUFFICIENT_STORAGE && answer.text().contains("disk is full"), "{}", answer.text());
    }
    ensure!(fs::read_dir(site.data.path().join("uploads"))?.count() == 1 && site.state(&upload).await? == before, "nothing half-made");
    ensure!(site.get(&format!("/vod/{}/v1/1.m4s", upload.0)).await?.body == first, "what is there plays");
    site.limits.reserve = 0;
    site.restart()?;
    ensure!(site.put(&upload, "v1/2", &film.segment("v1", 2)?).await?.status == StatusCode::CREATED);
    ensure!(site.announce(&other).await?.0 != upload.0);
    Ok(())
}

#[tokio::test]
async fn uploads_end_by_request_and_by_time() -> Result<()> {
    let site = Site::new(Limits { expiry: Duration::from_hours(1), ..Limits::default() })?;
    let uploads = site.uploads.as_ref().context("closed")?;
    let count = || fs::read_dir(site.data.path().join("uploads")).map(Iterator::count);
    let (given_up, whole, idle) = (Film::new(4)?, Film::new(5)?, Film::new(6)?);
    let upload = site.announce(&given_up).await?;
    let path = format!("/upload/{}?token={}", upload.0, upload.1);
    ensure!(site.ask(Method::DELETE, &path, &[], Bytes::new()).await?.status == StatusCode::NO_CONTENT);
    ensure!(site.get(&path).await?.status == StatusCode::NOT_FOUND && count()? == 0);
    ensure!(site.announce(&given_up).await?.0 != upload.0, "what was given up begins anew");

    let done = site.announce(&whole).await?;
    for (rendition, number) in whole.segments() {
        site.put(&done, &format!("{rendition}/{number}"), &whole.segment(&rendition, number)?).await?;
    }
    let idle = site.announce(&idle).await?;
    uploads.expire(SystemTime::now())?;
    ensure!(count()? == 3, "nothing has expired yet");
    uploads.expire(SystemTime::now() + Duration::from_hours(2))?;
    ensure!(count()? == 1 && site.state(&done).await?["complete"] == true, "what is complete stays");
    ensure!(site.get(&format!("/upload/{}?token={}", idle.0, idle.1)).await?.status == StatusCode::NOT_FOUND);
    Ok(())
}

/// Fetch 4.8: a page of another origin asks once whether it may.
#[tokio::test]
async fn pages_of_other_origins_may_upload() -> Result<()> {
    let site = Site::new(Limits::default())?;
    for path in ["/api/v1/uploads", "/upload/up-0"] {
        let body = Full::default().map_err(|never| match never {}).boxed_unsync();
        let request =
            http::Request::builder().method(Method::OPTIONS).uri(path).header("access-control-request-method", "PUT").body(body)?;
        let response = site.uploads.as_ref().context("closed")?.handle(request).await;
        let field = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        ensure!(response.status().is_success() && field("access-control-allow-origin") == "*");
        ensure!(field("access-control-allow-methods").contains("PUT") && field("access-control-allow-headers").contains("Content-Digest"));
    }
    Ok(())
}
