//! The one error of the core: whose fault, where, and by which rule.

use alloc::{borrow::Cow, boxed::Box, string::String, vec::Vec};
use core::fmt;

use crate::boxes::FourCc;

/// Whose fault an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input breaks a rule of its format.
    Malformed,
    /// The input keeps the rules but uses what Reelway cannot represent exactly.
    Unsupported,
    /// The input ends before what it announces.
    Truncated,
    /// The caller broke the order of calls or asked for what does not exist.
    Misuse,
}

/// What went wrong, in which box, at which byte, by which clause.
///
/// One pointer: what mostly succeeds returns small results, which is a tenth of the code in a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Fault>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    kind: ErrorKind,
    message: Cow<'static, str>,
    path: Vec<FourCc>,
    offset: Option<u64>,
    clause: Option<&'static str>,
}

/// A result with the core's [`Error`].
pub type Result<T, E = Error> = core::result::Result<T, E>;

impl Error {
    fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Fault { kind, message: message.into(), path: Vec::new(), offset: None, clause: None }))
    }

    /// An error of kind [`ErrorKind::Malformed`].
    pub fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Malformed, message)
    }

    /// An error of kind [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// An error of kind [`ErrorKind::Truncated`].
    pub fn truncated(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Truncated, message)
    }

    /// An error of kind [`ErrorKind::Misuse`].
    pub fn misuse(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Misuse, message)
    }

    /// Names the byte of the input, counted from its start; the innermost place named first stays.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.0.offset.get_or_insert(offset);
        self
    }

    /// Names the enclosing box; called from the innermost outwards.
    #[must_use]
    pub fn within(mut self, name: FourCc) -> Self {
        self.0.path.insert(0, name);
        self
    }

    /// Names the clause that was broken.
    #[must_use]
    pub fn by(mut self, clause: &'static str) -> Self {
        self.0.clause.get_or_insert(clause);
        self
    }

    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The sentence, without place and clause.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where: the boxes from the outermost in, as `moov/trak/mdia`; empty when no box is meant.
    pub fn path(&self) -> String {
        use fmt::Write;
        let mut path = String::new();
        for name in &self.0.path {
            let separator = if path.is_empty() { "" } else { "/" };
            let _ = write!(path, "{separator}{name}");
        }
        path
    }

    /// The byte of the input where the fault was seen, counted from its start.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// The clause that was broken, such as `ISO/IEC 14496-12 8.7.3`.
    pub fn clause(&self) -> Option<&'static str> {
        self.0.clause
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())?;
        let path = self.path();
        match (path.is_empty(), self.offset()) {
            (false, Some(offset)) => write!(f, " (in {path}, at byte {offset}")?,
            (false, None) => write!(f, " (in {path}")?,
            (true, Some(offset)) => write!(f, " (at byte {offset}")?,
            (true, None) => return self.clause().map_or(Ok(()), |clause| write!(f, " ({clause})")),
        }
        match self.clause() {
            Some(clause) => write!(f, "; {clause})"),
            None => f.write_str(")"),
        }
    }
}

impl core::error::Error for Error {}
