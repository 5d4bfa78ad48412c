"""Log files, coloured log lines, and messages that are not repeated."""

import functools
import logging
import os
import sys
import time
from collections import Counter

from detectron2.utils.file_io import PathManager
from tabulate import tabulate
from termcolor import colored

_DATE_FORMAT = "%m/%d %H:%M:%S"
_PLAIN_FORMAT = "[%(asctime)s] %(name)s %(levelname)s: %(message)s"
_COLORED_FORMAT = colored("[%(asctime)s %(name)s]: ", "green") + "%(message)s"


class _ColorFormatter(logging.Formatter):
    """Prints a green head, and from warnings on a red level before it."""

    def __init__(self, fmt: str, datefmt: str, names: tuple[str, str]):
        """Take the formats, and (a name of loggers, what stands for it)."""
        super().__init__(fmt, datefmt)
        self._names = names

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.name = record.name.replace(*self._names, 1)
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
    abbrev_name: str | None = None,
    enable_propagation: bool = False,
    configure_stdout: bool = True,
) -> logging.Logger:
    """Return the logger `name`, set up to print to stdout in the main process and to a file.

    Args:
        output: a file ending in .txt or .log, or a folder that gets `log.txt`. Other processes
            than the first add `.rank<N>`. None writes no file.
        distributed_rank: rank of this process.
        color: coloured lines on stdout.
        name: root of the loggers to set up.
        abbrev_name: what stands for that name in coloured lines.
        enable_propagation: let messages go further up, to loggers above `name`.
        configure_stdout: print to stdout.
    """
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    logger.propagate = enable_propagation
    plain = logging.Formatter(_PLAIN_FORMAT, datefmt=_DATE_FORMAT)
    if distributed_rank == 0 and configure_stdout:
        console = logging.StreamHandler(sys.stdout)
        names = (name, name if abbrev_name is None else abbrev_name)
        colored_formatter = _ColorFormatter(_COLORED_FORMAT, _DATE_FORMAT, names)
        console.setFormatter(colored_formatter if color else plain)
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


_times_seen: Counter = Counter()
_last_time: dict[tuple, float] = {}


def log_first_n(
    lvl: int,
    msg: str,
    n: int = 1,
    *,
    name: str | None = None,
    key: str | tuple[str, ...] = "caller",
) -> None:
    """Log a message, but only the first `n` times.

    Args:
        lvl: a level of `logging`.
        name: of the logger; None for that of the calling module.
        key: what makes two messages the same: "caller" the line of code that logs, "message" the
            text, or both.
    """
    module, line = _caller()
    parts = (key,) if isinstance(key, str) else key
    identity = tuple({"caller": line, "message": msg}[part] for part in parts)
    _times_seen[identity] += 1
    if _times_seen[identity] <= n:
        logging.getLogger(name or module).log(lvl, msg)


def log_every_n(lvl: int, msg: str, n: int = 1, *, name: str | None = None) -> None:
    """Log a message the first time that this line is reached, and then every `n`-th time."""
    module, line = _caller()
    _times_seen[line] += 1
    if n == 1 or _times_seen[line] % n == 1:
        logging.getLogger(name or module).log(lvl, msg)


def log_every_n_seconds(lvl: int, msg: str, n: int = 1, *, name: str | None = None) -> None:
    """Log a message unless this line has logged within the last `n` seconds."""
    module, line = _caller()
    now = time.monotonic()
    if line not in _last_time or now - _last_time[line] >= n:
        logging.getLogger(name or module).log(lvl, msg)
        _last_time[line] = now


def _caller() -> tuple[str, tuple]:
    """Return the module that called the function which calls this, and the place in it."""
    frame = sys._getframe(2)
    module = frame.f_globals.get("__name__", "detectron2")
    return module, (frame.f_code.co_filename, frame.f_lineno)


def create_small_table(small_dict: dict) -> str:
    """Return a dict as a table of two lines: names above values."""
    return tabulate(
        [list(small_dict.values())],
        headers=list(small_dict),
        tablefmt="pipe",
        floatfmt=".3f",
        stralign="center",
        numalign="center",
    )
