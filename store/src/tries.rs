//! Counting failed tries.

use aws_sdk_dynamodb::types::ReturnValue;
use fanfare::BoxError;
use fanfare::port::{BoxFuture, Tries};

use crate::record::{EXPIRES_AT, Millis, number, tries};
use crate::{Inbox, StoreError};

/// One write for each failed try, and none for others. The record expires when an inbox record would that
/// is made now.
///
/// A call whose answer is lost may have counted, and its repeat counts once more: a message may get fewer
/// tries than it should, never more.
///
/// ```
/// use fanfare::port::Tries;
/// # use fanfare::{Clock, fault::Life};
/// # use fanfare_local::Dynamo;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fanfare::BoxError> {
/// # let client = Dynamo::memory(Clock::system())?.client(&Life::default());
/// let store = fanfare_store::Store::new(client, "shop-records");
/// store.create_table().await?;
/// let inbox = store.inbox();
/// assert_eq!(inbox.failed("ledger", "219f8380-5770").await?, 1);
/// assert_eq!(inbox.failed("ledger", "219f8380-5770").await?, 2);
/// # Ok(())
/// # }
/// ```
impl Tries for Inbox {
    fn failed<'a>(&'a self, consumer: &'a str, message: &'a str) -> BoxFuture<'a, Result<u32, BoxError>> {
        Box::pin(async move { Ok(self.count_failed(consumer, message).await?) })
    }
}

impl Inbox {
    async fn count_failed(&self, consumer: &str, message: &str) -> Result<u32, StoreError> {
        let key = tries::key(consumer, message);
        let expires_at = Millis::now(&self.shared.clock).plus(self.shared.window).ceil();
        let call = self
            .shared
            .client
            .update_item()
            .table_name(&self.shared.table)
            .set_key(Some(key.item()))
            .update_expression("ADD #failed :one SET #expires_at = :expires_at")
            .expression_attribute_names("#failed", tries::FAILED)
            .expression_attribute_names("#expires_at", EXPIRES_AT)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":expires_at", number(expires_at))
            .return_values(ReturnValue::UpdatedNew)
            .send();
        let answer = self.shared.call(call).await;
        let answer = answer.map_err(|error| error.into_store("UpdateItem"))?;
        let mut item = key.item();
        item.extend(answer.attributes.unwrap_or_default());
        Ok(tries::failed(&item)?)
    }
}
