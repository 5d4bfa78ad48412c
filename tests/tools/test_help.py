"""Help pages and exit statuses of the programs."""

import os
import re
import subprocess
import sys

import pytest

from detic_commands.main import TOOLS as MODULES
from tests.tools.conftest import TOOLS

PROGRAMS = sorted(MODULES)


def call(name, *arguments, **environment):
    return subprocess.run(
        [sys.executable, TOOLS / f"{name}.py", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


def test_all_programs_have_a_command():
    assert {path.stem for path in TOOLS.glob("[!_]*.py")} == MODULES.keys()


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_starts_with_a_command_that_can_be_pasted(name, monkeypatch):
    result = call(name, "--help", PYTHONPROFILEIMPORTTIME="1")
    assert result.returncode == 0
    assert not re.search(
        r"\| +torch$", result.stderr, re.MULTILINE
    )  # heavy imports come after the arguments
    commands = re.findall(r"^    python (tools/\S+\.py(?:.*\\\n)*.*)", result.stdout, re.MULTILINE)
    assert commands[0].startswith(f"tools/{name}.py")


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_option_is_explained(name):
    options = call(name, "--help").stdout.split("options:")[1]
    entries = re.split(r"\n  (?=-)", options)
    assert all(len(entry.split()) > 3 for entry in entries if entry.strip())


def test_mistakes_end_in_one_line_and_status_2(tmp_path):
    result = call("remove_lvis_rare", "--ann", str(tmp_path / "none.json"))
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"error: .*none\.json not found; .*\n", result.stderr)


def test_unknown_datasets_end_in_status_2():
    result = call("check_data", "lvis_v1_vall")
    assert result.returncode == 2
    assert "did you mean 'lvis_v1_val'" in result.stderr
