"""Log files, coloured log lines, rate-limited messages and small tables."""

import functools
import logging
import os
import sys
import time

from detectron2.utils.file_io import PathManager
from tabulate import tabulate
from termcolor import colored

_LEVEL_STYLES = {
    logging.WARNING: ("WARNING", {"color": "red", "attrs": ["blink"]}),
    logging.ERROR: ("ERROR", {"color": "red", "attrs": ["blink", "underline"]}),
    logging.CRITICAL: ("CRITICAL", {"color": "red", "attrs": ["blink", "underline"]}),
}
_DATE_FORMAT = "%m/%d %H:%M:%S"
_PLAIN_FORMAT = "[%(asctime)s] %(name)s %(levelname)s: %(message)s"

_message_counts: dict[object, int] = {}
_message_times: dict[object, float] = {}


class _ColorFormatter(logging.Formatter):
    """Prints a green head, the short name of the logger and coloured levels from warning on."""

    def __init__(self, name: str, abbrev_name: str):
        head = colored("[%(asctime)s %(name)s]: ", "green")
        super().__init__(head + "%(message)s", datefmt=_DATE_FORMAT)
        self._name = name
        self._abbrev_name = abbrev_name

    def formatMessage(self, record: logging.LogRecord) -> str:
        record = logging.makeLogRecord(record.__dict__)
        if record.name == self._name or record.name.startswith(self._name + "."):
            record.name = (self._abbrev_name + record.name[len(self._name) :]).lstrip(".")
        line = super().formatMessage(record)
        if record.levelno not in _LEVEL_STYLES:
            return line
        label, style = _LEVEL_STYLES[record.levelno]
        return f"{colored(label, **style)} {line}"


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
    """Returns the logger `name`, set up to print to stdout in the main process and to a file.

    Args:
        output: a file ending in .txt or .log, or a folder that gets `log.txt`. Other processes
            than the first add `.rank<N>`. None writes no file.
        distributed_rank: rank of this process.
        color: coloured lines on stdout.
        name: root of the loggers to set up.
        abbrev_name: printed in place of `name`; "" leaves it out. "d2" for detectron2.
        enable_propagation: also pass messages to the handlers of the root logger.
        configure_stdout: print to stdout.
    """
    if abbrev_name is None:
        abbrev_name = "d2" if name == "detectron2" else name
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    logger.propagate = enable_propagation
    plain = logging.Formatter(_PLAIN_FORMAT, datefmt=_DATE_FORMAT)
    if configure_stdout and distributed_rank == 0:
        _add_handler(logger, sys.stdout, _ColorFormatter(name, abbrev_name) if color else plain)
    if output is not None:
        _add_handler(logger, _open_log(_log_path(output, distributed_rank)), plain)
    return logger


def log_first_n(
    lvl: int, msg: str, n: int = 1, *, name: str | None = None, key: str | tuple = "caller"
) -> None:
    """Logs `msg` the first `n` times only.

    Args:
        lvl: level of the message.
        n: number of messages that pass.
        name: logger; the module of the caller by default.
        key: what counts as the same message: "caller" for the line that calls, "message" for the
            text, or both in a tuple.
    """
    module, line = _caller()
    keys = (key,) if isinstance(key, str) else key
    identity = tuple({"caller": line, "message": msg}[part] for part in keys)
    count = _message_counts[identity] = _message_counts.get(identity, 0) + 1
    if count <= n:
        logging.getLogger(name or module).log(lvl, msg)


def log_every_n(lvl: int, msg: str, n: int = 1, *, name: str | None = None) -> None:
    """Logs `msg` the first time and then every `n`-th time that the calling line is reached."""
    module, line = _caller()
    count = _message_counts[line] = _message_counts.get(line, 0) + 1
    if n == 1 or count % n == 1:
        logging.getLogger(name or module).log(lvl, msg)


def log_every_n_seconds(lvl: int, msg: str, n: int = 1, *, name: str | None = None) -> None:
    """Logs `msg` unless the calling line logged less than `n` seconds ago."""
    module, line = _caller()
    now = time.monotonic()
    if line not in _message_times or now - _message_times[line] >= n:
        _message_times[line] = now
        logging.getLogger(name or module).log(lvl, msg)


def create_small_table(small_dict: dict) -> str:
    """Returns a table with the keys as its head and the values as its only row."""
    return tabulate(
        [list(small_dict.values())],
        headers=list(small_dict),
        tablefmt="pipe",
        floatfmt=".3f",
        stralign="center",
        numalign="center",
    )


def _add_handler(logger: logging.Logger, stream, formatter: logging.Formatter) -> None:
    handler = logging.StreamHandler(stream)
    handler.setLevel(logging.DEBUG)
    handler.setFormatter(formatter)
    logger.addHandler(handler)


def _log_path(output: str, rank: int) -> str:
    path = output if output.endswith((".txt", ".log")) else os.path.join(output, "log.txt")
    return path if rank == 0 else f"{path}.rank{rank}"


@functools.lru_cache  # loggers that share a file share the stream
def _open_log(path: str):
    if os.path.dirname(path):
        PathManager.mkdirs(os.path.dirname(path))
    return PathManager.open(path, "a", buffering=1)


def _caller() -> tuple[str, tuple[str, int]]:
    """Returns the module, and file and line, that called the function that calls this."""
    frame = sys._getframe(2)
    return frame.f_globals["__name__"], (frame.f_code.co_filename, frame.f_lineno)
