"""The program ``python -m detic_lite`` where torch, detic and what they bring cannot be imported."""

import os
import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import sys
for name in ("torch", "detic", "detectron2", "open_clip", "safetensors", "cv2", "hotcoco"):
    sys.modules[name] = None  # importing it raises ImportError
from detic_lite.command import main
main()
"""
_FOLDER = Path(__file__).resolve().parents[2] / "lite"


def run_without_torch(*arguments, cwd: Path) -> subprocess.CompletedProcess:
    """Return how the program ends."""
    path = os.pathsep.join(filter(None, (str(_FOLDER), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
