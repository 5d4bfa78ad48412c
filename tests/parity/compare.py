"""Whether produced numbers are the recorded ones, item by item.

Integers and names must be equal. Floating-point numbers may differ by a share of the largest recorded
one: between machines, sums are rounded in another order.
"""

import numpy as np

from tests.parity.arrays import Arrays
from tests.parity.detections import compare_boxes
from tests.parity.recorded import item_of

TOLERANCE = {"features": 2e-3, "losses": 1e-3, "grads": 1e-2}
OTHER_TOLERANCE = 1e-3
# Below this, a difference is rounding whatever the size of the numbers.
NEGLIGIBLE = 1e-6
# Gradients far below the largest norm of the model are compared relative to this share of it.
SMALL_GRADIENT = 1e-3


def differences(item: str, recorded: Arrays, produced: Arrays) -> list[str]:
    """Return what is wrong with the arrays of an item, one line each; none: they agree."""
    recorded = {key: array for key, array in recorded.items() if item_of(key) == item}
    produced = {key: array for key, array in produced.items() if item_of(key) == item}
    if missing := recorded.keys() - produced.keys():
        return [f"not produced: {', '.join(sorted(missing))}"]
    if unknown := produced.keys() - recorded.keys():
        return [f"not recorded: {', '.join(sorted(unknown))}"]
    kind = item.rsplit(".", 1)[-1]
    if kind in ("dets", "proposals"):
        return compare_boxes(recorded, produced)
    if kind == "grads":
        return _compare_gradients(item, recorded, produced)
    tolerance = TOLERANCE.get(kind, OTHER_TOLERANCE)
    lines = (_compare(key, recorded[key], produced[key], tolerance) for key in sorted(recorded))
    return [line for line in lines if line]


def _compare(key: str, recorded: np.ndarray, produced: np.ndarray, tolerance: float) -> str:
    """Return in what way two arrays differ, or nothing."""
    if recorded.dtype.kind == "U":
        return _compare_names(key, recorded, produced)
    if recorded.shape != produced.shape:
        return f"{key}: shape {produced.shape} instead of {recorded.shape}"
    if recorded.dtype.kind in "iub" and produced.dtype.kind in "iub":
        wrong = int((recorded != produced).sum())
        return f"{key}: {wrong} of {recorded.size} integers differ" if wrong else ""
    recorded, produced = recorded.astype(np.float64), produced.astype(np.float64)
    finite = np.isfinite(recorded)
    if not np.array_equal(finite, np.isfinite(produced)):
        return f"{key}: not finite in other places"
    difference = np.abs(recorded - produced)[finite].max(initial=0)
    share = difference / (np.abs(recorded)[finite].max(initial=0) + 1e-8)
    if share > tolerance and difference > NEGLIGIBLE:
        return f"{key}: off by {difference:.3g}, {share:.2%} of the largest"
    return ""


def _compare_names(key: str, recorded: np.ndarray, produced: np.ndarray) -> str:
    if np.array_equal(recorded, produced):
        return ""
    expected, found = set(np.atleast_1d(recorded)), set(np.atleast_1d(produced))
    missing, unknown = sorted(expected - found)[:3], sorted(found - expected)[:3]
    return f"{key}: missing {list(map(str, missing))}, not expected {list(map(str, unknown))}"


def _compare_gradients(item: str, recorded: Arrays, produced: Arrays) -> list[str]:
    """Compare gradient norms by parameter; frozen ones are negative."""
    expected = _norms(item, recorded)
    found = _norms(item, produced)
    if expected.keys() != found.keys():
        return [f"{item}: other parameters: {sorted(expected.keys() ^ found.keys())[:3]}"]
    floor = SMALL_GRADIENT * max(expected.values()) + 1e-12
    return [
        f"{item}: norm of {name} is {found[name]:.6g} instead of {norm:.6g}"
        for name, norm in expected.items()
        if abs(found[name] - norm) > TOLERANCE["grads"] * (abs(norm) + floor)
    ]


def _norms(item: str, arrays: Arrays) -> dict[str, float]:
    """Return norms by name; no gradient (-1) trains like a gradient of 0, frozen (-2) does not."""
    norms = arrays[f"{item}/norms"]
    norms = np.where(norms == -1, 0, norms)
    return dict(zip(arrays[f"{item}/names"].tolist(), norms.tolist(), strict=True))
