"""Which detections are right, on boxes that can be compared by hand."""

from detic.calibration.evidence import AnnotatedBoxes, Evidence, FoundBoxes, verdicts

HERE, THERE, NOWHERE = [0, 0, 10, 10], [50, 50, 10, 10], [90, 90, 5, 5]
NEAR = [0, 0, 10, 9]  # IoU with HERE 0.9
LESS = [0, 0, 10, 4.9]  # 0.49
CAT, DOG, GULL = range(3)  # the gull has no boxes


def judged(found, objects, exhaustive=(CAT, DOG), crowd=False):
    """The verdicts on (box, class) of falling score, given objects (box, class)."""
    boxes, classes = zip(*found, strict=True) if found else ((), ())
    truth, of_truth = zip(*objects, strict=True) if objects else ((), ())
    return verdicts(
        FoundBoxes(boxes, classes, [0.9 - 0.1 * n for n in range(len(boxes))]),
        AnnotatedBoxes(truth, of_truth, [crowd] * len(truth), exhaustive),
    )


def test_an_object_is_found_once():
    assert judged([(NEAR, CAT), (HERE, CAT)], [(HERE, CAT)]) == [True, False]


def test_half_an_overlap_is_needed():
    assert judged([(LESS, CAT)], [(HERE, CAT)]) == [False]


def test_a_detection_where_nothing_is_is_wrong_if_its_class_was_searched_for():
    assert judged([(NOWHERE, CAT), (NOWHERE, GULL)], [(HERE, CAT)]) == [False, None]


def test_boxes_of_other_classes_judge_a_class_without_boxes():
    assert judged([(HERE, GULL), (THERE, GULL)], [(HERE, CAT)]) == [False, None]


def test_a_class_that_is_annotated_in_part_can_be_right_and_its_repetitions_tell_nothing():
    found = [(NEAR, CAT), (HERE, CAT), (THERE, CAT)]
    assert judged(found, [(HERE, CAT)], exhaustive=()) == [True, None, None]


def test_a_detection_in_a_crowd_of_its_class_tells_nothing():
    assert judged([(HERE, CAT), (HERE, DOG)], [(HERE, CAT)], crowd=True) == [None, False]


def test_images_without_objects_or_detections():
    assert judged([], [(HERE, CAT)]) == []
    assert judged([(HERE, CAT), (HERE, GULL)], []) == [False, None]


def test_evidence_counts_objects_that_are_no_crowd():
    evidence = Evidence(3)
    objects = AnnotatedBoxes([HERE, THERE], [CAT, CAT], [False, True], {CAT})
    evidence.add_boxes(FoundBoxes([HERE, HERE], [CAT, GULL], [0.8, 0.3]), objects)
    cat, dog, gull = evidence.classes
    assert (cat.num_objects, cat.scores, cat.is_right) == (1, [0.8], [True])
    assert (dog.num_objects, dog.scores) == (0, [])
    assert (gull.num_objects, gull.scores, gull.is_right) == (0, [0.3], [False])
