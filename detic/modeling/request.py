"""What a detection is asked for.

Shapes: C classes, D embedding width, N detections, S side of a mask in cells.
"""

from dataclasses import dataclass

from torch import Tensor

from detic.modeling.precision import FP32, Precision


@dataclass(frozen=True)
class RequestedClasses:
    """The classes to look for in place of the model's own."""

    columns: Tensor  # (D, C + 1) embeddings as the classifier multiplies with; see `class_columns`
    score_thresholds: Tensor | None = None  # (C,) lowest scores; None: the model's for all
    negative: Tensor | None = None  # (C,) bool: competes for boxes, but is never reported


@dataclass(frozen=True)
class DetectionRequest:
    """What to look for and what to report; by default what the model was built for."""

    classes: RequestedClasses | None = None  # None: the model's own
    max_detections: int | None = None  # of an image; None: the model's limit
    masks: bool = True  # also report those that the model knows; they are most of the work
    # Paste masks into the image. Else detections have ``mask_cells`` (N, S, S) in (0, 1) in place of
    # ``pred_masks``, which take little memory and are stretched over their boxes.
    pasted_masks: bool = True
    region_embeddings: bool = False  # also report (D,) of unit length in the space of the texts
    class_scores: bool = False  # also report (C,) of all classes, negative ones included
    precision: Precision = FP32  # that the model computes in
