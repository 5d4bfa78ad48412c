"""Reports of results."""

import logging
import math

import pytest
from detectron2.config import get_cfg
from detectron2.evaluation import flatten_results_dict, print_csv_format, verify_results

RESULTS = {"bbox": {"AP": 41.5, "AP50": 60.25, "AP-person": 50.0}}


def test_csv_leaves_out_single_classes(caplog):
    with caplog.at_level(logging.INFO):
        print_csv_format(RESULTS)
    assert [record.message for record in caplog.records] == [
        "copypaste: Task: bbox",
        "copypaste: AP,AP50",
        "copypaste: 41.5000,60.2500",
    ]


def test_expected_results():
    cfg = get_cfg()
    assert verify_results(cfg, RESULTS)
    cfg.TEST.EXPECTED_RESULTS = [["bbox", "AP", 41.0, 0.6]]
    assert verify_results(cfg, RESULTS)


@pytest.mark.parametrize("results", [RESULTS, {}, {"bbox": {"AP": math.nan}}])
def test_unexpected_results_end_the_program(results, caplog):
    cfg = get_cfg()
    cfg.TEST.EXPECTED_RESULTS = [["bbox", "AP", 41.0, 0.4]]
    with pytest.raises(SystemExit):
        verify_results(cfg, results)
    assert "bbox/AP: expected 41.0 +- 0.4" in caplog.text


def test_flatten():
    assert flatten_results_dict({"a": {"b": {"c": 1}, "d": 2}, "e": 3}) == {
        "a/b/c": 1,
        "a/d": 2,
        "e": 3,
    }
