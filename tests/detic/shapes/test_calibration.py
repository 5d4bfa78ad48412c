"""The example that calibrates a detector of one's own classes."""

import json
from functools import partial

from detic.calibration.evidence import ClassEvidence
from detic.shapes.calibration import table_by_kind, write_held_out
from detic.shapes.nouns import BENCHMARK_NOUNS
from detic.shapes.own_data import BOXES, IMAGES, OLD, write_own_data
from detic.shapes.world import generate_world
from detic.shapes.world_spec import read_world_spec
from detic.vocabulary import Vocabulary
from detic.vocabulary.vocabulary import ClassEntry

SIZES = {"train_images": 2, "val_images": 1, "labels_per_class": 1}


def test_held_out_scenes_are_new_and_have_boxes_of_base_classes_of_both_worlds(tmp_path):
    generate_world(tmp_path, 0, 1, 1, 1, nouns=BENCHMARK_NOUNS[:4], progress=False)
    write_own_data(tmp_path, SIZES)
    folder = write_held_out(tmp_path, num_scenes=3)
    content = json.loads((folder / "boxes.json").read_text())
    files = [image["file_name"] for image in content["images"]]
    assert files[0] == "0/train/000002.jpg"
    assert files[3] == "1/train/000003.jpg"
    assert all((folder / file).is_file() for file in files)
    roots = (tmp_path, tmp_path / "own_shapes")
    base = {c.name for root in roots for c in read_world_spec(root).classes if not c.novel}
    assert {category["name"] for category in content["categories"]} <= base
    assert len({image["id"] for image in content["images"]}) == 6
    assert write_held_out(tmp_path) == folder  # what is there is kept


def test_the_table_counts_by_kind():
    vocabulary = Vocabulary(
        (ClassEntry("a"), ClassEntry("b", score_threshold=0.9), ClassEntry("c"))
    )
    kinds = {"a": OLD, "b": BOXES, "c": IMAGES}
    seen = partial(ClassEvidence, [0.8, 0.6], [True, False])
    table = table_by_kind(vocabulary, kinds, [seen(2), seen(2), ClassEvidence()])
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert rows[2] == [OLD, "1", "1", "50.0", "50.0", "40.0"]
    assert rows[3][:5] == [BOXES, "0", "0", "0.0", "0.0"]
    assert rows[4][:3] == [IMAGES, "0", "0"]
