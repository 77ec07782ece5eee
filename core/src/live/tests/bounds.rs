//! What is kept is bounded, whatever comes.

use super::*;

/// Everything that is kept is bounded by the window, however long the stream lasts.
#[test]
fn the_window_is_bounded() {
    let mut source = Source::new(Config { window: 20_000, ..Config::default() });
    source.run(0, 200_000, 0).unwrap();
    let window = source.live.window(source.v()).unwrap();
    assert_eq!(window.segments.len(), 10);
    let removed: Vec<u32> = source
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Removed { rendition, segment } if *rendition == source.v() => Some(*segment),
            _ => None,
        })
        .collect();
    // Listed for 20 s, and to be had for its own 2 s and the 20 s of the playlist that listed it.
    assert_eq!(removed, (1..=u32::try_from(removed.len()).unwrap()).collect::<Vec<_>>());
    assert!((75..=79).contains(&removed.len()), "{}", removed.len());
    assert!(source.live.cuts.periods().count() == 1);
}

/// A hostile clock that jumps with every sample costs no more than the window.
#[test]
fn clocks_that_jump_all_the_time_are_bounded() {
    let mut live = Live::new(Config { window: 20_000, ..Config::default() }).unwrap();
    let video = live.add(&video_track(), START).unwrap();
    for number in 0..5000u64 {
        let mut sample = frame(number, 1);
        sample.decode_time = (number % 7) * 1_000_000_000 + number * 512;
        let _ = live.push(video, sample, START.after(i64::try_from(number).unwrap() * 40_000));
        while live.poll().is_some() {}
    }
    assert!(live.window(video).unwrap().segments.len() <= 84);
    assert!(live.cuts.periods().count() <= 90, "{}", live.cuts.periods().count());
}

#[test]
fn sound_that_runs_ahead_is_refused_before_it_costs_memory() {
    let mut source = Source::new(Config::default());
    source.run(0, 1000, 0).unwrap();
    let refused = (47..20_000).find_map(|number| source.live.push(source.a(), sound(number), at(1000)).err());
    assert!(refused.is_some_and(|error| error.message().starts_with("a1 runs ahead: 8192 samples")));
}
