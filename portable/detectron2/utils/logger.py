"""Log files and coloured log lines."""

import functools
import logging
import os
import sys

from detectron2.utils.file_io import PathManager
from termcolor import colored

_DATE_FORMAT = "%m/%d %H:%M:%S"
_PLAIN_FORMAT = "[%(asctime)s] %(name)s %(levelname)s: %(message)s"
_COLORED_FORMAT = colored("[%(asctime)s %(name)s]: ", "green") + "%(message)s"


class _ColorFormatter(logging.Formatter):
    """Prints a green head, and from warnings on a red level before it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        if record.levelno < logging.WARNING:
            return line
        return colored(record.levelname, "red") + " " + line


@functools.lru_cache  # a second call with the same arguments must not add handlers
def setup_logger(
    output: str | None = None,
    distributed_rank: int = 0,
    *,
    color: bool = True,
    name: str = "detectron2",
) -> logging.Logger:
    """Return the logger `name`, set up to print to stdout in the main process and to a file.

    Args:
        output: a file ending in .txt or .log, or a folder that gets `log.txt`. Other processes
            than the first add `.rank<N>`. None writes no file.
        distributed_rank: rank of this process.
        color: coloured lines on stdout.
        name: root of the loggers to set up; their messages go no further up.
    """
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    plain = logging.Formatter(_PLAIN_FORMAT, datefmt=_DATE_FORMAT)
    if distributed_rank == 0:
        console = logging.StreamHandler(sys.stdout)
        console.setFormatter(_ColorFormatter(_COLORED_FORMAT, _DATE_FORMAT) if color else plain)
        logger.addHandler(console)
    if output is not None:
        file = logging.StreamHandler(_open_log(output, distributed_rank))
        file.setFormatter(plain)
        logger.addHandler(file)
    return logger


@functools.lru_cache  # loggers that share a file share the stream
def _open_log(output: str, rank: int):
    path = output if output.endswith((".txt", ".log")) else os.path.join(output, "log.txt")
    if os.path.dirname(path):
        PathManager.mkdirs(os.path.dirname(path))
    return PathManager.open(path if rank == 0 else f"{path}.rank{rank}", "a", buffering=1)
