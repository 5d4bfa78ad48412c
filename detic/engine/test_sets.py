"""Looking at test sets before hours are spent on what they are to score."""

from detectron2.utils import comm

from detic.errors import InputError
from detic.evaluation.build import ScoreOptions, choose_protocol
from detic.evaluation.evaluation_set import check_annotations, registered_set
from detic.loading.build import check_test_images
from detic.plan.evaluation import EvaluationPlan


def check_test_sets(plan: EvaluationPlan) -> None:
    """Check that the test sets can be scored and that their images are there.

    The main process looks, and all of them end alike.

    Raises:
        InputError: an annotation file is missing or malformed or cannot be scored so, or more images
            are missing than ``DATALOADER.MAX_BAD_FRACTION`` allows.
    """
    problem = None
    if comm.is_main_process():
        try:
            for test_set in plan.sets:
                _check(plan, test_set.name)
        except InputError as error:
            problem = str(error)
    problem = comm.all_gather(problem)[0]
    if problem is not None:
        raise InputError(problem)


def _check(plan: EvaluationPlan, name: str) -> None:
    evaluation_set = registered_set(name, "lvis" if plan.force_lvis else None)
    choose_protocol(evaluation_set, ScoreOptions(plan.tasks, plan.fixed_ap))
    check_annotations(evaluation_set)
    check_test_images(plan.data, name)
