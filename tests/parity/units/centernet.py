"""The proposal network's targets and losses."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tests.parity.arrays import Arrays, to_array
from tests.parity.batches import BOXES_XYXY
from tests.parity.noise import tensor
from tests.parity.ours import (
    BOX_LOSSES,
    Boxes,
    FocalParams,
    Instances,
    TargetParams,
    base_config,
    compute_grids,
    dense_targets,
    heatmap_focal_loss,
    positive_cells,
)

SIZE_HW = (256, 320)
NUM_CLASSES = 5
# Small, large, thin, beyond the border, and three around one place
MORE_BOXES_XYXY = [
    [8, 8, 24, 24],
    [64, 64, 192, 192],
    [63.5, 64.5, 65, 66],
    [0, 0, 319, 255],
    [300, 240, 330, 270],
    [10, 10, 100, 100],
    [12, 12, 98, 98],
    [40, 40, 40, 90],
    [0, 120, 320, 140],
]
BATCHES = {  # boxes and classes of two images
    "a": (BOXES_XYXY, [[1, 2, 3, 0, 4, 2, 1], [0, 0, 3, 4]]),
    "b": ([MORE_BOXES_XYXY, []], [[i % NUM_CLASSES for i in range(9)], []]),
}

FOCAL = [
    FocalParams(),
    FocalParams(alpha=0.25, beta=4.0, gamma=2.0, sigmoid_clamp=1e-4, ignore_high_fp=0.85),
    FocalParams(alpha=0.25, beta=4.0, gamma=2.0, sigmoid_clamp=1e-2, ignore_high_fp=-1.0),
]


def targets(folder: Path) -> Arrays:
    """Return positive cells, distances and heat, with an agnostic channel and one per class."""
    params = TargetParams.from_config(base_config())
    shapes_hw = [tuple(-(-side // s) for side in SIZE_HW) for s in params.strides_px]
    grids = compute_grids(shapes_hw, params.strides_px, torch.device("cpu"))
    arrays = {"grids/all": to_array(torch.cat(grids))}
    for name, num_channels in (("agn", 1), ("cls", NUM_CLASSES)):
        for batch, (boxes, classes) in BATCHES.items():
            truth = [_instances(b, c) for b, c in zip(boxes, classes, strict=True)]
            inds, labels = positive_cells(truth, torch.tensor(shapes_hw), params)
            ltrb, heat = dense_targets(grids, truth, num_channels, params)
            arrays |= {
                f"{name}_{batch}/pos_inds": inds.numpy(),
                f"{name}_{batch}/labels": labels.numpy(),
                f"{name}_{batch}/reg": to_array(ltrb.clamp(min=-1e6)),  # without object: any
                f"{name}_{batch}/hm": to_array(heat),
            }
    return arrays


def losses(folder: Path) -> Arrays:
    """Return heat losses with their gradients, and box losses."""
    return _binary_heat_losses() | _class_heat_losses() | _box_losses()


def _binary_heat_losses() -> Arrays:
    cells = torch.tensor([3, 3, 77, 120, 499])
    heat = _heat("hm/t", (500, 1))
    heat = heat.masked_fill(heat < 0.05, 0)
    heat[cells] = 1
    arrays = {}
    for i, params in enumerate(FOCAL):
        logits = tensor("hm/logits", (500,), 2.0, -2.0).requires_grad_()
        pos, neg = heatmap_focal_loss(logits[:, None], heat, cells, torch.zeros_like(cells), params)
        (gradient,) = torch.autograd.grad(pos + neg, logits)
        arrays[f"binary/{i}"] = np.array([v.item() for v in (pos, neg, gradient.norm())])
        arrays[f"binary/{i}.grad"] = to_array(gradient)
    return arrays


def _class_heat_losses() -> Arrays:
    cells, labels = torch.tensor([3, 3, 77, 120, 499]), torch.tensor([0, 1, 2, 3, 0])
    heat = _heat("hm/mt", (500, 4))
    heat[cells, labels] = 1
    logits = tensor("hm/mlogits", (500, 4), 2.0, -2.0)
    return {
        f"multi/{i}": np.array(
            [v.item() for v in heatmap_focal_loss(logits, heat, cells, labels, params)]
        )
        for i, params in enumerate(FOCAL[:2])
    }


def _box_losses() -> Arrays:
    pred, target = (tensor(f"iou/{name}", (40, 4)).abs() * 4 + 0.1 for name in "pt")
    pred[:3] = 0
    weights = tensor("iou/w", (40,)).abs()
    arrays = {}
    for kind, box_loss in BOX_LOSSES.items():
        loss = box_loss(pred, target)
        arrays[f"iou/{kind}"] = to_array(loss)
        arrays[f"iou/{kind}_w"] = np.array([float((loss * weights).sum())])
    return arrays


def _heat(name: str, shape: tuple[int, ...]) -> Tensor:
    return torch.exp(-tensor(name, shape, 2.0).abs() * 3)


def _instances(boxes_xyxy: list[list[float]], classes: list[int]) -> Instances:
    return Instances(
        SIZE_HW,
        gt_boxes=Boxes(torch.tensor(boxes_xyxy, dtype=torch.float32).reshape(-1, 4)),
        gt_classes=torch.tensor(classes, dtype=torch.int64),
    )
