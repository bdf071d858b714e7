//! What travels instead of a body.

use std::collections::BTreeMap;

use fanfare::Envelope;
use serde_json::value::{RawValue, to_raw_value};

use crate::failed::Failed;

/// The extension attribute with the object's URI.
const BODY: &str = "bodyref";

/// The pointer to a body that lies at `uri`: the same event without its data.
pub(super) fn write(body: &str, uri: &str) -> Result<String, Failed> {
    let failed = |error: serde_json::Error| Failed::entry(format!("no pointer can be made for it: {error}"));
    let mut event: BTreeMap<&str, Box<RawValue>> = serde_json::from_str(body).map_err(failed)?;
    event.remove("data");
    event.remove("data_base64");
    event.insert(BODY, to_raw_value(uri).map_err(failed)?);
    serde_json::to_string(&event).map_err(failed)
}

/// The URI in an envelope that is a pointer.
pub(super) fn read(envelope: &Envelope) -> Option<&str> {
    envelope.extension(BODY)?.as_str()
}

/// Whether a body may be a pointer, without reading it as JSON.
pub(super) fn may_be(body: &str) -> bool {
    body.contains(BODY)
}
