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
    ("golden", "cases"),
    [
        ("golden", "unit_"),
        ("golden_models", "unit_lsj|unit_detr_mapper"),
        *(
            pytest.param(golden, cases, marks=pytest.mark.slow)
            for golden, cases in (
                ("golden", "swin_t|ovcoco_boxsup"),
                ("golden", "detic_r18_dynamic"),
                ("golden", "boxsup_r50_c60"),
                ("golden", "boxsup_r50_oneclass|base_c2_r50_linear_cls"),
                ("golden", "detic_r50_maxsize|detic_r50_maxscore"),
                # detr_boxsup: random layers multiply rounding by 200, and its detections agree with
                # the recorded ones as far as between two sets of instructions of one processor.
                ("golden_models", "vild_boxsup|detr_detic"),
            )
        ),
    ],
)
def test_the_probe_finds_the_recorded_numbers(golden, cases):
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "portable")]),
        # Products rounded as on the recording machine: the optimizer case amplifies their noise.
        "MKL_CBWR": "COMPATIBLE",
    }
    command = [
        *(sys.executable, str(PARITY / "probe.py"), "compare", "--quiet"),
        *("--golden", str(PARITY / golden), "--config-dir", str(REPOSITORY / "configs")),
        *("--symbols", str(REPOSITORY / "tests" / "parity" / "symbols.json"), "--only", cases),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
