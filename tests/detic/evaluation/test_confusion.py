"""What objects were taken for, on boxes that can be compared by hand."""

import numpy as np

from detic.evaluation.confusion import (
    MIN_SCORE,
    NOTHING,
    Confusions,
    ShownBoxes,
    count_confusions,
    match,
)
from detic.evaluation.scores import Evaluation, TaskScore, class_table
from tests.detic.evaluation.conftest import annotation, detection

HERE, THERE = [0, 0, 10, 10], [50, 50, 10, 10]
NEAR = [0, 0, 10, 9]  # IoU with HERE 0.9
HALF = [0, 0, 10, 5]  # 0.5
LESS = [0, 0, 10, 4.9]  # 0.49
CAT, DOG, CUP = range(3)


def seen(objects, detections):
    """The pairs of (annotated, detected) of lists of (box, class) and of (box, class, score)."""
    boxes, classes = zip(*objects, strict=True) if objects else ((), ())
    found = zip(*detections, strict=True) if detections else ((), (), ())
    return match(ShownBoxes(boxes, classes), ShownBoxes(*found))


def test_an_object_is_what_its_detection_says():
    assert seen([(HERE, CAT)], [(NEAR, DOG, 0.9)]) == [(CAT, DOG)]
    assert seen([(HERE, CAT)], [(NEAR, CAT, 0.9)]) == [(CAT, CAT)]


def test_an_overlap_of_a_half_is_enough_and_less_is_a_miss_and_a_false_alarm():
    assert seen([(HERE, CAT)], [(HALF, CAT, 0.9)]) == [(CAT, CAT)]
    assert seen([(HERE, CAT)], [(LESS, CAT, 0.9)]) == [(CAT, NOTHING), (NOTHING, CAT)]


def test_the_detection_that_scores_higher_decides():
    both = [(NEAR, CAT, 0.5), (NEAR, DOG, 0.8)]
    assert seen([(HERE, CAT)], both) == [(CAT, DOG)]  # the other one is no false alarm


def test_each_object_has_a_detection_of_its_own():
    objects = [(HERE, CAT), (NEAR, CAT)]
    assert seen(objects, [(HERE, CAT, 0.9)]) == [(CAT, CAT), (CAT, NOTHING)]
    assert seen(objects, [(HERE, CAT, 0.9), (HERE, DOG, 0.8)]) == [(CAT, CAT), (CAT, DOG)]


def test_of_two_objects_a_detection_takes_that_of_its_class():
    objects = [(HERE, CAT), (NEAR, DOG)]
    assert seen(objects, [(HERE, DOG, 0.9)]) == [(CAT, NOTHING), (DOG, DOG)]


def test_images_without_objects_or_detections():
    assert seen([], []) == []
    assert seen([], [(HERE, CAT, 0.9)]) == [(NOTHING, CAT)]
    assert seen([(HERE, CAT)], []) == [(CAT, NOTHING)]


def test_counts_in_order_and_as_a_matrix():
    counts = {(CAT, CAT): 5, (CAT, DOG): 2, (DOG, CAT): 3, (CAT, CUP): 2, (DOG, NOTHING): 1}
    confusions = Confusions(counts | {(NOTHING, CUP): 4}, 3)
    assert confusions.pairs() == [(DOG, CAT, 3), (CAT, DOG, 2), (CAT, CUP, 2)]
    assert confusions.taken_for() == {DOG: [(CAT, 3)], CAT: [(DOG, 2), (CUP, 2)]}
    assert (confusions.missed(DOG), confusions.missed(CAT)) == (1, 0)
    assert confusions.matrix().tolist() == [[5, 2, 2, 0], [3, 0, 0, 1], [0, 0, 0, 0], [0, 0, 4, 0]]


def test_detections_of_a_test_set_count_by_image_and_from_a_score_on(results_of):
    categories = [{"id": 10, "name": "cat"}, {"id": 20, "name": "dog"}]
    annotations = {10: [annotation(1, 1, 10, HERE), annotation(2, 2, 10, HERE)], 20: []}
    evaluation = Evaluation(
        class_table(categories, {10: 2}),
        {"bbox": TaskScore({}, {"AP": np.array([1.0, np.nan])})},
        2,
        annotations.__getitem__,
    )
    rows = [
        detection(1, 20, HERE, MIN_SCORE),
        detection(2, 10, HERE, MIN_SCORE - 0.01),  # not looked at
        detection(2, 20, THERE, 0.9),
    ]
    confusions = count_confusions(evaluation, results_of(rows))
    assert confusions.counts == {(CAT, DOG): 1, (CAT, NOTHING): 1, (NOTHING, DOG): 1}
