"""Small datasets, written as annotation files."""

import json

import pytest

from detic.evaluation.results_reader import read_results


@pytest.fixture
def write(tmp_path):
    """Write content as json under a name and return the path."""

    def write(name, content):
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path

    return write


@pytest.fixture
def results_of(write):
    """Return detections as a results file."""
    return lambda rows: read_results(write("detections.json", rows))


@pytest.fixture
def lvis_file(write):
    """Write an LVIS file of 100 x 100 images.

    Called with annotations (image id, category id, box), a number of images, one letter of frequency
    a class, and lists of category ids by image id.
    """

    def lvis_file(annotations, num_images=1, frequencies="rcf", negative=None, partial=None):
        images = [
            {
                "id": number,
                "height": 100,
                "width": 100,
                "neg_category_ids": (negative or {}).get(number, []),
                "not_exhaustive_category_ids": (partial or {}).get(number, []),
            }
            for number in range(1, num_images + 1)
        ]
        return write(
            "lvis.json",
            {
                "images": images,
                "annotations": [
                    annotation(number, *fields) for number, fields in enumerate(annotations, 1)
                ],
                "categories": [
                    {"id": number, "name": f"class {number}", "frequency": letter}
                    for number, letter in enumerate(frequencies, 1)
                ],
            },
        )

    return lvis_file


def annotation(number, image_id, category_id, box, **more):
    """Return an annotation with a rectangular mask."""
    x, y, width, height = box
    corners = [x, y, x + width, y, x + width, y + height, x, y + height]
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": list(box),
        "area": width * height,
        "segmentation": [corners],
        **more,
    }


def detection(image_id, category_id, box, score):
    return {"image_id": image_id, "category_id": category_id, "bbox": list(box), "score": score}
