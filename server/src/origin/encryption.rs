//! What assets are encrypted with, where the configuration says that they are.
//!
//! A key is made from the secret of the server, the path of the asset and the version of its files, so that nothing needs to be kept, any
//! server with the same secret has the same keys, and no two files share one. Or it stands in the configuration: then the vectors are of
//! the version.

use std::sync::Arc;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use reelway_core::{
    encryption::{ContentKey, Encryption, Key},
    protection::{KeyInfo, Scheme},
};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    auth::Secret,
    config::Current,
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
    pub fn of(&self, path: &AssetPath, version: impl FnOnce() -> String) -> std::io::Result<Option<AssetKey>> {
        let config = self.config.get().asset(path);
        let Some(scheme) = config.encrypt else { return Ok(None) };
        let secret = self.secret.as_ref().ok_or_else(|| std::io::Error::other("there is no secret to make keys from"))?;
        let name = format!("{}\0{}", path.id(), version());
        let made = |purpose: &str| secret.derive(purpose, &name);
        let (id, key) = match &config.content_key {
            Some(own) => (own.id, own.key.clone()),
            None => (*made("key id"), made("content key")),
        };
        let iv = secret.derive("vector", &format!("{}\0{name}", HEXLOWER.encode(&id)));
        Ok(Some(AssetKey { scheme, id, key, iv: *iv }))
    }
}

/// The key of an asset. It is shown nowhere.
pub struct AssetKey {
    /// How the asset is encrypted.
    pub scheme: Scheme,
    id: [u8; 16],
    key: Zeroizing<[u8; 16]>,
    iv: [u8; 16],
}

impl AssetKey {
    /// Its number, in hexadecimal digits.
    pub fn name(&self) -> String {
        HEXLOWER.encode(&self.id)
    }

    /// The bytes of the key called `name`, if that is this one.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        (name == self.name()).then(|| self.key.to_vec())
    }

    /// As the core takes it, for the asset at `path`.
    pub fn encryption(&self, path: &AssetPath) -> reelway_core::Result<Encryption> {
        let whole = self.scheme == Scheme::Aes128;
        // Media playlists stand one folder below.
        let uri = whole.then(|| format!("../{}.key", self.name()));
        let info = KeyInfo { id: self.id, iv: (!whole).then_some(self.iv), uri, systems: Vec::new() };
        let key = ContentKey { key: Key::new(*self.key), info };
        let encryption = Encryption::new(self.scheme, vec![key.clone()], vec![key], None)?;
        Ok(encryption.with_clear_key_url((!whole).then(|| format!("/vod/{}/clearkey", path.url()))))
    }

    /// What a licence server of W3C ClearKey answers (Encrypted Media Extensions 9.1.4): the keys that were asked for and are here.
    fn licence(&self, request: &LicenceRequest) -> serde_json::Value {
        let id = BASE64URL_NOPAD.encode(&self.id);
        let asked = request.kids.iter().any(|kid| kid.trim_end_matches('=') == id);
        let key = json!({"kty": "oct", "kid": id, "k": BASE64URL_NOPAD.encode(&*self.key)});
        json!({"keys": if asked { vec![key] } else { Vec::new() }, "type": "temporary"})
    }
}

#[derive(Deserialize)]
struct LicenceRequest {
    kids: Vec<String>,
}

/// Answers a player that asks for the keys of an asset, which `key` finds, as W3C ClearKey.
pub async fn clear_key(method: &Method, body: RequestBody, key: impl Future<Output = Option<Arc<super::assets::Known>>>) -> Response {
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
    let known = key.await;
    let key = known.as_deref().and_then(|known| known.as_ref().ok()?.key()).filter(|key| key.scheme != Scheme::Aes128);
    let Some(key) = key else { return problem(StatusCode::NOT_FOUND, "there is nothing here") };
    let request = read(body).await.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(request) = request else {
        return problem(StatusCode::BAD_REQUEST, "this is no request of ClearKey (Encrypted Media Extensions 9.1.3)");
    };
    let content = Zeroizing::new(key.licence(&request).to_string());
    let mut response = Response::new(bytes::Bytes::copy_from_slice(content.as_bytes()).into());
    secret(response.headers_mut(), content.len());
    response
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
