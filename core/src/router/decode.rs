//! Reading a payload in the version it has, and lifting it to the one that is handled.

use std::any::TypeId;
use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::Registration;
use super::registration::Payload;
use crate::outcome::Undecodable;
use crate::wiring::{Place, WiringError};
use crate::{Envelope, Event};

pub(super) type Decode = fn(&Envelope) -> Result<Payload, serde_json::Error>;
type Lift = fn(Payload) -> Payload;

pub(super) fn decode<T: DeserializeOwned + Send + 'static>(
    envelope: &Envelope,
) -> Result<Payload, serde_json::Error> {
    envelope.decode::<T>().map(|payload| Box::new(payload) as Payload)
}

/// One version of a type, and the Rust type that it is read into.
#[derive(Clone, Copy)]
struct Version {
    ty: &'static str,
    version: u16,
    payload: TypeId,
}

impl Version {
    fn of<E: Event>() -> Self {
        Self {
            ty: E::TYPE,
            version: E::VERSION,
            payload: TypeId::of::<E>(),
        }
    }

    fn is(self, other: Self) -> bool {
        (self.ty, self.version) == (other.ty, other.version)
    }
}

/// One step from an older version of a type to a newer one.
#[derive(Clone)]
pub(crate) struct Upcast {
    from: Version,
    to: Version,
    decode: Decode,
    lift: Lift,
    at: Place,
}

impl Upcast {
    pub(super) fn new<Old: Event, New: Event + From<Old>>(at: Place) -> Self {
        fn lift<Old: 'static, New: From<Old> + Send + 'static>(payload: Payload) -> Payload {
            match payload.downcast::<Old>() {
                Ok(old) => Box::new(New::from(*old)),
                Err(other) => other,
            }
        }
        Self {
            from: Version::of::<Old>(),
            to: Version::of::<New>(),
            decode: decode::<Old>,
            lift: lift::<Old, New>,
            at,
        }
    }
}

/// The steps that lead from an older version to the one that is handled.
fn lifts(first: &Upcast, upcasts: &[Upcast], handled: Version) -> Result<Vec<Lift>, WiringError> {
    let ty = handled.ty;
    let mut lifts = vec![first.lift];
    let mut last = first;
    let fits = |last: &Upcast, taken: Version| match last.to.payload == taken.payload {
        true => Ok(()),
        false => Err(WiringError::OlderOfAnotherType {
            ty,
            version: last.to.version,
            at: last.at,
        }),
    };
    // Each step must go up, so that this ends.
    while last.to.version > last.from.version && last.to.version < handled.version {
        let Some(next) = upcasts.iter().find(|next| next.from.is(last.to)) else {
            break;
        };
        fits(last, next.from)?;
        lifts.push(next.lift);
        last = next;
    }
    if !last.to.is(handled) {
        return Err(WiringError::OlderLeadsNowhere {
            ty,
            from: first.from.version,
            to: last.to.version,
            handled: handled.version,
            at: first.at,
        });
    }
    fits(last, handled)?;
    Ok(lifts)
}

/// How each version of one type is read.
pub(super) struct Versions {
    ty: &'static str,
    readers: BTreeMap<u16, (Decode, Vec<Lift>)>,
}

impl Versions {
    pub(super) fn new(
        registration: &Registration,
        upcasts: &[Upcast],
        problems: &mut Vec<WiringError>,
    ) -> Self {
        let ty = registration.ty;
        let mut readers = BTreeMap::from([(registration.version, (registration.decode, Vec::new()))]);
        let handled = Version {
            ty,
            version: registration.version,
            payload: registration.payload,
        };
        for first in upcasts.iter().filter(|upcast| upcast.from.ty == ty) {
            let version = first.from.version;
            match lifts(first, upcasts, handled) {
                Err(problem) => problems.push(problem),
                Ok(lifts) => {
                    if readers.insert(version, (first.decode, lifts)).is_some() {
                        let at = first.at;
                        problems.push(WiringError::TwoReaders { ty, version, at });
                    }
                }
            }
        }
        Self { ty, readers }
    }

    pub(super) fn read(&self, envelope: &Envelope) -> Result<Payload, Undecodable> {
        let version = envelope.version();
        let Some((decode, lifts)) = self.readers.get(&version) else {
            let known = self.readers.keys().copied().collect();
            return Err(Undecodable::Version {
                ty: self.ty.to_owned(),
                version,
                known,
            });
        };
        let payload = decode(envelope).map_err(|source| Undecodable::Data {
            ty: self.ty.to_owned(),
            version,
            source,
        })?;
        Ok(lifts.iter().fold(payload, |payload, lift| lift(payload)))
    }
}

/// Steps of types that nobody handles here.
pub(super) fn stray(upcasts: &[Upcast], handled: &[Registration]) -> Vec<WiringError> {
    let unhandled = |upcast: &&Upcast| {
        !handled
            .iter()
            .any(|registration| registration.ty == upcast.from.ty)
    };
    let other = |upcast: &&Upcast| upcast.from.ty != upcast.to.ty;
    upcasts
        .iter()
        .filter(|upcast| unhandled(upcast) || other(upcast))
        .map(|upcast| WiringError::StrayOlder {
            ty: upcast.from.ty,
            to: upcast.to.ty,
            at: upcast.at,
        })
        .collect()
}
