"""COCO's average precision of boxes and masks.

Source: Lin et al., Microsoft COCO, arXiv 1405.0312.
"""

import contextlib
import copy
import io
import json
import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.data.datasets import convert_to_coco_json
from detectron2.evaluation._average_precision import (
    ALL_AREAS,
    average_precisions,
    percent,
    rows_for,
    undefined,
)
from detectron2.evaluation.evaluator import DatasetEvaluator
from detectron2.structures import BoxMode, Instances
from detectron2.utils import comm
from detectron2.utils.file_io import PathManager
from detectron2.utils.logger import create_small_table
from pycocotools import mask as mask_util
from tabulate import tabulate

logger = logging.getLogger(__name__)

_COLUMNS = 6  # of the table of classes: three pairs


class COCOEvaluator(DatasetEvaluator):
    """Evaluates instances by COCO's rules: `{"bbox": {"AP": 41.5, ...}, "segm": ...}` in percent.

    The metrics of a task are AP, AP50, AP75, APs, APm, APl and, of two classes or more,
    `AP-<class>`; NaN without ground truth or predictions.
    """

    def __init__(
        self,
        dataset_name: str,
        tasks: Sequence[str] | None = None,
        distributed: bool = True,
        output_dir: str | None = None,
        *,
        max_dets_per_image: int | None = None,
        use_fast_impl: bool = True,
        kpt_oks_sigmas: Sequence[float] = (),
        allow_cached_coco: bool = True,
    ):
        """
        Args:
            dataset_name: a registered dataset. Its metadata has `json_file`, a COCO annotation
                file; otherwise one is written to `output_dir`.
            tasks: of "bbox" and "segm"; None for those that the predictions allow.
            distributed: collect the predictions of all processes and evaluate in the main one;
                otherwise every process evaluates what it has seen.
            output_dir: where predictions are written, as `instances_predictions.pth` and
                `coco_instances_results.json`; None writes nothing.
            max_dets_per_image: detections of an image and class that count, 100 by default.
            use_fast_impl: without effect, there is one implementation.
            kpt_oks_sigmas: must be empty, there are no keypoints.
            allow_cached_coco: use an annotation file that an earlier run has written.
        """
        tasks = None if isinstance(tasks, CfgNode) else tasks  # as earlier versions asked for
        unknown = [task for task in tasks or () if task not in ("bbox", "segm")]
        if unknown or kpt_oks_sigmas:
            raise ValueError(f"cannot evaluate {unknown or 'keypoints'}; choose from bbox and segm")
        self._tasks = tasks
        self._distributed = distributed
        self._output_dir = output_dir
        self._max_dets = max_dets_per_image or 100
        self._metadata = MetadataCatalog.get(dataset_name)
        if self._metadata.get("json_file") is None:
            if output_dir is None:
                raise ValueError(
                    f"dataset {dataset_name!r} has no json_file; COCOEvaluator needs an output_dir "
                    "to write one"
                )
            path = os.path.join(output_dir, f"{dataset_name}_coco_format.json")
            convert_to_coco_json(dataset_name, path, allow_cached=allow_cached_coco)
            self._metadata.json_file = path
        self.reset()

    def reset(self) -> None:
        self._predictions: list[dict[str, Any]] = []

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        """Take in a batch: inputs with `image_id`, outputs with `instances`."""
        for image, output in zip(inputs, outputs, strict=True):
            instances = output["instances"].to(torch.device("cpu"))
            rows = instances_to_coco_json(instances, image["image_id"])
            self._predictions.append({"image_id": image["image_id"], "instances": rows})

    def evaluate(self, img_ids: Sequence[int] | None = None) -> dict[str, dict[str, float]]:
        """Return the metrics, {} except in the main process.

        Args:
            img_ids: images to evaluate; None for those of the annotation file.
        """
        predictions = self._collect()
        if not predictions:
            if comm.is_main_process():
                logger.warning("no predictions have been made, so there is nothing to evaluate")
            return {}
        rows = self._rows_of_dataset(predictions)
        if self._output_dir is not None:
            self._save(predictions, rows)
        with PathManager.open(self._metadata.json_file) as file:
            if "annotations" not in json.load(file):
                logger.info("the dataset has no annotations: predictions are only written")
                return {}
        with_masks = any("segmentation" in row for row in rows)
        tasks = self._tasks or (("bbox", "segm") if with_masks else ("bbox",))
        results = {task: self._score(rows, task, img_ids) for task in sorted(tasks)}
        return copy.deepcopy(results)

    def _collect(self) -> list[dict[str, Any]]:
        """Return the predictions of all processes in the main one, [] in the others."""
        if not self._distributed:
            return self._predictions
        comm.synchronize()
        gathered = comm.gather(self._predictions, dst=0)
        return [prediction for of_process in gathered for prediction in of_process]

    def _rows_of_dataset(self, predictions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return all detections, with the category ids of the annotation file."""
        contiguous_ids = self._metadata.get("thing_dataset_id_to_contiguous_id")
        rows = [row for prediction in predictions for row in prediction["instances"]]
        if contiguous_ids is None:
            return rows
        ids = {contiguous: category_id for category_id, contiguous in contiguous_ids.items()}
        unknown = {row["category_id"] for row in rows} - ids.keys()
        if unknown:
            raise ValueError(
                f"class {min(unknown)} was predicted, but the dataset has {len(ids)} classes"
            )
        return [row | {"category_id": ids[row["category_id"]]} for row in rows]

    def _save(self, predictions: list[dict], rows: list[dict]) -> None:
        PathManager.mkdirs(self._output_dir)
        torch.save(predictions, os.path.join(self._output_dir, "instances_predictions.pth"))
        path = os.path.join(self._output_dir, "coco_instances_results.json")
        with PathManager.open(path, "w") as file:
            json.dump(rows, file)

    def _score(
        self, rows: list[dict], task: str, img_ids: Sequence[int] | None
    ) -> dict[str, float]:
        from hotcoco import COCO, COCOeval

        names = self._metadata.get("thing_classes")
        if not rows:
            return _summary(undefined(len(names or "x")), names, task)
        with contextlib.redirect_stdout(io.StringIO()):
            ground_truth = COCO(PathManager.get_local_path(self._metadata.json_file))
            detections = ground_truth.load_res(rows_for(rows, task))
            evaluation = COCOeval(ground_truth, detections, task)
            evaluation.params.max_dets = [1, 10, self._max_dets]
            if img_ids is not None:
                evaluation.params.img_ids = list(img_ids)
            evaluation.evaluate()
            evaluation.accumulate()
        return _summary(evaluation.eval["precision"][..., -1], names, task)


def _summary(precision: np.ndarray, names: Sequence[str] | None, task: str) -> dict[str, float]:
    """Return the metrics of a precision array (T, R, C, A), and log them."""
    results = average_precisions(precision)
    logger.info("Results of %s:\n%s", task, create_small_table(results))
    if names is None or len(names) < 2:
        return results
    classes = {
        f"AP-{name}": percent(precision[:, :, index, ALL_AREAS]) for index, name in enumerate(names)
    }
    cells = [cell for item in classes.items() for cell in item]
    lines = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    table = tabulate(lines, headers=["class", "AP"] * (_COLUMNS // 2), floatfmt=".3f")
    logger.info("Results of %s by class:\n%s", task, table)
    return results | classes


def instances_to_coco_json(instances: Instances, img_id: int) -> list[dict[str, Any]]:
    """Return detections as rows of COCO's results format.

    Args:
        instances: on the CPU, with `pred_boxes`, `scores`, `pred_classes` and optionally
            `pred_masks` (N, H, W); boxes become XYWH, masks run-length encodings.
        img_id: of the image.
    """
    if len(instances) == 0:
        return []
    boxes_xyxy = instances.pred_boxes.tensor
    boxes_xywh = BoxMode.convert(boxes_xyxy, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS).tolist()
    columns = zip(
        instances.pred_classes.tolist(), boxes_xywh, instances.scores.tolist(), strict=True
    )
    rows = [
        {"image_id": img_id, "category_id": category_id, "bbox": box_xywh, "score": score}
        for category_id, box_xywh, score in columns
    ]
    if instances.has("pred_masks"):
        for row, mask in zip(rows, instances.pred_masks, strict=True):
            run_lengths = mask_util.encode(np.asarray(mask, dtype=np.uint8, order="F"))
            row["segmentation"] = run_lengths | {"counts": run_lengths["counts"].decode("ascii")}
    return rows
