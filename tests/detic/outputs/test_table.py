import csv
from dataclasses import replace

import numpy as np
import pytest

from detic.outputs import WRITERS, ImageRecord
from detic.spreadsheet import FORMULA_STARTS, from_cell


def test_csv_has_a_row_per_detection(tmp_path, found, image, categories):
    path = tmp_path / "found.csv"
    with WRITERS["csv"](path, categories) as write:
        write(image, found)
        write(ImageRecord("clip.mp4", 8, "clip_000003", frame=3), found[:1])
        write(image, found[[]])
    with path.open(encoding="utf-8", newline="") as file:
        first, second, third = csv.DictReader(file)
    assert first["name"] == "café, large"
    assert [float(first[key]) for key in ("x1", "y1", "x2", "y2")] == [10, 5, 40, 20]
    assert (first["image_width"], first["image_height"], first["frame"]) == ("60", "40", "")
    assert (second["label"], float(second["score"])) == ("0", 0.5)
    assert (third["file_name"], third["frame"]) == ("clip.mp4", "3")


def test_parents_have_a_column(tmp_path, found, found_kinds, image, categories):
    path = tmp_path / "found.csv"
    with WRITERS["csv"](path, categories) as write:
        write(image, found_kinds)
        write(image, found)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["parent"] for row in rows] == ["drink", "", "", ""]
    assert rows[0]["name"] == "café, large"


@pytest.mark.parametrize("name", ["=1+1", "+x", "-2+3", "@SUM(1)", "\tx", "\rx", "'t Zand", "mug"])
def test_names_are_no_formulas_and_can_be_read_back(tmp_path, found, image, categories, name):
    path = tmp_path / "found.csv"
    named = replace(found[:1], names=np.array([name]), parents=np.array([name]))
    with WRITERS["csv"](path, categories) as write:
        write(replace(image, file_name=name), named)
    with path.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    for column in ("name", "parent", "file_name"):
        assert not row[column].startswith(FORMULA_STARTS)
        assert from_cell(row[column]) == name


def test_track_ids_have_a_column(tmp_path, found, image, categories):
    path = tmp_path / "found.csv"
    with WRITERS["csv"](path, categories) as write:
        write(image, replace(found, track_ids=np.array([7, -1])))
        write(image, found)
    with path.open(encoding="utf-8", newline="") as file:
        assert [row["track_id"] for row in csv.DictReader(file)] == ["7", "-1", "", ""]
