//! Common Media Client Data (CTA-5004): what a player tells of itself with a request, in the query or in fields.

use std::borrow::Cow;

use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;

/// What a player told. What it did not tell, or told in no form that the specification has, is `None` or `false`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cmcd {
    /// `br`: encoded bit rate of the object, in kbit/s.
    pub bitrate: Option<u32>,
    /// `bl`: media in the buffer, in milliseconds.
    pub buffer: Option<u32>,
    /// `bs`: the buffer ran empty since the last request.
    pub starved: bool,
    /// `cid`: what is played.
    pub content: Option<String>,
    /// `d`: duration of the object, in milliseconds.
    pub duration: Option<u32>,
    /// `dl`: when the first sample of the object must be there, in milliseconds from now.
    pub deadline: Option<u32>,
    /// `mtp`: throughput as the player measured it, in kbit/s.
    pub throughput: Option<u32>,
    /// `nor`: what is asked for next, relative to this request.
    pub next: Option<String>,
    /// `nrr`: which bytes are asked for next.
    pub next_range: Option<String>,
    /// `ot`.
    pub object: Option<ObjectType>,
    /// `pr`: playback rate, in thousandths.
    pub rate: Option<u32>,
    /// `rtp`: throughput that suffices, in kbit/s.
    pub sufficient: Option<u32>,
    /// `sf`.
    pub format: Option<Format>,
    /// `sid`: this playback, a GUID mostly.
    pub session: Option<String>,
    /// `st`.
    pub stream: Option<StreamType>,
    /// `su`: the object is needed to begin, after a seek, or after the buffer ran empty.
    pub startup: bool,
    /// `tb`: the highest bit rate that the player may choose, in kbit/s.
    pub top_bitrate: Option<u32>,
}

macro_rules! tokens {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $token:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// As it is written.
            pub fn token(self) -> &'static str {
                match self { $(Self::$variant => $token,)* }
            }

            fn parse(token: &str) -> Option<Self> {
                match token { $($token => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

tokens! {
    /// What kind of object it is.
    ObjectType {
        /// A playlist or an MPD.
        Manifest = "m",
        /// Sound alone.
        Audio = "a",
        /// Pictures alone.
        Video = "v",
        /// Both.
        Muxed = "av",
        /// A header.
        Init = "i",
        /// Captions or subtitles.
        Caption = "c",
        /// Timed text in ISO BMFF.
        TimedText = "tt",
        /// A key, a licence or a certificate.
        Key = "k",
        /// Anything else.
        Other = "o",
    }
}

tokens! {
    /// How the presentation is described.
    Format {
        /// MPEG-DASH.
        Dash = "d",
        /// HLS.
        Hls = "h",
        /// Smooth Streaming.
        Smooth = "s",
        /// Another way.
        Other = "o",
    }
}

tokens! {
    /// Whether all of it is there yet.
    StreamType {
        /// All of it.
        Vod = "v",
        /// It grows.
        Live = "l",
    }
}

/// The fields that CMCD may come in.
const FIELDS: [&str; 4] = ["cmcd-object", "cmcd-request", "cmcd-session", "cmcd-status"];

/// What is looked at: bytes, and members of all lists. There are 18 keys.
const BYTES: usize = 4096;
const MEMBERS: usize = 64;

/// `cid` and `sid` have 64 characters at most, URLs what an URL may have.
const ID: usize = 64;
const URL: usize = 1024;

impl Cmcd {
    /// What came with a request; `None` if nothing did. The query goes before the fields, where both are there.
    pub fn of(uri: &Uri, fields: &HeaderMap) -> Option<Self> {
        let mut query = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let lists: Vec<Cow<'_, str>> = match query.find(|(name, _)| *name == "CMCD") {
            Some((_, value)) if value.len() > BYTES => return None,
            Some((_, value)) => vec![percent_decode_str(value).decode_utf8().ok()?],
            None => FIELDS.iter().filter_map(|name| Some(fields.get(*name)?.to_str().ok()?.into())).collect(),
        };
        let mut cmcd = Self::default();
        for list in lists.iter().filter(|list| list.len() <= BYTES) {
            for (key, value) in Members(list).take(MEMBERS) {
                cmcd.set(key, value);
            }
        }
        (!lists.is_empty()).then_some(cmcd)
    }

    fn set(&mut self, key: &str, value: Value<'_>) {
        match key {
            "br" => self.bitrate = value.integer(),
            "bl" => self.buffer = value.integer(),
            "bs" => self.starved = value.boolean(),
            "cid" => self.content = value.string(ID),
            "d" => self.duration = value.integer(),
            "dl" => self.deadline = value.integer(),
            "mtp" => self.throughput = value.integer(),
            "nor" => self.next = value.string(URL),
            "nrr" => self.next_range = value.string(ID),
            "ot" => self.object = value.token(ObjectType::parse),
            "pr" => self.rate = value.thousandths(),
            "rtp" => self.sufficient = value.integer(),
            "sf" => self.format = value.token(Format::parse),
            "sid" => self.session = value.string(ID),
            "st" => self.stream = value.token(StreamType::parse),
            "su" => self.startup = value.boolean(),
            "tb" => self.top_bitrate = value.integer(),
            _ => {}
        }
    }
}

/// The value of a member as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value<'a> {
    /// A key alone: true.
    None,
    /// Between quotes, with its backslashes.
    String(&'a str),
    /// Anything else.
    Bare(&'a str),
}

impl Value<'_> {
    fn integer(self) -> Option<u32> {
        match self {
            Self::Bare(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            _ => None,
        }
    }

    /// A decimal with three places at most.
    fn thousandths(self) -> Option<u32> {
        let Self::Bare(text) = self else { return None };
        let (whole, places) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(places) || places.len() > 3 {
            return None;
        }
        whole.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(format!("{places:0<3}").parse().ok()?)
    }

    fn boolean(self) -> bool {
        matches!(self, Self::None | Self::Bare("true"))
    }

    fn token<T>(self, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        match self {
            Self::Bare(token) => parse(token),
            _ => None,
        }
    }

    /// Printable text of this many bytes at most, without its backslashes.
    fn string(self, most: usize) -> Option<String> {
        let Self::String(text) = self else { return None };
        let mut plain = String::with_capacity(text.len().min(most));
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            plain.push(if character == '\\' { characters.next()? } else { character });
        }
        (plain.len() <= most && !plain.contains(char::is_control)).then_some(plain)
    }
}

/// The members of a list: `key`, `key=value`, `key="value, with a comma"`. Ends at the first thing that is none.
struct Members<'a>(&'a str);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let list = self.0.trim_start_matches([' ', '\t', ',']);
        let end = list.find(['=', ',']).unwrap_or(list.len());
        let (key, rest) = list.split_at(end);
        if key.is_empty() {
            return None;
        }
        let Some(rest) = rest.strip_prefix('=') else {
            self.0 = rest;
            return Some((key.trim_end(), Value::None));
        };
        let (value, rest) = if let Some(text) = rest.strip_prefix('"') {
            let (text, rest) = text.split_at(closing_quote(text)?);
            (Value::String(text), rest.strip_prefix('"')?)
        } else {
            let (text, rest) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
            (Value::Bare(text.trim_end()), rest)
        };
        self.0 = rest;
        Some((key, value))
    }
}

/// Where the quote is that is behind no backslash.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(value: &str) -> Option<Cmcd> {
        Cmcd::of(&format!("/vod/a.mp4/v1/1.m4s?{value}").parse().unwrap(), &HeaderMap::new())
    }

    /// CTA-5004 table 1, section 3.2 and its examples.
    #[test]
    fn what_players_tell() {
        let none = Cmcd::default;
        for (value, expected) in [
            ("", None),
            ("a=b&cmcd=br%3D1", None),
            ("CMCD=", Some(none())),
            (
                "a=b&CMCD=bl%3D21300%2Cbr%3D3200%2Cbs%2Ccid%3D%22faec5fc2%22%2Cd%3D4004%2Cdl%3D18500%2Cmtp%3D48100%2C\
                 nor%3D%22..%252F300kbps%252Ftrack.m4v%22%2Cnrr%3D%2212323-48763%22%2Cot%3Dv%2Cpr%3D1.08%2Crtp%3D12000%2Csf%3Dd%2C\
                 sid%3D%226e2fb550%22%2Cst%3Dv%2Csu%2Ctb%3D6000",
                Some(Cmcd {
                    bitrate: Some(3200),
                    buffer: Some(21_300),
                    starved: true,
                    content: Some("faec5fc2".into()),
                    duration: Some(4004),
                    deadline: Some(18_500),
                    throughput: Some(48_100),
                    next: Some("..%2F300kbps%2Ftrack.m4v".into()),
                    next_range: Some("12323-48763".into()),
                    object: Some(ObjectType::Video),
                    rate: Some(1080),
                    sufficient: Some(12_000),
                    format: Some(Format::Dash),
                    session: Some("6e2fb550".into()),
                    stream: Some(StreamType::Vod),
                    startup: true,
                    top_bitrate: Some(6000),
                }),
            ),
            ("CMCD=com.example-x%3D%22a,br%3D1%22%2Cbr%3D2", Some(Cmcd { bitrate: Some(2), ..none() })),
            ("CMCD=cid%3D%22a%5C%22%5C%5Cb%22", Some(Cmcd { content: Some("a\"\\b".into()), ..none() })),
            ("CMCD=bs%3Dfalse%2Csu%3Dtrue", Some(Cmcd { startup: true, ..none() })),
            ("CMCD=pr%3D0", Some(Cmcd { rate: Some(0), ..none() })),
            ("CMCD=ot%3Dx%2Csf%3DH%2Cst%3D%22v%22", Some(none())),
            ("CMCD=br%3D-1%2Cbl%3D1.5%2Cd%3D4294967296%2Cmtp%3D%2B1%2Crtp%3D", Some(none())),
            ("CMCD=pr%3D1.2345%2Cpr%3D.x", Some(none())),
            ("CMCD=cid%3D%22no%20end%2Cbr%3D1", Some(none())),
            ("CMCD=cid%3D%22a%0Ab%22", Some(none())),
            ("CMCD=%ff", None),
        ] {
            assert_eq!(query(value), expected, "{value}");
        }
    }

    #[test]
    fn what_is_too_much_is_passed_over() {
        assert_eq!(query(&format!("CMCD=sid%3D%22{}%22", "x".repeat(65))), Some(Cmcd::default()));
        assert_eq!(query(&format!("CMCD={}br%3D1", "x%2C".repeat(64))), Some(Cmcd::default()));
        assert_eq!(query(&format!("CMCD={}br%3D1", "x%2C".repeat(4000))), None);
    }

    /// CTA-5004 section 3.1.
    #[test]
    fn in_fields() {
        let fields = [("cmcd-object", "br=3200,d=4004,ot=v"), ("cmcd-session", "sf=h, sid=\"a, b\""), ("cmcd-status", "bs")];
        let fields = fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let told = Cmcd {
            bitrate: Some(3200),
            duration: Some(4004),
            object: Some(ObjectType::Video),
            format: Some(Format::Hls),
            session: Some("a, b".into()),
            starved: true,
            ..Cmcd::default()
        };
        assert_eq!(Cmcd::of(&"/".parse().unwrap(), &fields), Some(told));
        assert_eq!(Cmcd::of(&"/?CMCD=br%3D1".parse().unwrap(), &fields), Some(Cmcd { bitrate: Some(1), ..Cmcd::default() }));
    }
}
