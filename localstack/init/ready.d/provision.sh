#!/bin/sh
# LocalStack runs this when it is ready, in Docker and without. Makes the topics, queues, subscriptions and
# tables of an application, with the application's own program; nothing where none is named.
set -eu
program=${PROVISION_WITH:-}
if [ ! -f "$program" ]; then
    exit 0
fi
export AWS_ENDPOINT_URL="${PROVISION_ENDPOINT:-http://127.0.0.1:4566}"
export AWS_ENDPOINT_URL_DYNAMODB="${PROVISION_ENDPOINT_DYNAMODB:-$AWS_ENDPOINT_URL}"
export AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
exec "$program" provision
