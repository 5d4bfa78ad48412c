"""The log of a run: on stdout, and in log.txt of the output folder."""

import logging
import sys
from pathlib import Path

from detectron2.utils import comm
from detectron2.utils.collect_env import collect_env_info
from detectron2.utils.logger import setup_logger

from detic.files import reason_of, write_text

logger = logging.getLogger(__name__)


def start_logging(output: Path, configuration: str) -> None:
    """Log to stdout and log.txt of the output folder; keep the configuration beside it."""
    if comm.is_main_process():
        write_text(output / "config.yaml", configuration)
    comm.synchronize()
    for name in ("detic", "centernet", "detectron2", "fvcore"):
        root = setup_logger(str(output), distributed_rank=comm.get_rank(), name=name)
        go_on_without(root.handlers)
    logger.debug("environment:\n%s", collect_env_info())


def go_on_without(handlers: list[logging.Handler]) -> None:
    """Let a run go on when what it says cannot be written.

    Its results are in files; a terminal that was closed or a log on a full disk is no reason to
    lose them. Each stream complains once, on stderr.
    """
    for handler in handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.handleError = _give_up(handler)  # type: ignore[method-assign]


def _give_up(handler: logging.StreamHandler):
    """Return what a handler does with a record that it could not write."""

    def handle_error(record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            logging.Handler.handleError(handler, record)  # a defect
            return
        where = getattr(handler.stream, "name", "the log").strip("<>")
        handler.setLevel(logging.CRITICAL + 1)  # it is silent from now on
        sys.stderr.write(f"{where} cannot be written ({reason_of(error)}); the run goes on\n")

    return handle_error
