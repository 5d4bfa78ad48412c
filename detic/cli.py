"""What the command line programs share: their help pages and how they end."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from detic.errors import InputError
from detic_commands.running import INTERRUPTED, USER_ERROR


def run(command: Callable[..., int | None], *arguments) -> NoReturn:
    """Run a program to its end and leave with its exit status.

    A mistake of the user ends in one ``error: ...`` on stderr and status 2, Ctrl-C in status 130.
    Any other exception is a defect and keeps its traceback.

    Args:
        command: the program; returns its exit status, None for success.
        arguments: handed to it.

    Raises:
        SystemExit: always, unless the program itself raises something unforeseen.
    """
    try:
        status = command(*arguments)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        status = USER_ERROR
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        status = INTERRUPTED
    sys.exit(status or 0)


def argument_parser(description: str, prog: str | None = None) -> argparse.ArgumentParser:
    """Return a parser whose help page starts with a program's docstring, line by line.

    Args:
        description: the docstring.
        prog: how the program is called; by default by the name of its file.
    """
    return argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
