//! What not to do, where doing it destroys something: in full, and in short for whoever has the IDs before their eyes.

use serde::{Serialize, Serializer};

/// A warning. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Danger {
    /// In full, with whatever it names.
    pub text: String,
    /// In one line, beside what it is about.
    pub brief: String,
}

impl Danger {
    /// Several warnings in one.
    #[must_use]
    pub fn all(of: [Option<Self>; 2]) -> Option<Self> {
        of.into_iter().flatten().reduce(|one, other| Self {
            text: format!("{} {}", one.text, other.text),
            brief: format!("{} {}", one.brief, other.brief),
        })
    }
}

/// Scripts are told all of it.
impl Serialize for Danger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Danger {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}
