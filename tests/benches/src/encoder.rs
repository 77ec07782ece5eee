//! An encoder that pushes one body without end.

use std::{net::SocketAddr, sync::Arc};

use reelway_tests::{movie::Movie, stream};
use rustls::pki_types::ServerName;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::transport::load::client_config;

/// An encoder, until it is dropped.
pub struct Encoder(TlsStream<TcpStream>);

impl Encoder {
    /// Begins to publish `stream`, whose tracks are those of `movie`.
    pub async fn begin(server: SocketAddr, stream: &str, movie: &Movie) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(server).await?;
        socket.set_nodelay(true)?;
        let tls = TlsConnector::from(Arc::new(client_config(b"http/1.1")?));
        let mut encoder = Self(tls.connect(ServerName::try_from("localhost")?, socket).await?);
        let head = format!("PUT /ingest/{stream} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        encoder.0.write_all(head.as_bytes()).await?;
        encoder.send(&stream::header(movie)).await?;
        Ok(encoder)
    }

    /// Sends the next bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.0.write_all(&[format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()).await?;
        Ok(self.0.flush().await?)
    }
}
