//! `reelway serve`.

use std::{
    io::{IsTerminal, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::Args;
use data_encoding::HEXLOWER;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{
    net::{Address, Identity, Listeners, Settings},
    origin::{Origin, ServerInfo},
};

/// Arguments of `reelway serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The folder whose MP4 and MOV files are served
    #[arg(long, value_name = "DIR")]
    media: Option<PathBuf>,
    /// The folder for what the server keeps, such as its certificate
    #[arg(long, value_name = "DIR", default_value = "reelway-data")]
    data: PathBuf,
    /// Address for HTTP/3 on UDP, and for HTTP/2 and HTTP/1.1 over TLS on TCP
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    listen: Address,
    /// Address for plain HTTP/1.1
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: Address,
    /// Certificate chain in PEM; without one a development certificate is made and kept in the data folder
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Private key of the certificate in PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).init();
        if let Some(media) = &self.media {
            check_media(media)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> anyhow::Result<()> {
        let data = self.data.display();
        std::fs::create_dir_all(&self.data).with_context(|| format!("cannot make the data folder {data}: name another with --data"))?;
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Identity::from_pem_files(certificate, key)?,
            _ => Identity::development(&self.data)?,
        };
        let listeners = Listeners::bind(Some((self.listen, &identity)), Some(self.http), Settings::default())?;
        let own_certificate = self.certificate.is_none();
        let sha256 = HEXLOWER.encode(&identity.certificate_sha256());
        let info = ServerInfo::new(vec!["h3", "h2", "http/1.1"], own_certificate.then(|| sha256.clone()));
        let origin = Origin::new(self.media.as_deref(), info).context("cannot open the media folder")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;

        let mut out = std::io::stdout().lock();
        let told = self.tell(&mut out, &listeners, own_certificate.then_some((sha256, identity.spki_sha256_base64()?)));
        drop(out);
        if let Err(error) = told {
            tracing::warn!(%error, "nobody reads standard output");
        }
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        listeners.serve(Arc::new(origin), shutdown).await;
        Ok(())
    }

    /// Prints where it can be reached.
    fn tell(&self, out: &mut impl Write, listeners: &Listeners, certificate: Option<(String, String)>) -> std::io::Result<()> {
        writeln!(out, "Reelway {}", env!("CARGO_PKG_VERSION"))?;
        if let Some(address) = listeners.secure_addresses().first() {
            writeln!(out, "  {:<34} HTTP/3, HTTP/2, HTTP/1.1", url("https", *address))?;
        }
        if let Some(address) = listeners.plain_addresses().first() {
            writeln!(out, "  {:<34} plain HTTP/1.1 and HTTP/2", url("http", *address))?;
        }
        match &self.media {
            Some(media) => writeln!(out, "  media: {}", media.display())?,
            None => writeln!(out, "  no media: name a folder with --media")?,
        }
        if let Some((sha256, spki)) = certificate {
            writeln!(out, "  development certificate, SHA-256 {sha256}")?;
            writeln!(out, "  Chromium trusts it with --ignore-certificate-errors-spki-list={spki}")?;
        }
        out.flush()
    }
}

/// An address as a browser takes it.
fn url(scheme: &str, address: SocketAddr) -> String {
    if address.ip().is_loopback() { format!("{scheme}://localhost:{}/", address.port()) } else { format!("{scheme}://{address}/") }
}

fn check_media(media: &Path) -> anyhow::Result<()> {
    let name = media.display();
    let metadata = std::fs::metadata(media).with_context(|| format!("cannot open the media folder {name}"))?;
    if !metadata.is_dir() {
        bail!("{name} is not a folder: name the folder that holds your videos with --media");
    }
    std::fs::read_dir(media).with_context(|| format!("cannot read the media folder {name}"))?;
    Ok(())
}
