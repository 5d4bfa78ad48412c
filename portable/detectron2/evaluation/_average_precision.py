"""Mean precisions, and detections as the evaluations take them.

Precision arrays are (T IoU thresholds, R recalls, C classes, A areas), -1 where undefined.
"""

import numpy as np

ALL_AREAS, _SMALL, _MEDIUM, _LARGE = range(4)
_IOU_50, _IOU_75 = 0, 5


def undefined(num_classes: int) -> np.ndarray:
    """Return the precision array of no detections."""
    return np.full((10, 1, num_classes, 4), -1.0)


def average_precisions(precision: np.ndarray) -> dict[str, float]:
    """Return AP, AP50, AP75 and the AP by size of objects, in percent."""
    return {
        "AP": percent(precision[..., ALL_AREAS]),
        "AP50": percent(precision[_IOU_50, ..., ALL_AREAS]),
        "AP75": percent(precision[_IOU_75, ..., ALL_AREAS]),
        "APs": percent(precision[..., _SMALL]),
        "APm": percent(precision[..., _MEDIUM]),
        "APl": percent(precision[..., _LARGE]),
    }


def percent(precision: np.ndarray) -> float:
    """Return the mean of what is defined, which is -1 elsewhere."""
    defined = precision[precision > -1]
    return float(100 * defined.mean()) if defined.size else float("nan")


def rows_for(rows: list[dict], task: str) -> list[dict]:
    """Return detections for a task: without boxes, the sizes are those of the masks."""
    if task == "bbox":
        return rows
    return [{key: value for key, value in row.items() if key != "bbox"} for row in rows]
