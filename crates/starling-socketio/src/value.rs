//! Arguments of events, whichever parser they came by.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A value in JSON's terms. Bytes, of which MessagePack has a kind of its own, become what the JSON parser puts in
/// their place: no dialect takes any, and so each refuses them as the wrong type.
pub(crate) struct Argument(pub(crate) Value);

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

fn placeholder() -> Value {
    serde_json::json!({ "_placeholder": true })
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Value, E> {
        Ok(placeholder())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    /// MessagePack's extensions; JavaScript's `undefined` comes as one.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        IgnoredAny::deserialize(deserializer)?;
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Argument(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((name, Argument(value))) = fields.next_entry::<String, Argument>()? {
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messagepack_becomes_json() {
        // {"a": [1, -1, 1.5, nil, true, "x"], "b": bin 2, "u": undefined}
        let mut bytes = vec![0x83, 0xa1, b'a', 0x96, 0x01, 0xff, 0xcb];
        bytes.extend(1.5_f64.to_be_bytes());
        bytes.extend([
            0xc0, 0xc3, 0xa1, b'x', 0xa1, b'b', 0xc4, 0x02, 1, 2, 0xa1, b'u', 0xd4, 0, 0,
        ]);
        let Argument(value) = rmp_serde::from_slice(&bytes).unwrap();
        let expected = json!({"a": [1, -1, 1.5, null, true, "x"], "b": {"_placeholder": true}, "u": null});
        assert_eq!(value, expected);
    }
}
