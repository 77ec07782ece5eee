//! Changes inside files: the content of one box, with the sizes of all that is around it put right.

use anyhow::{Context, Result, ensure};

/// Changes the content of the box at `path`, such as `moov/trak/mdia/mdhd`; `trak#2` is the second of that name. Bytes behind it move.
pub fn change(file: &mut Vec<u8>, path: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
    let (name, inner) = path.split_once('/').map_or((path, None), |(name, inner)| (name, Some(inner)));
    let (name, number) = name.split_once('#').map_or(Ok((name, 1)), |(name, number)| number.parse().map(|number| (name, number)))?;
    let (start, end) = find(file, name, number).with_context(|| format!("no box {path}"))?;
    let mut content = file.get(start + 8..end).unwrap_or_default().to_vec();
    match inner {
        Some(inner) => self::change(&mut content, inner, change)?,
        None => change(&mut content),
    }
    let whole = boxed(name, &content);
    file.splice(start..end, whole);
    Ok(())
}

/// Takes the box at `path` out.
pub fn remove(file: &mut Vec<u8>, path: &str) -> Result<()> {
    let cut = |container: &mut Vec<u8>, name: &str| {
        let (start, end) = find(container, name, 1).with_context(|| format!("no box {path}"))?;
        container.drain(start..end);
        Ok(())
    };
    match path.rsplit_once('/') {
        None => cut(file, path),
        Some((container, name)) => {
            let mut done = Ok(());
            change(file, container, |content| done = cut(content, name))?;
            done
        }
    }
}

/// A box.
pub fn boxed(name: &str, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap_or(u32::MAX);
    [&size.to_be_bytes(), name.as_bytes(), content].concat()
}

/// The content of a full box of version 0 with these fields.
pub fn fields(fields: &[u32]) -> Vec<u8> {
    [0].iter().chain(fields).flat_map(|field| field.to_be_bytes()).collect()
}

/// Overwrites the 32-bit field at `place` of the content of the box at `path`.
pub fn set(file: &mut Vec<u8>, path: &str, place: usize, value: u32) -> Result<()> {
    let mut fits = false;
    change(file, path, |content| {
        if let Some(field) = content.get_mut(place..place + 4) {
            field.copy_from_slice(&value.to_be_bytes());
            fits = true;
        }
    })?;
    ensure!(fits, "{path} has no byte {place}");
    Ok(())
}

fn find(container: &[u8], name: &str, number: usize) -> Option<(usize, usize)> {
    let (mut start, mut left) = (0, number);
    while let Some((size, rest)) = container.get(start..)?.split_first_chunk::<4>() {
        let end = start + usize::try_from(u32::from_be_bytes(*size)).ok()?;
        left -= usize::from(rest.starts_with(name.as_bytes()));
        if left == 0 {
            return Some((start, end));
        }
        start = end.max(start + 8);
    }
    None
}
