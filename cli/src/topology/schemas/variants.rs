//! A schema taken apart into what can be there: each with one type, or one value.

use serde_json::{Map, Value, json};

/// One of the things that a schema lets be there.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    /// The definition that it is, if it is one.
    pub(super) definition: Option<String>,
    pub(super) schema: Value,
}

/// What says nothing about what can be there.
pub(super) const ANNOTATIONS: [&str; 12] = [
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
];

/// How many definitions may lead to one another without anything between.
const STEPS: usize = 32;

/// Everything that can be there: unions, lists of types and lists of values are taken apart.
pub(super) fn variants(root: &Value, schema: &Value) -> Vec<Variant> {
    let Variant { definition, schema } = resolved(root, schema);
    let whole = |schema: Value| {
        vec![Variant {
            definition: definition.clone(),
            schema,
        }]
    };
    let Some(object) = schema.as_object() else {
        return whole(schema);
    };
    for union in ["oneOf", "anyOf"] {
        if let Some(Value::Array(members)) = object.get(union) {
            let mut beside = object.clone();
            beside.remove(union);
            let all = members.iter().flat_map(|member| variants(root, member));
            return all.map(|variant| variant.beside(&beside)).collect();
        }
    }
    let alone = |key: &str, value: &Value| {
        let mut alone = object.clone();
        alone.remove("enum");
        alone.insert(key.to_owned(), value.clone());
        let definition = definition.clone();
        let schema = Value::Object(alone);
        Variant { definition, schema }
    };
    if let Some(Value::Array(values)) = object.get("enum") {
        return values.iter().map(|value| alone("const", value)).collect();
    }
    match object.get("type") {
        Some(Value::Array(types)) => types.iter().map(|ty| alone("type", ty)).collect(),
        _ => whole(schema),
    }
}

impl Variant {
    /// With what stands beside the union that it is of.
    fn beside(self, beside: &Map<String, Value>) -> Self {
        let Value::Object(mut schema) = self.schema else {
            return self;
        };
        for (key, value) in beside {
            match (schema.get_mut(key), value) {
                (Some(Value::Object(ours)), Value::Object(theirs)) if key == "properties" => {
                    theirs.iter().for_each(|(name, value)| {
                        ours.entry(name).or_insert_with(|| value.clone());
                    });
                }
                (Some(Value::Array(ours)), Value::Array(theirs)) if key == "required" => {
                    ours.extend(theirs.iter().cloned());
                }
                (Some(_), _) => {}
                (None, _) => {
                    schema.insert(key.clone(), value.clone());
                }
            }
        }
        Self {
            schema: Value::Object(schema),
            ..self
        }
    }

    /// Its one type: as it says, or as its one value has.
    pub(super) fn ty(&self) -> Option<&str> {
        let said = self.schema.get("type").and_then(Value::as_str);
        said.or_else(|| {
            Some(match self.value()? {
                Value::Null => "null",
                Value::Bool(_) => "boolean",
                Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
                Value::Number(_) => "number",
                Value::String(_) => "string",
                Value::Array(_) => "array",
                Value::Object(_) => "object",
            })
        })
    }

    /// Its one value, if it has one only.
    pub(super) fn value(&self) -> Option<&Value> {
        self.schema.get("const")
    }

    pub(super) fn property(&self, name: &str) -> Option<&Value> {
        self.schema.get("properties")?.get(name)
    }

    pub(super) fn properties(&self) -> impl Iterator<Item = (&String, &Value)> {
        let properties = self.schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten()
    }

    pub(super) fn requires(&self, name: &str) -> bool {
        self.required().any(|required| required == name)
    }

    pub(super) fn required(&self) -> impl Iterator<Item = &str> {
        let required = self.schema.get("required").and_then(Value::as_array);
        required.into_iter().flatten().filter_map(Value::as_str)
    }

    /// In words, for messages.
    pub(super) fn name(&self) -> String {
        match (self.value(), self.ty()) {
            (Some(value), _) => format!("the value {value}"),
            (None, Some("object")) => match self.tag() {
                Some((name, value)) => format!("an object with {name} {value}"),
                None => "an object".to_owned(),
            },
            (None, Some(ty @ ("array" | "integer"))) => format!("an {ty}"),
            (None, Some("null")) => "null".to_owned(),
            (None, Some(ty)) => format!("a {ty}"),
            (None, None) => "anything".to_owned(),
        }
    }

    /// The first member that tells it from other objects.
    fn tag(&self) -> Option<(&str, &Value)> {
        self.properties()
            .find_map(|(name, value)| Some((&**name, value.get("const")?)))
    }
}

/// The schema that a reference leads to, through other references.
fn resolved(root: &Value, schema: &Value) -> Variant {
    let mut definition = None;
    let mut schema = schema.clone();
    for _ in 0..STEPS {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str).map(str::to_owned) else {
            break;
        };
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| root.pointer(pointer));
        let Some(Value::Object(target)) = target else {
            break;
        };
        let mut target = target.clone();
        let beside = schema.as_object().into_iter().flatten();
        for (key, value) in beside.filter(|(key, _)| *key != "$ref" && !ANNOTATIONS.contains(&&***key)) {
            target.insert(key.clone(), value.clone());
        }
        definition = Some(reference);
        schema = Value::Object(target);
    }
    // `true` lets anything be there.
    let schema = if schema == json!(true) { json!({}) } else { schema };
    Variant { definition, schema }
}
