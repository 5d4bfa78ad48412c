"""LVIS's average precision of boxes and masks.

Source: Gupta et al., LVIS, arXiv 1908.03195.
"""

import json
import logging
from collections.abc import Sequence

from detectron2.evaluation._average_precision import (
    ALL_AREAS,
    average_precisions,
    percent,
    rows_for,
    undefined,
)
from detectron2.evaluation.coco_evaluation import COCOEvaluator
from detectron2.utils.file_io import PathManager
from detectron2.utils.logger import create_small_table
from pycocotools import mask as mask_util

logger = logging.getLogger(__name__)

_FREQUENCIES = ("r", "c", "f")  # of a class among images: rare, common, frequent


class LVISEvaluator(COCOEvaluator):
    """Evaluates instances by LVIS's rules: `{"bbox": {"AP": 41.5, ...}, "segm": ...}` in percent.

    The metrics of a task are AP, AP50, AP75, APs, APm, APl and, of rare, common and frequent
    classes, APr, APc, APf; NaN without ground truth or predictions.
    """

    def __init__(
        self,
        dataset_name: str,
        tasks: Sequence[str] | None = None,
        distributed: bool = True,
        output_dir: str | None = None,
        *,
        max_dets_per_image: int | None = None,
    ):
        """
        Args:
            dataset_name: a registered dataset, with an annotation file in LVIS's format as
                `json_file` of its metadata.
            max_dets_per_image: detections of an image that count, over all classes; 300 by default.
            tasks, distributed, output_dir: see `COCOEvaluator`.
        """
        super().__init__(dataset_name, tasks, distributed, output_dir)
        self._max_dets = max_dets_per_image or 300

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Return the metrics, {} except in the main process."""
        return super().evaluate()

    def _rows_of_dataset(self, predictions: list[dict]) -> list[dict]:
        """Return all detections, with the category ids of the annotation file."""
        rows = super()._rows_of_dataset(predictions)
        if self._metadata.get("thing_dataset_id_to_contiguous_id") is not None:
            return rows
        return [row | {"category_id": row["category_id"] + 1} for row in rows]

    def _score(
        self, rows: list[dict], task: str, img_ids: Sequence[int] | None
    ) -> dict[str, float]:
        from hotcoco import COCO, LVISEval, LVISResults

        path = PathManager.get_local_path(self._metadata.json_file)
        with open(path, encoding="utf-8") as file:
            categories = sorted(json.load(file)["categories"], key=lambda row: row["id"])
        # LVIS passes over detections without area: they are no false positives.
        rows = [row for row in rows_for(rows, task) if _area(row) > 0]
        precision = undefined(len(categories))
        if rows:
            ground_truth = COCO(path)
            detections = LVISResults(ground_truth, rows, self._max_dets)
            evaluation = LVISEval(ground_truth, detections, task)
            evaluation.evaluate()
            evaluation.accumulate()
            precision = evaluation.eval["precision"][..., 0]
        results = average_precisions(precision)
        for frequency in _FREQUENCIES:
            of_frequency = [row.get("frequency") == frequency for row in categories]
            results[f"AP{frequency}"] = percent(precision[:, :, of_frequency, ALL_AREAS])
        logger.info("Results of %s:\n%s", task, create_small_table(results))
        return results


def _area(row: dict) -> float:
    """Return the area of a detection's box, of its mask without a box."""
    if "bbox" in row:
        return row["bbox"][2] * row["bbox"][3]
    return float(mask_util.area(row["segmentation"]))
