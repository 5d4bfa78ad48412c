"""Comparison of proposals and detections, whose order and number rounding may change.

Shape legend: N recorded boxes, M produced boxes.
"""

import numpy as np

from tests.parity.arrays import Arrays

MIN_MATCHED = 0.98  # share of the boxes that must have a partner
MIN_IOU = 0.98  # of partners
MAX_CORNER_SHIFT_PX = 0.05  # of partners with too little area for an IoU
MAX_SCORE_DIFFERENCE = 2e-3  # of partners, relative to the highest score
MAX_ERROR = 3e-3  # relative to the highest score and the largest coordinate
# A mask is off if its area (of at least MIN_AREA_PX) or the share of a part is.
MAX_AREA_ERROR, MIN_AREA_PX, MAX_PART_ERROR = 0.03, 200.0, 0.08


def compare_boxes(recorded: Arrays, produced: Arrays) -> list[str]:
    """Return what is wrong with the boxes of an item, keys ``<item>/<image>.<field>``."""
    images = sorted({key.rsplit(".", 1)[0] for key in recorded})
    lines = []
    for image in images:
        wrong = _compare_image(_fields(image, recorded), _fields(image, produced))
        lines += [f"{image}: {line}" for line in wrong]
    return lines


def match(recorded: Arrays, produced: Arrays) -> list[tuple[int, int]]:
    """Return pairs of indices of the same box: class, score and place agree.

    The highest recorded score chooses first, among free partners the one that overlaps most.
    """
    may_pair = _same_place(recorded["boxes"], produced["boxes"])
    scores = recorded["scores"], produced["scores"]
    limit = MAX_SCORE_DIFFERENCE * max(np.abs(scores[0]).max(initial=0), 1e-6) + 1e-6
    may_pair[np.abs(scores[0][:, None] - scores[1]) > limit] = 0
    if "classes" in recorded:
        may_pair[recorded["classes"][:, None] != produced["classes"]] = 0
    pairs = []
    for i in np.argsort(-scores[0], kind="stable"):
        if len(may_pair[i]) == 0:
            break
        j = int(may_pair[i].argmax())
        if may_pair[i, j] > MIN_IOU:
            pairs.append((int(i), j))
            may_pair[:, j] = 0  # taken
    return pairs


def pairwise_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the IoU (N, M) of boxes (N, 4) and (M, 4)."""
    top_left = np.maximum(a[:, None, :2], b[:, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[:, 2:])
    intersection = np.clip(bottom_right - top_left, 0, None).prod(axis=2)
    area_a, area_b = (np.clip(x[:, 2:] - x[:, :2], 0, None).prod(axis=1) for x in (a, b))
    return intersection / np.maximum(area_a[:, None] + area_b - intersection, 1e-9)


def _compare_image(recorded: Arrays, produced: Arrays) -> list[str]:
    if "size" in recorded and not np.array_equal(recorded["size"], produced["size"]):
        return [f"image size {produced['size']} instead of {recorded['size']}"]
    total = max(len(recorded["boxes"]), len(produced["boxes"]))
    if total == 0:
        return []
    pairs = match(recorded, produced)
    if len(pairs) < MIN_MATCHED * total:
        return [f"{len(pairs)} of {total} boxes matched"]
    old, new = np.array(pairs).T
    recorded = {name: a[old] for name, a in recorded.items() if name != "size"}
    produced = {name: a[new] for name, a in produced.items() if name != "size"}
    return _compare_values(recorded, produced) + _compare_masks(recorded, produced)


def _compare_values(recorded: Arrays, produced: Arrays) -> list[str]:
    """Compare scores and boxes of partners."""
    lines = []
    for name, least in (("scores", 1e-9), ("boxes", 1.0)):
        largest = max(np.abs(recorded[name]).max(), least)
        error = np.abs(recorded[name] - produced[name]).max() / largest
        if error >= MAX_ERROR:
            lines.append(f"{name} off by {error:.2%} of the largest")
    return lines


def _compare_masks(recorded: Arrays, produced: Arrays) -> list[str]:
    """Compare masks of partners by their areas and by the covered share of their parts."""
    if "maskarea" not in recorded:
        return []
    area = recorded["maskarea"]
    area_error = np.abs(area - produced["maskarea"]) / np.maximum(area, MIN_AREA_PX)
    parts = recorded["maskgrid"].astype(np.float32), produced["maskgrid"].astype(np.float32)
    part_error = np.abs(parts[0] - parts[1]).max(axis=(1, 2))
    off = ((area_error > MAX_AREA_ERROR) | (part_error > MAX_PART_ERROR)).mean()
    return [f"{off:.1%} of the masks are off"] if off > 1 - MIN_MATCHED else []


def _same_place(recorded: np.ndarray, produced: np.ndarray) -> np.ndarray:
    """Return how well boxes (N, 4) and (M, 4) agree, (N, M): their IoU, 1 if corners coincide."""
    shift = np.abs(recorded[:, None] - produced).max(axis=2, initial=0)
    iou = pairwise_iou(recorded.astype(np.float64), produced.astype(np.float64))
    return np.where(shift < MAX_CORNER_SHIFT_PX, 1.0, iou)


def _fields(image: str, arrays: Arrays) -> Arrays:
    """Return the arrays of one image by field."""
    return {
        key.rsplit(".", 1)[1]: array
        for key, array in arrays.items()
        if key.rsplit(".", 1)[0] == image
    }
