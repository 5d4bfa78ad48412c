"""Running a model over a dataset and reporting how good the results are."""

from detectron2.evaluation.coco_evaluation import COCOEvaluator
from detectron2.evaluation.evaluator import (
    DatasetEvaluator,
    DatasetEvaluators,
    inference_context,
    inference_on_dataset,
)
from detectron2.evaluation.lvis_evaluation import LVISEvaluator
from detectron2.evaluation.testing import print_csv_format, verify_results
