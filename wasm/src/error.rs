//! Errors of the core as errors of JavaScript that keep what the core knows.

use js_sys::Reflect;
use reelway_core::{Error, ErrorKind};
use wasm_bindgen::JsValue;

/// A result whose error is thrown.
pub type JsResult<T> = Result<T, JsValue>;

/// An `Error` named `ReelwayError` with `kind`, `path`, `offset` and `clause` beside its message.
#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
pub fn throw(error: Error) -> JsValue {
    let thrown = js_sys::Error::new(&error.to_string());
    thrown.set_name("ReelwayError");
    let kind = match error.kind() {
        ErrorKind::Malformed => "malformed",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::Truncated => "truncated",
        _ => "misuse",
    };
    let offset = error.offset().map_or(JsValue::UNDEFINED, |offset| crate::number(offset).into());
    let clause = error.clause().map_or(JsValue::UNDEFINED, JsValue::from);
    for (name, value) in [("kind", kind.into()), ("path", error.path().into()), ("offset", offset), ("clause", clause)] {
        // Setting a property of an object made here does not fail.
        let _ = Reflect::set(&thrown, &name.into(), &value);
    }
    thrown.into()
}
