import json

import numpy as np

from detic.result_rows import decoded_masks
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
    assert entry["polygons"] == [[0, 0, 0, 1, 2, 1, 2, 0]]
    assert "mask" not in entry


def test_holes_have_outlines():
    ring = np.ones((5, 5), bool)
    ring[2, 2] = False
    assert len(outlines(ring)) == 2
    assert outlines(np.zeros((5, 5), bool)) == []
