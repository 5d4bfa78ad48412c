"""The numbers recorded from the released implementation, against ours."""

import pytest
import torch

from tests.parity.compare import differences
from tests.parity.recorded import item_of, read_cases
from tests.parity.runs import run_case
from tests.parity.units import UNITS

CASES = read_cases()


@pytest.fixture(autouse=True)
def one_thread():
    """Threads gain little on small images, and wait for each other where other programs run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", CASES)
def test_numbers_equal_the_recorded_ones(name, tmp_path):
    case = CASES[name]
    produced = run_case(case, tmp_path) if case.is_model else UNITS[name](tmp_path)
    recorded = case.numbers()
    lines = [line for item in case.items for line in differences(item, recorded, produced)]
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize("name", CASES)
def test_the_manifest_lists_what_is_recorded(name):
    assert {item_of(key) for key in CASES[name].numbers()} == set(CASES[name].items)
