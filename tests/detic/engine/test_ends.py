"""How runs end that are stopped or lack something."""

import errno
import os
import signal
import threading

import pytest

from detic.engine.ends import ended_by_sigterm, explained_ends, tell_full_disks_once
from detic.errors import InputError


def test_sigterm_before_the_loop_ends_with_143(capsys):
    with pytest.raises(SystemExit) as end, ended_by_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
    assert end.value.code == 143
    assert capsys.readouterr().err.startswith("stopped by SIGTERM; nothing was saved")
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


CPU = "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
KILLED = "DataLoader worker (pid 7) is killed by signal: Killed. "
WRAPPED = "Caught MemoryError in DataLoader worker process 0.\nOriginal Traceback (most recent call"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError(CPU), r"^out of memory .*SOLVER.IMS_PER_BATCH.*--resume$"),
        (MemoryError(), r"^out of memory \(MemoryError\)"),
        (
            MemoryError(WRAPPED),
            r"^out of memory \(Caught MemoryError in DataLoader worker process 0\)",
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate"), r"^out of memory \(CUDA"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "^out of memory"),
        (RuntimeError(KILLED), r"^a process .* has died .*pid 7.*DATALOADER.NUM_WORKERS"),
        (RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"), "^a process that reads"),
        (OSError(errno.ENOSPC, "No space left", "x.json"), r"^cannot write x\.json: no space left"),
    ],
)
def test_what_the_system_lacks_is_said_in_one_line(error, message):
    with pytest.raises(InputError, match=message) as raised, explained_ends():
        raise error
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), KeyError("x"), InputError("y")])
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)) as raised, explained_ends():
        raise error
    assert raised.value is error


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_threads_say_nothing_of_full_disks(monkeypatch):
    said = []
    monkeypatch.setattr(threading, "excepthook", said.append)
    tell_full_disks_once()
    for error in (OSError(errno.ENOSPC, "full"), ValueError("defect")):

        def fail(error=error):
            raise error

        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert [type(args.exc_value) for args in said] == [ValueError]
