//! A template as a document: its sections, each in the order in which it was filled.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::TemplateError;

/// What CloudFormation takes at most of each.
const RESOURCES: usize = 500;
const PARAMETERS: usize = 200;
const OUTPUTS: usize = 200;

#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Document {
    #[serde(rename = "AWSTemplateFormatVersion")]
    version: &'static str,
    description: String,
    pub(super) parameters: Section<Value>,
    pub(super) conditions: Section<Value>,
    pub(super) resources: Section<Resource>,
    pub(super) outputs: Section<Value>,
}

#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Resource {
    #[serde(rename = "Type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_replace_policy: Option<&'static str>,
    pub(super) properties: Value,
}

impl Resource {
    pub(super) fn new(kind: &'static str, properties: Value) -> Self {
        Self {
            kind,
            depends_on: Vec::new(),
            deletion_policy: None,
            update_replace_policy: None,
            properties,
        }
    }

    pub(super) fn after(mut self, ids: impl IntoIterator<Item = String>) -> Self {
        self.depends_on.extend(ids);
        self
    }

    /// It holds what can't be made again: it goes with the stack, and stays where an update would put
    /// another in its place.
    pub(super) fn stateful(mut self) -> Self {
        self.deletion_policy = Some("Delete");
        self.update_replace_policy = Some("Retain");
        self
    }
}

/// Names and what they stand for, in their order.
#[derive(Clone, Debug)]
pub(super) struct Section<T>(Vec<(String, T)>);

impl<T> Section<T> {
    pub(super) fn add(&mut self, id: impl Into<String>, value: impl Into<T>) {
        self.0.push((id.into(), value.into()));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(String, T)> {
        self.0.iter()
    }

    fn check(&self, what: &'static str, most: usize) -> Result<(), TemplateError> {
        let mut ids: Vec<_> = self.0.iter().map(|(id, _)| id).collect();
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(TemplateError::SameId { id: pair[0].clone() });
        }
        match self.0.len() {
            found if found > most => Err(TemplateError::TooMany { what, found, most }),
            _ => Ok(()),
        }
    }
}

impl<T> Default for Section<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Serialize> Serialize for Section<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, value) in &self.0 {
            map.serialize_entry(id, value)?;
        }
        map.end()
    }
}

impl Document {
    pub(super) fn new(app: &str) -> Self {
        Self {
            version: "2010-09-09",
            description: format!("{app}: its topics, queues and tables, and what runs on them"),
            parameters: Section::default(),
            conditions: Section::default(),
            resources: Section::default(),
            outputs: Section::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), TemplateError> {
        self.parameters.check("parameters", PARAMETERS)?;
        self.resources.check("resources", RESOURCES)?;
        self.outputs.check("outputs", OUTPUTS)
    }

    pub(super) fn yaml(&self) -> Result<String, TemplateError> {
        Ok(serde_saphyr::to_string(self)?)
    }

    pub(super) fn json(&self) -> Result<Value, TemplateError> {
        Ok(serde_json::to_value(self)?)
    }
}
