import socket
import sys
import time
from threading import Thread

import pytest

from detic.errors import InputError
from detic.serving import run
from detic.serving.limits import Limits
from detic_commands.serve import argument_parser


@pytest.mark.parametrize(
    "token", ["short", "with a space in it", "with-ä-letters", "line\nline-line"]
)
def test_tokens_are_checked(token, monkeypatch):
    monkeypatch.setenv(run.TOKEN, token)
    with pytest.raises(InputError, match="DETIC_TOKEN is no token"):
        run.read_token()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(InputError, match="needs the package fastapi; install all"):
        run.check_packages()


def test_arguments_become_limits():
    words = ["--max-body", "2", "--max-per-client", "3", "--timeout", "0.5", "--max-batch", "4"]
    options = run.service_options(argument_parser().parse_args(words))
    assert options.limits.max_body_bytes == 2 * 2**20
    assert (options.limits.max_per_client, options.limits.timeout_s) == (3, 0.5)
    assert options.max_batch == 4
    with pytest.raises(InputError, match="is no folder of a server"):
        run.service_options(argument_parser().parse_args(["--allow-url", "images.org"]))


def test_the_last_requests_have_time_for_their_bodies_and_answers():
    assert run.ending_s(Limits(timeout_s=60)) > 2 * 60


def test_a_port_in_use_is_told_before_weights_are_read():
    with run.listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot answer on 127.0.0.1, port {port}: "):
            run.listening("127.0.0.1", port)


def test_a_query_may_have_the_names_of_a_large_vocabulary():
    pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

    with run.listening("127.0.0.1", 0) as listener:
        server = run.http_server(app, Limits())
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), timeout=20) as connection:
                connection.sendall(b"GET /?names=" + b"x" * 60_000)
                time.sleep(0.1)  # all at once, it could be longer
                connection.sendall(b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert connection.recv(99).startswith(b"HTTP/1.1 204")
        finally:
            server.should_exit = True
            thread.join()
