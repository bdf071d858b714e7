"""What AWS's Python SDK must find at fanfare-local, each behaviour by its name.

Called by `run` with the path of the binary, and perhaps a part of a name. Starts the binary on a free
port and ends it by SIGTERM.
"""

import hashlib
import json
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BEHAVIOURS = []


def behaviour(name):
    def add(check):
        BEHAVIOURS.append((name, check))
        return check

    return add


class World:
    """Clients, and names that nobody else has."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.number = 0
        config = Config(retries={"max_attempts": 1}, read_timeout=25)
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}

        def client(service):
            return boto3.client(service, endpoint_url=endpoint, config=config, **keys)

        self.sqs, self.sns = client("sqs"), client("sns")
        self.sts, self.dynamodb = client("sts"), client("dynamodb")

    def name(self, suffix=""):
        self.number += 1
        return f"n{self.number}{suffix}"

    def queue(self, suffix="", **attributes):
        return self.sqs.create_queue(QueueName=self.name(suffix), Attributes=attributes)["QueueUrl"]

    def fifo(self, **attributes):
        return self.queue(".fifo", FifoQueue="true", ContentBasedDeduplication="true", **attributes)

    def arn(self, url):
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def send(self, url, body="x", **more):
        return self.sqs.send_message(QueueUrl=url, MessageBody=body, **more)

    def receive(self, url, **more):
        more = {"MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"], "WaitTimeSeconds": 0, **more}
        more.setdefault("MessageSystemAttributeNames", ["All"])
        return self.sqs.receive_message(QueueUrl=url, **more).get("Messages", [])

    def bodies(self, url):
        return [message["Body"] for message in self.receive(url)]

    def topic(self, suffix="", **attributes):
        return self.sns.create_topic(Name=self.name(suffix), Attributes=attributes)["TopicArn"]

    def subscribed(self, suffix="", **attributes):
        """A topic and a queue that it delivers to raw."""
        topic = self.topic(suffix, **({"FifoTopic": "true"} if suffix else {}))
        queue = self.fifo() if suffix else self.queue()
        self.subscribe(topic, queue, RawMessageDelivery="true", **attributes)
        return topic, queue

    def subscribe(self, topic, queue, **attributes):
        subscription = self.sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=self.arn(queue), Attributes=attributes
        )
        return subscription["SubscriptionArn"]

    def with_dead_letters(self):
        """A queue that gives messages up after one receive, and its dead-letter queue."""
        dead = self.queue()
        policy = json.dumps({"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": 1})
        return self.queue(VisibilityTimeout="0", RedrivePolicy=policy), dead

    def give_up(self, queue, *bodies):
        for body in bodies:
            self.send(queue, body)
        for _ in range(2):
            self.receive(queue)


def refused(code, call, **parameters):
    """Makes a call that must be refused, and returns the error."""
    try:
        call(**parameters)
    except ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, f"{found} instead of {code}: {error}"
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] >= 400
        return error
    raise AssertionError(f"{code} was to come")


def equal(found, expected):
    assert found == expected, f"{found!r} instead of {expected!r}"


def text(value, data_type="String"):
    return {"DataType": data_type, "StringValue": value}


def md5(body):
    return hashlib.md5(body.encode()).hexdigest()


def md5_of_attributes(attributes):
    """By the developer guide, "Calculating the MD5 message digest for message attributes"."""

    def field(value):
        return struct.pack(">I", len(value)) + value

    digest = hashlib.md5()
    for name in sorted(attributes):
        value = attributes[name]
        digest.update(field(name.encode()) + field(value["DataType"].encode()))
        if "StringValue" in value:
            digest.update(b"\1" + field(value["StringValue"].encode()))
        else:
            digest.update(b"\2" + field(value["BinaryValue"]))
    return digest.hexdigest()


def eventually(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it doesn't come about"
        time.sleep(0.02)


# Queues


@behaviour("sqs: a queue's url is made of the endpoint's host, and found by its name")
def _(world):
    url = world.queue()
    assert url.startswith(world.endpoint + "/000000000000/"), url
    equal(world.sqs.get_queue_url(QueueName=url.rsplit("/")[-1])["QueueUrl"], url)


@behaviour("sqs: a queue that isn't there has its error, typed and by its former code")
def _(world):
    refused("AWS.SimpleQueueService.NonExistentQueue", world.sqs.get_queue_url, QueueName="none")
    try:
        world.send(world.endpoint + "/000000000000/none")
    except world.sqs.exceptions.QueueDoesNotExist as error:
        equal(error.response["Error"]["Message"], "The specified queue does not exist.")
    else:
        raise AssertionError("it was sent")


@behaviour("sqs: a queue made again is the same, or refused if an attribute differs")
def _(world):
    name = world.name()
    url = world.sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "1"})["QueueUrl"]
    equal(world.sqs.create_queue(QueueName=name)["QueueUrl"], url)
    refused("QueueAlreadyExists", world.sqs.create_queue, QueueName=name, Attributes={"DelaySeconds": "2"})


@behaviour("sqs: names of queues are checked")
def _(world):
    for name in ["a b", "plain.fifo", "x" * 81]:
        refused("InvalidParameterValue", world.sqs.create_queue, QueueName=name)


@behaviour("sqs: queues are listed by prefix and in pages")
def _(world):
    prefix = world.name("-")
    urls = [world.sqs.create_queue(QueueName=f"{prefix}{n}")["QueueUrl"] for n in range(5)]
    equal(world.sqs.list_queues(QueueNamePrefix=prefix)["QueueUrls"], urls)
    pages = world.sqs.get_paginator("list_queues")
    pages = list(pages.paginate(QueueNamePrefix=prefix, PaginationConfig={"PageSize": 2}))
    equal([len(page["QueueUrls"]) for page in pages], [2, 2, 1])


@behaviour("sqs: attributes have sqs's defaults, and are changed")
def _(world):
    url = world.queue()
    every = {"QueueUrl": url, "AttributeNames": ["All"]}
    before = world.sqs.get_queue_attributes(**every)["Attributes"]
    expected = {
        "VisibilityTimeout": "30",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "DelaySeconds": "0",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
    }
    equal({name: before[name] for name in expected}, expected)
    world.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7"})
    equal(world.sqs.get_queue_attributes(**every)["Attributes"]["VisibilityTimeout"], "7")
    assert abs(int(before["CreatedTimestamp"]) - time.time()) < 60


@behaviour("sqs: attributes out of range and unknown ones are refused")
def _(world):
    change = {"QueueUrl": world.queue()}
    for attributes in [{"VisibilityTimeout": "43201"}, {"MaximumMessageSize": "1"}]:
        refused("InvalidAttributeValue", world.sqs.set_queue_attributes, Attributes=attributes, **change)
    refused("InvalidAttributeName", world.sqs.set_queue_attributes, Attributes={"Nonsense": "1"}, **change)


@behaviour("sqs: a redrive policy needs a queue that is there and allows it")
def _(world):
    def create(arn):
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
        return {"QueueName": world.name(), "Attributes": {"RedrivePolicy": policy}}

    refused("InvalidParameterValue", world.sqs.create_queue, **create("arn:aws:sqs:us-east-1:000000000000:none"))
    closed = world.queue(RedriveAllowPolicy=json.dumps({"redrivePermission": "denyAll"}))
    refused("InvalidParameterValue", world.sqs.create_queue, **create(world.arn(closed)))
    dead = world.queue()
    source = world.sqs.create_queue(**create(world.arn(dead)))["QueueUrl"]
    equal(world.sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"], [source])


@behaviour("sqs: tags are kept, changed and removed")
def _(world):
    url = world.sqs.create_queue(QueueName=world.name(), tags={"a": "1"})["QueueUrl"]
    world.sqs.tag_queue(QueueUrl=url, Tags={"b": "2"})
    equal(world.sqs.list_queue_tags(QueueUrl=url)["Tags"], {"a": "1", "b": "2"})
    world.sqs.untag_queue(QueueUrl=url, TagKeys=["a"])
    equal(world.sqs.list_queue_tags(QueueUrl=url)["Tags"], {"b": "2"})


@behaviour("sqs: a purge empties a queue, once a minute")
def _(world):
    url = world.queue()
    world.send(url)
    world.sqs.purge_queue(QueueUrl=url)
    equal(world.bodies(url), [])
    refused("AWS.SimpleQueueService.PurgeQueueInProgress", world.sqs.purge_queue, QueueUrl=url)


@behaviour("sqs: a removed queue is gone and can be made again")
def _(world):
    url = world.queue()
    world.send(url)
    world.sqs.delete_queue(QueueUrl=url)
    refused("AWS.SimpleQueueService.NonExistentQueue", world.sqs.receive_message, QueueUrl=url)
    again = world.sqs.create_queue(QueueName=url.rsplit("/")[-1])["QueueUrl"]
    equal(world.bodies(again), [])


# Messages


@behaviour("sqs: a message comes as it was sent")
def _(world):
    url = world.queue()
    body = "né \U0001f600 \"\\ \t<&>"
    attributes = {
        "type": text("order.placed"),
        "n": text("17", "Number"),
        "raw": {"DataType": "Binary", "BinaryValue": bytes([0, 254, 255])},
    }
    sent = world.send(url, body, MessageAttributes=attributes)
    [message] = world.receive(url)
    equal((message["Body"], message["MessageAttributes"]), (body, attributes))
    equal(message["MessageId"], sent["MessageId"])


@behaviour("sqs: the md5 of the body is right, sent and received")
def _(world):
    url = world.queue()
    sent = world.send(url, "né \U0001f600")
    [message] = world.receive(url)
    equal((sent["MD5OfMessageBody"], message["MD5OfBody"]), (md5("né \U0001f600"),) * 2)


@behaviour("sqs: the md5 of the attributes is right, sent and received")
def _(world):
    url = world.queue()
    attributes = {
        "b": text("x"),
        "a": text("2.50", "Number.float"),
        "c": {"DataType": "Binary", "BinaryValue": b"\0\1"},
    }
    sent = world.send(url, MessageAttributes=attributes)
    [message] = world.receive(url)
    digest = md5_of_attributes(attributes)
    equal((sent["MD5OfMessageAttributes"], message["MD5OfMessageAttributes"]), (digest, digest))


@behaviour("sqs: the md5 of the system attributes is right, and the trace header is carried")
def _(world):
    url = world.queue()
    header = {"AWSTraceHeader": text("Root=1-5759e988-bd862e3fe1be46a994272793")}
    sent = world.send(url, MessageSystemAttributes=header)
    equal(sent["MD5OfMessageSystemAttributes"], md5_of_attributes(header))
    assert "MD5OfMessageAttributes" not in sent
    [message] = world.receive(url)
    equal(message["Attributes"]["AWSTraceHeader"], header["AWSTraceHeader"]["StringValue"])


@behaviour("sqs: only the attributes asked for come, also by prefix, and only they are digested")
def _(world):
    url = world.queue(VisibilityTimeout="0")
    attributes = {"order.id": text("17"), "other": text("x")}
    world.send(url, MessageAttributes=attributes)
    [message] = world.receive(url, MessageAttributeNames=["order.*"], MessageSystemAttributeNames=["SentTimestamp"])
    wanted = {"order.id": text("17")}
    equal(message["MessageAttributes"], wanted)
    equal(message["MD5OfMessageAttributes"], md5_of_attributes(wanted))
    equal(list(message["Attributes"]), ["SentTimestamp"])
    [message] = world.receive(url, MessageAttributeNames=[], MessageSystemAttributeNames=[])
    assert "MessageAttributes" not in message and "Attributes" not in message, message


@behaviour("sqs: an empty receive has no messages member")
def _(world):
    assert "Messages" not in world.sqs.receive_message(QueueUrl=world.queue())


@behaviour("sqs: more than ten attributes are refused, and one without a value")
def _(world):
    url = world.queue()
    many = {f"a{n}": text("x") for n in range(11)}
    refused("InvalidParameterValue", world.send, url=url, MessageAttributes=many)
    refused("InvalidParameterValue", world.send, url=url, MessageAttributes={"a": {"DataType": "String"}})


@behaviour("sqs: characters that xml hasn't are refused")
def _(world):
    refused("InvalidMessageContents", world.send, url=world.queue(), body="\0")


@behaviour("sqs: a message of 1 MiB is taken, one byte more isn't")
def _(world):
    url = world.queue()
    world.send(url, "x" * 1048576)
    error = refused("InvalidParameterValue", world.send, url=url, body="x" * 1048577)
    assert "Message must be shorter than 1048576 bytes" in str(error), error


@behaviour("sqs: a tenant of a fair queue is carried on a standard queue")
def _(world):
    url = world.queue()
    world.send(url, MessageGroupId="tenant-1")
    equal(world.receive(url)[0]["Attributes"]["MessageGroupId"], "tenant-1")


@behaviour("sqs: delays hide a message at first")
def _(world):
    url = world.queue()
    world.send(url, DelaySeconds=1)
    equal(world.bodies(url), [])
    counts = world.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesDelayed"])
    equal(counts["Attributes"], {"ApproximateNumberOfMessagesDelayed": "1"})
    equal([message["Body"] for message in world.receive(url, WaitTimeSeconds=5)], ["x"])
    refused("InvalidParameterValue", world.send, url=url, DelaySeconds=901)


@behaviour("sqs: a long poll returns as soon as a message comes, and others are served meanwhile")
def _(world):
    url = world.queue()
    found = []
    poll = threading.Thread(target=lambda: found.extend(world.receive(url, WaitTimeSeconds=20)))
    start = time.monotonic()
    poll.start()
    time.sleep(0.3)
    assert time.monotonic() - start < 5
    world.send(url, "late")
    poll.join()
    equal([message["Body"] for message in found], ["late"])
    assert time.monotonic() - start < 10


@behaviour("sqs: a long poll ends empty after its wait")
def _(world):
    start = time.monotonic()
    equal(world.receive(world.queue(), WaitTimeSeconds=1), [])
    assert 0.9 < time.monotonic() - start < 5


@behaviour("sqs: a receive's numbers have limits")
def _(world):
    url = world.queue()
    for more in [{"MaxNumberOfMessages": 11}, {"WaitTimeSeconds": 21}, {"VisibilityTimeout": 43201}]:
        refused("InvalidParameterValue", world.receive, url=url, **more)


@behaviour("sqs: a received message is hidden, shown again and counted")
def _(world):
    url = world.queue(VisibilityTimeout="1")
    world.send(url)
    first = world.receive(url)[0]
    equal(world.receive(url), [])
    [second] = world.receive(url, WaitTimeSeconds=5)
    assert first["ReceiptHandle"] != second["ReceiptHandle"]
    equal(second["Attributes"]["ApproximateReceiveCount"], "2")
    sent, seen = (int(second["Attributes"][name]) for name in ["SentTimestamp", "ApproximateFirstReceiveTimestamp"])
    assert sent <= seen <= time.time() * 1000 + 1000


@behaviour("sqs: a message is deleted by its newest receipt, a second time in vain")
def _(world):
    url = world.queue(VisibilityTimeout="0")
    world.send(url)
    stale, newest = world.receive(url)[0]["ReceiptHandle"], world.receive(url)[0]["ReceiptHandle"]
    world.sqs.delete_message(QueueUrl=url, ReceiptHandle=stale)
    counts = {"QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"]}
    equal(world.sqs.get_queue_attributes(**counts)["Attributes"]["ApproximateNumberOfMessages"], "1")
    for _ in range(2):
        world.sqs.delete_message(QueueUrl=url, ReceiptHandle=newest)
    equal(world.bodies(url), [])


@behaviour("sqs: handles that are none are refused")
def _(world):
    url = world.queue()
    refused("ReceiptHandleIsInvalid", world.sqs.delete_message, QueueUrl=url, ReceiptHandle="x")
    change = {"QueueUrl": url, "ReceiptHandle": "x", "VisibilityTimeout": 1}
    refused("ReceiptHandleIsInvalid", world.sqs.change_message_visibility, **change)


@behaviour("sqs: a message can be released, and then its receipt holds nothing")
def _(world):
    url = world.queue()
    world.send(url)
    handle = world.receive(url)[0]["ReceiptHandle"]
    change = {"QueueUrl": url, "ReceiptHandle": handle}
    world.sqs.change_message_visibility(VisibilityTimeout=0, **change)
    code = "AWS.SimpleQueueService.MessageNotInflight"
    refused(code, world.sqs.change_message_visibility, VisibilityTimeout=5, **change)
    equal(world.bodies(url), ["x"])
    error = refused("InvalidParameterValue", world.sqs.change_message_visibility, VisibilityTimeout=5, **change)
    assert "not available for visibility timeout change" in str(error), error


@behaviour("sqs: twelve hours are the most that a message is hidden")
def _(world):
    url = world.queue()
    world.send(url)
    change = {"QueueUrl": url, "ReceiptHandle": world.receive(url)[0]["ReceiptHandle"]}
    time.sleep(0.01)
    error = refused("InvalidParameterValue", world.sqs.change_message_visibility, VisibilityTimeout=43200, **change)
    assert "Total VisibilityTimeout for the message is beyond the limit" in str(error), error
    world.sqs.change_message_visibility(VisibilityTimeout=43100, **change)


# Batches


@behaviour("sqs: ten messages go in a batch, with digests that are right")
def _(world):
    url = world.queue()
    entries = [{"Id": f"i{n}", "MessageBody": f"body {n}"} for n in range(10)]
    entries[3]["MessageAttributes"] = {"n": text("3", "Number")}
    sent = world.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert not sent.get("Failed"), sent
    for entry, one in zip(entries, sent["Successful"]):
        equal((one["Id"], one["MD5OfMessageBody"]), (entry["Id"], md5(entry["MessageBody"])))
    equal(sent["Successful"][3]["MD5OfMessageAttributes"], md5_of_attributes({"n": text("3", "Number")}))
    equal(sorted(world.bodies(url)), [entry["MessageBody"] for entry in entries])


@behaviour("sqs: one entry of a batch can fail alone")
def _(world):
    url = world.queue()
    entries = [{"Id": "good", "MessageBody": "x"}, {"Id": "bad", "MessageBody": "\0"}]
    sent = world.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    equal([one["Id"] for one in sent["Successful"]], ["good"])
    [failed] = sent["Failed"]
    equal((failed["Id"], failed["Code"], failed["SenderFault"]), ("bad", "InvalidMessageContents", True))


@behaviour("sqs: the rules of a batch are checked")
def _(world):
    def entry(name, body="x"):
        return {"Id": name, "MessageBody": body}

    half = "x" * (512 * 1024)
    for code, entries in {
        "EmptyBatchRequest": [],
        "TooManyEntriesInBatchRequest": [entry(str(n)) for n in range(11)],
        "BatchEntryIdsNotDistinct": [entry("a"), entry("a")],
        "InvalidBatchEntryId": [entry("a b")],
        "BatchRequestTooLong": [entry("a", half), entry("b", half), entry("c")],
    }.items():
        send = {"QueueUrl": world.queue(), "Entries": entries}
        refused(f"AWS.SimpleQueueService.{code}", world.sqs.send_message_batch, **send)


@behaviour("sqs: messages are deleted and released in batches")
def _(world):
    url = world.queue()
    for body in "abc":
        world.send(url, body)
    handles = [message["ReceiptHandle"] for message in world.receive(url)]
    entries = [{"Id": "0", "ReceiptHandle": handles[0]}, {"Id": "1", "ReceiptHandle": "nonsense"}]
    deleted = world.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    equal([one["Id"] for one in deleted["Successful"]], ["0"])
    equal([(one["Id"], one["Code"]) for one in deleted["Failed"]], [("1", "ReceiptHandleIsInvalid")])
    entries = [{"Id": str(n), "ReceiptHandle": handles[n], "VisibilityTimeout": 0} for n in (0, 1, 2)]
    changed = world.sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    equal([one["Id"] for one in changed["Successful"]], ["1", "2"])
    equal([(one["Id"], one["Code"]) for one in changed["Failed"]], [("0", "InvalidParameterValue")])
    equal(world.bodies(url), ["b", "c"])


# FIFO


@behaviour("sqs: fifo keeps the order of a group, and holds it while it is in flight")
def _(world):
    url = world.fifo()
    for group, body in [("a", "a1"), ("a", "a2"), ("b", "b1")]:
        world.send(url, body, MessageGroupId=group)
    [head] = world.receive(url, MaxNumberOfMessages=1)
    equal(head["Body"], "a1")
    equal(world.bodies(url), ["b1"])
    world.sqs.delete_message(QueueUrl=url, ReceiptHandle=head["ReceiptHandle"])
    equal(world.bodies(url), ["a2"])


@behaviour("sqs: fifo deduplicates by id, and by the sha-256 of the content")
def _(world):
    url = world.fifo()
    first = world.send(url, "x", MessageGroupId="a")
    again = world.send(url, "x", MessageGroupId="a")
    digest = hashlib.sha256(b"x").hexdigest()
    by_id = world.send(url, "other", MessageGroupId="a", MessageDeduplicationId=digest)
    for one in (again, by_id):
        equal((one["MessageId"], one["SequenceNumber"]), (first["MessageId"], first["SequenceNumber"]))
    [message] = world.receive(url)
    equal(message["Attributes"]["MessageDeduplicationId"], digest)
    equal(message["Attributes"]["SequenceNumber"], first["SequenceNumber"])


@behaviour("sqs: fifo needs a group and a deduplication id, and has no delay")
def _(world):
    url = world.queue(".fifo", FifoQueue="true")
    refused("MissingParameter", world.send, url=url, MessageDeduplicationId="1")
    refused("InvalidParameterValue", world.send, url=url, MessageGroupId="a")
    both = {"MessageGroupId": "a", "MessageDeduplicationId": "1"}
    refused("InvalidParameterValue", world.send, url=url, DelaySeconds=1, **both)
    world.send(url, **both)


@behaviour("sqs: fifo repeats a receive by its attempt id")
def _(world):
    url = world.fifo()
    world.send(url, MessageGroupId="a")
    first = world.receive(url, ReceiveRequestAttemptId="attempt")
    equal(world.receive(url, ReceiveRequestAttemptId="attempt"), first)
    equal((len(first), world.receive(url)), (1, []))


# Dead letters


@behaviour("sqs: a message received too often goes to the dead-letter queue, with its source")
def _(world):
    queue, dead = world.with_dead_letters()
    world.give_up(queue, "x")
    [message] = world.receive(dead)
    equal(message["Attributes"]["DeadLetterQueueSourceArn"], world.arn(queue))


@behaviour("sqs: a move task brings dead letters back")
def _(world):
    queue, dead = world.with_dead_letters()
    world.give_up(queue, "x", "y")
    source = world.arn(dead)
    world.sqs.start_message_move_task(SourceArn=source)
    eventually(lambda: world.sqs.list_message_move_tasks(SourceArn=source)["Results"][0]["Status"] == "COMPLETED")
    [task] = world.sqs.list_message_move_tasks(SourceArn=source)["Results"]
    equal(task["ApproximateNumberOfMessagesMoved"], 2)
    equal(sorted(world.bodies(queue)), ["x", "y"])


@behaviour("sqs: a move task without a destination fails for what was sent directly")
def _(world):
    queue, dead = world.with_dead_letters()
    world.send(dead, "direct")
    source = world.arn(dead)

    def newest():
        return world.sqs.list_message_move_tasks(SourceArn=source)["Results"][0]

    world.sqs.start_message_move_task(SourceArn=source)
    eventually(lambda: newest()["Status"] == "FAILED")
    equal(newest()["FailureReason"], "CouldNotDetermineMessageSource")
    world.sqs.start_message_move_task(SourceArn=source, DestinationArn=world.arn(queue))
    eventually(lambda: newest()["Status"] == "COMPLETED")
    equal(world.bodies(queue), ["direct"])


@behaviour("sqs: a move task keeps its rate, is the only one and can be cancelled")
def _(world):
    queue, dead = world.with_dead_letters()
    world.give_up(queue, *"abcde")
    source = world.arn(dead)
    start = {"SourceArn": source, "MaxNumberOfMessagesPerSecond": 1}
    handle = world.sqs.start_message_move_task(**start)["TaskHandle"]
    code = "AWS.SimpleQueueService.UnsupportedOperation"
    refused(code, world.sqs.start_message_move_task, **start)
    world.sqs.cancel_message_move_task(TaskHandle=handle)
    eventually(lambda: world.sqs.list_message_move_tasks(SourceArn=source)["Results"][0]["Status"] == "CANCELLED")
    assert len(world.receive(dead)) >= 3


@behaviour("sqs: a move task needs a dead-letter queue")
def _(world):
    start = world.sqs.start_message_move_task
    refused("InvalidParameterValue", start, SourceArn=world.arn(world.queue()))
    refused("ResourceNotFoundException", start, SourceArn="arn:aws:sqs:us-east-1:000000000000:none")


# Topics


@behaviour("sns: a topic is made, listed, found and removed")
def _(world):
    topic = world.topic()
    equal(world.sns.create_topic(Name=topic.rsplit(":")[-1])["TopicArn"], topic)
    assert {"TopicArn": topic} in world.sns.list_topics()["Topics"]
    world.sns.delete_topic(TopicArn=topic)
    refused("NotFound", world.sns.get_topic_attributes, TopicArn=topic)


@behaviour("sns: a topic that isn't there has its error, typed")
def _(world):
    try:
        world.sns.publish(TopicArn="arn:aws:sns:us-east-1:000000000000:none", Message="x")
    except world.sns.exceptions.NotFoundException as error:
        equal(error.response["ResponseMetadata"]["HTTPStatusCode"], 404)
    else:
        raise AssertionError("it was published")


@behaviour("sns: a topic's attributes and tags are kept and changed")
def _(world):
    topic = world.topic(DisplayName="Orders & more")
    change = {"TopicArn": topic, "AttributeName": "MaximumMessageSize"}
    world.sns.set_topic_attributes(AttributeValue="1048576", **change)
    attributes = world.sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    equal((attributes["DisplayName"], attributes["MaximumMessageSize"]), ("Orders & more", "1048576"))
    refused("InvalidParameter", world.sns.set_topic_attributes, AttributeValue="1", **change)
    world.sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    world.sns.untag_resource(ResourceArn=topic, TagKeys=["a"])
    equal(world.sns.list_tags_for_resource(ResourceArn=topic)["Tags"], [{"Key": "b", "Value": "2"}])


@behaviour("sns: a subscription is made in one call, shown, changed, listed and removed")
def _(world):
    topic, queue = world.topic(), world.queue()
    given = {
        "RawMessageDelivery": "true",
        "FilterPolicy": json.dumps({"order": {"kind": ["new"]}}),
        "FilterPolicyScope": "MessageBody",
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": world.arn(world.queue())}),
    }
    arn = world.subscribe(topic, queue, **given)
    shown = world.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    for name in ["FilterPolicy", "RedrivePolicy"]:
        equal(json.loads(shown[name]), json.loads(given[name]))
    equal((shown["RawMessageDelivery"], shown["FilterPolicyScope"]), ("true", "MessageBody"))
    change = {"SubscriptionArn": arn, "AttributeName": "RawMessageDelivery"}
    world.sns.set_subscription_attributes(AttributeValue="false", **change)
    shown = world.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    equal(shown["RawMessageDelivery"], "false")
    [listed] = world.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    equal((listed["SubscriptionArn"], listed["Endpoint"]), (arn, world.arn(queue)))
    assert listed in world.sns.get_paginator("list_subscriptions").paginate().build_full_result()["Subscriptions"]
    world.sns.unsubscribe(SubscriptionArn=arn)
    refused("NotFound", world.sns.get_subscription_attributes, SubscriptionArn=arn)


@behaviour("sns: filter policies are checked")
def _(world):
    topic, queue = world.topic(), world.queue()
    six = json.dumps({name: [1] for name in "abcdef"})
    for policy in ["[", '{"a":[]}', '{"a":[{"nonsense":1}]}', six]:
        subscribe = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": world.arn(queue)}
        refused("InvalidParameter", world.sns.subscribe, Attributes={"FilterPolicy": policy}, **subscribe)


@behaviour("sns: only queues can subscribe")
def _(world):
    subscribe = {"TopicArn": world.topic(), "Protocol": "email", "Endpoint": "a@b"}
    refused("InvalidParameter", world.sns.subscribe, **subscribe)


# Publishing


@behaviour("sns: raw delivery brings body and attributes as they were")
def _(world):
    topic, queue = world.subscribed()
    attributes = {"type": text("a & b"), "raw": {"DataType": "Binary", "BinaryValue": b"\0\xff"}}
    body = "né \U0001f600 <&> +%\n"
    world.sns.publish(TopicArn=topic, Message=body, MessageAttributes=attributes)
    [message] = world.receive(queue)
    equal((message["Body"], message["MessageAttributes"]), (body, attributes))
    equal(message["MD5OfMessageAttributes"], md5_of_attributes(attributes))


@behaviour("sns: without raw delivery comes the notification")
def _(world):
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue)
    sent = world.sns.publish(TopicArn=topic, Message="m", Subject="s", MessageAttributes={"n": text("1", "Number")})
    [message] = world.receive(queue)
    assert "MessageAttributes" not in message
    body = json.loads(message["Body"])
    expected = {
        "Type": "Notification",
        "MessageId": sent["MessageId"],
        "TopicArn": topic,
        "Subject": "s",
        "Message": "m",
        "MessageAttributes": {"n": {"Type": "Number", "Value": "1"}},
    }
    equal({name: body[name] for name in expected}, expected)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["Timestamp"]), body


@behaviour("sns: filters by attributes and by the body choose what comes")
def _(world):
    topic, by_type = world.subscribed(FilterPolicy=json.dumps({"type": [{"prefix": "order."}]}))
    by_body = world.queue()
    policy = json.dumps({"cents": [{"numeric": [">", 100]}]})
    world.subscribe(topic, by_body, RawMessageDelivery="true", FilterPolicy=policy, FilterPolicyScope="MessageBody")
    for kind, cents in [("order.placed", 100), ("payment.made", 101)]:
        body = json.dumps({"cents": cents})
        world.sns.publish(TopicArn=topic, Message=body, MessageAttributes={"type": text(kind)})
    equal(world.bodies(by_type), ['{"cents": 100}'])
    equal(world.bodies(by_body), ['{"cents": 101}'])


@behaviour("sns: more than ten attributes with raw delivery end in the subscription's dead letters")
def _(world):
    dead = world.queue()
    policy = json.dumps({"deadLetterTargetArn": world.arn(dead)})
    topic, queue = world.subscribed(RedrivePolicy=policy)
    many = {f"a{n}": text("x") for n in range(11)}
    world.sns.publish(TopicArn=topic, Message="x", MessageAttributes=many)
    equal((world.bodies(queue), world.bodies(dead)), ([], ["x"]))


@behaviour("sns: a batch has a result for each entry")
def _(world):
    topic, queue = world.subscribed()
    entries = [{"Id": f"i{n}", "Message": f"body {n}"} for n in range(10)]
    entries[4]["MessageAttributes"] = {"n": text("x", "Number")}
    sent = world.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    equal([one["Id"] for one in sent["Successful"]], [f"i{n}" for n in range(10) if n != 4])
    [failed] = sent["Failed"]
    equal((failed["Id"], failed["Code"], failed["SenderFault"]), ("i4", "InvalidParameter", True))
    equal(len(world.receive(queue)), 9)


@behaviour("sns: the rules of a batch are checked")
def _(world):
    topic = world.topic()
    half = "x" * (128 * 1024)
    for code, entries in {
        "EmptyBatchRequest": [],
        "TooManyEntriesInBatchRequest": [{"Id": str(n), "Message": "x"} for n in range(11)],
        "BatchEntryIdsNotDistinct": [{"Id": "a", "Message": "x"}] * 2,
        "InvalidBatchEntryId": [{"Id": "a b", "Message": "x"}],
        "BatchRequestTooLong": [{"Id": str(n), "Message": half} for n in range(3)],
    }.items():
        refused(code, world.sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=entries)


@behaviour("sns: a topic takes 256 KiB, or what it says")
def _(world):
    topic, queue = world.subscribed()
    publish = {"TopicArn": topic, "Message": "x" * (256 * 1024 + 1)}
    refused("InvalidParameter", world.sns.publish, **publish)
    change = {"AttributeName": "MaximumMessageSize", "AttributeValue": "1048576"}
    world.sns.set_topic_attributes(TopicArn=topic, **change)
    world.sns.publish(**publish)
    equal(len(world.receive(queue)), 1)


@behaviour("sns: subjects, structures and empty messages are checked")
def _(world):
    topic, queue = world.subscribed()
    for more in [{"Message": ""}, {"Message": "x", "Subject": "a\nb"}, {"Message": "{}", "MessageStructure": "json"}]:
        refused("InvalidParameter", world.sns.publish, TopicArn=topic, **more)
    texts = json.dumps({"default": "all", "sqs": "queues"})
    world.sns.publish(TopicArn=topic, Message=texts, MessageStructure="json")
    equal(world.bodies(queue), ["queues"])


@behaviour("sns: a fifo topic keeps order and deduplicates")
def _(world):
    topic, queue = world.subscribed(".fifo")
    publish = {"TopicArn": topic, "MessageGroupId": "a"}
    first = world.sns.publish(Message="1", MessageDeduplicationId="1", **publish)
    again = world.sns.publish(Message="1", MessageDeduplicationId="1", **publish)
    equal((first["MessageId"], first["SequenceNumber"]), (again["MessageId"], again["SequenceNumber"]))
    world.sns.publish(Message="2", MessageDeduplicationId="2", **publish)
    equal(world.bodies(queue), ["1", "2"])
    refused("InvalidParameter", world.sns.publish, Message="3", **publish)


# The rest


@behaviour("sts: the caller is the root of account 000000000000")
def _(world):
    caller = world.sts.get_caller_identity()
    equal((caller["Account"], caller["Arn"]), ("000000000000", "arn:aws:iam::000000000000:root"))


@behaviour("dynamodb: is on the same port, with its conditions")
def _(world):
    table = world.name()
    world.dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    put = {"TableName": table, "Item": {"pk": {"S": "a"}}, "ConditionExpression": "attribute_not_exists(pk)"}
    world.dynamodb.put_item(**put)
    refused("ConditionalCheckFailedException", world.dynamodb.put_item, **put)


@behaviour("all: an operation that isn't there is refused as by aws")
def _(world):
    permission = {"QueueUrl": world.queue(), "Label": "x"}
    refused("UnknownOperationException", world.sqs.remove_permission, **permission)
    refused("InvalidAction", world.sns.list_sms_sandbox_phone_numbers)


@behaviour("all: answers have a request id, and /health says that it runs")
def _(world):
    assert world.sqs.list_queues()["ResponseMetadata"]["RequestId"]
    assert world.sns.list_topics()["ResponseMetadata"]["RequestId"]
    with urllib.request.urlopen(world.endpoint + "/health") as answer:
        equal(json.load(answer)["status"], "running")


def main(binary, part=""):
    server = subprocess.Popen([binary, "--port", "0"], stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(120, server.kill)
    watchdog.start()
    failures = checked = 0
    try:
        first = server.stdout.readline()
        endpoint = re.search(r"http://127\.0\.0\.1:\d+", first)
        if endpoint is None:
            sys.exit(f"boto3: the server says {first!r} instead of its address")
        world = World(endpoint.group())
        for name, check in BEHAVIOURS:
            if part not in name:
                continue
            checked += 1
            try:
                check(world)
                print(f"ok      {name}")
            except Exception:
                failures += 1
                print(f"FAILED  {name}\n{traceback.format_exc()}")
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            code = server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            code = "nothing within 10 s"
        watchdog.cancel()
    if code != 0:
        failures += 1
        print(f"FAILED  the server ends with 0 on SIGTERM: {code}")
    print(f"boto3 {boto3.__version__}: {checked - failures} of {checked} behaviours hold")
    sys.exit(1 if failures or not checked else 0)


main(*sys.argv[1:])
