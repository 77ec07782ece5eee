//! Whether a request may read what it asks for.

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

use super::{Claims, Hooks, KeyRing, Question, Refused};
use crate::{
    config::{Bring, Current, Play},
    http::{Request, Resource, Response, Under, problem},
    net::Peer,
};

/// The cookie that a token may come in.
const COOKIE: &str = "reelway_token";

/// Lets viewers in.
#[derive(Debug, Default)]
pub struct Playback {
    config: Current,
    keys: RwLock<Arc<KeyRing>>,
    hooks: Option<Arc<Hooks>>,
}

/// A request that may go on.
pub struct Admitted {
    /// The request, without the token in its path.
    pub request: Request,
    /// What it asks for.
    pub resource: Option<Resource>,
    /// Whether it needed a token, so that what is answered is for nobody else.
    pub private: bool,
}

impl Playback {
    /// Asks for tokens where `config` says so, and takes those that one of `keys` signed.
    pub fn new(config: impl Into<Current>, keys: KeyRing) -> Self {
        Self { config: config.into(), keys: RwLock::new(Arc::new(keys)), hooks: None }
    }

    /// The same, that asks `hooks` where the configuration says so.
    #[must_use]
    pub fn with_hooks(mut self, hooks: Arc<Hooks>) -> Self {
        self.hooks = Some(hooks);
        self
    }

    /// From now on it takes tokens that one of `keys` signed.
    pub fn exchange(&self, keys: KeyRing) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The request as others see it, or why it may not go on.
    pub async fn admit(&self, mut request: Request) -> Result<Admitted, Box<Response>> {
        let (in_path, resource) = match split(request.uri().path()) {
            Some((token, path)) => {
                let token = token.to_owned();
                // Under a token there is what is played, and nothing else.
                let played = Resource::parse(path).filter(|resource| self.play(resource).is_some());
                let uri = with_path(request.uri(), path).filter(|_| played.is_some());
                *request.uri_mut() = uri.ok_or_else(|| Box::new(problem(StatusCode::NOT_FOUND, "there is nothing here")))?;
                (Some(token), played)
            }
            None => (None, Resource::parse(request.uri().path())),
        };
        let play = resource.as_ref().and_then(|resource| self.play(resource)).unwrap_or_default();
        // A preflight comes without a token (Fetch 3.3).
        if play == Play::Anyone || request.method() == Method::OPTIONS {
            return Ok(Admitted { request, resource, private: false });
        }
        let token = in_path.as_deref().or_else(|| bearer(request.headers())).or_else(|| cookie(request.headers()));
        let address = request.extensions().get::<Peer>().map(|peer| peer.address.ip());
        let checked = match (play, &resource) {
            (Play::Hook, Some(resource)) => {
                let question = (place(resource, request.uri().path()), token.map(ToOwned::to_owned));
                Box::pin(self.ask(&question.0, question.1.as_deref(), address)).await // all others have no space aside for it
            }
            _ => self.check(request.uri().path(), token, address),
        };
        match checked {
            Ok(()) => {
                if let Some(under) = in_path.as_deref().and_then(Under::new) {
                    request.extensions_mut().insert(under);
                }
                Ok(Admitted { request, resource, private: true })
            }
            Err(refused) => Err(Box::new(answer(refused))),
        }
    }

    /// Who may read a resource; `None`: it is nothing that is played.
    fn play(&self, resource: &Resource) -> Option<Play> {
        let config = self.config.get();
        match resource {
            Resource::Vod(asset, _) | Resource::Media(asset) => Some(config.asset(asset).play),
            Resource::Live(name, _) => Some(config.stream(name).play),
            // The lists tell what there is: as what is played by default.
            Resource::ApiAssets => Some(config.default_asset().play),
            Resource::ApiStreams => Some(config.default_stream().play),
            _ => None,
        }
    }

    /// Whose the files are that whoever sends these `fields` brings to `path`; `None`: no token tells, and none is needed.
    pub fn subject(&self, path: &str, fields: &HeaderMap, address: Option<IpAddr>) -> Result<Option<String>, Refused> {
        match (bearer(fields), self.config.get().uploads.bring) {
            (None, Bring::Anyone) => Ok(None),
            // It holds for who may begin: a token of a viewer is none.
            (token, _) => {
                let claims = self.claims(path, token, address)?;
                claims.sub.map(Some).ok_or(Refused::Scope)
            }
        }
    }

    fn check(&self, path: &str, token: Option<&str>, address: Option<IpAddr>) -> Result<(), Refused> {
        self.claims(path, token, address).map(drop)
    }

    fn claims(&self, path: &str, token: Option<&str>, address: Option<IpAddr>) -> Result<Claims, Refused> {
        let claims = self.keys().verify(token.ok_or(Refused::Missing)?)?;
        if !claims.open(path) {
            return Err(Refused::Scope);
        }
        if claims.let_in(address) { Ok(claims) } else { Err(Refused::Address) }
    }

    async fn ask(&self, path: &str, credential: Option<&str>, address: Option<IpAddr>) -> Result<(), Refused> {
        let hooks = self.hooks.as_ref().ok_or(Refused::Undecided)?;
        match hooks.ask(Question { event: "play", path, credential, address }).await {
            Some(true) => Ok(()),
            Some(false) => Err(Refused::Denied),
            None => Err(Refused::Undecided),
        }
    }
}

/// What a resource is a part of.
fn place(resource: &Resource, path: &str) -> String {
    match resource {
        Resource::Vod(asset, _) => format!("/vod/{}/", asset.url()),
        Resource::Media(asset) => format!("/media/{}", asset.url()),
        Resource::Live(name, _) => format!("/live/{name}/"),
        _ => path.to_owned(),
    }
}

/// The token and the path of `/t/TOKEN/PATH`.
fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/t/")?;
    let end = rest.find('/')?;
    rest.split_at_checked(end)
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    parts.path_and_query = Some(format!("{path}{query}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// RFC 6750 2.1.
fn bearer(fields: &HeaderMap) -> Option<&str> {
    let (scheme, token) = fields.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// RFC 6265 5.4.
fn cookie(fields: &HeaderMap) -> Option<&str> {
    let pairs = fields.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok()).flat_map(|field| field.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == COOKIE).map(|(_, token)| token)
}

/// RFC 6750 3.1.
fn answer(refused: Refused) -> Response {
    let (status, challenge) = match refused {
        Refused::Missing => (StatusCode::UNAUTHORIZED, "Bearer realm=\"play\""),
        Refused::Invalid | Refused::Expired | Refused::TooEarly => {
            (StatusCode::UNAUTHORIZED, "Bearer realm=\"play\", error=\"invalid_token\"")
        }
        Refused::Undecided => (StatusCode::SERVICE_UNAVAILABLE, "Bearer realm=\"play\""),
        Refused::Denied | Refused::Scope | Refused::Address => {
            (StatusCode::FORBIDDEN, "Bearer realm=\"play\", error=\"insufficient_scope\"")
        }
    };
    let mut response = problem(status, refused.detail());
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// What needed a token is for its bearer alone: other caches than that of the bearer do not keep it (RFC 9111 5.2.2.7).
pub fn keep_private(fields: &mut HeaderMap) {
    let Some(field) = fields.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok()) else { return };
    if let Some(rest) = field.strip_prefix("public")
        && let Ok(value) = HeaderValue::from_str(&format!("private{rest}"))
    {
        fields.insert(header::CACHE_CONTROL, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_under_tokens() {
        for (path, expected) in [
            ("/t/abc/vod/a.mp4/master.m3u8", Some(("abc", "/vod/a.mp4/master.m3u8"))),
            ("/t/abc", None),
            ("/t//vod", Some(("", "/vod"))),
            ("/T/abc/vod", None),
        ] {
            assert_eq!(split(path), expected, "{path}");
        }
        let uri: Uri = "https://a.example/t/abc/live/n/v1/media.m3u8?_HLS_msn=1".parse().unwrap();
        assert_eq!(with_path(&uri, "/live/n/v1/media.m3u8").unwrap(), "https://a.example/live/n/v1/media.m3u8?_HLS_msn=1");
    }

    #[test]
    fn tokens_in_fields() {
        let fields = |name: header::HeaderName, text: &'static str| HeaderMap::from_iter([(name, HeaderValue::from_static(text))]);
        assert_eq!(bearer(&fields(header::AUTHORIZATION, "bearer abc")), Some("abc"));
        assert_eq!(bearer(&fields(header::AUTHORIZATION, "Basic abc")), None);
        assert_eq!(cookie(&fields(header::COOKIE, "a=b; reelway_token=abc;c=d")), Some("abc"));
        assert_eq!(cookie(&fields(header::COOKIE, "xreelway_token=abc")), None);
    }

    #[test]
    fn what_is_private_is_kept_by_nobody_else() {
        for (before, after) in
            [("public, max-age=3600", "private, max-age=3600"), ("public, no-cache", "private, no-cache"), ("no-store", "no-store")]
        {
            let mut fields = HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static(before))]);
            keep_private(&mut fields);
            assert_eq!(fields.get(header::CACHE_CONTROL).unwrap(), after);
        }
    }
}
