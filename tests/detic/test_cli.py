"""How command line programs end."""

import os
import signal
import subprocess
import sys

import pytest

from detic import cli
from detic.errors import InputError


def end(command, *arguments) -> int:
    with pytest.raises(SystemExit) as stopped:
        cli.run(command, *arguments)
    return stopped.value.code


def test_user_mistakes_are_one_line_and_status_2(capsys):
    def command(path):
        raise InputError(f"{path} not found; make it")

    assert end(command, "a.json") == 2
    assert capsys.readouterr().err == "error: a.json not found; make it\n"


def test_the_environment_asks_for_tracebacks_of_messages(capsys, monkeypatch):
    def command():
        raise InputError("no such backbone") from TypeError("in my own package")

    monkeypatch.setenv("DETIC_TRACEBACK", "1")
    assert end(command) == 2
    assert "TypeError: in my own package" in capsys.readouterr().err


def test_interrupting_ends_with_status_130_and_no_traceback(capsys):
    def command():
        raise KeyboardInterrupt

    assert end(command) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_sigterm_lets_a_program_clean_up_and_ends_it_with_status_143(capsys):
    cleaned = []

    def command():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            cleaned.append(True)

    assert end(command) == 143
    assert cleaned
    assert capsys.readouterr().err == "stopped by SIGTERM\n"


@pytest.mark.parametrize(("status", "expected"), [(None, 0), (0, 0), (1, 1)])
def test_the_programs_own_status_is_kept(status, expected):
    assert end(lambda: status) == expected


def test_defects_keep_their_traceback():
    def command():
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        cli.run(command)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            PermissionError(13, "Permission denied", "a.json"),
            "cannot use a.json: permission denied",
        ),
        (OSError(28, "No space left on device"), "cannot use the output: no space left on device"),
        (MemoryError(), "the memory does not suffice"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "the memory does"),
    ],
)
def test_refusals_of_the_system_are_one_line(error, message, capsys):
    def command():
        raise error

    assert end(command) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("output", "status"), [("/dev/full", 2), (None, 0)])
def test_output_that_cannot_be_written(output, status):
    code = "from detic import cli; cli.run(lambda: print('x' * 100))"
    if output is None:  # a pipe that nobody reads, as after `| head`
        read, write = os.pipe()
        os.close(read)
    else:
        write = os.open(output, os.O_WRONLY)
    ended = subprocess.run(
        [sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert ended.returncode == status
    expected = "error: cannot use the output: no space left on device\n" if status else ""
    assert ended.stderr == expected


def test_help_shows_the_docstring_line_by_line(capsys):
    parser = cli.argument_parser("Do it.\n\n    python do.py --now")
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    assert "\n    python do.py --now\n" in capsys.readouterr().out
