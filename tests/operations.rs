//! What an operator does to a server that runs: exchange its certificates, end it.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "running_support.rs"]
mod running;
#[path = "transport_support.rs"]
mod support;

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty, Full};
use quinn::crypto::rustls::QuicClientConfig;
use reelway::net::Identity;
use running::Running;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use support::{ALL, BIG, H3, Protocol, begin, content, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Writes `NAME.crt` and `NAME.key` for `host`.
fn certificate(folder: &Path, name: &str, host: &str) -> (PathBuf, PathBuf) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap().self_signed(&key).unwrap();
    let paths = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
    fs::write(&paths.1, key.serialize_pem()).unwrap();
    fs::write(&paths.0, certificate.pem()).unwrap();
    paths
}

/// A client that trusts those certificates and nobody else.
fn trusting(identities: &[&Identity], alpn: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for identity in identities {
        roots.add(identity.certificate().clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    config
}

/// Whether the server at `address` shows the certificate of `identity` to who asks for `host`, over TCP and over QUIC.
async fn shows(address: SocketAddr, host: &str, identity: &Identity) -> [bool; 2] {
    let connector = tokio_rustls::TlsConnector::from(Arc::new(trusting(&[identity], "h2")));
    let stream = TcpStream::connect(address).await.unwrap();
    let tcp = soon(connector.connect(ServerName::try_from(host.to_owned()).unwrap(), stream)).await.is_ok();
    let config = QuicClientConfig::try_from(trusting(&[identity], "h3")).unwrap();
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let quic = endpoint.connect_with(quinn::ClientConfig::new(Arc::new(config)), address, host).unwrap();
    [tcp, soon(quic).await.is_ok()]
}

#[tokio::test]
async fn certificates_are_chosen_by_name_and_exchanged_while_connections_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let identity = |paths: &(PathBuf, PathBuf)| Identity::from_pem_files(&paths.0, &paths.1).unwrap();
    let first = certificate(folder.path(), "first", "localhost");
    let second = certificate(folder.path(), "second", "second.example");
    let arguments = [("--tls-cert", &first.0), ("--tls-key", &first.1), ("--tls-cert", &second.0), ("--tls-key", &second.1)];
    let arguments: Vec<&str> = arguments.iter().flat_map(|(name, path)| [*name, path.to_str().unwrap()]).collect();
    let server = Running::start(&arguments);
    let (old, other) = (identity(&first), identity(&second));
    assert_eq!(shows(server.secure, "localhost", &old).await, [true; 2]);
    assert_eq!(shows(server.secure, "second.example", &other).await, [true; 2]);
    assert_eq!(shows(server.secure, "second.example", &old).await, [false; 2]);

    // Downloads begin, the certificate is exchanged, the downloads end whole.
    let mut client = H3::connect(server.secure, &old).await;
    let mut h3 = client.get("/media/big.mp4").await.unwrap();
    soon(h3.recv_response()).await.unwrap();
    let request = Request::get(format!("https://localhost:{}/media/big.mp4", server.secure.port())).body(Empty::<Bytes>::new()).unwrap();
    let h2 = soon(begin(Some(&old), server.secure, Protocol::H2, request)).await.unwrap();
    // One file after the other, as a person does it: between them they do not fit.
    let renewed = certificate(folder.path(), "renewed", "localhost");
    let new = identity(&renewed);
    fs::rename(&renewed.1, &first.1).unwrap();
    server.signal("HUP");
    assert_eq!(shows(server.secure, "localhost", &old).await, [true; 2], "half a pair is not used");
    fs::rename(&renewed.0, &first.0).unwrap();
    soon(async { while shows(server.secure, "localhost", &new).await != [true; 2] {} }).await;
    assert_eq!(shows(server.secure, "localhost", &old).await, [false; 2]);
    assert_eq!(shows(server.secure, "second.example", &other).await, [true; 2]);
    assert!(content(&mut h3).await.unwrap() == *BIG);
    assert!(soon(h2.into_body().collect()).await.unwrap().to_bytes() == *BIG);
}

#[tokio::test]
async fn asked_to_end_it_finishes_what_runs_and_exits_with_0() {
    let server = Running::start(&["--drain", "600s"]);
    let identity = server.development();
    let mut client = H3::connect(server.secure, &identity).await;
    let mut h3 = client.get("/media/big.mp4").await.unwrap();
    soon(h3.recv_response()).await.unwrap();
    let url = format!("https://localhost:{}/media/big.mp4", server.secure.port());
    let ask = |protocol| {
        let request = Request::get(&url).body(Empty::<Bytes>::new()).unwrap();
        soon(begin(Some(&identity), server.secure, protocol, request))
    };
    let (h1, h2) = tokio::join!(ask(Protocol::H1), ask(Protocol::H2));
    // They are taken slowly until the end has begun, and not too slowly: what is not taken is given up after a time, and the kernel lets a
    // server go on only when much of what it buffers for a client is gone.
    let ending = Arc::new(AtomicBool::new(false));
    let bodies = [(Protocol::H1, h1), (Protocol::H2, h2)].map(|(protocol, response)| {
        let (mut body, ending) = (response.unwrap().into_body(), Arc::clone(&ending));
        tokio::spawn(async move {
            let mut whole = Vec::new();
            while let Some(frame) = body.frame().await {
                whole.extend_from_slice(frame.unwrap().data_ref().unwrap());
                if !ending.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            (protocol, whole)
        })
    });

    server.signal("TERM");
    soon(async { while TcpStream::connect(server.plain).await.is_ok() {} }).await;
    soon(async { while client.get("/healthz").await.is_ok() {} }).await;
    assert!(client.connection.close_reason().is_none(), "GOAWAY, and not the end");
    ending.store(true, Ordering::Relaxed);
    for body in bodies {
        let (protocol, whole) = soon(body).await.unwrap();
        assert!(whole == *BIG, "{protocol:?}");
    }
    assert!(content(&mut h3).await.unwrap() == *BIG);
    assert_eq!(server.ended().await, Some(0));
}

/// RFC 9000 section 10.3: without it, clients over QUIC would learn of the end by their idle time-outs alone.
#[tokio::test]
async fn killed_and_started_again_it_tells_clients_over_quic_that_their_connections_are_gone() {
    let server = Running::start(&[]);
    let client = H3::connect(server.secure, &server.development()).await;
    let (secure, plain) = (server.secure, server.plain);
    let server = Running::start_at(server.kill(), secure, plain, &[]);
    let _ = client.connection.open_uni().await.unwrap().write_all(b"!").await;
    assert_eq!(soon(client.connection.closed()).await, quinn::ConnectionError::Reset);
    let key = fs::metadata(server.folder.path().join("data/reset.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn balancers_see_the_end_coming_and_a_second_signal_does_not_wait() {
    let server = Running::start(&["--drain", "3600s", "--drain-delay", "3600s"]);
    assert_eq!(server.status("/readyz").await, 200);
    let mut waiting = TcpStream::connect(server.plain).await.unwrap();
    server.signal("TERM");
    soon(async { while server.status("/readyz").await != 503 {} }).await;
    assert_eq!([server.status("/healthz").await, server.status("/api/v1/server").await], [200; 2], "all else goes on");
    server.signal("INT");
    assert_eq!(server.ended().await, Some(1));
    assert!(!matches!(soon(waiting.read(&mut [0; 1])).await, Ok(1..)));
}

#[tokio::test]
async fn all_protocols_are_served_by_the_program_as_it_is() {
    let server = Running::start(&[]);
    let identity = server.development();
    for protocol in ALL {
        let url = format!("https://localhost:{}/healthz", server.secure.port());
        if protocol == Protocol::H3 {
            let request = Request::get(url).body(Bytes::new()).unwrap();
            assert_eq!(H3::connect(server.secure, &identity).await.fetch(request).await.unwrap().1, "ok\n");
        } else {
            let request = Request::get(url).body(Empty::<Bytes>::new()).unwrap();
            let response = soon(begin(Some(&identity), server.secure, protocol, request)).await.unwrap();
            assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "ok\n", "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn what_was_served_is_counted_and_logged_without_secrets() {
    let server = Running::start(&["--access-log", "json"]);
    let identity = server.development();
    let mut client = H3::connect(server.secure, &identity).await;
    let get = |path: &str| Request::get(format!("https://localhost{path}")).body(Bytes::new()).unwrap();
    for path in ["/healthz?key=SECRET", "/t/SECRET/vod/a.mp4/master.m3u8", "/ingest/show~SECRET/1.m4s", "/media/big.mp4"] {
        let (_, body) = client.fetch(get(path)).await.unwrap();
        assert_eq!(body.len() == BIG.len(), path.starts_with("/media"));
    }
    // A response counts when its last byte is gone.
    let metrics = async || {
        let request = Request::get("http://localhost/metrics").body(Empty::<Bytes>::new()).unwrap();
        let response = soon(begin(None, server.plain, Protocol::H1, request)).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        String::from_utf8(soon(response.into_body().collect()).await.unwrap().to_bytes().to_vec()).unwrap()
    };
    let expected = [
        "reelway_requests_total{protocol=\"h3\",kind=\"api\",status=\"200\"} 1".to_owned(),
        "reelway_requests_total{protocol=\"h3\",kind=\"media\",status=\"200\"} 1".to_owned(),
        format!("reelway_response_bytes_total{{protocol=\"h3\",kind=\"media\"}} {}", BIG.len()),
        "reelway_first_byte_seconds_count{protocol=\"h3\"} 4".to_owned(),
        "reelway_connections_open{protocol=\"h3\"} 1".to_owned(),
        "reelway_requests_running{protocol=\"h3\"} 0".to_owned(),
    ];
    let mut text = String::new();
    soon(async {
        while !expected.iter().all(|line| text.lines().any(|told| told == line)) {
            text = metrics().await;
        }
    })
    .await;
    assert!(text.contains("process_resident_memory_bytes ") && text.contains("reelway_index_cache_misses_total "));
    // Each family has its type before its samples, and no sample comes twice.
    let (mut family, mut seen) = ("", std::collections::HashSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap();
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(family) && value.parse::<f64>().is_ok() && seen.insert(name), "{line}");
        }
    }

    soon(async {
        while !server.said.lock().unwrap().contains("/media/big.mp4") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let said = server.said.lock().unwrap();
    let lines: Vec<serde_json::Value> =
        said.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect();
    let media = lines.iter().find(|line| line["path"] == "/media/big.mp4").expect("a line for each request");
    assert_eq!((&media["status"], &media["protocol"], &media["method"]), (&200.into(), &"h3".into(), &"GET".into()));
    assert_eq!((media["bytes"].as_u64(), &media["whole"]), (Some(BIG.len() as u64), &true.into()));
    assert!(lines.iter().any(|line| line["path"] == "/t/-/vod/a.mp4/master.m3u8"));
    assert!(!said.contains("SECRET"), "{said}");
}

/// All that is linked speaks TLS by one provider of cryptography; `deny.toml` says the same to cargo-deny.
#[test]
fn one_provider_of_cryptography_is_in_the_tree() {
    let lock = fs::read_to_string(reelway_tests::files::workspace().join("Cargo.lock")).unwrap();
    let packages: Vec<&str> = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    assert!(packages.contains(&"ring") && packages.contains(&"rustls"));
    for other in
        ["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls", "boring-sys", "mbedtls", "rustls-openssl", "rustls-mbedtls-provider"]
    {
        assert!(!packages.contains(&other), "{other}");
    }
}

/// On SIGHUP the configuration is read again: who may play changes at once; a file with a fault changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reelway.toml");
    fs::write(&file, "").unwrap();
    let server = Running::start(&["--config", file.to_str().unwrap()]);
    let becomes = async |text: &str, status: u16| {
        fs::write(&file, text).unwrap();
        server.signal("HUP");
        soon(async {
            while server.status("/media/big.mp4").await != status {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    };
    assert_eq!(server.status("/media/big.mp4").await, 200);
    becomes("[media]\nplay = \"token\"\n", 401).await;
    fs::write(&file, "[media]\nplay = \"nobody\"\n").unwrap();
    server.signal("HUP");
    becomes("[media]\nplay = \"anyone\"\n", 200).await;
}

/// Of the options of the server what can be is applied on SIGHUP, and the rest is named.
#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reelway.toml");
    fs::write(&file, "[server]\nmax_requests = 100\njobs = 0\ndrain_delay = \"3600s\"\ndrain = \"3600s\"\n").unwrap();
    let server = Running::start(&["--config", file.to_str().unwrap()]);
    let settings = "[server]\nmax_requests = 200\nuploads = true\njobs = 1\ndrain_delay = \"0s\"\ndrain = \"1s\"\n";
    fs::write(&file, format!("{settings}[uploads]\nfiles = 7\n")).unwrap();
    server.signal("HUP");
    let line = server.complaint("restart").await;
    assert!(line.contains("settings uploads, jobs changed; they take a restart"), "{line}");
    // Again as it was, nothing does.
    let as_before = settings.replace("jobs = 1", "jobs = 0").replace("uploads = true\n", "");
    fs::write(&file, format!("{as_before}[media]\nplay = \"token\"\n")).unwrap();
    server.signal("HUP");
    soon(async {
        while server.status("/media/big.mp4").await != 401 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(server.complaints().matches("restart").count(), 1, "{}", server.complaints());
    // The times that it was started with would be too long for anybody; a request that never ends is cut after the one that it has now.
    let mut endless = TcpStream::connect(server.plain).await.unwrap();
    endless.write_all(b"PUT /ingest/cam HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n").await.unwrap();
    soon(endless.read_exact(&mut [0; 12])).await.unwrap();
    server.signal("TERM");
    assert_eq!(server.ended().await, Some(0));
}

/// Limits are other ones at once, for all who come from then on.
#[tokio::test(flavor = "multi_thread")]
async fn limits_are_applied_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reelway.toml");
    fs::write(&file, "[server]\nuploads = true\n").unwrap();
    let server = Running::start(&["--config", file.to_str().unwrap()]);
    // Whole at any time: the server may still be reading what stood there.
    let read_again = |text: &str| {
        let next = file.with_extension("next");
        fs::write(&next, format!("[server]\nuploads = true\n{text}")).unwrap();
        fs::rename(&next, &file).unwrap();
        server.signal("HUP");
    };
    let largest = async || {
        let request = Request::options("http://localhost/upload/tus/").body(Empty::<Bytes>::new()).unwrap();
        let response = soon(begin(None, server.plain, Protocol::H1, request)).await.unwrap();
        response.headers()["tus-max-size"].to_str().unwrap().to_owned()
    };
    // Who is let in is told so; the others are sent away.
    let enter = async || {
        let mut stream = TcpStream::connect(server.plain).await.unwrap();
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        matches!(soon(stream.read(&mut [0; 64])).await, Ok(1..)).then_some(stream)
    };

    read_again("max_requests = 0\n");
    soon(async { while server.status("/healthz").await != 503 {} }).await;
    read_again("[uploads]\nfile = 4321\n");
    soon(async { while server.status("/healthz").await != 200 {} }).await;
    soon(async { while largest().await != "4321" {} }).await;

    let first = enter().await.unwrap();
    read_again("max_connections_per_ip = 1\n");
    soon(async { while enter().await.is_some() {} }).await;
    read_again("");
    soon(async { while enter().await.is_none() {} }).await;
    read_again("max_connections = 1\n");
    soon(async { while enter().await.is_some() {} }).await;
    read_again("");
    soon(async { while enter().await.is_none() {} }).await;
    assert!(!server.complaints().contains("restart"), "{}", server.complaints());
    drop(first);
}

/// What players of a stream rely on stays as long as it lasts; that is told, with the settings that wait.
#[tokio::test(flavor = "multi_thread")]
async fn streams_that_go_on_as_they_began_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reelway.toml");
    fs::write(&file, "[stream.cam]\nsegment = \"1s\"\n").unwrap();
    let server = Running::start(&["--config", file.to_str().unwrap()]);
    let film = reelway_tests::stream::write(&reelway_tests::movie::Movie::simple(4, 1), &reelway_tests::stream::Form::default());
    let publish = async |name: &str| {
        let request = Request::put(format!("http://localhost/ingest/{name}")).body(Full::new(Bytes::from(film.clone()))).unwrap();
        assert_eq!(soon(begin(None, server.plain, Protocol::H1, request)).await.unwrap().status(), 200);
    };
    publish("cam").await;
    fs::write(&file, "[live]\nwindow = \"5m\"\n[stream.cam]\nsegment = \"2s\"\nrecord = false\nplay = \"token\"\n").unwrap();
    server.signal("HUP");
    let line = server.complaint("goes on").await;
    assert!(line.contains("it has another segment, window, record") && line.contains("stream=cam"), "{line}");
    assert_eq!(server.status("/live/cam/master.m3u8").await, 401, "who may watch is another at once");
    // One that begins now is as it is said now.
    publish("other").await;
    let request = Request::get("http://localhost/api/v1/streams").body(Empty::<Bytes>::new()).unwrap();
    let response = soon(begin(None, server.plain, Protocol::H1, request)).await.unwrap();
    let list = String::from_utf8(soon(response.into_body().collect()).await.unwrap().to_bytes().to_vec()).unwrap();
    assert!(list.contains("\"windowMs\":300000") && list.contains("\"windowMs\":60000"), "{list}");
}

/// What is for operators is at their address alone, where there is one.
#[tokio::test(flavor = "multi_thread")]
async fn operators_have_an_address_of_their_own() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Running::start(&["--admin", &port.to_string()]);
    assert_eq!((server.status("/metrics").await, server.status("/media/big.mp4").await), (404, 200));
    let at = async |path: &str| {
        let request = Request::get(format!("http://localhost{path}")).body(Empty::<Bytes>::new()).unwrap();
        soon(begin(None, port, Protocol::H1, request)).await.unwrap().status().as_u16()
    };
    assert_eq!((at("/metrics").await, at("/media/big.mp4").await), (200, 404));
}
