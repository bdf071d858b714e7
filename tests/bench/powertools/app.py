"""The shop's consumer `loyalty` with Powertools: a point for each dollar of what was shipped, once an event."""

import json
import sys

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

TABLE = "powertools"

processor = BatchProcessor(event_type=EventType.SQS)
persistence = DynamoDBPersistenceLayer(table_name=TABLE)
config = IdempotencyConfig(event_key_jmespath="[source, id]")
dynamodb = boto3.client("dynamodb")


@idempotent_function(data_keyword_argument="event", config=config, persistence_store=persistence)
def earn(*, event):
    order = event["data"]["order"]
    dynamodb.update_item(
        TableName="shop-points",
        Key={"customer_id": {"S": order["customer_id"]}},
        UpdateExpression="ADD points :points",
        ExpressionAttributeValues={":points": {"N": str(order["total_cents"] // 100)}},
    )


def record(record):
    earn(event=json.loads(record.body))


def handler(event, context):
    config.register_lambda_context(context)
    return process_partial_response(
        event=event, record_handler=record, processor=processor, context=context
    )


def create():
    dynamodb.create_table(
        TableName=TABLE,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


if __name__ == "__main__" and sys.argv[1:] == ["create"]:
    create()
