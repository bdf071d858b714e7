//! One conditional update of a record, put together attribute by attribute.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::record::{Item, Key};

/// A change to a record. Every attribute's name goes in by a placeholder, so that none can be one of
/// DynamoDB's reserved words.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: Key,
    pub(super) names: HashMap<String, String>,
    pub(super) values: Item,
    sets: Vec<String>,
    removes: Vec<String>,
    conditions: Vec<String>,
}

impl Change {
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            names: HashMap::new(),
            values: HashMap::new(),
            sets: Vec::new(),
            removes: Vec::new(),
            conditions: Vec::new(),
        }
    }

    /// The path of an attribute.
    pub(super) fn at(&mut self, attribute: &str) -> String {
        let placeholder = format!("#{attribute}");
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    /// The path of an attribute of the `index`th map in a list.
    pub(super) fn within(&mut self, list: &str, index: usize, attribute: &str) -> String {
        let (list, attribute) = (self.at(list), self.at(attribute));
        format!("{list}[{index}].{attribute}")
    }

    pub(super) fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    pub(super) fn set(&mut self, path: String, value: AttributeValue) {
        let value = self.value(value);
        self.sets.push(format!("{path} = {value}"));
    }

    pub(super) fn set_attribute(&mut self, attribute: &str, value: AttributeValue) {
        let path = self.at(attribute);
        self.set(path, value);
    }

    pub(super) fn remove(&mut self, path: String) {
        self.removes.push(path);
    }

    pub(super) fn remove_attribute(&mut self, attribute: &str) {
        let path = self.at(attribute);
        self.remove(path);
    }

    /// Made only while this holds, and all the others.
    pub(super) fn only_if(&mut self, condition: String) {
        self.conditions.push(condition);
    }

    pub(super) fn only_if_equal(&mut self, path: &str, value: AttributeValue) {
        let value = self.value(value);
        self.only_if(format!("{path} = {value}"));
    }

    pub(super) fn update_expression(&self) -> String {
        let mut expression = String::new();
        for (clause, parts) in [("SET ", &self.sets), (" REMOVE ", &self.removes)] {
            if !parts.is_empty() {
                expression.push_str(clause);
                expression.push_str(&parts.join(", "));
            }
        }
        expression
    }

    pub(super) fn condition(&self) -> String {
        self.conditions.join(" AND ")
    }
}
