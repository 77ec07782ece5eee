//! How fast the path delivers: samples of the delivery rate (section 4.1).

use std::collections::VecDeque;

use super::{Bandwidth, Micros};

/// Packets as small as this carry acknowledgements, which are not in flight and never acknowledged by themselves.
const MERE_ACK: u64 = 100;

/// Sends within this part of a round trip share one record: rates are measured over a round trip.
const GRAIN: Micros = 64;

/// Most records kept. Those of three round trips fit.
const MOST_SENDS: usize = 3 * 64;

/// What the connection has sent and what of it has arrived. Holds memory only while something is in flight.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivery {
    /// Bytes acknowledged so far, and when the last of them were.
    pub delivered: u64,
    delivered_at: Micros,
    /// When the packet was sent that was acknowledged last: the next sample is of what was sent since.
    first_sent: Micros,
    /// Bytes lost so far.
    lost: u64,
    /// Bytes sent and neither acknowledged nor lost.
    pub in_flight: u64,
    /// What is sent until so many bytes are delivered is less than the path could have had.
    limited_until: Option<u64>,
    /// Oldest first.
    sends: VecDeque<Send>,
    /// Of the acknowledgement that is being read: its bytes, and when the latest sent of its packets was.
    newly_acked: u64,
    newest_sent: Option<Micros>,
}

/// The state when a packet was sent, and those shortly after it.
#[derive(Clone, Copy, Debug)]
struct Send {
    sent: Micros,
    delivered: u64,
    delivered_at: Micros,
    first_sent: Micros,
    lost: u64,
    in_flight: u64,
    app_limited: bool,
}

/// What one acknowledgement tells, by the latest sent of its packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// `None` where the time it spans is too short to say.
    pub rate: Option<Bandwidth>,
    /// Bytes delivered between its sending and now.
    pub delivered: u64,
    /// Bytes that had been delivered when it was sent; `None` when that is no longer known.
    pub prior_delivered: Option<u64>,
    pub rtt: Micros,
    /// Bytes that this acknowledgement is for.
    pub newly_acked: u64,
    pub flight: Flight,
}

/// What was in flight when a packet was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flight {
    /// Those of the packet among them.
    pub bytes: u64,
    /// Bytes lost from then until now.
    pub lost: u64,
    /// The application had given less to send than the path could have had.
    pub app_limited: bool,
}

impl Delivery {
    /// Whether the application has nothing more to send, as far as is known.
    pub fn is_app_limited(&self) -> bool {
        self.limited_until.is_some()
    }

    /// What is sent from now until what is in flight has arrived is less than the path could have had (section 4.1.2.4).
    pub fn limit(&mut self) {
        self.limited_until = Some(self.delivered + self.in_flight);
    }

    /// A packet, or some at once, were sent.
    pub fn sent(&mut self, now: Micros, bytes: u64, smoothed_rtt: Micros) {
        if bytes <= MERE_ACK {
            return;
        }
        if self.in_flight == 0 {
            self.first_sent = now;
            self.delivered_at = now;
        }
        self.in_flight += bytes;
        if let Some(last) = self.sends.back_mut().filter(|last| now.saturating_sub(last.sent) < smoothed_rtt / GRAIN) {
            last.in_flight = self.in_flight;
            return;
        }
        if self.sends.len() == MOST_SENDS {
            self.sends.pop_front();
        }
        self.sends.push_back(Send {
            sent: now,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent: self.first_sent,
            lost: self.lost,
            in_flight: self.in_flight,
            app_limited: self.is_app_limited(),
        });
    }

    /// A packet is acknowledged. [`sample`](Self::sample) ends the acknowledgement.
    pub fn acked(&mut self, sent: Micros, bytes: u64) {
        self.newly_acked += bytes;
        self.newest_sent = self.newest_sent.max(Some(sent));
    }

    /// Packets are lost, the latest of them sent then.
    pub fn lost(&mut self, sent: Micros, bytes: u64) -> Flight {
        self.lost += bytes;
        self.in_flight = self.in_flight.saturating_sub(bytes);
        self.find(sent).map(|send| self.flight(send)).unwrap_or_default()
    }

    /// What the acknowledgement tells that has just been read, `None` if it was for no data. `in_flight` is left of what was sent.
    pub fn sample(&mut self, now: Micros, in_flight: u64, min_rtt: Option<Micros>) -> Option<Sample> {
        self.in_flight = in_flight;
        let sent = self.newest_sent.take()?;
        let newly_acked = std::mem::take(&mut self.newly_acked);
        self.delivered += newly_acked;
        self.delivered_at = now;
        if self.limited_until.is_some_and(|until| self.delivered > until) {
            self.limited_until = None;
        }
        let rtt = now.saturating_sub(sent).max(1);
        let mut sample = Sample { rtt, newly_acked, ..Sample::default() };
        if let Some(send) = self.find(sent) {
            sample.delivered = self.delivered - send.delivered;
            sample.prior_delivered = Some(send.delivered);
            sample.flight = self.flight(send);
            // No faster than it was sent, nor than it was acknowledged. Less than a round trip is no time to tell it by.
            let interval = sent.saturating_sub(send.first_sent).max(now.saturating_sub(send.delivered_at));
            if interval >= min_rtt.unwrap_or(1).max(1) {
                sample.rate = Some(super::rate(sample.delivered, interval));
            }
            self.first_sent = self.first_sent.max(sent);
        }
        self.forget(now, sent, rtt);
        Some(sample)
    }

    /// Frees what is known of packets that are acknowledged or lost: those sent before one that is acknowledged, more than the time
    /// ago that loss detection waits (RFC 9002 section 6.1.2).
    fn forget(&mut self, now: Micros, newest_acked: Micros, rtt: Micros) {
        if self.in_flight == 0 {
            self.sends = VecDeque::new();
            return;
        }
        let horizon = newest_acked.min(now.saturating_sub(rtt + rtt / 4));
        while self.sends.get(1).is_some_and(|next| next.sent <= horizon) {
            self.sends.pop_front();
        }
    }

    /// Records that memory is held for.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.sends.capacity()
    }

    fn find(&self, sent: Micros) -> Option<&Send> {
        let after = self.sends.partition_point(|send| send.sent <= sent);
        self.sends.get(after.checked_sub(1)?)
    }

    fn flight(&self, send: &Send) -> Flight {
        Flight { bytes: send.in_flight, lost: self.lost - send.lost, app_limited: send.app_limited }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Micros = 40_000;

    #[test]
    fn a_rate_is_what_arrived_in_the_time_it_took() {
        let mut delivery = Delivery::default();
        // 1000 bytes each millisecond for 200 ms, acknowledged a round trip later: 1 MB/s.
        let mut last = Sample::default();
        for tick in 0..200 {
            let now = tick * 1000;
            if now >= RTT {
                delivery.acked(now - RTT, 1000);
                last = delivery.sample(now, delivery.in_flight - 1000, Some(RTT)).expect("data was acknowledged");
            }
            delivery.sent(now, 1000, RTT);
        }
        let rate = last.rate.expect("a round trip has gone by");
        assert!((975_000..=1_000_000).contains(&rate), "{rate}");
        assert_eq!(last.rtt, RTT);
        assert_eq!(last.flight.lost, 0);
    }

    #[test]
    fn acknowledgements_that_come_at_once_make_no_rate() {
        let mut delivery = Delivery::default();
        for tick in 0..40 {
            delivery.sent(tick * 1000, 1000, RTT);
        }
        for tick in 0..40 {
            delivery.acked(tick * 1000, 1000);
        }
        let sample = delivery.sample(RTT, 0, Some(RTT)).expect("data was acknowledged");
        assert_eq!(sample.rate, Some(1_000_000), "40,000 bytes sent within 39 ms and acknowledged 40 ms after the first");
    }

    #[test]
    fn what_a_source_that_pauses_sends_is_told_from_what_the_path_takes() {
        let mut delivery = Delivery::default();
        delivery.sent(0, 1200, RTT);
        delivery.acked(0, 1200);
        delivery.sample(RTT, 0, None).expect("data was acknowledged");
        delivery.limit();
        delivery.sent(100_000, 1200, RTT);
        delivery.acked(100_000, 1200);
        assert!(delivery.sample(140_000, 0, None).expect("data was acknowledged").flight.app_limited);
        assert!(!delivery.is_app_limited(), "until the application runs dry again");
    }

    #[test]
    fn records_are_bounded_and_given_back() {
        let mut delivery = Delivery::default();
        for tick in 0..100_000 {
            delivery.sent(tick * 1000, 1200, RTT);
        }
        assert_eq!(delivery.sends.len(), MOST_SENDS, "nothing is ever acknowledged");
        for tick in 100_000..200_000 {
            delivery.sent(tick * 1000, 40, RTT);
        }
        assert_eq!(delivery.sends.len(), MOST_SENDS, "acknowledgements are not recorded");
        delivery.acked(99_999_000, 1200);
        delivery.sample(200_000_000, 0, Some(RTT));
        assert_eq!(delivery.held(), 0);
    }
}
