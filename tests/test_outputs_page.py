"""The commands and the Python of docs/outputs.md, as a reader would try them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")


def blocks(language):
    found = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the repository's root in which the commands were run."""
    folder = tmp_path_factory.mktemp("root")
    for name in ("configs", "demo.py", "docs", "models"):
        (folder / name).symlink_to(ROOT / name)
    (commands,) = blocks("")
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": tools, "DETIC_CACHE": str(folder / "cache")}
    subprocess.run(["bash", "-ec", commands], cwd=folder, env=environment, check=True)
    return folder


@pytest.mark.parametrize(
    ("first_line", "shown"),
    [
        ("import json", "docs/pictures/scene.png green gear 0."),
        ("from pycocotools.coco import COCO", "(128, 128)"),
        ("import numpy as np", "docs/pictures/scene.png green gear "),
        ("import csv", "green gear 0."),
        ("from detic import Detector", "['green gear' 'yellow mug']"),
    ],
)
def test_python_shows_what_was_found(folder, monkeypatch, capsys, first_line, shown):
    (block,) = (block for block in blocks("python") if block.startswith(first_line))
    monkeypatch.chdir(folder)
    exec(compile(block, "outputs.md", "exec"), {})
    assert shown in capsys.readouterr().out


def test_python_with_supervision_shows_what_was_found(folder, monkeypatch, capsys):
    pytest.importorskip("supervision")
    monkeypatch.chdir(folder)
    with_supervision = [block for block in blocks("python") if "import supervision" in block]
    assert len(with_supervision) == 2
    for block in with_supervision:
        exec(compile(block, "outputs.md", "exec"), {})
        assert "green gear" in capsys.readouterr().out
    assert len(blocks("python")) == len(with_supervision) + 5
