//! What SQS refuses.

use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry};

use super::Refusals;
use crate::batches::entry;
use crate::world::{World, refusal, world};

#[tokio::test(start_paused = true)]
async fn sqs_refuses_in_its_own_words() {
    let world = world();
    let mut refused = Refusals::default();
    refuse_messages(&world, &mut refused).await;
    refuse_batches(&world, &mut refused).await;
    refuse_queues(&world, &mut refused).await;
    let bad_id = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be \
                  at most 80 letters long.";
    let twenty = "Maximum number of entries per request are 10. You have sent 20.";
    let no_deduplication = "The queue should either have ContentBasedDeduplication enabled or \
                            MessageDeduplicationId provided explicitly";
    let no_group = "The request must contain the parameter MessageGroupId.";
    refused.check(&[
        (
            "eleven at once",
            "InvalidParameterValue",
            "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
        ),
        (
            "a wait of 21 s",
            "InvalidParameterValue",
            "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
        ),
        (
            "a wait of -1 s",
            "InvalidParameterValue",
            "Value -1 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
        ),
        (
            "over 1 MiB",
            "InvalidParameterValue",
            "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
        ),
        (
            "nothing",
            "MissingParameter",
            "The request must contain the parameter MessageBody.",
        ),
        (
            "an empty attribute",
            "InvalidParameterValue",
            "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'.",
        ),
        (
            "a group with a space",
            "InvalidParameterValue",
            "Value group 123 for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include \
             alphanumeric and punctuation characters. 1 to 128 in length.",
        ),
        (
            "no group",
            "MissingParameter",
            no_group,
        ),
        ("no deduplication", "InvalidParameterValue", no_deduplication),
        (
            "a deduplication id with a space",
            "InvalidParameterValue",
            "Value group 123 for parameter MessageDeduplicationId is invalid. Reason: MessageDeduplicationId can \
             only include alphanumeric and punctuation characters. 1 to 128 in length.",
        ),
        (
            "a delay on FIFO",
            "InvalidParameterValue",
            "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not \
             valid for this queue type.",
        ),
        (
            "no such queue",
            "AWS.SimpleQueueService.NonExistentQueue",
            "The specified queue does not exist.",
        ),
        (
            "a batch over 1 MiB",
            "AWS.SimpleQueueService.BatchRequestTooLong",
            "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
        ),
        ("twenty", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", twenty),
        (
            "twenty deletes",
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            twenty,
        ),
        (
            "twenty changes",
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            twenty,
        ),
        ("an id with a colon", "AWS.SimpleQueueService.InvalidBatchEntryId", bad_id),
        ("a batch without a group", "InvalidParameterValue", no_group),
        (
            "a batch without deduplication",
            "InvalidParameterValue",
            no_deduplication,
        ),
        (
            "another delay",
            "QueueAlreadyExists",
            "A queue already exists with the same name and a different value for attribute DelaySeconds",
        ),
        (
            "another deduplication",
            "QueueAlreadyExists",
            "A queue already exists with the same name and a different value for attribute \
             ContentBasedDeduplication",
        ),
        (
            "standard with FifoQueue",
            "InvalidAttributeName",
            "Unknown Attribute FifoQueue.",
        ),
        (
            "standard by content",
            "InvalidAttributeName",
            "Unknown Attribute ContentBasedDeduplication.",
        ),
        (
            "standard by group",
            "InvalidAttributeName",
            "You can specify the DeduplicationScope only when FifoQueue is set to true.",
        ),
        (
            "FIFO made standard",
            "InvalidAttributeValue",
            "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
        ),
        (
            "purged twice",
            "AWS.SimpleQueueService.PurgeQueueInProgress",
            "Only one PurgeQueue operation on q is allowed every 60 seconds.",
        ),
    ]);
}

async fn refuse_messages(world: &World, refused: &mut Refusals) {
    let url = world.queue("q", &[("DelaySeconds", "1")]).await;
    let fifo = world.queue("q.fifo", &[("FifoQueue", "true")]).await;
    let receive = || world.sqs.receive_message().queue_url(&url);
    let send = || world.sqs.send_message().queue_url(&url).message_body("x");
    let send_fifo = || world.sqs.send_message().queue_url(&fifo).message_body("x");
    let mut add = |case, refusal| refused.add(case, refusal);
    add(
        "eleven at once",
        refusal(receive().max_number_of_messages(11).send().await),
    );
    add(
        "a wait of 21 s",
        refusal(receive().wait_time_seconds(21).send().await),
    );
    add(
        "a wait of -1 s",
        refusal(receive().wait_time_seconds(-1).send().await),
    );
    let large = "x".repeat(1024 * 1024 + 1);
    add("over 1 MiB", refusal(send().message_body(large).send().await));
    add("nothing", refusal(send().message_body("").send().await));
    let empty = crate::messages::attribute("String", "");
    let empty = send().message_attributes("ErrorDetails", empty);
    add("an empty attribute", refusal(empty.send().await));
    add(
        "a group with a space",
        refusal(send().message_group_id("group 123").send().await),
    );
    add(
        "no group",
        refusal(send_fifo().message_deduplication_id("1").send().await),
    );
    add(
        "no deduplication",
        refusal(send_fifo().message_group_id("1").send().await),
    );
    let spaced = send_fifo()
        .message_group_id("1")
        .message_deduplication_id("group 123");
    add("a deduplication id with a space", refusal(spaced.send().await));
    let delayed = send_fifo().message_group_id("1").message_deduplication_id("1");
    add("a delay on FIFO", refusal(delayed.delay_seconds(2).send().await));
    add(
        "no such queue",
        refusal(send().queue_url(format!("{url}x")).send().await),
    );
}

async fn refuse_batches(world: &World, refused: &mut Refusals) {
    let url = world.local.account().queue_url("q");
    let fifo = world.local.account().queue_url("q.fifo");
    let send = |url: &str, entries| {
        let send = world.sqs.send_message_batch().queue_url(url);
        send.set_entries(Some(entries)).send()
    };
    let mut add = |case, refusal| refused.add(case, refusal);
    let large = vec![entry("1", &"a".repeat(1024 * 1024)), entry("2", "a")];
    add("a batch over 1 MiB", refusal(send(&url, large).await));
    let twenty = (0..20).map(|n| entry(&n.to_string(), "x"));
    add("twenty", refusal(send(&url, twenty.collect()).await));
    let deletes = (0..20).map(|n| {
        let delete = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
        delete.receipt_handle("x").build().unwrap()
    });
    let delete = world.sqs.delete_message_batch().queue_url(&url);
    let delete = delete.set_entries(Some(deletes.collect())).send().await;
    add("twenty deletes", refusal(delete));
    let changes = (0..20).map(|n| {
        let change = ChangeMessageVisibilityBatchRequestEntry::builder().id(n.to_string());
        change
            .receipt_handle("x")
            .visibility_timeout(123)
            .build()
            .unwrap()
    });
    let change = world.sqs.change_message_visibility_batch().queue_url(&url);
    let change = change.set_entries(Some(changes.collect())).send().await;
    add("twenty changes", refusal(change));
    add(
        "an id with a colon",
        refusal(send(&url, vec![entry("message:invalid", "x")]).await),
    );
    let of_fifo = |id: &str, group: Option<&str>, deduplication: Option<&str>| {
        let mut entry = entry(id, "x");
        entry.message_group_id = group.map(ToOwned::to_owned);
        entry.message_deduplication_id = deduplication.map(ToOwned::to_owned);
        entry
    };
    let batch = vec![of_fifo("1", Some("g"), Some("1")), of_fifo("2", None, Some("2"))];
    add("a batch without a group", refusal(send(&fifo, batch).await));
    let batch = vec![of_fifo("1", Some("g"), Some("1")), of_fifo("2", Some("g"), None)];
    add("a batch without deduplication", refusal(send(&fifo, batch).await));
}

async fn refuse_queues(world: &World, refused: &mut Refusals) {
    let create = |name: &str, attribute: &str, value: &str| {
        let create = world.sqs.create_queue().queue_name(name);
        create.attributes(attribute.into(), value).send()
    };
    let fifo = world.local.account().queue_url("q.fifo");
    let mut add = |case, refusal| refused.add(case, refusal);
    add("another delay", refusal(create("q", "DelaySeconds", "2").await));
    let other = world.sqs.create_queue().queue_name("q.fifo");
    let other = other
        .attributes("FifoQueue".into(), "true")
        .attributes("ContentBasedDeduplication".into(), "true");
    add("another deduplication", refusal(other.send().await));
    add(
        "standard with FifoQueue",
        refusal(create("r", "FifoQueue", "false").await),
    );
    add(
        "standard by content",
        refusal(create("r", "ContentBasedDeduplication", "false").await),
    );
    add(
        "standard by group",
        refusal(create("r", "DeduplicationScope", "queue").await),
    );
    let standard = world.sqs.set_queue_attributes().queue_url(fifo);
    let standard = standard.attributes("FifoQueue".into(), "false");
    add("FIFO made standard", refusal(standard.send().await));
    let purge = || {
        world
            .sqs
            .purge_queue()
            .queue_url(world.local.account().queue_url("q"))
    };
    purge().send().await.unwrap();
    add("purged twice", refusal(purge().send().await));
}
