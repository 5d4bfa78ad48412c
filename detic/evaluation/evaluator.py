"""The evaluator of all protocols: it writes detections down as they come, then scores them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from detectron2.evaluation import DatasetEvaluator
from detectron2.structures import Instances

from detic.detections import from_instances
from detic.errors import InputError
from detic.evaluation.background import Background
from detic.evaluation.prediction_log import PredictionLog
from detic.evaluation.results_file import ResultsFile
from detic.evaluation.scores import Evaluation
from detic.evaluation.summary import (
    log_results,
    write_class_array,
    write_per_class,
    write_results,
)
from detic.result_rows import ImageId, ResultRows, result_rows
from detic.transfer import Fetched

WriteReport = Callable[[Evaluation, ResultsFile, Path], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Protocol:
    """A way to score detections."""

    results_name: str  # the file with all detections, in COCO's result format
    score: Callable[[ResultsFile], Evaluation]
    class_array_name: str = ""  # the file with the precision of each class, "" for none


def write_outputs(
    evaluation: Evaluation,
    results: ResultsFile,
    folder: Path,
    *,
    dataset_name: str,
    class_array_name: str = "",
    write_report: WriteReport | None = None,
) -> None:
    """Write results.json and per_class.csv and, if asked for, the class array and the report."""
    folder.mkdir(parents=True, exist_ok=True)
    write_results(evaluation, dataset_name, folder)
    write_per_class(evaluation, folder)
    if class_array_name:
        write_class_array(evaluation, folder / class_array_name)
    if write_report:
        write_report(evaluation, results, folder / "report.html")


class DetectionEvaluator(DatasetEvaluator):
    """Evaluator of the detections of a model on a dataset.

    Detections go to disk as they come. In a job of several processes each writes a file of its own
    and the main process scores them all; they must share the output folder.

    Args:
        dataset_name: the name under which results are reported.
        protocol: how detections are scored.
        log: where they are written down.
        category_ids: the category id of each class index of the model; None: its detections
            do not count.
        with_masks: whether the model's masks are kept.
        output_dir: where results are written.
        write_report: writes the report, None for no report.
    """

    def __init__(
        self,
        *,
        dataset_name: str,
        protocol: Protocol,
        log: PredictionLog,
        category_ids: Sequence[int | None],
        with_masks: bool,
        output_dir: Path,
        write_report: WriteReport | None = None,
    ):
        self._dataset_name = dataset_name
        self._protocol = protocol
        self._log = log
        self._category_ids = category_ids
        self._with_masks = with_masks
        self._output_dir = output_dir
        self._write_report = write_report
        self._background = Background()

    def finished_image_ids(self) -> set[ImageId]:
        """Return the images that an interrupted pass finished; the next pass may skip them.

        To be asked in every process before the pass begins.
        """
        return self._log.finished_image_ids()

    def reset(self) -> None:
        """Begin a pass. The first pass keeps the detections of the run it resumes, if any."""
        self._log.start()

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        """Write down the detections of a batch, those of a GPU while it looks at the next one.

        What is wrong with the detections of a GPU is raised with the next batch.

        Args:
            inputs: with ``image_id``.
            outputs: with ``instances``, in the frame of the original image.
        """
        for image, output in zip(inputs, outputs, strict=True):
            instances = output["instances"]
            if not self._with_masks and instances.has("pred_masks"):
                fields = instances.get_fields()
                kept = {name: fields[name] for name in fields if name != "pred_masks"}
                instances = Instances(instances.image_size, **kept)
            job = partial(self._append, image["image_id"], Fetched(instances))
            if instances.scores.device.type == "cpu":
                job()  # the model needs the cores
            else:
                self._background.run(job)

    def _append(self, image_id: ImageId, detections: Fetched) -> None:
        self._log.append(
            instance_rows(
                *(image_id, detections.get(), self._category_ids), with_masks=self._with_masks
            )
        )

    def evaluate(self) -> dict[str, dict[str, float]] | None:
        """Return metrics by task in the main process, None in the others."""
        self._background.finish()
        results = self._log.finish(self._output_dir / self._protocol.results_name)
        if results is None:
            return None
        if len(results) == 0:
            logger.warning("the model detected nothing in any image of %s", self._dataset_name)
        evaluation = self._protocol.score(results)
        write_outputs(
            evaluation,
            results,
            self._output_dir,
            dataset_name=self._dataset_name,
            class_array_name=self._protocol.class_array_name,
            write_report=self._write_report,
        )
        log_results(evaluation, self._dataset_name)
        return evaluation.results()


def instance_rows(
    image_id: ImageId,
    instances: Instances,
    category_ids: Sequence[int | None],
    *,
    with_masks: bool,
) -> ResultRows:
    """Return what a model found in an image as rows of a results file.

    Args:
        image_id: the image's id in the annotation file.
        instances: ``pred_boxes`` (N boxes, XYXY pixels), ``scores`` (N,), ``pred_classes`` (N,)
            class indices and, with masks, ``pred_masks`` (N, H, W) bool; on any device.
        category_ids: the category id of each class index; None: its detections are left out.
        with_masks: whether to keep the masks.

    Raises:
        InputError: the model has other classes or no masks.
    """
    _check_classes(instances.pred_classes.tolist(), len(category_ids))
    if with_masks and not instances.has("pred_masks"):
        raise InputError(
            "the model gives no masks, so task segm cannot be evaluated; leave it out or set "
            "MODEL.MASK_ON True"
        )
    detections = from_instances(instances, class_names=np.array(list(map(str, category_ids))))
    if not with_masks:
        detections = replace(detections, masks=None)
    return result_rows(image_id, detections, category_ids)


def _check_classes(classes: list[int], num_classes: int) -> None:
    if classes and max(classes) >= num_classes:
        raise InputError(
            f"the model found class number {max(classes)}, but the dataset has the classes 0 to "
            f"{num_classes - 1}; test with the classifier of the dataset (MODEL.RESET_CLS_TESTS, "
            "MODEL.TEST_CLASSIFIERS and MODEL.TEST_NUM_CLASSES)"
        )
