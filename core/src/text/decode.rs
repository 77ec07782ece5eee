//! From the bytes of a file of text to its letters, which may take more memory than the bytes: by how much is told before it is taken.

use alloc::{borrow::Cow, format, string::String};

use super::MAX_BYTES;
use crate::error::{Error, Result};

/// The most bytes that the letters of a file of `size` bytes may take in UTF-8, with all that has to be escaped in them.
fn most_bytes(size: usize) -> usize {
    size + size / 4 + (192 << 10)
}

/// Refuses a file that is too large, or whose letters would take too much.
pub fn check(size: usize, needed: usize) -> Result<()> {
    if size > MAX_BYTES {
        return Err(Error::unsupported(format!("a text of {size} bytes, more than {MAX_BYTES}")));
    }
    let most = most_bytes(size);
    if needed > most {
        return Err(Error::malformed(format!("the letters of {size} bytes take {needed} bytes, more than {most}: that is no text")));
    }
    Ok(())
}

/// UTF-8; what is none becomes the replacement character.
pub fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>> {
    match core::str::from_utf8(bytes) {
        Ok(text) => check(bytes.len(), text.len()).map(|()| text.into()),
        Err(_) => {
            let letters = bytes.utf8_chunks().flat_map(|chunk| {
                let invalid = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
                chunk.valid().chars().chain(invalid)
            });
            letters_of(bytes.len(), letters).map(Cow::Owned)
        }
    }
}

/// Letters out of `size` bytes as one string.
pub fn letters_of(size: usize, letters: impl Iterator<Item = char> + Clone) -> Result<String> {
    let needed = letters.clone().map(char::len_utf8).sum();
    check(size, needed)?;
    let mut text = String::with_capacity(needed);
    text.extend(letters);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn letters_take_about_as_much_as_their_bytes() {
        assert_eq!(utf8(b"a\xc3\xa9").unwrap(), "a\u{e9}");
        assert!(matches!(utf8(b"a"), Ok(Cow::Borrowed("a"))));
        assert_eq!(utf8(b"a\xff\xe2\x82b").unwrap(), "a\u{fffd}\u{fffd}b");
        for (size, accepted) in [(90 << 10, true), (200 << 10, false), (MAX_BYTES, false)] {
            assert_eq!(utf8(&vec![0xff; size]).is_ok(), accepted, "{size} bytes that become three each");
        }
        assert!(utf8(&vec![b'a'; MAX_BYTES]).is_ok());
        assert!(utf8(&vec![b'a'; MAX_BYTES + 1]).is_err());
    }
}
