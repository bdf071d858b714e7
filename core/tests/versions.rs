//! Versions of one type: what an older and a newer reader make of an event.

mod common;

use std::sync::{Arc, Mutex};

use common::{applied, event, handle, raw};
use fanfare::{Delivery, Event, Failure, Handled, Router, WiringErrors};
use serde::{Deserialize, Serialize};

/// The same type in several versions, each with its own data.
macro_rules! version {
    ($name:ident, $version:literal, { $($(#[$attribute:meta])* $field:ident: $ty:ty),* }) => {
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        struct $name {
            $($(#[$attribute])* $field: $ty),*
        }

        impl Event for $name {
            const TYPE: &'static str = "order.placed";
            const VERSION: u16 = $version;
            const TOPIC: &'static str = "orders";
        }
    };
}

version!(V1, 1, { dollars: u64 });
version!(V2, 2, { cents: u64 });
version!(V3, 3, { cents: u64, currency: String, #[serde(default)] note: Option<String> });
version!(OtherV2, 2, { cents: u64 });
version!(OtherV3, 3, { cents: u64 });

impl From<V1> for V2 {
    fn from(old: V1) -> Self {
        Self {
            cents: old.dollars * 100,
        }
    }
}

impl From<V2> for V3 {
    fn from(old: V2) -> Self {
        Self {
            cents: old.cents,
            currency: "USD".into(),
            note: None,
        }
    }
}

impl From<V1> for V3 {
    fn from(old: V1) -> Self {
        V2::from(old).into()
    }
}

impl From<V1> for OtherV2 {
    fn from(old: V1) -> Self {
        Self { cents: old.dollars }
    }
}

impl From<V2> for OtherV3 {
    fn from(old: V2) -> Self {
        Self { cents: old.cents }
    }
}

impl From<V3> for V2 {
    fn from(new: V3) -> Self {
        Self { cents: new.cents }
    }
}

event!(Unrelated, "order.shipped");

impl From<V1> for Unrelated {
    fn from(_: V1) -> Self {
        Self::default()
    }
}

type Seen = Arc<Mutex<Vec<V3>>>;

/// A handler of version 3, and what it got.
fn reader() -> (Router, Seen) {
    let seen = Seen::default();
    let keep = seen.clone();
    let handler = move |placed: Delivery<V3>| {
        let keep = keep.clone();
        async move {
            keep.lock().map_err(|_| "poisoned")?.push(placed.into_parts().0);
            Ok::<_, Failure>(Handled::Applied)
        }
    };
    (Router::new("billing").on::<V3>(handler), seen)
}

fn v3(cents: u64, note: Option<&str>) -> V3 {
    V3 {
        cents,
        currency: "USD".into(),
        note: note.map(str::to_owned),
    }
}

#[tokio::test]
async fn a_chain_of_older_reads_every_version_as_the_one_that_is_handled() {
    let (router, seen) = reader();
    // In any order of registration.
    let service = router.older::<V2, V3>().older::<V1, V2>().into_service().unwrap();
    for message in [
        raw("order.placed", 1, r#"{"dollars":5}"#),
        raw("order.placed", 2, r#"{"cents":501}"#),
        raw("order.placed", 3, r#"{"cents":502,"currency":"USD","note":"n"}"#),
    ] {
        assert_eq!(handle(&service, message).await.name(), "applied");
    }
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen, [v3(500, None), v3(501, None), v3(502, Some("n"))]);
}

#[tokio::test]
async fn fields_of_a_newer_minor_version_are_ignored_and_missing_optional_ones_default() {
    let (router, seen) = reader();
    let service = router.into_service().unwrap();
    let newer = r#"{"cents":1,"currency":"USD","note":null,"since_minor_4":{"a":[1]}}"#;
    let without = r#"{"cents":1,"currency":"USD"}"#;
    for data in [newer, without] {
        assert_eq!(
            handle(&service, raw("order.placed", 3, data)).await.name(),
            "applied"
        );
    }
    assert_eq!(*seen.lock().unwrap(), [v3(1, None), v3(1, None)]);
}

#[tokio::test]
async fn a_version_that_nobody_reads_is_undecodable_and_says_which_are_known() {
    let (router, seen) = reader();
    let service = router.older::<V2, V3>().into_service().unwrap();
    for version in [1, 4] {
        let data = r#"{"dollars":5,"cents":1,"currency":"USD"}"#;
        let outcome = handle(&service, raw("order.placed", version, data)).await;
        assert_eq!(outcome.name(), "undecodable");
        assert_eq!(
            outcome.reason().unwrap(),
            format!("version {version} of `order.placed` is not known here, only [2, 3]")
        );
    }
    assert!(seen.lock().unwrap().is_empty());
}

/// The one mistake that is found, and its place.
fn mistake(router: Router) -> String {
    match router.into_service() {
        Ok(_) => panic!("nothing is found wrong"),
        Err(errors) => {
            assert_eq!(errors.errors().len(), 1, "{errors}");
            errors.to_string()
        }
    }
}

#[test]
fn a_broken_chain_is_refused_with_the_step_that_is_missing() {
    let (router, _) = reader();
    let line = line!() + 1;
    let error = mistake(router.older::<V1, V2>());
    assert!(
        error.contains(&format!("core/tests/versions.rs:{line}:")),
        "{error}"
    );
    assert!(
        error.ends_with("leads from version 1 to 2, and 3 is handled: add the step from 2 to 3"),
        "{error}"
    );
}

#[test]
fn a_chain_that_turns_round_is_refused() {
    let (router, _) = reader();
    let error = router
        .older::<V1, V2>()
        .older::<V3, V2>()
        .into_service()
        .unwrap_err();
    assert!(error.to_string().contains("leads from version 3 to 2"), "{error}");
}

/// Such a chain would fail at every message of version 1.
#[test]
fn a_step_through_another_rust_type_is_refused() {
    let (router, _) = reader();
    let error = mistake(router.older::<V1, OtherV2>().older::<V2, V3>());
    assert!(
        error.contains("makes version 2 of `order.placed` in another Rust type"),
        "{error}"
    );
    let (router, _) = reader();
    let error = mistake(router.older::<V2, OtherV3>());
    assert!(
        error.contains("makes version 3 of `order.placed` in another Rust type"),
        "{error}"
    );
}

#[test]
fn a_version_that_is_read_in_two_ways_is_refused() {
    let (router, _) = reader();
    let router = router.older::<V1, V3>().older::<V1, V2>().older::<V2, V3>();
    assert!(mistake(router).contains("reads version 1 of `order.placed` a second time"));
}

#[test]
fn an_older_of_what_is_not_handled_is_refused() {
    let stray = Router::new("billing").on::<Unrelated>(applied).older::<V1, V2>();
    assert!(mistake(stray).contains("from `order.placed` to `order.placed`"));
    let (router, _) = reader();
    let errors: WiringErrors = router.older::<V1, Unrelated>().into_service().unwrap_err();
    assert!(
        errors
            .to_string()
            .contains("from `order.placed` to `order.shipped`"),
        "{errors}"
    );
}
