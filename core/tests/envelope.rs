//! What an envelope keeps, refuses and says.

use std::time::{Duration, UNIX_EPOCH};

use fanfare::{Envelope, EnvelopeError};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A minimal event with these members added.
fn event(members: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"a.b"{members}}}"#)
}

fn parse(members: &str) -> Result<Envelope, EnvelopeError> {
    Envelope::parse(&event(members))
}

fn error(members: &str) -> String {
    match parse(members) {
        Ok(envelope) => panic!("{members} was read as {envelope:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn unknown_extensions_are_kept_and_passed_on() {
    let envelope = parse(r#","partitionkey":"p","sampledrate":30,"flag":false,"tracestate":"a=1""#).unwrap();
    let names: Vec<_> = envelope.extensions().map(|(name, _)| name).collect();
    assert_eq!(names, ["flag", "partitionkey", "sampledrate", "tracestate"]);

    let again = Envelope::parse(&envelope.with_sequence(3).to_json()).unwrap();
    assert_eq!(again.extension("partitionkey"), Some(&json!("p")));
    assert_eq!(again.extension("sampledrate"), Some(&json!(30)));
    assert_eq!(again.extension("flag"), Some(&json!(false)));
    assert_eq!(again.tracestate(), Some("a=1"));
    assert_eq!(again.sequence(), Some(3));
}

#[test]
fn an_extension_is_a_scalar_with_a_lower_case_name() {
    for members in [r#","nested":{"a":1}"#, r#","list":[1]"#] {
        assert!(error(members).contains("neither object nor array"), "{members}");
    }
    for members in [r#","traceParent":"x""#, r#","trace_id":"x""#, r#","":"x""#] {
        assert!(error(members).contains("a-z and 0-9"), "{members}");
    }
    assert!(error(r#","huge":1e999"#).contains("`huge` is not valid: number out of range"));
}

#[test]
fn an_attribute_that_is_null_is_absent() {
    let envelope = parse(r#","subject":null,"time":null,"dataschema":null,"correlationid":null"#).unwrap();
    assert_eq!((envelope.subject(), envelope.time()), (None, None));
    assert_eq!(envelope.correlation_id(), "1");
    assert!(!envelope.to_json().contains("null"));
}

#[test]
fn data_that_is_null_is_data() {
    let envelope = parse(r#","data":null"#).unwrap();
    assert_eq!(envelope.data(), Some("null"));
    assert_eq!(envelope.decode::<Option<u8>>().unwrap(), None);
    assert!(envelope.to_json().ends_with(r#""data":null}"#));
    assert_eq!(parse("").unwrap().data(), None);
}

#[test]
fn base64_data_is_read_and_written_back() {
    let envelope = parse(r#","data_base64":"eyJjZW50cyI6NX0=""#).unwrap();
    assert_eq!(envelope.binary_data(), Some(&br#"{"cents":5}"#[..]));
    assert_eq!(envelope.data(), None);
    assert_eq!(envelope.decode::<Value>().unwrap(), json!({"cents": 5}));
    assert!(envelope.to_json().contains(r#""data_base64":"eyJjZW50cyI6NX0=""#));

    let empty = parse(r#","data_base64":"""#).unwrap();
    assert_eq!(empty.binary_data(), Some(&[][..]));
    let beside_null = parse(r#","data":null,"data_base64":"AA==""#).unwrap();
    assert_eq!(beside_null.binary_data(), Some(&[0][..]));
}

#[test]
fn base64_data_must_be_base64_and_alone() {
    assert!(error(r#","data_base64":"A""#).contains("`data_base64`"));
    assert!(error(r#","data_base64":"AA==","data":{}"#).contains("`data` too"));
}

#[test]
fn a_member_that_is_there_twice_is_refused_since_readers_would_differ() {
    for members in [
        r#","id":"2""#,
        r#","subject":"a","subject":"b""#,
        r#","data":1,"data":2"#,
        r#","x":1,"x":1"#,
        r#","subject":null,"subject":"b""#,
    ] {
        assert!(error(members).contains("there twice"), "{members}");
    }
}

#[test]
fn only_version_one_of_the_specification_is_read() {
    for version in ["0.3", "1.1", "2.0"] {
        let error = Envelope::parse(&event("").replace("\"1.0\"", &format!("\"{version}\""))).unwrap_err();
        assert!(error.to_string().contains("`specversion`"), "{error}");
    }
}

#[test]
fn time_is_rfc_3339_and_keeps_its_offset_and_fraction() {
    let start = UNIX_EPOCH + Duration::from_secs(1_522_949_460);
    for (text, nanos) in [
        ("2018-04-05T17:31:00Z", 0),
        ("2018-04-05T17:31:00.123Z", 123_000_000),
        ("2018-04-05T19:31:00.000000001+02:00", 1),
        ("2018-04-05T12:01:00-05:30", 0),
    ] {
        let envelope = parse(&format!(r#","time":"{text}""#)).unwrap();
        assert_eq!(
            envelope.time(),
            Some(start + Duration::from_nanos(nanos)),
            "{text}"
        );
        assert!(envelope.to_json().contains(text), "{text}");
    }
    for text in [
        "2018-04-05",
        "2018-04-05T17:31:00",
        "1522949460",
        "2018-13-05T17:31:00Z",
        "2018-04-05T25:00:00Z",
    ] {
        assert!(
            error(&format!(r#","time":"{text}""#)).contains("`time`"),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_json_object_is_refused_without_quoting_it() {
    for text in [
        "",
        "hello",
        "[]",
        "1",
        "null",
        r#""a secret""#,
        r#"{"id":"#,
        "{} {}",
    ] {
        let error = Envelope::parse(text).unwrap_err();
        assert!(matches!(error, EnvelopeError::Json(_)), "{text}: {error}");
        let all = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        assert!(!all.contains("secret"), "{all}");
    }
}

#[test]
fn the_payloads_version_ends_the_schemas_name() {
    for (schema, version) in [
        ("urn:fanfare:order.placed:2", 2),
        ("https://example.com/order.placed/3", 3),
        ("https://example.com/order.placed/v4", 4),
        ("https://example.com/order.json#5", 5),
        ("https://example.com/order.json", 1),
        ("urn:fanfare:order.placed:70000", 1),
    ] {
        let envelope = parse(&format!(r#","dataschema":"{schema}""#)).unwrap();
        assert_eq!(envelope.version(), version, "{schema}");
    }
    assert_eq!(parse("").unwrap().version(), 1);
}

#[test]
fn a_new_trace_takes_nothing_of_the_old_one_along() {
    let envelope = parse(r#","traceparent":"00-a-b-01","tracestate":"vendor=1""#).unwrap();
    let traced = envelope.with_trace("00-c-d-01", None);
    assert_eq!(traced.traceparent(), Some("00-c-d-01"));
    assert_eq!(traced.tracestate(), None);
    let traced = envelope.with_trace("00-c-d-01", Some("vendor=2"));
    assert_eq!(traced.tracestate(), Some("vendor=2"));
}

#[test]
fn an_empty_correlation_id_is_none() {
    let envelope = parse(r#","correlationid":"","causationid":"""#).unwrap();
    assert_eq!(envelope.correlation_id(), "1");
    assert_eq!(envelope.causation_id(), None);
}

proptest! {
    /// The extension's rule: compared as text, later numbers are greater.
    #[test]
    fn sequences_sort_as_text_in_the_order_of_their_numbers(a in any::<u64>(), b in any::<u64>()) {
        let envelope = parse("")?;
        let text = |number| {
            let envelope = envelope.with_sequence(number);
            assert_eq!(envelope.sequence(), Some(number));
            envelope.extension("sequence").and_then(Value::as_str).map(str::to_owned)
        };
        prop_assert_eq!(text(a).cmp(&text(b)), a.cmp(&b));
    }
}
