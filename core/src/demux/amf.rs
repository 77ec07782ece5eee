//! Action Message Format 0: the values of RTMP commands and of script tags of FLV.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use crate::{
    coding::{Reader, Writer},
    error::{Error, Result},
};

/// The longest text, the most values and the deepest of a message: more than encoders send.
const LONGEST: usize = 4 << 10;
const MOST: usize = 1024;
const DEEPEST: u32 = 8;

/// A value. Kinds that nothing here needs are read as [`Value::Nothing`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Null, undefined, and what is of no use.
    Nothing,
    /// A number.
    Number(f64),
    /// Yes or no.
    Boolean(bool),
    /// A text.
    Text(String),
    /// An object or associative array, in its order.
    Object(Vec<(String, Self)>),
    /// An array.
    Array(Vec<Self>),
}

impl Value {
    /// Whether it has members.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// The member of this name.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// As a number.
    pub fn as_number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// As a text.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// A number without its fraction, within bounds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast keeps within its bounds")]
pub fn whole(number: f64) -> u32 {
    number as u32
}

/// All values of a message.
pub fn read(bytes: &[u8]) -> Result<Vec<Value>> {
    let mut source = Source { reader: Reader::new(bytes, 0), left: MOST };
    let mut values = Vec::new();
    while !source.reader.is_empty() {
        values.push(source.value(0)?);
    }
    Ok(values)
}

struct Source<'a> {
    reader: Reader<'a>,
    /// How many values may come.
    left: usize,
}

impl Source<'_> {
    fn fault(&self, what: &'static str) -> Error {
        Error::malformed(what).at(self.reader.position()).by("AMF0 2")
    }

    fn value(&mut self, depth: u32) -> Result<Value> {
        self.left = self.left.checked_sub(1).ok_or_else(|| self.fault("a message of more values than any encoder sends"))?;
        if depth > DEEPEST {
            return Err(self.fault("values within values, deeper than any encoder sends"));
        }
        Ok(match self.reader.u8()? {
            0 => Value::Number(f64::from_bits(self.reader.u64()?)),
            1 => Value::Boolean(self.reader.u8()? != 0),
            2 => Value::Text(self.text()?),
            3 => Value::Object(self.members(depth)?),
            5 | 6 => Value::Nothing,
            7 => self.skipped(2)?,
            8 => {
                self.reader.skip(4)?; // a count that is not always right
                Value::Object(self.members(depth)?)
            }
            10 => {
                let count = self.reader.u32()?;
                let mut values = Vec::new();
                for _ in 0..count {
                    values.push(self.value(depth + 1)?);
                }
                Value::Array(values)
            }
            11 => self.skipped(10)?,
            12 | 15 => {
                let length = usize::try_from(self.reader.u32()?).unwrap_or(usize::MAX);
                self.skipped(length)?
            }
            16 => {
                self.text()?;
                Value::Object(self.members(depth)?)
            }
            _ => return Err(self.fault("a value of a kind that is not known")),
        })
    }

    fn skipped(&mut self, length: usize) -> Result<Value> {
        self.reader.skip(length).map(|()| Value::Nothing)
    }

    fn text(&mut self) -> Result<String> {
        let length = usize::from(self.reader.u16()?);
        if length > LONGEST {
            return Err(self.fault("a text longer than any encoder sends"));
        }
        Ok(String::from_utf8_lossy(self.reader.take(length)?).into_owned())
    }

    /// Members up to the end of an object. Where a message ends first, those that are there count.
    fn members(&mut self, depth: u32) -> Result<Vec<(String, Value)>> {
        const END: [u8; 3] = [0, 0, 9];
        let mut members = Vec::new();
        loop {
            if self.reader.is_empty() {
                return Ok(members);
            }
            if self.reader.rest().starts_with(&END) {
                self.reader.skip(END.len())?;
                return Ok(members);
            }
            let name = self.text()?;
            members.push((name, self.value(depth + 1)?));
        }
    }
}

/// Writes values one after the other.
pub fn write(values: &[Value]) -> Vec<u8> {
    let mut w = Writer::with_capacity(256);
    for value in values {
        write_value(&mut w, value);
    }
    w.into_bytes()
}

fn write_value(w: &mut Writer, value: &Value) {
    match value {
        Value::Nothing => w.u8(5),
        Value::Number(number) => {
            w.u8(0);
            w.u64(number.to_bits());
        }
        Value::Boolean(yes) => w.bytes(&[1, u8::from(*yes)]),
        Value::Text(text) => {
            w.u8(2);
            write_text(w, text);
        }
        Value::Object(members) => {
            w.u8(3);
            for (name, value) in members {
                write_text(w, name);
                write_value(w, value);
            }
            w.bytes(&[0, 0, 9]);
        }
        Value::Array(values) => {
            w.u8(10);
            w.u32(u32::try_from(values.len()).unwrap_or(u32::MAX));
            for value in values {
                write_value(w, value);
            }
        }
    }
}

/// What does not fit is cut off.
fn write_text(w: &mut Writer, text: &str) {
    let bytes = text.as_bytes().get(..LONGEST).unwrap_or(text.as_bytes());
    w.u16(u16::try_from(bytes.len()).unwrap_or(0));
    w.bytes(bytes);
}

/// A text as a value.
pub fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn values_are_read_as_they_were_written() {
        let object = Value::Object(vec![("app".into(), text("live")), ("n".into(), Value::Number(-1.5)), (String::new(), Value::Nothing)]);
        for values in [
            vec![text("connect"), Value::Number(1.0), object.clone(), Value::Nothing],
            vec![Value::Array(vec![Value::Boolean(true), object]), text("")],
            vec![],
        ] {
            assert_eq!(read(&write(&values)), Ok(values));
        }
    }

    #[test]
    fn what_others_write() {
        for (bytes, expected, clause) in [
            (&b"\x08\0\0\0\x09\0\x01a\x05\0\0\x09"[..], Ok(vec![Value::Object(vec![("a".into(), Value::Nothing)])]), "2.10: a wrong count"),
            (b"\x03\0\x01a\x01\x01", Ok(vec![Value::Object(vec![("a".into(), Value::Boolean(true))])]), "no end"),
            (b"\x10\0\x01T\0\0\x09", Ok(vec![Value::Object(vec![])]), "2.18: a typed object"),
            (b"\x0b\0\0\0\0\0\0\0\0\0\0\x06\x07\0\x01\x0c\0\0\0\x01x", Ok(vec![Value::Nothing; 4]), "2.13, 2.8, 2.9, 2.14"),
            (b"\x02\0\x05ab", Err(()), "a text that is cut off"),
            (b"\x02\xff\xff", Err(()), "a text that is too long"),
            (b"\x0a\xff\xff\xff\xff", Err(()), "an array that is not there"),
            (b"\x11", Err(()), "AMF 3"),
        ] {
            assert_eq!(read(bytes).map_err(drop), expected, "{clause}");
        }
        let deep: Vec<u8> = b"\x0a\0\0\0\x01".repeat(20);
        assert!(read(&deep).is_err(), "too deep");
        assert!(read(&[5; MOST + 1]).is_err() && read(&[5; MOST]).is_ok(), "too many");
    }
}
