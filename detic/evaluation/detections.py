"""The detections of one image as rows of COCO's result format.

N detections, H x W the size of the image in pixels.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from detectron2.structures import Instances
from hotcoco import mask as rle

from detic.errors import InputError
from detic.evaluation.results_file import ImageId


@dataclass(frozen=True)
class ImageDetections:
    """The detections of one image."""

    image_id: ImageId
    category_ids: list[int]  # (N,)
    scores: list[float]  # (N,)
    boxes_xywh: list[list[float]]  # (N, 4) pixels
    masks: list[dict] | None  # N run-length encoded masks, (H, W) each
    mask_areas: list[int] | None  # (N,) pixels

    def rows(self) -> Iterator[str]:
        """Yield each detection as a json object."""
        masks = self.masks or [None] * len(self.scores)
        columns = zip(self.category_ids, self.boxes_xywh, self.scores, masks, strict=True)
        for category_id, box, score, mask in columns:
            row = {"image_id": self.image_id, "category_id": category_id, "bbox": box}
            row["score"] = score
            if mask is not None:
                row["segmentation"] = mask
            yield json.dumps(row)


def from_instances(
    image_id: ImageId,
    instances: Instances,
    category_ids: Sequence[int | None],
    *,
    with_masks: bool,
) -> ImageDetections:
    """Return what a model found in an image.

    Args:
        image_id: the image's id in the annotation file.
        instances: ``pred_boxes`` (N boxes, XYXY pixels), ``scores`` (N,), ``pred_classes`` (N,)
            class indices and, with masks, ``pred_masks`` (N, H, W) bool; on any device.
        category_ids: the category id of each class index; None: its detections are left out.
        with_masks: whether to keep the masks.

    Raises:
        InputError: the model has other classes or no masks.
    """
    instances = instances.to("cpu")
    classes = instances.pred_classes.tolist()
    _check_classes(classes, len(category_ids))
    ids = [category_ids[index] for index in classes]
    if None in ids:
        instances = instances[torch.tensor([category_id is not None for category_id in ids])]
        ids = [category_id for category_id in ids if category_id is not None]
    boxes_xyxy = instances.pred_boxes.tensor
    boxes_xywh = torch.cat((boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]), dim=1)
    masks = _encoded_masks(instances) if with_masks else None
    return ImageDetections(
        image_id=image_id,
        category_ids=ids,
        scores=instances.scores.tolist(),
        boxes_xywh=boxes_xywh.tolist(),
        masks=masks,
        mask_areas=None if masks is None else [rle.area(mask) for mask in masks],
    )


def _check_classes(classes: list[int], num_classes: int) -> None:
    if classes and max(classes) >= num_classes:
        raise InputError(
            f"the model found class number {max(classes)}, but the dataset has the classes 0 to "
            f"{num_classes - 1}; test with the classifier of the dataset (MODEL.RESET_CLS_TESTS, "
            "MODEL.TEST_CLASSIFIERS and MODEL.TEST_NUM_CLASSES)"
        )


def _encoded_masks(instances: Instances) -> list[dict]:
    """Return run-length masks whose counts are text, as json needs it."""
    if not instances.has("pred_masks"):
        raise InputError(
            "the model gives no masks, so task segm cannot be evaluated; leave it out or set "
            "MODEL.MASK_ON True"
        )
    encoded = [rle.encode(mask) for mask in instances.pred_masks.numpy()]
    return [{"size": mask["size"], "counts": mask["counts"].decode("ascii")} for mask in encoded]
