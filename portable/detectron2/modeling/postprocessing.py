"""Bring detections from the network input's resolution to the requested image size."""

import torch
from detectron2.layers import interpolate
from detectron2.structures import Instances

from ._postprocessing import postprocess_batch


def detector_postprocess(
    results: Instances, output_height: int, output_width: int, mask_threshold: float = 0.5
) -> Instances:
    """Return the detections of one image in an image of the given size.

    Boxes are scaled and clipped, boxes left without area are dropped, and mask probabilities are
    pasted into full-size binary masks.

    Args:
        results: detections in the network input of size `results.image_size`: `pred_boxes` (or
            `proposal_boxes`) and optionally `pred_masks` (N, 1, side, side) in [0, 1].
        output_height, output_width: in pixels.
        mask_threshold: least probability inside a mask.

    Returns:
        New Instances; the argument keeps its boxes. `pred_masks` becomes (N, output_height,
        output_width) bool.
    """
    return postprocess_batch([results], [(output_height, output_width)], mask_threshold)[0]


def sem_seg_postprocess(
    result: torch.Tensor, img_size: tuple[int, int], output_height: int, output_width: int
) -> torch.Tensor:
    """Return the logits (C, output_height, output_width) of a semantic segmentation.

    Args:
        result: (C, H, W) logits in the padded network input.
        img_size: (height, width) of the image without padding.
    """
    height, width = img_size
    cropped = result[None, :, :height, :width]
    size_hw = (output_height, output_width)
    return interpolate(cropped, size=size_hw, mode="bilinear", align_corners=False)[0]
