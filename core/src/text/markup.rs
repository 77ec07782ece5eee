//! Plain text in the form of WebVTT.

use alloc::string::String;

/// Appends a character, escaped where WebVTT would read it as markup (WebVTT 6.4).
pub fn push_escaped(text: &mut String, letter: char) {
    match letter {
        '&' => text.push_str("&amp;"),
        '<' => text.push_str("&lt;"),
        '>' => text.push_str("&gt;"),
        letter => text.push(letter),
    }
}

/// Where a cue is shown that stands at a place of a keypad, as subtitle programs number them: 1 to 3 at the bottom from left to right,
/// 4 to 6 in the middle, 7 to 9 at the top. At the bottom in the middle is where cues are shown anyway.
pub fn keypad_settings(place: u8) -> &'static str {
    match place {
        1 => "position:0% align:left",
        3 => "position:100% align:right",
        4 => "line:50% position:0% align:left",
        5 => "line:50%",
        6 => "line:50% position:100% align:right",
        7 => "line:0 position:0% align:left",
        8 => "line:0",
        9 => "line:0 position:100% align:right",
        _ => "",
    }
}
