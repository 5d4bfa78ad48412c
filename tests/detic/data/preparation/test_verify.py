"""Looking closely at a dataset."""

import json

import pytest

from detic.data.preparation.verify import Findings, check_annotations, verify_dataset
from detic.data.specs import SPECS
from detic.errors import InputError

TRIANGLE = [[0, 0, 5, 0, 5, 5]]


def found(segmentation=TRIANGLE, bbox=(0, 0, 5, 5)):
    """The kinds of problems and peculiarities of one annotation in an 8 by 6 picture."""
    findings = Findings()
    annotation = {"bbox": bbox, "segmentation": segmentation}
    record = {"image_id": 3, "height": 6, "width": 8, "annotations": [annotation]}
    check_annotations(record, findings)
    return list(findings.problems), list(findings.peculiarities)


@pytest.mark.parametrize(
    ("annotation", "problems", "peculiarities"),
    [
        ({}, [], []),
        ({"bbox": (0, 0, 0, 5)}, [], ["boxes without area"]),
        ({"bbox": (4, 0, 9, 5)}, [], ["boxes that leave the image"]),
        ({"bbox": (4, 0, 5, 5)}, [], []),  # within the margin
        ({"segmentation": [[0, 0, 1, 1]]}, ["polygons with fewer than three points"], []),
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
    """A dataset of four pictures: sound, missing, damaged, of another size."""
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


def test_pictures_are_opened(spec, tmp_path):
    findings = verify_dataset(spec, tmp_path)
    assert (findings.num_images, findings.num_annotations, findings.num_classes) == (4, 1, 1)
    assert {kind: len(where) for kind, where in findings.problems.items()} == {
        "missing pictures": 1,
        "pictures that cannot be opened": 1,
        "pictures with width and height exchanged (EXIF?)": 1,
    }
    lines = list(findings.lines())
    assert lines[0] == "4 images, 1 annotations, 1 classes in use"
    assert lines[1].startswith("problem: missing pictures: 1, such as ")


def test_malformed_files_are_reported(spec, tmp_path):
    (tmp_path / spec.annotation_file).write_text('{"images": [], "categories": [{}]}')
    with pytest.raises(InputError, match="category number 1: 'id' is missing"):
        verify_dataset(spec, tmp_path)
