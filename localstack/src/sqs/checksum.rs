//! The digests that SQS answers with, by which clients see that a message arrived whole.

use fanfare::{Attribute, Attributes};
use md5::{Digest, Md5};
use sha2::Sha256;

/// MD5 of a body, in hexadecimal.
pub(crate) fn md5_of_body(body: &str) -> String {
    hexadecimal(&Md5::digest(body.as_bytes()))
}

/// MD5 of attributes, by AWS's algorithm ("Calculating the MD5 message digest for message
/// attributes"): names in order; of each the length and bytes of name and type, a 1 for text or a 2
/// for bytes, and length and bytes of the value. Nothing without attributes.
pub(crate) fn md5_of_attributes(attributes: &Attributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut hash = Md5::new();
    let mut field = |bytes: &[u8], kind: Option<u8>| {
        if let Some(kind) = kind {
            hash.update([kind]);
        }
        hash.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        hash.update(bytes);
    };
    for (name, value) in attributes {
        field(name.as_bytes(), None);
        field(value.data_type().as_bytes(), None);
        match value {
            Attribute::Text { value, .. } => field(value.as_bytes(), Some(1)),
            Attribute::Binary { value } => field(value, Some(2)),
        }
    }
    Some(hexadecimal(&hash.finalize()))
}

/// SHA-256 of a body, in hexadecimal: what FIFO deduplicates by when it goes by content.
pub(crate) fn sha256(body: &str) -> String {
    hexadecimal(&Sha256::digest(body.as_bytes()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)])
        .collect()
}

#[cfg(test)]
mod tests {
    use fanfare::{Attribute, Attributes};

    use super::{md5_of_attributes, md5_of_body, sha256};

    #[test]
    fn digests_are_those_of_the_algorithms() {
        assert_eq!(md5_of_body("hello world"), "5eb63bbbe01eeed093cb22bb8f5acdc3");
        assert_eq!(
            sha256("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(md5_of_attributes(&Attributes::new()), None);
    }

    #[test]
    fn attributes_are_digested_as_by_aws() {
        // Each from an answer of SQS, as in the tests of its emulators and SDKs.
        let one = Attributes::from([("timestamp".to_owned(), Attribute::number("1493147359900"))]);
        assert_eq!(
            md5_of_attributes(&one).as_deref(),
            Some("235c5c510d26fb653d073faed50ae77c")
        );
    }
}
