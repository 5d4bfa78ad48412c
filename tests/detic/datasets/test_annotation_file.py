"""Reading and checking annotation files."""

import gc
import json

import pytest

from detic.datasets.annotation_file import read_annotation_file, read_document
from detic.documents import collector_paused, read_json
from detic.errors import InputError

CATEGORY = {"id": 3, "name": "cat"}
IMAGE = {"id": 7, "height": 10, "width": 20}
ANNOTATION = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]}


@pytest.fixture
def read(tmp_path):
    """A function that writes sections to a file and reads it checked."""

    def write_and_read(categories=(CATEGORY,), images=(IMAGE,), annotations=(ANNOTATION,)):
        path = tmp_path / "a.json"
        path.write_text(
            json.dumps({"categories": categories, "images": images, "annotations": annotations})
        )
        return read_annotation_file(path)

    return write_and_read


def test_records_come_by_id_with_their_annotations(read):
    later = IMAGE | {"id": 9}
    content = read(images=(later, IMAGE), categories=({"id": 5, "name": "dog"}, CATEGORY))
    assert list(content.images_with_annotations()) == [(IMAGE, [ANNOTATION]), (later, [])]
    assert content.class_index == {3: 0, 5: 1}
    assert content.class_indices(IMAGE, [5, 3]) == [1, 0]


def test_annotations_may_be_missing(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"categories": [CATEGORY], "images": [IMAGE]}))
    assert read_annotation_file(path).annotations_of == {}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"images": [{"id": 7, "height": 1}]}, r"image number 1 \(id 7\): 'width' is missing"),
        ({"images": [IMAGE | {"width": "20"}]}, r"'width' is '20'; expected an integer"),
        ({"images": [IMAGE, IMAGE]}, "2 image records have the id 7; ids must be unique"),
        ({"images": [IMAGE, IMAGE | {"id": "x"}]}, "partly integers, partly texts"),
        ({"annotations": {}}, "the annotation records are no list"),
        ({"images": [5]}, "image number 1 is 5, not an object"),
        ({"categories": [{"id": 3}]}, r"category number 1 \(id 3\): 'name' is missing"),
        ({"annotations": [ANNOTATION | {"bbox": [1, 2, 3]}]}, r"'bbox' is \[1, 2, 3\]; expected"),
        ({"annotations": [ANNOTATION | {"bbox": [1, 2, 3, None]}]}, "'bbox' is"),
        ({"annotations": [ANNOTATION | {"bbox": [1, 2, 3, float("nan")]}]}, "'bbox' is"),
        ({"annotations": [ANNOTATION, ANNOTATION]}, "2 annotation records have the id 1"),
        ({"annotations": [ANNOTATION | {"image_id": 8}]}, "annotation 1 has image_id 8"),
        ({"annotations": [ANNOTATION | {"category_id": 4}]}, "annotation 1 has category_id 4"),
    ],
)
def test_malformed_records_are_named(read, sections, message):
    with pytest.raises(InputError, match=r"a\.json") as error:
        read(**sections)
    assert error.match(message)


def test_unknown_ids_in_an_image_are_named(read):
    with pytest.raises(InputError, match=r"a\.json: image 7: \[3, 4\] is not a list of ids"):
        read().class_indices(IMAGE, [3, 4])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [', "is not valid JSON"),
        ("[]", "holds a json list; expected an object"),
        ("{}", "has no list 'images'"),
    ],
)
def test_files_that_are_no_annotation_files_are_named(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_document(path, ("images",))


def test_a_missing_file_points_at_the_check(tmp_path):
    with pytest.raises(InputError, match=r"b\.json not found; `detic data check`"):
        read_document(tmp_path / "b.json", ("images",))


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_garbage_collector_is_as_before_even_after_an_error(tmp_path, was_enabled):
    (gc.enable if was_enabled else gc.disable)()
    try:
        with pytest.raises(InputError):
            read_json(tmp_path / "none.json")
        with collector_paused():
            assert not gc.isenabled()
        assert gc.isenabled() == was_enabled
    finally:
        gc.enable()
