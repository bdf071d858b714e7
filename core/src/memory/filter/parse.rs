//! From a policy's JSON to what is evaluated.

use serde_json::{Map, Value};

use super::condition::Condition;
use super::{FilterPolicyError, Scope};

/// Keys that must all match, and of each `$or` one alternative.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) fields: Vec<Field>,
    pub(super) ors: Vec<Vec<Group>>,
}

/// A key, and what its value may be: any of the conditions.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// The key, behind those around it, joined by dots.
    pub(super) path: String,
    /// How deep it is nested; 1 at the top.
    pub(super) level: u64,
    pub(super) conditions: Vec<Condition>,
}

impl Group {
    pub(super) fn parse(policy: &Map<String, Value>, scope: Scope) -> Result<Self, FilterPolicyError> {
        let mut group = Self::default();
        group.add(policy, "", 1, scope)?;
        Ok(group)
    }

    fn add(
        &mut self,
        object: &Map<String, Value>,
        parent: &str,
        level: u64,
        scope: Scope,
    ) -> Result<(), FilterPolicyError> {
        for (key, value) in object {
            if key == "$or" {
                self.ors.push(alternatives(value, parent, level, scope)?);
                continue;
            }
            let path = if parent.is_empty() {
                key.clone()
            } else {
                format!("{parent}.{key}")
            };
            match value {
                Value::Array(values) if values.is_empty() => {
                    return Err(FilterPolicyError::EmptyList { key: path });
                }
                Value::Array(values) => {
                    let conditions: Result<_, _> = values
                        .iter()
                        .map(|value| Condition::parse(&path, value))
                        .collect();
                    self.fields.push(Field {
                        conditions: conditions?,
                        path,
                        level,
                    });
                }
                Value::Object(_) if scope == Scope::MessageAttributes => {
                    return Err(FilterPolicyError::Nested { key: path });
                }
                Value::Object(object) => self.add(object, &path, level + 1, scope)?,
                _ => return Err(FilterPolicyError::NotAList { key: path }),
            }
        }
        Ok(())
    }

    /// Calls `look` with every key, also those in alternatives.
    pub(super) fn each_field(&self, look: &mut impl FnMut(&Field)) {
        self.fields.iter().for_each(&mut *look);
        for alternative in self.ors.iter().flatten() {
            alternative.each_field(look);
        }
    }
}

fn alternatives(
    value: &Value,
    path: &str,
    level: u64,
    scope: Scope,
) -> Result<Vec<Group>, FilterPolicyError> {
    let wrong = || FilterPolicyError::Or {
        path: path.to_owned(),
    };
    let alternatives = value.as_array().filter(|list| list.len() > 1).ok_or_else(wrong)?;
    alternatives
        .iter()
        .map(|alternative| {
            let object = alternative
                .as_object()
                .filter(|object| !object.is_empty())
                .ok_or_else(wrong)?;
            let mut group = Group::default();
            group.add(object, path, level, scope)?;
            Ok(group)
        })
        .collect()
}
