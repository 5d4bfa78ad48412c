"""The examples of docs/python.md, as a reader would type them."""

import doctest
import re
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

import torch

from detic.rendering import DrawStyle

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
NEEDED = {"to_dataframe": "pandas", "to_supervision": "supervision"}  # packages, by method


def examples():
    """The examples of the page but for those that need a package which is not there."""
    blocks = re.findall(r"^```pycon\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    missing = [method for method, package in NEEDED.items() if find_spec(package) is None]
    return [block for block in blocks if not any(method in block for method in missing)]


def test_the_page_is_true(monkeypatch, tmp_path):
    for name in ("configs", "docs", "models"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    page = doctest.DocTestParser().get_doctest("\n".join(examples()), {}, "docs/python.md", None, 0)
    results = doctest.DocTestRunner().run(page)
    assert results.attempted > 30
    assert results.failed == 0
    assert (tmp_path / "found.png").is_file()


def test_the_page_shows_all_options_of_drawings():
    shown = set(re.findall(r"`(\w+)`", PAGE))
    assert {field.name for field in fields(DrawStyle)} - {"scale"} <= shown
