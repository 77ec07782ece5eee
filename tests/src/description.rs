//! Values of JSON and the description of the API.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A schema of the description, and a value that should be as it says: the part of JSON Schema that the description uses.
pub fn conforms(description: &Value, schema: &Value, value: &Value, at: &str) -> Result<()> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = description.pointer(reference.trim_start_matches('#')).with_context(|| format!("{reference} leads nowhere"))?;
        return conforms(description, target, value, at);
    }
    for keyword in schema.as_object().context("no schema")?.keys() {
        ensure!(
            ["type", "const", "enum", "description", "format", "items", "properties", "required", "additionalProperties", "oneOf"]
                .contains(&keyword.as_str()),
            "{keyword} is not understood"
        );
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        Value::Null => vec![],
        one => vec![one.clone()],
    };
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    ensure!(types.is_empty() || types.iter().any(|known| known == actual), "{at} is of type {actual}");
    ensure!(schema["const"].is_null() || schema["const"] == *value, "{at} is {value}");
    ensure!(schema["enum"].as_array().is_none_or(|known| known.contains(value)), "{at} is {value}");
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        ensure!(value.get(name).is_some(), "{at} has no {name}");
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => conforms(description, schema, value, &format!("{at}/{name}"))?,
            None => ensure!(schema["additionalProperties"] != false, "{at} has {name}, which is not described"),
        }
    }
    for (index, value) in value.as_array().into_iter().flatten().enumerate() {
        conforms(description, &schema["items"], value, &format!("{at}/{index}"))?;
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fitting = choices.iter().filter(|schema| conforms(description, schema, value, at).is_ok()).count();
        ensure!(fitting == 1, "{at} fits {fitting} of the choices");
    }
    Ok(())
}
