#!/usr/bin/env python3
"""How long a new process's first call over TLS takes, with each TLS provider that the SDK has for rustls.

    python3 run.py [STARTS]

Builds `first-call` three times: with AWS-LC as it comes, with AWS-LC that doesn't gather entropy from the CPU's
jitter, and with ring. Then starts each in turn, STARTS times (41), against one HTTPS server, and prints the medians.
Needs Rust, openssl and Linux's /proc."""

import http.server
import json
import os
import pathlib
import resource
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).parent
ANSWER = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::000000000000:root</Arn><UserId>0</UserId><Account>000000000000</Account></GetCallerIdentityResult>
<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""
VARIANTS = {
    "AWS-LC as it comes": ("aws-lc", {}),
    "AWS-LC without jitter entropy": ("aws-lc", {"AWS_LC_SYS_NO_JITTER_ENTROPY": "1"}),
    "ring": ("ring", {}),
}
COLUMNS = ("start_to_end_ms", "cpu_ms", "client_ms", "first_ms", "second_ms", "peak_mb")


class Sts(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # An answer in one piece, and TCP_NODELAY below: nothing here waits for an acknowledgement.

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/xml")
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_):
        pass


def build(name, feature, environment):
    """In one folder, for most crates are the same in each."""
    command = ["cargo", "build", "--release", "--locked", "--features", feature, "--target-dir", HERE / "target"]
    subprocess.run(command, cwd=HERE, env={**os.environ, **environment}, check=True)
    return shutil.copy2(HERE / "target/release/first-call", HERE / "target" / name.replace(" ", "-"))


def serve(folder):
    key, root = folder / "key.pem", folder / "root.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", root],
        check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(root, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sts)
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"https://localhost:{server.server_port}", root


def start(binary, endpoint, root):
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run([binary, endpoint, root], capture_output=True, text=True, timeout=30)
    clock, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        sys.exit(ended.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**json.loads(ended.stdout), "start_to_end_ms": clock * 1e3, "cpu_ms": cpu * 1e3}


def main():
    starts = int(sys.argv[1]) if len(sys.argv) > 1 else 41
    binaries = {name: build(name, *variant) for name, variant in VARIANTS.items()}
    seen = {name: [] for name in binaries}
    with tempfile.TemporaryDirectory() as folder:
        endpoint, root = serve(pathlib.Path(folder))
        for binary in binaries.values():
            start(binary, endpoint, root)
        for _ in range(starts):
            for name, binary in binaries.items():
                seen[name].append(start(binary, endpoint, root))
    print(f"| medians of {starts} starts | {' | '.join(COLUMNS)} | binary |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    for name, runs in seen.items():
        medians = (f"{statistics.median(run[column] for run in runs):.1f}" for column in COLUMNS)
        print(f"| {name} | {' | '.join(medians)} | {binaries[name].stat().st_size} |")


main()
