//! Who may play: every route with every kind of token, brought in every way.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

use std::{
    fs,
    io::{Read, Seek, Write},
    net::{IpAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt, Full};
use reelway::{
    auth::{Claims, Gate, Hooks, Jwks, KeyRing, Place, Playback, Secret},
    config::Config,
    front::{Front, Readiness},
    http::Handler,
    ingest::Ingest,
    live::Streams,
    metrics::Record,
    net::Peer,
    origin::{Origin, ServerInfo},
};
use reelway_tests::{movie::Movie, stream};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::json;

/// A token is asked for everything but the trailers.
const CLOSED: &str = "[live]\nsegment = \"1s\"\nplay = \"token\"\n[media]\nplay = \"token\"\n[asset.trailers]\nplay = \"anyone\"\n";
/// Another key than that of the server, and where it stands.
const HMAC: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A server without sockets: a film, a trailer, and a stream that has been published.
struct Site {
    front: Front,
    folder: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    fields: HeaderMap,
    body: Bytes,
}

impl Site {
    async fn new(config: &str, jwks: Option<Arc<Jwks>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let media = folder.path().join("media");
        fs::create_dir_all(media.join("trailers")).unwrap();
        for name in ["film.mp4", "other.mp4", "trailers/a.mp4"] {
            fs::write(media.join(name), Movie::simple(2, 1).write()).unwrap();
        }
        let file = folder.path().join("reelway.toml");
        fs::write(&file, config).unwrap();
        let config = Arc::new(Config::read(&file).unwrap());
        let secret = || Secret::of(folder.path()).unwrap();
        let streams = Arc::new(Streams::new(Arc::clone(&config), folder.path().join("live")).with_secret(secret()));
        let origin = Origin::with_secret(Some(&media), ServerInfo::new(vec!["h3"], None), Arc::clone(&streams), secret()).unwrap();
        let keys = KeyRing::new(Some(&secret()), &config.tokens, jwks).unwrap();
        let hooks = Arc::new(Hooks::new(Arc::clone(&config)));
        let gate = Gate::new(secret()).with_hooks(Arc::clone(&hooks));
        let front = Front::new(origin, Ingest::new(streams, gate), Readiness::default(), Arc::default())
            .with_playback(Playback::new(config, keys).with_hooks(hooks));
        let site = Self { front, folder };
        site.publish("show").await;
        site
    }

    async fn publish(&self, name: &str) {
        let film = stream::write(&Movie::simple(4, 1), &stream::Form::default());
        let answer = self.ask("127.0.0.1", Method::PUT, &format!("/ingest/{name}"), &[], film).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer.body));
    }

    /// The URL of the key that the first segment of a rendition is encrypted with.
    async fn key_of(&self, folder: &str, token: &str) -> String {
        let playlist = self.get(&format!("/t/{token}{folder}/v1/media.m3u8"), &[]).await;
        let text = String::from_utf8_lossy(&playlist.body).into_owned();
        let uri = text.split("METHOD=AES-128,URI=\"").nth(1).and_then(|rest| rest.split('"').next());
        format!("{folder}/{}", uri.and_then(|uri| uri.strip_prefix("../")).unwrap_or_else(|| panic!("{text}")))
    }

    async fn ask(&self, from: &str, method: Method, path: &str, fields: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = http::Request::builder().method(method).uri(format!("http://localhost{path}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync()).unwrap();
        request.extensions_mut().insert(Peer { address: (from.parse::<IpAddr>().unwrap(), 9).into(), secure: false });
        // As the transport does, which writes the access log.
        let mut record = Record::begin(&Arc::default(), &request, ([192, 0, 2, 1], 9).into());
        let (parts, mut body) = self.front.handle(request).await.into_parts();
        record.answered(parts.status);
        // What has no end begins at once.
        let body = if path.ends_with("/stream.mp4") {
            body.frame().await.and_then(|frame| frame.ok()?.into_data().ok()).unwrap_or_default()
        } else {
            body.collect().await.unwrap().to_bytes()
        };
        Answer { status: parts.status, fields: parts.headers, body }
    }

    async fn get(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask("192.0.2.1", Method::GET, path, fields, Vec::new()).await
    }

    fn secret(&self) -> Secret {
        Secret::of(self.folder.path()).unwrap()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims(path: &str) -> Claims {
    Claims { exp: now() + 3600, nbf: None, paths: vec![path.to_owned()], ip: None, sub: None }
}

fn ring(secret: Option<&Secret>) -> KeyRing {
    let config = read(&format!("[tokens.key.k1]\nhmac = \"{HMAC}\"\n"));
    KeyRing::new(secret, &config.tokens, None).unwrap()
}

fn read(text: &str) -> Config {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Config::read(file.path()).unwrap()
}

/// A token with its claims exchanged for these, and with the signature that it had.
fn forged(token: &str, claims: &Claims) -> String {
    let mut parts = token.split('.');
    let (header, _, signature) = (parts.next().unwrap(), parts.next(), parts.next().unwrap());
    format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).unwrap()))
}

/// With what is encrypted in whole segments, whose keys stand beside the manifests.
const SEALED: &str = "[stream.sealed]\nencrypt = \"aes-128\"\n[asset.\"other.mp4\"]\nencrypt = \"aes-128\"\n";

/// What is played, and what of it a token opens; the keys of what is encrypted besides.
const ROUTES: [&str; 16] = [
    "/vod/film.mp4/master.m3u8",
    "/vod/film.mp4/manifest.mpd",
    "/vod/film.mp4/v1/media.m3u8",
    "/vod/film.mp4/v1/iframes.m3u8",
    "/vod/film.mp4/v1/init.mp4",
    "/vod/film.mp4/a1/1.m4s",
    "/media/film.mp4",
    "/live/show/master.m3u8",
    "/live/show/manifest.mpd",
    "/live/show/v1/media.m3u8",
    "/live/show/v1/init-1.mp4",
    "/live/show/v1/1.m4s",
    "/live/show/v1/1.0.m4s",
    "/live/show/stream.mp4",
    "/api/v1/assets",
    "/api/v1/streams",
];

#[tokio::test]
async fn each_route_with_each_token() {
    let site = Site::new(&format!("{CLOSED}{SEALED}[tokens.key.k1]\nhmac = \"{HMAC}\"\n"), None).await;
    site.publish("sealed").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let (keys, others) = (ring(Some(&site.secret())), ring(Some(&Secret::of(elsewhere.path()).unwrap())));
    let sign = |claims: &Claims| keys.sign("server", claims).unwrap();
    let all = sign(&claims("/"));
    let keys_of = [site.key_of("/live/sealed", &all).await, site.key_of("/vod/other.mp4", &all).await];
    for route in ROUTES.into_iter().chain(keys_of.iter().map(String::as_str)) {
        let good = claims(route);
        let late = Claims { exp: now() - 60, ..good.clone() };
        let early = Claims { nbf: Some(now() + 600), ..good.clone() };
        let here = |ip: &str| Claims { ip: Some(ip.parse().unwrap()), ..good.clone() };
        let none = "eyJhbGciOiJub25lIn0"; // {"alg":"none"}
        let signature = sign(&good).rsplit('.').next().unwrap().to_owned();
        let body = sign(&good).split('.').nth(1).unwrap().to_owned();
        for (token, status, why) in [
            (Some(sign(&good)), 200, "allowed"),
            (Some(keys.sign("k1", &good).unwrap()), 200, "by a key of the configuration"),
            (Some(sign(&claims("/"))), 200, "all paths"),
            (Some(sign(&here("192.0.2.1"))), 200, "for this address"),
            (None, 401, "missing"),
            (Some(sign(&late)), 401, "expired"),
            (Some(sign(&early)), 401, "not yet"),
            (Some(sign(&claims("/vod/none.mp4/"))), 403, "wrong scope"),
            (Some(sign(&claims(&route[..route.len() - 1]))), 403, "a beginning of the path is no folder"),
            (Some(sign(&here("192.0.2.9"))), 403, "for another address"),
            (Some(forged(&sign(&late), &good)), 401, "tampered claims"),
            (Some(sign(&good) + "A"), 401, "tampered signature"),
            (Some(format!("{}.{body}.{signature}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"k1"}"#))), 401, "tampered key"),
            (Some(format!("{none}.{body}.")), 401, "no algorithm"),
            (Some(others.sign("server", &good).unwrap()), 401, "of another server"),
            (Some(site.secret().publish_key("show")), 401, "a publish key"),
            (Some("x".repeat(5000)), 401, "far too long"),
            (Some(String::new()), 401, "empty"),
        ] {
            let ways: Vec<(String, Vec<(&str, String)>)> = match &token {
                None => vec![(route.to_owned(), vec![])],
                Some(token) => vec![
                    (format!("/t/{token}{route}"), vec![]),
                    (route.to_owned(), vec![("authorization", format!("Bearer {token}"))]),
                    (route.to_owned(), vec![("cookie", format!("a=b; reelway_token={token}"))]),
                ],
            };
            for (path, fields) in ways {
                let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let answer = site.get(&path, &fields).await;
                assert_eq!(answer.status.as_u16(), status, "{why}: {path} {fields:?}: {}", String::from_utf8_lossy(&answer.body));
                assert_eq!(answer.fields.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "*", "{path}");
                if status == 200 {
                    let cache = answer.fields.get(header::CACHE_CONTROL).unwrap().to_str().unwrap();
                    assert!(!cache.contains("public"), "{path}: {cache}");
                    assert!(
                        !keys_of.iter().any(|key| path.ends_with(key)) || (answer.body.len() == 16 && cache == "no-store"),
                        "{path}: {cache}"
                    );
                } else {
                    assert!(answer.fields.contains_key(header::WWW_AUTHENTICATE), "{path}");
                    assert_eq!(answer.fields.get(header::CACHE_CONTROL).unwrap(), "no-store", "{path}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_needs_no_token_and_what_there_is_under_one() {
    let site = Site::new(CLOSED, None).await;
    let token = ring(Some(&site.secret())).sign("server", &claims("/")).unwrap();
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/api/v1/server", 200),
        ("/api/v1/time", 200),
        ("/api/v1/openapi.json", 200),
        ("/vod/trailers/a.mp4/master.m3u8", 200),
        ("/vod/trailers/%61.mp4/master.m3u8", 200),
        ("/vod/trailers/../film.mp4/master.m3u8", 404),
        ("/media/trailers/a.mp4", 200),
        ("/vod/%66ilm.mp4/master.m3u8", 401),
        ("/vod/there-is-none.mp4/master.m3u8", 401),
        ("/live/there-is-none/master.m3u8", 401),
        // Who has published it may not read it for that.
        ("/vod/live/show/x/master.m3u8", 401),
        ("/t/TOKEN/vod/film.mp4/master.m3u8", 200),
        ("/t/TOKEN/vod/there-is-none.mp4/master.m3u8", 404),
        ("/t/TOKEN/vod/trailers/a.mp4/master.m3u8", 200),
        ("/t/TOKEN/metrics", 404),
        ("/t/TOKEN/healthz", 404),
        ("/t/TOKEN/ingest/show", 404),
        ("/t/TOKEN/api/v1/jobs", 404),
        ("/t/TOKEN/t/TOKEN/vod/film.mp4/master.m3u8", 404),
        ("/t/TOKEN/", 404),
        ("/t/TOKEN", 404),
        ("/t/", 404),
    ] {
        let answer = site.get(&path.replace("TOKEN", &token), &[]).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", String::from_utf8_lossy(&answer.body));
    }
    let preflight = site.ask("192.0.2.1", Method::OPTIONS, "/vod/film.mp4/master.m3u8", &[], Vec::new()).await;
    let allowed = preflight.fields.get(header::ACCESS_CONTROL_ALLOW_HEADERS).unwrap().to_str().unwrap();
    assert!(preflight.status == StatusCode::NO_CONTENT && allowed.contains("Authorization"), "{allowed}");
}

/// Every URL in playlists and MPDs leads on below the token; with it or without, what is behind it is the same.
#[tokio::test]
async fn children_keep_the_token_and_caches_do_not_know_it() {
    let site = Site::new(CLOSED, None).await;
    let keys = ring(Some(&site.secret()));
    let tokens = ["/vod/film.mp4/", "/live/show/"].map(|path| (path, keys.sign("server", &claims(path)).unwrap()));
    for (folder, token) in &tokens {
        let mut seen = Vec::new();
        let mut ahead = vec!["master.m3u8".to_owned()];
        while let Some(name) = ahead.pop() {
            if seen.contains(&name) {
                continue;
            }
            let (under, bearer) = (format!("/t/{token}{folder}{name}"), format!("Bearer {token}"));
            let (one, other) = (site.get(&under, &[]).await, site.get(&format!("{folder}{name}"), &[("authorization", &bearer)]).await);
            assert_eq!((one.status, &one.body), (StatusCode::OK, &other.body), "{under}");
            assert_eq!(one.fields.get(header::ETAG), other.fields.get(header::ETAG), "{under}");
            if one.body.starts_with(b"#EXTM3U") {
                let text = String::from_utf8_lossy(&one.body).into_owned();
                let attributes = text.split("URI=\"").skip(1).filter_map(|rest| rest.split('"').next());
                for uri in attributes.chain(text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())) {
                    assert!(!uri.starts_with('/') && !uri.contains("://") && !uri.contains(token.as_str()), "{uri}");
                    let path = Path::new(&name).parent().unwrap().join(uri);
                    let up = path.components().fold(PathBuf::new(), |path, step| match step {
                        std::path::Component::ParentDir => path.parent().unwrap().to_owned(),
                        step => path.join(step),
                    });
                    // Hints name what is not there yet.
                    let hint = text.contains(&format!("PRELOAD-HINT:TYPE=PART,URI=\"{uri}\""));
                    ahead.extend(Some(up.to_str().unwrap().to_owned()).filter(|_| !hint));
                }
            }
            seen.push(name);
        }
        assert!(seen.len() > 6, "{seen:?}");
        let mpd = site.get(&format!("/t/{token}{folder}manifest.mpd"), &[]).await;
        let mpd = String::from_utf8_lossy(&mpd.body).into_owned();
        let absolute = mpd.replace("value=\"/api/v1/time\"", "");
        assert!(!mpd.contains("<BaseURL>") && !absolute.contains("=\"/") && !mpd.contains(token.as_str()), "{mpd}");
    }
}

#[tokio::test]
async fn tokens_are_in_no_log() {
    let mut file = Arc::new(tempfile::tempfile().unwrap());
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(Arc::clone(&file)).finish();
    let logging = tracing::subscriber::set_default(subscriber);
    let site = Site::new(CLOSED, None).await;
    let keys = ring(Some(&site.secret()));
    let token = keys.sign("server", &claims("/vod/film.mp4/")).unwrap();
    let expired = keys.sign("server", &Claims { exp: now() - 60, ..claims("/") }).unwrap();
    for token in [&token, &expired] {
        site.get(&format!("/t/{token}/vod/film.mp4/master.m3u8"), &[]).await;
        site.get("/vod/film.mp4/master.m3u8", &[("authorization", &format!("Bearer {token}"))]).await;
        site.get("/vod/film.mp4/master.m3u8", &[("cookie", &format!("reelway_token={token}"))]).await;
    }
    drop(logging);
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    assert!(text.contains("path=\"/vod/film.mp4/master.m3u8\""), "{text}");
    for token in [&token, &expired] {
        for part in token.split('.').skip(1) {
            assert!(!text.contains(part), "{part} is in\n{text}");
        }
    }
}

/// A key that somebody else signs with, and the set that tells of its public half.
struct Issuer(Ed25519KeyPair, &'static str);

impl Issuer {
    fn new(id: &'static str) -> Self {
        let pair = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap(), id)
    }

    fn key(&self) -> serde_json::Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.1, "alg": "EdDSA", "x": URL_SAFE_NO_PAD.encode(self.0.public_key().as_ref())})
    }

    fn sign(&self, algorithm: &str, claims: &serde_json::Value) -> String {
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": self.1});
        let text = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(self.0.sign(text.as_bytes()).as_ref()))
    }
}

#[tokio::test]
async fn tokens_of_an_issuer() {
    let issuer = Issuer::new("2026");
    // A secret in the set opens nothing: whoever reads the set has it.
    let shared = json!({"kty": "oct", "kid": "shared", "k": HMAC});
    let set = json!({"keys": [issuer.key(), shared]}).to_string();
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().write_all(set.as_bytes()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 1024]);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{set}", set.len());
        }
    });
    let mut sites = Vec::new();
    for place in [url.as_str(), file.path().to_str().unwrap()] {
        let config = format!("{CLOSED}[tokens]\njwks = \"{place}\"\nissuer = \"https://id.example\"\naudience = \"video\"\n");
        let jwks = Jwks::read(Place::parse(place).unwrap()).await.unwrap();
        sites.push(Site::new(&config, Some(Arc::new(jwks))).await);
    }
    let told = |change: serde_json::Value| {
        let mut claims = json!({"exp": now() + 600, "iss": "https://id.example", "aud": ["video"], "paths": ["/vod/film.mp4/"]});
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        claims
    };
    for (token, status, why) in [
        (issuer.sign("EdDSA", &told(json!({}))), 200, "as it should be"),
        (issuer.sign("EdDSA", &told(json!({"exp": now() - 60}))), 401, "expired"),
        (issuer.sign("EdDSA", &told(json!({"exp": null}))), 401, "without an end"),
        (issuer.sign("EdDSA", &told(json!({"nbf": now() + 600}))), 401, "not yet"),
        (issuer.sign("EdDSA", &told(json!({"nbf": "soon"}))), 401, "a time that is none (RFC 7519 4.1.5)"),
        (issuer.sign("EdDSA", &told(json!({"iss": "https://other.example"}))), 401, "of another issuer"),
        (issuer.sign("EdDSA", &told(json!({"aud": "other"}))), 401, "for others"),
        (issuer.sign("EdDSA", &told(json!({"aud": null}))), 401, "for nobody"),
        (issuer.sign("EdDSA", &told(json!({"paths": null}))), 401, "for nothing"),
        (issuer.sign("EdDSA", &told(json!({"paths": ["/live/"]}))), 403, "for something else"),
        (issuer.sign("HS256", &told(json!({}))), 401, "another algorithm than that of the key (RFC 8725 3.1)"),
        (Issuer::new("2026").sign("EdDSA", &told(json!({}))), 401, "of another key that calls itself so"),
        (Issuer::new("2027").sign("EdDSA", &told(json!({}))), 401, "of a key that nobody knows"),
        (ring(None).sign("k1", &claims("/")).unwrap(), 401, "of a secret that is not ours"),
    ] {
        for site in &sites {
            let answer = site.get("/vod/film.mp4/master.m3u8", &[("authorization", &format!("Bearer {token}"))]).await;
            assert_eq!(answer.status.as_u16(), status, "{why}: {}", String::from_utf8_lossy(&answer.body));
        }
    }
    let nothing = Jwks::read(Place::parse("/nowhere/keys.json").unwrap()).await.unwrap_err();
    assert!(format!("{nothing:#}").contains("/nowhere/keys.json"), "{nothing:#}");
}

/// Who is asked: yes to who brings `yes`, no to who brings `no`, and nothing for long to all others.
fn decider() -> (String, Arc<Mutex<Vec<serde_json::Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/decide", listener.local_addr().unwrap());
    let (asked, told) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut bytes, mut piece) = (Vec::new(), [0; 1024]);
            let question: serde_json::Value = loop {
                let length = stream.read(&mut piece).unwrap_or(0);
                bytes.extend_from_slice(&piece[..length]);
                let body = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| &bytes[at + 4..]);
                if let Some(question) = body.and_then(|body| serde_json::from_slice(body).ok()) {
                    break question;
                }
                assert!(length > 0, "a question comes whole");
            };
            let status = match question["credential"].as_str() {
                Some("yes") => "204 No Content",
                Some("no") | None => "403 Forbidden",
                Some("broken") => "500 Internal Server Error",
                // Kept open: it is waited for as long as the configuration says.
                Some(_) => {
                    told.lock().unwrap().push(stream);
                    continue;
                }
            };
            heard.lock().unwrap().push(question);
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (url, asked)
}

#[tokio::test]
async fn somebody_else_decides() {
    let (url, asked) = decider();
    let hooks = format!("[hooks]\non_play = \"{url}\"\non_publish = \"{url}\"\ntimeout = \"3s\"\ncache = \"1h\"\n");
    let site = Site::new(&format!("[media]\nplay = \"hook\"\n[stream.asked]\nplay = \"hook\"\npublish = \"hook\"\n{hooks}"), None).await;
    for (path, fields, status, why) in [
        ("/vod/film.mp4/master.m3u8", vec![("authorization", "Bearer yes")], 200, "yes"),
        ("/vod/film.mp4/v1/1.m4s", vec![("authorization", "Bearer yes")], 200, "the same, remembered"),
        ("/t/yes/vod/film.mp4/a1/1.m4s", vec![], 200, "the same in the path"),
        ("/vod/film.mp4/v1/1.m4s", vec![("cookie", "reelway_token=no")], 403, "no"),
        ("/vod/film.mp4/v1/2.m4s", vec![], 403, "nothing brought: it is asked all the same"),
        ("/media/film.mp4", vec![("authorization", "Bearer broken")], 503, "it fails"),
        ("/media/film.mp4", vec![("authorization", "Bearer slow")], 503, "it does not answer"),
        ("/live/asked/master.m3u8", vec![("authorization", "Bearer no")], 403, "a stream"),
        ("/api/v1/assets", vec![("authorization", "Bearer yes")], 200, "a list"),
        ("/api/v1/streams", vec![], 200, "another list, which is open"),
    ] {
        let answer = site.get(path, &fields).await;
        assert_eq!(answer.status.as_u16(), status, "{why}: {path}: {}", String::from_utf8_lossy(&answer.body));
    }
    let film = stream::write(&Movie::simple(2, 1), &stream::Form::default());
    for (path, status) in [("/ingest/asked~yes", 200), ("/ingest/asked~no", 403), ("/ingest/asked", 401), ("/ingest/asked~broken", 503)] {
        // Who is of this machine is asked about as others are.
        let answer = site.ask("127.0.0.1", Method::PUT, path, &[], film.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
    }
    let asked = asked.lock().unwrap();
    let of = |path: &str, credential: &str| {
        asked
            .iter()
            .filter(|question| question["path"] == path && question["credential"].as_str().unwrap_or_default() == credential)
            .count()
    };
    assert_eq!((of("/vod/film.mp4/", "yes"), of("/vod/film.mp4/", "no"), of("/vod/film.mp4/", "")), (1, 1, 1), "{asked:?}");
    assert_eq!((of("/live/asked/", "yes"), of("/media/film.mp4", "broken")), (1, 1), "{asked:?}");
    let first = asked.iter().find(|question| question["event"] == "publish").unwrap();
    assert_eq!((&first["address"], &asked[0]["address"]), (&json!("127.0.0.1"), &json!("192.0.2.1")));
}

#[tokio::test]
async fn what_operators_alone_may_do() {
    let open = Site::new("", None).await;
    assert_eq!(open.get("/metrics", &[]).await.status, StatusCode::OK, "without a key nobody needs one");
    let site = Site::new("[admin]\nkey = \"ruler\"\n", None).await;
    let publish = site.secret().publish_key("show");
    for (method, path, key, status, why) in [
        (Method::GET, "/metrics", Some("ruler"), 200, "allowed"),
        (Method::HEAD, "/metrics", Some("ruler"), 200, "allowed"),
        (Method::GET, "/metrics", None, 401, "missing"),
        (Method::GET, "/metrics", Some("rule"), 401, "wrong"),
        (Method::GET, "/metrics", Some(publish.as_str()), 401, "another key"),
        (Method::POST, "/metrics", Some("ruler"), 405, "for reading"),
        (Method::DELETE, "/api/v1/streams/show", None, 401, "missing"),
        (Method::DELETE, "/api/v1/streams/show", Some("rule"), 401, "wrong"),
        (Method::GET, "/api/v1/streams/show", Some("ruler"), 405, "to be ended"),
        (Method::DELETE, "/api/v1/streams/none", Some("ruler"), 404, "not there"),
        (Method::DELETE, "/api/v1/streams/show", Some("ruler"), 204, "allowed"),
        (Method::DELETE, "/api/v1/streams/show", Some("ruler"), 404, "over"),
    ] {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let fields: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let answer = site.ask("127.0.0.1", method.clone(), path, &fields, Vec::new()).await;
        assert_eq!(answer.status.as_u16(), status, "{why}: {method} {path}: {}", String::from_utf8_lossy(&answer.body));
    }
    let playlist = site.get("/live/show/v1/media.m3u8", &[]).await;
    assert!(String::from_utf8_lossy(&playlist.body).contains("#EXT-X-ENDLIST"), "its viewers see the end");
}
