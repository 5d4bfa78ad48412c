"""Whatever the reader of training takes, scoring takes as well, and the truth itself scores 100."""

import json
import math
from copy import deepcopy

import pytest
from hotcoco import mask as rle

from detic.datasets.box_sources import BoxSource, load_box_source
from detic.errors import InputError
from detic.evaluation.coco_protocol import score_coco
from detic.evaluation.lvis_protocol import score_lvis
from detic.evaluation.results_reader import read_results

NAMES = ("red fox", "barn owl")
SIDE = 40


def square_counts(x, y):
    """The run lengths of a square of 12 pixels."""
    column = [12, SIDE - 12]
    return [x * SIDE + y, *(column * 12)[:-1], SIDE * SIDE - (x + 11) * SIDE - y - 12]


COMPRESSED = rle.fr_py_objects({"size": [SIDE, SIDE], "counts": square_counts(20, 22)}, SIDE, SIDE)[
    "counts"
].decode()


def annotation(number, image_id, category_id, x, y):
    box = [x, y, 12, 12]
    corners = [x, y, x + 12, y, x + 12, y + 12, x, y + 12]
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": box,
        "area": 144,
        "segmentation": [corners],
        "iscrowd": 0,
    }


def document():
    """Two images with three squares of two classes."""
    images = [
        {"id": number, "file_name": f"{number}.jpg", "height": SIDE, "width": SIDE}
        for number in (1, 2)
    ]
    categories = [
        {"id": number, "name": name, "frequency": "f"} for number, name in enumerate(NAMES, 1)
    ]
    squares = [(1, 1, 1, 4, 6), (2, 1, 2, 20, 22), (3, 2, 1, 10, 10)]
    annotations = [annotation(*square) for square in squares]
    return {"images": images, "annotations": annotations, "categories": categories}


def each(section, **fields):
    """A change of fields in every record; a function gets the record, None deletes the field."""

    def change(content):
        for record in content[section]:
            for name, value in fields.items():
                if value is None:
                    del record[name]
                else:
                    record[name] = value(record) if callable(value) else value

    return change


def run_lengths(record):
    x, y, *_ = record["bbox"]
    return {"size": [SIDE, SIDE], "counts": square_counts(int(x), int(y))}


def all_of(*changes):
    def change(content):
        for one in changes:
            one(content)

    return change


def rename_images(new_id):
    return all_of(
        each("images", id=lambda image: new_id(image["id"])),
        each("annotations", image_id=lambda a: new_id(a["image_id"])),
    )


def renumber_categories(of_category, of_annotation):
    return all_of(
        each("categories", id=lambda category: of_category(category["id"])),
        each("annotations", category_id=lambda a: of_annotation(a["category_id"])),
    )


def first(section, **fields):
    return lambda content: content[section][0].update(fields)


def add(section, *records):
    return lambda content: content[section].extend(deepcopy(records))


GOOD = {
    "as it is": each("images"),
    "text image ids": rename_images(lambda number: f"img{number}"),
    "negative image ids": rename_images(lambda number: -number),
    "float image ids": rename_images(float),
    "large image ids": rename_images(lambda number: 2**62 + number),
    "no annotation ids": each("annotations", id=None),
    "one annotation without id": lambda content: content["annotations"][1].pop("id"),
    "annotation ids from 0": each("annotations", id=lambda a: a["id"] - 1),
    "text annotation ids": each("annotations", id=lambda a: f"a{a['id']}"),
    "float category ids": renumber_categories(float, int),
    "text category ids": renumber_categories(int, str),
    "category ids from 0": renumber_categories(lambda i: i - 1, lambda i: i - 1),
    "an unused root category": add("categories", {"id": 0, "name": "red fox"}),
    "no boxes": each("annotations", bbox=None),
    "no boxes, run lengths": all_of(
        each("annotations", segmentation=run_lengths), each("annotations", bbox=None)
    ),
    "no areas": each("annotations", area=None),
    "areas of 0": each("annotations", area=0),
    "areas as text": each("annotations", area="large"),
    "no masks": each("annotations", segmentation=None),
    "empty masks": each("annotations", segmentation=[]),
    "run lengths": each("annotations", segmentation=run_lengths),
    "mixed masks": lambda content: content["annotations"][0].update(
        segmentation=run_lengths(content["annotations"][0])
    ),
    "one polygon of two points": first("annotations", segmentation=[[4, 6, 16, 18]]),
    "polygons of two points": each("annotations", segmentation=[[4, 6, 16, 18]]),
    "a polygon of two points beside one": lambda content: content["annotations"][0][
        "segmentation"
    ].append([4, 6, 16, 18]),
    "crowd as text": each("annotations", iscrowd="0"),
    "crowd as boolean": each("annotations", iscrowd=False),
    "crowd of null": first("annotations", iscrowd=None),
    "no crowd field": each("annotations", iscrowd=None),
    "a crowd": add("annotations", annotation(9, 2, 1, 24, 24) | {"iscrowd": "1"}),
    "sides as floats": each("images", height=float(SIDE), width=float(SIDE)),
    "no frequencies": each("categories", frequency=None),
    "year as text": lambda content: content.update(info={"year": "2026"}, licenses="none"),
    "addresses beside names, empty or 0": all_of(
        each("images", coco_url=""), first("images", coco_url=0, tar_index="x")
    ),
    "run lengths of sides as floats": all_of(
        each("annotations", segmentation=run_lengths),
        lambda content: content["annotations"][0]["segmentation"].update(size=[40.0, 40.0]),
        lambda content: content["annotations"][1]["segmentation"].update(
            size=[40.0, 40.0], counts=COMPRESSED
        ),
    ),
    "dates that are none": each("images", date_captured=["?"], license={}, flickr_url=3),
}


def write(path, content, encoding="utf-8"):
    path.write_text(json.dumps(content, ensure_ascii=False), encoding=encoding)
    return path


def truth_as_detections(path):
    """The annotations as a program would predict them: in pixels, by the ids of the file."""
    content = json.loads(path.read_text(encoding="utf-8-sig"))
    squares = {1: (4, 6), 2: (20, 22), 3: (10, 10)}
    rows = []
    for (x, y), row in zip(squares.values(), content["annotations"], strict=False):
        image_id, category_id = row["image_id"], int(row["category_id"])
        rows.append(
            {
                "image_id": int(image_id) if isinstance(image_id, float) else image_id,
                "category_id": category_id,
                "bbox": [x, y, 12, 12],
                "segmentation": {"size": [SIDE, SIDE], "counts": square_counts(x, y)},
                "score": 0.9,
            }
        )
    return rows


@pytest.mark.parametrize("protocol", ["coco", "lvis"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("change", GOOD.values(), ids=GOOD)
def test_a_file_that_trains_scores_100_against_itself(tmp_path, change, encoding, protocol):
    content = document()
    change(content)
    path = write(tmp_path / "truth.json", content, encoding)
    source = BoxSource("mine", protocol, protocol, str(path), "images")
    records = load_box_source(source, NAMES)
    trained = [a["category_id"] for r in records for a in r["annotations"] if not a.get("iscrowd")]
    assert sorted(trained) == [0, 0, 1]
    rows = [row | {"id": "a", "area": math.nan} for row in truth_as_detections(path)]
    results = read_results(write(tmp_path / "detections.json", rows, encoding))
    score = {"coco": score_coco, "lvis": score_lvis}[protocol]
    evaluation = score(path, results)
    for task in evaluation.tasks.values():
        assert task.metrics["AP"] == pytest.approx(100)
    assert {"bbox"} <= set(evaluation.tasks)


BAD = {
    "box of null": first("annotations", bbox=None),
    "neither box nor mask": lambda content: [
        content["annotations"][0].pop(name) for name in ("bbox", "segmentation")
    ],
    "box of nothing": lambda content: [
        content["annotations"][0].pop("bbox"),
        content["annotations"][0].update(segmentation=[[1, 2, 3, 4]]),
    ],
    "box of 400 digits": first("annotations", bbox=[10**400, 1, 2, 3]),
    "box that is not a number": first("annotations", bbox=[float("nan"), 1, 2, 3]),
    "box of booleans": first("annotations", bbox=[True, 1, 2, 3]),
    "box of texts": first("annotations", bbox=["1", "1", "2", "3"]),
    "crowd of 2": first("annotations", iscrowd=2),
    "crowd of a list": first("annotations", iscrowd=[0]),
    "annotation ids of 0": each("annotations", id=0),
    "annotation id of a list": first("annotations", id=[1]),
    "image id of a list": first("images", id=[1]),
    "image id of 1.5": first("images", id=1.5),
    "image id of true": first("images", id=True),
    "image id of 400 digits": first("images", id=10**400),
    "image ids of two types": first("images", id="1"),
    "two images of one id": each("images", id=1),
    "unknown image": first("annotations", image_id=77),
    "unknown category": first("annotations", category_id=77),
    "category of null": first("annotations", category_id=None),
    "category id of a text": first("categories", id="fox"),
    "negative category id": first("categories", id=-1),
    "two categories of one id": each("categories", id=1),
    "category without name": first("categories", name=None),
    "frequency of a list": first("categories", frequency=["r"]),
    "height of 0": first("images", height=0),
    "negative height": first("images", height=-5),
    "height of true": first("images", height=True),
    "height of a trillion": first("images", height=10**12),
    "file name of a number": first("images", file_name=5),
    "empty file name": first("images", file_name=""),
    "file name with a zero": first("images", file_name="a\0b.jpg"),
    "address of a number": first("images", file_name=None, coco_url=7),
    "tar index of a text": first("images", file_name=None, tar_index="x"),
    "labels of lists": first("images", pos_category_ids=[[1]]),
    "labels of null": first("images", neg_category_ids=None),
    "unknown labels": first("images", neg_category_ids=[77]),
    "mask with null": first("annotations", segmentation=[[1, 2, 3, 4, 5, None]]),
    "mask far away": first("annotations", segmentation=[[1, 2, 3, 4, 5, 2e8]]),
    "points as pairs": first("annotations", segmentation=[[[1, 2], [3, 4], [5, 2]]]),
    "mask of a smaller frame": first("annotations", segmentation={"size": [9, 9], "counts": [81]}),
    "mask beyond the image": first(
        "annotations", segmentation={"size": [SIDE, SIDE], "counts": [5, 9999]}
    ),
    "images are no list": lambda content: content.update(images={}),
    "an image is no object": add("images", 5),
    "no categories": lambda content: content.pop("categories"),
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_what_training_refuses_scoring_refuses_in_the_same_words(tmp_path, change):
    content = document()
    change(content)
    path = write(tmp_path / "truth.json", content)
    with pytest.raises(InputError) as training:
        load_box_source(BoxSource("mine", "coco", "coco", str(path), "images"), NAMES)
    results = read_results(write(tmp_path / "detections.json", []))
    with pytest.raises(InputError) as scoring:
        score_coco(path, results)
    assert str(training.value) == str(scoring.value)
    assert str(path) in str(training.value)
    assert len(str(training.value)) < 600
