"""Results as lines for a spreadsheet, and compared with expected ones."""

import logging
import math
import pprint
import sys
from collections.abc import Mapping

from detectron2.config import CfgNode

logger = logging.getLogger(__name__)


def print_csv_format(results: Mapping[str, Mapping[str, float]]) -> None:
    """Log each task of {task: {metric: value}} as a line of metric names and a line of values to copy.

    Metrics of single classes, whose names have a hyphen as in "AP-person", are left out.
    """
    for task, metrics in results.items():
        main = {name: value for name, value in metrics.items() if "-" not in name}
        logger.info("copypaste: Task: %s", task)
        logger.info("copypaste: %s", ",".join(main))
        logger.info("copypaste: %s", ",".join(f"{value:.4f}" for value in main.values()))


def verify_results(cfg: CfgNode, results: Mapping[str, Mapping[str, float]]) -> bool:
    """Compare results with TEST.EXPECTED_RESULTS; end the program with status 1 if they differ.

    Each expectation is [task, metric, value, tolerance].
    """
    wrong = []
    for task, metric, value, tolerance in cfg.TEST.EXPECTED_RESULTS:
        actual = results.get(task, {}).get(metric)
        if actual is None or not math.isfinite(actual) or abs(actual - value) > tolerance:
            wrong.append(f"{task}/{metric} is {actual}, expected {value} within {tolerance}")
    if wrong:
        logger.error("Results differ from those expected:\n%s", "\n".join(wrong))
        logger.error("All results:\n%s", pprint.pformat(results))
        sys.exit(1)
    if cfg.TEST.EXPECTED_RESULTS:
        logger.info("All results are as expected.")
    return True


def flatten_results_dict(results: Mapping) -> dict[str, float]:
    """Return nested results with one level: {"bbox": {"AP": 41.5}} becomes {"bbox/AP": 41.5}."""
    flat = {}
    for key, value in results.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}/{k}": v for k, v in flatten_results_dict(value).items()}
        else:
            flat[key] = value
    return flat
