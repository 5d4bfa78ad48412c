"""What the command line programs share: their help pages and how they end."""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from detic.errors import InputError
from detic.files import reason_of
from detic.memory_errors import is_out_of_memory
from detic_commands.running import INTERRUPTED, USER_ERROR

TRACEBACK = (
    "DETIC_TRACEBACK"  # set in the environment, it shows where in the code messages are from
)
TERMINATED = 128 + signal.SIGTERM  # as shells report it


class Terminated(KeyboardInterrupt):
    """SIGTERM was received: whatever is done after Ctrl-C is to be done now."""


def run(command: Callable[..., int | None], *arguments) -> NoReturn:
    """Run a program to its end and leave with its exit status.

    A mistake of the user, a refusal of the operating system and memory that does not suffice end in
    one ``error: ...`` on stderr and status 2, Ctrl-C in status 130, SIGTERM in status 143. Output that
    is not read any more, as in ``| head``, ends the program quietly. Any other exception is a defect and
    keeps its traceback; ``DETIC_TRACEBACK`` shows those of messages, too.

    Args:
        command: the program; returns its exit status, None for success.
        arguments: handed to it.

    Raises:
        SystemExit: always, unless the program itself raises something unforeseen.
    """
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        status = command(*arguments) or 0
        sys.stdout.flush()
    except Terminated:
        sys.stderr.write("stopped by SIGTERM\n")
        status = TERMINATED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        status = INTERRUPTED
    except BrokenPipeError:
        status = 0
    except Exception as error:
        message = explanation(error)
        if message is None:
            raise
        if os.environ.get(TRACEBACK):
            traceback.print_exception(error)
        sys.stderr.write(f"error: {message}\n")
        status = USER_ERROR
    finally:
        signal.signal(signal.SIGTERM, previous)
    _give_up_broken_output()
    sys.exit(status)


def _terminate(signum: int, frame: object) -> NoReturn:
    raise Terminated


def explanation(error: Exception) -> str | None:
    """Return what to tell the user about an error; None if it is a defect of ours."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        place = "the output" if error.filename is None else error.filename
        return f"cannot use {place}: {reason_of(error)}"
    if is_out_of_memory(error):
        return "the memory does not suffice; use smaller images, batches or vocabularies"
    return None


def _give_up_broken_output() -> None:
    """Send to nowhere what cannot be written, or Python would complain when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def argument_parser(description: str, prog: str | None = None) -> argparse.ArgumentParser:
    """Return a parser whose help page starts with a program's docstring, line by line.

    Args:
        description: the docstring.
        prog: how the program is called; by default by the name of its file.
    """
    return argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
