//! Files that the origin encrypts as they are asked for: decrypted, they are the source; keys go to those alone who may play.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

use std::{fs, path::Path, sync::Arc};

use aes::{
    Aes128Dec,
    cipher::{BlockCipherDecrypt, KeyInit},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt, Full};
use reelway::{
    auth::{Claims, Gate, KeyRing, Playback, Secret},
    config::Config,
    front::{Front, Readiness},
    http::Handler,
    ingest::Ingest,
    live::Streams,
    net::Peer,
    origin::{Origin, ServerInfo},
};
use reelway_tests::{
    decrypt::{Keys, decrypt},
    ffmpeg,
    live::demux,
};
use serde_json::{Value, json};

const CONFIG: &str = r#"
[asset."cenc.mp4"]
encrypt = "cenc"
[asset."cbcs.mp4"]
encrypt = "cbcs"
[asset."whole.mp4"]
encrypt = "aes-128"
[asset."own.mp4"]
encrypt = "cbcs"
content_key = "000102030405060708090a0b0c0d0e0f:a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
[asset."cpix.mp4"]
encrypt = "cenc"
keys = "KEYS"
[live]
play = "token"
[stream.cenc]
encrypt = "cenc"
[stream.cbcs]
encrypt = "cbcs"
[stream.turns]
encrypt = "cbcs"
key_period = 2
[stream.other]
encrypt = "cenc"
key_period = 1
[stream.whole]
encrypt = "aes-128"
[stream.whole-turns]
encrypt = "aes-128"
key_period = 2
[asset.title]
play = "token"
[asset."title/a.mp4"]
encrypt = "cenc"
"#;

/// One key for pictures, another for sound.
const CPIX: &str = r#"<CPIX xmlns="urn:dashif:org:cpix" xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc">
<ContentKeyList>
<ContentKey kid="00000000-0000-0000-0000-000000000001"><Data><pskc:Secret><pskc:PlainValue>AQEBAQEBAQEBAQEBAQEBAQ==</pskc:PlainValue></pskc:Secret></Data></ContentKey>
<ContentKey kid="00000000-0000-0000-0000-000000000002"><Data><pskc:Secret><pskc:PlainValue>AgICAgICAgICAgICAgICAg==</pskc:PlainValue></pskc:Secret></Data></ContentKey>
</ContentKeyList>
<ContentKeyUsageRuleList>
<ContentKeyUsageRule kid="00000000-0000-0000-0000-000000000001" intendedTrackType="AUDIO"/>
<ContentKeyUsageRule kid="00000000-0000-0000-0000-000000000002" intendedTrackType="VIDEO"/>
</ContentKeyUsageRuleList>
</CPIX>"#;

struct Site {
    front: Front,
    folder: tempfile::TempDir,
    clip: Vec<u8>,
}

struct Answer {
    status: StatusCode,
    body: Bytes,
    etag: String,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Site {
    /// `None` where there is no ffmpeg.
    fn new() -> Option<Self> {
        if !ffmpeg::is_there("ffmpeg") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let media = folder.path().join("media");
        fs::create_dir_all(media.join("title")).unwrap();
        let clip = folder.path().join("clip.mp4");
        let pictures = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=9", "-f", "lavfi", "-i", "sine=duration=9"];
        let coded = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-c:a", "aac"];
        ffmpeg::run([&pictures[..], &coded].concat(), &clip).unwrap();
        for name in ["cenc.mp4", "cbcs.mp4", "whole.mp4", "own.mp4", "cpix.mp4", "clear.mp4", "title/a.mp4"] {
            fs::copy(&clip, media.join(name)).unwrap();
        }
        let file = folder.path().join("reelway.toml");
        let keys = folder.path().join("keys.xml");
        fs::write(&keys, CPIX).unwrap();
        fs::write(&file, CONFIG.replace("KEYS", keys.to_str().unwrap())).unwrap();
        let config = Arc::new(Config::read(&file).unwrap());
        let secret = Secret::of(folder.path()).unwrap();
        let streams = Streams::new(Arc::clone(&config), folder.path().join("live")).with_secret(secret.clone());
        let streams = Arc::new(streams);
        let info = ServerInfo::new(vec!["h3"], None);
        let origin = Origin::with_secret(Some(&media), info, Arc::clone(&streams), secret.clone()).unwrap();
        let keys = KeyRing::new(Some(&secret), &config.tokens, None).unwrap();
        let front = Front::new(origin, Ingest::new(streams, Gate::new(secret)), Readiness::default(), Arc::default())
            .with_playback(Playback::new(config, keys));
        Some(Self { front, clip: fs::read(clip).unwrap(), folder })
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send([192, 0, 2, 1], method, path, body).await
    }

    /// Publishes, from this machine.
    async fn put(&self, path: &str, body: Vec<u8>) -> Answer {
        self.send([127, 0, 0, 1], Method::PUT, path, body).await
    }

    async fn send(&self, from: [u8; 4], method: Method, path: &str, body: Vec<u8>) -> Answer {
        let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
        let mut request = http::Request::builder().method(method).uri(format!("http://localhost{path}")).body(body).unwrap();
        request.extensions_mut().insert(Peer { address: (from, 9).into(), secure: false });
        let (parts, body) = self.front.handle(request).await.into_parts();
        let etag = parts.headers.get(header::ETAG).map(|tag| tag.to_str().unwrap().to_owned()).unwrap_or_default();
        Answer { status: parts.status, body: body.collect().await.unwrap().to_bytes(), etag }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &Value::Null).await
    }

    /// The header and all segments of a rendition.
    async fn rendition(&self, folder: &str, name: &str) -> Vec<Bytes> {
        let playlist = self.get(&format!("{folder}/{name}/media.m3u8")).await.text();
        let segments = playlist.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut found = Vec::new();
        for file in ["init.mp4"].into_iter().chain(segments) {
            let answer = self.get(&format!("{folder}/{name}/{file}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{file}");
            found.push(answer.body);
        }
        found
    }

    /// The key of an asset, got as a player does that has read its MPD.
    async fn keys(&self, folder: &str) -> Keys {
        let mpd = self.get(&format!("{folder}/manifest.mpd")).await.text();
        let kids = mpd.split("cenc:default_KID=\"").skip(1).map(|rest| rest.split('"').next().unwrap().replace('-', ""));
        let kids: Vec<[u8; 16]> = kids.map(|kid| u128::from_str_radix(&kid, 16).unwrap().to_be_bytes()).collect();
        let url = mpd.split("<dashif:Laurl licenseType=\"EME-1.0\">").nth(1).unwrap().split('<').next().unwrap();
        let other = URL_SAFE_NO_PAD.encode([7; 16]);
        let asked: Vec<String> = kids.iter().map(|kid| URL_SAFE_NO_PAD.encode(kid)).chain([other]).collect();
        let answer = self.ask(Method::POST, url, &json!({"kids": asked, "type": "temporary"})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let licence = answer.json();
        assert_eq!(licence["type"], json!("temporary"));
        let keys = licence["keys"].as_array().unwrap().iter().map(|key| {
            assert_eq!(key["kty"], json!("oct"));
            let bytes = |name: &str| -> [u8; 16] { URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap().try_into().unwrap() };
            (bytes("kid"), bytes("k"))
        });
        let keys: Keys = keys.collect();
        assert!(!kids.is_empty() && kids.iter().all(|kid| keys.contains_key(kid)) && !keys.contains_key(&[7; 16]), "{licence}");
        keys
    }

    /// The samples of a track of the source.
    fn source(&self, track: usize) -> Vec<Vec<u8>> {
        let movie = demux(&self.clip).unwrap();
        let range = |range: std::ops::Range<u64>| usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        movie.tracks[track].samples.iter().map(|sample| self.clip[range(sample.range())].to_vec()).collect()
    }
}

#[tokio::test]
async fn common_encryption_as_it_is_asked_for() {
    let Some(site) = Site::new() else { return };
    let mut seen = Vec::new();
    for name in ["cenc.mp4", "cbcs.mp4", "own.mp4", "cpix.mp4"] {
        let folder = format!("/vod/{name}");
        let keys = site.keys(&folder).await;
        for (track, rendition) in ["v1", "a1"].into_iter().enumerate() {
            let file = site.rendition(&folder, rendition).await.concat();
            let decrypted = decrypt(&file, &keys).unwrap();
            let kid = decrypted.default.kid;
            assert!(
                name != "cpix.mp4" || (u128::from_be_bytes(kid), keys[&kid]) == (2 - track as u128, [2 - u8::try_from(track).unwrap(); 16])
            );
            assert!(decrypted.samples == site.source(track), "{name} {rendition}: {} samples", decrypted.samples.len());
        }
        seen.extend(keys);
        let master = site.get(&format!("{folder}/master.m3u8")).await.text();
        assert!(!master.contains("I-FRAME") && master.contains("EXT-X-SESSION-KEY"), "{master}");
        // The same again, and in parts.
        let [one, other] = [site.get(&format!("{folder}/v1/1.m4s")).await, site.get(&format!("{folder}/v1/1.m4s")).await];
        assert!(one.body == other.body && one.etag == other.etag && !one.etag.is_empty());
        assert_eq!(site.get(&format!("/media/{name}")).await.status, StatusCode::NOT_FOUND, "not as it is");
    }
    assert_eq!(
        seen[2],
        (*b"\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", core::array::from_fn(|n| 0xa0 + u8::try_from(n).unwrap()))
    );
    assert!(seen[0].0 != seen[1].0 && seen[0].1 != seen[1].1, "no two assets have one key");
    assert_eq!(site.get("/media/clear.mp4").await.status, StatusCode::OK);
    // Another file under the name has another key: in counter mode no two texts may have one.
    let (before, etag) = (site.keys("/vod/cenc.mp4").await, site.get("/vod/cenc.mp4/v1/1.m4s").await.etag);
    let longer = [site.clip.as_slice(), b"\0\0\0\x08free"].concat();
    fs::write(site.folder.path().join("media/cenc.mp4"), longer).unwrap();
    let (after, other) = (site.keys("/vod/cenc.mp4").await, site.get("/vod/cenc.mp4/v1/1.m4s").await.etag);
    assert!(before.keys().ne(after.keys()) && before.values().ne(after.values()) && etag != other);
}

/// The file of the key and the vector that a tag tells of whole segments.
fn key_of_segments(line: &str) -> Option<(&str, u128)> {
    let (uri, rest) = line.strip_prefix("#EXT-X-KEY:METHOD=AES-128,URI=\"../")?.split_once('"')?;
    Some((uri, u128::from_str_radix(rest.strip_prefix(",IV=0x")?, 16).ok()?))
}

/// What AES-128 of HLS has sealed (RFC 8216bis 4.4.4.4): chained blocks from the vector on, padded as PKCS #7 says.
fn unseal(key: &[u8], iv: u128, sealed: &[u8]) -> Vec<u8> {
    let cipher = Aes128Dec::new_from_slice(key).unwrap();
    let (mut chained, mut bytes) = (iv.to_be_bytes(), Vec::new());
    assert!(!sealed.is_empty() && sealed.len().is_multiple_of(16), "{} bytes", sealed.len());
    for block in sealed.chunks_exact(16) {
        let mut plain = aes::cipher::Block::<Aes128Dec>::try_from(block).unwrap();
        cipher.decrypt_block(&mut plain);
        bytes.extend(plain.iter().zip(chained).map(|(byte, mask)| byte ^ mask));
        chained = block.try_into().unwrap();
    }
    let padding = *bytes.last().unwrap();
    assert!((1..=16).contains(&padding) && bytes[bytes.len() - usize::from(padding)..].iter().all(|byte| *byte == padding));
    bytes.truncate(bytes.len() - usize::from(padding));
    bytes
}

#[tokio::test]
async fn whole_segments_as_they_are_asked_for() {
    let Some(site) = Site::new() else { return };
    let playlist = site.get("/vod/whole.mp4/v1/media.m3u8").await.text();
    let (uri, iv) = playlist.lines().find_map(key_of_segments).unwrap();
    let key = site.get(&format!("/vod/whole.mp4/{uri}")).await;
    assert_eq!((key.status, key.body.len()), (StatusCode::OK, 16));
    for rendition in ["v1", "a1"] {
        let [whole, clear] = [site.rendition("/vod/whole.mp4", rendition).await, site.rendition("/vod/clear.mp4", rendition).await];
        assert_eq!((whole.len(), &whole[0]), (clear.len(), &clear[0]), "the header is clear");
        for (number, (whole, clear)) in whole.iter().zip(&clear).enumerate().skip(1) {
            assert!(unseal(&key.body, iv, whole) == *clear, "{rendition} {number}");
        }
    }
    for path in ["/vod/whole.mp4/manifest.mpd", "/vod/whole.mp4/00000000000000000000000000000000.key", "/media/whole.mp4"] {
        assert_eq!(site.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn keys_are_for_who_may_play() {
    let Some(site) = Site::new() else { return };
    let ring = KeyRing::new(Some(&Secret::of(site.folder.path()).unwrap()), &Config::default().tokens, None).unwrap();
    let until =
        |exp: u64, path: &str| ring.sign("server", &Claims { exp, nbf: None, paths: vec![path.into()], ip: None, sub: None }).unwrap();
    let (sign, expired) = (|path: &str| until(u64::from(u32::MAX), path), |path: &str| until(1, path));
    let kids = json!({"kids": ["AAAAAAAAAAAAAAAAAAAAAA"]});
    for (path, body, status, why) in [
        ("/vod/title/clearkey".to_owned(), &kids, 401, "a folder is as closed as what is said of it"),
        ("/vod/title/a.mp4/clearkey".to_owned(), &kids, 401, "and so is what is in it"),
        (format!("/t/{}/vod/title/clearkey", sign("/vod/title/")), &kids, 200, "allowed"),
        (format!("/t/{}/vod/title/a.mp4/clearkey", sign("/vod/title/")), &kids, 200, "allowed"),
        (format!("/t/{}/vod/title/clearkey", sign("/vod/other/")), &kids, 403, "wrong scope"),
        (format!("/t/{}x/vod/title/clearkey", sign("/vod/title/")), &kids, 401, "tampered"),
        ("/vod/cenc.mp4/clearkey".to_owned(), &kids, 200, "open"),
        ("/live/cenc/clearkey".to_owned(), &kids, 401, "a stream"),
        (format!("/t/{}/live/cenc/clearkey", sign("/live/other/")), &kids, 403, "of another stream"),
        (format!("/t/{}x/live/cenc/clearkey", sign("/live/cenc/")), &kids, 401, "tampered"),
        (format!("/t/{}/live/cenc/clearkey", expired("/live/cenc/")), &kids, 401, "expired"),
        (format!("/t/{}/live/cenc/clearkey", sign("/live/cenc/")), &kids, 404, "allowed, but it is not on air"),
        ("/vod/cenc.mp4/clearkey".to_owned(), &json!({"kids": 7}), 400, "no request"),
        ("/vod/cenc.mp4/clearkey".to_owned(), &Value::Null, 400, "nothing"),
        ("/vod/cenc.mp4/clearkey".to_owned(), &json!({"kids": ["A".repeat(20 << 10)]}), 400, "too long"),
        ("/vod/clear.mp4/clearkey".to_owned(), &kids, 404, "not encrypted"),
        ("/vod/whole.mp4/clearkey".to_owned(), &kids, 404, "encrypted otherwise"),
        ("/vod/none.mp4/clearkey".to_owned(), &kids, 404, "not there"),
    ] {
        let answer = site.ask(Method::POST, &path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{why}: {path}: {}", answer.text());
        if status == 200 {
            assert_eq!(answer.json()["keys"], json!([]), "a key that nobody has");
        }
    }
    assert_eq!(site.get("/vod/cenc.mp4/clearkey").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(site.ask(Method::OPTIONS, "/vod/cenc.mp4/clearkey", &Value::Null).await.status, StatusCode::NO_CONTENT);
    // What a viewer under a token is told of keys is under it too, in whatever form it asks for.
    let folder = format!("/t/{}/vod/title", sign("/vod/title/"));
    assert_eq!(site.keys(&folder).await.len(), 1);
    for manifest in ["manifest.mpd", "master.m3u8", "v1/media.m3u8"] {
        let text = site.get(&format!("{folder}/{manifest}")).await.text();
        assert_eq!(
            text.matches("/vod/title/clearkey").count(),
            text.matches(&format!("\"{folder}/clearkey#")).count() + text.matches(&format!(">{folder}/clearkey<")).count(),
            "{text}"
        );
        assert!(text.contains(&format!("{folder}/clearkey")), "{manifest}");
    }
    // The folder is encrypted, since the file in it is.
    let master = site.get(&format!("/t/{}/vod/title/master.m3u8", sign("/vod/title/"))).await.text();
    assert!(master.contains("SESSION-KEY"), "{master}");
    let listed = site.get("/api/v1/assets").await.json();
    let file =
        |id: &str| listed["assets"].as_array().unwrap().iter().find(|asset| asset["id"] == id).map(|asset| asset["file"].is_string());
    assert_eq!((file("clear.mp4"), file("cenc.mp4")), (Some(true), Some(false)), "{listed:#}");
    assert!(Path::new(&site.folder.path().join("secret.key")).is_file());
}

/// The first seconds of the clip, as an encoder sends them.
fn film(site: &Site) -> Vec<u8> {
    let film = site.folder.path().join("film.mp4");
    let fragments = ["-c", "copy", "-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "200000", "-f", "mp4"];
    let clip = site.folder.path().join("clip.mp4");
    ffmpeg::run([&["-t", "6", "-i", clip.to_str().unwrap()][..], &fragments].concat(), &film).unwrap();
    fs::read(film).unwrap()
}

/// A path under a token for it.
fn signed(site: &Site, path: &str) -> String {
    let ring = KeyRing::new(Some(&Secret::of(site.folder.path()).unwrap()), &Config::default().tokens, None).unwrap();
    let claims = Claims { exp: u64::from(u32::MAX), nbf: None, paths: vec![format!("{path}/")], ip: None, sub: None };
    format!("/t/{}{path}", ring.sign("server", &claims).unwrap())
}

/// Streams of an encoder: decrypted, each sample is that of the source, and so is the recording; keys go to those who may watch.
#[tokio::test]
async fn live_streams_as_they_come() {
    let Some(site) = Site::new() else { return };
    let film = film(&site);
    // The name and scheme of a stream, how many keys it has in three segments, and their tag of HLS.
    for (name, scheme, turns, method) in [
        ("cbcs", "cbcs", 1, "SAMPLE-AES"),
        ("cenc", "cenc", 1, "SAMPLE-AES-CTR"),
        ("turns", "cbcs", 2, "SAMPLE-AES"),
        ("other", "cenc", 3, "SAMPLE-AES-CTR"),
    ] {
        let answer = site.put(&format!("/ingest/{name}"), film.clone()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let folder = signed(&site, &format!("/live/{name}"));
        assert_eq!(site.ask(Method::POST, &format!("/live/{name}/clearkey"), &json!({"kids": []})).await.status, StatusCode::UNAUTHORIZED);
        let nobody = json!({"kids": [URL_SAFE_NO_PAD.encode([7; 16])]});
        assert_eq!(site.ask(Method::POST, &format!("{folder}/clearkey"), &nobody).await.json()["keys"], json!([]));
        let mpd = site.get(&format!("{folder}/manifest.mpd")).await.text();
        assert!(mpd.contains(&format!("value=\"{scheme}\" cenc:default_KID=")), "{mpd}");
        // A player that is told more of W3C ClearKey by the MPD asks for no later key.
        let told = [mpd.contains("cenc:pssh"), mpd.contains("urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e")];
        assert_eq!(told, [turns == 1; 2], "{mpd}");
        let keys = site.keys(&folder).await;
        assert_eq!(keys.len(), if turns == 1 { 1 } else { turns + 2 }, "all that are used, the next, and the one that the header names");
        for (track, rendition) in ["v1", "a1"].into_iter().enumerate() {
            let playlist = site.get(&format!("{folder}/{rendition}/media.m3u8")).await.text();
            let tag = format!("#EXT-X-KEY:METHOD={method},");
            assert_eq!((playlist.matches("#EXT-X-KEY:").count(), playlist.matches(&tag).count()), (turns, turns), "{playlist}");
            let mut file = site.get(&format!("{folder}/{rendition}/init-1.mp4")).await.body.to_vec();
            let mut parts = 0;
            for segment in playlist.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
                let bytes = site.get(&format!("{folder}/{rendition}/{segment}")).await.body;
                // Its parts are the same bytes.
                let mut together = Vec::new();
                for part in 0.. {
                    let answer = site.get(&format!("{folder}/{rendition}/{}", segment.replace(".m4s", &format!(".{part}.m4s")))).await;
                    if answer.status != StatusCode::OK {
                        break;
                    }
                    together.extend_from_slice(&answer.body);
                    parts += 1;
                }
                assert!(together == bytes, "{rendition} {segment}");
                file.extend_from_slice(&bytes);
            }
            let decrypted = decrypt(&file, &keys).unwrap();
            let source = site.source(track);
            let first = source.iter().position(|sample| *sample == decrypted.samples[0]).unwrap();
            assert!(decrypted.samples.len() > 90 && parts > 20, "{} samples in {parts} parts", decrypted.samples.len());
            assert!(decrypted.samples[..] == source[first..first + decrypted.samples.len()], "{name} {rendition}");
            let used: std::collections::HashSet<_> = decrypted.kids.iter().collect();
            assert_eq!((used.len(), used.contains(&decrypted.default.kid)), (turns, turns == 1), "{name} {rendition}");
            // What stays of it is encrypted as it is read, with another key.
            let session = fs::read_dir(site.folder.path().join("live").join(name)).unwrap().next().unwrap().unwrap();
            let recording = signed(&site, &format!("/vod/live/{name}/{}", session.file_name().to_str().unwrap()));
            let others = site.keys(&recording).await;
            assert!(others.keys().all(|kid| !keys.contains_key(kid)));
            let recorded = decrypt(&site.rendition(&recording, rendition).await.concat(), &others).unwrap();
            assert!(recorded.samples == decrypted.samples && recorded.scheme == scheme, "{name} {rendition}");
            let kept = fs::read(session.path().join(format!("{rendition}.mp4"))).unwrap();
            assert!(!kept.windows(4).any(|bytes| bytes == b"sinf"), "as the files of others are");
        }
    }
}

/// Streams for players of HLS alone: each part and each segment is encrypted by itself, and decrypted they are the same.
#[tokio::test]
async fn live_streams_in_whole_segments() {
    let Some(site) = Site::new() else { return };
    let film = film(&site);
    for (name, turns) in [("whole", 1), ("whole-turns", 2)] {
        assert_eq!(site.put(&format!("/ingest/{name}"), film.clone()).await.status, StatusCode::OK);
        let folder = signed(&site, &format!("/live/{name}"));
        assert!(!site.get(&format!("{folder}/master.m3u8")).await.text().contains("SESSION-KEY"));
        for (track, rendition) in ["v1", "a1"].into_iter().enumerate() {
            let playlist = site.get(&format!("{folder}/{rendition}/media.m3u8")).await.text();
            assert!(playlist.find("#EXT-X-MAP:") < playlist.find("#EXT-X-KEY:"), "the header is clear (4.4.4.4): {playlist}");
            let mut file = site.get(&format!("{folder}/{rendition}/init-1.mp4")).await.body.to_vec();
            let (mut key, mut iv, mut keys, mut parts) = (Bytes::new(), 0, 0, 0);
            for line in playlist.lines() {
                if let Some((uri, vector)) = key_of_segments(line) {
                    assert_eq!(site.get(&format!("/live/{name}/{uri}")).await.status, StatusCode::UNAUTHORIZED);
                    key = site.get(&format!("{folder}/{uri}")).await.body;
                    assert_eq!(key.len(), 16);
                    iv = vector;
                    keys += 1;
                } else if let Some(number) = line.strip_suffix(".m4s").filter(|line| !line.starts_with('#')) {
                    let place = format!("{folder}/{rendition}/{number}");
                    let segment = unseal(&key, iv, &site.get(&format!("{place}.m4s")).await.body);
                    let mut together = Vec::new();
                    for part in 0.. {
                        let answer = site.get(&format!("{place}.{part}.m4s")).await;
                        if answer.status != StatusCode::OK {
                            break;
                        }
                        together.extend(unseal(&key, iv, &answer.body));
                        parts += 1;
                    }
                    assert!(together == segment, "{rendition} {number}: its parts are something else");
                    file.extend(segment);
                }
            }
            assert!((keys, parts > 20) == (turns, true), "{keys} keys, {parts} parts: {playlist}");
            let source = site.source(track);
            let movie = demux(&file).unwrap();
            let range = |range: std::ops::Range<u64>| usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            let samples: Vec<_> = movie.tracks[0].samples.iter().map(|sample| file[range(sample.range())].to_vec()).collect();
            let first = source.iter().position(|sample| *sample == samples[0]).unwrap();
            assert!(samples.len() > 90 && samples[..] == source[first..first + samples.len()], "{name} {rendition}");
        }
        for (path, why) in [
            ("manifest.mpd", "DASH has no such scheme"),
            ("stream.mp4", "it would be clear"),
            ("00000000000000000000000000000000.key", "a key that nobody has"),
        ] {
            assert_eq!(site.get(&format!("{folder}/{path}")).await.status, StatusCode::NOT_FOUND, "{why}");
        }
        let anything = json!({"kids": [URL_SAFE_NO_PAD.encode([7; 16])]});
        assert_eq!(site.ask(Method::POST, &format!("{folder}/clearkey"), &anything).await.status, StatusCode::NOT_FOUND);
    }
}
