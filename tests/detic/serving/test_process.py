"""`detic serve` as a process, asked over sockets."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from importlib.util import find_spec

import pytest

from detic.paths import resource

from .malformed import DETECT, malformed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("fastapi", "uvicorn", "python_multipart")),
        reason="the packages of the extra `serve` are not installed",
    ),
]
SCENE = resource("docs/pictures/scene.png").read_bytes()
COMMAND = ["-m", "detic", "serve", "--model", "shapes-detic", "--device", "cpu", "--port", "0"]


@contextmanager
def served(*arguments):
    """The process and its port; it is ended by a signal."""
    command = [sys.executable, *COMMAND, "--custom-vocabulary", "red star", *arguments]
    environment = os.environ | {"DETIC_TOKEN": "right-token"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                yield process, int(found[1])
                break
        else:
            raise AssertionError("it did not start")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def sent(port, method, path, body=b"", headers=()):
    """A connection over which a request has gone; headers may be as wrong as they like."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    fields = {"Host": "localhost", "Content-Length": str(len(body)), "Connection": "close"}
    fields |= {"Authorization": "Bearer right-token", **dict(headers)}
    head = f"{method} {path} HTTP/1.1\r\n".encode()
    for name, value in fields.items():
        value = value.encode() if isinstance(value, str) else value
        head += name.encode() + b": " + value + b"\r\n"
    connection.sendall(head + b"\r\n" + body)
    return connection


def status_of(connection):
    """The status of the answer, which is read to its end."""
    with connection, connection.makefile("rb") as file:
        return int(file.read().split()[1])


def test_malformed_requests_leave_the_process_up():
    with served() as (process, port):
        statuses = {status_of(sent(port, *malformed(number))) for number in range(500)}
        for number in range(20):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(bytes(range(number, 256)) + b"\r\n\r\n")
        assert {400, 404, 405, 415, 422} <= statuses <= set(range(200, 500))
        assert status_of(sent(port, "GET", "/readyz")) == 200
        assert status_of(sent(port, "POST", DETECT, SCENE)) == 200
        assert status_of(sent(port, "POST", DETECT, SCENE, {"Authorization": "Bearer x"})) == 401
        assert process.poll() is None


def test_a_signal_ends_it_after_what_was_taken():
    with served("--max-batch", "1") as (process, port):
        waiting = [sent(port, "POST", DETECT, SCENE) for _ in range(40)]
        metrics = HTTPConnection("127.0.0.1", port, timeout=30)
        in_progress = num_answered = 0
        while in_progress + num_answered < 40:  # until it has read them all
            metrics.request("GET", "/metrics", headers={"Authorization": "Bearer right-token"})
            text = metrics.getresponse().read().decode()
            in_progress, num_answered = (
                sum(int(count) for count in re.findall(rf"^{line} (\d+)$", text, re.MULTILINE))
                for line in ("detic_requests_in_progress", f".*{DETECT}.*")
            )
        assert in_progress > 0
        process.send_signal(signal.SIGTERM)
        metrics.close()
        assert [status_of(connection) for connection in waiting] == [200] * 40
        assert process.wait(30) == 0
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port))
