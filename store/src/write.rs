//! What an application writes along with our records.

use aws_sdk_dynamodb::types::{
    ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

/// One of the application's own writes, to any table of the account and region, which takes effect
/// together with everything else of its commit or not at all.
///
/// Made from the SDK's [`Put`], [`Update`], [`Delete`] and [`ConditionCheck`]. When its condition
/// fails, the commit's error has the item as it was ([`CommitError::ConditionFailed`]).
///
/// ```
/// use aws_sdk_dynamodb::types::{AttributeValue, Put};
/// use fanfare_store::Write;
///
/// let order = Put::builder()
///     .table_name("orders")
///     .item("order", AttributeValue::S("17".into()))
///     .condition_expression("attribute_not_exists(#order)")
///     .expression_attribute_names("#order", "order")
///     .build()?;
/// let write = Write::from(order);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`CommitError::ConditionFailed`]: crate::CommitError::ConditionFailed
#[derive(Clone, Debug)]
pub struct Write {
    pub(crate) table: String,
    pub(crate) action: TransactWriteItem,
}

macro_rules! from {
    ($($kind:ident $set:ident,)*) => {$(
        impl From<$kind> for Write {
            /// Asks for the old item where nothing else is asked for: it costs no read.
            fn from(mut write: $kind) -> Self {
                write
                    .return_values_on_condition_check_failure
                    .get_or_insert(ReturnValuesOnConditionCheckFailure::AllOld);
                Self {
                    table: write.table_name.clone(),
                    action: TransactWriteItem::builder().$set(write).build(),
                }
            }
        }
    )*};
}

from! {
    Put put,
    Update update,
    Delete delete,
    ConditionCheck condition_check,
}
