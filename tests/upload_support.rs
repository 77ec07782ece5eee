//! A data folder that takes uploads, and what is answered there.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use reelway::{
    auth::Playback,
    catalogue::Catalogue,
    http::{BodyError, Handler, RequestBody},
    upload::{Limits, Uploads},
};
use serde_json::Value;
use tokio::sync::oneshot;

/// Fields of a request.
pub type Fields<'a> = &'a [(&'a str, &'a str)];

/// A data folder that takes uploads, until it is opened again.
pub struct Site {
    data: tempfile::TempDir,
    uploads: Option<Arc<Uploads>>,
    pub limits: Limits,
    /// Whose tokens count.
    pub tokens: Option<Arc<Playback>>,
}

impl Site {
    pub fn new(limits: Limits) -> Result<Self> {
        let mut site = Self { data: tempfile::tempdir()?, uploads: None, limits, tokens: None };
        site.restart()?;
        Ok(site)
    }

    pub fn restart(&mut self) -> Result<()> {
        // The catalogue is open once.
        self.uploads = None;
        let catalogue = Catalogue::open(self.data.path())?;
        let mut uploads = Uploads::open(self.data.path(), catalogue, self.limits)?;
        if let Some(tokens) = &self.tokens {
            uploads = uploads.with_tokens(Arc::clone(tokens));
        }
        self.uploads = Some(Arc::new(uploads));
        Ok(())
    }

    pub fn uploads(&self) -> Result<Arc<Uploads>> {
        Ok(Arc::clone(self.uploads.as_ref().context("closed")?))
    }

    /// The folder that the files are in.
    pub fn folder(&self) -> PathBuf {
        self.data.path().join("uploads")
    }

    /// How many files are kept.
    pub fn files(&self) -> Result<usize> {
        Ok(fs::read_dir(self.folder())?.count())
    }

    pub async fn ask(&self, method: Method, path: &str, fields: Fields<'_>, body: impl Into<Bytes>) -> Result<Answer> {
        ask(self.uploads()?, method, path, fields, Full::new(body.into()).map_err(|never| match never {}).boxed_unsync()).await
    }

    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.ask(Method::GET, path, &[], Bytes::new()).await
    }
}

/// An answer, with what it says.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn field(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

pub async fn ask(uploads: Arc<Uploads>, method: Method, path: &str, fields: Fields<'_>, body: RequestBody) -> Result<Answer> {
    let mut request = http::Request::builder().method(method).uri(path);
    if path.starts_with("/upload/tus") && fields.iter().all(|(name, _)| *name != "tus-resumable") {
        request = request.header("tus-resumable", "1.0.0");
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let (parts, body) = uploads.handle(request.body(body)?).await.into_parts();
    Ok(Answer { status: parts.status, headers: parts.headers, body: body.collect().await?.to_bytes() })
}

/// A body of some bytes, that then breaks off or hangs. Tells when it has been read so far.
pub fn broken(bytes: &[u8], hangs: bool) -> (RequestBody, oneshot::Receiver<()>) {
    let (tell, told) = oneshot::channel();
    let first = stream::iter([Ok(Frame::data(Bytes::copy_from_slice(bytes)))]);
    let then = stream::once(async move {
        tell.send(()).ok();
        if hangs {
            std::future::pending::<()>().await;
        }
        Err(BodyError::from("reset"))
    });
    (BodyExt::boxed_unsync(StreamBody::new(first.chain(then))), told)
}
