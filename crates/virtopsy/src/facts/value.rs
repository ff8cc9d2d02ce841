//! A value that was read by name, as JSON.

use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};
use virtopsy_kernel::{Node, Value};

use super::error_text;
use crate::report::{Hex, Text};

/// A value and what it holds. Serialized with `name`, `type`, `address`, and one of `value`,
/// `members`, `elements`, `bytes`, `error` and `omitted`.
#[derive(Clone, Debug)]
pub struct ValueFacts(pub Node);

impl Serialize for ValueFacts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        node(&self.0).serialize(to)
    }
}

fn node(node: &Node) -> Json {
    let mut out = json!({
        "name": node.name,
        "type": node.type_name,
        "address": node.address.map(|a| Hex(a.0)),
    });
    let (key, value) = content(&node.value);
    if let Some(object) = out.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
    out
}

fn content(value: &Value) -> (&'static str, Json) {
    match value {
        // Numbers that a double can't hold are given as text, as all 64-bit values are.
        Value::Integer {
            value,
            signed: true,
        } if fits(*value as i64) => ("value", json!(*value as i64)),
        Value::Integer {
            value,
            signed: false,
        } if *value < 1 << 53 => ("value", json!(value)),
        Value::Integer { value, .. } => ("value", json!(Hex(*value))),
        Value::Boolean(value) => ("value", json!(value)),
        Value::Enumerator { name, value } => {
            ("value", json!({"enumerator": name, "number": value}))
        }
        Value::Pointer { to, symbol, text } => {
            let symbol = symbol.as_ref().map(ToString::to_string);
            let text = text.as_ref().map(|text| Text::new(text.clone()));
            let pointer = json!({"pointer": Hex(to.0), "symbol": symbol, "text": text});
            ("value", pointer)
        }
        Value::Text(bytes) => ("value", json!(Text::new(bytes.clone()))),
        Value::Struct(members) => ("members", members.iter().map(node).collect()),
        Value::Array { elements, count } => {
            let elements: Json = elements.iter().map(node).collect();
            ("elements", json!({"count": count, "shown": elements}))
        }
        Value::Bytes(bytes, why) => {
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            ("bytes", json!({"hex": hex, "untyped_because": why}))
        }
        Value::Unreadable(e) => ("error", json!({"kind": e.kind(), "message": error_text(e)})),
        _ => ("omitted", json!(true)),
    }
}

fn fits(value: i64) -> bool {
    value.unsigned_abs() < 1 << 53
}
