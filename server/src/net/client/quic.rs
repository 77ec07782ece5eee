//! Requests over HTTP/3, on one connection that is made anew when it is gone or another server is asked.

use std::{
    fmt,
    future::poll_fn,
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use h3::client::SendRequest;
use h3_quinn::OpenStreams;
use http::{Request, uri::Authority};
use quinn::{ClientConfig, Endpoint, crypto::rustls::QuicClientConfig};
use tokio::{net::lookup_host, sync::Mutex, time::timeout};

use super::{Answer, told};

/// Of several addresses of a name, the next is tried after this time.
const NEXT_ADDRESS: Duration = Duration::from_secs(5);

pub(super) struct Quic {
    config: Result<ClientConfig, String>,
    connection: Mutex<Option<Connection>>,
}

struct Connection {
    to: Authority,
    /// Kept: it carries the connection.
    _endpoint: Endpoint,
    quic: quinn::Connection,
    sender: SendRequest<OpenStreams, Bytes>,
}

impl fmt::Debug for Quic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Quic")
    }
}

impl Quic {
    pub(super) fn new(mut tls: rustls::ClientConfig) -> Self {
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let config = QuicClientConfig::try_from(tls).map(|tls| ClientConfig::new(Arc::new(tls))).map_err(|error| error.to_string());
        Self { config, connection: Mutex::default() }
    }

    pub(super) async fn get(&self, request: Request<()>, limit: usize) -> io::Result<Answer> {
        let mut sender = self.sender(request.uri().authority()).await?;
        let mut stream = sender.send_request(request).await.map_err(told)?;
        stream.finish().await.map_err(told)?;
        let (head, ()) = stream.recv_response().await.map_err(told)?.into_parts();
        let mut content = BytesMut::new();
        let mut whole = false;
        while content.len() < limit && !whole {
            match stream.recv_data().await.map_err(told)? {
                Some(data) => content.put(data),
                None => whole = true,
            }
        }
        Ok(Answer { status: head.status, fields: head.headers, content: content.freeze(), whole })
    }

    /// What sends requests to that server.
    async fn sender(&self, to: Option<&Authority>) -> io::Result<SendRequest<OpenStreams, Bytes>> {
        let to = to.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the URL names no server"))?;
        let mut connection = self.connection.lock().await;
        if let Some(known) = connection.as_ref().filter(|known| known.to == *to && known.quic.close_reason().is_none()) {
            return Ok(known.sender.clone());
        }
        let made = self.connect(to).await?;
        let sender = made.sender.clone();
        *connection = Some(made);
        Ok(sender)
    }

    async fn connect(&self, to: &Authority) -> io::Result<Connection> {
        let config = self.config.clone().map_err(io::Error::other)?;
        let host = to.host().trim_start_matches('[').trim_end_matches(']');
        let mut failed = io::Error::new(ErrorKind::NotFound, format!("{host} has no address"));
        for address in lookup_host((host, to.port_u16().unwrap_or(443))).await? {
            let local: SocketAddr = if address.is_ipv6() { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() };
            let attempt = async {
                let endpoint = Endpoint::client(local)?;
                let connecting = endpoint.connect_with(config.clone(), address, host).map_err(told)?;
                let quic = connecting.await.map_err(told)?;
                Ok::<_, io::Error>((endpoint, quic))
            };
            match timeout(NEXT_ADDRESS, attempt).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
                Ok((endpoint, quic)) => {
                    let (mut driver, sender) = h3::client::new(h3_quinn::Connection::new(quic.clone())).await.map_err(told)?;
                    tokio::spawn(async move { poll_fn(|cx| driver.poll_close(cx)).await });
                    return Ok(Connection { to: to.clone(), _endpoint: endpoint, quic, sender });
                }
                Err(error) => failed = io::Error::new(error.kind(), format!("{address} (UDP): {error}")),
            }
        }
        Err(failed)
    }
}
