"""What `localstack/up` and `localstack/down` promise without Docker.

    FANFARE_LOCAL=target/debug/fanfare-local python3 -m unittest discover --start-directory localstack/tests/up
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]


def free_ports():
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def listens(port, address="127.0.0.1"):
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


class Up(unittest.TestCase):
    def setUp(self):
        self.port, self.dynamodb = free_ports()
        self.folder = ROOT / ".tools" / "localstack" / "run" / str(self.port)
        self.addCleanup(self.run_it, "down")

    def environment(self, **more):
        ports = {"LOCALSTACK_PORT": str(self.port), "DYNAMODB_PORT": str(self.dynamodb)}
        return {**os.environ, **ports, **more}

    def run_it(self, name, *arguments, **environment):
        command = [ROOT / "localstack" / name, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment(**environment))

    def up(self, **environment):
        return self.run_it("up", "--no-docker", **environment)

    def assert_nothing_runs(self):
        self.assertFalse(listens(self.port))
        self.assertFalse(listens(self.dynamodb))

    def test_it_comes_up_once_for_the_shell_and_goes_down(self):
        first = self.up()
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertTrue(listens(self.port))
        self.assertTrue(listens(self.dynamodb))
        said = re.findall(r"process (\d+)", first.stderr)
        self.assertEqual(len(said), 2, first.stderr)

        again = self.up()
        self.assertEqual((again.returncode, again.stdout), (0, first.stdout))
        self.assertEqual(re.findall(r"process (\d+)", again.stderr), said)

        script = 'eval "$1"; echo "$AWS_ENDPOINT_URL $AWS_ENDPOINT_URL_DYNAMODB ${AWS_PROFILE-none}"'
        shell = subprocess.run(
            ["bash", "-c", script, "bash", first.stdout],
            capture_output=True,
            text=True,
            env={**os.environ, "AWS_PROFILE": "mine"},
        )
        there = f"http://127.0.0.1:{self.port} http://127.0.0.1:{self.dynamodb} none\n"
        self.assertEqual((shell.stdout, shell.stderr), (there, ""))

        # One that died is started again, and the other one stays.
        dynamodb = json.loads((self.folder / "dynamodb.json").read_text())["pid"]
        os.kill(dynamodb, 9)
        revived = self.up()
        self.assertEqual(revived.returncode, 0, revived.stderr)
        self.assertTrue(listens(self.dynamodb))
        self.assertEqual(len(set(re.findall(r"process (\d+)", revived.stderr)) & set(said)), 1)

        down = self.run_it("down")
        self.assertEqual((down.returncode, down.stdout), (0, ""))
        self.assertIn("ended: LocalStack and DynamoDB", down.stderr)
        self.assert_nothing_runs()
        self.assertFalse(self.folder.exists())
        self.assertIn("nothing is up", self.run_it("down").stderr)

    def test_a_taken_port_names_who_has_it_and_starts_nothing(self):
        with socket.create_server(("", self.port)):
            up = self.up()
        self.assertEqual((up.returncode, up.stdout), (1, ""))
        self.assertIn(f"port {self.port}", up.stderr)
        self.assertIn(f"process {os.getpid()} (", up.stderr)
        self.assertIn("LOCALSTACK_PORT", up.stderr)
        self.assert_nothing_runs()

    def test_one_that_dies_is_told_with_the_end_of_its_log(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "dies"
            program.write_text("#!/bin/sh\necho no room for tables\nexit 3\n")
            program.chmod(0o755)
            up = self.up(FANFARE_LOCAL=str(program))
        self.assertEqual((up.returncode, up.stdout), (1, ""))
        self.assertIn("DynamoDB ended by itself", up.stderr)
        self.assertIn("no room for tables", up.stderr)
        self.assert_nothing_runs()

    def test_a_hook_that_fails_is_told_and_ends_both(self):
        up = self.up(PROVISION_WITH="/usr/bin/false" if os.path.exists("/usr/bin/false") else "/bin/false")
        self.assertEqual((up.returncode, up.stdout), (1, ""))
        self.assertIn("the init hook provision.py failed", up.stderr)
        self.assert_nothing_runs()

    def test_a_process_that_has_the_id_of_an_old_one_is_left_alone(self):
        self.folder.mkdir(parents=True)
        record = {"pid": os.getpid(), "port": self.port, "command": ["python", "serve.py"]}
        (self.folder / "localstack.json").write_text(json.dumps(record))
        down = self.run_it("down")
        self.assertEqual(down.returncode, 0, down.stderr)
        self.assertIn(f"process {os.getpid()} is another's by now", down.stderr)

    def test_what_is_no_port_or_no_program_is_refused(self):
        for wrong in ({"LOCALSTACK_PORT": "x"}, {"DYNAMODB_PORT": "65536"}, {"DYNAMODB_PORT": str(self.port)}):
            up = self.up(**wrong)
            self.assertEqual((up.returncode, up.stdout), (1, ""), up.stderr)
            self.assertIn("_PORT", up.stderr)
        for variable in ("FANFARE_LOCAL", "PROVISION_WITH"):
            up = self.up(**{variable: "/no/such/program"})
            self.assertEqual((up.returncode, up.stdout), (1, ""), up.stderr)
            self.assertIn(f"{variable} names no program: /no/such/program", up.stderr)


if __name__ == "__main__":
    unittest.main()
