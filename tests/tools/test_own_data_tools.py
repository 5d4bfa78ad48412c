"""Programs for data of one's own: joined class lists, and what was forgotten."""

import json

import pytest

from detic.errors import InputError
from detic.vocabulary import read_vocabulary_file


def test_built_in_and_own_classes_are_joined(root, run_tool, capsys):
    (root / "mine.txt").write_text("Dog\ngull\n")
    lists = ("--vocabularies", "coco", str(root / "mine.txt"))
    run_tool("join_vocabularies", *lists, "--out_path", "datasets/joint.json")
    names = read_vocabulary_file(root / "joint.json").names
    assert names[0] == "person"
    assert names[80:] == ("gull",)
    assert "81 classes (MODEL.ROI_HEADS.NUM_CLASSES)" in capsys.readouterr().out


@pytest.fixture
def evaluations(root):
    for run, cat, gull in (("before", 50, 0), ("after", 40, 30)):
        folder = root / run / "inference_pets"
        folder.mkdir(parents=True)
        rows = f"name,frequency,bbox/AP,num_gt\ncat,,{cat},1\ngull,,{gull},1\n"
        (folder / "per_class.csv").write_text(rows)
    (root / "new.txt").write_text("gull\n")
    return root


def test_forgetting_is_printed_and_written(evaluations, run_tool, capsys):
    folders = ("--before", str(evaluations / "before"), "--after", str(evaluations / "after"))
    run_tool("forgetting_report", *folders, "--new", str(evaluations / "new.txt"))
    printed = capsys.readouterr().out
    assert "-10.0" in printed
    assert (evaluations / "after" / "forgetting.md").read_text() in printed
    written = json.loads((evaluations / "after" / "forgetting.json").read_text())
    assert [group["change"] for group in written["groups"]] == [-10, 30]


def test_an_empty_folder_is_explained(evaluations, run_tool):
    arguments = ("--before", str(evaluations / "none"), "--after", str(evaluations / "after"))
    with pytest.raises(InputError, match="none holds no evaluation"):
        run_tool("forgetting_report", *arguments, "--new", str(evaluations / "new.txt"))
