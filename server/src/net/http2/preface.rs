//! How a client without TLS shows which version it speaks (RFC 9113 section 3.3).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::frames::PREFACE;

/// Reads until it is clear whether the client begins as one of HTTP/2 does. Gives that, and what was read: at most 24 bytes.
pub(in crate::net) async fn sniff(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(bool, Vec<u8>)> {
    let mut read = Vec::with_capacity(PREFACE.len());
    while read.len() < PREFACE.len() && PREFACE.starts_with(&read) {
        let room = (PREFACE.len() - read.len()) as u64;
        if (&mut *stream).take(room).read_buf(&mut read).await? == 0 {
            break;
        }
    }
    Ok((read == PREFACE, read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_byte_that_differs_decides() {
        for (sent, http2, read) in [
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0"[..], true, 24),
            (b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", false, 24),
            (b"PRI * HTTP/2.0", false, 14),
            (b"", false, 0),
        ] {
            // However it is cut: one byte at a time, then all at once.
            let mut slow = byte_by_byte(sent);
            let (found, prefix) = sniff(&mut slow).await.unwrap();
            assert_eq!(found, http2);
            assert!(sent.starts_with(&prefix) && prefix.len() <= read, "{prefix:?}");
            assert_eq!(sniff(&mut &*sent).await.unwrap(), (http2, sent[..read].to_vec()));
        }
    }

    /// Gives one byte at a time.
    fn byte_by_byte(bytes: &[u8]) -> impl AsyncRead + Unpin + '_ {
        struct Pieces<'a>(&'a [u8]);
        impl AsyncRead for Pieces<'_> {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                buffer: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                if let Some((first, rest)) = self.0.split_first() {
                    buffer.put_slice(&[*first]);
                    self.0 = rest;
                }
                std::task::Poll::Ready(Ok(()))
            }
        }
        Pieces(bytes)
    }
}
