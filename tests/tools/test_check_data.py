"""The check of datasets."""

import pytest

from detic.datasets.table import SPECS
from detic.shapes.world import generate_world


def test_an_empty_root_explains_every_dataset(run_tool, capsys):
    assert run_tool("check_data") == 1
    text = capsys.readouterr().out
    assert all(f"\n{name} " in text for name in SPECS)
    assert "get https://www.lvisdataset.org/dataset" in text
    assert "run python tools/remove_lvis_rare.py" in text


def test_open_vocabulary_coco_explains_its_class_frequencies(run_tool, capsys):
    assert run_tool("check_data", "coco_zeroshot_train_oriorder") == 1
    counting = "run python tools/get_lvis_cat_info.py --ann datasets/coco/zero-shot/"
    assert counting in capsys.readouterr().out


def test_a_finished_world_is_ready_and_sound(run_tool, root, capsys):
    generate_world(root, 0, 2, 1, 1, nouns=("star", "key"), progress=False)
    assert run_tool("check_data", "shapes_val", "shapes_train") == 0
    assert "shapes_val    ready" in capsys.readouterr().out


def test_a_close_look_reports_what_is_wrong(run_tool, root, capsys):
    generate_world(root, 0, 2, 1, 1, nouns=("star", "key"), progress=False)
    assert run_tool("check_data", "--deep", "shapes_val", "shapes_labels") == 0
    assert "1 images" in capsys.readouterr().out
    (root / "shapes/val/000001.jpg").unlink()
    assert run_tool("check_data", "--deep", "shapes_val") == 1
    assert "problem: missing images: 1, such as" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [1, 1], "counts": "zzzz~~~"}, "run-length masks of another size"),
        ({"counts": "zzzz~~~"}, "run-length masks with damaged counts"),
        ({}, "run-length masks without counts"),
        ([["a", "b", "c", "d", "e", "f"]], "polygons with other entries than finite numbers"),
        ([[1, 1, 5, 5]], "polygons with fewer than three points"),
    ],
)
def test_damaged_masks_are_problems(
    run_tool, root, read_json, write_json, capsys, segmentation, message
):
    generate_world(root, 0, 2, 1, 1, nouns=("star", "key"), progress=False)
    document = read_json("shapes/annotations/val.json")
    image = document["images"][0]
    if isinstance(segmentation, dict):
        segmentation = {"size": [image["height"], image["width"]], **segmentation}
    document["annotations"][0]["segmentation"] = segmentation
    write_json("shapes/annotations/val.json", document)
    assert run_tool("check_data", "--deep", "shapes_val") == 1
    assert f"problem: {message}" in capsys.readouterr().out
