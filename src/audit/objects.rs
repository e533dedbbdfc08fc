//! The objects of a text that is JSON: alone, in an array, or one after the other. One is held at a time, so that a text of
//! very many values takes the memory of its largest.

use std::fmt::Formatter;

use serde::Deserialize as _;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Calls with each object until that says that it was enough, or what follows is none.
pub fn each_object(text: &[u8], call: &mut dyn FnMut(&Value) -> bool) {
    let mut objects = Objects(call);
    let mut from = serde_json::Deserializer::from_slice(text);
    while objects.deserialize(&mut from).is_ok() {}
}

struct Objects<'c>(&'c mut dyn FnMut(&Value) -> bool);

impl Objects<'_> {
    fn one<E: Error>(&mut self, value: &Value) -> Result<(), E> {
        match !value.is_object() || (self.0)(value) {
            true => Ok(()),
            false => Err(E::custom("that is enough")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Objects<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Objects<'_> {
    type Value = ();

    fn expecting(&self, to: &mut Formatter<'_>) -> std::fmt::Result {
        to.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let value = Value::deserialize(MapAccessDeserializer::new(map))?;
        self.one(&value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while let Some(value) = values.next_element::<Value>()? {
            self.one(&value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_alone_in_arrays_and_one_after_the_other() {
        for (text, expected) in [
            (r#"{"a":1}"#, 1),
            (r#"[{"a":1}, 2, {"a":{"b":3}}]"#, 2),
            ("{}\n{}\n[{}]\n", 3),
            (r#"{"a":1} rest {"a":1}"#, 1),
            ("1 {}", 0),
            ("", 0),
        ] {
            let mut count = 0;
            let mut counted = |_: &Value| {
                count += 1;
                true
            };
            each_object(text.as_bytes(), &mut counted);
            assert_eq!(count, expected, "{text}");
        }
        let mut count = 0;
        let mut first = |_: &Value| {
            count += 1;
            count < 2
        };
        each_object(b"[{},{},{}]{}", &mut first);
        assert_eq!(count, 2);
    }
}
