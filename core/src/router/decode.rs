//! Reading a payload in the version it has, and lifting it to the one that is handled.

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

/// One step from an older version of a type to a newer one.
#[derive(Clone)]
pub(crate) struct Upcast {
    from: (&'static str, u16),
    to: (&'static str, u16),
    decode: Decode,
    lift: Lift,
    at: Place,
}

impl Upcast {
    pub(super) fn new<Old: Event, New: Event + From<Old>>(
        from: (&'static str, u16),
        to: (&'static str, u16),
        at: Place,
    ) -> Self {
        fn lift<Old: 'static, New: From<Old> + Send + 'static>(payload: Payload) -> Payload {
            match payload.downcast::<Old>() {
                Ok(old) => Box::new(New::from(*old)),
                Err(other) => other,
            }
        }
        Self {
            from,
            to,
            decode: decode::<Old>,
            lift: lift::<Old, New>,
            at,
        }
    }
}

/// How each version of one type is read.
pub(super) struct Versions {
    ty: &'static str,
    readers: BTreeMap<u16, (Decode, Vec<Lift>)>,
}

impl Versions {
    /// Follows the steps from each older version to the one that is handled.
    pub(super) fn new(
        registration: &Registration,
        upcasts: &[Upcast],
        problems: &mut Vec<WiringError>,
    ) -> Self {
        let ty = registration.ty;
        let mut readers = BTreeMap::from([(registration.version, (registration.decode, Vec::new()))]);
        for first in upcasts.iter().filter(|upcast| upcast.from.0 == ty) {
            let mut lifts = vec![first.lift];
            let mut last = first;
            // Each step must go up, so that this ends.
            while last.to.1 > last.from.1 && last.to.1 < registration.version {
                let Some(next) = upcasts.iter().find(|next| next.from == last.to) else {
                    break;
                };
                lifts.push(next.lift);
                last = next;
            }
            if last.to != (ty, registration.version) {
                problems.push(WiringError::OlderLeadsNowhere {
                    ty,
                    from: first.from.1,
                    to: last.to.1,
                    handled: registration.version,
                    at: first.at,
                });
            } else if readers.insert(first.from.1, (first.decode, lifts)).is_some() {
                problems.push(WiringError::TwoReaders {
                    ty,
                    version: first.from.1,
                    at: first.at,
                });
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
            .any(|registration| registration.ty == upcast.from.0)
    };
    let other = |upcast: &&Upcast| upcast.from.0 != upcast.to.0;
    upcasts
        .iter()
        .filter(|upcast| unhandled(upcast) || other(upcast))
        .map(|upcast| WiringError::StrayOlder {
            ty: upcast.from.0,
            to: upcast.to.0,
            at: upcast.at,
        })
        .collect()
}
