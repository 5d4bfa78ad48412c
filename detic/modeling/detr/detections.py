"""The most likely classes of all queries as detections.

Shapes: B images, Q queries, C classes, N detections of an image.
"""

from collections.abc import Sequence

import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor

from centernet.rows import rows_where
from detic.modeling.detr.boxes import cxcywh_to_xyxy
from detic.transfer import send


def best_detections(
    scores: Tensor,
    boxes: Tensor,
    image_sizes_hw: Sequence[tuple[int, int]],
    limit: int,
    thresholds: Tensor | None = None,
) -> list[Instances]:
    """Return the detections of each image, highest score first.

    A query may be several, of different classes. Boxes may reach over the border of the image.

    Args:
        scores: (B, Q, C).
        boxes: (B, Q, 4) as centre and size, 0 to 1 across the image.
        image_sizes_hw: of the B images that detections are for, pixels.
        limit: of detections of an image; negative: none.
        thresholds: (C,), which scores are above; None: all scores count.

    Returns:
        B Instances with ``pred_boxes`` (xyxy, pixels), ``scores``, ``pred_classes`` and
        ``box_index``, the query (int64).
    """
    num_classes, total = scores.shape[2], scores[0].numel()
    count = total if limit < 0 else min(limit, total)
    values, places = scores.flatten(1).topk(count, dim=1)
    queries, classes = places // num_classes, places % num_classes
    scales = send(torch.tensor([(w, h, w, h) for h, w in image_sizes_hw]), boxes.device)
    detections = [
        Instances(
            size_hw,
            pred_boxes=Boxes(cxcywh_to_xyxy(boxes[i, queries[i]]) * scales[i]),
            scores=values[i],
            pred_classes=classes[i],
            box_index=queries[i],
        )
        for i, size_hw in enumerate(image_sizes_hw)
    ]
    return detections if thresholds is None else _above(thresholds, detections)


def _above(thresholds: Tensor, detections: Sequence[Instances]) -> list[Instances]:
    rows = rows_where([d.scores > thresholds[d.pred_classes] for d in detections])
    return [d[r] for d, r in zip(detections, rows, strict=True)]
