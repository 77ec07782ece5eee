//! `reelway serve`.

use std::{
    future::pending,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use data_encoding::HEXLOWER;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
    task::{JoinHandle, spawn_blocking},
};

use super::{
    log,
    publishers::{PublisherArguments, Publishers},
    reload::{Reload, Running, Times},
    signals::Signals,
    tls::CertificateArguments,
};
use crate::{
    auth::{Gate, Hooks, Jwks, KeyRing, Playback, Secret},
    catalogue::Catalogue,
    config::{Config, Current},
    duration::parse_duration,
    front::{Front, Readiness},
    ingest::Ingest,
    jobs::{Jobs, JobsApi, Sources, key},
    live::Streams,
    live_ladder,
    net::{Address, Congestion, Listeners, Settings},
    origin::{Origin, ServerInfo},
    upload::{Limits, Uploads},
    upload_ladder,
};

/// How often uploads are looked at.
const EXPIRE: Duration = Duration::from_hours(1);

/// Arguments of `reelway serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The folder whose MP4 and MOV files are served
    #[arg(long, value_name = "DIR")]
    media: Option<PathBuf>,
    /// The folder for what the server keeps, such as its certificate
    #[arg(long, value_name = "DIR", default_value = "reelway-data")]
    data: PathBuf,
    /// Configuration in TOML: live streams, who may publish and who may play; without it every stream may be published as it comes
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address for HTTP/3 on UDP, and for HTTP/2 and HTTP/1.1 over TLS on TCP
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    listen: Address,
    /// Address for plain HTTP/1.1
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: Address,
    #[command(flatten)]
    publishers: PublisherArguments,
    /// Address for operators alone, by plain HTTP: /metrics, and DELETE /api/v1/streams/NAME; without, at the others
    #[arg(long, value_name = "ADDR")]
    admin: Option<Address>,
    #[command(flatten)]
    tls: CertificateArguments,
    /// Take uploads, from whoever can reach the server unless [uploads] of --config says otherwise: segments that browsers cut, or whole files by tus, kept in the data folder
    #[arg(long)]
    uploads: bool,
    /// Time for running requests to end after SIGTERM
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    drain: Duration,
    /// Time after SIGTERM to go on as before, but for /readyz, so that balancers notice
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    drain_delay: Duration,
    /// Ladders that are made at once, as /api/v1/jobs asks for them with the key that is in the data folder; 0: none
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Write a line for each request to standard output
    #[arg(long, value_name = "FORMAT")]
    access_log: Option<log::AccessLog>,
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = Settings::default().max_connections)]
    max_connections: usize,
    /// Connections at once of one address; behind a proxy or a CDN that is all of them
    #[arg(long, value_name = "N", default_value_t = Settings::default().max_connections_per_ip)]
    max_connections_per_ip: usize,
    /// Requests under way at once
    #[arg(long, value_name = "N", default_value_t = Settings::default().max_requests)]
    max_requests: usize,
    /// What decides how fast HTTP/3 is sent
    #[arg(long, value_name = "NAME", default_value = "bbr")]
    congestion: Congestion,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        log::begin(self.access_log);
        self.tls.check()?;
        if let Some(media) = &self.media {
            check_media(media)?;
        }
        let config = read_config(self.config.as_deref())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
        let served = runtime.block_on(self.serve(config));
        // What reads a disk for nobody any more does not hold up the end.
        runtime.shutdown_background();
        served
    }

    async fn serve(self, config: Config) -> anyhow::Result<()> {
        let data = self.data.display();
        std::fs::create_dir_all(&self.data).with_context(|| format!("cannot make the data folder {data}: name another with --data"))?;
        let (certificates, acme) = self.tls.open(&self.data)?;
        let listeners = Listeners::bind(Some((self.listen, &certificates)), Some(self.http), self.settings()?)?;
        let ports = self.publishers.listen(self.listen.is_loopback())?;
        let admin = self.operators()?;
        let first = certificates.first();
        let sha256 = HEXLOWER.encode(&first.certificate_sha256());
        let shown = self.tls.makes_certificate().then(|| sha256.clone());
        let info = ServerInfo::new(vec!["h3", "h2", "http/1.1"], shown).with_uploads(self.uploads);
        let info = info.with_publishers(ports.rtmp(), ports.has_webrtc());
        let config = Current::from(config);
        let secret = Secret::of(&self.data).context("cannot read the secret of the server")?;
        let streams = Arc::new(Streams::new(config.clone(), self.data.join("live")).with_secret(secret.clone()));
        streams.restore().await;
        let origin = Origin::with_secret(self.media.as_deref(), info, Arc::clone(&streams), secret.clone());
        let origin = origin.context("cannot open the media folder")?.with_ladders(self.data.join("ladders"));
        let keys = token_keys(&config.get(), &secret).await?;
        let hooks = Arc::new(Hooks::new(config.clone()));
        let playback = Arc::new(Playback::new(config.clone(), keys).with_hooks(Arc::clone(&hooks)));
        tokio::spawn(live_ladder::run(Arc::clone(&streams)));
        let ingest = Ingest::new(Arc::clone(&streams), Gate::new(secret.clone()).with_hooks(hooks));
        let publishers = ports.take(&ingest, &config.get(), &certificates, &listeners.metrics())?;
        tokio::spawn(origin.warm());
        let catalogue = self.catalogue()?;
        let uploads = self.uploads(catalogue.clone(), upload_limits(&config.get()), Arc::clone(&playback))?;
        let jobs = self.jobs(catalogue, uploads.clone())?;
        let times = watch::Sender::new(self.times());
        let ending_times = times.subscribe();
        let running = Running {
            config: config.clone(),
            secret,
            playback: Arc::clone(&playback),
            streams,
            times,
            gate: listeners.gate(),
            uploads: uploads.clone(),
            jobs: jobs.as_ref().map(|(jobs, _)| jobs.clone()),
        };
        let reload = Reload::new(self.config.clone(), running)?;
        let mut signals = Signals::listen().context("cannot listen for signals")?;
        let watching = tokio::spawn(reload.keep(certificates, signal(SignalKind::hangup()).context("cannot listen for signals")?));

        let told = self.tell(
            &mut std::io::stdout().lock(),
            &listeners,
            &publishers,
            self.tls.makes_certificate().then_some((sha256, first.spki_sha256_base64()?)),
        );
        if let Err(error) = told {
            tracing::warn!(%error, "nobody reads standard output");
        }
        let readiness = Readiness::default();
        let front = Front::new(origin, ingest, readiness.clone(), listeners.metrics());
        let mut front = front.with_playback(playback).with_whip(publishers.whip.clone());
        if let Some((jobs, key)) = &jobs {
            front = front.with_jobs(JobsApi::new(jobs.clone(), key));
            tokio::spawn(jobs.clone().run());
        }
        if let Some(uploads) = uploads {
            if let Some((jobs, _)) = &jobs {
                tokio::spawn(upload_ladder::run(Arc::clone(&uploads), jobs.clone(), config));
            }
            front = front.with_uploads(uploads);
        }
        if let Some(acme) = acme {
            front = front.with_challenges(acme.challenges());
            tokio::spawn(acme.keep());
        }
        let operators = admin.and_then(|listeners| Some((listeners, front.take_operators()?)));
        let operating = operators.map(|(listeners, operators)| tokio::spawn(listeners.serve(Arc::new(operators), pending())));
        let front = Arc::new(front);
        let (drain, drained) = oneshot::channel::<Duration>();
        let serving = listeners.serve_until(front, async { drained.await.unwrap_or_default() });
        let ending = async {
            signals.next().await;
            readiness.end();
            // Ladders go on when the server is started again.
            if let Some((jobs, _)) = &jobs {
                jobs.end();
            }
            let Times { drain: time, delay } = *ending_times.borrow();
            tracing::info!("asked to end: requests that run may go on for {time:?}");
            tokio::time::sleep(delay).await;
            let _ = drain.send(time);
            pending::<()>().await;
        };
        let mut again = Signals::listen().context("cannot listen for signals")?;
        let result = tokio::select! {
            () = serving => Ok(()),
            () = ending => Ok(()),
            () = async { again.next().await; again.next().await } => Err(anyhow!("ended at once by a second signal: requests that ran were cut")),
        };
        publishers.end().await;
        watching.abort();
        operating.inspect(JoinHandle::abort);
        result
    }

    /// The catalogue, if anything is kept in it.
    fn catalogue(&self) -> anyhow::Result<Option<Catalogue>> {
        let used = self.uploads || (self.media.is_some() && self.jobs > 0);
        Ok(used.then(|| Catalogue::open(&self.data)).transpose()?)
    }

    /// The jobs, and the key that orders come with; `None`: there are none, or nothing to make them of.
    fn jobs(&self, catalogue: Option<Catalogue>, uploads: Option<Arc<Uploads>>) -> anyhow::Result<Option<(Jobs, String)>> {
        let Some(catalogue) = catalogue.filter(|_| self.jobs > 0) else { return Ok(None) };
        let sources = Sources::new(self.media.as_deref(), uploads).context("cannot open the media folder")?;
        let jobs = Jobs::open(catalogue, sources, self.jobs).context("cannot read the jobs")?;
        Ok(Some((jobs, key::of(&self.data)?)))
    }

    /// The uploads of the data folder, if any are taken; those that expire go by themselves.
    fn uploads(&self, catalogue: Option<Catalogue>, limits: Limits, tokens: Arc<Playback>) -> anyhow::Result<Option<Arc<Uploads>>> {
        let Some(catalogue) = catalogue.filter(|_| self.uploads) else { return Ok(None) };
        let uploads = Uploads::open(&self.data, catalogue, limits)
            .with_context(|| format!("cannot keep uploads in {}: name another folder with --data", self.data.display()))?;
        let uploads = Arc::new(uploads.with_tokens(tokens));
        let kept = Arc::clone(&uploads);
        tokio::spawn(async move {
            loop {
                let uploads = Arc::clone(&kept);
                if let Ok(Err(error)) = spawn_blocking(move || uploads.expire(SystemTime::now())).await {
                    tracing::warn!(%error, "uploads do not expire");
                }
                tokio::time::sleep(EXPIRE).await;
            }
        });
        Ok(Some(uploads))
    }

    /// Where operators come to, if that is a place of its own.
    fn operators(&self) -> anyhow::Result<Option<Listeners>> {
        Ok(self.admin.map(|address| Listeners::bind(None, Some(address), Settings::default())).transpose()?)
    }

    /// How long it takes to end.
    pub(super) fn times(&self) -> Times {
        Times { drain: self.drain, delay: self.drain_delay }
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        let key = Secret::of_connections(&self.data).context("cannot read the secret of QUIC connections")?;
        Ok(Settings { reset_key: Some(key.derive("reset", "").into()), ..self.limits() })
    }

    /// The settings that a running server may be told anew.
    pub(super) fn limits(&self) -> Settings {
        Settings {
            drain_timeout: self.drain,
            max_connections: self.max_connections,
            max_connections_per_ip: self.max_connections_per_ip,
            max_requests: self.max_requests,
            congestion: self.congestion,
            ..Settings::default()
        }
    }

    /// Ladders that are made at once.
    pub(super) fn parallel_jobs(&self) -> usize {
        self.jobs
    }

    /// Prints where it can be reached.
    fn tell(
        &self,
        out: &mut impl Write,
        listeners: &Listeners,
        publishers: &Publishers,
        certificate: Option<(String, String)>,
    ) -> std::io::Result<()> {
        writeln!(out, "Reelway {}", env!("CARGO_PKG_VERSION"))?;
        if let Some(address) = listeners.secure_addresses().first() {
            writeln!(out, "  {:<34} HTTP/3, HTTP/2, HTTP/1.1", url("https", *address))?;
        }
        if let Some(address) = listeners.plain_addresses().first() {
            writeln!(out, "  {:<34} plain HTTP/1.1 and HTTP/2", url("http", *address))?;
        }
        for (scheme, address) in publishers.addresses.into_iter().filter_map(|(scheme, address)| Some((scheme, address?))) {
            let (path, what) = if scheme == "srt" { ("?streamid=NAME", "SRT") } else { ("live/NAME", "RTMP and RTMPS") };
            writeln!(out, "  {:<34} {what}, to publish", url(scheme, address) + path)?;
        }
        if let Some(address) = listeners.secure_addresses().first().filter(|_| publishers.whip.is_some()) {
            writeln!(out, "  {:<34} WHIP (WebRTC), to publish", url("https", *address) + "whip/NAME")?;
        }
        match &self.media {
            Some(media) => writeln!(out, "  media: {}", media.display())?,
            None => writeln!(out, "  no media: name a folder with --media")?,
        }
        if let Some(authority) = self.tls.authority() {
            writeln!(out, "  certificates: {}, from {authority}", self.tls.names().join(", "))?;
        }
        if let Some((sha256, spki)) = certificate {
            writeln!(out, "  development certificate, SHA-256 {sha256}")?;
            writeln!(out, "  Chromium trusts it with --ignore-certificate-errors-spki-list={spki}")?;
        }
        out.flush()
    }
}

/// The configuration in `file`, if there is one, and in the environment.
pub(super) fn read_config(file: Option<&Path>) -> anyhow::Result<Config> {
    file.map_or_else(Config::of_environment, Config::read)
}

/// What one client may bring.
pub(super) fn upload_limits(config: &Config) -> Limits {
    let uploads = &config.uploads;
    Limits { file: uploads.file, owned: uploads.files, parallel: uploads.parallel, ..Limits::default() }
}

/// The keys of tokens: of the server, of its configuration, and of the issuer that it names.
pub(super) async fn token_keys(config: &Config, secret: &Secret) -> anyhow::Result<KeyRing> {
    let jwks = match config.tokens.jwks.clone() {
        Some(place) => Some(Arc::new(Jwks::read(place).await.context("cannot read the keys that [tokens] jwks names")?)),
        None => None,
    };
    if let Some(jwks) = &jwks {
        tokio::spawn(Arc::clone(jwks).keep());
    }
    KeyRing::new(Some(secret), &config.tokens, jwks)
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
