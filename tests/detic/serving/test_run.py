import sys

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
