"""Detections of all images of a batch, brought to the sizes of their outputs."""

from collections.abc import Sequence

import torch
from detectron2.layers import paste_masks_in_image
from detectron2.structures import Boxes, Instances
from detectron2.structures._finite import check_finite

from ._rows import rows_where


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
