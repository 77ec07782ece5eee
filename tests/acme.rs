//! Certificates from an authority: Debian's `pebble`, the test server of Let's Encrypt, with names that all lead here.
//! Where it is not installed, that is said and nothing is tested.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "running_support.rs"]
mod running;
#[path = "transport_support.rs"]
mod support;

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use quinn::crypto::rustls::QuicClientConfig;
use reelway::net::client::{Client, Version};
use running::Running;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use support::soon;
use tokio::net::TcpStream;

/// An authority, its root, and where it looks for servers.
struct Authority {
    processes: Vec<Child>,
    folder: tempfile::TempDir,
    directory: String,
    management: u16,
}

/// A port that was free a moment ago.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

impl Authority {
    /// One that looks for names at these ports of this machine. `None`: there is no such program here.
    fn start(tls_port: u16, http_port: u16) -> Option<Self> {
        if Command::new("pebble").arg("-h").output().is_err() {
            eprintln!("there is no pebble on this machine: certificates by ACME are not tested (Debian's package is pebble)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::write(place("own.crt"), certificate.pem()).unwrap();
        fs::write(place("own.key"), key.serialize_pem()).unwrap();
        let (own, management, names, unused) = (port(), port(), port(), port());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": local(own), "managementListenAddress": local(management),
            "certificate": place("own.crt"), "privateKey": place("own.key"),
            "httpPort": http_port, "tlsPort": tls_port, "ocspResponderURL": "", "externalAccountBindingRequired": false,
        }});
        fs::write(place("config.json"), config.to_string()).unwrap();
        let mut resolver = Command::new("pebble-challtestsrv");
        resolver.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""]);
        resolver.args(["-dns01", &local(names).to_string(), "-management", &local(unused).to_string()]);
        let mut pebble = Command::new("pebble");
        pebble.args(["-strict", "-dnsserver", &local(names).to_string(), "-config"]).arg(place("config.json"));
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0").env("PEBBLE_WFE_NONCEREJECT", "5");
        let quiet = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let processes = vec![quiet(&mut resolver), quiet(&mut pebble)];
        Some(Self { processes, directory: format!("https://localhost:{own}/dir"), management, folder })
    }

    /// Waits until it answers, and gives its root.
    async fn root(&self) -> CertificateDer<'static> {
        let client = Client::new(Version::Any, Some(&self.trust())).unwrap();
        let get = async |url: String| loop {
            match client.get(&url.parse().unwrap(), http::HeaderMap::new(), 1 << 20).await {
                Ok(answer) if answer.status == 200 => break answer.content,
                _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        };
        soon(get(self.directory.clone())).await;
        CertificateDer::from_pem_slice(&soon(get(format!("https://localhost:{}/roots/0", self.management))).await).unwrap()
    }

    fn trust(&self) -> std::path::PathBuf {
        self.folder.path().join("own.crt")
    }

    /// A server for these names.
    fn serve(&self, folder: tempfile::TempDir, secure: u16, plain: u16, names: &[&str]) -> Running {
        let trust = self.trust();
        let mut arguments = vec!["--acme-directory", &self.directory, "--acme-email", "ops@a.example"];
        arguments.extend(["--acme-trust", trust.to_str().unwrap()]);
        arguments.extend(names.iter().flat_map(|name| ["--acme", name]));
        Running::start_at(folder, local(secure), local(plain), &arguments)
    }

    /// The name of the folder that a server keeps for it.
    fn place(&self) -> &str {
        self.directory.strip_prefix("https://").unwrap().strip_suffix("/dir").unwrap()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn trusting(root: &CertificateDer<'static>, alpn: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    config
}

/// The certificate that a client gets which trusts nobody but `root` and asks for `host`, over TCP.
async fn shown(address: SocketAddr, host: &str, root: &CertificateDer<'static>) -> Option<CertificateDer<'static>> {
    let connector = tokio_rustls::TlsConnector::from(Arc::new(trusting(root, "h2")));
    let stream = TcpStream::connect(address).await.unwrap();
    let tls = soon(connector.connect(ServerName::try_from(host.to_owned()).unwrap(), stream)).await.ok()?;
    tls.get_ref().1.peer_certificates().map(|chain| chain[0].clone().into_owned())
}

/// The same as soon as there is one.
async fn obtained(address: SocketAddr, host: &str, root: &CertificateDer<'static>) -> CertificateDer<'static> {
    soon(async {
        loop {
            match shown(address, host, root).await {
                Some(certificate) => break certificate,
                None => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn certificates_are_obtained_kept_and_renewed() {
    let (secure, plain) = (port(), port());
    // What is looked at over HTTP is nobody's: over TLS it is.
    let Some(authority) = Authority::start(secure, port()) else { return };
    let root = authority.root().await;
    let server = authority.serve(tempfile::tempdir().unwrap(), secure, plain, &["a.example", "b.example"]);
    let first = obtained(server.secure, "a.example", &root).await;
    let second = obtained(server.secure, "b.example", &root).await;
    assert_ne!(first, second, "each name has its own");
    let config = QuicClientConfig::try_from(trusting(&root, "h3")).unwrap();
    let endpoint = quinn::Endpoint::client(local(0)).unwrap();
    let quic = endpoint.connect_with(quinn::ClientConfig::new(Arc::new(config)), server.secure, "a.example").unwrap();
    assert!(soon(quic).await.is_ok(), "and QUIC shows it too");
    // The way of the challenge leads nowhere else: who speaks acme-tls/1 gets no HTTP, and without a challenge not even TLS.
    let connector = tokio_rustls::TlsConnector::from(Arc::new(trusting(&root, "acme-tls/1")));
    let stream = TcpStream::connect(server.secure).await.unwrap();
    assert!(soon(connector.connect(ServerName::try_from("a.example").unwrap(), stream)).await.is_err());

    // Started again it has what it had; what is due is renewed, and the account is the same.
    let folder = server.kill();
    let kept = folder.path().join("data/acme").join(authority.place());
    let account = fs::read(kept.join("account.json")).unwrap();
    due_soon(&kept.join("a.example.pem"), "a.example");
    let server = authority.serve(folder, secure, plain, &["a.example", "b.example"]);
    let renewed = obtained(server.secure, "a.example", &root).await;
    assert_ne!(renewed, first);
    assert_eq!(shown(server.secure, "b.example", &root).await, Some(second));
    assert_eq!(fs::read(kept.join("account.json")).unwrap(), account);
    for secret in ["account.json", "a.example.pem"] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(kept.join(secret)).unwrap().permissions().mode() & 0o777, 0o600, "{secret}");
    }
}

/// Writes a certificate of nobody with three of its ten days left.
fn due_soon(file: &Path, host: &str) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
    let now = time::OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - time::Duration::days(7), now + time::Duration::days(3));
    fs::write(file, params.self_signed(&key).unwrap().pem() + &key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn where_tls_cannot_be_seen_http_is_enough() {
    let plain = port();
    let Some(authority) = Authority::start(port(), plain) else { return };
    let root = authority.root().await;
    let server = authority.serve(tempfile::tempdir().unwrap(), port(), plain, &["a.example"]);
    assert!(shown(server.secure, "a.example", &root).await.is_none(), "a development certificate serves meanwhile");
    obtained(server.secure, "a.example", &root).await;
    assert_eq!(server.status("/.well-known/acme-challenge/x").await, 404);
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason() {
    let Some(authority) = Authority::start(port(), port()) else { return };
    authority.root().await;
    let server = authority.serve(tempfile::tempdir().unwrap(), port(), port(), &["a.example"]);
    let said = server.complaint("no certificate can be obtained").await;
    for part in ["a.example", "next try in 60s", "by port 443 (TLS): ", "by port 80 (HTTP): ", "onnection refused"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(server.status("/healthz").await, 200);
}
