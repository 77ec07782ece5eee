//! `/api/v1/jobs`: orders come in, jobs are told, as they are and as they change.

use std::io;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::{Jobs, Order, Refusal};
use crate::http::{Body, Request, RequestBody, Response, problem};

/// The largest order, in bytes.
const ORDER: usize = 16 << 10;

/// Answers for the jobs of a server.
#[derive(Clone)]
pub struct JobsApi {
    jobs: Jobs,
    /// A digest of the key that orders come with.
    key: [u8; 32],
}

impl JobsApi {
    /// Whoever knows `key` may order and end jobs; all may see them.
    pub fn new(jobs: Jobs, key: &str) -> Self {
        Self { jobs, key: sha256(key) }
    }

    /// Answers a request for what stands behind `/api/v1/jobs/`; `None`: for the jobs as a whole.
    pub async fn handle(&self, place: Option<&str>, request: Request) -> Response {
        let method = request.method().clone();
        match (place, method) {
            (_, Method::POST | Method::DELETE) if !self.may(request.headers()) => {
                let mut response = problem(StatusCode::UNAUTHORIZED, "this needs the key of the server: Authorization: Bearer KEY");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
            (None, Method::GET | Method::HEAD) => json(StatusCode::OK, &json!({ "jobs": self.jobs.list() })),
            (None, Method::POST) => self.order(request).await,
            (Some("events"), Method::GET) => self.events(None),
            (Some(place), Method::GET | Method::HEAD) => match (place.strip_suffix("/events"), self.jobs.get(place)) {
                (Some(id), _) if self.jobs.get(id).is_some() => self.events(Some(id.to_owned())),
                (None, Some(job)) => json(StatusCode::OK, &job),
                _ => not_found(),
            },
            (Some(id), Method::DELETE) => self.end(id.to_owned()).await,
            (place, _) => {
                let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "there is no such method here");
                let allowed = if place.is_none() { "GET, HEAD, POST" } else { "GET, HEAD, DELETE" };
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
                response
            }
        }
    }

    /// Whether the request comes with the key. Digests are compared, so that time tells nothing of it.
    fn may(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        given.is_some_and(|key| sha256(key.trim()) == self.key)
    }

    async fn order(&self, request: Request) -> Response {
        let is_json = request.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
        if !is_json {
            return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "an order is JSON: Content-Type: application/json");
        }
        let Some(content) = read(request.into_body()).await else {
            return problem(StatusCode::PAYLOAD_TOO_LARGE, "an order comes whole, and has 16 KiB at most");
        };
        let order: Order = match serde_json::from_slice(&content) {
            Ok(order) => order,
            Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let jobs = self.jobs.clone();
        match spawn_blocking(move || jobs.add(order)).await {
            Ok(Ok((job, new))) => {
                let mut response = json(if new { StatusCode::CREATED } else { StatusCode::OK }, &job);
                if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/jobs/{}", job.id)) {
                    response.headers_mut().insert(header::LOCATION, place);
                }
                response
            }
            Ok(Err(refusal)) => {
                let status = match refusal {
                    Refusal::Order(_) => StatusCode::BAD_REQUEST,
                    Refusal::NoAsset => StatusCode::NOT_FOUND,
                    Refusal::Occupied(_) | Refusal::Made(_) => StatusCode::CONFLICT,
                    Refusal::Full => StatusCode::SERVICE_UNAVAILABLE,
                    Refusal::Catalogue(_) => StatusCode::INTERNAL_SERVER_ERROR,
                };
                problem(status, &refusal.to_string())
            }
            Err(_) => failed(),
        }
    }

    async fn end(&self, id: String) -> Response {
        let jobs = self.jobs.clone();
        match spawn_blocking(move || jobs.remove(&id)).await {
            Ok(Ok(Some(job))) => json(StatusCode::OK, &job),
            Ok(Ok(None)) => not_found(),
            Ok(Err(_)) | Err(_) => failed(),
        }
    }

    /// Server-sent events (HTML, 9.2): a job, or all of them, as they are and whenever they have changed; those of a job end with it.
    fn events(&self, id: Option<String>) -> Response {
        let mut response = Response::new(Body::growing(changes(self.jobs.clone(), id)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// An order; `None`: it is too large, or is not all there.
async fn read(mut body: RequestBody) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.ok()?.into_data().unwrap_or_default();
        if content.len() + data.len() > ORDER {
            return None;
        }
        content.extend_from_slice(&data);
    }
    Some(content)
}

/// What is sent of changes. A viewer that is slow gets the last of them, not each: nothing is queued for it.
fn changes(jobs: Jobs, id: Option<String>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let versions = jobs.changes();
    unfold((jobs, id, versions, String::new(), false), async |(jobs, id, mut versions, last, over)| {
        if over {
            return None;
        }
        loop {
            versions.borrow_and_update();
            let (now, over) = match &id {
                Some(id) => {
                    let job = jobs.get(id)?;
                    (text(&job), job.state.is_over())
                }
                None => (text(&json!({ "jobs": jobs.list() })), false),
            };
            if now != last {
                let event = Bytes::from(format!("data: {now}\n\n"));
                return Some((Ok(event), (jobs, id, versions, now, over)));
            }
            versions.changed().await.ok()?;
        }
    })
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn sha256(text: &str) -> [u8; 32] {
    digest(&SHA256, text.as_bytes()).as_ref().try_into().unwrap_or_default()
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let content = Bytes::from(text(value));
    let length = content.len();
    let mut response = Response::new(content.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "there is no such job")
}

fn failed() -> Response {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "jobs cannot be kept")
}
