"""Reading held-out images."""

import json

import pytest

from detic.calibration.held_out import read_annotated_images
from detic.errors import InputError

NAMES = ["traffic light", "gull", "cat"]


def write(folder, categories, images, classes_of_objects):
    path = folder / "held_out.json"
    annotations = [
        {"id": number, "image_id": 1, "category_id": c, "bbox": [0, 0, 4, 4]}
        for number, c in enumerate(classes_of_objects, start=1)
    ]
    images = [{"file_name": "a.jpg", "width": 8, "height": 8, **image} for image in images]
    content = {"categories": categories, "images": images, "annotations": annotations}
    path.write_text(json.dumps(content))
    return path


def test_categories_are_matched_by_name_and_count_if_they_have_annotations(tmp_path):
    names = ["cat", "Traffic_light", "gull", "unknown"]
    categories = [{"id": n, "name": name} for n, name in enumerate(names, start=7)]
    path = write(tmp_path, categories, [{"id": 1}], [8, 7, 10])
    [(file, objects)] = read_annotated_images(path, tmp_path, NAMES)
    assert file == str(tmp_path / "a.jpg")
    assert objects.classes == [0, 2]  # nothing is known of the class "unknown"
    assert objects.exhaustive == {0, 2}  # no gull is annotated anywhere


def test_lvis_tells_for_each_image_what_it_was_searched_for(tmp_path):
    categories = [{"id": n, "name": name, "frequency": "f"} for n, name in enumerate(NAMES)]
    images = [{"id": 1, "neg_category_ids": [1], "not_exhaustive_category_ids": [2]}]
    path = write(tmp_path, categories, images, [0, 2, 1])
    [(_, objects)] = read_annotated_images(path, tmp_path, NAMES)
    assert objects.exhaustive == {0, 1}


def test_a_file_of_other_classes_is_refused(tmp_path):
    path = write(tmp_path, [{"id": 1, "name": "dog"}], [{"id": 1}], [1])
    with pytest.raises(InputError, match="no category that has annotations is in the vocabulary"):
        read_annotated_images(path, tmp_path, NAMES)
