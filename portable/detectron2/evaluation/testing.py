"""Results as lines for a spreadsheet, and their comparison with expected values."""

import logging
import math
import sys
from collections.abc import Mapping
from typing import Any

from detectron2.config import CfgNode

logger = logging.getLogger(__name__)


def print_csv_format(results: Mapping[str, Any]) -> None:
    """Logs each task as a line of metric names and a line of values to copy.

    Metrics of single classes, whose names have a hyphen as in "AP-person", are left out.

    Args:
        results: {task: {metric: value}}.
    """
    for task, metrics in results.items():
        if not isinstance(metrics, Mapping):
            logger.info("copypaste: %s=%s", task, metrics)
            continue
        main = {name: value for name, value in metrics.items() if "-" not in name}
        logger.info("copypaste: Task: %s", task)
        logger.info("copypaste: %s", ",".join(main))
        logger.info("copypaste: %s", ",".join(f"{value:.4f}" for value in main.values()))


def verify_results(cfg: CfgNode, results: Mapping[str, Mapping[str, float]]) -> bool:
    """Returns True if `results` are as TEST.EXPECTED_RESULTS says; otherwise ends the program.

    Each expectation is [task, metric, expected value, tolerance].

    Raises:
        SystemExit: a metric is missing, not finite or farther off than its tolerance; all are
            logged before.
    """
    failures = []
    for task, metric, expected, tolerance in cfg.TEST.EXPECTED_RESULTS:
        actual = results.get(task, {}).get(metric, math.nan)
        if not (math.isfinite(actual) and abs(actual - expected) <= tolerance):
            failures.append(f"{task}/{metric}: expected {expected} +- {tolerance}, got {actual}")
    if failures:
        logger.error("Result verification failed:\n%s", "\n".join(failures))
        sys.exit(1)
    if cfg.TEST.EXPECTED_RESULTS:
        logger.info("Results verification passed.")
    return True


def flatten_results_dict(results: Mapping[str, Any]) -> dict[str, Any]:
    """Returns nested metrics in one dict, their names joined by slashes.

    >>> flatten_results_dict({"bbox": {"AP": 41.5}})
    {'bbox/AP': 41.5}
    """
    flat: dict[str, Any] = {}
    for name, value in results.items():
        if isinstance(value, Mapping):
            inner = flatten_results_dict(value)
            flat.update({f"{name}/{key}": inner_value for key, inner_value in inner.items()})
        else:
            flat[name] = value
    return flat
