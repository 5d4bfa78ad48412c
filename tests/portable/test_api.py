"""The portable distribution has upstream's modules, names and signatures, as far as it goes."""

import importlib
import re
from pathlib import Path

import pytest

from tests.detectron2_api import (
    contradictions,
    exported_names,
    imported_names,
    left_out,
    public_modules,
    read_upstream_api,
)

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "portable" / "README.md"
API = read_upstream_api()


def sources():
    """Return the files that have to run on upstream too."""
    folders = ("detic", "centernet", "tests", "tools", "benchmarks")
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    return [*files, *sorted(ROOT.glob("*.py"))]


def is_private(module):
    return any(part.startswith("_") for part in module.split("."))


def exports():
    """Return "module:name" -> object, for what the distribution offers of its own."""
    found = {}
    for module in public_modules("detectron2"):
        loaded = importlib.import_module(module)
        for name in exported_names(module):
            value = getattr(loaded, name)
            is_own = getattr(value, "__module__", "detectron2").startswith("detectron2")
            if is_own and f"{module}.{name}" not in API:  # which would be a module
                found[f"{module}:{name}"] = value
    return found


EXPORTS = exports()


def test_every_name_that_is_imported_exists_upstream():
    """The tests of the portable distribution may import its private modules."""
    for key, files in imported_names(sources()).items():
        module, _, name = key.partition(":")
        if all("tests/portable" in file for file in files) and is_private(module):
            continue
        exists = key in API or f"{module}.{name}" in API or name.startswith("__")
        assert exists, f"upstream has no {key}, which {files} import"


def test_every_module_exists_upstream():
    assert [module for module in public_modules("detectron2") if module not in API] == []


@pytest.mark.parametrize("key", EXPORTS)
def test_every_export_exists_upstream_and_takes_the_same_calls(key):
    assert key in API
    assert contradictions(EXPORTS[key], API[key]) == []


def table_of_differences():
    """Return the rows of the README: an object under its shortest name, and what it lacks."""
    rows = {}
    for key in sorted(EXPORTS, key=len, reverse=True):
        options, members = left_out(EXPORTS[key], API.get(key, "val"))
        if options or members:
            name = key.removeprefix("detectron2.").replace(":", ".")
            cells = (", ".join(f"`{x}`" for x in options), ", ".join(f"`{x}`" for x in members))
            rows[EXPORTS[key]] = f"| `{name}` | {cells[0]} | {cells[1]} |"
    return sorted(rows.values())


def test_the_readme_lists_what_is_left_out():
    text = README.read_text(encoding="utf-8")
    listed = re.findall(r"^\| `.*\|$", text.split("## Left out")[1], flags=re.MULTILINE)
    assert listed == table_of_differences(), "\n".join(["", *table_of_differences()])
