"""Who has a port."""

import socket
import subprocess

import psutil

ADDRESS = "127.0.0.1"


class NotForUs(Exception):
    """This user may not listen there."""


def listener(port):
    """What listens on a port, in words; None if nothing does."""
    pids = listening(port)
    if pids is None:
        return None
    for pid in pids:
        try:
            return f"process {pid} ({' '.join(psutil.Process(pid).cmdline())})"
        except psutil.Error:
            return f"process {pid}"
    return "a process that can't be looked at from here (another user's, or another container's)"


def listening(port):
    """The ids of those that listen on a port, as far as they are to be seen; None if it is free."""
    with socket.socket() as probe:
        # Somebody who has all addresses doesn't keep everybody from binding this one.
        taken = probe.connect_ex((ADDRESS, port)) == 0
    if not taken and free(port):
        return None
    try:
        found = psutil.net_connections("tcp")
        return [c.pid for c in found if c.status == psutil.CONN_LISTEN and c.laddr.port == port and c.pid]
    except psutil.AccessDenied:
        # macOS shows them to root alone, and each user their own by lsof.
        command = ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-t"]
        try:
            return [int(pid) for pid in subprocess.run(command, capture_output=True, text=True).stdout.split()]
        except FileNotFoundError:
            return []


def free(port):
    with socket.socket() as probe:
        # As servers do, so that connections of one that has ended are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
            return True
        except PermissionError as error:
            raise NotForUs(f"port {port} is only for root: take one above 1023") from error
        except OSError:
            return False
