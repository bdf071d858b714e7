"""Deploys the messaging of the shop's template on LocalStack and runs the shop on it: see `messaging` beside this."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import botocore.exceptions

from aws import Aws
from run import Failed, Process, check, run, say
from shop import Shop

STACK = {"StackName": "shop-messaging"}
KINDS = ("AWS::SNS::", "AWS::SQS::")
ORDERS = 60
STOCK = 120
# Seconds between two looks at the stack, and how many.
LOOKS = {"Delay": 1, "MaxAttempts": 120}


def messaging(template):
    """Topics, queues, policies and subscriptions alone."""
    resources = template["Resources"].items()
    kept = {name: each for name, each in resources if each["Type"].startswith(KINDS)}
    return {"AWSTemplateFormatVersion": template["AWSTemplateFormatVersion"], "Resources": kept}


def deploy(cloudformation, template):
    """By a change set, as `aws cloudformation deploy` does, which would look only every 30 s."""
    change = STACK | {"ChangeSetName": "first"}
    cloudformation.create_change_set(**change, ChangeSetType="CREATE", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("change_set_create_complete").wait(**change, WaiterConfig=LOOKS)
    cloudformation.execute_change_set(**change)
    cloudformation.get_waiter("stack_create_complete").wait(**STACK, WaiterConfig=LOOKS)


def delete(cloudformation):
    cloudformation.delete_stack(**STACK)
    cloudformation.get_waiter("stack_delete_complete").wait(**STACK, WaiterConfig=LOOKS)


def queues(aws):
    return sorted(url.rsplit("/", 1)[1] for url in aws.all("sqs", "list_queues", "QueueUrls"))


def test(shop, folder):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SHOP_", "RUST_"))}
    env |= {"HOME": str(folder), "RUST_BACKTRACE": "0"}
    aws = Aws(env)
    run([shop, "remove", "--yes"], folder, env, 120)
    before = queues(aws)
    made = json.loads(run([shop, "topology", "cloudformation", "--json"], folder, env, 60))
    with contextlib.ExitStack() as running:
        # The tables; nothing, where all went well until the stack was deleted.
        running.callback(run, [shop, "remove", "--yes"], folder, env, 120)
        deploy(aws.cloudformation, messaging(made))
        say("  topics, queues and subscriptions are deployed")
        provisioned = run([shop, "provision"], folder, env, 120)
        check("provisioning finds all of it as it should be", ", 0 changed, " in provisioned, provisioned)
        messages = re.search(r"^made +(topic|queue|subscription)", provisioned, re.MULTILINE)
        check("and makes tables alone", not messages, provisioned)
        live = Shop(shop, folder, env, aws, STOCK)
        live.no_drift()
        words = [shop, "worker", "--all", "--poll", "1", "--stock", str(STOCK)]
        with Process("workers", words, folder, env) as workers:
            workers.wait_for(lambda: workers.says("ready"))
            try:
                live.exact(ORDERS)
            except (Failed, subprocess.TimeoutExpired) as failed:
                raise Failed(f"{failed}\nworkers:\n{workers.tail()}") from failed
        live.drift_is_named()
        delete(aws.cloudformation)
        check("no queue is left of the deleted stack", queues(aws) == before, queues(aws))


def main():
    shop = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="shop-messaging-") as folder:
        try:
            test(shop, pathlib.Path(folder))
        except (Failed, botocore.exceptions.WaiterError, subprocess.TimeoutExpired) as failed:
            sys.exit(f"messaging: {failed}")


if __name__ == "__main__":
    # As Ctrl-C, so that what was begun is ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()
