"""Deploys the shop's template on MiniStack and runs the shop on it: see `stack` beside this."""

import base64
import contextlib
import hashlib
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile

from aws import Aws
from run import ROOT, WORKERS, Failed, Process, answers, check, environment, free_port, logged, metric, run, say
from shop import Shop

README = ROOT / "infra" / "README.md"
STACK = "shop"
# Before the update, and after it was rolled back.
ORDERS, LATER = 60, 20
STOCK = 120
ROLLED_BACK = "UPDATE_ROLLBACK_COMPLETE"


def commands(heading):
    """The README's, from a heading to the next one: what it has people do is what is done here."""
    chapters = README.read_text() + "\n## "
    chapter = re.search(rf"^## {re.escape(heading)}$(.*?)^## ", chapters, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```sh\n(.*?)^```$", chapter[1], re.MULTILINE | re.DOTALL) if chapter else []
    if not blocks:
        raise Failed(f"{README} has no commands under `## {heading}`")
    return ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)]


def mended(shop, folder):
    """The shop's command, whose template is as MiniStack can take it: without alarms on several metrics, and with
    numbers in the place of parameters that are numbers, which it takes for texts."""
    (folder / "bin").mkdir()
    command = folder / "bin" / "shop"
    command.write_text(f"""#!{sys.executable}
import json, os, subprocess, sys
if sys.argv[1:3] != ["topology", "cloudformation"]:
    os.execv({str(shop)!r}, ["shop", *sys.argv[1:]])
made = json.loads(subprocess.run([{str(shop)!r}, *sys.argv[1:], "--json"], check=True, stdout=subprocess.PIPE).stdout)
resources = made["Resources"].items()
made["Resources"] = {{name: each for name, each in resources if "Metrics" not in each["Properties"]}}
text = json.dumps(made)
for name, parameter in made["Parameters"].items():
    if parameter["Type"] == "Number":
        text = text.replace(json.dumps({{"Ref": name}}), str(parameter["Default"]))
print(text)
""")
    command.chmod(0o755)
    return command


def mend(aws):
    """Does what CloudFormation would have done and MiniStack's doesn't: of a table it drops how items expire, and
    takes a switch that is a parameter for a text, which AWS's SDKs can't read; and of a topic it drops that it is
    FIFO, and then, of its messages, the group."""
    expires = {"Enabled": True, "AttributeName": "expires_at"}
    with contextlib.suppress(aws.dynamodb.exceptions.ClientError):
        # Refused where it is so already.
        aws.dynamodb.update_time_to_live(TableName="shop-fanfare", TimeToLiveSpecification=expires)
    for table in aws.all("dynamodb", "list_tables", "TableNames"):
        aws.dynamodb.update_table(TableName=table, DeletionProtectionEnabled=True)
    for topic in aws.all("sns", "list_topics", "Topics"):
        if topic["TopicArn"].endswith(".fifo"):
            fifo = {"AttributeName": "FifoTopic", "AttributeValue": "true"}
            aws.sns.set_topic_attributes(TopicArn=topic["TopicArn"], **fifo)


def before(aws):
    """What an account has before: a bucket, a network and a cluster. Gives what the README's commands call them."""
    aws.s3.create_bucket(Bucket="shop-code")
    vpc = aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = aws.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    aws.ecs.create_cluster(clusterName="shop")
    names = {"bucket": "shop-code", "vpc": vpc, "subnets": subnet, "cluster": "shop"}
    return names | {"repository": "shop", "image": "1", "scaling": "--without-scaling"}


def archives(shop, folder):
    """Two zips of the same program, which differ for all who compare them."""
    first, second = folder / "1.zip", folder / "2.zip"
    run([sys.executable, ROOT / "packaging" / "zip.py", shop, first, "1"], folder, None, 120)
    shutil.copy(first, second)
    with zipfile.ZipFile(second, "a") as written:
        written.comment = b"2"
    return first, second


class Deployed:
    """The stack, by the commands of the README."""

    def __init__(self, folder, env, aws):
        self.folder, self.env, self.aws = folder, env, aws

    def do(self, heading, **names):
        """What stands below a heading. Says what became of each resource that failed."""
        try:
            run(commands(heading), self.folder, self.env | names, 300)
        except Failed as failed:
            raise Failed(f"{failed}\n{self.failures()}") from failed

    def failures(self):
        with contextlib.suppress(self.aws.cloudformation.exceptions.ClientError):
            events = self.aws.all("cloudformation", "describe_stack_events", "StackEvents", StackName=STACK)
            failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
            shown = (f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason')}" for one in failed)
            return "\n".join(shown) or "no resource failed"
        return "there is no stack"

    def status(self):
        return self.aws.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]

    def runs(self, archive):
        """That the function's code is this archive's."""
        found = self.aws.lambda_.get_function(FunctionName="shop-payment")["Configuration"]["CodeSha256"]
        expected = base64.b64encode(hashlib.sha256(archive.read_bytes()).digest()).decode()
        check(f"payment's function has the code of {archive.name}", found == expected, f"{found}, not {expected}")

    def fails(self):
        """An update to code that isn't there: it goes back by itself."""
        broken = commands("Roll back")
        broken[-1] = broken[-1].replace("CodeKey=shop/1.zip", "CodeKey=shop/none.zip")
        done = subprocess.run(broken, cwd=self.folder, env=self.env, timeout=300, capture_output=True, text=True)
        check("an update to code that isn't there fails", done.returncode != 0, done.stdout)
        check("and goes back by itself", self.status() == ROLLED_BACK, self.status())

    def resources(self):
        """The names or ARNs of what the stack made, by their types."""
        found = {}
        listed = self.aws.all("cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=STACK)
        for each in listed:
            found.setdefault(each["ResourceType"], set()).add(named(each["PhysicalResourceId"]))
        return found


def named(identity):
    """What a resource is called; of a queue not its URL, for one service says another host than the other."""
    return identity.rsplit("/", 1)[1] if identity.startswith("http") else identity


# Of each type in the template, what there is of it: all that names one.
THERE = {
    "AWS::CloudWatch::Alarm": lambda aws: [
        one["AlarmName"] for one in aws.all("cloudwatch", "describe_alarms", "MetricAlarms")
    ],
    "AWS::CloudWatch::Dashboard": lambda aws: [
        one["DashboardName"] for one in aws.all("cloudwatch", "list_dashboards", "DashboardEntries")
    ],
    "AWS::DynamoDB::Table": lambda aws: aws.all("dynamodb", "list_tables", "TableNames"),
    "AWS::EC2::SecurityGroup": lambda aws: [
        one["GroupId"] for one in aws.all("ec2", "describe_security_groups", "SecurityGroups")
    ],
    # One that was deleted is listed no more, and one of another name is described by its ARN.
    "AWS::ECS::Service": lambda aws: [
        name
        for arn in aws.all("ecs", "list_services", "serviceArns", cluster="shop")
        for name in (arn, arn.rsplit("/", 1)[1])
    ],
    "AWS::ECS::TaskDefinition": lambda aws: aws.all("ecs", "list_task_definitions", "taskDefinitionArns"),
    "AWS::IAM::Role": lambda aws: [one["RoleName"] for one in aws.all("iam", "list_roles", "Roles")],
    "AWS::Lambda::EventSourceMapping": lambda aws: [
        one["UUID"] for one in aws.all("lambda_", "list_event_source_mappings", "EventSourceMappings")
    ],
    "AWS::Lambda::Function": lambda aws: [
        one["FunctionName"] for one in aws.all("lambda_", "list_functions", "Functions")
    ],
    "AWS::Logs::LogGroup": lambda aws: [
        one["logGroupName"] for one in aws.all("logs", "describe_log_groups", "logGroups")
    ],
    "AWS::SNS::Subscription": lambda aws: [
        one["SubscriptionArn"] for one in aws.all("sns", "list_subscriptions", "Subscriptions")
    ],
    "AWS::SNS::Topic": lambda aws: [one["TopicArn"] for one in aws.all("sns", "list_topics", "Topics")],
    "AWS::SQS::Queue": lambda aws: [named(url) for url in aws.all("sqs", "list_queues", "QueueUrls")],
    # These are attributes of the others.
    "AWS::SNS::TopicPolicy": lambda aws: [],
    "AWS::SQS::QueuePolicy": lambda aws: [],
}


def torn_down(deployed, aws):
    made = deployed.resources()
    unknown = sorted(set(made) - set(THERE))
    check("of every type in the template it is known how to list it", not unknown, unknown)
    unseen = {kind: made[kind] - set(THERE[kind](aws)) for kind in made if not kind.endswith("Policy")}
    unseen = {kind: sorted(names) for kind, names in unseen.items() if names}
    check(f"{sum(map(len, made.values()))} resources of the stack are there", not unseen, unseen)
    deployed.do("Tear down")
    left = {kind: sorted(made[kind] & set(THERE[kind](aws))) for kind in made}
    left = {kind: names for kind, names in left.items() if names}
    check("nothing of them is left, as the README says", not left, left)


def test(shop, folder):
    port = free_port()
    env = environment(port, folder, mended(shop, folder))
    aws = Aws(env)
    first, second = archives(shop, folder)
    with contextlib.ExitStack() as running:
        started = [ROOT / "localstack" / "ministack" / "start"]
        ministack = running.enter_context(Process("ministack", started, folder, env | {"LOG_LEVEL": "INFO"}))
        ministack.wait_for(answers(port))
        env |= before(aws)
        deployed = Deployed(folder, env, aws)
        live = Shop(shop, folder, env, aws, STOCK)
        workers = None
        try:
            deployed.do("Deploy", zip=str(first))
            say("  deployed as the README says")
            mend(aws)
            live.no_drift()
            words = [shop, "worker", *WORKERS, "--poll", "1", "--stock", str(STOCK)]
            workers = running.enter_context(Process("workers", words, folder, env))
            workers.wait_for(lambda: workers.says("ready"))
            live.exact(ORDERS)
            for function, counter in [("payment", "fanfare.messages.handled"), ("relay", "fanfare.outbox.published")]:
                counted = metric(logged(function, folder, env), counter)
                check(f"{function}'s function counts {counted} of {counter}", counted >= ORDERS, counted)

            deployed.runs(first)
            deployed.do("Update", zip=str(second), image="2")
            deployed.runs(second)
            deployed.do("Roll back", image="1")
            deployed.runs(first)
            deployed.fails()
            deployed.runs(first)
            mend(aws)
            live.no_drift()
            live.exact(LATER)
            live.drift_is_named()
            torn_down(deployed, aws)
        except (Failed, subprocess.TimeoutExpired) as failed:
            tail = f"\nworkers:\n{workers.tail()}" if workers else ""
            raise Failed(f"{failed}\nMiniStack:\n{ministack.tail()}{tail}") from failed


def main():
    shop = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="shop-stack-") as folder:
        try:
            test(shop, pathlib.Path(folder))
        except Failed as failed:
            sys.exit(f"stack: {failed}")


if __name__ == "__main__":
    # As Ctrl-C, so that what was begun is ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()
