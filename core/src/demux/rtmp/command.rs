//! Commands: what a peer asks for, and how it is answered (RTMP 1.0 7.2).

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use crate::{
    demux::amf::{self, Value, text},
    error::Result,
};

/// What a peer asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// To be connected to an application.
    Connect {
        /// The number of the request.
        transaction: f64,
        /// The application.
        app: String,
    },
    /// A message stream.
    CreateStream {
        /// The number of the request.
        transaction: f64,
    },
    /// To publish.
    Publish {
        /// The name of the stream.
        name: String,
    },
    /// To play.
    Play,
    /// The stream is over.
    End,
    /// Something else.
    Other {
        /// The number of the request; 0: no answer is waited for.
        transaction: f64,
    },
}

/// The command in the values of AMF 0 of a message. What has no name asks for nothing.
pub fn read(bytes: &[u8]) -> Result<Command> {
    let values = amf::read(bytes)?;
    let name = values.first().and_then(Value::as_text).unwrap_or_default();
    let transaction = values.get(1).and_then(Value::as_number).unwrap_or(0.0);
    let argument = |place: usize| values.get(place).and_then(Value::as_text).unwrap_or_default().to_owned();
    Ok(match name {
        "connect" => {
            let app = values.get(2).and_then(|object| object.get("app")).and_then(Value::as_text);
            Command::Connect { transaction, app: app.unwrap_or_default().to_owned() }
        }
        "createStream" => Command::CreateStream { transaction },
        "publish" => Command::Publish { name: argument(3) },
        "play" | "play2" => Command::Play,
        "FCUnpublish" | "deleteStream" | "closeStream" => Command::End,
        _ => Command::Other { transaction },
    })
}

fn object(members: &[(&str, Value)]) -> Value {
    Value::Object(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

/// The answer to `connect`: it is; with what is carried by FourCC (Enhanced RTMP v2, "Enhancing NetConnection connect command"): 1 in a
/// map, that it is taken.
pub fn connected(transaction: f64) -> Vec<Value> {
    const DECODES: f64 = 1.0;
    const VIDEO: [&str; 4] = ["avc1", "hvc1", "av01", "vp09"];
    const AUDIO: [&str; 5] = ["mp4a", "Opus", "ac-3", "ec-3", "fLaC"];
    /// Reconnect requests are not sent; several tracks in a tag are taken.
    const MULTITRACK: f64 = 2.0;
    let map = |codecs: &[&str]| object(&codecs.iter().map(|codec| (*codec, Value::Number(DECODES))).collect::<Vec<_>>());
    let all = VIDEO.iter().chain(&AUDIO).map(|codec| text(codec)).collect();
    let properties = object(&[
        ("fmsVer", text("FMS/3,0,1,123")),
        ("capabilities", Value::Number(31.0)),
        ("fourCcList", Value::Array(all)),
        ("videoFourCcInfoMap", map(&VIDEO)),
        ("audioFourCcInfoMap", map(&AUDIO)),
        ("capsEx", Value::Number(MULTITRACK)),
    ]);
    let information = object(&[
        ("level", text("status")),
        ("code", text("NetConnection.Connect.Success")),
        ("description", text("connected")),
        ("objectEncoding", Value::Number(0.0)),
    ]);
    Vec::from([text("_result"), Value::Number(transaction), properties, information])
}

/// The answer to `createStream`: there is one message stream, 1.
pub fn created(transaction: f64) -> Vec<Value> {
    Vec::from([text("_result"), Value::Number(transaction), Value::Nothing, Value::Number(1.0)])
}

/// The answer to what there is nothing to say of.
pub fn done(transaction: f64) -> Vec<Value> {
    Vec::from([text("_result"), Value::Number(transaction), Value::Nothing, Value::Nothing])
}

/// What becomes of a stream (7.2.2).
pub fn status(level: &str, code: &str, description: &str) -> Vec<Value> {
    let information = object(&[("level", text(level)), ("code", text(code)), ("description", text(description))]);
    Vec::from([text("onStatus"), Value::Number(0.0), Value::Nothing, information])
}
