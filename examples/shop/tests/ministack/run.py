"""Runs the shop on MiniStack: see `run` beside this."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from aws import Aws

ROOT = pathlib.Path(__file__).resolve().parents[4]
GUIDE = ROOT / "docs" / "guide" / "on-lambda.md"
ORDERS = 300
STOCK = 500
FUNCTIONS = ["payment", "relay"]
WORKERS = ["checkout", "bookkeeping", "inventory", "shipping", "email", "analytics", "orders-view", "loyalty"]
# Seconds. MiniStack takes one to be ready, and a process less; the audit waits until nothing is left to do.
READY_WITHIN = 60
STOPPED_WITHIN = 40
AUDIT_WITHIN = 420
# How long messages are hidden that an environment had in hand when it was killed. Lambda wants six times the
# function's timeout, for which nobody here waits.
HIDDEN = 15
KILLS = 4
KILLING = 60


class Failed(Exception):
    """What isn't as it should be, in words."""


def say(text):
    print(text, flush=True)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def environment(port, folder, shop):
    """What the processes see: nothing of the user's own AWS, and what `env` exports."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SHOP_", "RUST_"))}
    clean |= {"MINISTACK_PORT": str(port), "RUST_BACKTRACE": "0", "AWS_EC2_METADATA_DISABLED": "true"}
    clean |= {"SHOP_FUNCTIONS": ",".join(FUNCTIONS), "HOME": str(folder), "AWS_PAGER": ""}
    exports = 'eval "$("$0/localstack/ministack/env")"; PATH="$1:$PATH"; env -0'
    command = ["bash", "-euc", exports, ROOT, shop.parent]
    pairs = subprocess.run(command, env=clean, check=True, capture_output=True, text=True).stdout.split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


class Process:
    """A process that is stopped at the end, with all that it has started."""

    def __init__(self, name, command, folder, environment):
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def __enter__(self):
        return self

    def wait_for(self, ready):
        deadline = time.monotonic() + READY_WITHIN
        while not ready():
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended by itself ({self.process.returncode}):\n{self.tail()}")
            if time.monotonic() > deadline:
                raise Failed(f"{self.name} isn't ready after {READY_WITHIN} s:\n{self.tail()}")
            time.sleep(0.1)

    def says(self, text):
        return text in self.log.read_text(errors="replace")

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            say(f"{self.name} doesn't stop within {STOPPED_WITHIN} s: it is killed")
        # And whatever it has left behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def answers(port):
    def asked():
        # Not through a proxy of the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{port}/_ministack/health", timeout=5):
                return True
        except OSError:
            return False

    return asked


def commands(heading):
    """The guide's, under a heading: what it has people do is what is done here."""
    chapter = re.search(rf"^## {heading}$(.*?)^## ", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```sh\n(.*?)^```$", chapter[1], re.MULTILINE | re.DOTALL) if chapter else []
    if not blocks:
        raise Failed(f"{GUIDE} has no commands under `## {heading}`")
    return ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)]


def environments(port):
    """The processes of functions, by the folder that MiniStack unpacks their zip to."""
    listed = subprocess.run(["ps", "-axo", "pid=,args="], check=True, capture_output=True, text=True).stdout
    processes = (line.split(None, 1) for line in listed.splitlines())
    return [int(pid) for pid, args in processes if f"ministack-provided-code-{port}/" in args]


def kill_environments(port):
    """SIGKILL to every function's process, in whatever it does. Returns how many there were."""
    found = environments(port)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def place(shop, folder, environment, orders, port):
    """Places them, while environments are killed. Returns what it says, and how many were."""
    command = [shop, "place", "--orders", "-"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, env=environment, **pipes) as placing:
        killed = 0
        try:
            placing.stdin.write(orders)
            placing.stdin.close()
            placing.stdin = None
            until = time.monotonic() + KILLING
            while killed < KILLS and time.monotonic() < until:
                time.sleep(0.5)
                killed += kill_environments(port)
            said, errors = placing.communicate(timeout=120)
        finally:
            placing.kill()
    if placing.returncode != 0:
        raise Failed(f"`shop place` failed ({placing.returncode}):\n{said}{errors}")
    return said, killed


def run(command, folder, environment, within, **options):
    done = subprocess.run(
        command, cwd=folder, env=environment, timeout=within, capture_output=True, text=True, **options
    )
    if done.returncode != 0:
        shown = command if isinstance(command, str) else " ".join(map(str, command))
        raise Failed(f"`{shown[:300]}` failed ({done.returncode}):\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def audit(shop, folder, environment, aws, stock):
    """The audit's report, when nothing is left to do. Says what is left, where that takes too long."""
    command = [shop, "audit", "--json", "--stock", str(stock)]
    try:
        return json.loads(run(command, folder, environment, AUDIT_WITHIN).splitlines()[-1])
    except subprocess.TimeoutExpired as late:
        raise Failed(f"the audit still waits after {AUDIT_WITHIN} s, for\n{aws.left()}") from late


def logged(function, folder, environment):
    """What a function has logged."""
    query = ["--query", "events[].message", "--output", "json"]
    group = ["--log-group-name", f"/aws/lambda/shop-{function}"]
    return json.loads(run(["aws", "logs", "filter-log-events", *group, *query], folder, environment, 60))


def metric(lines, name):
    """The sum of a counter over the lines of the log that are metrics."""
    total = 0
    for line in "\n".join(lines).splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            measured = json.loads(line)
            if isinstance(measured, dict) and "_aws" in measured:
                total += measured.get(name, 0)
    return total


def check(what, is_so, shown):
    if not is_so:
        raise Failed(f"{what}: {shown}")
    say(f"  {what}")


def test(shop, folder):
    port = free_port()
    env = environment(port, folder, shop)
    with contextlib.ExitStack() as running:
        started = [ROOT / "localstack" / "ministack" / "start"]
        ministack = running.enter_context(Process("ministack", started, folder, env | {"LOG_LEVEL": "INFO"}))
        ministack.wait_for(answers(port))

        archive = folder / "shop.zip"
        packed = [sys.executable, ROOT / "packaging" / "zip.py", shop, archive, "1"]
        run(packed, folder, env, 120)
        say(f"  {archive.stat().st_size >> 20} MB of zip, from the profile dev")
        deploy = env | {"arch": "x86_64", "zip": str(archive)}
        run(commands("Deploy"), folder, deploy, 300)
        say("  deployed as the guide says")
        # Of SQS alone the first version of AWS's command line doesn't look at AWS_ENDPOINT_URL.
        sqs = ["aws", "sqs", "--endpoint-url", env["AWS_ENDPOINT_URL"], "--output", "text"]
        url = run([*sqs, "get-queue-url", "--queue-name", "shop-payment"], folder, env, 60).strip()
        hidden = ["--queue-url", url, "--attributes", f"VisibilityTimeout={HIDDEN}"]
        run([*sqs, "set-queue-attributes", *hidden], folder, env, 60)

        words = [shop, "worker", *WORKERS, "--poll", "1", "--stock", str(STOCK)]
        workers = running.enter_context(Process("workers", words, folder, env))
        workers.wait_for(lambda: workers.says("ready"))
        bundled = (ROOT / "examples" / "shop" / "data" / "orders.csv").read_text().splitlines()
        orders = "\n".join(bundled[: ORDERS + 1])
        try:
            placed, killed = place(shop, folder, env, orders, port)
            check(f"{ORDERS} orders are placed", placed.startswith(f"{ORDERS} orders placed"), placed)
            check(f"{killed} environments are killed meanwhile", killed > 0, ministack.tail())
            report = audit(shop, folder, env, Aws(env), STOCK)
        except (Failed, subprocess.TimeoutExpired) as failed:
            raise Failed(f"{failed}\nMiniStack:\n{ministack.tail()}\nworkers:\n{workers.tail()}") from failed
        shown = json.dumps(report)
        check("the audit is exact", report["orders"] == report["terminal"] == ORDERS, shown)
        check("nothing is lost or doubled", report["lost"] == report["doubled"] == 0, shown)
        dead = sum(consumer["dead"] for consumer in report["consumers"].values())
        check("nothing is a dead letter", dead == 0, shown)

        # What payment was to do nobody else could have done; but others sweep the outbox too. And those that were
        # killed haven't said what they did. Of what was emitted some is published more than once: what an environment
        # hadn't written down when it was killed, and what two relays have read at the same moment.
        payment = logged("payment", folder, env)
        handled = metric(payment, "fanfare.messages.handled")
        check(f"payment's function says that it handled {handled}", handled > ORDERS / 2, payment[-20:])
        relay = logged("relay", folder, env)
        published = metric(relay, "fanfare.outbox.published")
        check(f"the relay's function says that it published {published}", published > ORDERS, relay[-20:])

        run(commands("Back to workers"), folder, deploy, 120)
        left = run(["aws", "lambda", "list-functions", "--query", "length(Functions)"], folder, env, 60)
        check("no function is left, as the guide says", left.strip() == "0", left)
    check("no process is left", not environments(port), environments(port))


def main():
    shop = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="shop-ministack-") as folder:
        try:
            test(shop, pathlib.Path(folder))
        except Failed as failed:
            sys.exit(f"ministack: {failed}")


if __name__ == "__main__":
    # As Ctrl-C, so that what was begun is ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()
