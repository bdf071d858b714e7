//! How many bytes DynamoDB counts for an item.
//!
//! Names and texts in UTF-8, a number by its digits, three bytes for a list or map and one for each
//! of its elements (Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats").

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};

use crate::record::Item;

/// How many actions a transaction takes.
pub(crate) const ACTIONS: usize = 100;
/// How many bytes the items of a transaction have together.
pub(crate) const TRANSACTION: usize = 4 * 1024 * 1024;
/// How many bytes an item has.
pub(crate) const ITEM: usize = 400 * 1024;

/// An item's size.
pub(crate) fn item(item: &Item) -> usize {
    item.iter()
        .map(|(name, attribute)| name.len() + value(attribute))
        .sum()
}

/// An attribute's size, without its name. At most a byte a number more than DynamoDB counts.
pub(crate) fn value(attribute: &AttributeValue) -> usize {
    match attribute {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => number(digits),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|digits| number(digits)).sum(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|bytes| bytes.as_ref().len()).sum(),
        AttributeValue::L(elements) => 3 + elements.iter().map(|element| 1 + value(element)).sum::<usize>(),
        AttributeValue::M(members) => {
            3 + members
                .iter()
                .map(|(name, member)| 1 + name.len() + value(member))
                .sum::<usize>()
        }
        _ => 1,
    }
}

/// One byte for two significant digits, one for the number, and one for its sign.
fn number(digits: &str) -> usize {
    let mantissa = digits.split(['e', 'E']).next().unwrap_or(digits);
    let significant = mantissa.bytes().filter(u8::is_ascii_digit).count();
    significant.div_ceil(2) + 2
}

/// What an action counts for: what it puts; or the key, and the values it sets or compares, since
/// the size of the item that it changes isn't known here.
pub(crate) fn action(action: &TransactWriteItem) -> usize {
    if let Some(put) = &action.put {
        item(&put.item)
    } else if let Some(update) = &action.update {
        let values = update.expression_attribute_values.iter().flat_map(Item::values);
        item(&update.key) + values.map(value).sum::<usize>()
    } else if let Some(delete) = &action.delete {
        item(&delete.key)
    } else if let Some(check) = &action.condition_check {
        item(&check.key)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::{item, value};
    use crate::record::{Item, number, text};
    use aws_sdk_dynamodb::types::AttributeValue;

    #[test]
    fn bytes_are_counted_not_characters() {
        assert_eq!(value(&text("né")), 3);
        assert_eq!(item(&Item::from([("é".to_owned(), text("e"))])), 3);
    }

    #[test]
    fn lists_and_maps_cost_three_bytes_and_one_an_element() {
        let list = AttributeValue::L(vec![text("ab"), text("c")]);
        assert_eq!(value(&list), 3 + (1 + 2) + (1 + 1));
        let map = AttributeValue::M(Item::from([("k".to_owned(), text("ab"))]));
        assert_eq!(value(&map), 3 + 1 + 1 + 2);
        assert_eq!(value(&AttributeValue::Bool(true)), 1);
        assert_eq!(value(&AttributeValue::Null(true)), 1);
    }

    #[test]
    fn a_number_costs_a_byte_for_two_digits() {
        assert_eq!(value(&number(5)), 3);
        assert_eq!(value(&number(1_234_567_890)), 7);
        assert_eq!(value(&AttributeValue::N("-0.5e10".into())), 3);
    }
}
