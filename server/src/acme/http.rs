//! Our own client under the protocol.

use std::{pin::Pin, sync::Arc, time::Duration};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use tokio::time::timeout;

use crate::net::client::Client;

/// An answer that takes longer than this is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer: a certificate with its chain, or the problems of an order.
const LIMIT: usize = 1 << 20;

pub(super) struct Http(Arc<Client>);

impl Http {
    pub fn new(client: Client) -> Self {
        Self(Arc::new(client))
    }
}

impl HttpClient for Http {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = Arc::clone(&self.0);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await; // it is in memory
            let answer = timeout(PATIENCE, client.send(Request::from_parts(head, body.to_bytes().into()), LIMIT));
            let answer = answer.await.map_err(|error| Error::Other(error.into()))?.map_err(|error| Error::Other(error.into()))?;
            if !answer.whole {
                return Err(Error::Other("the answer of the authority has no end".into()));
            }
            let (mut parts, ()) = Response::new(()).into_parts();
            (parts.status, parts.headers) = (answer.status, answer.fields);
            Ok(BytesResponse { parts, body: Box::new(answer.content) })
        })
    }
}
