//! W3C trace contexts as X-Ray's header, the one that SNS and SQS pass on.

use fanfare::Envelope;

/// The request header, and the system attribute of a message sent straight to a queue.
pub(crate) const HEADER: &str = "x-amzn-trace-id";

/// The context that one envelope was published in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    /// 32 hexadecimal digits.
    id: String,
    /// 16 hexadecimal digits.
    parent: String,
    sampled: bool,
}

impl Trace {
    /// That of an envelope with a valid `traceparent` (W3C Trace Context, level 1).
    pub(crate) fn of(envelope: &Envelope) -> Option<Self> {
        let mut parts = envelope.traceparent()?.split('-');
        let mut hex = |digits: usize| {
            parts.next().filter(|part| {
                part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            })
        };
        let (version, id, parent, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        let zero = |text: &str| text.bytes().all(|byte| byte == b'0');
        let more = parts.next().is_some();
        if version == "ff" || version == "00" && more || zero(id) || zero(parent) {
            return None;
        }
        Some(Self {
            id: id.to_owned(),
            parent: parent.to_owned(),
            sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        })
    }

    /// As X-Ray writes it.
    pub(crate) fn header(&self) -> String {
        let (seconds, rest) = self.id.split_at(8);
        let sampled = u8::from(self.sampled);
        format!("Root=1-{seconds}-{rest};Parent={};Sampled={sampled}", self.parent)
    }
}

/// The header of a request for all of these: only when they share one context. One that holds for some
/// of them would tell lies of the others.
pub(crate) fn shared<'a>(traces: impl IntoIterator<Item = Option<&'a Trace>>) -> Option<String> {
    let mut traces = traces.into_iter();
    let first = traces.next()??;
    traces.all(|trace| trace == Some(first)).then(|| first.header())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn trace(traceparent: &str) -> Option<Trace> {
        let event = r#"{"specversion":"1.0","id":"1","source":"/a","type":"a.b"}"#;
        let envelope = Envelope::parse(event).unwrap();
        Trace::of(&envelope.with_trace(traceparent, None))
    }

    #[test]
    fn a_traceparent_becomes_the_header_of_x_ray() {
        let sampled = trace(&format!("00-{ID}-00f067aa0ba902b7-01")).unwrap();
        assert_eq!(
            sampled.header(),
            "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1"
        );
        let later_version = trace(&format!("01-{ID}-00f067aa0ba902b7-02-more")).unwrap();
        assert!(later_version.header().ends_with(";Sampled=0"));
    }

    #[test]
    fn what_is_no_traceparent_is_left_out() {
        let zero = "0".repeat(32);
        for wrong in [
            "",
            "é",
            "00",
            &format!("00-{ID}-00f067aa0ba902b7"),
            &format!("00-{ID}-00f067aa0ba902b7-1"),
            &format!("00-{ID}-00f067aa0ba902b7-01-more"),
            &format!("ff-{ID}-00f067aa0ba902b7-01"),
            &format!("00-{zero}-00f067aa0ba902b7-01"),
            &format!("00-{ID}-0000000000000000-01"),
            &format!("00-{}-00f067aa0ba902b7-01", ID.to_uppercase()),
        ] {
            assert_eq!(trace(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_batch_has_a_header_only_when_all_share_it() {
        let one = trace(&format!("00-{ID}-00f067aa0ba902b7-01")).unwrap();
        let other = trace(&format!("00-{ID}-00f067aa0ba902b8-01")).unwrap();
        assert_eq!(shared([Some(&one), Some(&one)]), Some(one.header()));
        assert_eq!(shared([Some(&one), Some(&other)]), None);
        assert_eq!(shared([Some(&one), None]), None);
        assert_eq!(shared([None, Some(&one)]), None);
        assert_eq!(shared([]), None);
    }
}
