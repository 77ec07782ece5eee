//! What stands before the origin: whether the server wants more work.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::StatusCode;

use crate::http::{Handler, Request, Resource, Response, problem};

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

/// A handler that is asked whether it is ready.
pub struct Front<H> {
    inner: H,
    readiness: Readiness,
}

impl<H: Handler> Front<H> {
    /// `inner`, ready until told otherwise.
    pub fn new(inner: H, readiness: Readiness) -> Self {
        Self { inner, readiness }
    }
}

impl<H: Handler> Handler for Front<H> {
    async fn handle(&self, request: Request) -> Response {
        if self.readiness.is_over() && Resource::parse(request.uri().path()) == Some(Resource::Ready) {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "the server is about to end");
        }
        self.inner.handle(request).await
    }
}
