"""What a detector finds in some images, which its exported file has to find, too.

Shapes: H x W image, C classes, D embedding width, N detections, S side of a mask, h x w window of an
image around a box.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from detectron2.layers import paste_masks_in_image
from detectron2.structures import Instances
from torch import Tensor
from torch.nn import functional as F

from detic.export.formats import Run
from detic.modeling.build import DetectionModel
from detic.modeling.request import DetectionRequest, RequestedClasses
from detic.modeling.roi_heads.classifier import class_columns

_NUM_CLASSES = 8  # that images are looked through for
_HIGHEST_LOGIT = 2.0  # of a class: scores of higher ones would hardly differ
MASK_THRESHOLD = 0.5  # least probability inside a mask

# By name as in a file's outputs; but a detector's ``masks`` are N windows (h, w) bool
Found = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Reference:
    """What a detector finds in some images."""

    images: Sequence[Tensor]  # (H, W, 3) uint8 in the model's channel order
    embeddings: Tensor  # (C, D) of the classes that are looked for
    threshold: float  # of their scores
    found: Sequence[Found]  # in each image; without masks if they are not to be compared

    @property
    def has_masks(self) -> bool:
        return all("masks" in found for found in self.found)

    def outputs_of(self, run: Run) -> list[Found]:
        """Return what a file finds in the images."""
        classes = self.embeddings.numpy()
        thresholds = np.full(len(classes), self.threshold, np.float32)
        return [run(image.numpy(), classes, thresholds) for image in self.images]


def look_through(
    model: DetectionModel,
    images: Sequence[Tensor],
    embeddings: Tensor,
    threshold: float = 0.0,
    *,
    masks: bool = True,
) -> Reference:
    """Return what a model finds.

    Args:
        model: in evaluation mode.
        images: (H, W, 3) uint8 in the model's channel order.
        embeddings: (C, D) of the classes to look for.
        threshold: of their scores.
        masks: are to be compared, if the model knows them.
    """
    thresholds = torch.full((len(embeddings),), threshold)
    found = (detect(model, image, embeddings, thresholds, masks=masks) for image in images)
    return Reference(images, embeddings, threshold, list(map(_as_arrays, found)))


def detect(
    model: DetectionModel,
    image: Tensor,
    embeddings: Tensor,
    thresholds: Tensor,
    *,
    masks: bool = False,
) -> Instances:
    """Return what a model finds in an image (H, W, 3), with the embeddings of regions."""
    classes = RequestedClasses(class_columns(model.classifier, embeddings), thresholds)
    request = DetectionRequest(classes=classes, region_embeddings=True, masks=masks)
    height, width = image.shape[:2]
    inputs = [{"image": image.permute(2, 0, 1), "height": height, "width": width}]
    return model.inference(inputs, request)[0]["instances"]


def typical_classes(model: DetectionModel, image: Tensor, embedding_dim: int) -> Tensor:
    """Return class embeddings (C, D) whose scores tell the regions of an image apart.

    Scores of random embeddings are nearly the same for all regions. These are of regions, less what
    all regions have in common.
    """
    anything = torch.zeros(1, embedding_dim)
    regions = detect(model, image, anything, torch.zeros(1)).region_embeddings  # (N, D)
    if len(regions) < 2:
        generator = torch.Generator().manual_seed(0)
        return torch.randn(_NUM_CLASSES, embedding_dim, generator=generator)
    rows = torch.linspace(0, len(regions) - 1, _NUM_CLASSES).round().long()
    own = F.normalize(regions[rows] - regions.mean(dim=0), dim=1)
    # What hardly any region has lowers the similarity to all of them.
    rest = torch.linalg.svd(regions).Vh[-1]
    classifier: Any = model.classifier
    bias = 0.0 if classifier.cls_bias is None else classifier.cls_bias.item()
    highest = classifier.temperature * (regions @ own.t()).max().item()
    share = min(1.0, (_HIGHEST_LOGIT - bias) / max(highest, 1e-6))
    return share * own + (1 - share**2) ** 0.5 * rest


def _as_arrays(found: Instances) -> Found:
    boxes = found.pred_boxes.tensor.numpy()
    arrays = {
        "boxes": boxes,
        "scores": found.scores.numpy(),
        "classes": found.pred_classes.numpy(),
        "region_embeddings": found.region_embeddings.numpy(),
    }
    if found.has("pred_masks"):  # of whole images they would take much memory
        pairs = zip(found.pred_masks.numpy(), boxes, strict=True)
        arrays["masks"] = [mask[_window(box)].copy() for mask, box in pairs]
    return arrays


def _window(box_xyxy: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns that a mask of a box (4,) may reach."""
    left, top = np.maximum(np.floor(box_xyxy[:2]).astype(int) - 1, 0)
    right, bottom = np.ceil(box_xyxy[2:]).astype(int) + 1
    return slice(top, bottom), slice(left, right)


def pasted(
    mask: np.ndarray,
    box_xyxy: np.ndarray,
    size_hw: tuple[int, ...],
    threshold: float = MASK_THRESHOLD,
) -> np.ndarray:
    """Return the pixels (h, w) bool of a mask (S, S) in the window of a box (4,).

    Args:
        size_hw: h, w.
        threshold: pixels of at least this probability are True.
    """
    rows, columns = _window(box_xyxy)
    corner = np.array([columns.start, rows.start], np.float32)
    within = box_xyxy - np.tile(corner, 2)
    given = torch.from_numpy(np.ascontiguousarray(mask))[None], torch.from_numpy(within)[None]
    return paste_masks_in_image(*given, (size_hw[0], size_hw[1]), threshold)[0].numpy()
