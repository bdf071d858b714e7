//! `topology schemas` holds what events look like against what is committed.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "each test uses its part")]
mod common;

use std::path::{Path, PathBuf};

use common::{app, application, printed_of};
use fanfare::{App, Event, Producer};
use fanfare_cli::{Application, CommandError, Topology, schemars};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

fn check(application: &Application, folder: &Path) -> Result<String, CommandError> {
    let (check, write) = (Some(folder.to_owned()), None);
    printed_of(application, Topology::Schemas { check, write })
}

fn write(application: &Application, folder: &Path) -> Result<String, CommandError> {
    let (check, write) = (None, Some(folder.to_owned()));
    printed_of(application, Topology::Schemas { check, write })
}

/// A folder that isn't there yet, in one that goes with the test.
fn folder() -> (TempDir, PathBuf) {
    let home = TempDir::with_prefix("fanfare-schemas-").unwrap();
    let folder = home.path().join("schemas");
    (home, folder)
}

fn problems(result: Result<String, CommandError>) -> Vec<String> {
    match result {
        Err(CommandError::Schemas { problems }) => problems,
        other => panic!("{other:?}"),
    }
}

/// `order.placed` as this Rust type has it.
fn placed<E: Event + JsonSchema>() -> Application {
    Application::new(App::new("shop").producer(Producer::new("checkout").emits::<E>())).event::<E>()
}

macro_rules! placed {
    ($name:ident version $version:literal { $($field:ident: $ty:ty),* $(,)? }) => {
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct $name {
            $($field: $ty,)*
        }

        impl Event for $name {
            const TYPE: &'static str = "order.placed";
            const VERSION: u16 = $version;
            const TOPIC: &'static str = "orders";
        }
    };
}

placed!(Placed version 1 { order: String, cents: u64, });
placed!(WithCoupon version 1 { order: String, cents: u64, coupon: Option<String>, });
placed!(WithCustomer version 1 { order: String, cents: u64, customer: String, });
placed!(WithoutCents version 1 { order: String, });
placed!(Second version 2 { order: String, customer: String, });
placed!(SecondWithLess version 2 { order: String, });

#[test]
fn what_is_written_down_is_as_committed() {
    let (_home, folder) = folder();
    let application = application(app());
    write(&application, &folder).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(
        files,
        [
            "RefundPayment.1.json",
            "ledger.posted.1.json",
            "order.placed.1.json",
            "payment.charged.1.json",
            "payment.failed.1.json"
        ]
    );
    assert_eq!(
        check(&application, &folder).unwrap(),
        "5 schemas are as committed\n"
    );
}

#[test]
fn what_isnt_written_down_yet_is_refused_with_how_it_is() {
    let (_home, folder) = folder();
    write(&placed::<Placed>(), &folder).unwrap();
    let how = format!(
        "run `topology schemas --write {}`, and commit it",
        folder.display()
    );
    assert_eq!(
        problems(check(&placed::<WithCoupon>(), &folder)),
        [format!("order.placed.1.json is of before: {how}")]
    );
    let both = placed::<Second>().event::<Placed>();
    assert_eq!(
        problems(check(&both, &folder)),
        [format!("order.placed.2.json isn't there: {how}")]
    );
    for changed in [placed::<WithCoupon>(), both.event::<WithCoupon>()] {
        write(&changed, &folder).unwrap();
        check(&changed, &folder).unwrap();
    }
}

#[test]
fn a_change_that_stored_events_can_t_take_is_refused_with_the_field() {
    let (_home, folder) = folder();
    write(&placed::<Placed>(), &folder).unwrap();
    let expected = "`order.placed` version 1: in stored events `customer` may be missing, and must be there: make it \
                    version 2 and keep this one for `.older`, or undo it";
    let changed = placed::<WithCustomer>();
    assert_eq!(problems(check(&changed, &folder))[0], expected);
    assert_eq!(problems(write(&changed, &folder)), [expected]);
    check(&placed::<Placed>(), &folder).unwrap();
}

#[test]
fn a_change_that_old_consumers_can_t_take_is_refused_for_the_newest_version_alone() {
    let (_home, folder) = folder();
    write(&placed::<Placed>(), &folder).unwrap();
    let expected = "`order.placed` version 1: in new events, for consumers of before, `cents` may be missing, and must \
                    be there: make it version 2 and keep this one for `.older`, or undo it";
    assert_eq!(problems(write(&placed::<WithoutCents>(), &folder)), [expected]);
    // Nobody writes version 1 any more.
    write(&placed::<Second>().event::<WithoutCents>(), &folder).unwrap();
    let expected = expected
        .replace("version 2", "version 3")
        .replace("version 1", "version 2")
        .replace("cents", "customer");
    let less = placed::<SecondWithLess>().event::<WithoutCents>();
    assert_eq!(problems(write(&less, &folder)), [expected]);
}

#[test]
fn stored_events_of_every_version_are_read_not_only_of_the_newest() {
    let (_home, folder) = folder();
    write(&placed::<Second>().event::<Placed>(), &folder).unwrap();
    assert_eq!(
        problems(write(&placed::<Second>().event::<WithCustomer>(), &folder)),
        [
            "`order.placed` version 1: in stored events `customer` may be missing, and must be there: make it version 2 \
             and keep this one for `.older`, or undo it"
        ]
    );
}

#[test]
fn a_version_that_may_still_lie_somewhere_is_kept() {
    let (_home, folder) = folder();
    write(&placed::<Placed>(), &folder).unwrap();
    assert_eq!(
        problems(write(&placed::<Second>(), &folder)),
        [
            "`order.placed` version 1 isn't described any more, and stored events of it could not be read: describe it, \
             or delete order.placed.1.json once none can lie anywhere"
        ]
    );
    std::fs::remove_file(folder.join("order.placed.1.json")).unwrap();
    write(&placed::<Second>(), &folder).unwrap();
}

#[test]
fn types_without_a_schema_are_named() {
    let undescribed = Application::new(app());
    let (check, write) = (None, None);
    for command in [Topology::Asyncapi, Topology::Schemas { check, write }] {
        let error = printed_of(&undescribed, command).unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no schema of `RefundPayment`, `RefundPayment` version 1, `ledger.posted`, `ledger.posted` version \
             1, `order.placed`, `order.placed` version 1, `payment.charged`, `payment.charged` version 1, \
             `payment.failed`, `payment.failed` version 1: describe each version by `.event::<..>()` or \
             `.command::<..>()` of the `Application`"
        );
    }
}

#[test]
fn a_folder_that_can_t_be_read_is_named() {
    let (_home, folder) = folder();
    let error = check(&placed::<Placed>(), &folder).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} can't be read or written", folder.display())
    );
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("order.placed.1.json"), "{").unwrap();
    let error = check(&placed::<Placed>(), &folder).unwrap_err();
    assert!(
        error.to_string().contains("order.placed.1.json can't be read"),
        "{error}"
    );
}
