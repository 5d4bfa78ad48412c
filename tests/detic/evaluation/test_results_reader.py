"""Files of detections from elsewhere."""

import pytest

from detic.errors import InputError
from detic.evaluation.results_reader import read_results


def test_a_missing_file_is_no_matter_of_datasets(tmp_path):
    with pytest.raises(InputError, match=r"no file of detections at .*gone\.json; check the path"):
        read_results(tmp_path / "gone.json")
