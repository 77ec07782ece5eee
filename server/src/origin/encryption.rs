//! What assets are encrypted with, where the configuration says that they are.
//!
//! A key is made from the secret of the server, the path of the asset and the version of its files, so that nothing needs to be kept, any
//! server with the same secret has the same keys, and no two files share one. Or it stands in the configuration: then the vectors are of
//! the version.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    auth::Secret,
    config::Current,
    content_key::MediaKeys,
    http::{AssetPath, Body, RequestBody, Response, problem},
};

/// The longest request for keys, in bytes.
const REQUEST: usize = 16 << 10;

/// Which assets are encrypted, and with what.
#[derive(Debug, Default)]
pub struct AssetKeys {
    config: Current,
    secret: Option<Secret>,
}

impl AssetKeys {
    /// As `config` says, with keys of `secret`.
    pub fn new(config: Current, secret: Secret) -> Self {
        Self { config, secret: Some(secret) }
    }

    /// As `config` says, but for what is to be encrypted: that is not served.
    pub fn without_secret(config: Current) -> Self {
        Self { config, secret: None }
    }

    /// Whether the asset is encrypted, so that nobody gets its files as they are.
    pub fn is_encrypted(&self, path: &AssetPath) -> bool {
        self.config.get().asset(path).encrypt.is_some()
    }

    /// The key of this version of an asset; `None`: it is not encrypted.
    pub fn of(&self, path: &AssetPath, version: impl FnOnce() -> String) -> std::io::Result<Option<MediaKeys>> {
        let config = self.config.get().asset(path);
        let Some(scheme) = config.encrypt else { return Ok(None) };
        let secret = self.secret.as_ref().ok_or_else(|| std::io::Error::other("there is no secret to make keys from"))?;
        // A recording only grows: what players have of it stays as it is.
        let version = if path.below("live").is_some() { String::new() } else { version() };
        let name = format!("{}\0{version}", path.id());
        Ok(Some(MediaKeys::new(scheme, config.keys.as_ref(), secret, &name)))
    }
}

/// Answers a player that asks for keys as W3C ClearKey; `licence` tells those of the key numbers that are asked for, or `None`: there are
/// no keys here.
pub async fn clear_key(method: &Method, body: RequestBody, licence: impl AsyncFnOnce(&[String]) -> Option<Value>) -> Response {
    const METHODS: HeaderValue = HeaderValue::from_static("POST, OPTIONS");
    if *method == Method::OPTIONS {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let fields = response.headers_mut();
        fields.insert(header::ALLOW, METHODS);
        fields.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        fields.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type"));
        return response;
    }
    if *method != Method::POST {
        let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "keys are asked for with POST");
        response.headers_mut().insert(header::ALLOW, METHODS);
        return response;
    }
    let request = read(body).await.and_then(|bytes| serde_json::from_slice::<LicenceRequest>(&bytes).ok());
    let kids = request.as_ref().map_or(&[][..], |request| &request.kids);
    let Some(licence) = licence(kids).await else { return problem(StatusCode::NOT_FOUND, "there is nothing here") };
    if request.is_none() {
        return problem(StatusCode::BAD_REQUEST, "this is no request of ClearKey (Encrypted Media Extensions 9.1.3)");
    }
    let content = Zeroizing::new(licence.to_string());
    let mut response = Response::new(bytes::Bytes::copy_from_slice(content.as_bytes()).into());
    secret(response.headers_mut(), content.len());
    response
}

#[derive(Deserialize)]
struct LicenceRequest {
    kids: Vec<String>,
}

fn secret(fields: &mut HeaderMap, length: usize) {
    fields.insert(header::CONTENT_LENGTH, length.into());
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// A request; `None`: it is too large, or not all there.
async fn read(mut body: RequestBody) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.ok()?.into_data().unwrap_or_default();
        if content.len() + data.len() > REQUEST {
            return None;
        }
        content.extend_from_slice(&data);
    }
    Some(content)
}
