"""OpenImages tables as an annotation file."""

import json

import pytest

from detic.datasets.annotation_file import read_annotation_file
from detic.errors import InputError
from detic.files import write_json
from detic.preparation.openimages_conversion import read_categories, read_sizes
from detic.preparation.openimages_split import SPLITS, convert_split

CLASSES = ["/m/animal,Animal", "/m/dog,Dog", "/m/poodle,Poodle", "/m/mouse,Mouse"]
HIERARCHY = {
    "LabelName": "/m/root",
    "Subcategory": [
        {
            "LabelName": "/m/animal",
            "Subcategory": [
                {"LabelName": "/m/dog", "Subcategory": [{"LabelName": "/m/poodle"}]},
                {"LabelName": "/m/mouse"},
            ],
        }
    ],
}


@pytest.fixture
def write_tables(tmp_path):
    """A function that writes the tables of a split and returns the dataset's folder."""

    def write(split, images, boxes, labels, sizes):
        folder = tmp_path / "annotations"
        folder.mkdir(exist_ok=True)
        prefix = f"challenge-2019-{split.name}-detection"
        tables = {
            "challenge-2019-classes-description-500.csv": CLASSES,
            split.images: ["Subset,ImageID", *(f"x,{i}" for i in images)],
            f"{prefix}-bbox.csv": ["ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf", *boxes],
            f"{prefix}-human-imagelabels.csv": ["ImageID,LabelName,Confidence", *labels],
            f"{split.name}_sizes-00000-of-00001.csv": ["ImageID,width,height", *sizes],
        }
        for name, lines in tables.items():
            (folder / name).write_text("\n".join(lines) + "\n")
        (folder / "challenge-2019-label500-hierarchy.json").write_text(json.dumps(HIERARCHY))
        return tmp_path

    return write


BOX = "a1,/m/poodle,0.1,0.5,0.25,0.75,1"  # x 0.1..0.5, y 0.25..0.75, a group
LABELS = ["a1,/m/poodle,1", "a1,/m/mouse,0", "b2,/m/dog,0", "b2,/m/unknown,1"]


def test_validation_is_expanded_by_the_hierarchy(write_tables):
    root = write_tables(SPLITS["val"], ["a1", "b2"], [BOX], LABELS, ["a1,100,50", "b2,8,8"])
    document = convert_split(root, SPLITS["val"])
    first, second = document["images"]
    assert first == {
        "id": "a1",
        "file_name": "a/a1.jpg",
        "width": 100,
        "height": 50,
        "neg_category_ids": [4],
        "pos_category_ids": [1, 2, 3],  # poodle, and every ancestor
    }
    assert second["neg_category_ids"] == [2, 3]  # no dog, so no poodle
    assert second["pos_category_ids"] == []
    assert [a["category_id"] for a in document["annotations"]] == [1, 2, 3]
    assert document["annotations"][2] == {
        "id": 3,
        "image_id": "a1",
        "category_id": 3,
        "iscrowd": 1,
        "bbox": [10.0, 12.5, 40.0, 25.0],
        "area": 1000.0,
    }


def test_training_keeps_what_was_annotated_and_images_with_boxes(write_tables):
    root = write_tables(SPLITS["train"], ["a1", "b2"], [BOX], LABELS, ["a1,100,50", "b2,8,8"])
    document = convert_split(root, SPLITS["train"])
    assert [image["id"] for image in document["images"]] == ["a1"]
    assert [a["category_id"] for a in document["annotations"]] == [3]


def test_classes_with_boxes_are_verified_even_without_an_image_label(write_tables):
    root = write_tables(SPLITS["train"], ["a1"], [BOX], [], ["a1,4,4"])
    assert convert_split(root, SPLITS["train"])["images"][0]["pos_category_ids"] == [3]


def test_results_are_valid_annotation_files(write_tables, tmp_path):
    root = write_tables(SPLITS["val"], ["a1", "b2"], [BOX], LABELS, ["a1,100,50", "b2,8,8"])
    write_json(tmp_path / "out.json", convert_split(root, SPLITS["val"]))
    assert len(read_annotation_file(tmp_path / "out.json").images) == 2


def test_sizes_that_are_in_no_table_are_those_of_the_images(
    write_tables, tmp_path, jpeg, monkeypatch
):
    root = write_tables(SPLITS["val"], ["a1"], [BOX], [], [])
    with pytest.raises(InputError, match=r"1 images .* cannot be opened .*such as a/a1\.jpg"):
        convert_split(root, SPLITS["val"])
    path = tmp_path / "images/validation/a/a1.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(jpeg(6, 4))
    image = convert_split(root, SPLITS["val"])["images"][0]
    assert (image["width"], image["height"]) == (6, 4)
    monkeypatch.setattr("detic.datasets.image_sizes.read_image_size", None)
    assert convert_split(root, SPLITS["val"])["images"] == [image]  # they are remembered


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ImageID,width\n", "has no column height"),
        ("ImageID,width,height\na1,4\n", "line 2"),
        ("ImageID,width,height\na1,4,x\n", "line 2"),
    ],
)
def test_malformed_tables_are_named(tmp_path, text, message):
    path = tmp_path / "sizes.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_sizes(path)


def test_missing_tables_are_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv not found"):
        read_sizes(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"none\.csv not found"):
        read_categories(tmp_path / "none.csv")
    (tmp_path / "a.csv").write_text("/m/1,Bed,too much\n")
    with pytest.raises(InputError, match=r"line 1: .*; expected a freebase id and a name"):
        read_categories(tmp_path / "a.csv")
