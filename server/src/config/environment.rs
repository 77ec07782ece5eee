//! Settings in the environment, which go before those of the file: `REELWAY__LIVE__SEGMENT=1s` is `segment` of `[live]`.

use toml::{Table, Value};

/// What the names of variables begin with, and what stands between their steps.
const PREFIX: &str = "REELWAY__";
const STEP: &str = "__";

/// The settings in `variables`, by the path of tables that their names tell, in small letters; a value is as TOML has it, or else a text.
pub fn settings(variables: impl Iterator<Item = (String, String)>) -> Vec<(String, Vec<String>, Value)> {
    let read = |text: &str| {
        let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok();
        parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.to_owned()))
    };
    let mut found: Vec<_> = variables
        .filter_map(|(name, text)| {
            let steps = name.strip_prefix(PREFIX)?.split(STEP).map(str::to_ascii_lowercase).collect();
            let value = read(&text);
            Some((name, steps, value))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Puts `value` at the end of a path of tables. Whether there is such a place.
pub fn set(table: &mut Table, steps: &[String], value: Value) -> bool {
    match steps {
        [] => false,
        [last] => {
            table.insert(last.clone(), value);
            true
        }
        [first, rest @ ..] => match table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => set(inner, rest, value),
            _ => false,
        },
    }
}
