"""Where an evaluation comes from, as its page says: weights, command, date, versions."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import detectron2
import hotcoco
import torch

from detic_commands import __version__


def provenance(given: Mapping[str, str], *, argv: Sequence[str] | None = None) -> dict[str, str]:
    """Return what to say about the origin of an evaluation, by heading.

    Args:
        given: what the caller knows, such as the weights; empty values are left out.
        argv: the command line, by default that of this process.
    """
    return {heading: text for heading, text in given.items() if text} | {
        "command": command_line(sys.argv if argv is None else argv),
        "date": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "versions": f"detic {__version__}, PyTorch {torch.__version__}, "
        f"Detectron2 {detectron2.__version__}, hotcoco {hotcoco.__version__}, "
        f"Python {sys.version.split()[0]}",
    }


def command_line(argv: Sequence[str]) -> str:
    """Return a command as it can be pasted, its program by name alone.

    >>> command_line(["/usr/bin/detic", "evaluate", "SEED", "my seed"])
    "detic evaluate SEED 'my seed'"
    """
    return shlex.join([Path(argv[0]).name, *argv[1:]])
