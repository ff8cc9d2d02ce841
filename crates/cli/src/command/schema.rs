//! `virtopsy schema`: the JSON Schema of the results.

use clap::Args;

use super::print;
use crate::exit::Status;

/// Print the JSON Schema of the results
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {}

/// The schema of the version that [`virtopsy::report::SCHEMA`] names, generated from the types by
/// the tests below.
const TEXT: &str = include_str!("../../schema/virtopsy-1.0.4.schema.json");

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
    use crate::fleet::Fleet;
    use crate::generated::assert_committed;
    use crate::render::{Render as _, json, jsonl, samples};
    use jsonschema::Validator;
    use schemars::generate::SchemaSettings;
    use serde_json::{Value, json};
    use virtopsy::klog::{Crash, Splat};
    use virtopsy::report::{DumpReport, ErrorReport, SCHEMA, Summary};

    /// The schema of all results, from the types that are printed.
    fn generate() -> Value {
        let mut generator = SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator();
        let dump = generator.subschema_for::<json::Dump<'_>>();
        let splat = generator.subschema_for::<Splat>();
        let crash = generator.subschema_for::<Crash>();
        let error = generator.subschema_for::<ErrorReport>();
        let summary = generator.subschema_for::<Summary>();
        let tool = generator.subschema_for::<crate::render::Tool>();
        let line = generator.subschema_for::<json::Headed<'_, json::Dump<'_>>>();
        let fleet = generator.subschema_for::<json::Headed<'_, Fleet>>();
        let last = generator.subschema_for::<jsonl::Last<'_>>();
        let definitions = generator.take_definitions(true);
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": format!("virtopsy results, version {SCHEMA}"),
            "description": "What --format json and --format jsonl print. The version is a SchemaVer: model.revision.addition. Fields are added freely and never renamed.",
            "anyOf": [
                {
                    "description": "The document of `check` and `report`.",
                    "type": "object",
                    "properties": {
                        "schema": { "const": SCHEMA },
                        "tool": tool,
                        "dumps": { "type": "array", "items": dump },
                        "summary": summary,
                    },
                    "required": ["schema", "tool", "dumps", "summary"],
                },
                line,
                last,
                fleet,
                {
                    "description": "The document of `splats`.",
                    "type": "object",
                    "properties": {
                        "schema": { "const": SCHEMA },
                        "error": { "anyOf": [error, { "type": "null" }] },
                        "splats": { "type": "array", "items": splat },
                    },
                    "required": ["schema", "error", "splats"],
                    // A dump has those too.
                    "not": { "required": ["path"] },
                },
                splat,
                {
                    "description": "The document of `crashes`.",
                    "type": "object",
                    "properties": {
                        "schema": { "const": SCHEMA },
                        "error": { "anyOf": [error, { "type": "null" }] },
                        "crashes": { "type": "array", "items": crash },
                    },
                    "required": ["schema", "error", "crashes"],
                    "not": { "required": ["path"] },
                },
                crash,
            ],
            "$defs": definitions,
        })
    }

    fn validator() -> Validator {
        jsonschema::validator_for(&serde_json::from_str(TEXT).unwrap()).unwrap()
    }

    #[test]
    fn the_committed_schema_is_what_the_types_say() {
        let schema = generate();
        crate::command::schema_fields::assert_version(&schema);
        let mut text = serde_json::to_string_pretty(&schema).unwrap();
        text.push('\n');
        assert_committed(
            &format!("schema/virtopsy-{SCHEMA}.schema.json"),
            text.as_bytes(),
        );
    }

    #[test]
    fn what_is_printed_is_what_the_schema_says() {
        let validator = validator();
        let (mut document, mut lines) = (Vec::new(), Vec::new());
        let mut json = json::Document::default();
        json.begin(&mut document).unwrap();
        for one in samples::all() {
            json.dump(&mut document, &one).unwrap();
            jsonl::Lines.dump(&mut lines, &one).unwrap();
        }
        json.end(&mut document, &Summary::default()).unwrap();
        jsonl::Lines.end(&mut lines, &Summary::default()).unwrap();
        let lines = lines.split(|byte| *byte == b'\n').filter(|l| !l.is_empty());
        for text in lines.chain([document.as_slice()]) {
            let value = serde_json::from_slice(text).unwrap();
            if let Err(error) = validator.validate(&value) {
                panic!("{error}\n{value}");
            }
        }
    }

    #[test]
    fn the_schema_refuses_what_is_wrong() {
        let validator = validator();
        let mut line = Vec::new();
        let good = crate::judge::Judge::default().judge(samples::good());
        jsonl::Lines.dump(&mut line, &good).unwrap();
        let good: Value = serde_json::from_slice(&line).unwrap();
        assert!(validator.is_valid(&good));
        for (pointer, wrong) in [
            ("/schema", json!(1)),
            ("/virtualization/verdict", json!("off")),
            ("/virtualization/cpus/0/cpu", json!("0")),
            ("/virtualization/cpus/0/evidence/1/address", json!(16)),
            ("/checks/0", json!({"id": "x"})),
            ("/path", json!({"bytes": 1})),
        ] {
            let mut value = good.clone();
            *value.pointer_mut(pointer).unwrap() = wrong;
            assert!(!validator.is_valid(&value), "{pointer}");
        }
    }

    #[test]
    fn a_report_read_back_from_json_is_the_same() {
        for one in samples::all() {
            let written = serde_json::to_string(&one.report).unwrap();
            let read: DumpReport = serde_json::from_str(&written).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), written);
        }
    }
}
