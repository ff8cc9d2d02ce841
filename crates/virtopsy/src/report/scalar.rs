//! Scalars whose JSON form is fixed: 64-bit values as `"0x…"`, text that may not be UTF-8.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use virtopsy_klog::escape;

/// A 64-bit value, printed in hex: JSON numbers lose everything above 2^53 in most readers.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex(pub u64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.strip_prefix("0x")
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Hex)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is not a number in hex, 0x…")))
    }
}

/// Text from a dump or a file system: bytes that are usually, but not surely, UTF-8.
///
/// In JSON it is a string, or `{"bytes": "<base64>"}` where it is not UTF-8. [`fmt::Display`]
/// shows control characters, escape sequences, direction marks and bytes that are no UTF-8
/// visibly: it is the one way of such text to a terminal.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Vec<u8>);

impl Text {
    /// Takes bytes as they are.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Text(bytes.into())
    }

    /// The bytes as they were in the dump.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, where it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<&str> for Text {
    fn from(s: &str) -> Self {
        Text(s.as_bytes().to_vec())
    }
}

impl From<String> for Text {
    fn from(s: String) -> Self {
        Text(s.into_bytes())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&escape(&self.0))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_str() {
            Some(text) => serializer.serialize_str(text),
            None => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("bytes", &BASE64.encode(&self.0))?;
                map.end()
            }
        }
    }
}

/// The two forms that [`Text`] has in JSON.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum TextForm {
    Text(String),
    Bytes { bytes: String },
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match TextForm::deserialize(deserializer)? {
            TextForm::Text(text) => Ok(Text::from(text)),
            TextForm::Bytes { bytes } => BASE64.decode(bytes).map(Text).map_err(D::Error::custom),
        }
    }
}

#[cfg(feature = "schema")]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{Hex, Text};

    impl JsonSchema for Hex {
        fn schema_name() -> Cow<'static, str> {
            "Hex".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "A 64-bit value.",
                "type": "string",
                "pattern": "^0x[0-9a-f]{1,16}$",
            })
        }
    }

    impl JsonSchema for Text {
        fn schema_name() -> Cow<'static, str> {
            "Text".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "Text; where it is not UTF-8, its bytes in base64.",
                "anyOf": [
                    { "type": "string" },
                    {
                        "type": "object",
                        "properties": {
                            "bytes": { "type": "string", "contentEncoding": "base64" },
                        },
                        "required": ["bytes"],
                        "additionalProperties": false,
                    },
                ],
            })
        }
    }
}

/// `0, 1, 4-7`.
#[must_use]
pub fn ranges(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for n in numbers {
        match runs.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(*n) => *end = *n,
            _ => runs.push((*n, *n)),
        }
    }
    let texts = runs.iter().map(|(a, b)| {
        if a == b {
            a.to_string()
        } else {
            format!("{a}-{b}")
        }
    });
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_shown_visibly() {
        let text = Text::new(&b"a\x1b[31m\xe2\x80\xaeb\xff\n"[..]);
        assert_eq!(text.to_string(), "a\\x1b[31m\\u{202e}b\\xff\\n");
    }

    #[test]
    fn text_that_is_no_utf8_is_base64_in_json() {
        let json = serde_json::to_string(&(Text::new(&b"\xff"[..]), Text::from("ok"), Hex(16)));
        assert_eq!(json.unwrap(), r#"[{"bytes":"/w=="},"ok","0x10"]"#);
    }

    #[test]
    fn what_is_written_as_json_is_read_back_the_same() {
        let written = (
            Text::new(&b"\xff\x00"[..]),
            Text::from("\u{1b}é"),
            Hex(u64::MAX),
        );
        let json = serde_json::to_string(&written).unwrap();
        assert_eq!(
            serde_json::from_str::<(Text, Text, Hex)>(&json).unwrap(),
            written
        );
        for wrong in ["\"10\"", "\"0xg\"", "16"] {
            assert!(serde_json::from_str::<Hex>(wrong).is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<Text>(r#"{"bytes":"!"}"#).is_err());
    }

    #[test]
    fn runs_of_numbers_are_shortened() {
        assert_eq!(ranges(&[]), "");
        assert_eq!(ranges(&[3]), "3");
        assert_eq!(ranges(&[0, 1, 2, 5, u32::MAX]), "0-2, 5, 4294967295");
    }
}
