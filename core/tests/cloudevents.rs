//! Envelopes are CloudEvents 1.0: by the specification's own schema, its examples and its SDK.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloudevents::event::{AttributesReader, ExtensionValue};
use fanfare::{Clock, Draft, Envelope, Outgoing};
use jsonschema::Validator;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const SCHEMA: &str = include_str!("data/cloudevents.schema.json");

fn schema() -> Result<Validator, Box<dyn std::error::Error>> {
    let schema = serde_json::from_str(SCHEMA)?;
    Ok(jsonschema::draft7::options()
        .should_validate_formats(true)
        .build(&schema)?)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Noted {
    note: String,
    key: String,
    amounts: Vec<i64>,
}

impl fanfare::Event for Noted {
    const TYPE: &'static str = "note.taken";
    const VERSION: u16 = 3;
    const TOPIC: &'static str = "notes";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.key))
    }
}

/// An event and what a handler of it emits.
fn chain(event: &Noted) -> Result<[Outgoing; 2], fanfare::EncodeError> {
    let clock = Clock::system();
    let first = Draft::event(event)?.first("/notes", &clock);
    let second = Draft::event(event)?.caused_by(&first.envelope, "archive", 0, &clock);
    Ok([first, second])
}

#[test]
fn what_is_published_is_valid_by_the_specifications_schema() {
    let schema = schema().unwrap();
    let event = Noted {
        note: "\u{0}\"\\ é 🎺".into(),
        key: "Zoë".into(),
        amounts: vec![i64::MIN, i64::MAX],
    };
    for outgoing in chain(&event).unwrap() {
        let traced = outgoing
            .envelope
            .with_trace(
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                Some("a=1"),
            )
            .with_sequence(17);
        for envelope in [outgoing.envelope, traced] {
            let json: Value = serde_json::from_str(&envelope.to_json()).unwrap();
            assert!(schema.is_valid(&json), "{json}");
            assert_eq!(envelope.decode::<Noted>().unwrap(), event);
        }
    }
}

/// What the schema forbids is refused when it is read, and the attribute is named.
#[test]
fn what_the_schema_forbids_is_refused_with_the_attributes_name() {
    let schema = schema().unwrap();
    let valid = json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "a.b"});
    assert!(schema.is_valid(&valid));
    Envelope::parse(&valid.to_string()).unwrap();

    let mut wrong = Vec::new();
    for name in ["specversion", "id", "source", "type"] {
        let mut without = valid.clone();
        without.as_object_mut().unwrap().remove(name);
        wrong.push((name, without));
        wrong.push((name, with(&valid, name, json!(""))));
        wrong.push((name, with(&valid, name, json!(5))));
        wrong.push((name, with(&valid, name, Value::Null)));
    }
    for name in ["subject", "datacontenttype", "dataschema", "time", "data_base64"] {
        wrong.push((name, with(&valid, name, json!({}))));
    }
    for name in ["subject", "datacontenttype", "dataschema", "time"] {
        wrong.push((name, with(&valid, name, json!(""))));
    }
    wrong.push(("time", with(&valid, "time", json!("yesterday"))));
    wrong.push(("time", with(&valid, "time", json!("2018-04-05 17:31"))));
    for (name, event) in wrong {
        assert!(!schema.is_valid(&event), "the schema takes {event}");
        let error = Envelope::parse(&event.to_string()).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}`")), "{event}: {error}");
    }
}

fn with(event: &Value, name: &str, value: Value) -> Value {
    let mut event = event.clone();
    event[name] = value;
    event
}

/// The examples of the JSON format's section 3.2, but for the first, whose base64 is a placeholder.
#[test]
fn the_specifications_examples_are_read_as_it_says() {
    let xml = Envelope::parse(
        r#"{
            "specversion" : "1.0",
            "type" : "com.example.someevent",
            "source" : "/mycontext",
            "id" : "B234-1234-1234",
            "time" : "2018-04-05T17:31:00Z",
            "comexampleextension1" : "value",
            "comexampleothervalue" : 5,
            "unsetextension": null,
            "datacontenttype" : "application/xml",
            "data" : "<much wow=\"xml\"/>"
        }"#,
    )
    .unwrap();
    assert_eq!(xml.decode::<String>().unwrap(), r#"<much wow="xml"/>"#);
    assert_eq!(xml.datacontenttype(), Some("application/xml"));
    assert_eq!(xml.extension("comexampleextension1"), Some(&json!("value")));
    assert_eq!(xml.extension("comexampleothervalue"), Some(&json!(5)));
    assert_eq!(xml.extension("unsetextension"), None);

    let object = Envelope::parse(
        r#"{
            "specversion" : "1.0",
            "type" : "com.example.someevent",
            "source" : "/mycontext",
            "subject": null,
            "id" : "C234-1234-1234",
            "time" : "2018-04-05T17:31:00Z",
            "comexampleextension1" : "value",
            "comexampleothervalue" : 5,
            "datacontenttype" : "application/json",
            "data" : {
                "appinfoA" : "abc",
                "appinfoB" : 123,
                "appinfoC" : true
            }
        }"#,
    )
    .unwrap();
    assert_eq!(object.subject(), None);
    let data = object.decode::<Value>().unwrap();
    assert_eq!(
        data,
        json!({"appinfoA": "abc", "appinfoB": 123, "appinfoC": true})
    );

    let text = Envelope::parse(
        r#"{
            "specversion" : "1.0",
            "type" : "com.example.someevent",
            "source" : "/mycontext",
            "subject": null,
            "id" : "D234-1234-1234",
            "time" : "2018-04-05T17:31:00Z",
            "comexampleextension1" : "value",
            "comexampleothervalue" : 5,
            "data" : "I'm just a string"
        }"#,
    )
    .unwrap();
    assert_eq!(text.decode::<String>().unwrap(), "I'm just a string");
}

#[test]
fn the_official_sdk_reads_what_is_published() {
    let event = Noted {
        note: "é".into(),
        key: "17".into(),
        amounts: vec![1, 2],
    };
    for outgoing in chain(&event).unwrap() {
        let envelope = outgoing.envelope.with_sequence(4);
        let theirs: cloudevents::Event = serde_json::from_str(&envelope.to_json()).unwrap();
        assert_eq!(theirs.id(), envelope.id());
        assert_eq!(theirs.source().as_str(), envelope.source());
        assert_eq!(theirs.ty(), "note.taken");
        assert_eq!(theirs.subject(), Some("17"));
        assert_eq!(theirs.datacontenttype(), Some("application/json"));
        assert_eq!(theirs.dataschema().map(|url| url.as_str()), envelope.dataschema());
        assert_eq!(
            theirs.time().map(|time| std::time::SystemTime::from(*time)),
            envelope.time()
        );
        assert_eq!(
            theirs.extension("correlationid"),
            Some(&ExtensionValue::String(envelope.correlation_id().into()))
        );
        assert_eq!(
            theirs.extension("sequence"),
            Some(&ExtensionValue::String("00000000000000000004".into()))
        );
        let Some(cloudevents::Data::Json(data)) = theirs.data() else {
            panic!("{theirs:?}");
        };
        assert_eq!(serde_json::from_value::<Noted>(data.clone()).unwrap(), event);
    }
}

#[test]
fn what_the_official_sdk_writes_is_read_and_written_back_the_same() {
    use cloudevents::{EventBuilder, EventBuilderV10};

    let base = || {
        EventBuilderV10::new()
            .id("0815")
            .ty("example.test")
            .source("http://localhost/")
            .subject("17")
            .time("2018-04-05T17:31:00.123Z")
            .extension("someint", 10_i64)
            .extension("somebool", true)
            .extension("sometext", "é")
    };
    let events = [
        base().build().unwrap(),
        base()
            .data("application/json", json!({"a": [1, null]}))
            .build()
            .unwrap(),
        base()
            .data_with_schema("application/json", "http://localhost/schema/7", json!("text"))
            .build()
            .unwrap(),
        base().data("text/xml", "<a/>").build().unwrap(),
        base()
            .data("application/octet-stream", vec![0_u8, 255, 10])
            .build()
            .unwrap(),
    ];
    for theirs in events {
        let envelope = Envelope::parse(&serde_json::to_string(&theirs).unwrap()).unwrap();
        assert_eq!(envelope.id(), "0815");
        assert_eq!(envelope.source(), "http://localhost/");
        assert_eq!(envelope.extension("someint"), Some(&json!(10)));
        assert_eq!(envelope.extension("somebool"), Some(&json!(true)));
        let back: cloudevents::Event = serde_json::from_str(&envelope.to_json()).unwrap();
        assert_eq!(back, theirs);
    }
}

/// Any text that may be an attribute's value.
fn text() -> impl Strategy<Value = String> {
    "\\PC{1,20}"
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn data() -> impl Strategy<Value = Option<(&'static str, Value)>> {
    prop_oneof![
        Just(None),
        any_json().prop_map(|data| Some(("data", data))),
        any::<Vec<u8>>().prop_map(|bytes| Some(("data_base64", STANDARD.encode(bytes).into()))),
    ]
}

/// A valid CloudEvent, made without our own code.
fn any_event() -> impl Strategy<Value = Value> {
    let required = (text(), "/[a-z0-9./-]{0,20}", text());
    let optional = (
        prop::option::of(text()),
        prop::option::of(
            // No offset of zero but `Z`: `+00:00` is the same moment, and written as that.
            "[12][0-9]{3}-0[1-9]-[012][1-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,8}[1-9])?(Z|[+-]0[1-9]:[0-5][0-9])",
        ),
        prop::option::of("application/[a-z]{1,9}"),
        prop::option::of("urn:[a-z]{2,9}:[a-z0-9.]{1,20}(:[0-9]{1,4})?"),
    );
    let extensions = prop::collection::btree_map("x[a-z0-9]{1,12}", scalar(), 0..4);
    (required, optional, extensions, data()).prop_map(
        |((id, source, ty), (subject, time, content_type, schema), extensions, data)| {
            let mut event: Map<String, Value> = extensions.into_iter().collect();
            event.insert("specversion".into(), "1.0".into());
            event.insert("id".into(), id.into());
            event.insert("source".into(), source.into());
            event.insert("type".into(), ty.into());
            let optional = [
                ("subject", subject),
                ("time", time),
                ("datacontenttype", content_type),
                ("dataschema", schema),
            ];
            for (name, value) in optional {
                event.extend(value.map(|value| (name.to_owned(), value.into())));
            }
            event.extend(data.map(|(name, value)| (name.to_owned(), value)));
            Value::Object(event)
        },
    )
}

proptest! {
    #[test]
    fn any_valid_event_is_read_and_written_again_the_same(event in any_event()) {
        let schema = schema().unwrap();
        prop_assert!(schema.is_valid(&event), "the strategy makes only valid events: {event}");

        let envelope = Envelope::parse(&event.to_string())?;
        let written = envelope.to_json();
        let json: Value = serde_json::from_str(&written)?;
        prop_assert!(schema.is_valid(&json), "{json}");
        prop_assert_eq!(&json, &event);
        // A second round changes no byte.
        prop_assert_eq!(Envelope::parse(&written)?.to_json(), written);
    }

    #[test]
    fn any_event_of_ours_is_valid_and_read_as_it_was(
        note in any::<String>(),
        key in any::<String>(),
        amounts in any::<Vec<i64>>(),
    ) {
        let schema = schema().unwrap();
        let event = Noted { note, key, amounts };
        for outgoing in chain(&event)? {
            let json: Value = serde_json::from_str(&outgoing.envelope.to_json())?;
            prop_assert!(schema.is_valid(&json), "{json}");
            let read = Envelope::parse(&outgoing.envelope.to_json())?;
            prop_assert_eq!(read.subject().unwrap_or(""), &event.key);
            prop_assert_eq!(read.decode::<Noted>()?, event.clone());
        }
    }

    #[test]
    fn no_text_makes_reading_panic(text in "\\PC*", event in any_event(), at in any::<prop::sample::Index>()) {
        let _ = Envelope::parse(&text);
        let event = event.to_string();
        let cut = event.char_indices().map(|(index, _)| index).collect::<Vec<_>>();
        prop_assert!(Envelope::parse(&event[..*at.get(&cut)]).is_err());
    }
}
