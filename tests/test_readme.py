"""What the pages for users say: links, configuration keys, commands, sentences."""

import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

import demo
import train_net
from detic.recipes import default_config
from detic_commands.main import TOOLS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(ROOT / folder / "README.md" for folder in ("models", "datasets", "benchmarks")),
    ROOT / "datasets" / "vocabularies" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
MAX_WORDS = 30  # of a sentence


def each_page(function):
    return pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))(function)


def read(page):
    return page.read_text(encoding="utf-8")


def blocks(page, language):
    found = re.findall(r"^```(\w*)\n(.*?)^```", read(page), re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def commands(program):
    """The shell commands of all pages that run a program, as lists of its arguments."""
    lines = [
        line
        for page in PAGES
        for block in blocks(page, "")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    runs = [re.search(rf"(?:^|[|] |\s){program} (.*)", line) for line in lines]
    return [shlex.split(run[1], comments=True) for run in runs if run]


def anchors(page):
    """The names by which links know the headings of a page."""
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```", "", read(page), flags=re.M | re.S), re.M
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def sentences(page):
    """The sentences of a page, without code, in words; a cell of a table is one at least."""
    text = re.sub(r"^```.*?^```", "\n\n", read(page), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "code", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*[-*] |#)|\|", text):
        yield from (s.split() for s in re.split(r"(?<=[.!?])[*_]*\s+", " ".join(paragraph.split())))


def understands(program, arguments):
    """Whether the flags of a command are those that its help page lists."""
    flags = [argument for argument in arguments if argument.startswith("--")]
    first = arguments.index(flags[0]) if flags else len(arguments)
    words = [*arguments[:first], "--help", *arguments[first:]]
    # detic_lite is a package of its own, which need not be installed
    path = os.pathsep.join([str(ROOT / "lite"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(
        [*program, *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    return done.returncode == 0 and set(flags) <= set(re.findall(r"--[\w-]+", done.stdout))


@each_page
def test_links_lead_somewhere(page):
    for path, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", read(page)):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@each_page
def test_configuration_keys_are_known(page):
    sections = "MODEL|SOLVER|DATALOADER|DATASETS|TEST|INPUT"
    for key in re.findall(rf"\b(?:{sections})(?:\.[A-Z][A-Z_0-9]+)+", read(page)):
        node = default_config()
        for part in key.split("."):
            assert part in node, key
            node = node[part]


@each_page
def test_sentences_are_short(page):
    assert [" ".join(s) for s in sentences(page) if len(s) > MAX_WORDS] == []


def test_commands_of_demo_are_understood():
    shown = commands("python demo.py")
    assert len(shown) > 12
    for arguments in shown:
        args = demo.argument_parser().parse_args(arguments)
        assert (ROOT / args.config_file).is_file()


def test_commands_of_train_net_are_understood():
    shown = commands("train_net.py")
    assert len(shown) > 12
    for arguments in shown:
        recipe = train_net.argument_parser().parse_args(arguments).config_file
        # X stands for any recipe; Mine.yaml is written by the reader of docs/extending.md
        assert recipe == "X" or (ROOT / recipe).is_file() or Path(recipe).name == "Mine.yaml"


def test_commands_of_tools_are_understood():
    shown = [run for run in commands("python") if run[0].startswith("tools/")]
    assert len(shown) > 25
    for script, *arguments in shown:
        tool = import_module(f"detic_commands.{TOOLS[Path(script).stem]}")
        tool.argument_parser(script).parse_args(arguments)


def test_commands_of_modules_are_understood():
    shown = commands("python -m")
    assert ["detic.shapes.own_data"] in shown
    for module, *arguments in shown:
        if arguments:
            assert understands([sys.executable, "-m", module], arguments), module


def test_commands_of_detic_are_understood():
    shown = commands("detic")
    assert len(shown) > 1
    for arguments in shown:
        assert understands([sys.executable, "-m", "detic"], arguments), arguments


def test_make_knows_its_targets():
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    if not {"test-wheel", "test-upstream"} <= known:
        pytest.skip("the Makefile lacks what CONTRIBUTING.md shows")
    assert {target for target, *_ in commands("make")} <= known


def test_python_of_the_readme_runs(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path))
    (block,) = blocks(ROOT / "README.md", "python")
    exec(compile(block, "README.md", "exec"), {})
    assert "green gear 0." in capsys.readouterr().out


def test_python_of_the_page_on_datasets_registers():
    (block,) = blocks(ROOT / "datasets" / "README.md", "python")
    exec(compile(block, "datasets/README.md", "exec"), {})
    assert MetadataCatalog.get("pets_train").evaluator_type == "coco"
    DatasetCatalog.remove("pets_train")
    MetadataCatalog.remove("pets_train")


def test_the_vocabulary_that_is_shown_is_the_file():
    shown = blocks(ROOT / "docs" / "vocabularies.md", "yaml")
    assert shown == [(ROOT / "docs" / "things.yaml").read_text(encoding="utf-8")]
