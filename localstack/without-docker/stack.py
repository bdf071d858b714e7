"""Starts and ends LocalStack and fanfare-local's DynamoDB as processes of this machine.

`localstack/up` and `localstack/down` call it, in the virtual environment that has LocalStack and with it
psutil. What was started is written to a folder of its own for each LocalStack port:

    localstack.json, dynamodb.json   the process: its id and its command
    localstack.log, dynamodb.log     what it says
    files                            where LocalStack keeps its own
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import psutil

from ports import ADDRESS, NotForUs, listener

HERE = pathlib.Path(__file__).resolve().parent
REGION = "us-east-1"
# What LocalStack reads out of 400 API descriptions, which takes seconds and 300 MB: kept for the next time.
CACHE = pathlib.Path(sys.prefix) / "cache"
# LocalStack takes 4 s on an idle machine.
READY_WITHIN = 90
# Its worker threads have 10 s to end.
TERMINATED_WITHIN = 15
LINES_OF_LOG = 20

LOCALSTACK = {
    # The others aren't loaded. These are, each at its first call. Lambda, whose functions would need Docker, is
    # there to be asked which functions there are.
    "SERVICES": "sqs,sns,sts,iam,s3,cloudformation,lambda",
    # Queue URLs on the port that it listens on: the standard ones need the name of a public server.
    "SQS_ENDPOINT_STRATEGY": "path",
    # Nothing goes to the network: no usage data, no certificate, no DNS server.
    "DISABLE_EVENTS": "1",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    "DNS_ADDRESS": "0",
    "SQS_DISABLE_CLOUDWATCH_METRICS": "1",
    # Also when this machine is itself a container: its folders are those inside the checkout.
    "OVERRIDE_IN_DOCKER": "0",
    "XDG_CACHE_HOME": str(CACHE),
    "PYTHONUNBUFFERED": "1",
    # Not a line for each call.
    "LS_LOG": "warning",
}


class Failed(Exception):
    """Something that the user can mend, in words for them."""


def say(text):
    # Standard output is for the shell to evaluate.
    print(text, file=sys.stderr, flush=True)


class Service:
    """One process: how it is started, and what is known of the one that runs."""

    def __init__(self, name, port, command, folder, environment, calls):
        self.name = name
        self.port = port
        self.command = [str(part) for part in command]
        self.folder = folder
        self.environment = environment
        self.calls = calls
        self.key = name.lower()
        self.record = folder / f"{self.key}.json"
        self.log = folder / f"{self.key}.log"

    @property
    def url(self):
        return f"http://{ADDRESS}:{self.port}"

    def known_port(self):
        return json.loads(self.record.read_text())["port"]

    def start(self):
        taken = listener(self.port)
        if taken is not None:
            raise Failed(
                f"port {self.port}, which {self.name} is to listen on, is taken by {taken}: end it, or take "
                f"another port with {self.key.upper()}_PORT"
            )
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environment,
                # Ctrl-C is for what is in front, and the end of the terminal isn't this one's.
                start_new_session=True,
            )
        # Whole or not at all, also when this is killed right here.
        written = self.record.with_suffix(".new")
        written.write_text(json.dumps({"pid": process.pid, "port": self.port, "command": self.command}))
        os.replace(written, self.record)

    def wait(self, deadline):
        """Until each of its calls is answered with success."""
        left = list(self.calls)
        while left:
            if running(self.record) is None:
                raise Failed(f"{self.name} ended by itself.\n{self.tail()}")
            if time.monotonic() > deadline:
                raise Failed(f"{self.name} isn't ready after {READY_WITHIN} s.\n{self.tail()}")
            if answers(self.url, left[0]):
                left.pop(0)
            else:
                time.sleep(0.1)

    def wait_for_hooks(self, deadline):
        """Until LocalStack is through with its init hooks, and all have succeeded."""
        while True:
            try:
                hooks = json.loads(get(f"{self.url}/_localstack/init/ready"))
            except OSError:
                hooks = {"completed": False}
            if hooks["completed"]:
                break
            if running(self.record) is None:
                raise Failed(f"{self.name} ended by itself.\n{self.tail()}")
            if time.monotonic() > deadline:
                raise Failed(f"the init hooks aren't done after {READY_WITHIN} s.\n{self.tail()}")
            time.sleep(0.1)
        bad = [hook["name"] for hook in hooks["scripts"] if hook["state"] != "SUCCESSFUL"]
        if bad:
            raise Failed(f"the init hook {bad[0]} failed.\n{self.tail()}")

    def tail(self):
        lines = self.log.read_text(errors="replace").splitlines()[-LINES_OF_LOG:]
        return "\n".join([f"The end of {self.log}:", *(f"  {line}" for line in lines)])


def get(url, body=None, headers=None):
    request = urllib.request.Request(url, data=body, headers=headers or {})
    # Not through a proxy of the environment.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return answer.read()


def answers(url, call):
    """Whether a call, given as its body and headers, gets an answer without an error."""
    try:
        get(url, *call)
        return True
    except OSError:
        return False


def authorization(service):
    return {
        "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, "
        "SignedHeaders=host, Signature=none"
    }


def query(service, action, version):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return f"Action={action}&Version={version}".encode(), {**authorization(service), **form}


LOCALSTACK_CALLS = [
    # Each loads its service, so that the first call of a client doesn't wait for that.
    query("sts", "GetCallerIdentity", "2011-06-15"),
    query("sns", "ListTopics", "2010-03-31"),
    query("sqs", "ListQueues", "2012-11-05"),
]
DYNAMODB_CALLS = [
    (
        b"{}",
        {
            **authorization("dynamodb"),
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "DynamoDB_20120810.ListTables",
        },
    )
]


def running(record):
    """The process of a record, if it is still that one: ids are used again."""
    try:
        known = json.loads(record.read_text())
    except FileNotFoundError:
        return None
    process = alive(known["pid"])
    try:
        # Without the program's own name, which the interpreter of macOS replaces.
        return process if process and process.cmdline()[1:] == known["command"][1:] else None
    except psutil.Error:
        return None


def alive(pid):
    try:
        process = psutil.Process(pid)
        # One that is just ending has no command any more.
        return process if process.status() != psutil.STATUS_ZOMBIE and process.cmdline() else None
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return process


def end(names, folder):
    """Ends these processes, and forgets them. Returns which there were."""
    ended = []
    for name in names:
        record = folder / f"{name.lower()}.json"
        process = running(record)
        if process is not None:
            process.terminate()
            try:
                process.wait(TERMINATED_WITHIN)
            except psutil.TimeoutExpired:
                say(f"{name} doesn't end by itself within {TERMINATED_WITHIN} s: it is killed")
                process.kill()
                process.wait(TERMINATED_WITHIN)
            ended.append(name)
        elif record.exists():
            pid = json.loads(record.read_text())["pid"]
            if alive(pid) is not None:
                say(f"{name}: process {pid} is another's by now, and is left alone")
        record.unlink(missing_ok=True)
    return ended


def services(arguments):
    folder = arguments.folder
    # Settings of the user's own AWS are none of LocalStack's.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    listen = f"{ADDRESS}:{arguments.localstack_port}"
    localstack = {
        **clean,
        **LOCALSTACK,
        "GATEWAY_LISTEN": listen,
        "LOCALSTACK_HOST": listen,
        "FILESYSTEM_ROOT": str(folder / "files"),
        "PROVISION_ENDPOINT": f"http://{listen}",
        "PROVISION_ENDPOINT_DYNAMODB": f"http://{ADDRESS}:{arguments.dynamodb_port}",
    }
    dynamodb = [arguments.dynamodb, "--port", arguments.dynamodb_port]
    return [
        Service("DynamoDB", arguments.dynamodb_port, dynamodb, folder, clean, DYNAMODB_CALLS),
        Service(
            "LocalStack",
            arguments.localstack_port,
            [sys.executable, HERE / "serve.py", listen],
            folder,
            localstack,
            LOCALSTACK_CALLS,
        ),
    ]


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def up(arguments):
    link(arguments.folder / "files" / "etc" / "localstack" / "init", HERE.parent / "init")
    CACHE.mkdir(exist_ok=True)
    link(arguments.folder / "files" / "var" / "lib" / "localstack" / "cache", CACHE)
    both = services(arguments)
    for service in both:
        if running(service.record) is not None and service.known_port() != service.port:
            raise Failed(
                f"{service.name} is up on port {service.known_port()}, and not on {service.port}: "
                "end it first, with localstack/down"
            )
    started = []
    since = time.monotonic()
    try:
        for service in both:
            if running(service.record) is None:
                started.append(service)
                service.start()
        for service in both:
            service.wait(since + READY_WITHIN)
        both[-1].wait_for_hooks(since + READY_WITHIN)
    except BaseException:
        end([service.name for service in started], arguments.folder)
        raise
    show(both)


def show_what_is_up(arguments):
    both = services(arguments)
    if any(running(service.record) is None or service.known_port() != service.port for service in both):
        sys.exit(1)
    show(both)


def show(both):
    for service in both:
        say(f"{service.name} is up: {service.url} (process {running(service.record).pid}, log {service.log})")
    dynamodb, localstack = both
    exports = {
        "AWS_ENDPOINT_URL": localstack.url,
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb.url,
        "AWS_REGION": REGION,
        # Python's SDK and the first AWS command line know only this one.
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in exports.items():
        print(f"export {name}={value}")
    # What else would win over these, or be sent along with them.
    print(
        "unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL_SNS AWS_ENDPOINT_URL_SQS AWS_ENDPOINT_URL_STS "
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
    )


def down(arguments):
    ended = end(["LocalStack", "DynamoDB"], arguments.folder)
    say(f"ended: {' and '.join(ended)}" if ended else "nothing was up")
    shutil.rmtree(arguments.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    for name, run in {"up": up, "show": show_what_is_up, "down": down}.items():
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("--folder", type=pathlib.Path, required=True)
        if run is not down:
            command.add_argument("--localstack-port", type=int, required=True)
            command.add_argument("--dynamodb-port", type=int, required=True)
            command.add_argument("--dynamodb", type=pathlib.Path, required=run is up)
    arguments = parser.parse_args()
    # As Ctrl-C, so that what was begun is ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        arguments.run(arguments)
    except (Failed, NotForUs) as failed:
        sys.exit(f"localstack: {failed}")
    except KeyboardInterrupt:
        sys.exit("localstack: given up")


if __name__ == "__main__":
    main()
