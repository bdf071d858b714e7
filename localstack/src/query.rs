//! AWS Query: requests as forms, answers as XML.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use quick_xml::escape::escape;

use crate::answer::Answer;
use crate::digest::Digest;

/// A request's members by their names, such as `Attributes.entry.1.key`.
#[derive(Debug)]
pub(crate) struct Form<'a>(BTreeMap<Cow<'a, str>, Cow<'a, str>>);

impl<'a> Form<'a> {
    /// Of a request's body. Bytes that aren't UTF-8 are replaced.
    pub(crate) fn parse(body: &'a [u8]) -> Self {
        Self(form_urlencoded::parse(body).collect())
    }

    /// A member's value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| &**value)
    }

    /// The prefixes of a list's members, in order: `Entries.member.1.`, `Entries.member.2.`, ...
    /// `kind` is `member` for lists and `entry` for maps.
    pub(crate) fn members(&self, list: &str, kind: &str) -> Vec<String> {
        let prefixes = (1..).map(|number| format!("{list}.{kind}.{number}"));
        prefixes.take_while(|prefix| self.has(prefix)).collect()
    }

    /// A map, such as `Attributes`, whose keys and values have these names.
    pub(crate) fn map(&self, name: &str, key: &str, value: &str) -> Vec<(&str, &str)> {
        let entries = self.members(name, "entry").into_iter();
        entries
            .filter_map(|entry| {
                let key = self.get(&format!("{entry}.{key}"))?;
                Some((key, self.get(&format!("{entry}.{value}")).unwrap_or_default()))
            })
            .collect()
    }

    /// A list of texts.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let members = self.members(name, "member").into_iter();
        members.filter_map(|member| self.get(&member)).collect()
    }

    /// Whether there is this member, or anything in it.
    fn has(&self, prefix: &str) -> bool {
        let within = |name: &str| {
            let rest = name.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        // Between a name and what is in it others can lie, `Entries.member.10` behind `.1`, so that it
        // is looked for at both places.
        let from = |start: String| {
            let mut names = self
                .0
                .range::<str, _>((Bound::Included(start.as_str()), Bound::Unbounded));
            names.next().is_some_and(|(name, _)| within(name))
        };
        from(prefix.to_owned()) || from(format!("{prefix}."))
    }

    /// A digest that doesn't depend on the order of a map's entries, which differs from run to run.
    pub(crate) fn digest(&self) -> Digest {
        let mut entries: BTreeMap<&str, DefaultHasher> = BTreeMap::new();
        for (name, value) in &self.0 {
            // The number of an entry tells which members belong together, and no more.
            let (entry, member) = match name.split_once(".entry.") {
                Some((_, rest)) => {
                    let (number, member) = rest.split_once('.').unwrap_or((rest, ""));
                    (&name[..name.len() - rest.len() + number.len()], member)
                }
                None => (&**name, ""),
            };
            (member, value).hash(entries.entry(entry).or_default());
        }
        let mut sum = 0_u64;
        for (entry, hasher) in entries {
            let map = entry.split_once(".entry.").map_or(entry, |(map, _)| map);
            let mut whole = DefaultHasher::new();
            (map, hasher.finish()).hash(&mut whole);
            sum = sum.wrapping_add(whole.finish());
        }
        Digest::of(sum)
    }
}

/// XML in the making.
#[derive(Debug, Default)]
pub(crate) struct Xml(String);

impl Xml {
    /// An element with text in it.
    pub(crate) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.element(name, |xml| xml.0.push_str(&escape(text)))
    }

    /// An element with what `content` writes in it.
    pub(crate) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) -> &mut Self {
        self.0.extend(["<", name, ">"]);
        content(self);
        self.0.extend(["</", name, ">"]);
        self
    }

    /// An element with what was written before in it.
    pub(crate) fn within(&mut self, name: &str, content: Self) -> &mut Self {
        self.element(name, |xml| xml.0.push_str(&content.0))
    }

    /// A map as Query writes it.
    pub(crate) fn map<'a>(&mut self, name: &str, entries: impl IntoIterator<Item = (&'a str, String)>) {
        self.element(name, |xml| {
            for (key, value) in entries {
                xml.element("entry", |xml| {
                    xml.text("key", key).text("value", &value);
                });
            }
        });
    }
}

/// The answer to an action: its result, within the elements that all answers have.
pub(crate) fn answer(action: &str, namespace: &str, result: Option<Xml>) -> Answer {
    let mut body = format!("<{action}Response xmlns=\"{namespace}\">");
    if let Some(Xml(result)) = result {
        body.extend(["<", action, "Result>", result.as_str(), "</", action, "Result>"]);
    }
    body.push_str("<ResponseMetadata><RequestId>");
    body.push_str(&request_id());
    body.extend(["</RequestId></ResponseMetadata></", action, "Response>"]);
    Answer::xml(StatusCode::OK, body)
}

/// A refusal.
pub(crate) fn refusal(status: StatusCode, namespace: &str, code: &str, message: &str) -> Answer {
    let mut xml = Xml::default();
    xml.element("Error", |xml| {
        let kind = if status.is_server_error() {
            "Receiver"
        } else {
            "Sender"
        };
        xml.text("Type", kind).text("Code", code).text("Message", message);
    });
    xml.text("RequestId", &request_id());
    let Xml(content) = xml;
    let body = format!("<ErrorResponse xmlns=\"{namespace}\">{content}</ErrorResponse>");
    Answer::xml(status, body)
}

/// A request's id: counted, since a random one would make every simulation another.
pub(crate) fn request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!(
        "00000000-0000-4000-8000-{:012x}",
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

#[cfg(test)]
mod tests {
    use super::{Form, Xml};

    #[test]
    fn lists_and_maps_are_read_in_order_beyond_nine() {
        let body: String = (1..=12)
            .map(|n| format!("L.member.{n}.Id=i{n}&A.entry.{n}.key=k{n}&A.entry.{n}.value=v%26{n}&"))
            .collect();
        let form = Form::parse(body.as_bytes());
        let ids: Vec<_> = form.members("L", "member");
        assert_eq!(ids.len(), 12);
        assert_eq!(ids[11], "L.member.12");
        assert_eq!(form.get("L.member.10.Id"), Some("i10"));
        assert_eq!(form.map("A", "key", "value")[11], ("k12", "v&12"));
        assert!(form.members("M", "member").is_empty());
        assert!(Form::parse(b"L=").members("L", "member").is_empty());
        assert_eq!(Form::parse(b"K.member.1=a&K.member.2=b").list("K"), ["a", "b"]);
    }

    #[test]
    fn a_digest_disregards_the_order_of_a_maps_entries_and_nothing_else() {
        let digest = |body: &str| Form::parse(body.as_bytes()).digest();
        let one = digest("M.entry.1.Name=a&M.entry.1.Value=1&M.entry.2.Name=b&M.entry.2.Value=2");
        let other = digest("M.entry.1.Name=b&M.entry.1.Value=2&M.entry.2.Name=a&M.entry.2.Value=1");
        let swapped = digest("M.entry.1.Name=a&M.entry.1.Value=2&M.entry.2.Name=b&M.entry.2.Value=1");
        assert_eq!(one, other);
        assert_ne!(one, swapped);
        assert_ne!(
            digest("L.member.1=a&L.member.2=b"),
            digest("L.member.1=b&L.member.2=a")
        );
        assert_ne!(digest("A=1"), digest("B=1"));
    }

    #[test]
    fn text_is_escaped() {
        let mut xml = Xml::default();
        xml.text("a", "<&>\"");
        assert_eq!(xml.0, "<a>&lt;&amp;&gt;&quot;</a>");
    }
}
