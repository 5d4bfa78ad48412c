"""Looking at the annotations of test sets before hours are spent on what they are to score."""

from detectron2.utils import comm

from detic.evaluation.build import ScoreOptions, choose_protocol
from detic.evaluation.evaluation_set import check_annotations, registered_set
from detic.loading.image_reader import ImageReader
from detic.loading.training_data import load_dataset
from detic.plan.evaluation import EvaluationPlan


def check_test_sets(plan: EvaluationPlan) -> None:
    """Check that the test sets can be loaded and scored; their images are not opened.

    Only the main process reads them.

    Raises:
        InputError: an annotation file is missing or malformed, or cannot be scored so.
    """
    if not comm.is_main_process():
        return
    reader = ImageReader(plan.data.image_format)
    for test_set in plan.sets:
        evaluation_set = registered_set(test_set.name, "lvis" if plan.force_lvis else None)
        choose_protocol(evaluation_set, ScoreOptions(plan.tasks, plan.fixed_ap))
        check_annotations(evaluation_set)
        for record in load_dataset(test_set.name):
            reader.check_place(record)
