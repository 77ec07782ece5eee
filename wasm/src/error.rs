//! Errors of the core as JSON, from which the JavaScript side makes its classes: `{"kind","message","path","offset","clause"}`, where a
//! field that has nothing to say is missing.

use alloc::string::String;

use reelway_core::{Error, ErrorKind};
use wasm_bindgen::JsValue;

use crate::json::Object;

/// A result whose error is thrown.
pub type JsResult<T> = Result<T, JsValue>;

/// What is thrown: a string.
#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
pub fn throw(error: Error) -> JsValue {
    let mut text = String::new();
    write(&mut text, &error, |_| ());
    JsValue::from_str(&text)
}

/// Writes `error` as an object, with what `more` adds to it.
pub fn write(text: &mut String, error: &Error, more: impl FnOnce(&mut Object<'_>)) {
    let kind = match error.kind() {
        ErrorKind::Malformed => "malformed",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::Truncated => "truncated",
        _ => "misuse",
    };
    let mut object = Object::new(text);
    object.text("kind", kind);
    object.text("message", error.message());
    object.text("path", &error.path());
    object.option("offset", error.offset());
    object.text("clause", error.clause().unwrap_or_default());
    more(&mut object);
}
