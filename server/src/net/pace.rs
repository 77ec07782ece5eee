//! Clients that do not keep up: a response that is not taken, a request body that does not come.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Settings;
use crate::http::BodyError;

/// Since when a client has a piece of a response to take.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace(Arc<Mutex<Option<Instant>>>);

impl Pace {
    /// The transport has a piece, and asks for the next one when the client has taken this one.
    pub fn gave(&self) {
        self.set(Some(Instant::now()));
    }

    /// The client has taken all there was.
    pub fn taken(&self) {
        self.set(None);
    }

    /// Waits until a piece has not been taken for `time`.
    pub async fn stalled(&self, time: Duration) {
        loop {
            let now = Instant::now();
            let since = self.0.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(now);
            if since + time <= now {
                return;
            }
            sleep_until(since + time).await;
        }
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// A request body that fails when its client sends less than the minimum rate while the handler waits for it.
#[derive(Debug)]
pub(super) struct Upload<B> {
    body: B,
    /// Least that must come in a window.
    quota: u64,
    window: Duration,
    /// What has come in the present window, and its end; none is open while content comes without waiting.
    came: u64,
    end: Option<Pin<Box<Sleep>>>,
}

impl<B> Upload<B> {
    /// Watches `body`.
    pub fn new(body: B, settings: &Settings) -> Self {
        let window = settings.body_window;
        let quota = u64::from(settings.min_body_rate).saturating_mul(u64::try_from(window.as_millis()).unwrap_or(u64::MAX)) / 1000;
        Self { body, quota, window, came: 0, end: None }
    }
}

impl<B> Body for Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame {
                self.came += frame.data_ref().map_or(0, |data| data.len() as u64);
                if self.came >= self.quota {
                    self.came = 0;
                    self.end = None;
                }
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let window = self.window;
        ready!(self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(window))).as_mut().poll(cx));
        let came = self.came;
        Poll::Ready(Some(Err(format!("only {came} bytes of the request body came in {window:?}").into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{sleep, timeout};

    use super::*;

    /// Gives so many bytes, again and again, with a pause before each.
    struct Drip(usize, Option<Pin<Box<Sleep>>>);

    impl Body for Drip {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            ready!(self.1.get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(1)))).as_mut().poll(cx));
            self.1 = None;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; self.0])))))
        }
    }

    #[tokio::test]
    async fn an_upload_is_held_to_its_rate() {
        let settings = Settings { min_body_rate: 1_000_000, body_window: Duration::from_millis(20), ..Settings::default() };
        for (piece, goes_on) in [(20_000, true), (1, false), (0, false)] {
            let mut body = Upload::new(Drip(piece, None), &settings);
            let mut pieces = 0;
            let failed = loop {
                match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap() {
                    Ok(_) if pieces < 1000 => pieces += 1,
                    Ok(_) => break false,
                    Err(_) => break true,
                }
            };
            assert_eq!(failed, !goes_on, "{pieces} pieces of {piece} bytes");
        }
    }

    #[tokio::test]
    async fn only_a_piece_that_is_not_taken_stalls() {
        let (pace, time) = (Pace::default(), Duration::from_millis(10));
        assert!(timeout(time * 5, pace.stalled(time)).await.is_err(), "the handler has given nothing yet");
        pace.gave();
        pace.taken();
        assert!(timeout(time * 5, pace.stalled(time)).await.is_err(), "the handler has nothing more to give");
        pace.gave();
        pace.stalled(time).await;
    }
}
