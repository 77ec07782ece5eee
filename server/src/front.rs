//! What stands before the origin: what an operator asks of the server itself.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use http::StatusCode;

use crate::{
    auth::{Admitted, Playback, keep_private},
    http::{Handler, Request, Resource, Response, problem},
    ingest::{Ingest, Whip},
    jobs::JobsApi,
    metrics::Metrics,
    net::Challenges,
    operators::Operators,
    origin::{Origin, share},
    upload::Uploads,
};

/// Whether more requests are wanted. They are until it is said otherwise.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// From now on `/readyz` says no: the server is about to end.
    pub fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The origin for those who read and may, ingest for those who publish, with `/readyz`, `/metrics`, the jobs and the uploads.
pub struct Front {
    playback: Arc<Playback>,
    origin: Arc<Origin>,
    /// `None`: they are answered elsewhere.
    operators: Option<Operators>,
    ingest: Ingest,
    /// `None`: nobody publishes by WebRTC.
    whip: Option<Whip>,
    jobs: Option<JobsApi>,
    uploads: Option<Arc<Uploads>>,
    challenges: Option<Challenges>,
    readiness: Readiness,
}

impl Front {
    /// `origin` and `ingest`, ready until told otherwise.
    pub fn new(origin: Origin, ingest: Ingest, readiness: Readiness, metrics: Arc<Metrics>) -> Self {
        let origin = Arc::new(origin);
        let operators = Some(Operators::new(Arc::clone(&origin), ingest.clone(), metrics));
        Self { playback: Arc::default(), origin, operators, ingest, whip: None, jobs: None, uploads: None, challenges: None, readiness }
    }

    /// Takes out what is for operators, to be answered at another address alone.
    pub fn take_operators(&mut self) -> Option<Operators> {
        self.operators.take()
    }

    /// The same for viewers that `playback` lets in; without, all of them are.
    #[must_use]
    pub fn with_playback(mut self, playback: impl Into<Arc<Playback>>) -> Self {
        self.playback = playback.into();
        self
    }

    /// The same with publishers by WebRTC, where there are any.
    #[must_use]
    pub fn with_whip(mut self, whip: Option<Whip>) -> Self {
        self.whip = whip;
        self
    }

    /// The same with jobs.
    #[must_use]
    pub fn with_jobs(mut self, jobs: JobsApi) -> Self {
        self.jobs = Some(jobs);
        self
    }

    /// The same with uploads.
    #[must_use]
    pub fn with_uploads(mut self, uploads: Arc<Uploads>) -> Self {
        self.uploads = Some(uploads);
        self
    }

    /// The same with answers for an authority of ACME.
    #[must_use]
    pub fn with_challenges(mut self, challenges: Challenges) -> Self {
        self.challenges = Some(challenges);
        self
    }
}

impl Handler for Front {
    async fn handle(&self, request: Request) -> Response {
        match self.playback.admit(request).await {
            Ok(Admitted { request, resource, private }) => {
                let mut response = self.serve(request, resource).await;
                if private {
                    keep_private(response.headers_mut());
                }
                response
            }
            Err(mut refusal) => {
                share(refusal.headers_mut());
                *refusal
            }
        }
    }
}

impl Front {
    /// Answers a request that may go on. What is not the origin is in boxes: every request is moved with the space for all that may become
    /// of it, and most are for the origin.
    async fn serve(&self, request: Request, resource: Option<Resource>) -> Response {
        let path = request.uri().path();
        if Operators::take(path, resource.as_ref()) {
            return match &self.operators {
                Some(operators) => Box::pin(operators.answer(request)).await,
                None => problem(StatusCode::NOT_FOUND, "there is nothing here"),
            };
        }
        if let Some(authorization) = self.challenges.as_ref().and_then(|challenges| challenges.at(path)) {
            return Response::new(Bytes::from(authorization).into());
        }
        if let Some(uploads) = self.uploads.as_ref().filter(|_| Uploads::takes(path)) {
            return Box::pin(uploads.handle(request)).await;
        }
        match (resource, &self.jobs) {
            (Some(Resource::Ready), _) if self.readiness.is_over() => {
                problem(StatusCode::SERVICE_UNAVAILABLE, "the server is about to end")
            }
            (Some(Resource::Ingest(path)), _) => {
                let mut response = Box::pin(self.ingest.handle(path, request)).await;
                share(response.headers_mut());
                response
            }
            (Some(Resource::Whip(path)), _) => {
                let mut response = match &self.whip {
                    Some(whip) => Box::pin(whip.handle(path, request)).await,
                    None => problem(StatusCode::NOT_FOUND, "nobody publishes by WebRTC here: start the server with --webrtc ADDR"),
                };
                share(response.headers_mut());
                response
            }
            (Some(Resource::ApiJobs(place)), Some(jobs)) => Box::pin(jobs.handle(place.as_deref(), request)).await,
            (resource, _) => self.origin.serve(resource, request).await,
        }
    }
}
