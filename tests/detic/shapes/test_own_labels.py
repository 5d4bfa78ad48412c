"""The data of the experiment with a detector's own labels."""

import json

import pytest

from detic.datasets.annotation_cache import read_annotation_table
from detic.errors import InputError
from detic.shapes import own_labels
from detic.shapes.own_labels import (
    draw_fresh_scenes,
    label_scenes,
    labels_table,
    learn_from_own_labels,
    summary_table,
)
from detic.shapes.runs import SHIPPED
from detic.shapes.world import generate_world


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Three scenes of four nouns to label and one to test on, seed 5, beside a world of seed 0."""
    datasets = tmp_path_factory.mktemp("datasets")
    nouns = ("star", "key", "fish", "gear")
    generate_world(datasets, 0, 3, 1, 1, nouns=nouns, progress=False)
    draw_fresh_scenes(datasets, 5, 3, 1)
    return datasets / "fresh_shapes"


def read(path):
    return json.loads(path.read_text())


def test_fresh_scenes_have_the_old_classes_and_are_others(fresh):
    old = read(fresh.parent / "shapes" / "annotations" / "train.json")
    hidden = read(fresh / "hidden.json")
    assert hidden["categories"] == old["categories"]
    assert len(hidden["images"]) == len(old["images"])
    assert hidden["annotations"] != old["annotations"]
    assert read(fresh / "scenes.json")["annotations"] == []
    assert len(read(fresh / "val.json")["images"]) == 1


def test_the_scenes_of_the_training_are_not_fresh(tmp_path):
    with pytest.raises(InputError, match=r"seed 0 drew the scenes .* choose another --seed"):
        learn_from_own_labels(tmp_path, 0, SHIPPED / "detic.pth")


def test_finished_parts_of_another_seed_or_detector_are_refused(tmp_path, monkeypatch):
    def begin(*args):
        raise InterruptedError

    monkeypatch.setattr(own_labels, "prepare_world", begin)
    weights, output = tmp_path / "a.pth", tmp_path / "output"
    weights.write_bytes(b"one detector")
    for _ in range(2):  # begun, and gone on with
        with pytest.raises(InterruptedError):
            learn_from_own_labels(output, 5, weights)
    with pytest.raises(InputError, match=r"output was begun with other seed; .* another --output"):
        learn_from_own_labels(output, 6, weights)
    weights.write_bytes(b"another one")
    with pytest.raises(InputError, match="begun with other weights; go on with the same"):
        learn_from_own_labels(output, 5, weights)
    (output / "datasets").mkdir()
    (output / "settings.json").unlink()
    with pytest.raises(InputError, match="begun with other seed and weights"):
        learn_from_own_labels(output, 5, weights)


def test_what_is_found_is_an_annotation_file_with_scores_and_all_classes(fresh):
    label_scenes(fresh.parent, SHIPPED / "detic.pth")
    table = read_annotation_table(fresh / "found.json")
    assert len(table) == 3
    assert len(table.categories) == 16
    assert 0.1 <= table["scores"].min() <= table["scores"].max() <= 1
    assert (table["mask_kinds"] > 0).all()


def test_labels_are_right_that_lie_on_an_object_of_their_class():
    def rows(*boxes):
        names = ("category_id", "bbox", "score")
        return [{"image_id": 1, **dict(zip(names, box, strict=False))} for box in boxes]

    left, right = [0, 0, 10, 10], [50, 0, 10, 10]
    categories = [{"id": 3, "frequency": "f"}, {"id": 8, "frequency": "r"}]
    hidden = {"images": [{"id": 1}], "categories": categories}
    hidden["annotations"] = rows((3, left), (8, right), (8, left))
    found = {"annotations": rows((3, left, 0.45), (3, right, 0.35), (8, right, 0.25))}
    cells = [
        [float(cell) for cell in row.strip("| ").split("|")]
        for row in labels_table(found, hidden).splitlines()[2:]
    ]
    assert cells == [
        [0.2, 50, 100, 100, 50],
        [0.3, 50, 100, 0, 0],
        [0.4, 100, 100, 0, 0],
        [0.5, 0, 0, 0, 0],
    ]


def test_the_summary_has_a_row_for_each_detector():
    of_one = {"AP": 50.0, "APr": 40.0, "APc": 51.0, "APf": 52.0}
    rows = summary_table({"before": of_one, "after": of_one | {"APr": 45.0}}).splitlines()[-2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert cells == [
        ["before", "50.0", "40.0", "51.0", "52.0"],
        ["after", "50.0", "45.0", "51.0", "52.0"],
    ]
