import json

import pytest
import torch
from detectron2.structures import Boxes, Instances

from detic.errors import InputError
from detic.evaluation.detections import from_instances


def found(classes, masks=None):
    instances = Instances((4, 6))
    instances.pred_boxes = Boxes(torch.tensor([[1.0, 1.0, 4.0, 3.0]]).repeat(len(classes), 1))
    instances.scores = torch.full((len(classes),), 0.5)
    instances.pred_classes = torch.tensor(classes)
    if masks is not None:
        instances.pred_masks = masks
    return instances


def test_rows_have_category_ids_and_xywh_boxes():
    rows = from_instances("a", found([1, 0]), [10, 30], with_masks=False).rows()
    box = [1.0, 1.0, 3.0, 2.0]
    assert [json.loads(row) for row in rows] == [
        {"image_id": "a", "category_id": 30, "bbox": box, "score": 0.5},
        {"image_id": "a", "category_id": 10, "bbox": box, "score": 0.5},
    ]


def test_masks_are_run_lengths_by_columns():
    mask = torch.zeros(1, 4, 6, dtype=torch.bool)
    mask[0, 1:3, 1:4] = True
    detections = from_instances(1, found([0], mask), [1], with_masks=True)
    from pycocotools import mask as coco_mask

    row = json.loads(next(detections.rows()))
    assert row["segmentation"]["size"] == [4, 6]
    assert (coco_mask.decode(row["segmentation"]) == mask[0].numpy()).all()
    assert detections.mask_areas == [6]


def test_an_image_without_detections_has_no_rows():
    empty = from_instances(
        1, found([], torch.zeros(0, 4, 6, dtype=torch.bool)), [1], with_masks=True
    )
    assert list(empty.rows()) == []
    assert empty.mask_areas == []


def test_class_that_the_dataset_lacks_is_refused():
    with pytest.raises(InputError, match=r"class number 2, but the dataset has the classes 0 to 1"):
        from_instances(1, found([0, 2]), [10, 30], with_masks=False)


def test_model_without_masks_is_refused_for_masks():
    with pytest.raises(InputError, match=r"gives no masks, .* MODEL\.MASK_ON True"):
        from_instances(1, found([0]), [10], with_masks=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_detections_on_a_gpu_are_those_on_the_cpu():
    masks = torch.ones(1, 4, 6, dtype=torch.bool)
    expected = from_instances(1, found([0], masks), [1], with_masks=True)
    assert from_instances(1, found([0], masks).to("cuda"), [1], with_masks=True) == expected
