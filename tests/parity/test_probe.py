"""A second comparison with the recorded numbers, by a program that knows nothing of ours.

It lies beside the repository; without it these tests are skipped.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PARITY = REPOSITORY.parent / "shared" / "parity"

pytestmark = pytest.mark.skipif(not PARITY.is_dir(), reason="needs the second comparison")


@pytest.mark.parametrize(
    "cases",
    [
        "unit_",
        *(
            pytest.param(cases, marks=pytest.mark.slow)
            for cases in (
                "swin_t|ovcoco_boxsup",
                "detic_r18_dynamic",
                "boxsup_r50_c60",
                "boxsup_r50_oneclass|base_c2_r50_linear_cls",
                "detic_r50_maxsize|detic_r50_maxscore",
            )
        ),
    ],
)
def test_the_probe_finds_the_recorded_numbers(cases):
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "portable")]),
        # Products rounded as on the recording machine: the optimizer case amplifies their noise.
        "MKL_CBWR": "COMPATIBLE",
    }
    command = [
        *(sys.executable, str(PARITY / "probe.py"), "compare", "--quiet"),
        *("--golden", str(PARITY / "golden"), "--config-dir", str(REPOSITORY / "configs")),
        *("--symbols", str(REPOSITORY / "tests" / "parity" / "symbols.json"), "--only", cases),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
