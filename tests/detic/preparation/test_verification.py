"""Looking closely at a dataset."""

import json

import pytest

from detic.datasets.annotation_file import AnnotationFile
from detic.datasets.table import SPECS
from detic.errors import InputError
from detic.files import write_bytes, write_json
from detic.preparation.verification import (
    Findings,
    check_annotations,
    check_image_labels,
    verify_dataset,
)
from detic.vocabulary import builtin_categories

TRIANGLE = [[0, 0, 5, 0, 5, 5]]
FLAT = [0, 0, 2, 0, 5, 0]


def found(segmentation=TRIANGLE, bbox=(0, 0, 5, 5)):
    """The kinds of problems and peculiarities of one annotation in an 8 by 6 image."""
    findings = Findings()
    annotation = {"bbox": bbox, "segmentation": segmentation}
    check_annotations({"id": 3, "height": 6, "width": 8}, [annotation], findings)
    return list(findings.problems), list(findings.peculiarities)


@pytest.mark.parametrize(
    ("annotation", "problems", "peculiarities"),
    [
        ({}, [], []),
        ({"bbox": (0, 0, 0, 5)}, [], ["boxes without area"]),
        ({"bbox": (4, 0, 9, 5)}, [], ["boxes that leave the image"]),
        ({"bbox": (4, 0, 5, 5)}, [], []),  # within the margin
        ({"bbox": (8, 0, 5, 5)}, ["boxes wholly outside their image"], []),
        ({"bbox": (0, -5, 5, 5)}, ["boxes wholly outside their image"], []),
        ({"segmentation": [[0, 0, 1, 1]]}, ["polygons with fewer than three points"], []),
        ({"segmentation": [FLAT]}, ["polygons without area"], []),
        ({"segmentation": [FLAT], "bbox": (0, 0, 5, 0)}, [], ["boxes without area"]),
        ({"segmentation": [FLAT, *TRIANGLE]}, [], ["masks with a polygon without area"]),
        ({"segmentation": [[0, 0, 90, 0, 0, 5]]}, [], ["polygons that leave the image"]),
        ({"segmentation": {"size": [6, 8], "counts": [0, 4, 44]}}, [], []),
        ({"segmentation": {"size": [6, 8], "counts": [48]}}, ["empty run-length masks"], []),
        (
            {"segmentation": {"size": [8, 6], "counts": [48]}},
            ["run-length masks of another size than their image"],
            [],
        ),
    ],
)
def test_annotations(annotation, problems, peculiarities):
    assert found(**annotation) == (problems, peculiarities)


@pytest.fixture
def spec(tmp_path, jpeg):
    """A dataset of four images: sound, missing, damaged, of another size."""
    (tmp_path / "shapes/annotations").mkdir(parents=True)
    (tmp_path / "shapes/a.jpg").write_bytes(jpeg(8, 6))
    (tmp_path / "shapes/c.jpg").write_bytes(b"damaged")
    (tmp_path / "shapes/d.jpg").write_bytes(jpeg(8, 6, orientation=6))
    images = [
        {"id": i, "file_name": f"{name}.jpg", "width": 8, "height": 6}
        for i, name in enumerate("abcd")
    ]
    categories = [{"id": 1, "name": "red star"}]
    box = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 5, 5]}
    (tmp_path / "shapes/annotations/val.json").write_text(
        json.dumps({"images": images, "categories": categories, "annotations": [box]})
    )
    return SPECS["shapes_val"]


def test_images_are_opened(spec, tmp_path):
    findings = verify_dataset(spec, tmp_path)
    assert (findings.num_images, findings.num_annotations, findings.num_classes) == (4, 1, 1)
    assert {kind: len(where) for kind, where in findings.problems.items()} == {
        "missing images": 1,
        "images that cannot be opened": 1,
        "images with width and height exchanged (EXIF?)": 1,
    }
    lines = list(findings.lines())
    assert lines[0] == "4 images, 1 annotations, 1 classes in use"
    assert lines[1].startswith("problem: missing images: 1, such as ")


def test_annotations_that_the_loader_leaves_out_are_looked_at(tmp_path, jpeg):
    """The loader of COCO's files drops polygons of two points with their annotations."""
    spec = SPECS["objects365_v2_val"]
    categories = [{"id": c["id"], "name": c["name"]} for c in builtin_categories("objects365")]
    image = {"id": 1, "file_name": "a.jpg", "width": 8, "height": 6}
    annotation = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5]}
    annotations = [
        {**annotation, "id": 1, "segmentation": [[0, 0, 5, 5]]},
        {**annotation, "id": 2, "segmentation": [[0, 0, 5, 0, 5, 5, 1]]},
    ]
    document = {"images": [image], "categories": categories, "annotations": annotations}
    write_json(tmp_path / spec.annotation_file, document)
    write_bytes(tmp_path / spec.image_root / "a.jpg", jpeg(8, 6))
    findings = verify_dataset(spec, tmp_path)
    assert findings.num_annotations == 2
    assert dict(findings.problems) == {
        "polygons with fewer than three points": ["image 1"],
        "polygons with an odd number of coordinates": ["image 1"],
    }


def test_what_cannot_be_loaded_is_a_problem_beside_the_others(spec, tmp_path):
    path = tmp_path / spec.annotation_file
    document = json.loads(path.read_text())
    document["annotations"][0]["segmentation"] = "circle"
    path.write_text(json.dumps(document))
    assert set(verify_dataset(spec, tmp_path).problems) == {
        "masks that are neither polygons nor run lengths",
        "the dataset cannot be loaded, its images were not looked at",
    }


@pytest.mark.parametrize(
    ("lists", "problem"),
    [
        ({"pos_category_ids": [1], "neg_category_ids": [2]}, []),
        ({"pos_category_ids": [1]}, ["images without pos_category_ids or neg_category_ids"]),
        (
            {"pos_category_ids": [2], "neg_category_ids": []},
            ["boxes of classes that are not in pos_category_ids"],
        ),
        (
            {"pos_category_ids": [[9]]},
            ["pos_category_ids that are no ids of the file's categories"],
        ),
    ],
)
def test_openimages_needs_both_lists_of_verified_classes(lists, problem):
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    content = AnnotationFile("x.json", categories, [], {})
    findings = Findings()
    check_image_labels(content, {"id": 3, **lists}, {1}, findings, is_oid=True)
    assert list(findings.problems) == problem


def test_malformed_files_are_reported(spec, tmp_path):
    (tmp_path / spec.annotation_file).write_text('{"images": [], "categories": [{}]}')
    with pytest.raises(InputError, match="category number 1: 'id' is missing"):
        verify_dataset(spec, tmp_path)
