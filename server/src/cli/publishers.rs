//! Where publishers come to that do not speak HTTP alone: RTMP, SRT, WebRTC. All ports are taken before anything is served.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
};

use anyhow::Context;
use clap::Args;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    config::Config,
    ingest::{Ingest, Rtmp, SrtFront, Whip},
    metrics::Metrics,
    net::{Address, Certificates, listen, listen_udp},
};

/// The usual port of RTMP. WebRTC has none: its publishers are told.
const RTMP: &str = "127.0.0.1:1935";
const WEBRTC: &str = "127.0.0.1:0";

/// The options of `reelway serve` that say where.
#[derive(Debug, Args)]
pub(super) struct PublisherArguments {
    /// Address for RTMP and RTMPS; without, 127.0.0.1:1935 if it is free, and none where --listen is not of this machine alone
    #[arg(long, value_name = "ADDR")]
    rtmp: Option<Address>,
    /// Address for SRT on UDP, through an ffmpeg that speaks it; stream id: NAME, passphrase: the key of the stream
    #[arg(long, value_name = "ADDR")]
    srt: Option<Address>,
    /// Address for WebRTC on UDP, for who publishes by WHIP at /whip/NAME; without, a port of 127.0.0.1, and none where --listen is not of this machine alone
    #[arg(long, value_name = "ADDR")]
    webrtc: Option<Address>,
    /// The IP address at which who publishes by WebRTC finds that of --webrtc, where this machine is known by another than its own
    #[arg(long, value_name = "IP")]
    webrtc_address: Option<IpAddr>,
}

/// The ports, and nobody who listens yet.
pub(super) struct Ports {
    rtmp: Vec<TcpListener>,
    srt: Option<UdpSocket>,
    webrtc: Option<UdpSocket>,
    webrtc_address: Option<IpAddr>,
}

/// Those who listen.
pub(super) struct Publishers {
    rtmp: JoinHandle<()>,
    /// Takes offers of WebRTC.
    pub whip: Option<Whip>,
    /// Where RTMP and SRT are spoken, by the scheme of their URLs.
    pub addresses: [(&'static str, Option<SocketAddr>); 2],
}

impl PublisherArguments {
    /// Takes the ports: those that are asked for; else, if all else is of this machine alone, those of RTMP and WebRTC of this machine, where
    /// nobody has them.
    pub fn listen(&self, is_alone: bool) -> anyhow::Result<Ports> {
        let rtmp = match self.rtmp {
            Some(address) => listen(address)?,
            None if is_alone => listen(RTMP.parse()?).unwrap_or_default(),
            None => Vec::new(),
        };
        let webrtc = match self.webrtc {
            Some(address) => Some(listen_udp(address)?),
            None if is_alone => listen_udp(WEBRTC.parse()?).ok(),
            None => None,
        };
        let srt = self.srt.map(listen_udp).transpose()?;
        Ok(Ports { rtmp, srt, webrtc, webrtc_address: self.webrtc_address })
    }
}

impl Ports {
    /// That of RTMP.
    pub fn rtmp(&self) -> Option<u16> {
        Some(self.rtmp.first()?.local_addr().ok()?.port())
    }

    /// Whether there is one for WebRTC.
    pub fn has_webrtc(&self) -> bool {
        self.webrtc.is_some()
    }

    /// Takes who comes, from now on.
    pub fn take(self, ingest: &Ingest, config: &Config, certificates: &Certificates, metrics: &Arc<Metrics>) -> anyhow::Result<Publishers> {
        let addresses = [
            ("rtmp", self.rtmp.first().and_then(|listener| listener.local_addr().ok())),
            ("srt", self.srt.as_ref().and_then(|socket| socket.local_addr().ok())),
        ];
        take_srt(self.srt, config, ingest, Arc::clone(metrics))?;
        let whip = self.webrtc.map(|socket| Whip::new(socket, self.webrtc_address, ingest.clone(), Arc::clone(metrics)));
        let whip = whip.transpose().context("cannot listen for WebRTC")?;
        let rtmp = tokio::spawn(Rtmp::new(ingest.clone(), self.rtmp, certificates, Arc::clone(metrics))?.run());
        Ok(Publishers { rtmp, whip, addresses })
    }
}

impl Publishers {
    /// Sends all of them away, for now.
    pub async fn end(self) {
        if let Some(whip) = self.whip {
            whip.end().await;
        }
        self.rtmp.abort();
    }
}

/// Takes callers of SRT, from now on, at `socket` and where the configuration has addresses of single streams.
fn take_srt(socket: Option<UdpSocket>, config: &Config, ingest: &Ingest, metrics: Arc<Metrics>) -> anyhow::Result<()> {
    for (name, srt) in config.srt() {
        // Whoever has it is told of at once, and not when ffmpeg comes to it.
        UdpSocket::bind(srt.address)
            .with_context(|| format!("cannot listen for SRT at {}: choose another in [stream.{name}]", srt.address))?;
    }
    tokio::spawn(ingest.clone().keep_srt());
    if let Some(socket) = socket {
        tokio::spawn(SrtFront::new(socket, ingest.clone(), metrics).context("cannot listen for SRT")?.run());
    }
    Ok(())
}
