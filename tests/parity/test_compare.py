"""What the comparison accepts and what it notices."""

import numpy as np
import pytest

from tests.parity.compare import differences
from tests.parity.detections import pairwise_iou

LOSSES = {"box.losses/a": np.array(2.0), "box.losses/b": np.array(0.0)}
GRADIENTS = {
    "box.grads/names": np.array(["frozen", "large", "small", "unused"]),
    "box.grads/norms": np.array([-2.0, 100.0, 0.1, -1.0]),
}
BOXES = np.array([[0, 0, 50, 50], [60, 0, 99, 80], [5, 5, 5, 5]], np.float32)
FOUND = {
    "eval.dets/0.boxes": BOXES,
    "eval.dets/0.scores": np.array([0.9, 0.5, 0.4], np.float32),
    "eval.dets/0.classes": np.array([7, 1, 1]),
    "eval.dets/0.size": np.array([80, 100]),
    "eval.dets/0.maskarea": np.array([2000, 1000, 0], np.float32),
    "eval.dets/0.maskgrid": np.zeros((3, 2, 2), np.float16),
}


def changed(arrays, key, index, value):
    array = arrays[key].copy()
    array[index] = value
    return arrays | {key: array}


def test_equal_numbers_agree():
    for item, arrays in (("box.losses", LOSSES), ("box.grads", GRADIENTS), ("eval.dets", FOUND)):
        assert differences(item, arrays, arrays) == []


def test_losses_may_be_off_by_a_thousandth_and_zeros_by_nothing_that_counts():
    near = {"box.losses/a": np.array(2.0019), "box.losses/b": np.array(9e-7)}
    far = {"box.losses/a": np.array(2.003), "box.losses/b": np.array(2e-6)}
    assert differences("box.losses", LOSSES, near) == []
    assert len(differences("box.losses", LOSSES, far)) == 2


def test_missing_and_further_losses_are_noticed():
    assert differences("box.losses", LOSSES, {}) == ["not produced: box.losses/a, box.losses/b"]
    more = LOSSES | {"box.losses/c": np.array(1.0)}
    assert differences("box.losses", LOSSES, more) == ["not recorded: box.losses/c"]


@pytest.mark.parametrize(
    ("recorded", "produced"),
    [
        (np.array([1, 2]), np.array([1, 3])),
        (np.array([1.0, np.inf]), np.array([1.0, 2.0])),
        (np.zeros((2, 1)), np.zeros((1, 2))),
        (np.array(["p3 4x4"]), np.array(["p3 4x5"])),
    ],
)
def test_integers_names_shapes_and_infinities_are_exact(recorded, produced):
    assert len(differences("x", {"x/a": recorded}, {"x/a": produced})) == 1


@pytest.mark.parametrize(
    ("index", "norm", "agrees"),
    [
        (1, 100.9, True),
        (1, 102.0, False),
        (2, 0.1019, True),  # 1 % of 0.1 and of the floor, 0.1
        (2, 0.1021, False),
        (3, 0.0, True),  # a zero gradient trains like none
        (0, 0.0, False),  # but not like a frozen parameter
    ],
)
def test_gradients_are_relative_but_not_to_nothing(index, norm, agrees):
    produced = changed(GRADIENTS, "box.grads/norms", index, norm)
    assert (differences("box.grads", GRADIENTS, produced) == []) == agrees


def test_order_of_detections_does_not_count():
    reversed_ = {key: array[::-1] if "size" not in key else array for key, array in FOUND.items()}
    assert differences("eval.dets", FOUND, reversed_) == []


@pytest.mark.parametrize(
    ("field", "index", "value"),
    [
        ("boxes", (0, 2), 55),  # IoU 0.91
        ("boxes", (2, 2), 6),  # a box without area elsewhere
        ("scores", 0, 0.903),
        ("classes", 0, 8),
        ("size", 0, 81),
        ("maskarea", 0, 2100),
        ("maskgrid", (1, 0, 0), 0.1),
    ],
)
def test_other_detections_are_noticed(field, index, value):
    produced = changed(FOUND, f"eval.dets/0.{field}", index, value)
    assert len(differences("eval.dets", FOUND, produced)) == 1


def test_one_box_of_fifty_may_be_another():
    boxes = np.array([[10 * i, 0, 10 * i + 9, 9] for i in range(50)], np.float32)
    arrays = {"p.proposals/0.boxes": boxes, "p.proposals/0.scores": np.linspace(1, 0, 50)}
    one = changed(arrays, "p.proposals/0.boxes", 7, 0)
    assert differences("p.proposals", arrays, one) == []
    two = changed(one, "p.proposals/0.boxes", 8, 0)
    assert differences("p.proposals", arrays, two) == ["p.proposals/0: 48 of 50 boxes matched"]


def test_iou_by_hand():
    a, b = np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6]])
    np.testing.assert_allclose(pairwise_iou(a, b), [[1 / 3, 0]])
