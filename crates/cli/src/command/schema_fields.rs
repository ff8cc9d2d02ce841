//! Holds the schema against the fields of all versions: what was given once stays, and what is new
//! belongs to a new version (SchemaVer: model.revision.addition).
//!
//! `schema/fields.txt` has a line for each field and each word of an enumeration, with the version
//! that brought it. `.ci/generate` adds lines, but only under a version that has none yet.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use virtopsy::report::SCHEMA;

/// Field (`Type.field kind`) or word (`Type = word`), and the version that brought it.
type Fields = BTreeMap<String, String>;

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema/fields.txt")
}

fn committed() -> Fields {
    let text = fs::read_to_string(file()).unwrap_or_default();
    let line = |line: &str| {
        let (version, field) = line.split_once(' ').unwrap();
        (field.to_owned(), version.to_owned())
    };
    text.lines().map(line).collect()
}

/// What a value may be, in a word: a type, a definition, or several.
fn kind(schema: &Value) -> String {
    let all = |key: &str| {
        let each = schema[key].as_array()?.iter().map(kind);
        Some(each.collect::<Vec<_>>().join("|"))
    };
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap().to_owned();
    }
    if let Some(one) = schema.get("const") {
        return one.to_string();
    }
    if let Some(parts) = all("anyOf")
        .or_else(|| all("oneOf"))
        .or_else(|| all("allOf"))
    {
        return parts;
    }
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec!["any"],
    };
    let of = |name: &str| match name {
        "array" => format!("[{}]", kind(&schema["items"])),
        other => other.to_owned(),
    };
    types.into_iter().map(of).collect::<Vec<_>>().join("|")
}

fn collect(name: &str, schema: &Value, found: &mut Vec<String>) {
    for (field, what) in schema["properties"].as_object().into_iter().flatten() {
        // The version itself changes with each.
        if field != "schema" {
            found.push(format!("{name}.{field} {}", kind(what)));
        }
    }
    for word in schema["enum"].as_array().into_iter().flatten() {
        found.push(format!("{name} = {word}"));
    }
    if let Some(word) = schema.get("const") {
        found.push(format!("{name} = {word}"));
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        for part in schema[key].as_array().into_iter().flatten() {
            collect(name, part, found);
        }
    }
}

fn current(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        collect(name, definition, &mut found);
    }
    collect("document", schema, &mut found);
    found.sort();
    found.dedup();
    found
}

/// Model, revision, addition.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|n| n.parse().unwrap()).collect()
}

/// Why a schema can't have this version. `Ok`: the fields of all versions, this one's among them.
fn judged(mut known: Fields, now: &[String], version: &str) -> Result<Fields, String> {
    let model = |version: &str| numbers(version)[0];
    known.retain(|_, since| model(since) == model(version));
    let gone: Vec<_> = known.keys().filter(|field| !now.contains(field)).collect();
    if !gone.is_empty() {
        return Err(format!(
            "gone, renamed or of another kind: {gone:#?}\nonly a new model (the first number of \
             SCHEMA) may do that"
        ));
    }
    let last = known.values().map(|since| numbers(since)).max();
    let new: Vec<_> = now.iter().filter(|f| !known.contains_key(*f)).collect();
    if !new.is_empty() && last >= Some(numbers(version)) {
        return Err(format!("new: {new:#?}\nraise the last number of SCHEMA"));
    }
    for field in new {
        known.insert(field.clone(), version.to_owned());
    }
    Ok(known)
}

/// The test of the committed schema calls it.
pub(super) fn assert_version(schema: &Value) {
    let known = committed();
    let all = judged(known.clone(), &current(schema), SCHEMA).unwrap_or_else(|why| panic!("{why}"));
    if std::env::var_os("VIRTOPSY_GENERATE").is_some() {
        let lines = all
            .iter()
            .map(|(field, version)| format!("{version} {field}\n"));
        fs::write(file(), lines.collect::<String>()).unwrap();
        return;
    }
    assert!(
        all == known,
        "schema/fields.txt lacks fields: write it anew with .ci/generate"
    );
}

#[test]
fn a_field_that_goes_asks_for_a_model_and_one_that_comes_for_an_addition() {
    let fields = |fields: &[&str]| fields.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>();
    let known = judged(
        Fields::new(),
        &fields(&["A.x string", "A.y integer"]),
        "1.0.0",
    )
    .unwrap();
    let renamed = judged(
        known.clone(),
        &fields(&["A.x string", "A.z integer"]),
        "1.0.1",
    );
    assert!(renamed.unwrap_err().contains("A.y integer"));
    let more = fields(&["A.x string", "A.y integer", "B = \"word\""]);
    assert!(
        judged(known.clone(), &more, "1.0.0")
            .unwrap_err()
            .contains("raise")
    );
    let added = judged(known.clone(), &more, "1.0.1").unwrap();
    assert_eq!(added["B = \"word\""], "1.0.1");
    assert_eq!(added["A.x string"], "1.0.0");
    let model = judged(added, &fields(&["A.z integer"]), "2.0.0").unwrap();
    assert_eq!(model.len(), 1);
}
