//! The handshake of SRT (draft-sharabayko-srt-01 3.2.1, 4.3): as much of it as tells which stream a caller wants to publish. The rest of the
//! protocol is the business of whoever answers the caller.

/// The longest packet that is looked at: what fits into Ethernet's 1500 bytes.
pub const LONGEST: usize = 1472;

/// A handshake without extensions, with the header of its packet.
const WHOLE: usize = 64;

/// Where fields are in a packet.
const DESTINATION: usize = 12;
const VERSION: usize = 16;
const TYPE: usize = 36;
const SOCKET: usize = 40;
const COOKIE: usize = 44;

/// The first word of a control packet that is a handshake.
const HANDSHAKE: u32 = 0x8000_0000;

/// Handshake types.
const INDUCTION: u32 = 1;
const CONCLUSION: u32 = 0xffff_ffff;

/// What a listener of SRT says in place of extensions (4.3.1.1).
const MAGIC: u16 = 0x4a17;

/// Extension types (3.2.1).
const KEY_REQUEST: u16 = 3;
const STREAM_ID: u16 = 5;

/// The longest stream id (3.2.1.3).
const LONGEST_ID: usize = 512;

/// A handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// Which step of it.
    pub step: Step,
    /// The number of the socket of whoever sent it.
    pub socket: u32,
    /// The cookie in it.
    pub cookie: u32,
}

/// A step of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A caller says that it is there; a listener answers with a cookie.
    Induction,
    /// A caller comes with that cookie, and says what it wants.
    Conclusion(Wish),
    /// Another, such as a refusal.
    Other,
}

/// What a caller wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Its stream id, if it has one.
    pub stream_id: Option<String>,
    /// Whether what it sends is encrypted, so that it knows a passphrase.
    pub encrypted: bool,
}

/// Why a caller is refused (the numbers of libsrt, which callers show).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The stream id cannot be understood.
    BadRequest = 1400,
    /// There are too many callers.
    Overload = 1402,
    /// It may not.
    Forbidden = 1403,
    /// It does not want to publish.
    BadMode = 1405,
    /// Somebody publishes the stream.
    Conflict = 1409,
}

/// The handshake in a packet; `None`: it is another packet, or one that is not whole.
pub fn read(packet: &[u8]) -> Option<Handshake> {
    if packet.len() > LONGEST || word(packet, 0)? != HANDSHAKE || packet.len() < WHOLE {
        return None;
    }
    let step = match (word(packet, TYPE)?, word(packet, VERSION)?) {
        (INDUCTION, _) => Step::Induction,
        (CONCLUSION, 5) => Step::Conclusion(wish(packet.get(WHOLE..)?)?),
        _ => Step::Other,
    };
    Some(Handshake { step, socket: word(packet, SOCKET)?, cookie: word(packet, COOKIE)? })
}

/// What the extensions of a conclusion say; `None`: they are not whole.
fn wish(extensions: &[u8]) -> Option<Wish> {
    let (mut wish, mut rest) = (Wish::default(), extensions);
    while !rest.is_empty() {
        let (kind, words) = (half(rest, 0)?, half(rest, 2)?);
        let (content, after) = rest.get(4..)?.split_at_checked(usize::from(words) * 4)?;
        match kind {
            KEY_REQUEST => wish.encrypted = true,
            STREAM_ID => wish.stream_id = Some(text(content)?),
            _ => {}
        }
        rest = after;
    }
    Some(wish)
}

/// A text whose words are the wrong way round (3.2.1.3), and filled up with zeros.
fn text(content: &[u8]) -> Option<String> {
    if content.len() > LONGEST_ID {
        return None;
    }
    let letters = content.chunks_exact(4).flat_map(|word| word.iter().rev()).copied();
    String::from_utf8(letters.take_while(|letter| *letter != 0).collect()).ok()
}

/// The name in a stream id of a caller that wants to publish: the id itself, or of the form of SRT's access control `#!::r=NAME,m=publish`.
///
/// # Errors
/// It is of a form that is not known, or of a caller that does not want to publish.
pub fn resource(stream_id: &str) -> Result<&str, Refusal> {
    let Some(form) = stream_id.strip_prefix("#!") else { return Ok(stream_id) };
    let pairs = form.strip_prefix("::").ok_or(Refusal::BadRequest)?;
    let of = |name: &str| pairs.split(',').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value);
    // What is not said is a request to watch.
    if of("m") != Some("publish") {
        return Err(Refusal::BadMode);
    }
    of("r").ok_or(Refusal::BadRequest)
}

/// The first packet of a caller (4.3.1.1).
pub fn induction() -> Vec<u8> {
    let mut packet = vec![0; WHOLE];
    for (at, value) in [(0, HANDSHAKE), (VERSION, 4), (VERSION + 4, 2), (28, 1500), (32, 8192), (TYPE, INDUCTION), (SOCKET, 1)] {
        put(&mut packet, at, value);
    }
    packet
}

/// What a listener answers to an `induction` of the socket `caller`: it has to come back with the cookie.
pub fn answer(induction: &[u8], caller: u32, cookie: u32) -> Vec<u8> {
    let mut packet = induction.get(..WHOLE).unwrap_or_default().to_vec();
    for (at, value) in [(DESTINATION, caller), (VERSION, 5), (VERSION + 4, u32::from(MAGIC)), (COOKIE, cookie)] {
        put(&mut packet, at, value);
    }
    packet
}

/// What a listener answers to a `conclusion` of the socket `caller` that comes to nothing (4.3.1.2).
pub fn refuse(conclusion: &[u8], caller: u32, why: Refusal) -> Vec<u8> {
    let mut packet = conclusion.get(..WHOLE).unwrap_or_default().to_vec();
    for (at, value) in [(DESTINATION, caller), (VERSION + 4, 0), (TYPE, why as u32)] {
        put(&mut packet, at, value);
    }
    packet
}

/// Puts another cookie into a handshake.
pub fn set_cookie(packet: &mut [u8], cookie: u32) {
    put(packet, COOKIE, cookie);
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

fn put(packet: &mut [u8], at: usize, value: u32) {
    if let Some(place) = packet.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = value.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The conclusion of socket 9 with cookie 7 and these extensions: number, then content.
    fn conclusion(extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut packet = induction();
        for (at, value) in [(VERSION, 5), (TYPE, CONCLUSION), (SOCKET, 9), (COOKIE, 7)] {
            put(&mut packet, at, value);
        }
        for (kind, content) in extensions {
            packet.extend(kind.to_be_bytes());
            packet.extend(u16::try_from(content.len() / 4).unwrap().to_be_bytes());
            packet.extend(*content);
        }
        packet
    }

    #[test]
    fn a_caller_says_what_it_wants() {
        let id = |text: &str| (Some(text.to_owned()), false);
        for (extensions, expected) in [
            (&[][..], Some((None, false))),
            (&[(1, &[0; 12][..]), (5, b"swen")], Some(id("news"))),
            (&[(5, b"tropa2s-\0\0\x001")], Some(id("port-s2a1"))),
            (&[(5, b"swen"), (3, &[0; 8])], Some((Some("news".into()), true))),
            (&[(5, b"")], Some(id(""))),
            (&[(5, b"\0\0\0\xff")], None),
            (&[(5, &[b'a'; 512])], Some(id(&"a".repeat(512)))),
            (&[(5, &[b'a'; 516])], None),
        ] {
            let packet = conclusion(extensions);
            let wish = expected.map(|(stream_id, encrypted)| Wish { stream_id, encrypted });
            let handshake = wish.map(|wish| Handshake { step: Step::Conclusion(wish), socket: 9, cookie: 7 });
            assert_eq!(read(&packet), handshake, "{extensions:?}");
            // Not whole, it is nothing.
            for length in (0..WHOLE).chain(WHOLE + 1..packet.len()) {
                let whole_before = extensions
                    .iter()
                    .scan(WHOLE, |end, (_, content)| Some(std::mem::replace(end, *end + 4 + content.len())))
                    .any(|end| end == length);
                assert!(whole_before || read(&packet[..length]).is_none(), "{length} of {extensions:?}");
            }
        }
        assert_eq!(read(&[&conclusion(&[])[..], &[0; 1500]].concat()), None, "too long");
    }

    #[test]
    fn who_publishes_what() {
        for (id, expected) in [
            ("news", Ok("news")),
            ("", Ok("")),
            ("#!::r=news,m=publish", Ok("news")),
            ("#!::m=publish,u=me,r=news,t=stream", Ok("news")),
            ("#!::r=news", Err(Refusal::BadMode)),
            ("#!::r=news,m=request", Err(Refusal::BadMode)),
            ("#!::m=publish", Err(Refusal::BadRequest)),
            ("#!:{r=news}", Err(Refusal::BadRequest)),
            ("#!news", Err(Refusal::BadRequest)),
        ] {
            assert_eq!(resource(id), expected, "{id}");
        }
    }

    #[test]
    fn what_is_answered() {
        let packet = induction();
        let told = |packet: &[u8]| [DESTINATION, VERSION, VERSION + 4, TYPE, COOKIE].map(|at| word(packet, at).unwrap());
        assert_eq!(read(&packet).map(|read| read.step), Some(Step::Induction));
        assert_eq!(told(&answer(&packet, 9, 7)), [9, 5, 0x4a17, 1, 7]);
        assert_eq!(told(&refuse(&conclusion(&[(5, b"swen")]), 9, Refusal::Conflict)), [9, 5, 0, 1409, 7]);
        let mut packet = conclusion(&[(5, b"swen")]);
        set_cookie(&mut packet, 8);
        assert_eq!(read(&packet).map(|read| read.cookie), Some(8));
    }
}
