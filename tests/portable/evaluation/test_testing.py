"""Reports of results."""

import logging

from detectron2.evaluation import print_csv_format

RESULTS = {"bbox": {"AP": 41.5, "AP50": 60.25, "AP-person": 50.0}}


def test_csv_leaves_out_single_classes(caplog):
    with caplog.at_level(logging.INFO):
        print_csv_format(RESULTS)
    assert [record.message for record in caplog.records] == [
        "copypaste: Task: bbox",
        "copypaste: AP,AP50",
        "copypaste: 41.5000,60.2500",
    ]
