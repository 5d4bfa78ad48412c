"""How commands end where packages are missing."""

import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from detic.errors import InputError
from detic_commands import running

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("demo.py --input a", "train_net.py --config-file a", "tools/check_data.py")


def end(command):
    with pytest.raises(SystemExit) as stopped:
        running.run(command, Namespace())
    return stopped.value.code


def raising(error):
    def command(arguments):
        raise error

    return command


def test_mistakes_are_one_line(capsys):
    assert end(raising(InputError("a.json not found; make it"))) == 2
    assert capsys.readouterr().err == "error: a.json not found; make it\n"


def test_missing_packages_are_one_line(capsys):
    error = ModuleNotFoundError("No module named 'open_clp'", name="open_clp.tokenizer")
    assert end(raising(error)) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: the package open_clp is missing in {sys.executable}; ")
    assert message.count("\n") == 1


def test_libraries_that_opencv_lacks_are_one_line(capsys):
    error = ImportError("libGL.so.1: cannot open shared object file", name="cv2")
    assert end(raising(error)) == 2
    assert "put opencv-python-headless in the place of opencv-python" in capsys.readouterr().err


def test_modules_without_packages_say_what_to_do():
    for module in ("detic", "detic.shapes.world"):
        done = subprocess.run(
            [sys.executable, "-S", "-m", module, "--help"],
            cwd=ROOT,
            env={},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert done.stderr.count("\n") == 1
        assert "is missing in" in done.stderr


def test_defects_keep_their_traceback():
    error = ModuleNotFoundError("No module named 'detic.nothing'", name="detic.nothing")
    with pytest.raises(ModuleNotFoundError):
        running.run(raising(error), Namespace())


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder that stands for the checkout."""
    monkeypatch.setattr(running, "_CHECKOUT", tmp_path)
    return tmp_path


def test_remedies_fit_the_place(checkout):
    assert running.remedy("cv2") == "install it with `pip install opencv-python`"
    assert "the project's folder `portable`" in running.remedy("detectron2")
    (checkout / "requirements.txt").touch()
    assert "pip install -r requirements.txt" in running.remedy("cv2")
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "activate").touch()
    assert running.remedy("cv2") == (
        f"enter the project's environment with `. {checkout}/.venv/bin/activate`"
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_without_packages_end_in_one_line(program, tmp_path):
    """-I leaves out PYTHONPATH, -S all installed packages."""
    script, *arguments = program.split()
    shutil.copytree(ROOT / "detic_commands", tmp_path / "detic_commands")
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    for name in ("demo.py", "train_net.py"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run(
        [sys.executable, "-S", "-E", tmp_path / script, *arguments],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "pip install" in done.stderr
