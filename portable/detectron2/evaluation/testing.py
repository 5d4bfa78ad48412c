"""Results as lines for a spreadsheet."""

import logging
from collections.abc import Mapping

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
