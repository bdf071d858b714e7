"""AWS's API where the environment of the processes says that it is."""

import functools
import os

import botocore.config
import botocore.session

# Nothing here goes through a proxy of the environment, and what doesn't answer has failed.
SETTINGS = botocore.config.Config(proxies={}, connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 2})
# Nothing of the user's own.
NOBODY = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
COUNTS = {
    "ApproximateNumberOfMessages": "wait",
    "ApproximateNumberOfMessagesDelayed": "are put off",
    "ApproximateNumberOfMessagesNotVisible": "are in hand",
}


class Aws:
    """Clients, by the names of their services."""

    def __init__(self, environment):
        self.environment = environment

    @functools.cache
    def __getattr__(self, name):
        # One of them is a keyword of Python.
        service = name.rstrip("_")
        endpoint = self.environment.get(f"AWS_ENDPOINT_URL_{service.upper()}", self.environment["AWS_ENDPOINT_URL"])
        return botocore.session.Session(NOBODY).create_client(
            service,
            region_name=self.environment["AWS_REGION"],
            endpoint_url=endpoint,
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            config=SETTINGS,
        )

    def all(self, service, call, *keys, **asked):
        """What a call lists, on all its pages."""
        found = []
        client = getattr(self, service)
        for page in client.get_paginator(call).paginate(**asked):
            for key in keys:
                found += page.get(key, [])
        return found

    def left(self):
        """The messages that are still somewhere, in words."""
        lines = []
        for url in sorted(self.all("sqs", "list_queues", "QueueUrls")):
            asked = {"QueueUrl": url, "AttributeNames": list(COUNTS)}
            counts = self.sqs.get_queue_attributes(**asked)["Attributes"]
            found = [f"{counts[name]} {what}" for name, what in COUNTS.items() if counts.get(name, "0") != "0"]
            if found:
                lines.append(f"{url.rsplit('/', 1)[1]}: {', '.join(found)}")
        return "\n".join(lines) or "no message is left in any queue: look at the outbox"
