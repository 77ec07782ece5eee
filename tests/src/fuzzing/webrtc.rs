//! Any bytes as what comes by WebRTC behind the encryption: access units with their times, and the certificate of the peer. Samples follow each
//! other, the point of a key is in its certificate, and nothing panics.

use bytes::Bytes;
use reelway::ingest::whip::crypto::certificate::public_key;
use reelway_core::demux::{
    rtp::{AccessUnit, Report, RtpDemuxer},
    stream::Item,
};

/// Bytes before the payload of a unit: kind, time, time of arrival, report, length.
const HEAD: usize = 1 + 4 + 2 + 4 + 1;

/// Reads units, and all of it as a certificate.
pub fn webrtc(bytes: &[u8]) {
    if let Some((_, point)) = public_key(bytes) {
        assert!(bytes.windows(point.len().max(1)).any(|window| window == point) || point.is_empty());
    }
    let mut demuxer = RtpDemuxer::new(true, true, 200_000, 1_000_000);
    let mut arrival = 1_000_000;
    let mut rest = bytes;
    while let Some((head, behind)) = rest.split_first_chunk::<HEAD>() {
        let [kind, t0, t1, t2, t3, a0, a1, r0, r1, r2, r3, length] = *head;
        let (payload, behind) = behind.split_at(behind.len().min(length.into()));
        rest = behind;
        arrival += u64::from(u16::from_be_bytes([a0, a1])) * 1000;
        let clock = i32::from_be_bytes([r0, r1, r2, r3]);
        let unit = AccessUnit {
            payload: Bytes::copy_from_slice(payload),
            time: u64::from(u32::from_be_bytes([t0, t1, t2, t3])) << (kind >> 4 & 1),
            arrival,
            report: (kind & 8 != 0).then_some(Report { time: clock.cast_unsigned(), clock: i64::from(clock) * 1000 }),
        };
        let read = if kind & 1 == 0 { demuxer.picture(&unit, kind & 2 == 0) } else { demuxer.sound(&unit) };
        check(&mut demuxer);
        if read.is_err() {
            break;
        }
    }
    demuxer.finish();
    check(&mut demuxer);
}

/// What is given has a header before it, bytes and a length.
fn check(demuxer: &mut RtpDemuxer) {
    while let Some(item) = demuxer.poll() {
        if let Item::Sample { track, sample } = item {
            assert!(demuxer.has_header() && track < 2 && sample.duration > 0 && !sample.is_empty());
        }
    }
}
