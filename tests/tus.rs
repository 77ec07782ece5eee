//! Whole files by tus 1.0 and by the chunks of UpChunk: what the end-to-end cases of tusd are about, and what a file becomes.

#[path = "upload_support.rs"]
mod support;

use std::{
    fs,
    time::{Duration, SystemTime},
};

use anyhow::{Result, ensure};
use http::{Method, StatusCode};
use reelway::upload::Limits;
use reelway_tests::movie::Movie;

use support::{Answer, Fields, Site, ask, broken};

impl Site {
    /// Begins a file of so many bytes; where it goes.
    async fn begin(&self, length: usize, fields: Fields<'_>) -> Result<String> {
        let length = length.to_string();
        let fields = [&[("upload-length", length.as_str())], fields].concat();
        let answer = self.ask(Method::POST, "/upload/tus/", &fields, "").await?;
        ensure!(answer.status == StatusCode::CREATED, "{} {}", answer.status, answer.text());
        Ok(answer.field("location").to_owned())
    }

    async fn patch(&self, path: &str, offset: usize, fields: Fields<'_>, bytes: &[u8]) -> Result<Answer> {
        let offset = offset.to_string();
        let fields = [&[("upload-offset", offset.as_str()), BYTES], fields].concat();
        self.ask(Method::PATCH, path, &fields, bytes.to_vec()).await
    }

    async fn offset(&self, path: &str) -> Result<usize> {
        Ok(self.ask(Method::HEAD, path, &[], "").await?.field("upload-offset").parse()?)
    }

    /// The same bytes play, as an asset.
    async fn plays(&self, asset: &str, film: &[u8]) -> Result<()> {
        ensure!(asset.starts_with("up-"), "{asset}");
        ensure!(fs::read(self.folder().join(asset))? == film);
        let playlist = self.ask(Method::GET, &format!("/vod/{asset}/v1/media.m3u8"), &[], "").await?;
        ensure!(playlist.status == StatusCode::OK && playlist.text().contains("#EXT-X-ENDLIST"), "{}", playlist.text());
        let segment = self.ask(Method::GET, &format!("/vod/{asset}/v1/1.m4s"), &[], "").await?;
        ensure!(segment.status == StatusCode::OK);
        Ok(())
    }
}

const BYTES: (&str, &str) = ("content-type", "application/offset+octet-stream");

fn film() -> Vec<u8> {
    Movie::simple(20, 1).write()
}

#[tokio::test]
async fn what_the_server_can_do_is_told() -> Result<()> {
    let site = Site::new(Limits::default())?;
    let answer = site.ask(Method::OPTIONS, "/upload/tus/", &[], "").await?;
    ensure!(answer.status == StatusCode::NO_CONTENT && answer.field("tus-version") == "1.0.0");
    for extension in ["creation", "creation-with-upload", "expiration", "checksum", "termination", "concatenation"] {
        ensure!(answer.field("tus-extension").split(',').any(|told| told == extension), "{extension}");
    }
    ensure!(answer.field("access-control-allow-methods").contains("PATCH"));
    let old = site.ask(Method::POST, "/upload/tus/", &[("tus-resumable", "0.2.2")], "").await?;
    ensure!(old.status == StatusCode::PRECONDITION_FAILED && old.field("tus-resumable") == "1.0.0");
    Ok(())
}

#[tokio::test]
async fn a_file_comes_in_pieces_and_is_an_asset_and_nothing_acknowledged_is_forgotten() -> Result<()> {
    let mut site = Site::new(Limits::default())?;
    let film = film();
    let metadata = ("upload-metadata", "filename ZmlsbS5tcDQ=");
    let path = site.begin(film.len(), &[metadata]).await?;
    let half = film.len() / 2;
    let answer = site.patch(&path, 0, &[], &film[..half]).await?;
    ensure!(answer.status == StatusCode::NO_CONTENT && answer.field("upload-offset") == half.to_string());
    ensure!(!answer.field("upload-expires").is_empty());
    site.restart()?;
    let told = site.ask(Method::HEAD, &path, &[], "").await?;
    ensure!(told.field("upload-offset") == half.to_string() && told.field("upload-length") == film.len().to_string());
    ensure!(told.field("upload-metadata") == metadata.1 && told.field("cache-control") == "no-store");
    let answer = site.patch(&path, half, &[], &film[half..]).await?;
    let asset = answer.field("reelway-asset").to_owned();
    site.plays(&asset, &film).await?;
    site.restart()?;
    site.plays(&asset, &film).await?;
    ensure!(site.offset(&path).await? == film.len());
    let described = site.ask(Method::GET, &format!("/api/v1/uploads/{asset}"), &[], "").await?.text();
    ensure!(described.contains("\"film.mp4\"") && described.contains("\"complete\":true"), "{described}");
    // What is whole does not expire; what is ended is gone, with its asset.
    site.uploads()?.expire(SystemTime::now() + Duration::from_hours(24 * 30))?;
    site.plays(&asset, &film).await?;
    ensure!(site.ask(Method::DELETE, &path, &[], "").await?.status == StatusCode::NO_CONTENT && site.files()? == 0);
    ensure!(site.ask(Method::HEAD, &path, &[], "").await?.status == StatusCode::NOT_FOUND);
    Ok(())
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_changes_nothing() -> Result<()> {
    let site = Site::new(Limits { file: 1000, ..Limits::default() })?;
    let path = site.begin(10, &[]).await?;
    site.patch(&path, 0, &[], b"01234").await?;
    let part = site.begin(3, &[("upload-concat", "partial")]).await?;
    let long = "a YQ==,".repeat(2000);
    for (method, path, fields, body, status) in [
        (Method::POST, "/upload/tus/", &[("upload-length", "1001")][..], "", 413),
        (Method::POST, "/upload/tus/", &[("upload-length", "x")], "", 400),
        (Method::POST, "/upload/tus/", &[], "", 400),
        (Method::POST, "/upload/tus/", &[("upload-concat", "final;/upload/tus/none")], "", 404),
        (Method::POST, "/upload/tus/", &[("upload-concat", &format!("final;{part}"))], "", 400),
        (Method::POST, "/upload/tus/", &[("upload-length", "9"), ("upload-metadata", &long)], "", 431), // RFC 6585 5
        (Method::POST, "/upload/tus/", &[("upload-concat", &format!("final;{long}"))], "", 431),
        (Method::GET, "/upload/tus/", &[], "", 405),
        (Method::PATCH, &path, &[("upload-offset", "4"), BYTES], "4", 409),
        (Method::PATCH, &path, &[("upload-offset", "6"), BYTES], "6", 409),
        (Method::PATCH, &path, &[("upload-offset", "5")], "5", 415),
        (Method::PATCH, &path, &[BYTES], "5", 400),
        (Method::PATCH, &path, &[("upload-offset", "5"), BYTES, ("content-length", "6")], "567890", 413),
        (Method::PATCH, &path, &[("upload-offset", "5"), BYTES], "567890", 413),
        (Method::PATCH, &path, &[("upload-offset", "5"), BYTES, ("upload-checksum", "md5 AAAA")], "5", 400),
        (Method::PATCH, &path, &[("upload-offset", "5"), BYTES, ("upload-checksum", "sha1 AAAA")], "5", 460),
        (Method::PATCH, "/upload/tus/none", &[("upload-offset", "0"), BYTES], "5", 404),
        (Method::PUT, &path, &[("content-range", "bytes 5-6/11")], "56", 400),
    ] {
        let answer = site.ask(method.clone(), path, fields, body).await?;
        ensure!(answer.status == status, "{method} {path} {fields:?}: {} {}", answer.status, answer.text());
        ensure!(answer.field("tus-resumable") == "1.0.0");
    }
    ensure!(site.offset(&path).await? == 5 && site.files()? == 2);
    // All of it is there, and no video: refused with the reason, and forgotten.
    ensure!(site.patch(&path, 5, &[], b"56789").await?.status == StatusCode::UNPROCESSABLE_ENTITY);
    ensure!(site.files()? == 1);
    Ok(())
}

#[tokio::test]
async fn what_is_reset_or_hangs_leaves_what_has_come() -> Result<()> {
    let site = Site::new(Limits { idle: Duration::from_millis(100), ..Limits::default() })?;
    let film = film();
    let path = site.begin(film.len(), &[]).await?;
    let mut there = 0;
    for (hangs, status) in [(false, StatusCode::BAD_REQUEST), (true, StatusCode::REQUEST_TIMEOUT)] {
        let (body, _) = broken(&film[there..there + 1000], hangs);
        let answer = ask(site.uploads()?, Method::PATCH, &path, &[("upload-offset", &there.to_string()), BYTES], body).await?;
        there += 1000;
        ensure!(answer.status == status, "{} {}", answer.status, answer.text());
        ensure!(site.offset(&path).await? == there);
        // What cannot be compared with its checksum is not kept.
        let (body, _) = broken(&film[there..there + 1000], hangs);
        let fields = [("upload-offset", &*there.to_string()), BYTES, ("upload-checksum", "sha1 AAAA")];
        ask(site.uploads()?, Method::PATCH, &path, &fields, body).await?;
        ensure!(site.offset(&path).await? == there);
    }
    let asset = site.patch(&path, there, &[], &film[there..]).await?;
    site.plays(asset.field("reelway-asset"), &film).await
}

#[tokio::test]
async fn a_request_that_hangs_gives_way_to_the_next_and_one_that_is_dropped_is_forgotten() -> Result<()> {
    let mut site = Site::new(Limits::default())?;
    let film = film();
    let path = site.begin(film.len(), &[]).await?;
    let send = |site: &Site, from: usize, fields: &'static [(&'static str, &'static str)]| -> Result<_> {
        let (body, told) = broken(&film[from..from + 1000], true);
        let (uploads, path, offset) = (site.uploads()?, path.clone(), from.to_string());
        let sending = tokio::spawn(async move {
            let fields = [&[("upload-offset", offset.as_str()), BYTES], fields].concat();
            ask(uploads, Method::PATCH, &path, &fields, body).await
        });
        Ok((sending, told))
    };
    let (hanging, told) = send(&site, 0, &[])?;
    told.await?;
    ensure!(site.offset(&path).await? == 1000);
    ensure!(hanging.await??.status == StatusCode::LOCKED);
    // The connection is gone, or the server ends: what was not acknowledged may be lost, and what cannot be compared is.
    let (cut, told) = send(&site, 1000, &[("upload-checksum", "sha1 AAAA")])?;
    told.await?;
    cut.abort();
    ensure!(cut.await.is_err_and(|error| error.is_cancelled()));
    site.restart()?;
    ensure!(site.offset(&path).await? == 1000);
    let asset = site.patch(&path, 1000, &[], &film[1000..]).await?;
    site.plays(asset.field("reelway-asset"), &film).await
}

#[tokio::test]
async fn parts_are_put_together_and_one_request_may_be_all() -> Result<()> {
    let site = Site::new(Limits::default())?;
    let film = film();
    let (one, two) = film.split_at(film.len() / 3);
    let mut parts = Vec::new();
    for part in [one, two] {
        let path = site.begin(part.len(), &[("upload-concat", "partial")]).await?;
        ensure!(site.patch(&path, 0, &[], part).await?.field("reelway-asset").is_empty());
        parts.push(path);
    }
    let concat = format!("final;{} https://host{}", parts[0], parts[1]);
    let joined = site.ask(Method::POST, "/upload/tus/", &[("upload-concat", &concat)], "").await?;
    ensure!(joined.status == StatusCode::CREATED, "{}", joined.text());
    site.plays(joined.field("reelway-asset"), &film).await?;
    let told = site.ask(Method::HEAD, joined.field("location"), &[], "").await?;
    ensure!(told.field("upload-concat") == concat && told.field("upload-length") == film.len().to_string());
    ensure!(site.patch(joined.field("location"), film.len(), &[], b"").await?.status == StatusCode::FORBIDDEN);
    // The parts go by time.
    site.uploads()?.expire(SystemTime::now() + Duration::from_hours(24 * 30))?;
    ensure!(site.files()? == 1);

    let length = film.len().to_string();
    let at_once = site.ask(Method::POST, "/upload/tus", &[("upload-length", &length), BYTES], film.clone()).await?;
    ensure!(at_once.status == StatusCode::CREATED && at_once.field("upload-offset") == length);
    site.plays(at_once.field("reelway-asset"), &film).await
}

#[tokio::test]
async fn chunks_with_content_range_are_taken_once() -> Result<()> {
    let site = Site::new(Limits::default())?;
    let film = film();
    let path = site.begin(film.len(), &[]).await?;
    let (third, all) = (film.len() / 3, film.len());
    for (from, to, status, there) in [
        (third, 2 * third, 308, 0),
        (0, third, 308, third),
        (0, third, 308, third),
        (third - 10, 2 * third, 308, 2 * third),
        (2 * third, all, 200, all),
    ] {
        let range = format!("bytes {from}-{}/{all}", to - 1);
        let answer = site.ask(Method::PUT, &path, &[("content-range", &range)], film[from..to].to_vec()).await?;
        ensure!(answer.status == status, "{range}: {} {}", answer.status, answer.text());
        let told = if there == 0 { String::new() } else { format!("bytes=0-{}", there - 1) };
        ensure!(answer.field("range") == told && site.offset(&path).await? == there, "{range}: {}", answer.field("range"));
        if there == all {
            site.plays(answer.field("reelway-asset"), &film).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_full_disk_takes_no_file() -> Result<()> {
    let mut site = Site::new(Limits::default())?;
    let path = site.begin(10, &[]).await?;
    site.patch(&path, 0, &[], b"01234").await?;
    site.limits.reserve = u64::MAX;
    site.restart()?;
    let begun = site.ask(Method::POST, "/upload/tus/", &[("upload-length", "10")], "").await?;
    let sent = site.patch(&path, 5, &[], b"56789").await?;
    for answer in [begun, sent] {
        ensure!(answer.status == StatusCode::INSUFFICIENT_STORAGE, "{} {}", answer.status, answer.text());
    }
    ensure!(site.offset(&path).await? == 5 && site.files()? == 1);
    Ok(())
}
