"""Reports of results."""

import logging

import pytest
from detectron2.config import get_cfg
from detectron2.evaluation import print_csv_format, verify_results
from detectron2.evaluation.testing import flatten_results_dict

RESULTS = {"bbox": {"AP": 41.5, "AP50": 60.25, "AP-person": 50.0}}


def test_csv_leaves_out_single_classes(caplog):
    with caplog.at_level(logging.INFO):
        print_csv_format(RESULTS)
    assert [record.message for record in caplog.records] == [
        "copypaste: Task: bbox",
        "copypaste: AP,AP50",
        "copypaste: 41.5000,60.2500",
    ]


def test_results_are_compared_with_those_expected(caplog):
    cfg = get_cfg()
    results = {"bbox": {"AP": 41.5, "AP50": float("nan")}}
    cfg.TEST.EXPECTED_RESULTS = [["bbox", "AP", 41.0, 0.6]]
    assert verify_results(cfg, results)
    for expectation in (
        ["bbox", "AP", 41.0, 0.4],
        ["bbox", "AP50", 0.0, 99.0],
        ["segm", "AP", 1.0, 9],
    ):
        cfg.TEST.EXPECTED_RESULTS = [expectation]
        with pytest.raises(SystemExit) as end:
            verify_results(cfg, results)
        assert end.value.code == 1
    assert "bbox/AP is 41.5, expected 41.0 within 0.4" in caplog.text


def test_nested_results_become_flat():
    nested = {"bbox": {"AP": 1, "by class": {"cat": 2}}, "seconds": 3}
    flat = {"bbox/AP": 1, "bbox/by class/cat": 2, "seconds": 3}
    assert flatten_results_dict(nested) == flat
