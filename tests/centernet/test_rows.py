import doctest

import torch

from centernet import rows
from centernet.rows import rows_where
from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in

MASKS = [[False, True, True], [], [False], [True] * 5]
ROWS = [[1, 2], [], [], [0, 1, 2, 3, 4]]


def test_docstring_examples():
    assert doctest.testmod(rows).failed == 0


def test_rows_are_the_true_entries_in_order():
    assert [r.tolist() for r in rows_where([torch.tensor(m, dtype=bool) for m in MASKS])] == ROWS
    assert rows_where([]) == []


@needs_stand_in
def test_a_device_is_waited_for_once():
    with StandInDevice() as device:
        masks = [torch.tensor(m, dtype=torch.bool).to(DEVICE) for m in MASKS]
        found = rows_where(masks)
        assert device.waits.total() == 1
        assert [r.tolist() for r in found] == ROWS
