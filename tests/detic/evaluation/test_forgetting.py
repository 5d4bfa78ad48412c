"""What was gained and what was forgotten between two evaluations."""

import json
import math

import pytest

from detic.errors import InputError
from detic.evaluation.forgetting import (
    compare,
    old_and_new,
    read_evaluation,
    write_forgetting_report,
)

METRIC = "bbox/AP"


def write(folder, rows):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name},,{value},50,3" for name, value in rows.items()]
    (folder / "per_class.csv").write_text(
        "\n".join(["name,frequency,bbox/AP,segm/AP,num_gt", *lines])
    )


@pytest.fixture
def report(tmp_path):
    """Of two old classes that lose 10 and 20, and a new one that gains 30."""
    for run, old, new in (("before", (50, 40), 0), ("after", (40, 20), 30)):
        write(tmp_path / run / "inference_old_val", dict(zip(("cat", "dog"), old, strict=True)))
        write(tmp_path / run / "inference_my_val", {"gull": new, "unseen": ""})
    before, after = (read_evaluation(tmp_path / run, METRIC) for run in ("before", "after"))
    group_of = old_and_new([name for _, name in before], new=["Gull"])
    return compare(before, after, group_of, METRIC, ("old", "new"))


def test_groups_have_means_of_their_annotated_classes(report):
    rows = [(g.group, g.num_classes, g.before, g.after, g.change) for g in report.groups]
    assert rows == [("old", 2, 45, 30, -15), ("new", 1, 0, 30, 30)]


def test_the_classes_that_lost_most_come_first_and_none_that_gained(report):
    assert [(c.name, c.dataset, c.change) for c in report.most_lost] == [
        ("dog", "old_val", -20),
        ("cat", "old_val", -10),
    ]


def test_tables_and_numbers_are_written(report, tmp_path):
    write_forgetting_report(report, tmp_path)
    lines = (tmp_path / "forgetting.md").read_text().splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == [
        "old",
        "2",
        "45.0",
        "30.0",
        "-15.0",
    ]
    assert "+30.0" in lines[3]
    written = json.loads((tmp_path / "forgetting.json").read_text())
    assert written["groups"][1]["change"] == 30
    assert len(written["classes"]) == 3


def test_a_group_without_classes_has_no_mean(tmp_path):
    scores = {("a", "cat"): 50.0}
    report = compare(scores, scores, lambda name: "old", METRIC, ("old", "new"))
    assert report.groups[1].num_classes == 0
    assert report.as_json()["groups"][1]["before"] is None
    assert report.most_lost == []


def test_the_folder_of_one_test_set_will_do(tmp_path):
    write(tmp_path / "inference_pets", {"cat": 12.5, "dog": ""})
    scores = read_evaluation(tmp_path / "inference_pets", METRIC)
    assert scores["pets", "cat"] == 12.5
    assert math.isnan(scores["pets", "dog"])


def test_either_list_tells_old_from_new():
    names = ["hot dog", "gull"]
    assert old_and_new(names, old=["hot_dog"])("Hot Dog") == "old"
    assert old_and_new(names, new=["gull"])("hot dog") == "old"
    assert old_and_new(names, old=["hot_dog"])("gull") == "new"


def test_mistakes_are_explained(tmp_path):
    with pytest.raises(InputError, match="holds no evaluation; name the OUTPUT_DIR"):
        read_evaluation(tmp_path, METRIC)
    write(tmp_path / "inference_pets", {"cat": 1})
    with pytest.raises(InputError, match=r"unknown metric 'box/AP'; choose bbox/AP or segm/AP"):
        read_evaluation(tmp_path, "box/AP")
    with pytest.raises(
        InputError, match="'dog' of test set 'b' is missing in the evaluation after"
    ):
        compare({("b", "dog"): 1.0}, {}, str, METRIC, ())
    with pytest.raises(InputError, match="none of the 1 class names in the list of new classes"):
        old_and_new(["cat"], new=["gull"])
    with pytest.raises(InputError, match="either the old classes or the new ones"):
        old_and_new(["cat"])
