"""Batches of two drawn images: annotated with boxes or labels, or to be evaluated."""

import numpy as np
import torch

from tests.parity.images import SIZES_HW, batch_image
from tests.parity.ours import Boxes, Instances, PolygonMasks

BOXES_XYXY = [
    [
        [12.3, 20.1, 118.7, 133.2],
        [150.0, 30.5, 301.9, 240.2],
        [100.2, 90.4, 131.0, 121.9],
        [4.0, 200.0, 12.5, 209.1],
        [200.4, 100.9, 260.1, 150.3],
        [0.0, 0.0, 320.0, 256.0],
        [290.7, 3.2, 320.0, 60.8],
    ],
    [
        [30.0, 40.0, 90.0, 100.0],
        [31.5, 38.5, 95.2, 104.4],
        [120.6, 15.1, 270.3, 188.8],
        [200.0, 150.0, 215.5, 171.0],
    ],
]


def eval_batch() -> list[dict]:
    """Return two images, of which the first is to be enlarged."""
    sizes_hw = [(384, 480), SIZES_HW[1]]
    return [
        {"image": batch_image(i), "height": height, "width": width}
        for i, (height, width) in enumerate(sizes_hw)
    ]


def box_batch(num_classes: int, with_masks: bool, second_is_empty: bool = False) -> list[dict]:
    """Return images with boxes, the second without any if ``second_is_empty``."""
    boxes = [BOXES_XYXY[0], [] if second_is_empty else BOXES_XYXY[1]]
    return [
        _example(i, "box", 0, box_instances(i, boxes[i], num_classes, with_masks)) for i in (0, 1)
    ]


def label_batch(kind: str, num_classes: int) -> list[dict]:
    """Return images with two labels and with one, and no boxes."""
    labels = [[3, num_classes - 2], [17]]
    return [
        _example(i, kind, 1, box_instances(i, [], num_classes, False))
        | {"pos_category_ids": labels[i]}
        for i in (0, 1)
    ]


def box_instances(
    image: int, boxes_xyxy: list[list[float]], num_classes: int, with_masks: bool
) -> Instances:
    instances = Instances(SIZES_HW[image])
    instances.gt_boxes = Boxes(torch.tensor(boxes_xyxy).reshape(-1, 4))
    classes = [(5 + 11 * k + 7 * image) % num_classes for k in range(len(boxes_xyxy))]
    instances.gt_classes = torch.tensor(classes, dtype=torch.int64)
    if with_masks:
        instances.gt_masks = PolygonMasks([_polygons(b, k) for k, b in enumerate(boxes_xyxy)])
    return instances


def _example(index: int, kind: str, source: int, instances: Instances) -> dict:
    height, width = SIZES_HW[index]
    return {
        "image": batch_image(index),
        "instances": instances,
        "height": height,
        "width": width,
        "ann_type": kind,
        "dataset_source": source,
        "pos_category_ids": [],
    }


def _polygons(box_xyxy: list[float], k: int) -> list[np.ndarray]:
    """Return the mask of box number ``k``: a rectangle, a rhombus, or a rectangle and a triangle."""
    x0, y0, x1, y1 = box_xyxy
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    shapes = [
        [[x0, y0, x1, y0, x1, y1, x0, y1]],
        [[x, y0, x1, y, x, y1, x0, y]],
        [[x0, y0, x, y0, x, y1, x0, y1], [x, y0, x1, y0, x1, y1]],
    ]
    return [np.array(polygon) for polygon in shapes[k % 3]]
