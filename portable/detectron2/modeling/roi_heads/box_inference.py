"""From scores and boxes of regions to final detections.

Boxes are (x1, y1, x2, y2) in pixels of the network input. Shapes: R regions of one image, C classes,
K boxes per region (1 or C), D detections.
"""

import torch
from detectron2.layers import batched_nms, nonzero_tuple
from detectron2.structures import Boxes, Instances


def fast_rcnn_inference(
    boxes: list[torch.Tensor],
    scores: list[torch.Tensor],
    image_shapes: list[tuple[int, int]],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[list[Instances], list[torch.Tensor]]:
    """Returns the detections of each image and the regions they come from.

    Args:
        boxes: per image (R, 4 * K).
        scores: per image (R, C + 1) probabilities, background last.
        image_shapes: (height, width) of each image without padding.
        score_thresh: detections score above this.
        nms_thresh: IoU above which the lower score of the same class is dropped.
        topk_per_image: most detections per image; negative for all.

    Returns:
        Per image, Instances with `pred_boxes`, `scores` and `pred_classes`, best first; and (D,)
        int64 indices of regions.
    """
    results = [
        fast_rcnn_inference_single_image(
            image_boxes, image_scores, image_shape, score_thresh, nms_thresh, topk_per_image
        )
        for image_boxes, image_scores, image_shape in zip(boxes, scores, image_shapes, strict=True)
    ]
    return [instances for instances, _ in results], [regions for _, regions in results]


def fast_rcnn_inference_single_image(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    image_shape: tuple[int, int],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[Instances, torch.Tensor]:
    """Returns the detections of one image and their regions; see `fast_rcnn_inference`.

    The indices count the regions whose boxes and scores are finite.
    """
    finite = torch.isfinite(boxes).all(dim=1) & torch.isfinite(scores).all(dim=1)
    boxes, scores = boxes[finite], scores[finite, :-1]
    num_boxes = boxes.shape[1] // 4
    clipped = Boxes(boxes.reshape(-1, 4))
    clipped.clip(image_shape)
    boxes = clipped.tensor.view(-1, num_boxes, 4)  # (R, K, 4)

    regions, classes = nonzero_tuple(scores > score_thresh)
    candidate_boxes = boxes[regions, 0 if num_boxes == 1 else classes]
    candidate_scores = scores[regions, classes]
    keep = batched_nms(candidate_boxes, candidate_scores, classes, nms_thresh)
    if topk_per_image >= 0:
        keep = keep[:topk_per_image]
    result = Instances(
        image_shape,
        pred_boxes=Boxes(candidate_boxes[keep]),
        scores=candidate_scores[keep],
        pred_classes=classes[keep],
    )
    return result, regions[keep]
