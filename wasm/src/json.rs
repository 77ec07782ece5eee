//! JSON (RFC 8259), written.

use alloc::string::String;
use core::fmt::Write;

/// An object that is being written; whole once dropped.
pub struct Object<'a> {
    text: &'a mut String,
    separator: char,
}

impl<'a> Object<'a> {
    /// Begins an object behind `text`.
    pub fn new(text: &'a mut String) -> Self {
        Self { text, separator: '{' }
    }

    fn name(&mut self, name: &str) -> &mut String {
        self.text.push(self.separator);
        self.separator = ',';
        quote(self.text, name);
        self.text.push(':');
        self.text
    }

    /// A string; nothing if it is empty.
    pub fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            quote(self.name(name), value);
        }
    }

    /// A number.
    pub fn number(&mut self, name: &str, value: u64) {
        let _ = write!(self.name(name), "{value}");
    }

    /// A number, if there is one.
    pub fn option(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.number(name, value);
        }
    }

    /// `true`, or nothing.
    pub fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.name(name).push_str("true");
        }
    }

    /// An array with what `write` writes for each of `items`.
    pub fn list<T>(&mut self, name: &str, items: impl Iterator<Item = T>, mut write: impl FnMut(&mut String, T)) {
        let text = self.name(name);
        let mut separator = '[';
        for item in items {
            text.push(separator);
            separator = ',';
            write(text, item);
        }
        text.push_str(if separator == '[' { "[]" } else { "]" });
    }
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        self.text.push_str(if self.separator == '{' { "{}" } else { "}" });
    }
}

/// A string (RFC 8259 7).
pub fn quote(text: &mut String, value: &str) {
    text.push('"');
    for char in value.chars() {
        match char {
            '"' | '\\' => text.extend(['\\', char]),
            '\0'..' ' => {
                let _ = write!(text, "\\u{:04x}", u32::from(char));
            }
            _ => text.push(char),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_written_as_json() {
        let mut text = String::new();
        Object::new(&mut text).text("none", "");
        assert_eq!(text, "{}");
        text.clear();
        let mut object = Object::new(&mut text);
        object.text("name", "a \"b\" \\ \n");
        object.option("offset", None);
        object.number("size", u64::MAX);
        object.flag("on", true);
        object.flag("off", false);
        object.list("list", ["x", "y"].iter(), |text, item| quote(text, item));
        object.list("empty", [].iter(), |_, ()| ());
        drop(object);
        assert_eq!(text, r#"{"name":"a \"b\" \\ \u000a","size":18446744073709551615,"on":true,"list":["x","y"],"empty":[]}"#);
    }
}
