"""Importing packages of one's own."""

import os
import sys

import pytest

from detic.errors import InputError
from detic.extensions import VARIABLE, import_extensions, request_imports
from detic.recipes import load_recipe
from tests.tiny_detector import RECIPE


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    """A function that writes a module which Python finds; it is forgotten after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(VARIABLE, "")  # restored after the test, whatever it was
    before = set(sys.modules)

    def write(name, text=""):
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_modules_are_imported_before_a_recipe_is_read(write_module):
    write_module("mine_first")
    write_module("mine_package.second")
    request_imports(["mine_first", "mine_package.second"])
    load_recipe(RECIPE)
    assert {"mine_first", "mine_package.second"} <= set(sys.modules)


def test_child_processes_inherit_what_was_asked_for(write_module, monkeypatch):
    monkeypatch.setenv(VARIABLE, "one, two")
    request_imports(["two", "three"])
    assert os.environ[VARIABLE] == "one,two,three"


def test_nothing_is_imported_unless_asked_for(write_module):
    request_imports([])
    import_extensions()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine_missing", "Python finds no module mine_missing; install it"),
        ("mine_here.missing", r"Python finds no module mine_here\.missing"),
        ("mine_missing.part", "names mine_missing.part, and Python finds no module mine_missing;"),
        ("mine_needy", "mine_needy needs the module of_another, which is not installed"),
        ("mine/here.py", "has 'mine/here.py'; name a module as Python does"),
        ("../mine_here", "name a module as Python does"),
    ],
)
def test_what_cannot_be_imported_is_explained(write_module, name, message):
    write_module("mine_here")
    write_module("mine_needy", "import of_another")
    request_imports([name])
    with pytest.raises(InputError, match=message):
        import_extensions()


def test_errors_inside_a_module_keep_their_traceback(write_module):
    write_module("mine_broken", "1 / 0")
    request_imports(["mine_broken"])
    with pytest.raises(ZeroDivisionError):
        import_extensions()
