//! A publisher by WebRTC, from its first packet to its last: drives the stack, which has no clock and no socket, and hands on what comes
//! of it.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use reelway_core::demux::{
    rtp::{AccessUnit, Report, RtpDemuxer},
    stream::Item,
};
use str0m::{
    Event, Input, Output, Rtc,
    format::Codec,
    media::{KeyframeRequestKind, MediaData, Mid, Rid},
    net::{Protocol, Receive},
};
use tokio::time::{Instant, sleep_until};

use super::{
    super::{Inner, fault::Fault, session::Request, source::Progress},
    answer::Accepted,
    endpoint::{Coming, Datagram, Way},
};

/// How long it may take from the offer until both sides have keys, and then until it is known how media is to be decoded.
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEADER: Duration = Duration::from_secs(10);
/// How far media may run before the clock. It is sent as it is taken: what is further has other times than those of a clock.
const MOST_AHEAD: Duration = Duration::from_secs(10);
/// How long a key frame that was asked for may take until it is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(300);
/// Times of arrival begin here, so that what is earlier by little has one too.
const LEAD: Duration = Duration::from_secs(10);

/// A publisher.
pub struct Publisher {
    rtc: Rtc,
    way: Way,
    request: Request,
    demuxer: RtpDemuxer,
    begun: Instant,
    /// Since when both sides have keys.
    connected: Option<Instant>,
    /// When media came last.
    came: Instant,
    /// The stream of pictures that is taken: of several that differ in size, the one that comes first.
    pictures: Option<(Mid, Option<Rid>)>,
    /// When a key frame may be asked for again.
    may_ask: Instant,
}

impl Publisher {
    /// Of an offer that was accepted, who is the publisher of the stream of `request`.
    pub fn new(accepted: Accepted, way: Way, request: Request) -> Self {
        let [pictures, sound] = accepted.media;
        let config = &request.session.stream.config;
        let [part, segment] = [config.part, config.segment].map(|length| u32::try_from(length.as_micros()).unwrap_or(u32::MAX));
        // Nothing lasts longer than the parts that players are promised, by more than a rounding.
        let longest = part.saturating_sub(20);
        let begun = Instant::now();
        Self {
            rtc: accepted.rtc,
            way,
            request,
            demuxer: RtpDemuxer::new(pictures, sound, longest, segment),
            begun,
            connected: None,
            came: begun,
            pictures: None,
            may_ask: begun,
        }
    }

    /// Publishes to the end, well or not.
    pub async fn run(mut self, inner: &Inner) {
        let session = Arc::clone(&self.request.session);
        let name = &session.stream.name;
        let mut result = self.publish(inner).await;
        self.close().await;
        self.demuxer.finish();
        if result.is_ok()
            && let Err(fault) = self.give(inner).await
        {
            result = Err(fault);
        }
        let over = matches!(result, Ok(Progress::Over));
        inner.sessions.end(&session, over).await;
        // A server that ends waits for its publishers: until what they sent is written.
        drop(self);
        if let Err(fault) = result {
            inner.streams.figures().ingest_faults.fetch_add(1, Relaxed);
            if fault.is_of_media() {
                tracing::warn!(stream = %name, "a publisher by WebRTC is turned away: {}", fault.told().1);
            } else {
                tracing::info!(stream = %name, ?fault, "a publisher by WebRTC came to nothing");
            }
        }
    }

    async fn publish(&mut self, inner: &Inner) -> Result<Progress, Fault> {
        loop {
            let next = self.poll(inner).await?;
            if !self.rtc.is_alive() {
                return Ok(Progress::GoesOn);
            }
            self.give(inner).await?;
            self.ask();
            let next = next.min(self.deadline()?);
            tokio::select! {
                coming = self.way.next() => match coming {
                    Coming::Datagram(datagram) => self.receive(&datagram),
                    Coming::Deleted => return Ok(Progress::Over),
                    Coming::Over => return Ok(Progress::GoesOn),
                },
                () = sleep_until(next) => self.tick()?,
                () = self.request.replaced() => return Err(Fault::Replaced),
            }
        }
    }

    /// When it is to end, if nothing changes.
    fn deadline(&self) -> Result<Instant, Fault> {
        let patience = self.request.session.patience() * 2;
        let (deadline, why) = match self.connected {
            None => (self.begun + HANDSHAKE, "no connection came about"),
            Some(connected) if !self.demuxer.has_header() => (connected + HEADER, "nothing says how it is to be decoded"),
            Some(_) => (self.came + patience, "nothing came for too long"),
        };
        if deadline > Instant::now() {
            return Ok(deadline);
        }
        Err(if self.connected.is_some() && !self.demuxer.has_header() { Fault::NoMedia(why.into()) } else { Fault::Cut(why.into()) })
    }

    fn receive(&mut self, Datagram { source, destination, bytes, at }: &Datagram) {
        let Ok(contents) = bytes.as_ref().try_into() else { return };
        let received = Receive { proto: Protocol::Udp, source: *source, destination: *destination, contents };
        // A packet that cannot be read is not the end; where it is, the stack says so.
        if let Err(error) = self.rtc.handle_input(Input::Receive(at.into_std(), received)) {
            tracing::debug!(stream = %self.request.session.stream.name, %error, "a packet of WebRTC is dropped");
        }
    }

    fn tick(&mut self) -> Result<(), Fault> {
        self.rtc.handle_input(Input::Timeout(std::time::Instant::now())).map_err(|error| Fault::Cut(error.to_string()))
    }

    /// Does what the stack asks for; when it wants to be asked again.
    async fn poll(&mut self, inner: &Inner) -> Result<Instant, Fault> {
        loop {
            match self.rtc.poll_output().map_err(|error| Fault::Cut(error.to_string()))? {
                Output::Timeout(next) => return Ok(Instant::from_std(next)),
                Output::Transmit(datagram) => self.way.send(&datagram.contents, datagram.destination).await,
                Output::Event(Event::Connected) => self.connected = Some(Instant::now()),
                Output::Event(Event::MediaData(data)) => self.take(data, inner)?,
                Output::Event(_) => {}
            }
        }
    }

    /// Takes a picture or a packet of sound.
    fn take(&mut self, data: MediaData, inner: &Inner) -> Result<(), Fault> {
        self.came = Instant::now();
        self.request.came();
        inner.streams.figures().ingest_bytes.fetch_add(data.data.len() as u64, Relaxed);
        let since = data.network_time.saturating_duration_since(self.begun.into_std()) + LEAD;
        let unit = AccessUnit {
            time: data.time.numer(),
            arrival: u64::try_from(since.as_micros()).unwrap_or(u64::MAX),
            report: data.last_sender_info.map(|told| Report {
                time: u32::try_from(told.rtp_time.numer() & u64::from(u32::MAX)).unwrap_or(0),
                clock: told.ntp_time.duration_since(UNIX_EPOCH).map_or(0, |time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX)),
            }),
            payload: Bytes::from_owner(data.data),
        };
        if data.params.spec().codec == Codec::Opus {
            return Ok(self.demuxer.sound(&unit)?);
        }
        let stream = (data.mid, data.rid);
        if *self.pictures.get_or_insert(stream) == stream {
            self.demuxer.picture(&unit, data.contiguous)?;
        }
        Ok(())
    }

    /// Asks for a key frame where one is needed: by themselves browsers make none.
    fn ask(&mut self) {
        let now = Instant::now();
        if let Some((mid, rid)) = self.pictures
            && self.demuxer.wants_key_frame()
            && now >= self.may_ask
            && let Some(mut writer) = self.rtc.writer(mid)
        {
            // Who cannot be asked makes them as it likes.
            let _ = writer.request_keyframe(rid, KeyframeRequestKind::Pli);
            self.may_ask = now + ASK_AGAIN;
        }
    }

    /// Publishes what was found.
    async fn give(&mut self, inner: &Inner) -> Result<(), Fault> {
        let items: Vec<Item> = std::iter::from_fn(|| self.demuxer.poll()).collect();
        if items.is_empty() {
            return Ok(());
        }
        let session = &self.request.session;
        let mut source = session.body.lock().await;
        source.give(items, session.turn).await?;
        if source.ahead > MOST_AHEAD + inner.streams.config().get().stream(&session.stream.name).segment {
            return Err(Fault::NoMedia(format!("the times of its media run {} s before the clock", source.ahead.as_secs())));
        }
        Ok(())
    }

    /// Tells the peer that it is over.
    async fn close(&mut self) {
        if self.rtc.close().is_err() {
            return;
        }
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(datagram)) => self.way.send(&datagram.contents, datagram.destination).await,
                Ok(Output::Event(_)) => {}
                Ok(Output::Timeout(_)) | Err(_) => return,
            }
        }
    }
}
