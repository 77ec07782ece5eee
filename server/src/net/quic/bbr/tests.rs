//! What the controller does on paths of many kinds, by quinn itself over computed paths, beside Cubic where there is something to compare.

#![expect(clippy::cast_precision_loss, reason = "far below 2^53")]
#![expect(clippy::unchecked_time_subtraction, reason = "clocks of the simulation only go forward")]

use std::time::{Duration, Instant};

use quinn::congestion::Controller;

use super::{
    Bbr,
    simulation::{Link, Seen, Simulation, Source, bbr, cubic},
};

const FILE: u64 = 20_000_000;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A megabit of packets carries so much data.
const DATA: f64 = 0.97;

/// 20 MB over 100 Mbit/s and 40 ms with a queue of 40 ms: seconds, and the share of packets lost.
fn file(controller: std::sync::Arc<dyn quinn::congestion::ControllerFactory + Send + Sync>, loss: u64) -> (f64, f64) {
    let mut simulation = Simulation::new(Link::new(100, 40, 40).losing(loss));
    let flow = simulation.add(controller, Source::Bytes(FILE));
    let took = simulation.until(flow, FILE, seconds(120)).expect("the file arrives");
    let (sent, lost) = simulation.flows[flow].packets();
    (took, lost as f64 / sent as f64)
}

#[test]
fn a_path_that_loses_packets_is_used() {
    let (cubic_took, cubic_lost) = file(cubic(), 0);
    let (took, lost) = file(bbr(1), 0);
    assert!(took < cubic_took * 1.1 && lost < cubic_lost, "none lost at random: {took} s, {lost}; Cubic {cubic_took} s, {cubic_lost}");

    let (cubic_took, _) = file(cubic(), 10_000);
    let (took, lost) = file(bbr(1), 10_000);
    assert!(took < 2.2 && lost < 0.02, "1 %: {took} s, {lost}");
    assert!(took * 10.0 < cubic_took, "Cubic waits for rounds without loss, which do not come: {cubic_took} s");

    let (took, lost) = file(bbr(1), 30_000);
    assert!(took < 2.7 && lost < 0.045, "3 %: {took} s, {lost}");
}

#[test]
fn a_long_transfer_fills_the_path_and_not_its_queue() {
    for (megabits, rtt, queue) in [(100, 40, 40), (20, 100, 100), (5, 20, 500)] {
        let mut simulation = Simulation::new(Link::new(megabits, rtt, queue));
        let flow = simulation.add(bbr(1), Source::Endless);
        simulation.run(seconds(4));
        let begun = simulation.link.seen;
        simulation.run(seconds(16));
        let (rate, wait) = (simulation.megabits(flow, seconds(16)), simulation.link.seen.mean_wait(&begun));
        let loss = simulation.link.seen.loss(&begun);
        let case = format!("{megabits} Mbit/s, {rtt} ms, queue of {queue} ms: {rate} Mbit/s, a wait of {wait} ms, loss {loss}");
        assert!(rate > megabits as f64 * DATA * 0.94, "{case}");
        assert!(wait < rtt as f64 && loss < 0.005, "{case}");
    }
}

#[test]
fn a_shallow_queue_is_not_flooded() {
    let run = |controller| {
        let mut simulation = Simulation::new(Link::new(100, 40, 5));
        let flow = simulation.add(controller, Source::Endless);
        simulation.run(seconds(10));
        (simulation.megabits(flow, seconds(10)), simulation.link.seen.loss(&Seen::default()))
    };
    let (cubic_rate, _) = run(cubic());
    let (rate, loss) = run(bbr(1));
    assert!(rate > cubic_rate * 0.9 && loss < 0.02, "{rate} Mbit/s, loss {loss}; Cubic {cubic_rate} Mbit/s");
}

#[test]
fn a_policer_is_kept_to() {
    let mut link = Link::new(10, 40, 0);
    link.policer = Some(100_000);
    let mut simulation = Simulation::new(link);
    let flow = simulation.add(bbr(1), Source::Endless);
    simulation.run(seconds(3));
    let begun = simulation.link.seen;
    simulation.run(seconds(17));
    let (rate, loss) = (simulation.megabits(flow, seconds(17)), simulation.link.seen.loss(&begun));
    assert!(rate > 8.5 && loss < 0.15, "{rate} Mbit/s, loss {loss}");
}

#[test]
fn a_rate_that_falls_to_a_tenth_and_comes_back_is_followed() {
    let mut simulation = Simulation::new(Link::new(100, 40, 40));
    let flow = simulation.add(bbr(1), Source::Endless);
    simulation.run(seconds(5));
    simulation.link.rate /= 10;
    simulation.link.queue /= 10;
    simulation.run(seconds(6));
    let begun = simulation.link.seen;
    simulation.run(seconds(9));
    let (rate, loss) = (simulation.megabits(flow, seconds(9)), simulation.link.seen.loss(&begun));
    assert!(rate > 8.5 && loss < 0.03, "of 10 Mbit/s {rate}, loss {loss}");
    simulation.link.rate *= 10;
    simulation.link.queue *= 10;
    simulation.run(seconds(8));
    let rate = simulation.megabits(flow, seconds(4));
    assert!(rate > 80.0, "of 100 Mbit/s {rate} four seconds after it came back");
}

/// Milliseconds from the time that each piece of `bytes` was there to be sent until it has arrived, over 40 s.
fn latencies(
    controller: std::sync::Arc<dyn quinn::congestion::ControllerFactory + Send + Sync>,
    loss: u64,
    bytes: u64,
    each: u64,
) -> Vec<f64> {
    let mut simulation = Simulation::new(Link::new(20, 40, 100).losing(loss));
    let flow = simulation.add(controller, Source::Live(bytes, Duration::from_millis(each)));
    simulation.run(seconds(40));
    let arrived = |piece| simulation.flows[flow].took(piece * bytes).map_or(f64::INFINITY, |took| took.as_secs_f64() * 1000.0);
    (1..=39_000 / each).map(|piece| arrived(piece) - (piece * each) as f64).collect()
}

fn percentile(latencies: &[f64], percent: usize) -> f64 {
    let mut sorted = latencies.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) * percent / 100]
}

#[test]
fn live_media_is_not_held_up() {
    let quiet = latencies(bbr(1), 0, 12_000, 33);
    assert!(percentile(&quiet, 100) < 60.0, "the path is never emptied for it, as it is: {}", percentile(&quiet, 100));
    let lossy = latencies(bbr(1), 10_000, 12_000, 33);
    let beside = latencies(cubic(), 10_000, 12_000, 33);
    let (ours, theirs) = (percentile(&lossy, 95), percentile(&beside, 95));
    assert!(ours < 80.0 && ours * 2.0 < theirs, "a loss is one round trip more: {ours} ms, Cubic {theirs} ms");
}

#[test]
fn a_viewer_that_pauses_keeps_its_rate() {
    // Of a megabyte, 20 Mbit/s need 413 ms with their headers, and the path 20 ms.
    for (loss, most) in [(0, 460.0), (10_000, 540.0)] {
        let segments = latencies(bbr(1), loss, 1_000_000, 4000);
        assert!(percentile(&segments, 100) < most, "loss {loss}: {segments:?}");
    }
}

#[test]
fn others_have_their_share() {
    for queue in [40, 100] {
        for (first, second, names) in [(bbr(1), bbr(2), "BBR, BBR"), (bbr(1), cubic(), "BBR, Cubic"), (cubic(), bbr(2), "Cubic, BBR")] {
            let mut simulation = Simulation::new(Link::new(20, 40, queue));
            let first = simulation.add(first, Source::Endless);
            simulation.run(seconds(5));
            let second = simulation.add(second, Source::Endless);
            simulation.run(seconds(40));
            let [first, second] = [first, second].map(|flow| simulation.megabits(flow, seconds(30)));
            let case = format!("queue of {queue} ms: {names} have {first} and {second} of 20 Mbit/s");
            assert!(first + second > 20.0 * DATA * 0.93, "{case}");
            assert!(first.min(second) > 5.5, "{case}");
        }
    }
}

#[test]
fn acknowledgements_that_come_together_are_not_waited_for() {
    let mut link = Link::new(100, 40, 40);
    link.gather = Duration::from_millis(20);
    let mut simulation = Simulation::new(link);
    let flow = simulation.add(bbr(1), Source::Endless);
    simulation.run(seconds(10));
    let (rate, loss) = (simulation.megabits(flow, seconds(8)), simulation.link.seen.loss(&Seen::default()));
    assert!(rate > 90.0 && loss < 0.03, "{rate} Mbit/s, loss {loss}");
}

#[test]
fn a_path_that_becomes_longer_is_used_again() {
    let mut simulation = Simulation::new(Link::new(50, 40, 40));
    let flow = simulation.add(bbr(1), Source::Endless);
    simulation.run(seconds(5));
    simulation.link.delay *= 2;
    simulation.run(seconds(5));
    let at_once = simulation.megabits(flow, seconds(4));
    assert!(at_once > 50.0 * 0.6, "before it is known: {at_once}");
    simulation.run(seconds(12));
    let rate = simulation.megabits(flow, seconds(4));
    assert!(rate > 50.0 * DATA * 0.85, "after the shortest round trip is measured anew: {rate}");
}

/// What quinn tells of one acknowledgement of one packet.
fn acknowledge(controller: &mut Bbr, now: Instant, sent: Instant, bytes: u64, in_flight: u64) {
    let sent = controller.micros(sent);
    controller.delivery.acked(sent, bytes);
    controller.on_end_acks(now, in_flight, false, None);
}

/// A controller that has sent and had acknowledged 1200 bytes each millisecond with a round trip of 40 ms for so many of them.
fn steady(milliseconds: u32) -> (Bbr, Instant) {
    let began = Instant::now();
    let at = |millisecond| began + Duration::from_millis(1) * millisecond;
    let mut controller = Bbr::new(began, 1200, 48_000, 1);
    for now in 0..milliseconds {
        if now >= 40 {
            let in_flight = controller.delivery.in_flight - 1200;
            acknowledge(&mut controller, at(now), at(now - 40), 1200, in_flight);
        }
        controller.on_sent(at(now), 1200, u64::from(now));
    }
    (controller, at(milliseconds))
}

#[test]
fn a_mark_of_congestion_slows_down() {
    let (mut controller, mut now) = steady(1000);
    let before = controller.window();
    for _ in 0..10 {
        controller.on_congestion_event(now, now - Duration::from_millis(40), false, 0);
        for _ in 0..50 {
            let in_flight = controller.delivery.in_flight;
            controller.on_sent(now, 400, 0);
            acknowledge(&mut controller, now, now - Duration::from_millis(40), 400, in_flight);
            now += Duration::from_millis(1);
        }
    }
    assert!(controller.window() < before, "{before} -> {}", controller.window());
}

#[test]
fn persistent_congestion_leaves_the_least_window_and_growth_from_there() {
    let (mut controller, now) = steady(1000);
    controller.on_congestion_event(now, now - Duration::from_millis(1), true, 40 * 1200);
    assert_eq!(controller.window(), 4 * 1200);
    controller.on_sent(now, 4 * 1200, 0);
    acknowledge(&mut controller, now + Duration::from_millis(40), now, 4 * 1200, 0);
    assert!(controller.window() > 4 * 1200);
}

#[test]
fn a_larger_packet_widens_the_least_window() {
    let mut controller = Bbr::new(Instant::now(), 1200, 4800, 1);
    controller.on_mtu_update(1452);
    assert_eq!(controller.window(), 4 * 1452);
}

#[test]
fn an_idle_connection_holds_little() {
    let mut simulation = Simulation::new(Link::new(100, 40, 40).losing(10_000));
    let flow = simulation.add(bbr(1), Source::Bytes(FILE / 4));
    simulation.run(seconds(5));
    let controller = simulation.flows[flow].controller().expect("the connection stands").clone_box().into_any();
    let controller = controller.downcast::<Bbr>().expect("the controller is ours");
    assert_eq!(controller.delivery.held(), 0, "nothing is in flight");
    assert!(size_of::<Bbr>() <= 640, "{}", size_of::<Bbr>());
}

#[test]
fn no_order_of_events_breaks_it() {
    let began = Instant::now();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) % bound
    };
    for case in 0..50 {
        let mut controller = Bbr::new(began, 1200, 48_000, case);
        let mut now = began;
        for _ in 0..5000 {
            now += Duration::from_micros([0, 1, 500, 40_000, 10_000_000][usize::try_from(next(5)).expect("few")]);
            let sent = now.checked_sub(Duration::from_micros(next(20_000_000))).unwrap_or(began);
            match next(5) {
                0 | 1 => controller.on_sent(now, next(100_000), 0),
                2 => acknowledge(&mut controller, now, sent, next(1 << 40), next(1 << 40)),
                3 => controller.on_congestion_event(now, sent, next(50) == 0, next(3) * next(1 << 30)),
                _ => controller.on_mtu_update(u16::try_from(1200 + next(300)).expect("small")),
            }
            assert!(controller.window() >= 4 * 1200);
        }
    }
}
