import json

import pytest

from detic.errors import InputError
from detic.evaluation.openimages_hierarchy import read_reach

TREE = {
    "LabelName": "/m/root",
    "Subcategory": [
        {"LabelName": "/m/animal", "Subcategory": [{"LabelName": "/m/cat"}]},
        {
            "LabelName": "/m/no_class",
            "Part": [{"LabelName": "/m/wheel"}],
            "Subcategory": [{"LabelName": "/m/car"}, {"LabelName": "/m/cat"}],
        },
    ],
}
INDEX_OF = {"/m/animal": 0, "/m/cat": 1, "/m/car": 2, "/m/wheel": 3}


def test_a_class_reaches_itself_and_its_ancestors_but_not_what_it_is_part_of(tmp_path):
    path = tmp_path / "tree.json"
    path.write_text(json.dumps(TREE))
    assert read_reach(path, INDEX_OF).astype(int).tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],  # cat: an animal, although it stands elsewhere as well
        [0, 0, 1, 0],  # car: below a label that is no class
        [0, 0, 0, 1],
    ]


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"gone\.json not found"):
        read_reach(tmp_path / "gone.json", INDEX_OF)
