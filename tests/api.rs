//! The API: what it answers is what it says that it answers; the library keeps up with the media folder, also with a large one.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use reelway::{
    http::Handler,
    origin::{Origin, ServerInfo},
};
use reelway_tests::{description::conforms, movie::Movie};
use serde_json::Value;

/// A media folder and an origin that serves it.
struct Site {
    folder: tempfile::TempDir,
    origin: Origin,
}

impl Site {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let origin = Origin::new(Some(folder.path()), ServerInfo::new(vec!["h3", "h2"], Some("0123abcd".into())))?;
        Ok(Self { folder, origin })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Status, type and content.
    async fn fetch(&self, method: Method, path: &str) -> Result<(StatusCode, String, Bytes)> {
        let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
        let request = http::Request::builder().method(method).uri(path).body(body)?;
        let (parts, body) = self.origin.handle(request).await.into_parts();
        let media_type = parts.headers.get(header::CONTENT_TYPE).context("no type")?.to_str()?.to_owned();
        Ok((parts.status, media_type, body.collect().await?.to_bytes()))
    }

    async fn ask(&self, method: Method, path: &str) -> Result<(StatusCode, String, Value)> {
        let (status, media_type, content) = self.fetch(method, path).await?;
        let value = match media_type.as_str() {
            "text/plain" => Value::String(String::from_utf8(content.to_vec())?),
            _ => serde_json::from_slice(&content)?,
        };
        Ok((status, media_type, value))
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let (status, _, json) = self.ask(Method::GET, path).await?;
        ensure!(status == StatusCode::OK, "{path}: {status}");
        Ok(json)
    }

    /// The identifiers of all assets.
    async fn assets(&self) -> Result<Vec<String>> {
        Self::identifiers(&self.get("/api/v1/assets").await?)
    }

    fn identifiers(library: &Value) -> Result<Vec<String>> {
        let assets = library["assets"].as_array().context("no assets")?;
        assets.iter().map(|asset| Ok(asset["id"].as_str().context("no id")?.to_owned())).collect()
    }
}

#[tokio::test]
async fn answers_are_as_described() -> Result<()> {
    let site = Site::new()?;
    fs::write(site.path("a.mp4"), Movie::simple(2, 1).write())?;
    fs::write(site.path("bad.mp4"), b"this is no video, by no means")?;
    let description = site.get("/api/v1/openapi.json").await?;
    let paths = description["paths"].as_object().context("no paths")?;
    // Those of jobs and uploads are answered where there are any.
    let elsewhere = ["/api/v1/jobs", "/api/v1/uploads", "/upload/"];
    let here = || {
        let gets = paths.iter().filter(|(_, operations)| operations.get("get").is_some());
        gets.filter(|(path, _)| !elsewhere.iter().any(|place| path.starts_with(place)))
    };
    ensure!(here().count() == 5, "{paths:#?}");
    for (path, operations) in here() {
        let responses = &operations["get"]["responses"];
        let (status, media_type, json) = site.ask(Method::GET, path).await?;
        let schema = &responses[status.as_str()]["content"][&media_type]["schema"];
        ensure!(schema.is_object(), "{path}: {status} of {media_type} is not described");
        conforms(&description, schema, &json, path)?;
        // Whatever goes wrong is a problem of the described kind.
        let problem = responses["default"]["$ref"].as_str().and_then(|place| description.pointer(place.trim_start_matches('#')));
        let (status, media_type, json) = site.ask(Method::POST, path).await?;
        ensure!(status == StatusCode::METHOD_NOT_ALLOWED && json["status"] == 405, "{path}: {status}");
        let schema = &problem.context("no problem")?["content"][&media_type]["schema"];
        conforms(&description, schema, &json, path)?;
    }
    Ok(())
}

/// What is done to the media folder.
type Change<'a> = &'a dyn Fn() -> std::io::Result<()>;

#[tokio::test]
async fn the_library_keeps_up() -> Result<()> {
    let site = Site::new()?;
    let film = Movie::simple(2, 1).write();
    fs::create_dir(site.path("films"))?;
    fs::write(site.path("films/a.mp4"), &film)?;
    ensure!(site.assets().await? == ["films/a.mp4"], "as it is found");
    let steps: [(&str, Change<'_>, &[&str]); 8] = [
        ("a file comes", &|| fs::write(site.path("b.mp4"), &film), &["b.mp4", "films/a.mp4"]),
        ("a folder comes", &|| fs::create_dir(site.path("new")), &["b.mp4", "films/a.mp4"]),
        ("a file comes into it", &|| fs::write(site.path("new/c.mp4"), &film), &["b.mp4", "films/a.mp4", "new/c.mp4"]),
        ("links lead in a circle", &|| symlink("..", site.path("new/above")), &["b.mp4", "films/a.mp4", "new/c.mp4"]),
        ("hidden ones come", &|| fs::write(site.path("new/.d.mp4"), &film), &["b.mp4", "films/a.mp4", "new/c.mp4"]),
        ("a folder gets another name", &|| fs::rename(site.path("films"), site.path("old")), &["b.mp4", "new/c.mp4", "old/a.mp4"]),
        ("a file goes", &|| fs::remove_file(site.path("b.mp4")), &["new/c.mp4", "old/a.mp4"]),
        ("a folder is hidden", &|| fs::rename(site.path("old"), site.path(".old")), &["new/c.mp4"]),
    ];
    for (told, change, expected) in steps {
        change()?;
        ensure!(site.assets().await? == expected, "{told}: {:?}", site.assets().await?);
    }
    // A file under the same name is another one.
    let longer = Movie::simple(5, 2).write();
    fs::write(site.path("new/c.mp4"), &longer)?;
    let library = site.get("/api/v1/assets").await?;
    ensure!(library["assets"][0]["size"] == longer.len() && library["assets"][0]["durationMs"] == 5000, "{library:#}");
    Ok(())
}

fn count(folder: &Path) -> Result<usize> {
    let mut found = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if fs::metadata(&path)?.is_dir() {
            found += count(&path)?;
        } else {
            found += 1;
        }
    }
    Ok(found)
}

/// Ten thousand films in a hundred folders.
#[tokio::test]
async fn a_large_library_is_read_once() -> Result<()> {
    const FOLDERS: usize = 100;
    const FILMS: usize = 100;
    let site = Site::new()?;
    fs::write(site.path("film.mp4"), Movie::simple(1, 1).write())?;
    for folder in 0..FOLDERS {
        fs::create_dir(site.path(&format!("{folder:03}")))?;
        for film in 0..FILMS {
            let name = format!("{folder:03}/{film:03}.mp4");
            if folder + film == 0 {
                fs::rename(site.path("film.mp4"), site.path(&name))?;
            } else {
                fs::hard_link(site.path("000/000.mp4"), site.path(&name))?;
            }
        }
    }
    let begun = Instant::now();
    ensure!(count(site.folder.path())? == FOLDERS * FILMS, "not all are there");
    let walk = begun.elapsed().as_secs_f64();
    let list = async || {
        let begun = Instant::now();
        let (status, _, content) = site.fetch(Method::GET, "/api/v1/assets").await?;
        let time = begun.elapsed().as_secs_f64();
        ensure!(status == StatusCode::OK, "{status}");
        Ok((Site::identifiers(&serde_json::from_slice(&content)?)?, time))
    };
    let (first, reading) = list().await?;
    ensure!(first.len() == FOLDERS * FILMS && first.is_sorted(), "{} are listed", first.len());
    let (again, kept) = list().await?;
    ensure!(again == first, "another list of the same");
    fs::remove_file(site.path("050/050.mp4"))?;
    let (fewer, after_change) = list().await?;
    ensure!(fewer.len() == first.len() - 1 && !fewer.contains(&"050/050.mp4".to_owned()), "{} are listed", fewer.len());
    println!(
        "10 000 films; a plain walk with stat is 1: listed for the first time {:.1}, again {:.2}, after a change {:.1} (walk {:.1} ms)",
        reading / walk,
        kept / walk,
        after_change / walk,
        walk * 1000.0
    );
    Ok(())
}
