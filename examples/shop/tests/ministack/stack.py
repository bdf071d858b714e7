"""Deploys the shop's template and runs the shop on it: see `stack` beside this."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from run import AUDIT_WITHIN, ROOT, WORKERS, Failed, Process, answers, check, environment, free_port, run, say

README = ROOT / "infra" / "README.md"
ORDERS = 100
STOCK = 150
# `topology diff`'s exit code where something differs.
DRIFT = 1
FUNCTION = ["aws", "lambda", "get-function", "--output", "text", "--function-name"]
FILTER = '{"type": ["order.placed"]}'


def commands(heading):
    """The README's, from a heading to the next one: what it has people do is what is done here."""
    chapters = README.read_text() + "\n## "
    chapter = re.search(rf"^## {re.escape(heading)}$(.*?)^## ", chapters, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```sh\n(.*?)^```$", chapter[1], re.MULTILINE | re.DOTALL) if chapter else []
    if not blocks:
        raise Failed(f"{README} has no commands under `## {heading}`")
    return ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)]


def exact(shop, folder, env, turn):
    """Places orders, each turn others, and audits what came of all of them."""
    bundled = (ROOT / "examples" / "shop" / "data" / "orders.csv").read_text().splitlines()
    orders = "\n".join([bundled[0], *bundled[1 + turn * ORDERS : 1 + (turn + 1) * ORDERS]])
    placed = run([shop, "place", "--orders", "-"], folder, env, 120, input=orders)
    check(f"{ORDERS} orders are placed", placed.startswith(f"{ORDERS} orders placed"), placed)
    audited = run([shop, "audit", "--json", "--stock", str(STOCK)], folder, env, AUDIT_WITHIN)
    report = json.loads(audited.splitlines()[-1])
    shown = json.dumps(report)
    check("the audit is exact", report["orders"] == report["terminal"] == ORDERS * (turn + 1), shown)
    check("nothing is lost or doubled", report["lost"] == report["doubled"] == 0, shown)
    dead = sum(consumer["dead"] for consumer in report["consumers"].values())
    check("nothing is a dead letter", dead == 0, shown)


def drift(shop, folder, env):
    """The lines that `topology diff` has for what differs, and its exit code."""
    done = subprocess.run(
        [shop, "topology", "diff"], cwd=folder, env=env, timeout=120, capture_output=True, text=True
    )
    if " as the code says" not in done.stdout:
        raise Failed(f"`topology diff` failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    lines = [line for line in done.stdout.splitlines() if line.startswith(("added ", "removed ", "changed "))]
    return lines, done.returncode


def by_hand(folder, env):
    """Changes what a subscription lets through."""
    sns = ["aws", "sns"]
    listed = json.loads(run([*sns, "list-subscriptions", "--output", "json"], folder, env, 60))["Subscriptions"]
    own = next(
        each
        for each in listed
        if each["TopicArn"].endswith(":shop-orders") and each["Endpoint"].endswith(":shop-orders-view")
    )
    attribute = ["--attribute-name", "FilterPolicy", "--attribute-value", FILTER]
    changed = ["--subscription-arn", own["SubscriptionArn"], *attribute]
    run([*sns, "set-subscription-attributes", *changed], folder, env, 60)
    return own["Endpoint"].rsplit(":", 1)[1]


def no_drift(shop, folder, env):
    lines, code = drift(shop, folder, env)
    check("`topology diff` finds no drift, and says so by its exit code", not lines and code == 0, "\n".join(lines))


def named(shop, folder, env):
    queue = by_hand(folder, env)
    lines, code = drift(shop, folder, env)
    expected = f"changed   subscription shop-orders to {queue}: FilterPolicy is "
    shown = "\n".join(lines)
    check(f"a filter changed by hand is named: {shown}", len(lines) == 1 and lines[0].startswith(expected), shown)
    check("and `topology diff` fails", code == DRIFT, code)


def mend(folder, env):
    """Does what CloudFormation would have done and MiniStack's doesn't: of a table it drops how items expire, and
    takes a switch that is a parameter for a text, which AWS's SDKs can't read."""
    dynamo = ["aws", "dynamodb"]
    expires = "Enabled=true,AttributeName=expires_at"
    store = ["--table-name", "shop-fanfare", "--time-to-live-specification", expires]
    run([*dynamo, "update-time-to-live", *store], folder, env, 60)
    for table in json.loads(run([*dynamo, "list-tables", "--output", "json"], folder, env, 60))["TableNames"]:
        run([*dynamo, "update-table", "--table-name", table, "--deletion-protection-enabled"], folder, env, 60)


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


def on_ministack(shop, folder):
    port = free_port()
    env = environment(port, folder, mended(shop, folder))
    with contextlib.ExitStack() as running:
        started = [ROOT / "localstack" / "ministack" / "start"]
        ministack = running.enter_context(Process("ministack", started, folder, env | {"LOG_LEVEL": "INFO"}))
        ministack.wait_for(answers(port))
        archive = folder / "shop.zip"
        run([sys.executable, ROOT / "packaging" / "zip.py", shop, archive, "1"], folder, env, 120)
        # What an account has before.
        run(["aws", "s3", "mb", "s3://shop-code"], folder, env, 60)
        ec2 = ["aws", "ec2", "--output", "text"]
        vpc = [*ec2, "create-vpc", "--cidr-block", "10.0.0.0/16", "--query", "Vpc.VpcId"]
        vpc = run(vpc, folder, env, 60).strip()
        subnet = [*ec2, "create-subnet", "--vpc-id", vpc, "--cidr-block", "10.0.1.0/24", "--query", "Subnet.SubnetId"]
        subnet = run(subnet, folder, env, 60).strip()
        run(["aws", "ecs", "create-cluster", "--cluster-name", "shop"], folder, env, 60)
        env |= {"bucket": "shop-code", "zip": str(archive), "vpc": vpc, "subnets": subnet, "cluster": "shop"}
        env |= {"repository": "shop", "image": "1", "scaling": "--without-scaling"}
        try:
            run(commands("Deploy"), folder, env, 300)
            say("  deployed as the README says")
            mend(folder, env)
            no_drift(shop, folder, env)
            words = [shop, "worker", *WORKERS, "--poll", "1", "--stock", str(STOCK)]
            workers = running.enter_context(Process("workers", words, folder, env))
            workers.wait_for(lambda: workers.says("ready"))
            try:
                exact(shop, folder, env, 0)
            except (Failed, subprocess.TimeoutExpired) as failed:
                raise Failed(f"{failed}\nworkers:\n{workers.tail()}") from failed
            for heading in ["Update", "Roll back"]:
                run(commands(heading), folder, env, 300)
                code = run([*FUNCTION, "shop-payment", "--query", "Configuration.LastModified"], folder, env, 60)
                say(f"  {heading.lower()}: as the README says, {code.strip()}")
            mend(folder, env)
            no_drift(shop, folder, env)
            exact(shop, folder, env, 1)
            named(shop, folder, env)
            run(commands("Tear down"), folder, env, 300)
            left = run(["aws", "sns", "list-topics", "--query", "length(Topics)"], folder, env, 60)
            check("nothing is left, as the README says", left.strip() == "0", left)
        except (Failed, subprocess.TimeoutExpired) as failed:
            raise Failed(f"{failed}\nMiniStack:\n{ministack.tail()}") from failed


def messaging(template):
    """Topics, queues, policies and subscriptions alone."""
    kinds = ("AWS::SNS::", "AWS::SQS::")
    resources = {
        name: resource for name, resource in template["Resources"].items() if resource["Type"].startswith(kinds)
    }
    return {"AWSTemplateFormatVersion": template["AWSTemplateFormatVersion"], "Resources": resources}


def on_localstack(shop, folder):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SHOP_", "RUST_"))}
    env["PATH"] = f"{ROOT / '.tools' / 'ministack' / 'path'}:{env['PATH']}"
    env |= {"AWS_PAGER": "", "HOME": str(folder), "RUST_BACKTRACE": "0"}
    run([shop, "remove", "--yes"], folder, env, 120)
    made = json.loads(run([shop, "topology", "cloudformation", "--json"], folder, env, 60))
    (folder / "messaging.json").write_text(json.dumps(messaging(made)))
    stack = ["--stack-name", "shop-messaging"]
    cloudformation = ["aws", "cloudformation", "--region", env.get("AWS_REGION", "us-east-1")]
    deploy = [*cloudformation, "deploy", *stack, "--template-file", "messaging.json", "--no-fail-on-empty-changeset"]
    with contextlib.ExitStack() as running:
        run(deploy, folder, env, 240)
        running.callback(run, [shop, "remove", "--yes"], folder, env, 120)
        running.callback(run, [*cloudformation, "delete-stack", *stack], folder, env, 120)
        say("  deployed")
        # The tables, which LocalStack doesn't make; of messaging there is nothing to change.
        provisioned = run([shop, "provision"], folder, env, 120)
        check("provisioning finds all of it as it should be", ", 0 changed, " in provisioned, provisioned)
        messages = re.search(r"^made +(topic|queue|subscription)", provisioned, re.MULTILINE)
        check("and makes tables alone", not messages, provisioned)
        no_drift(shop, folder, env)
        words = [shop, "worker", "--all", "--poll", "1", "--stock", str(STOCK)]
        workers = running.enter_context(Process("workers", words, folder, env))
        workers.wait_for(lambda: workers.says("ready"))
        exact(shop, folder, env, 0)
        named(shop, folder, env)


def main():
    shop = pathlib.Path(sys.argv[1]).resolve()
    test = on_localstack if sys.argv[2:] == ["localstack"] else on_ministack
    with tempfile.TemporaryDirectory(prefix="shop-stack-") as folder:
        try:
            test(shop, pathlib.Path(folder))
        except (Failed, subprocess.TimeoutExpired) as failed:
            sys.exit(f"stack: {failed}")


if __name__ == "__main__":
    main()
