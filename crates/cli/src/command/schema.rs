//! `virtopsy schema`: the JSON Schema of the results.

use super::print;
use crate::exit::Status;

/// The schema of the version that [`virtopsy::report::SCHEMA`] names.
const TEXT: &str = include_str!("../../schema/virtopsy-1.0.0.schema.json");

/// Prints the schema.
///
/// # Errors
/// When it cannot be printed.
pub(crate) fn run() -> anyhow::Result<Status> {
    print(TEXT)?;
    Ok(Status::Pass)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Render as _, json, samples};
    use serde_json::{Value, json};
    use virtopsy::report::{SCHEMA, Summary};

    /// The parts of JSON Schema that our schema uses. With `closed`, a field that the schema does
    /// not name is wrong too, except among the fields that kinds of splats add.
    fn holds(schema: &Value, root: &Value, value: &Value) -> Result<(), String> {
        if let Some(target) = schema["$ref"].as_str() {
            return holds(
                root.pointer(target.trim_start_matches('#')).ok_or(target)?,
                root,
                value,
            );
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let errors: Vec<_> = choices
                .iter()
                .filter_map(|choice| holds(choice, root, value).err())
                .collect();
            return if errors.len() < choices.len() {
                Ok(())
            } else {
                Err(errors.join(" | "))
            };
        }
        let types = match &schema["type"] {
            Value::Array(types) => types.clone(),
            one => vec![one.clone()],
        };
        if !types
            .iter()
            .any(|name| is(value, name.as_str().unwrap_or_default()))
        {
            return Err(format!("{value} is no {types:?}"));
        }
        if schema["enum"]
            .as_array()
            .is_some_and(|words| !words.contains(value))
        {
            return Err(format!("{value} is none of {}", schema["enum"]));
        }
        for one in value.as_array().into_iter().flatten() {
            holds(&schema["items"], root, one)?;
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            if value.get(name.as_str().unwrap()).is_none() {
                return Err(format!("{name} is missing"));
            }
        }
        for (name, one) in value.as_object().into_iter().flatten() {
            match schema["properties"].get(name) {
                Some(schema) => {
                    holds(schema, root, one).map_err(|error| format!("{name}: {error}"))?;
                }
                None if schema["description"]
                    .as_str()
                    .is_some_and(|d| d.contains("Kinds add")) => {}
                None => return Err(format!("{name} is not in the schema")),
            }
        }
        Ok(())
    }

    fn is(value: &Value, name: &str) -> bool {
        match name {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => false,
        }
    }

    #[test]
    fn what_is_printed_is_what_the_schema_says() {
        let root: Value = serde_json::from_str(TEXT).unwrap();
        let mut out = Vec::new();
        let mut document = json::Document::default();
        document.begin(&mut out).unwrap();
        for one in samples::all() {
            let line = serde_json::to_value(&one.report).unwrap();
            holds(&root["$defs"]["dump"], &root, &line).unwrap();
            document.dump(&mut out, &one).unwrap();
        }
        document.end(&mut out, &Summary::default()).unwrap();
        holds(
            &root["anyOf"][0],
            &root,
            &serde_json::from_slice(&out).unwrap(),
        )
        .unwrap();
        holds(
            &root["$defs"]["summary_line"],
            &root,
            &json!({"summary": Summary::default()}),
        )
        .unwrap();
    }

    #[test]
    fn the_schema_refuses_what_is_wrong() {
        let root: Value = serde_json::from_str(TEXT).unwrap();
        let good = serde_json::to_value(samples::good()).unwrap();
        for (pointer, wrong) in [
            ("/virtualization/verdict", json!("off")),
            ("/virtualization/cpus/0/cpu", json!("0")),
            ("/checks/0", json!({"id": "x"})),
            ("/path", json!({"bytes": 1})),
        ] {
            let mut value = good.clone();
            *value.pointer_mut(pointer).unwrap() = wrong;
            assert!(
                holds(&root["$defs"]["dump"], &root, &value).is_err(),
                "{pointer}"
            );
        }
    }

    #[test]
    fn the_files_name_is_the_version() {
        assert_eq!(SCHEMA, "1.0.0");
    }
}
