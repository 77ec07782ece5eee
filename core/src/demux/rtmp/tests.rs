//! Sessions with peers that do what encoders do, and what none does.

use alloc::{vec, vec::Vec};

use super::*;
use crate::demux::amf::{self, Value, text};

/// A peer: what it writes.
#[derive(Default)]
struct Peer(Writer);

/// Parameter sets of x264, 320 x 180; the description of H.264 around them; AAC-LC at 48 kHz.
const AVC: [u8; 45] = [
    0x17, 0, 0, 0, 0, 1, 0x42, 0xc0, 0x0d, 0xff, 0xe1, 0, 0x18, 0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x06, 0x7e, 0x7c, 0x04, 0x40, 0, 0, 3,
    0, 0x40, 0, 0, 0x0c, 0x83, 0xc5, 0x0a, 0xa8, 1, 0, 4, 0x68, 0xce, 0x0f, 0xc8, 0, 0,
];
const AAC: [u8; 4] = [0xaf, 0, 0x11, 0x90];

impl Peer {
    fn handshake(mut self) -> Self {
        self.0.u8(3);
        self.0.zeros(2 * HANDSHAKE);
        self
    }

    fn send(mut self, kind: u8, stream: u32, timestamp: u32, body: impl Into<Bytes>) -> Self {
        chunk::write(
            &mut self.0,
            if matches!(kind, 8 | 9) { kind } else { 3 },
            &Message { kind, stream, timestamp, body: body.into() },
            128,
        );
        self
    }

    fn command(self, stream: u32, values: &[Value]) -> Self {
        self.send(20, stream, 0, amf::write(values))
    }

    fn connect(self) -> Self {
        let object = Value::Object(vec![("app".into(), text("live"))]);
        self.handshake()
            .command(0, &[text("connect"), Value::Number(1.0), object])
            .command(0, &[text("createStream"), Value::Number(2.0), Value::Nothing])
    }

    fn publish(self) -> Self {
        self.connect().command(1, &[text("publish"), Value::Number(3.0), Value::Nothing, text("news?key=hush"), text("live")])
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// The items of a session that is let in, and whether it said that it has ended.
fn items(bytes: &[u8], piece: usize) -> Result<(Vec<Item>, bool)> {
    let (mut session, mut items, mut ended) = (Session::new(), Vec::new(), false);
    for piece in bytes.chunks(piece) {
        session.push(piece)?;
        while let Some(event) = session.poll() {
            match event {
                Event::Publish { app, name } => {
                    assert_eq!((app.as_str(), name.as_str()), ("live", "news?key=hush"));
                    session.accept()?;
                }
                Event::Item(item) => items.push(item),
                Event::Ended => ended = true,
            }
        }
    }
    Ok((items, ended))
}

fn picture(sync: bool) -> Vec<u8> {
    // One unit, a slice.
    vec![if sync { 0x17 } else { 0x27 }, 1, 0, 0, 0, 0, 0, 0, 2, if sync { 0x65 } else { 0x41 }, 9]
}

/// Each as `track: time + duration`, `H` for a header.
fn told(items: &[Item]) -> Vec<String> {
    let tell = |item: &Item| match item {
        Item::Header(tracks) => format!("H{}", tracks.len()),
        Item::Sample { track, sample } => {
            format!("{track}: {}+{}{}", sample.decode_time, sample.duration, if sample.sync { "" } else { "-" })
        }
        other => format!("{other:?}"),
    };
    items.iter().map(tell).collect()
}

#[test]
fn a_session_in_pieces_of_any_length() {
    let mut peer = Peer::default().publish().send(9, 1, 0, AVC.to_vec()).send(8, 1, 0, AAC.to_vec());
    for n in 0..3 {
        peer = peer.send(9, 1, n * 40, picture(n == 0)).send(8, 1, n * 21, vec![0xaf, 1, 7]);
    }
    let end = [text("deleteStream"), Value::Number(0.0), Value::Nothing, Value::Number(1.0)];
    let bytes = peer.command(0, &end).bytes();
    for piece in [1, 7, 100, 5000] {
        let (items, ended) = items(&bytes, piece).unwrap();
        // Milliseconds of sound are those of its frames, to the sample.
        let expected = ["H2", "1: 0+1024", "0: 0+40", "1: 1024+1024", "0: 40+40-", "1: 2048+1024", "0: 80+40-"];
        assert_eq!((told(&items), ended), (expected.map(String::from).to_vec(), true), "{piece}");
        let Item::Header(tracks) = &items[0] else { unreachable!("it was the first") };
        let strings: Vec<_> = tracks.iter().map(|track| track.codec.string.as_str()).collect();
        assert_eq!((strings, tracks[0].dimensions), (vec!["avc1.42C00D", "mp4a.40.2"], (320 << 16, 180 << 16)));
    }
}

#[test]
fn what_is_answered() {
    let mut session = Session::new();
    session.push(&Peer::default().publish().bytes()).unwrap();
    assert!(matches!(session.poll(), Some(Event::Publish { .. })) && session.is_begun());
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let answer = session.to_send();
    assert_eq!((answer[0], answer.len() > 1 + 2 * HANDSHAKE), (VERSION, true));
    assert!(["NetConnection.Connect.Success", "hvc1", "av01", "Opus", "_result"].iter().all(|text| has(&answer, text)));
    assert!(!has(&answer, "onStatus"));
    // Media waits until it is decided.
    session.push(&Peer::default().send(9, 1, 0, AVC.to_vec()).bytes()).unwrap();
    assert!(session.poll().is_none());
    session.refuse("not so");
    let answer = session.to_send();
    assert!(has(&answer, "NetStream.Publish.BadName") && has(&answer, "not so"));
    // A viewer.
    let mut session = Session::new();
    let play = [text("play"), Value::Number(0.0), Value::Nothing, text("news")];
    session.push(&Peer::default().connect().command(1, &play).bytes()).unwrap();
    assert!(has(&session.to_send(), "viewers come by HTTP") && session.poll().is_none());
    // A ping; what is received is acknowledged.
    let mut session = Session::new();
    session.push(&Peer::default().publish().bytes()).unwrap();
    session.accept().unwrap();
    session.to_send();
    session.push(&Peer::default().send(4, 0, 0, vec![0, 6, 1, 2, 3, 4]).bytes()).unwrap();
    assert!(session.to_send().ends_with(&[0, 7, 1, 2, 3, 4]));
    session.push(&Peer::default().send(5, 0, 0, 65_536u32.to_be_bytes().to_vec()).send(18, 1, 0, vec![5; 60_000]).bytes()).unwrap();
    assert!(session.to_send().windows(8).any(|window| window == [2, 0, 0, 0, 0, 0, 4, 3]), "an acknowledgement");
}

#[test]
fn timestamps_wrap_descriptions_change_and_aggregates_come_apart() {
    let last = u32::MAX - 30;
    let mut other = AVC;
    other[8] = 0x15;
    let tag = |kind: u8, time: u32, body: &[u8]| {
        let length = u32::try_from(body.len()).unwrap();
        let (length, time) = (length.to_be_bytes(), time.to_be_bytes());
        [&[kind], &length[1..], &time[1..], &time[..1], &[0, 0, 0], body, &[0, 0, 0, 0]].concat()
    };
    let aggregate = [tag(9, 500, &picture(false)), tag(9, 540, &picture(false))].concat();
    let peer = Peer::default().publish().send(
        18,
        1,
        0,
        amf::write(&[text("@setDataFrame"), text("onMetaData"), Value::Object(vec![("videocodecid".into(), Value::Number(7.0))])]),
    );
    let peer = peer.send(9, 1, last, AVC.to_vec()).send(9, 1, last, picture(true)).send(9, 1, last.wrapping_add(40), picture(false));
    let peer = peer.send(9, 1, last.wrapping_add(80), other.to_vec()).send(9, 1, last.wrapping_add(80), picture(true));
    let peer = peer.send(9, 1, last.wrapping_add(80), other.to_vec()).send(22, 1, last.wrapping_add(120), aggregate);
    let (items, ended) = items(&peer.send(9, 1, last.wrapping_add(200), picture(false)).bytes(), 64).unwrap();
    let time = |after: u64| u64::from(last) + after;
    let expected = [
        "H1".into(),
        format!("0: {}+40", time(0)),
        format!("0: {}+40-", time(40)),
        "H1".into(),
        format!("0: {}+40", time(80)),
        format!("0: {}+40-", time(120)),
        format!("0: {}+40-", time(160)),
    ];
    assert_eq!((told(&items), ended), (expected.to_vec(), false));
}

#[test]
fn every_codec_by_its_four_letters() {
    let av1 = b"\x90av01\x81\x00\x0c\0\x0a\x0a\0\0\0\x02\xaf\xff\xbf\xff\x30\x08";
    let vp9 = b"\x90vp09\0\x0a\x82\x02\x02\x02\0\0";
    let vp9_frame = b"\x91vp09\x82\x49\x83\x42\x20\x13\xf0\x0b\x36";
    let opus = b"\x90OpusOpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
    let ac3 = b"\x91ac-3\x0b\x77\0\0\x1c\x40\xe1\xde";
    for (video, frame, audio, sound, expected) in [
        (&av1[..], &b"\x91av01x"[..], &opus[..], &b"\x91Opus\xfc\0"[..], ["av01.0.00M.08", "Opus"]),
        (vp9, vp9_frame, b"", ac3, ["vp09.00.10.08.01.02.02.02.00", "ac-3"]),
    ] {
        let peer = Peer::default().publish().send(9, 1, 0, video.to_vec()).send(8, 1, 0, audio.to_vec());
        let peer = peer.send(9, 1, 0, frame.to_vec()).send(8, 1, 0, sound.to_vec()).send(9, 1, 40, frame.to_vec());
        let (items, _) = items(&peer.bytes(), 1000).unwrap();
        let header = items.iter().find_map(|item| if let Item::Header(tracks) = item { Some(tracks) } else { None });
        let strings: Vec<_> = header.unwrap().iter().map(|track| track.codec.string.clone()).collect();
        assert_eq!(strings, expected);
        assert_eq!(items.iter().filter(|item| matches!(item, Item::Sample { .. })).count(), 2, "{items:?}");
    }
}

#[test]
fn what_no_encoder_does() {
    let shake = || Peer::default().handshake();
    for (bytes, told) in [
        (vec![6], "this is no RTMP"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "this is no RTMP"),
        (shake().send(9, 1, 0, AVC.to_vec()).bytes(), "media before the peer has asked"),
        (shake().send(1, 0, 0, vec![0; 4]).bytes(), "chunks of 0 bytes"),
        (shake().send(1, 0, 0, vec![1]).bytes(), "4 bytes are needed"),
        (shake().send(20, 0, 0, vec![5; 65 << 10]).bytes(), "a command of 66560 bytes"),
        (shake().send(20, 0, 0, vec![10, 0xff, 0xff, 0xff, 0xff]).bytes(), "1 bytes are needed"),
        (Peer::default().publish().send(9, 1, 0, vec![0x17, 0]).bytes(), "3 bytes are needed"),
    ] {
        let error = items(&bytes, 4096).unwrap_err();
        assert!(error.message().contains(told), "{error}");
    }
    // What is not carried is left out.
    let peer = Peer::default().publish().send(9, 1, 0, vec![0x12, 0]).send(8, 1, 0, AAC.to_vec()).send(8, 1, 0, vec![0xaf, 1, 7]);
    assert_eq!(told(&items(&peer.bytes(), 4096).unwrap().0), ["H1", "0: 0+1024"]);
}
