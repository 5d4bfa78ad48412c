"""Bring detections from the network input's resolution to the requested image size."""

from collections.abc import Sequence

import torch
from detectron2.layers import interpolate, paste_masks_in_image
from detectron2.structures import Boxes, Instances
from detectron2.structures.boxes import check_finite

from ._rows import rows_where


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


def postprocess_batch(
    results: Sequence[Instances],
    output_sizes_hw: Sequence[tuple[int, int]],
    mask_threshold: float = 0.5,
) -> list[Instances]:
    """Return what `detector_postprocess` does for each image, waiting for an accelerator once.

    Raises:
        ValueError: boxes are infinite or NaN.
    """
    scaled = [_scaled(image, *size) for image, size in zip(results, output_sizes_hw, strict=True)]
    boxes = [image.get(_box_field(image)) for image in scaled]
    broken = torch.cat([b.tensor for b in boxes]).isnan().any(dim=1)
    *rows, broken_rows = rows_where([*(b.nonempty() for b in boxes), broken])
    check_finite(len(broken_rows) == 0)
    outputs = [
        image if len(of_image) == len(image) else image[of_image]
        for image, of_image in zip(scaled, rows, strict=True)
    ]
    for output in outputs:
        if output.has("pred_masks"):
            masks, boxes_xyxy = output.pred_masks[:, 0], output.pred_boxes
            output.pred_masks = paste_masks_in_image(
                masks, boxes_xyxy, output.image_size, threshold=mask_threshold
            )
    return outputs


def _box_field(instances: Instances) -> str:
    return "pred_boxes" if instances.has("pred_boxes") else "proposal_boxes"


def _scaled(results: Instances, output_height: int, output_width: int) -> Instances:
    """Return the fields of `results` with boxes in the pixels of the output."""
    height, width = results.image_size
    size_hw = (int(output_height), int(output_width))
    boxes: Boxes = results.get(_box_field(results)).clone()
    boxes.scale(output_width / width, output_height / height)
    boxes.clip(size_hw)
    return Instances(size_hw, **results.get_fields() | {_box_field(results): boxes})


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
