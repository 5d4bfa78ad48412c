"""Running the programs under tools/ on made-up datasets."""

import io
import json
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

from detic_commands.main import TOOLS as MODULES

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty datasets root, which ``datasets/`` in arguments stands for."""
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    return tmp_path


@pytest.fixture
def run_tool(root):
    """A function that runs a program in this process and returns its exit status."""

    def run(name, *arguments):
        tool = import_module(f"detic_commands.{MODULES[name]}")
        parser = tool.argument_parser(f"python tools/{name}.py")
        return tool.main(parser.parse_args(arguments)) or 0

    return run


@pytest.fixture
def write_json(root):
    """A function that writes a json file below the datasets root."""

    def write(path, content):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(json.dumps(content))

    return write


@pytest.fixture
def read_json(root):
    """A function that reads a json file below the datasets root."""
    return lambda path: json.loads((root / path).read_text())


@pytest.fixture
def jpeg():
    """The bytes of an image, 6 wide and 4 high."""
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4)).save(buffer, "jpeg")
    return buffer.getvalue()
