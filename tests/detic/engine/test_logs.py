"""Logs that cannot be written do not stop a run."""

import logging
import sys

import pytest

from detic.engine.logs import go_on_without


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /dev/full")
def test_a_full_disk_is_said_once_and_without_a_traceback(tmp_path, capsys):
    log = logging.Logger("test")
    with open("/dev/full", "w", buffering=1) as full, open(tmp_path / "log.txt", "w") as file:
        log.addHandler(logging.StreamHandler(full))
        log.addHandler(logging.StreamHandler(file))
        go_on_without(log.handlers)
        log.info("first")
        log.info("second")
        with pytest.raises(OSError, match="No space"):
            full.close()
    assert (tmp_path / "log.txt").read_text() == "first\nsecond\n"
    said = capsys.readouterr().err
    assert said == "/dev/full cannot be written (no space left on device); the run goes on\n"
