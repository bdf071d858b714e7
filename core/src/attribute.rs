//! What SNS and SQS take as a message attribute.

use crate::Attribute;

/// Why AWS would refuse a message attribute.
///
/// ```
/// use fanfare::Attribute;
/// let error = Attribute::string("eu").check("aws.region").unwrap_err();
/// assert!(error.to_string().starts_with("the message attribute `aws.region` is refused: a name has"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// Its name, type or value is of a form that AWS doesn't take.
    #[error("the message attribute `{name}` is refused: {reason}")]
    Form {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A character of its value that AWS doesn't take.
    #[error(
        "the message attribute `{name}` is refused: AWS doesn't take the character U+{:04X}",
        u32::from(*character)
    )]
    Character {
        /// Its name.
        name: String,
        /// The character.
        character: char,
    },
}

impl Attribute {
    /// Whether AWS takes it under this name.
    ///
    /// ```
    /// use fanfare::Attribute;
    /// assert!(Attribute::string("checkout").check("team").is_ok());
    /// assert!(Attribute::string("").check("team").is_err());
    /// ```
    ///
    /// # Errors
    /// What is wrong with its name, its type or its value.
    pub fn check(&self, name: &str) -> Result<(), AttributeError> {
        let wrong = |reason| {
            Err(AttributeError::Form {
                name: name.to_owned(),
                reason,
            })
        };
        let lower = name.to_ascii_lowercase();
        if !(1..=256).contains(&name.len())
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            || name.starts_with('.')
            || name.ends_with('.')
            || name.contains("..")
            || lower.starts_with("aws.")
            || lower.starts_with("amazon.")
        {
            return wrong(
                "a name has 1 to 256 letters, digits, `_`, `-` and single dots within, and doesn't start with \
                 `AWS.` or `Amazon.`",
            );
        }
        let kind = self.data_type().split('.').next().unwrap_or_default();
        if !["String", "Number", "Binary"].contains(&kind) || self.data_type().len() > 256 {
            return wrong("its type is `String`, `Number` or `Binary`, perhaps with a label behind a dot");
        }
        match self {
            Attribute::Binary { value } if value.is_empty() => wrong("its value is empty"),
            Attribute::Binary { .. } => Ok(()),
            Attribute::Text { value, .. } if value.is_empty() => wrong("its value is empty"),
            Attribute::Text { value, .. } if kind == "Number" && value.parse::<f64>().is_err() => {
                wrong("its value is no number")
            }
            Attribute::Text { value, .. } => match refused_character(value) {
                Some(character) => Err(AttributeError::Character {
                    name: name.to_owned(),
                    character,
                }),
                None => Ok(()),
            },
        }
    }
}

/// The first character that SQS refuses. It takes those of XML 1.0: of the controls only tab, line feed
/// and carriage return.
pub(crate) fn refused_character(text: &str) -> Option<char> {
    let refused = |character: &char| matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    // Nearly every text is free of them, and bytes are looked at faster than characters.
    text.bytes()
        .any(|byte| byte < 0x20 && !b"\t\n\r".contains(&byte) || byte == 0xef)
        .then(|| text.chars().find(refused))
        .flatten()
}
