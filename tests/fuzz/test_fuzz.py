"""No damaged file runs anything, hangs, takes all memory, writes elsewhere or ends in a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from .corpus import READERS

ROOT = Path(__file__).resolve().parents[2]
QUICK = 10  # inputs for each reader
MANY = 300
OVERALL_S = 300  # for a reader in compiled code that no alarm interrupts


def campaign(folder: Path, count: int, seed: int, *readers: str) -> str:
    """Return what went wrong with damaged files."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.campaign"]
    ended = subprocess.run(
        [*command, folder, str(count), str(seed), *readers],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=OVERALL_S,
    )
    return ended.stdout + (ended.stderr[-3000:] if ended.returncode else "")


def test_some_damaged_files(tmp_path):
    assert campaign(tmp_path, QUICK, 0) == ""


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_many_damaged_files(tmp_path, reader):
    assert campaign(tmp_path, MANY, 1, reader) == ""
