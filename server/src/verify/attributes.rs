//! Attribute lists of playlist tags (RFC 8216bis 4.2).

/// The attributes behind a tag, in order; a quoted value without its quotes. `None`: the text is no attribute list.
pub fn attributes(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(fits) {
            return None;
        }
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        found.push((name, value));
        rest = match after.strip_prefix(',') {
            Some(more) if !more.is_empty() => more,
            None if after.is_empty() => after,
            _ => return None,
        };
    }
    Some(found)
}

/// The value of the attribute `name`.
pub fn value<'a>(attributes: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
}

/// A decimal number of seconds in microseconds; digits past the sixth are passed over.
pub fn micros(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) {
        return None;
    }
    let part: String = part.chars().chain("000000".chars()).take(6).collect();
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(part.parse().ok()?)
}

/// `length@offset` or `length`, in bytes.
pub fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    match text.split_once('@') {
        Some((length, offset)) => Some((length.parse().ok()?, Some(offset.parse().ok()?))),
        None => Some((text.parse().ok()?, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let list = [("A", "1"), ("B-2", "x,y=z"), ("C", "YES")];
        assert_eq!(attributes("A=1,B-2=\"x,y=z\",C=YES").as_deref(), Some(&list[..]));
        for text in ["A", "A=\"x", "a=1", "A=1,", "A=\"x\"y"] {
            assert_eq!(attributes(text), None, "{text}");
        }
    }

    #[test]
    fn seconds() {
        for (text, expected) in
            [("4", Some(4_000_000)), ("3.9987", Some(3_998_700)), ("1.00000099", Some(1_000_000)), ("-1", None), ("", None)]
        {
            assert_eq!(micros(text), expected, "{text}");
        }
    }
}
