import json

import numpy as np
import pytest
from hotcoco import mask as rle

from detic.result_rows import decoded_masks, encoded_masks
from detic.serving.answers import MaskFormat, answer, outlines

from .service_of_fakes import found_in

MODEL = {"name": "fake", "version": "1"}
VOCABULARY = {"id": "v", "version": "2", "size": 1}


def content(masks):
    detections = found_in(np.zeros((6, 8, 3), np.uint8), ["mug"], masks is not MaskFormat.NONE)
    return json.loads(answer(detections, masks, MODEL, VOCABULARY))


def test_answers_say_what_they_come_from():
    found = content(MaskFormat.NONE)
    assert (found["model"], found["vocabulary"]) == (MODEL, VOCABULARY)
    assert found["image"] == {"width": 8, "height": 6}
    (entry,) = found["detections"]
    assert entry == {"name": "mug", "label": 0, "score": 0.75, "box_xyxy": [0, 0, 3, 2]}


def test_masks_are_run_lengths_or_outlines():
    (entry,) = content(MaskFormat.RLE)["detections"]
    (mask,) = decoded_masks([entry["mask"]], (6, 8))
    assert mask[:2, :3].all()
    assert mask.sum() == 6
    (entry,) = content(MaskFormat.POLYGONS)["detections"]
    assert entry["polygons"] == [[0, 0, 0, 2, 3, 2, 3, 0]]  # along the edges of pixels
    assert "mask" not in entry


def painted(polygons, size_hw):
    """The points that lie inside an odd number of polygons."""
    layers = [rle.decode(rle.merge(rle.fr_py_objects([p], *size_hw))) for p in polygons]
    return np.sum(layers, axis=0) % 2 == 1


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        (["#"], 1),  # a single pixel
        (["...", ".#.", "..#"], 1),  # pixels that touch at a corner
        (["###", "#.#", "###"], 2),  # a hole
        (["#####", "#...#", "#.#.#", "#...#", "#####"], 3),  # an island in a hole
    ],
)
def test_outlines_paint_the_mask_and_nothing_else(rows, count):
    mask = np.array([[c == "#" for c in row] for row in rows])
    found = outlines(encoded_masks(mask[None])[0])
    assert len(found) == count
    np.testing.assert_array_equal(painted(found, mask.shape), mask)


def test_what_shows_nothing_has_no_outline():
    assert outlines(encoded_masks(np.zeros((1, 5, 5), bool))[0]) == []
