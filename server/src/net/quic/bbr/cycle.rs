//! The states (section 5.3): what is tried when.
//!
//! ```text
//! Startup --full--> Drain --empty--> Down --empty--> Cruise --time--> Refill --a round--> Up --full, or losses--> Down ...
//!                                                   any, every five seconds --> ProbeRtt --> Cruise, or Startup
//! ```

use super::{Bandwidth, Bbr, Micros, delivery::Sample, losses::is_too_much};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Doubles each round trip, until the path is full.
    Startup,
    /// Empties the queue that this made.
    Drain,
    /// ProbeBW: slower than the path, to leave room.
    Down,
    /// ProbeBW: as fast as the path.
    Cruise,
    /// ProbeBW: fills the path before more is tried.
    Refill,
    /// ProbeBW: faster, to see whether there is more.
    Up,
    /// Empties the path, to measure its round trip.
    ProbeRtt,
}

impl State {
    /// Percent of the bandwidth to send at (section 5.6.1). None: as fast as `most` lets, which quinn paces at 2.5 times the bandwidth.
    pub fn rate_gain(self) -> Option<u64> {
        match self {
            Self::Startup => None,
            Self::Drain => Some(50),
            Self::Down => Some(90),
            Self::Cruise | Self::Refill | Self::ProbeRtt => Some(100),
            Self::Up => Some(125),
        }
    }

    /// Percent of a round trip's worth that may be in flight.
    pub fn volume_gain(self) -> u64 {
        match self {
            Self::Up => 225,
            Self::ProbeRtt => 50,
            _ => 200,
        }
    }

    /// Whether what was too much in flight once is a bound, and if so, whether some of it is left to others.
    pub fn keeps_headroom(self) -> Option<bool> {
        match self {
            Self::Startup | Self::Drain => None,
            Self::Down | Self::Refill | Self::Up => Some(false),
            Self::Cruise | Self::ProbeRtt => Some(true),
        }
    }

    pub fn is_probing(self) -> bool {
        matches!(self, Self::Startup | Self::Refill | Self::Up)
    }

    pub fn is_up(self) -> bool {
        self == Self::Up
    }

    pub fn is_probe_rtt(self) -> bool {
        self == Self::ProbeRtt
    }

    fn is_in_probe_bw(self) -> bool {
        matches!(self, Self::Down | Self::Cruise | Self::Refill | Self::Up)
    }
}

/// What acknowledgements tell of probing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feedback {
    /// Nothing.
    None,
    /// Those of what was sent faster are still to come.
    Awaited,
    /// They come.
    Coming,
    /// Probing has ended, and they still come.
    Ending,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what each says may come with what every other says")]
pub(super) struct Cycle {
    pub state: State,
    feedback: Feedback,
    /// Losses are still due to probing.
    pub is_probe_sample: bool,
    /// The last probe lost too much; so the next only goes where that was (section 5.3.3.6).
    was_too_high: bool,
    was_cautious: bool,
    /// When the cycle began, and how long it may last.
    began: Micros,
    wait: Micros,
    rounds_since_up: u64,
    /// Growth of the long-term bound while in Up: bytes acknowledged, bytes for a packet more, rounds.
    up_acked: u64,
    up_acked_per_packet: u64,
    up_rounds: u32,
    drain_began: u64,
    /// When ProbeRTT may end, once the path is empty, and whether a round has gone by since.
    probe_rtt_ends: Option<Micros>,
    probe_rtt_round: bool,
    /// The window before ProbeRTT.
    most_before: u64,
    /// Sending has begun anew after a pause, and nothing is acknowledged since.
    is_resumed: bool,
    random: u64,
}

impl Cycle {
    pub fn new(seed: u64) -> Self {
        Self {
            state: State::Startup,
            feedback: Feedback::None,
            is_probe_sample: false,
            was_too_high: false,
            was_cautious: false,
            began: 0,
            wait: 0,
            rounds_since_up: 0,
            up_acked: 0,
            up_acked_per_packet: u64::MAX,
            up_rounds: 0,
            drain_began: 0,
            probe_rtt_ends: None,
            probe_rtt_round: false,
            most_before: 0,
            is_resumed: false,
            random: seed | 1,
        }
    }

    /// The probe lost more than it may: it is answered once.
    pub fn went_too_high(&mut self) {
        self.was_too_high = true;
        self.is_probe_sample = false;
    }

    /// A number below `bound`, by xorshift.
    fn random(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 16) % bound
    }
}

/// `ProbeRTTDuration`.
const PROBE_RTT: Micros = 200_000;

/// Rounds after which Drain ends in any case.
const DRAIN_ROUNDS: u64 = 3;

/// Most rounds between two probes, so that Reno and Cubic have as many without our losses as they need (section 5.3.3.8).
const RENO_ROUNDS: u64 = 63;

impl Bbr {
    /// After each acknowledgement.
    pub(super) fn advance(&mut self, now: Micros, sample: &Sample) {
        if self.rounds.is_start {
            self.cycle.rounds_since_up += 1;
        }
        if self.cycle.state == State::Startup && self.full_pipe.ever {
            self.cycle.state = State::Drain;
            self.cycle.drain_began = self.rounds.count;
        }
        if self.cycle.state == State::Drain && self.is_drained() {
            self.go_down(now);
        }
        if self.full_pipe.ever && !self.adapt(sample) {
            self.probe_bandwidth(now, sample);
        }
        // The draft only counts pauses (section 5.3.4.2), which live media of a short period on a long path does not have.
        let is_empty = sample.flight.app_limited && (!self.full_pipe.ever || sample.flight.bytes <= self.probe_rtt_window());
        let is_due = self.min_rtt.update(now, sample.rtt, is_empty);
        self.probe_rtt(now, is_due);
        if sample.newly_acked > 0 {
            self.cycle.is_resumed = false;
        }
    }

    fn is_drained(&self) -> bool {
        self.delivery.in_flight <= self.full() || self.rounds.count > self.cycle.drain_began + DRAIN_ROUNDS
    }

    fn probe_bandwidth(&mut self, now: Micros, sample: &Sample) {
        let state = self.cycle.state;
        match state {
            State::Down | State::Cruise if self.is_time_to_probe(now) => self.refill(),
            State::Down if self.is_time_to_cruise() => self.cycle.state = State::Cruise,
            State::Refill if self.rounds.is_start => {
                self.cycle.is_probe_sample = true;
                self.go_up(sample.rate.unwrap_or(0));
            }
            State::Up if self.is_time_to_go_down(sample) => {
                self.cycle.was_too_high = false;
                self.go_down(now);
            }
            _ => {}
        }
    }

    fn is_time_to_probe(&self, now: Micros) -> bool {
        let reno = (self.target() / self.mtu).min(RENO_ROUNDS);
        now > self.cycle.began + self.cycle.wait || self.cycle.rounds_since_up >= reno
    }

    fn is_time_to_cruise(&self) -> bool {
        let free = self.losses.long_with_headroom(self.mtu).max(self.least_window());
        self.delivery.in_flight <= self.full().min(free)
    }

    fn is_time_to_go_down(&mut self, sample: &Sample) -> bool {
        if self.cycle.was_too_high && self.delivery.in_flight >= self.losses.long {
            self.cycle.was_cautious = true;
            return true;
        }
        if self.is_held_by_long() {
            self.full_pipe.look(sample.rate.unwrap_or(0));
            return false;
        }
        self.full_pipe.now
    }

    /// All was in flight that may be, and the long-term bound is what it may be.
    fn is_held_by_long(&self) -> bool {
        (self.rounds.was_full.0 || self.rounds.was_full.1) && self.most >= self.losses.long
    }

    pub(super) fn go_down(&mut self, now: Micros) {
        self.losses.forget_round();
        self.cycle.up_acked_per_packet = u64::MAX;
        self.cycle.rounds_since_up = self.cycle.random(2);
        self.cycle.wait = 2_000_000 + self.cycle.random(1_000_001);
        self.cycle.began = now;
        self.cycle.feedback = Feedback::Ending;
        self.rounds.start(self.delivery.delivered);
        self.cycle.state = State::Down;
    }

    fn refill(&mut self) {
        self.losses.forget_cycle();
        self.cycle.up_rounds = 0;
        self.cycle.up_acked = 0;
        self.cycle.was_cautious = false;
        self.cycle.feedback = Feedback::None;
        self.rounds.start(self.delivery.delivered);
        self.cycle.state = State::Refill;
    }

    fn go_up(&mut self, rate: Bandwidth) {
        self.cycle.feedback = Feedback::Awaited;
        self.rounds.start(self.delivery.delivered);
        self.full_pipe.look(rate);
        self.cycle.state = State::Up;
        self.steepen();
    }

    /// The long-term bound grows by twice as many packets in the next round trip.
    fn steepen(&mut self) {
        self.cycle.up_acked_per_packet = (self.most >> self.cycle.up_rounds).max(self.mtu);
        self.cycle.up_rounds = (self.cycle.up_rounds + 1).min(30);
    }

    /// Follows what probing shows (`AdaptLongTermModel`). Whether it has decided on a state.
    fn adapt(&mut self, sample: &Sample) -> bool {
        if self.rounds.is_start && self.cycle.feedback == Feedback::Awaited {
            self.cycle.feedback = Feedback::Coming;
        }
        if self.rounds.is_start && self.cycle.feedback == Feedback::Ending {
            self.cycle.is_probe_sample = false;
            self.cycle.feedback = Feedback::None;
            if self.cycle.state.is_in_probe_bw() {
                if !sample.flight.app_limited {
                    self.max_bandwidth.advance();
                }
                if self.cycle.was_cautious && !self.cycle.was_too_high {
                    self.refill();
                    return true;
                }
            }
        }
        if is_too_much(&sample.flight) || self.losses.long == u64::MAX {
            return false;
        }
        self.losses.long = self.losses.long.max(sample.flight.bytes);
        if self.cycle.state == State::Up && self.is_held_by_long() {
            self.cycle.up_acked += sample.newly_acked;
            let packets = self.cycle.up_acked / self.cycle.up_acked_per_packet;
            self.cycle.up_acked -= packets * self.cycle.up_acked_per_packet;
            self.losses.long += packets * self.mtu;
            if self.rounds.is_start {
                self.steepen();
            }
        }
        false
    }

    /// Every five seconds in which no shorter round trip was seen, the path is emptied to measure it (section 5.3.4).
    fn probe_rtt(&mut self, now: Micros, is_due: bool) {
        if is_due && self.cycle.state != State::ProbeRtt && !self.cycle.is_resumed {
            self.cycle.most_before = self.most;
            self.cycle.probe_rtt_ends = None;
            self.cycle.feedback = Feedback::Ending;
            self.rounds.start(self.delivery.delivered);
            self.cycle.state = State::ProbeRtt;
        }
        if self.cycle.state != State::ProbeRtt {
            return;
        }
        // The rates of these round trips say nothing.
        self.delivery.limit();
        if self.cycle.probe_rtt_ends.is_none() {
            if self.delivery.in_flight <= self.probe_rtt_window() {
                self.cycle.probe_rtt_ends = Some(now + PROBE_RTT);
                self.cycle.probe_rtt_round = false;
                self.rounds.start(self.delivery.delivered);
            }
            return;
        }
        self.cycle.probe_rtt_round |= self.rounds.is_start;
        if self.cycle.probe_rtt_round {
            self.end_probe_rtt(now);
        }
    }

    fn end_probe_rtt(&mut self, now: Micros) {
        if self.cycle.probe_rtt_ends.is_none_or(|ends| now <= ends) {
            return;
        }
        self.min_rtt.measured(now);
        self.most = self.most.max(self.cycle.most_before);
        self.losses.forget_cycle();
        if self.full_pipe.ever {
            self.go_down(now);
            self.cycle.state = State::Cruise;
        } else {
            self.cycle.state = State::Startup;
        }
    }

    /// The application sends again after a pause (section 5.4): at the rate that the path is known to take.
    pub(super) fn resume(&mut self, now: Micros) {
        self.cycle.is_resumed = true;
        self.extra_acked.restart(now);
        if self.cycle.state.is_in_probe_bw() {
            self.window = self.paced(Some(100));
        } else if self.cycle.state == State::ProbeRtt {
            self.end_probe_rtt(now);
            self.window = self.paced(self.cycle.state.rate_gain());
        }
    }
}
