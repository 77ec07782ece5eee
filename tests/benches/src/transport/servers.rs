//! Reelway and its peers as processes, serving the same folder with the same certificate.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{
    input::{folder, reelway},
    measure::cpu_of,
};

/// The first argument that makes this program the server of [`Kind::BareQuinn`].
pub const BARE_QUINN: &str = "--bare-quinn";

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Reelway,
    /// The same with the other congestion controller.
    ReelwayByCubic,
    /// `write_chunk` of 256 KiB from memory, without HTTP.
    BareQuinn,
    /// Debian's ngtcp2-server.
    Gtlsserver,
    Caddy,
    Nginx,
}

impl Kind {
    /// Its program is installed.
    pub fn is_there(self) -> bool {
        match self {
            Self::Reelway | Self::ReelwayByCubic | Self::BareQuinn => true,
            Self::Gtlsserver | Self::Caddy | Self::Nginx => {
                let there = program(self.name()).is_some();
                if !there {
                    println!("    {} is not installed and left out", self.label());
                }
                there
            }
        }
    }

    /// For a person.
    pub fn label(self) -> &'static str {
        match self {
            Self::BareQuinn => "bare quinn",
            Self::ReelwayByCubic => "by Cubic",
            other => other.name(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Reelway | Self::ReelwayByCubic | Self::BareQuinn => "reelway",
            Self::Gtlsserver => "gtlsserver",
            Self::Caddy => "caddy",
            Self::Nginx => "nginx",
        }
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into()]).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// A server that is ended when it is dropped.
pub struct Server {
    pub kind: Kind,
    pub address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts it on the files of `files`, and waits until it listens.
    pub fn start(kind: Kind, files: &Path) -> anyhow::Result<Self> {
        Self::start_with(kind, files, &[])
    }

    /// The same with these arguments besides.
    pub fn start_with(kind: Kind, files: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let (certificate, key) = certificate()?;
        let address = free_port()?;
        let port = address.port();
        let place = folder()?.join(kind.name());
        fs::create_dir_all(&place)?;
        let mut command = Command::new(match kind {
            Kind::Reelway | Kind::ReelwayByCubic => reelway()?.into(),
            Kind::BareQuinn => std::env::current_exe()?,
            _ => program(kind.name()).context("not installed")?,
        });
        match kind {
            Kind::Reelway | Kind::ReelwayByCubic => {
                command.args(["serve", "--listen", &address.to_string(), "--http", "127.0.0.1:0", "--max-connections-per-ip", "100000"]);
                command.args(["--max-connections", "100000", "--media"]).arg(files).arg("--data").arg(&place);
                command.arg("--tls-cert").arg(&certificate).arg("--tls-key").arg(&key);
                if kind == Kind::ReelwayByCubic {
                    command.args(["--congestion", "cubic"]);
                }
            }
            Kind::BareQuinn => {
                command.arg(BARE_QUINN).arg(address.to_string()).arg(&certificate).arg(&key);
            }
            Kind::Gtlsserver => {
                command.args(["-q", "-d"]).arg(files).args(["127.0.0.1", &port.to_string()]).arg(&key).arg(&certificate);
            }
            Kind::Caddy => {
                let text = format!(
                    "{{\n admin off\n auto_https off\n servers :{port} {{\n  protocols h1 h2 h3\n }}\n}}\nhttps://localhost:{port} {{\n bind 127.0.0.1\n \
                     tls {} {}\n root * {}\n file_server\n}}\n",
                    certificate.display(),
                    key.display(),
                    files.display()
                );
                let config = place.join("Caddyfile");
                fs::write(&config, text)?;
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(config).env("HOME", &place);
            }
            Kind::Nginx => {
                let text = format!(
                    "daemon off; master_process off; pid {0}/pid; error_log {0}/error.log;\nevents {{ worker_connections 4096; }}\nhttp {{ access_log \
                     off; sendfile on; tcp_nopush on; types {{ video/mp4 mp4; }} client_body_temp_path {0}/body; proxy_temp_path {0}/proxy; \
                     fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s; keepalive_requests 1000000; \
                     open_file_cache max=100; ssl_session_cache off;\n server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {1}; \
                     ssl_certificate_key {2}; root {3}; }} }}\n",
                    place.display(),
                    certificate.display(),
                    key.display(),
                    files.display()
                );
                let config = place.join("nginx.conf");
                fs::write(&config, text)?;
                command.arg("-p").arg(&place).arg("-c").arg(config);
            }
        }
        let child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut server = Self { kind, address, child };
        server.wait()?;
        Ok(server)
    }

    /// The path of a file.
    pub fn path(&self, name: &str) -> String {
        if matches!(self.kind, Kind::Reelway | Kind::ReelwayByCubic) { format!("/media{name}") } else { name.to_owned() }
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        let output = BufReader::new(self.child.stdout.take().context("no output")?);
        match self.kind {
            Kind::Reelway | Kind::ReelwayByCubic | Kind::BareQuinn => {
                let mut lines = output.lines();
                lines.next().context("it ended at once")??;
                thread::spawn(move || lines.for_each(drop));
                thread::sleep(Duration::from_millis(100));
                return Ok(());
            }
            Kind::Gtlsserver | Kind::Caddy | Kind::Nginx => {
                thread::spawn(move || output.lines().for_each(drop));
            }
        }
        for _ in 0..200 {
            if let Some(status) = self.child.try_wait()? {
                bail!("{:?} ended at once: {status}", self.kind);
            }
            // gtlsserver has no TCP port: its UDP port is taken when it is there.
            let there = match self.kind {
                Kind::Gtlsserver => UdpSocket::bind(self.address).is_err(),
                _ => TcpStream::connect(self.address).is_ok(),
            };
            if there {
                thread::sleep(Duration::from_millis(200));
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("{:?} does not listen", self.kind)
    }

    /// Processor time that it has used.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(self.child.id())
    }

    /// Datagrams that came to its UDP port and found the buffer full.
    pub fn datagrams_lost(&self) -> anyhow::Result<u64> {
        let text = fs::read_to_string("/proc/net/udp")?;
        let port = format!(":{:04X}", self.address.port());
        let sockets = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        let own = sockets.filter(|fields| fields.get(1).is_some_and(|local| local.ends_with(&port)));
        Ok(own.filter_map(|fields| fields.last()?.parse::<u64>().ok()).sum())
    }

    /// Memory that it holds, in bytes.
    pub fn memory(&self) -> anyhow::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no figure")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free for TCP and UDP.
fn free_port() -> anyhow::Result<SocketAddr> {
    loop {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        if UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
}

/// Files of a certificate for localhost and of its key, made once.
pub fn certificate() -> anyhow::Result<(PathBuf, PathBuf)> {
    let folder = folder()?;
    let (certificate, key) = (folder.join("localhost.crt"), folder.join("localhost.key"));
    if !certificate.exists() || !key.exists() {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        fs::write(&key, pair.signing_key.serialize_pem())?;
        fs::write(&certificate, pair.cert.pem())?;
    }
    Ok((certificate, key))
}

/// The server of [`Kind::BareQuinn`]: each stream is answered by the large body, whatever it says.
pub fn bare_quinn(arguments: &[String]) -> anyhow::Result<()> {
    let [address, certificate, key] = arguments else { bail!("ADDRESS CERTIFICATE KEY") };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from_pem_file(certificate)?], PrivateKeyDer::from_pem_file(key)?)?;
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
        socket.set_recv_buffer_size(4 << 20)?;
        socket.set_send_buffer_size(4 << 20)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.parse::<SocketAddr>()?.into())?;
        let runtime = Arc::new(quinn::TokioRuntime);
        let endpoint = quinn::Endpoint::new(quinn::EndpointConfig::default(), Some(config), socket.into(), runtime)?;
        println!("listening");
        std::io::stdout().flush()?;
        let chunk = Bytes::from(vec![7; 256 << 10]);
        while let Some(incoming) = endpoint.accept().await {
            let chunk = chunk.clone();
            tokio::spawn(async move {
                let connection = incoming.await?;
                while let Ok((mut send, mut receive)) = connection.accept_bi().await {
                    receive.read_to_end(64 << 10).await?;
                    for _ in 0..super::LARGE / chunk.len() as u64 {
                        send.write_chunk(chunk.clone()).await?;
                    }
                    send.finish()?;
                }
                Ok::<_, anyhow::Error>(())
            });
        }
        Ok(())
    })
}
