//! The same movie in another box layout: forms that no encoder writes for a small file.

use anyhow::{Context, Result, ensure};
use reelway_core::coding::Writer;

/// What is to be different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Chunk offsets of 64 bits (`co64`) instead of 32 (`stco`).
    pub long_offsets: bool,
    /// A 64-bit size in the header of `mdat`.
    pub long_mdat: bool,
}

/// Writes a progressive movie with one `mdat` anew in `form`. Nothing but chunk offsets and sizes changes.
pub fn relay(bytes: &[u8], form: Form) -> Result<Vec<u8>> {
    let (mut position, mut media) = (0, None);
    for (name, content) in top_level(bytes)? {
        if name == *b"mdat" {
            ensure!(media.is_none(), "more than one mdat");
            media = Some(position + 8);
        }
        position += 8 + content.len();
    }
    let old = i64::try_from(media.context("no mdat")?)?;
    // How far the media moves is known once the boxes before it are written: they have the same size whatever the offsets say.
    let (_, new) = write(bytes, form, 0)?;
    let (written, _) = write(bytes, form, i64::try_from(new)? - old)?;
    Ok(written)
}

/// The file with chunk offsets moved by `shift`, and where the content of its `mdat` begins.
fn write(bytes: &[u8], form: Form, shift: i64) -> Result<(Vec<u8>, usize)> {
    let mut w = Writer::default();
    let mut media = 0;
    for (name, content) in top_level(bytes)? {
        match &name {
            b"mdat" if form.long_mdat => {
                w.u32(1);
                w.bytes(b"mdat");
                w.u64(16 + content.len() as u64);
                media = w.len();
                w.bytes(content);
            }
            b"mdat" => {
                media = w.len() + 8;
                w.boxed(&name, |w| w.bytes(content));
            }
            _ => write_box(&mut w, name, content, form, shift)?,
        }
    }
    Ok((w.into_bytes(), media))
}

fn write_box(w: &mut Writer, name: [u8; 4], content: &[u8], form: Form, shift: i64) -> Result<()> {
    let mut result = Ok(());
    match &name {
        b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" => w.boxed(&name, |w| {
            result = top_level(content)
                .and_then(|inner| inner.into_iter().try_for_each(|(name, content)| write_box(w, name, content, form, shift)));
        }),
        b"stco" => {
            let (head, entries) = content.split_at_checked(8).context("a short stco")?;
            let offsets = entries.as_chunks::<4>().0.iter().map(|entry| i64::from(u32::from_be_bytes(*entry)) + shift);
            let name = if form.long_offsets { b"co64" } else { b"stco" };
            w.boxed(name, |w| {
                w.bytes(head);
                for offset in offsets {
                    if form.long_offsets {
                        w.i64(offset);
                    } else {
                        w.u32(u32::try_from(offset).unwrap_or(0));
                    }
                }
            });
        }
        _ => w.boxed(&name, |w| w.bytes(content)),
    }
    result
}

/// Boxes with 32-bit sizes that follow each other, each with its name and content.
fn top_level(mut bytes: &[u8]) -> Result<Vec<([u8; 4], &[u8])>> {
    let mut boxes = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<8>() {
        let [a, b, c, d, name @ ..] = *header;
        let size = usize::try_from(u32::from_be_bytes([a, b, c, d]))?;
        let length = size.checked_sub(8).context("a size below 8")?;
        let (content, after) = rest.split_at_checked(length).context("a box past the end")?;
        boxes.push((name, content));
        bytes = after;
    }
    Ok(boxes)
}
