//! From an offer to an answer (RFC 8866, RFC 9725 4.2): which of the media is taken, and by whom it is.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use http::StatusCode;
use str0m::{
    Candidate, IceCreds, Rtc,
    change::SdpOffer,
    config::{CryptoProvider, DtlsCert},
    format::{Codec, FormatParams},
    media::{Frequency, MediaKind, Mid},
};

use super::{Refusal, crypto};
use crate::net::Error;

/// H.264 in the profiles that browsers and encoders have, those first that all of them have: constrained baseline, baseline, main, high
/// (RFC 6184 8.1). Of each its payload type, that of what is sent again, and the profile with level 3.1, which nobody is held to.
const H264: [(u8, u8, u32); 4] = [(108, 109, 0x42_e01f), (127, 121, 0x42_001f), (123, 119, 0x4d_001f), (114, 115, 0x64_001f)];
/// The payload type of Opus.
const OPUS: u8 = 111;

/// What is the same in all answers.
pub struct Terms {
    crypto: Arc<CryptoProvider>,
    certificate: DtlsCert,
    candidates: Vec<SocketAddr>,
}

/// An offer that was accepted.
pub struct Accepted {
    /// The stack, which has told nothing yet.
    pub rtc: Rtc,
    /// The answer.
    pub answer: String,
    /// What packets of ICE for it are known by, and proved with.
    pub ice: IceCreds,
    /// Whether pictures are to come, and sound.
    pub media: [bool; 2],
}

impl Terms {
    /// Of a server that is at these addresses.
    ///
    /// # Errors
    /// No certificate can be made.
    pub fn new(candidates: Vec<SocketAddr>) -> Result<Self, Error> {
        let (crypto, certificate) = crypto::provider()?;
        Ok(Self { crypto, certificate, candidates })
    }

    /// Answers an offer.
    pub fn accept(&self, offer: &str) -> Result<Accepted, Refusal> {
        let malformed =
            |error: &dyn std::fmt::Display| Refusal::Status(StatusCode::BAD_REQUEST, format!("the offer cannot be taken: {error}"));
        let offer = SdpOffer::from_sdp_string(offer).map_err(|error| malformed(&error))?;
        let mut rtc = self.stack();
        let answer = rtc.sdp_api().accept_offer(offer).map_err(|error| malformed(&error))?;
        let answer = answer.to_sdp_string();
        let media = media(&rtc, &answer);
        if media == [false; 2] {
            let detail = "the offer has nothing that is taken: H.264 with packetization-mode=1, or Opus, that is sent (sendonly)";
            return Err(Refusal::Status(StatusCode::UNPROCESSABLE_ENTITY, detail.into()));
        }
        let ice = rtc.direct_api().local_ice_credentials();
        Ok(Accepted { rtc, answer, ice, media })
    }

    fn stack(&self) -> Rtc {
        let mut config = Rtc::builder()
            .set_crypto_provider(Arc::clone(&self.crypto))
            .set_dtls_cert(self.certificate.clone())
            .set_ice_lite(true)
            .clear_codecs();
        let codecs = config.codec_config();
        for (kind, again, profile) in H264 {
            codecs.add_h264(kind.into(), Some(again.into()), true, profile);
        }
        // Without these, browsers send both channels as one (RFC 7587 6.1).
        let stereo = FormatParams {
            min_p_time: Some(10),
            use_inband_fec: Some(true),
            stereo: Some(true),
            sprop_stereo: Some(true),
            ..FormatParams::default()
        };
        codecs.add_config(OPUS.into(), None, Codec::Opus, Frequency::FORTY_EIGHT_KHZ, Some(2), stereo);
        let mut rtc = config.build(Instant::now());
        for candidate in &self.candidates {
            if let Ok(candidate) = Candidate::host(*candidate, "udp") {
                rtc.add_local_candidate(candidate);
            }
        }
        rtc
    }
}

/// Whether pictures and sound are to come, as `answer` says. The stack tells of them when they do.
fn media(rtc: &Rtc, answer: &str) -> [bool; 2] {
    let named = answer.lines().filter_map(|line| line.strip_prefix("a=mid:"));
    let agreed = named.filter_map(|mid| rtc.media(Mid::from(mid.trim())));
    let agreed = agreed.filter(|media| media.direction().is_receiving() && !media.remote_pts().is_empty());
    agreed.fold([false; 2], |[video, audio], media| match media.kind() {
        MediaKind::Video => [true, audio],
        MediaKind::Audio => [video, true],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Chromium offers, shortened.
    fn offer(video: &str, direction: &str) -> String {
        let video_lines = if video.is_empty() {
            String::new()
        } else {
            format!(
                "m=video 9 UDP/TLS/RTP/SAVPF 102\nc=IN IP4 0.0.0.0\na=rtcp:9 IN IP4 0.0.0.0\na=ice-ufrag:abcd\n\
                 a=ice-pwd:abcdefghijklmnopqrstuvwx\na=ice-options:trickle\n{FINGERPRINT}a=setup:actpass\na=mid:0\na={direction}\na=rtcp-mux\n\
                 a=rtcp-rsize\na=rtpmap:102 {video}\na=rtcp-fb:102 nack pli\na=ssrc:1 cname:a\n"
            )
        };
        let bundle = if video.is_empty() { "1" } else { "0 1" };
        format!(
            "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE {bundle}\na=msid-semantic: WMS\n{video_lines}\
             m=audio 9 UDP/TLS/RTP/SAVPF 111\nc=IN IP4 0.0.0.0\na=rtcp:9 IN IP4 0.0.0.0\na=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuvwx\n\
             a=ice-options:trickle\n{FINGERPRINT}a=setup:actpass\na=mid:1\na={direction}\na=rtcp-mux\na=rtpmap:111 opus/48000/2\n\
             a=fmtp:111 minptime=10;useinbandfec=1\na=ssrc:2 cname:a\n"
        )
        .replace('\n', "\r\n")
    }

    const FINGERPRINT: &str =
        "a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\n";
    const CONSTRAINED: &str = "H264/90000\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
    const MAIN: &str = "H264/90000\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d0028";

    fn terms() -> Terms {
        Terms::new(vec!["127.0.0.1:9000".parse().unwrap()]).unwrap()
    }

    #[test]
    fn what_is_offered_is_answered() {
        for (video, media) in [(CONSTRAINED, [true, true]), (MAIN, [true, true]), ("VP8/90000", [false, true]), ("", [false, true])] {
            let accepted = terms().accept(&offer(video, "sendonly")).ok().unwrap();
            assert_eq!(accepted.media, media, "{video}");
            let lines: Vec<&str> = accepted.answer.lines().collect();
            for line in ["a=ice-lite", "a=setup:passive", "a=recvonly", &format!("a=ice-ufrag:{}", accepted.ice.ufrag)] {
                assert!(lines.contains(&line), "{line}: {}", accepted.answer);
            }
            assert!(lines.iter().any(|line| line.starts_with("a=candidate:") && line.contains(" 127.0.0.1 9000 typ host")));
            let stereo = lines.iter().any(|line| line.starts_with("a=fmtp:111 ") && line.contains("stereo=1"));
            assert!(stereo, "both channels (RFC 7587 6.1): {}", accepted.answer);
        }
    }

    #[test]
    fn what_cannot_be_taken_is_told() {
        let good = offer(CONSTRAINED, "sendonly");
        for (offer, expected, why) in [
            (String::new(), StatusCode::BAD_REQUEST, "nothing"),
            ("hello".to_owned(), StatusCode::BAD_REQUEST, "no SDP"),
            ("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n".to_owned(), StatusCode::BAD_REQUEST, "no media"),
            (good.replace("a=fingerprint", "a=finger"), StatusCode::BAD_REQUEST, "no fingerprint"),
            (good[..good.len() / 2].to_owned(), StatusCode::BAD_REQUEST, "half of it"),
            (offer("VP8/90000", "recvonly"), StatusCode::UNPROCESSABLE_ENTITY, "who would watch"),
        ] {
            match terms().accept(&offer) {
                Err(Refusal::Status(status, detail)) => assert_eq!(status, expected, "{why}: {detail}"),
                Err(Refusal::Fault(fault)) => panic!("{why}: {fault:?}"),
                Ok(accepted) => panic!("{why}: {}", accepted.answer),
            }
        }
    }
}
