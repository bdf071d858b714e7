//! What can be read of what was written: a table of cases, and types as they change.
#![allow(clippy::unwrap_used)]

use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::compat::unreadable;

/// How a reader, a writer, and what is found are written here: a schema, a schema, `field what` or nothing.
type Case = (&'static str, Value, Value, &'static [&'static str]);

fn check(cases: &[Case]) {
    for (name, reader, writer, expected) in cases {
        let found: Vec<_> = unreadable(reader, writer)
            .into_iter()
            .map(|problem| format!("{} {}", problem.field, problem.what))
            .collect();
        assert_eq!(found, *expected, "{name}");
    }
}

fn object(properties: Value, required: Value) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

#[test]
fn members() {
    let (text, number) = (json!({"type": "string"}), json!({"type": "number"}));
    let a = || object(json!({"a": text}), json!(["a"]));
    let optional = || object(json!({"a": text}), json!([]));
    let a_and_b = |required: Value| object(json!({"a": text, "b": text}), required);
    let closed = || {
        let mut closed = a();
        closed["additionalProperties"] = json!(false);
        closed
    };
    check(&[
        ("the same", a(), a(), &[]),
        ("one more to ignore", a(), a_and_b(json!(["a", "b"])), &[]),
        ("one more that may be missing", a_and_b(json!(["a"])), a(), &[]),
        (
            "one more that must be there",
            a_and_b(json!(["a", "b"])),
            a(),
            &["b may be missing, and must be there"],
        ),
        (
            "one that may be missing now",
            a(),
            optional(),
            &["a may be missing, and must be there"],
        ),
        ("one that must be there now", optional(), a(), &[]),
        ("one less", object(json!({}), json!([])), a(), &[]),
        (
            "one more, and nothing else is taken",
            closed(),
            a_and_b(json!(["a"])),
            &["b may be there, and isn't taken"],
        ),
        ("as many, and nothing else is taken", closed(), a(), &[]),
        (
            "another type",
            a(),
            object(json!({"a": number}), json!(["a"])),
            &["a may be a number, and that isn't taken"],
        ),
        (
            "deeper",
            object(json!({"x": {"type": "array", "items": a()}}), json!([])),
            object(json!({"x": {"type": "array", "items": optional()}}), json!([])),
            &["x[].a may be missing, and must be there"],
        ),
        (
            "members of any name",
            json!({"type": "object", "additionalProperties": {"type": "integer"}}),
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            &["* may be a string, and that isn't taken"],
        ),
        (
            "members of any name, for a known one",
            optional(),
            json!({"type": "object", "additionalProperties": {"type": "integer"}}),
            &["a may be an integer, and that isn't taken"],
        ),
        (
            "an object where only certain members are taken",
            json!({"type": "object", "additionalProperties": {"type": "integer"}}),
            object(json!({"a": text}), json!(["a"])),
            &["a may be a string, and that isn't taken"],
        ),
    ]);
}

#[test]
fn types() {
    let one = |ty: &str| json!({"type": ty});
    let many = |types: &[&str]| json!({"type": types});
    check(&[
        ("wider", many(&["string", "null"]), one("string"), &[]),
        (
            "narrower",
            one("string"),
            many(&["string", "null"]),
            &[" may be null, and that isn't taken"],
        ),
        ("integers are numbers", one("number"), one("integer"), &[]),
        (
            "numbers aren't integers",
            one("integer"),
            one("number"),
            &[" may be a number, and that isn't taken"],
        ),
        ("anything is taken", json!({}), one("object"), &[]),
        (
            "anything is taken, said otherwise",
            json!(true),
            one("object"),
            &[],
        ),
        (
            "anything is written",
            one("string"),
            json!({}),
            &[" may be anything, and that isn't taken"],
        ),
        (
            "nothing is taken",
            json!(false),
            one("string"),
            &[" may be there, and nothing is taken"],
        ),
    ]);
}

#[test]
fn values_and_unions() {
    let values = |values: Value| json!({"type": "string", "enum": values});
    let tagged = |name: &str, also: &str| {
        object(
            json!({"kind": {"type": "string", "const": name}, also: {"type": "string"}}),
            json!(["kind", also]),
        )
    };
    let card = || tagged("card", "number");
    let iban = || tagged("transfer", "iban");
    check(&[
        (
            "one more is taken",
            values(json!(["a", "b"])),
            values(json!(["a"])),
            &[],
        ),
        (
            "one more is written",
            values(json!(["a"])),
            values(json!(["a", "b"])),
            &[" may be the value \"b\", and that isn't taken"],
        ),
        (
            "any text is taken",
            json!({"type": "string"}),
            values(json!(["a"])),
            &[],
        ),
        (
            "any text is written",
            values(json!(["a"])),
            json!({"type": "string"}),
            &[" may be a string, and that isn't taken"],
        ),
        (
            "one kind more is taken",
            json!({"oneOf": [card(), iban()]}),
            json!({"oneOf": [iban()]}),
            &[],
        ),
        (
            "one kind more is written",
            json!({"oneOf": [card()]}),
            json!({"oneOf": [card(), iban()]}),
            &[" may be an object with kind \"transfer\", and that isn't taken"],
        ),
        (
            "a kind that has lost something",
            json!({"oneOf": [card(), iban()]}),
            json!({"oneOf": [tagged("card", "token"), iban()]}),
            &["number may be missing, and must be there"],
        ),
        (
            "what stands beside a union belongs to each of it",
            json!({"oneOf": [card()], "properties": {"at": {"type": "string"}}, "required": ["at"]}),
            json!({"oneOf": [card()]}),
            &["at may be missing, and must be there"],
        ),
    ]);
}

#[test]
fn bounds_and_forms() {
    let least = |least: i64| json!({"type": "integer", "minimum": least});
    let format = |format: &str| json!({"type": "integer", "format": format});
    let text = |name: &str, value: Value| json!({"type": "string", name: value});
    check(&[
        ("a lower bound", least(0), least(1), &[]),
        (
            "a higher bound",
            least(1),
            least(0),
            &[" may be less than 1, and that isn't taken"],
        ),
        (
            "a bound where was none",
            least(0),
            json!({"type": "integer"}),
            &[" may be less than 0, and that isn't taken"],
        ),
        (
            "a bound that is outside itself",
            json!({"type": "number", "exclusiveMaximum": 5}),
            json!({"type": "number", "maximum": 5}),
            &[" may be as much as 5, and that isn't taken"],
        ),
        ("more bits", format("int64"), format("int32"), &[]),
        (
            "fewer bits",
            format("uint8"),
            format("uint16"),
            &[" may be more than 255, and that isn't taken"],
        ),
        (
            "a sign",
            format("uint32"),
            format("int32"),
            &[" may be less than 0, and that isn't taken"],
        ),
        (
            "a form less",
            json!({"type": "string"}),
            text("format", json!("uuid")),
            &[],
        ),
        (
            "a form more",
            text("format", json!("uuid")),
            json!({"type": "string"}),
            &[" may be of another format than \"uuid\", and that isn't taken"],
        ),
        (
            "a pattern more",
            text("pattern", json!("^a")),
            json!({"type": "string"}),
            &[" may be of another pattern than \"^a\", and that isn't taken"],
        ),
        (
            "shorter",
            text("maxLength", json!(3)),
            text("maxLength", json!(4)),
            &[" may have more than 3 characters, and that isn't taken"],
        ),
        (
            "longer",
            text("minLength", json!(2)),
            json!({"type": "string"}),
            &[" may have less than 2 characters, and that isn't taken"],
        ),
        (
            "each once",
            json!({"type": "array", "uniqueItems": true}),
            json!({"type": "array"}),
            &[" may have an element twice, and that isn't taken"],
        ),
        (
            "a tuple of another length",
            json!({"type": "array", "prefixItems": [{"type": "string"}]}),
            json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "string"}]}),
            &["[] may be another list, and that isn't taken"],
        ),
        (
            "words about it",
            json!({"type": "string", "title": "A", "default": "b"}),
            json!({"type": "string"}),
            &[],
        ),
        (
            "what isn't known here",
            json!({"type": "integer", "multipleOf": 2}),
            json!({"type": "integer"}),
            &[" has another `multipleOf`, of which nobody here knows whether it is taken"],
        ),
        (
            "what isn't known here, and is the same",
            json!({"type": "integer", "multipleOf": 2}),
            json!({"type": "integer", "multipleOf": 2}),
            &[],
        ),
    ]);
}

#[test]
fn what_leads_to_itself_is_looked_at_once() {
    let tree = |leaf: &str| {
        json!({
            "$ref": "#/$defs/Tree",
            "$defs": {"Tree": {
                "type": "object",
                "properties": {
                    "leaf": {"type": leaf},
                    "left": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]},
                    "others": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
                },
                "required": ["leaf"],
            }},
        })
    };
    check(&[
        ("the same", tree("string"), tree("string"), &[]),
        (
            "another",
            tree("string"),
            tree("integer"),
            &["leaf may be an integer, and that isn't taken"],
        ),
    ]);
}

/// The schema of a type, as it is committed.
fn of<T: JsonSchema>() -> Value {
    SchemaGenerator::default().into_root_schema_for::<T>().to_value()
}

/// What stored events of `Old` lack for `New`, and what new events lack for consumers of `Old`.
fn change<Old: JsonSchema, New: JsonSchema>() -> [Vec<String>; 2] {
    let lines = |reader: Value, writer: Value| {
        let problems = unreadable(&reader, &writer).into_iter();
        problems
            .map(|problem| format!("{} {}", problem.field, problem.what))
            .collect()
    };
    [lines(of::<New>(), of::<Old>()), lines(of::<Old>(), of::<New>())]
}

/// Changes of Rust types, as [the guide](../../../../docs/guide/changing-events.md) has them.
mod shop {
    use super::*;

    macro_rules! payload {
        ($name:ident { $($(#[$meta:meta])* $field:ident: $ty:ty),* $(,)? }) => {
            #[derive(Serialize, Deserialize, JsonSchema)]
            struct $name {
                $($(#[$meta])* $field: $ty,)*
            }
        };
    }

    payload!(Placed {
        order: String,
        cents: u64,
    });
    payload!(WithCoupon { order: String, cents: u64, coupon: Option<String>, });
    payload!(WithDefault {
        order: String,
        cents: u64,
        #[serde(default)]
        gift: bool,
    });
    payload!(WithMore {
        order: String,
        cents: u64,
        customer: String,
    });
    payload!(Signed {
        order: String,
        cents: i64,
    });
    payload!(Renamed {
        order_id: String,
        cents: u64,
    });
    payload!(Nested { order: Placed });
    payload!(NestedWithMore { order: WithMore });

    #[test]
    fn a_field_that_may_be_missing_can_come_and_go() {
        let fine = [vec![], vec![]] as [Vec<String>; 2];
        assert_eq!(change::<Placed, WithCoupon>(), fine);
        assert_eq!(change::<WithCoupon, Placed>(), fine);
        assert_eq!(change::<Placed, WithDefault>(), fine);
        assert_eq!(change::<WithDefault, Placed>(), fine);
    }

    #[test]
    fn a_field_that_must_be_there_can_t_come_for_stored_events_nor_go_for_old_consumers() {
        let missing = || vec!["customer may be missing, and must be there".to_owned()];
        assert_eq!(change::<Placed, WithMore>(), [missing(), vec![]]);
        assert_eq!(change::<WithMore, Placed>(), [vec![], missing()]);
        let nested = vec!["order.customer may be missing, and must be there".to_owned()];
        assert_eq!(change::<Nested, NestedWithMore>(), [nested, vec![]]);
    }

    #[test]
    fn another_type_and_another_name_can_t_be_taken() {
        let [stored, new] = change::<Placed, Signed>();
        assert_eq!(
            stored,
            ["cents may be more than 9223372036854775807, and that isn't taken"]
        );
        assert_eq!(new, ["cents may be less than 0, and that isn't taken"]);
        let [stored, new] = change::<Placed, Renamed>();
        assert_eq!(stored, ["order_id may be missing, and must be there"]);
        assert_eq!(new, ["order may be missing, and must be there"]);
    }
}
