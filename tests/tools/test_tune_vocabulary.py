"""The program that fits classes to examples, and the Python of docs/tuning.md."""

import re
from pathlib import Path

import pytest

from detic import Detector
from detic.errors import InputError
from detic.vocabulary.embedding_file import read_table

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")


def block(language):
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return text


@pytest.fixture
def folder(root, monkeypatch):
    """A working directory with the vocabulary file of the page."""
    monkeypatch.setenv("DETIC_CACHE", str(root / "cache"))
    monkeypatch.chdir(root)
    (root / "docs").symlink_to(ROOT / "docs")
    (root / "pictures").symlink_to(ROOT / "docs" / "pictures")
    (root / "things.yaml").write_text(block("yaml"))
    return root


@pytest.fixture
def tune(run_tool):
    def run(vocabulary, *arguments, out="tuned.safetensors"):
        options = ("--vocabulary", vocabulary, "--out_path", out, "--device", "cpu", *arguments)
        return run_tool("tune_vocabulary", "--model", "shapes-detic", *options)

    return run


def test_a_class_without_a_meaning_is_found_by_its_example(folder, tune, capsys):
    tune("things.yaml")
    assert "wrote tuned.safetensors: 2 classes, 64 wide" in capsys.readouterr().out
    detector = Detector.from_pretrained("shapes-detic", folder / "tuned.safetensors", device="cpu")
    found = detector("docs/pictures/scene.png")
    assert sorted(found.names) == ["part 4711", "yellow mug"]
    detector.set_vocabulary(["part 4711", "yellow mug"])
    by_name, fitted = detector.vocabulary.embeddings, read_table(folder / "tuned.safetensors")
    assert fitted.embeddings[1].equal(by_name[1])
    assert not fitted.embeddings[0].equal(by_name[0])


def test_the_python_of_the_page_runs(folder):
    names = {}
    exec(compile(block("python"), "tuning.md", "exec"), names)
    assert "part 4711" in names["detector"]("docs/pictures/scene.png").names
    assert read_table(folder / "tuned.safetensors").names[2] == "part 4711"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("docs/things.yaml",), "there are no examples; name them with --boxes or --image_folders"),
        (("things.yaml", "--boxes", "none.json"), "none.json not found"),
        (("things.yaml", "--image_folders", "none"), "none is no folder"),
    ],
)
def test_missing_examples_are_told(folder, tune, arguments, message):
    with pytest.raises(InputError, match=message):
        tune(*arguments)


def test_the_result_is_a_file_that_knows_its_classes(folder, tune):
    with pytest.raises(InputError, match=r"--out_path is tuned\.npy; expected a \.safetensors"):
        tune("things.yaml", out="tuned.npy")
