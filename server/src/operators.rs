//! What operators alone may do: read the figures, and end a stream. It is asked for with the key of `[admin]`, if there is one, at the
//! address of `--admin` alone, if there is one.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::{
    config::Current,
    http::{Body, Handler, Request, Resource, Response, StreamName, problem},
    ingest::Ingest,
    metrics::Metrics,
    origin::Origin,
};

/// Answers operators. Clones are the same one.
#[derive(Clone)]
pub struct Operators {
    config: Current,
    origin: Arc<Origin>,
    ingest: Ingest,
    metrics: Arc<Metrics>,
}

impl Operators {
    /// For those who have the key that `origin`'s configuration demands.
    pub fn new(origin: Arc<Origin>, ingest: Ingest, metrics: Arc<Metrics>) -> Self {
        Self { config: origin.streams().config().clone(), origin, ingest, metrics }
    }

    /// Whether a path, which names `resource`, is for operators.
    pub fn take(path: &str, resource: Option<&Resource>) -> bool {
        path == "/metrics" || matches!(resource, Some(Resource::ApiStream(_)))
    }

    /// Answers a request for such a path.
    pub async fn answer(&self, request: Request) -> Response {
        let (request, _body) = request.into_parts();
        if let Some(key) = &self.config.get().admin.key
            && !bearer(&request.headers).is_some_and(|given| key.is(given))
        {
            let mut response = problem(StatusCode::UNAUTHORIZED, "this needs the key of operators: Authorization: Bearer KEY");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"admin\""));
            return response;
        }
        match (Resource::parse(request.uri.path()), &request.method) {
            (Some(Resource::ApiStream(name)), &Method::DELETE) => self.end(&name).await,
            (Some(Resource::ApiStream(_)), _) => refused("DELETE", "a stream is ended with DELETE"),
            (_, &Method::GET | &Method::HEAD) => self.metrics(),
            _ => refused("GET, HEAD", "the metrics are for reading"),
        }
    }

    /// Ends a stream: its publisher is sent away, its viewers see the end.
    async fn end(&self, name: &StreamName) -> Response {
        let Some(stream) = self.origin.streams().get(name).filter(|stream| !stream.is_ended()) else {
            return problem(StatusCode::NOT_FOUND, "there is no such stream");
        };
        self.ingest.end(&stream).await;
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    }

    fn metrics(&self) -> Response {
        let text = self.metrics.render(self.origin.index_cache(), self.origin.streams());
        let length = text.len();
        let mut response = Response::new(bytes::Bytes::from(text).into());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length.into());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl Handler for Operators {
    async fn handle(&self, request: Request) -> Response {
        let path = request.uri().path();
        if Self::take(path, Resource::parse(path).as_ref()) {
            self.answer(request).await
        } else {
            problem(StatusCode::NOT_FOUND, "there is nothing here")
        }
    }
}

fn bearer(fields: &HeaderMap) -> Option<&str> {
    let (scheme, key) = fields.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn refused(allowed: &'static str, detail: &str) -> Response {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, detail);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
