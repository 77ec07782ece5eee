//! Durations as a person writes them.

use std::time::Duration;

/// A duration with its unit: `4s`, `2.5s`, `2500ms`, `5m`, `2h`. Seconds go without saying.
///
/// # Errors
/// A sentence that tells how to write one.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let fault = || format!("'{text}' is no duration: write it as 4s, 2500ms, 5m or 2h");
    let (number, unit) = text.split_at(text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len()));
    let unit_millis = match unit {
        "ms" => 1,
        "s" | "" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(fault()),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let mut part = part.to_owned();
    if part.len() > 3 {
        return Err(fault());
    }
    part.extend(std::iter::repeat_n('0', 3 - part.len()));
    let parse = |digits: &str| digits.parse::<u64>().map_err(|_| fault());
    let millis = parse(whole)?.saturating_mul(unit_millis).saturating_add(parse(&part)?.saturating_mul(unit_millis) / 1000);
    Ok(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("4s", Some(4000)),
            ("4", Some(4000)),
            ("2.5s", Some(2500)),
            ("960ms", Some(960)),
            ("0s", Some(0)),
            ("1.5m", Some(90_000)),
            ("2h", Some(7_200_000)),
        ] {
            assert_eq!(parse_duration(text).ok().map(|duration| duration.as_millis()), millis, "{text}");
        }
        for text in ["", "s", "-4s", "4.0001s", "2d", "99999999999999999999s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
