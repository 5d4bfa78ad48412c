"""What the pages for users say exists."""

import re
import shlex
from pathlib import Path

import pytest

import demo
import train_net
from detic.recipes import default_config

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "models" / "README.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))


def commands(page, program):
    """The shell commands of a page's code blocks that run ``python <program>``, as arguments."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    runs = [line.split(f"python {program}")[1] for line in lines if f"python {program}" in line]
    return [shlex.split(arguments, comments=True) for arguments in runs]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [t for t in targets if not (page.parent / t).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_configuration_keys_are_known(page):
    sections = "MODEL|SOLVER|DATALOADER|DATASETS|TEST|INPUT"
    for key in re.findall(rf"\b(?:{sections})(?:\.[A-Z][A-Z_0-9]+)+", page.read_text()):
        node = default_config()
        for part in key.split("."):
            assert part in node, key
            node = node[part]


def test_commands_are_understood():
    shown = [arguments for page in PAGES for arguments in commands(page, "demo.py")]
    assert len(shown) > 5
    for arguments in shown:
        if arguments != ["--help"]:
            demo.argument_parser().parse_args(arguments)
    shown = [arguments for page in PAGES for arguments in commands(page, "train_net.py")]
    assert len(shown) > 3
    for arguments in shown:
        assert (ROOT / train_net.argument_parser().parse_args(arguments).config_file).is_file()
