//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write};

/// Families of samples, one after the other.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
    name: &'static str,
}

impl Exposition {
    /// Begins a family. `help` has no line breaks and no backslashes.
    pub fn begin(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}"); // writing to a String does not fail
    }

    /// A sample of the family. The values of labels are our own words: nothing in them needs escaping.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.part("", labels, value);
    }

    /// A sample of a part of the family: `NAME_bucket` of a histogram.
    pub fn part(&mut self, part: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{}{part}", self.name);
        for (index, (label, word)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{word}\"", if index == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.text
    }
}
