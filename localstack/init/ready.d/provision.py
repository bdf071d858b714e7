"""LocalStack runs this when it is ready, in Docker and without. Makes the topics, queues, subscriptions and
tables of an application by `provision` of the application's own program; nothing where none is named.

In Python, because LocalStack 4.8.1 can't run shell scripts on Python 3.13.
"""

import os
import subprocess

# compose.yaml puts it there.
program = os.environ.get("PROVISION_WITH", "/opt/provision-with")
if os.path.isfile(program):
    endpoint = os.environ.get("PROVISION_ENDPOINT", "http://127.0.0.1:4566")
    subprocess.run(
        [program, "provision"],
        env={
            **os.environ,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ENDPOINT_URL_DYNAMODB": os.environ.get("PROVISION_ENDPOINT_DYNAMODB", endpoint),
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        },
        check=True,
        timeout=120,
    )
