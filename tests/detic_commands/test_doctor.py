"""The look at an installation, whole and broken."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from detic_commands import doctor
from detic_commands.diagnosis import files, machine, packages
from detic_commands.diagnosis.line import Line, as_text
from detic_commands.diagnosis.requirements import Requirement, requirements

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def examined(monkeypatch):
    """A function that has the doctor find the given lines; returns its exit status."""

    def examine(*lines):
        monkeypatch.setattr(doctor, "examine", lambda: {"Title": list(lines)})
        return doctor.main(doctor.argument_parser().parse_args([]))

    return examine


def test_nothing_wrong_is_status_0(examined, capsys):
    assert examined(Line("torch", "2.6")) == 0
    assert capsys.readouterr().out == "Title\n  torch  2.6\n\nNothing is wrong.\n"


def test_what_is_wrong_is_listed_once(examined, capsys):
    assert examined(Line("torch", "missing", "get it"), Line("timm", "missing", "get it")) == 1
    shown = capsys.readouterr().out
    assert "! torch  missing\n" in shown
    assert shown.endswith("What is wrong:\n1. torch, timm: get it\n")


def test_marks_stand_before_labels():
    assert as_text("T", [Line("a", "x", "wrong"), Line("bcd", "y")]) == "T\n! a    x\n  bcd  y"


def test_every_section_of_this_installation():
    sections = doctor.examine()
    labels = {line.label for lines in sections.values() for line in lines}
    assert {"detic", "Python", "detectron2", "torch", "CPU", "recipes", "class lists"} <= labels
    assert {"datasets", "embedded names", "CLIP", "this folder"} <= labels
    shown = "\n".join(as_text(title, lines) for title, lines in sections.items())
    assert "lvis 1203, coco 80" in shown


def test_an_environment_without_packages():
    """-S leaves out all that is installed."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "detic_commands", "doctor"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "! torch " in done.stdout
    assert "not looked at, for want of torch" in done.stdout
    assert "pip install -r requirements.txt" in done.stdout or ".venv/bin/activate" in done.stdout


def versions(monkeypatch, **installed):
    def version(name):
        try:
            return installed[name.replace("-", "_")]
        except KeyError:
            raise metadata.PackageNotFoundError(name) from None

    monkeypatch.setattr(packages.metadata, "version", version)


OPENCV = Requirement("opencv-python", ">=4.8")


@pytest.mark.parametrize(
    ("requirement", "installed", "wrong"),
    [
        (Requirement("numpy", ">=1.26"), {"numpy": "1.20.0"}, "pip install 'numpy>=1.26'"),
        (Requirement("numpy", ">=1.26"), {}, "missing; "),
        (OPENCV, {"opencv_python_headless": "5.0"}, None),
        (OPENCV, {"opencv_python": "5.0", "opencv_python_headless": "5.0"}, "overwrite each other"),
    ],
)
def test_versions_that_do_not_serve(monkeypatch, requirement, installed, wrong):
    versions(monkeypatch, **installed)
    monkeypatch.setattr(packages, "requirements", lambda: [requirement])
    (line,) = packages.package_lines()
    assert (line.wrong is None) if wrong is None else (wrong in line.wrong)


def test_packages_that_cannot_be_loaded(monkeypatch):
    def fail(name):
        raise OSError("libcudart.so.13: cannot open shared object file\nmore")

    versions(monkeypatch, torch="2.6")
    monkeypatch.setattr(packages, "import_module", fail)
    monkeypatch.setattr(packages, "requirements", lambda: [Requirement("torch", ">=2.6")])
    (line,) = packages.package_lines()
    assert line.wrong.startswith("cannot be loaded (libcudart.so.13: cannot open shared object")
    assert packages.detectron2_line().wrong
    assert packages.detic_import_line().found == "fails"


@pytest.mark.parametrize(
    ("bounds", "version", "is_met"),
    [
        (">=2.6", "2.10.0+cu130", True),
        (">=2.6", "2.6.0", True),
        (">=2.6", "2.5.1", False),
        (">=0.1.5.post20221221", "0.1.5.post20221221", True),
        (">=4.8,<6", "6.0", False),
        ("!=2.0", "2.0.0", False),
        ("", "1", True),
    ],
)
def test_versions_are_compared_by_numbers(bounds, version, is_met):
    assert Requirement("x", bounds).is_met_by(version) == is_met


def test_requirements_are_those_of_the_project():
    needed = {requirement.name: requirement for requirement in requirements()}
    assert {"torch", "opencv-python", "hotcoco"} <= needed.keys()
    assert not needed["torch"].is_met_by("1.13")
    assert "pytest" not in needed


def test_little_shared_memory_is_wrong(monkeypatch, tmp_path):
    monkeypatch.setattr(
        machine.shutil, "disk_usage", lambda folder: type("U", (), {"total": 2**26})
    )
    (line,) = machine.shared_memory_lines(tmp_path)
    assert line.found == "64 MiB"
    assert "--shm-size 8g" in line.wrong
    assert machine.shared_memory_lines(tmp_path / "none") == []


def test_folders_that_cannot_be_written_to(tmp_path):
    assert files.cannot_write(tmp_path / "new" / "folder", "DETIC_CACHE") is None
    (tmp_path / "file").touch()
    assert "DETIC_CACHE" in files.cannot_write(tmp_path / "file", "DETIC_CACHE")


def test_damaged_weights_are_wrong(monkeypatch, tmp_path):
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "detic.pth").write_text("damaged")
    monkeypatch.setenv("DETIC_MODELS", str(tmp_path))
    lines = {line.label: line for line in files.weight_lines()}
    assert "is damaged or another file" in lines["shapes-detic"].wrong
    assert lines["shapes-boxsup"].wrong is None
