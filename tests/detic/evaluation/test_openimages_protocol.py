"""Open Images: the worked values of its rules, by hand; all numbers are fractions."""

import itertools
import json

import numpy as np
import pytest

from detic.errors import InputError
from detic.evaluation.openimages_protocol import score_openimages
from tests.detic.evaluation.conftest import annotation, detection

approx = pytest.approx

HERE, THERE, ELSEWHERE = (0, 0, 10, 10), (50, 50, 10, 10), (80, 0, 10, 10)
CROWD = (0, 0, 40, 40)
CHILD, PARENT, OTHER = 1, 2, 3
TREE = {
    "LabelName": "/m/root",
    "Subcategory": [{"LabelName": "/m/2", "Subcategory": [{"LabelName": "/m/1"}]}],
}


@pytest.fixture
def score(write, results_of):
    """Score detections of image "a" against annotations (category id, box, is group)."""

    def score(annotations, rows, *, positive=(CHILD, PARENT), negative=(OTHER,), **options):
        labels = {"pos_category_ids": list(positive), "neg_category_ids": list(negative)}
        path = write(
            "oid.json",
            {
                "images": [{"id": "a", "height": 100, "width": 100, **labels}],
                "annotations": [
                    annotation(number, "a", category_id, box, iscrowd=int(is_group))
                    for number, (category_id, box, is_group) in enumerate(annotations, 1)
                ],
                "categories": [
                    {"id": number, "name": f"class {number}", "freebase_id": f"/m/{number}"}
                    for number in (CHILD, PARENT, OTHER)
                ],
            },
        )
        options = {"tasks": ["bbox"], "hierarchy_file": write("tree.json", TREE)} | options
        return score_openimages(path, results_of(rows), **options)

    return score


def metrics(evaluation):
    return evaluation.results()["bbox"]


def found(box, score, category_id=CHILD):
    return detection("a", category_id, box, score)


def test_duplicate_of_a_hit_is_false(score):
    rows = [found(HERE, 0.9), found(HERE, 0.8), found(THERE, 0.7)]
    evaluation = score([(CHILD, HERE, False), (CHILD, THERE, False)], rows)
    assert metrics(evaluation)["AP50"] == approx(5 / 6)


def test_hits_inside_a_group_count_as_one(score):
    rows = [found((0, 0, 10, 10), 0.9), found((20, 20, 10, 10), 0.8)]
    evaluation = score([(CHILD, CROWD, True), (CHILD, THERE, False)], rows)
    assert metrics(evaluation)["AP50"] == approx(0.5)


def test_expansion_finds_the_parent(score):
    evaluation = score([(CHILD, HERE, False), (PARENT, HERE, False)], [found(HERE, 0.9)])
    assert metrics(evaluation)["AP50"] == approx(0.5)
    assert metrics(evaluation)["AP50_expand"] == approx(1.0)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_order_of_detections_does_not_matter(score, order):
    rows = [found(HERE, 0.9), found(THERE, 0.8), found(ELSEWHERE, 0.1)]
    evaluation = score(
        [(CHILD, HERE, False), (CHILD, THERE, False)], [rows[index] for index in order]
    )
    assert metrics(evaluation)["AP50"] == approx(1.0)


def test_second_choice_is_not_looked_at(score):
    # Both detections overlap the first box most; the second box is within reach but not taken.
    boxes = [(CHILD, (0, 0, 10, 10), False), (CHILD, (0, 4, 10, 10), False)]
    rows = [found((0, 0, 10, 10), 0.9), found((0, 1, 10, 10), 0.8)]
    assert metrics(score(boxes, rows))["AP50"] == approx(0.5)


def test_overlap_of_one_half_is_enough(score):
    assert metrics(score([(CHILD, HERE, False)], [found((0, 0, 10, 5), 0.9)]))["AP50"] == approx(1)


def test_unmatched_group_costs_recall(score):
    evaluation = score([(CHILD, CROWD, True), (CHILD, THERE, False)], [found(THERE, 0.9)])
    assert metrics(evaluation)["AP50"] == approx(0.5)


def test_hit_of_an_ordinary_box_does_not_count_for_the_group(score):
    # The better detection takes the ordinary box inside the group, the other goes to the group.
    rows = [found(HERE, 0.9), found(HERE, 0.8)]
    evaluation = score([(CHILD, HERE, False), (CHILD, CROWD, True)], rows)
    assert metrics(evaluation)["AP50"] == approx(1.0)


def test_group_detection_with_score_zero_is_neither_true_nor_false(score):
    evaluation = score([(CHILD, CROWD, True)], [found(HERE, 0.0)])
    assert metrics(evaluation)["AP50"] == 0


@pytest.mark.parametrize("negative", [[OTHER], [OTHER, PARENT]])
def test_classes_without_annotations_are_left_out(score, negative):
    rows = [found(HERE, 0.5), found(HERE, 0.9, PARENT)]
    evaluation = score([(CHILD, HERE, False)], rows, positive=[CHILD], negative=negative)
    assert metrics(evaluation)["AP50"] == approx(1)
    assert np.isnan(evaluation.tasks["bbox"].class_ap["AP50"][1:]).all()


def test_detection_of_unverified_class_is_ignored(write, results_of):
    images = [
        {"id": name, "height": 100, "width": 100, "pos_category_ids": p, "neg_category_ids": n}
        for name, p, n in (("a", [1], []), ("b", [], []), ("c", [], [1]))
    ]
    content = {
        "images": images,
        "annotations": [annotation(1, "a", 1, HERE, iscrowd=0)],
        "categories": [{"id": 1, "name": "class 1"}],
    }
    path = write("oid.json", content)
    wrong = {"b": 1.0, "c": 0.5}  # unverified: ignored; verified absent: false
    for image_id, expected in wrong.items():
        rows = [detection(image_id, 1, HERE, 0.9), detection("a", 1, HERE, 0.5)]
        evaluation = score_openimages(path, results_of(rows), ["bbox"], hierarchy_file=None)
        assert metrics(evaluation)["AP50"] == approx(expected)


def test_300_detections_of_an_image_count_before_expansion(score):
    rows = [found(ELSEWHERE, 0.9, OTHER) for _ in range(300)]
    evaluation = score([(CHILD, HERE, False)], [*rows, found(HERE, 0.8)])
    assert metrics(evaluation)["AP50"] == 0


def test_without_hierarchy_there_is_no_expansion(score):
    evaluation = score([(CHILD, HERE, False)], [found(HERE, 0.9)], hierarchy_file=None)
    assert metrics(evaluation) == approx({"AP50": 1.0})


def test_masks_are_matched_by_their_overlap_and_not_expanded(score):
    # The box of the detection is right, its mask covers a quarter of the object.
    runs = {"size": [100, 100], "counts": [0] + [5, 95] * 4 + [5, 9595]}
    row = found(HERE, 0.9) | {"segmentation": runs}
    evaluation = score([(CHILD, HERE, False)], [row], tasks=["bbox", "segm"])
    assert metrics(evaluation) == approx({"AP50": 1.0, "AP50_segm": 0.0})


def test_group_masks_are_matched_by_the_area_of_the_detection(score):
    runs = {"size": [100, 100], "counts": [0] + [5, 95] * 4 + [5, 9595]}
    row = found(HERE, 0.9) | {"segmentation": runs}
    evaluation = score([(CHILD, CROWD, True)], [row], tasks=["bbox", "segm"])
    assert metrics(evaluation) == approx({"AP50": 1.0, "AP50_segm": 1.0})


def test_no_detections_score_zero(score):
    assert metrics(score([(CHILD, HERE, False)], [])) == {"AP50": 0.0, "AP50_expand": 0.0}


@pytest.mark.parametrize("rows", [[], [found(HERE, 0.9)]])
def test_a_set_without_any_annotation_has_no_precision(score, rows):
    evaluation = score([], rows)
    assert np.isnan(metrics(evaluation)["AP50"])
    assert np.isnan(metrics(evaluation)["AP50_expand"])


def test_table_is_in_percent_and_results_are_fractions(score):
    evaluation = score([(CHILD, HERE, False)], [found(HERE, 0.9)])
    assert evaluation.tasks["bbox"].percent["AP50"] == approx(100)
    assert evaluation.tasks["bbox"].main_class_ap[0] == approx(100)


def test_annotation_of_unverified_class_is_refused(score):
    with pytest.raises(InputError, match="category 1 is not in 'pos_category_ids' of image a"):
        score([(CHILD, HERE, False)], [], positive=(PARENT,))


def test_images_without_verified_labels_are_refused(write, results_of):
    path = write(
        "oid.json",
        {
            "images": [{"id": "a", "height": 9, "width": 9, "pos_category_ids": []}],
            "annotations": [],
            "categories": [{"id": 1, "name": "class 1"}],
        },
    )
    with pytest.raises(InputError, match="image a: has no 'neg_category_ids'"):
        score_openimages(path, results_of([]), ["bbox"], hierarchy_file=None)


@pytest.mark.parametrize("tree", [[], {"Subcategory": []}])
def test_malformed_hierarchy_is_refused(score, write, tree):
    path = write("bad_tree.json", tree)
    with pytest.raises(InputError, match=r"bad_tree\.json: a node is .* expected an object with"):
        score([(CHILD, HERE, False)], [], hierarchy_file=path)


def test_agrees_with_the_rules_taken_literally(score):
    rng = np.random.default_rng(0)
    for _ in range(20):
        objects = [
            (int(c), (*rng.integers(0, 60, 2), *rng.integers(10, 40, 2)), bool(g))
            for c, g in zip(rng.integers(1, 3, 8), rng.random(8) < 0.3, strict=True)
        ]
        objects = [(c, tuple(map(int, box)), g) for c, box, g in objects]
        rows = []
        for _ in range(30):
            box = np.array(objects[rng.integers(8)][1]) + rng.integers(-5, 6, 4)
            score_value = float(rng.random())
            rows.append(found(np.maximum(box, 1).tolist(), score_value, int(rng.integers(1, 3))))
        evaluation = score(json.loads(json.dumps(objects)), rows)
        for category_id in (CHILD, PARENT):
            own = [(box, g) for c, box, g in objects if c == category_id]
            own_rows = [row for row in rows if row["category_id"] == category_id]
            expected = literal_ap(own, own_rows) if own else np.nan
            actual = evaluation.tasks["bbox"].class_ap["AP50"][category_id - 1]
            np.testing.assert_allclose(actual, 100 * expected, rtol=1e-9)


def literal_ap(objects, rows):
    """Return AP50 of one class on one image, step by step."""
    ordinary = [box for box, is_group in objects if not is_group]
    groups = [box for box, is_group in objects if is_group]
    taken, group_scores, entries = set(), {}, []
    for row in sorted(rows, key=lambda r: -r["score"]):
        ious = [intersection(row["bbox"], b) / union(row["bbox"], b) for b in ordinary]
        best = int(np.argmax(ious)) if ious else -1
        if ious and ious[best] >= 0.5 and best not in taken:
            taken.add(best)
            entries.append((row["score"], True))
            continue
        ioas = [intersection(row["bbox"], b) / area(row["bbox"]) for b in groups]
        if ioas and max(ioas) >= 0.5:
            group = int(np.argmax(ioas))
            group_scores[group] = max(group_scores.get(group, 0), row["score"])
            continue
        entries.append((row["score"], False))
    entries += [(score, True) for score in group_scores.values()]
    entries.sort(key=lambda entry: -entry[0])
    truths = [is_true for _, is_true in entries]
    precisions = [sum(truths[: k + 1]) / (k + 1) for k in range(len(truths))]
    steps = [max(precisions[k:]) for k, is_true in enumerate(truths) if is_true]
    return sum(steps) / len(objects)


def area(box):
    return box[2] * box[3]


def intersection(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)


def union(a, b):
    return area(a) + area(b) - intersection(a, b)
