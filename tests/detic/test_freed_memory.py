import ctypes
import subprocess
import sys

import pytest

from detic import freed_memory

COUNT = """
import runpy, sys
from resource import RUSAGE_SELF, getrusage
import numpy as np

globals().update(runpy.run_path(sys.argv[1]))  # without the package, whose import takes long
{begin}
before = getrusage(RUSAGE_SELF).ru_minflt
for _ in range(6):
    blocks = [np.ones(2**24, dtype=np.uint8) for _ in range(6)]
    del blocks
    {each}
print(getrusage(RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(begin="", each=""):
    """How often a process that makes and frees 96 MiB six times gets a page from the system."""
    code = COUNT.format(begin=begin, each=each)
    command = [sys.executable, "-c", code, freed_memory.__file__]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not the GNU one"
)
def test_freed_memory_is_kept_until_it_is_returned():
    kept = page_faults("keep_freed_memory()")
    assert kept < 0.5 * page_faults()
    assert kept < 0.5 * page_faults("keep_freed_memory()", "return_freed_memory()")
