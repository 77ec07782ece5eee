//! Durations as a person writes them.

use std::time::Duration;

/// A duration with its unit: `4s`, `2.5s`, `2500ms`. Seconds go without saying.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let fault = || format!("'{text}' is no duration: write it as 4s or 2500ms");
    let (number, unit) = text.split_at(text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len()));
    let unit_millis = match unit {
        "ms" => 1,
        "s" | "" => 1000,
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
        for (text, millis) in [("4s", Some(4000)), ("4", Some(4000)), ("2.5s", Some(2500)), ("960ms", Some(960)), ("0s", Some(0))] {
            assert_eq!(parse_duration(text).ok().map(|duration| duration.as_millis()), millis, "{text}");
        }
        for text in ["", "s", "4m", "-4s", "4.0001s", "2h", "99999999999999999999s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
