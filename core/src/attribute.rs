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
        let (kind, label) = match self.data_type().split_once('.') {
            Some((kind, label)) => (kind, Some(label)),
            None => (self.data_type(), None),
        };
        let kinds: &[&str] = match self {
            Attribute::Text { .. } => &["String", "Number"],
            Attribute::Binary { .. } => &["Binary"],
        };
        if !kinds.contains(&kind) || label.is_some_and(str::is_empty) || self.data_type().len() > 256 {
            return wrong("its type is `String`, `Number` or `Binary`, perhaps with a label behind a dot");
        }
        match self {
            Attribute::Binary { value } if value.is_empty() => wrong("its value is empty"),
            Attribute::Binary { .. } => Ok(()),
            Attribute::Text { value, .. } if value.is_empty() => wrong("its value is empty"),
            Attribute::Text { value, .. } if kind == "Number" && !is_number(value) => {
                wrong("its value is no decimal number of at most 38 digits")
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

/// Whether SNS and SQS take it as a number: decimal, finite and of at most 38 digits, those of the exponent
/// not among them.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    // Rust also reads `inf` and `NaN`.
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && digits(mantissa) <= 38
        && text.parse::<f64>().is_ok_and(f64::is_finite)
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

#[cfg(test)]
mod tests {
    use crate::Attribute;

    fn of(data_type: &str, value: &str) -> Attribute {
        Attribute::Text {
            data_type: data_type.into(),
            value: value.into(),
        }
    }

    #[test]
    fn a_number_is_decimal_finite_and_of_38_digits() {
        let longest = "1".repeat(38);
        for number in ["0", "-17", "+1.5", ".5", "1e126", "1.5E-3", &longest] {
            assert!(of("Number", number).check("n").is_ok(), "{number}");
            assert!(of("Number.int", number).check("n").is_ok(), "{number}");
        }
        let longer = "1".repeat(39);
        for other in [
            "NaN",
            "inf",
            "-infinity",
            "1e999",
            "0x1f",
            "1,5",
            " 1",
            ".",
            "-",
            &longer,
        ] {
            assert!(of("Number", other).check("n").is_err(), "{other}");
            assert!(of("String", other).check("n").is_ok(), "{other}");
        }
    }

    #[test]
    fn a_type_is_that_of_its_value_and_its_label_is_not_empty() {
        for (data_type, taken) in [
            ("String", true),
            ("String.array", true),
            ("String.", false),
            ("Number.", false),
            ("Number.int.", true),
            ("Strings", false),
            ("Binary", false),
            ("Binary.png", false),
        ] {
            assert_eq!(of(data_type, "1").check("n").is_ok(), taken, "{data_type}");
        }
    }
}
