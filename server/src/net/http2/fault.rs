//! What ends a connection that breaks the protocol in frames that h2 does not read.

/// An error of a connection (RFC 9113 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// PROTOCOL_ERROR.
    Protocol,
    /// FRAME_SIZE_ERROR.
    FrameSize,
    /// ENHANCE_YOUR_CALM.
    Flood,
}

impl Fault {
    /// The bytes, from `offset` on, that stand in the place of what the client sends next. h2 answers them with the GOAWAY frame of this
    /// error, and ends the connection as it does for errors that it finds itself.
    pub fn provocation(self, offset: usize) -> impl Iterator<Item = u8> {
        /// SETTINGS on a stream, section 6.5.
        const MISPLACED: &[u8] = &[0, 0, 0, 0x04, 0, 0, 0, 0, 1];
        /// Longer than any frame that was agreed on, section 4.2.
        const LONG: &[u8] = &[0xff, 0xff, 0xff, 0x00, 0, 0, 0, 0, 0];
        /// A head, and without end what continues it.
        const HEADERS: &[u8] = &[0, 0, 0, 0x01, 0, 0, 0, 0, 1];
        const CONTINUATION: &[u8] = &[0, 0, 0, 0x09, 0, 0, 0, 0, 1];
        let (first, rest) = match self {
            Self::Protocol => (MISPLACED, MISPLACED),
            Self::FrameSize => (LONG, LONG),
            Self::Flood => (HEADERS, CONTINUATION),
        };
        first.iter().chain(rest.iter().cycle()).copied().skip(if offset < first.len() {
            offset
        } else {
            first.len() + offset % first.len()
        })
    }
}
