//! Patterns with `*`.

/// A pattern in which `*` stands for any characters, none included; `\*` and `\\` are themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wildcard {
    /// What lies between the wildcards: one more than there are of them.
    parts: Vec<String>,
}

impl Wildcard {
    pub(super) fn parse(pattern: &str) -> Result<Self, &'static str> {
        let mut parts = vec![String::new()];
        let mut after_wildcard = false;
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            if character == '*' {
                if after_wildcard {
                    return Err("two wildcards in a row mean no more than one");
                }
                parts.push(String::new());
                after_wildcard = true;
                continue;
            }
            after_wildcard = false;
            let literal = match character {
                '\\' => match characters.next() {
                    Some(escaped @ ('*' | '\\')) => escaped,
                    _ => return Err(r"a backslash stands only before * and another backslash"),
                },
                plain => plain,
            };
            if let Some(part) = parts.last_mut() {
                part.push(literal);
            }
        }
        Ok(Self { parts })
    }

    /// How many wildcards it has.
    pub(super) fn count(&self) -> usize {
        self.parts.len() - 1
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let (Some(first), Some(last)) = (self.parts.first(), self.parts.last()) else {
            return false;
        };
        if self.count() == 0 {
            return text == first;
        }
        let Some(rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        let Some(mut rest) = rest.strip_suffix(last.as_str()) else {
            return false;
        };
        // Between the ends, taking each part at its first place leaves the most for the next.
        for part in &self.parts[1..self.parts.len() - 1] {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        true
    }
}
