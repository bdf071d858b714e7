//! Message attributes as SQS writes them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fanfare::{Attribute, Attributes};
use serde::{Deserialize, Serialize};

use super::Error;

/// An attribute's value on the wire; SNS's has the same members.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Value {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    /// As base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) binary_value: Option<String>,
    #[serde(default)]
    pub(crate) data_type: String,
}

impl Value {
    /// The attribute, or what is wrong with it.
    pub(crate) fn read(self) -> Result<Attribute, &'static str> {
        let Self {
            string_value,
            binary_value,
            data_type,
        } = self;
        match data_type.split('.').next() {
            Some("String" | "Number") => match string_value {
                Some(value) => Ok(Attribute::Text { data_type, value }),
                None => Err("it has no string value, as its type wants"),
            },
            Some("Binary") if data_type != "Binary" => {
                Err("a label behind the type `Binary` isn't supported here")
            }
            Some("Binary") => match binary_value.map(|value| STANDARD.decode(value)) {
                Some(Ok(value)) => Ok(Attribute::Binary { value }),
                Some(Err(_)) => Err("its binary value isn't base64"),
                None => Err("it has no binary value, as its type wants"),
            },
            _ => Err("its type is `String`, `Number` or `Binary`, perhaps with a label behind a dot"),
        }
    }
}

impl From<&Attribute> for Value {
    fn from(attribute: &Attribute) -> Self {
        let data_type = attribute.data_type().to_owned();
        match attribute {
            Attribute::Text { value, .. } => Self {
                string_value: Some(value.clone()),
                binary_value: None,
                data_type,
            },
            Attribute::Binary { value } => Self {
                string_value: None,
                binary_value: Some(STANDARD.encode(value)),
                data_type,
            },
        }
    }
}

/// A message's attributes.
pub(super) fn read(values: Option<BTreeMap<String, Value>>) -> Result<Attributes, Error> {
    let values = values.unwrap_or_default().into_iter();
    values
        .map(|(name, value)| match value.read() {
            Ok(Attribute::Text { data_type, value }) if value.is_empty() => Err(Error::new(
                super::Code::InvalidParameterValue,
                format!(
                    "Message (user) attribute '{name}' must contain a non-empty value of type '{data_type}'."
                ),
            )),
            Ok(attribute) => Ok((name, attribute)),
            Err(reason) => Err(Error::new(
                super::Code::InvalidParameterValue,
                format!("The message attribute '{name}' is refused: {reason}."),
            )),
        })
        .collect()
}

/// Whether one of the names asked for is this one, or a pattern such as `order.*` or `All` that takes
/// it.
pub(super) fn is_asked_for(names: &[String], name: &str) -> bool {
    names.iter().any(|asked| {
        asked == name
            || asked == "All"
            || asked
                .strip_suffix(".*")
                .is_some_and(|prefix| name.starts_with(prefix))
    })
}

#[cfg(test)]
mod tests {
    use super::is_asked_for;

    #[test]
    fn names_patterns_and_all_ask_for_an_attribute() {
        let asked = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            is_asked_for(&names, "order.id")
        };
        assert!(asked(&["order.id"]) && asked(&["All"]) && asked(&[".*"]) && asked(&["x", "order.*"]));
        assert!(!asked(&[]) && !asked(&["order"]) && !asked(&["other.*"]) && !asked(&["Order.id"]));
    }
}
