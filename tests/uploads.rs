//! Uploads of segments: what is planned is taken in any order, once, and kept; what is not is refused with the reason; it plays as it comes.

#[path = "upload_support.rs"]
mod support;

use std::{
    fs,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, StatusCode};
use reelway::{
    auth::{Claims, KeyRing, Playback, Secret},
    config::{Config, Tokens},
    upload::Limits,
};
use reelway_tests::{description::conforms, film::Film, schema::Schema};
use serde_json::{Value, json};

use support::{Answer, Site};

impl Site {
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

#[tokio::test]
async fn announcements_of_all_clients_fit_into_memory() -> Result<()> {
    let film = Film::new(21)?;
    let size = film.announcement().len() as u64;
    for (memory, status) in [(size / 2, StatusCode::SERVICE_UNAVAILABLE), (size + 4096, StatusCode::CREATED)] {
        let site = Site::new(Limits { memory, ..Limits::default() })?;
        for again in [StatusCode::CREATED, StatusCode::OK] {
            let answer = site.ask(Method::POST, "/api/v1/uploads", &[], film.announcement()).await?;
            // What came of one is given back with it.
            let expected = if status == StatusCode::CREATED { again } else { status };
            ensure!(answer.status == expected, "{memory}: {}: {}", answer.status, answer.text());
        }
    }
    Ok(())
}

#[tokio::test]
async fn segments_come_in_any_order_and_are_the_film() -> Result<()> {
    let mut site = Site::new(Limits::default())?;
    let film = Film::new(21)?;
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
    let film = Film::new(27)?;
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
    let film = Film::new(22)?;
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
    let film = Film::new(23)?;
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
    ensure!(site.files()? == 0, "nothing is left of what was refused");
    Ok(())
}

/// RFC 4918 11.5: nothing of what has no room is kept, and all else goes on.
#[tokio::test]
async fn a_full_disk_takes_no_more_and_loses_nothing() -> Result<()> {
    let mut site = Site::new(Limits::default())?;
    let (film, other) = (Film::new(28)?, Film::new(29)?);
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
    ensure!(site.files()? == 1 && site.state(&upload).await? == before, "nothing half-made");
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
    let uploads = site.uploads()?;
    let (given_up, whole, idle) = (Film::new(24)?, Film::new(25)?, Film::new(26)?);
    let upload = site.announce(&given_up).await?;
    let path = format!("/upload/{}?token={}", upload.0, upload.1);
    ensure!(site.ask(Method::DELETE, &path, &[], Bytes::new()).await?.status == StatusCode::NO_CONTENT);
    ensure!(site.get(&path).await?.status == StatusCode::NOT_FOUND && site.files()? == 0);
    ensure!(site.announce(&given_up).await?.0 != upload.0, "what was given up begins anew");

    let done = site.announce(&whole).await?;
    for (rendition, number) in whole.segments() {
        site.put(&done, &format!("{rendition}/{number}"), &whole.segment(&rendition, number)?).await?;
    }
    let idle = site.announce(&idle).await?;
    uploads.expire(SystemTime::now())?;
    ensure!(site.files()? == 3, "nothing has expired yet");
    uploads.expire(SystemTime::now() + Duration::from_hours(2))?;
    ensure!(site.files()? == 1 && site.state(&done).await?["complete"] == true, "what is complete stays");
    ensure!(site.get(&format!("/upload/{}?token={}", idle.0, idle.1)).await?.status == StatusCode::NOT_FOUND);
    Ok(())
}

/// Fetch 4.8: a page of another origin asks once whether it may.
#[tokio::test]
async fn pages_of_other_origins_may_upload() -> Result<()> {
    let site = Site::new(Limits::default())?;
    for path in ["/api/v1/uploads", "/upload/up-0"] {
        let response = site.ask(Method::OPTIONS, path, &[("access-control-request-method", "PUT")], "").await?;
        let field = |name| response.field(name);
        ensure!(response.status.is_success() && field("access-control-allow-origin") == "*");
        ensure!(field("access-control-allow-methods").contains("PUT") && field("access-control-allow-headers").contains("Content-Digest"));
    }
    Ok(())
}

/// The keys of a server that has its data in `folder`.
fn keys(folder: &std::path::Path) -> Result<KeyRing> {
    KeyRing::new(Some(&Secret::of(folder)?), &Tokens::default(), None)
}

/// Signs a token for `owner`.
fn sign(keys: &KeyRing, owner: Option<&str>, path: &str) -> String {
    let claims = Claims { exp: u64::from(u32::MAX), nbf: None, paths: vec![path.into()], ip: None, sub: owner.map(Into::into) };
    format!("Bearer {}", keys.sign("server", &claims).unwrap_or_default())
}

/// What a server whose configuration is `text` and whose data is in `folder` asks of tokens.
fn playback(text: &str, folder: &std::path::Path) -> Result<Arc<Playback>> {
    let file = folder.join("reelway.toml");
    fs::write(&file, text)?;
    Ok(Arc::new(Playback::new(Config::read(&file)?, keys(folder)?)))
}

#[tokio::test]
async fn files_are_of_the_subject_of_a_token_where_one_is_asked_for() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let keys = keys(folder.path())?;
    let mut site = Site::new(Limits { owned: 2, ..Limits::default() })?;
    site.tokens = Some(playback("[uploads]\nbring = \"token\"\n", folder.path())?);
    site.restart()?;
    let (anna, ben, viewer) = (sign(&keys, Some("anna"), "/"), sign(&keys, Some("ben"), "/"), sign(&keys, None, "/"));
    let elsewhere = sign(&keys, Some("anna"), "/vod/");
    let films = [Film::new(31)?, Film::new(32)?, Film::new(33)?];
    let announce = async |token: &str, film: &Film| {
        let fields = if token.is_empty() { vec![] } else { vec![("authorization", token)] };
        site.ask(Method::POST, "/api/v1/uploads", &fields, film.announcement()).await
    };
    for (token, film, status, why) in [
        ("", 0, 401, "a token is needed"),
        ("Bearer 0123", 0, 401, "no token"),
        (viewer.as_str(), 0, 401, "for something else"),
        (elsewhere.as_str(), 0, 401, "for something else"),
        (anna.as_str(), 0, 201, ""),
        (anna.as_str(), 0, 200, ""),
        (ben.as_str(), 0, 201, ""), // another owner has another upload of it
        (anna.as_str(), 1, 201, ""),
        (anna.as_str(), 2, 403, "2 files of yours"),
        (ben.as_str(), 2, 201, ""),
    ] {
        let answer = announce(token, &films[film]).await?;
        ensure!(answer.status == status && answer.text().contains(why), "{token} {film}: {} {}", answer.status, answer.text());
    }
    // Files that come as a whole count too.
    let whole = [("authorization", anna.as_str()), ("upload-length", "10")];
    let begun = site.ask(Method::POST, "/upload/tus/", &whole, "").await?;
    ensure!(begun.status == StatusCode::FORBIDDEN && site.files()? == 4, "{} {}", begun.status, begun.text());
    let begun = site.ask(Method::POST, "/upload/tus/", &whole[1..], "").await?;
    ensure!(begun.status == StatusCode::UNAUTHORIZED, "{}", begun.status);
    Ok(())
}

#[tokio::test]
async fn one_owner_brings_so_much_at_once() -> Result<()> {
    let site = Site::new(Limits { parallel: 1, ..Limits::default() })?;
    let film = Film::new(34)?;
    let upload = site.announce(&film).await?;
    // One request hangs, in the middle of its bytes.
    let (body, told) = support::broken(&film.segment("v1", 1)?[..100], true);
    let path = format!("/upload/{}?s=v1/1&token={}", upload.0, upload.1);
    let uploads = site.uploads()?;
    let hanging = tokio::spawn(async move { support::ask(uploads, Method::POST, &path, &[], body).await });
    told.await?;
    let second = film.segment("v1", 2)?;
    let refused = site.put(&upload, "v1/2", &second).await?;
    ensure!(refused.status == StatusCode::SERVICE_UNAVAILABLE && refused.text().contains("1 requests of yours"), "{}", refused.text());
    hanging.abort();
    ensure!(hanging.await.is_err_and(|error| error.is_cancelled()));
    ensure!(site.put(&upload, "v1/2", &second).await?.status == StatusCode::CREATED);
    Ok(())
}
