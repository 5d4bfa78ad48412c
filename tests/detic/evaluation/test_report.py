"""The page of an evaluation: its images, its plot and which classes it shows."""

import math

import cv2
import numpy as np
import pytest

from detic.evaluation.cutouts import cutouts_of_classes, draw_rectangles
from detic.evaluation.plot import MIN_LABEL_DISTANCE, class_plot, group_order
from detic.evaluation.report import best_and_worst, write_report
from detic.evaluation.scores import Evaluation, TaskScore, class_table
from tests.detic.evaluation.conftest import annotation, detection


def classes_of(names, frequencies=None, num_gt=None):
    categories = [{"id": i, "name": name} for i, name in enumerate(names, 1)]
    for category, letter in zip(categories, frequencies or (), strict=False):
        category |= {"frequency": letter, "image_count": 10 * category["id"]}
    return class_table(categories, num_gt or dict.fromkeys(range(1, len(names) + 1), 1))


def evaluation_of(classes, class_ap):
    score = TaskScore({"AP": 1.0}, {"AP": np.array(class_ap, dtype=float)})
    return Evaluation(classes, {"bbox": score}, 1, lambda category_id: [])


def test_best_and_worst_share_no_class_and_leave_out_what_is_not_annotated():
    names = "abcde"
    best, worst = best_and_worst(evaluation_of(classes_of(names), [10, math.nan, 30, 20, 40]))
    assert best == [4, 2]
    assert worst == [0, 3]


def test_of_equal_classes_the_more_annotated_comes_first():
    classes = classes_of("abcd", num_gt={1: 1, 2: 9, 3: 1, 4: 9})
    best, worst = best_and_worst(evaluation_of(classes, [0, 0, 50, 50]))
    assert (best, worst) == ([3, 2], [1, 0])


def test_plot_has_a_point_for_each_annotated_class_and_a_mean_for_each_group():
    classes = classes_of(["a", "b", "c & d"], "rrf")
    plot = class_plot(classes, np.array([20.0, math.nan, 60.0]), "AP")
    rare, frequent = plot.groups
    assert [title for _, _, title in rare.points + frequent.points] == ["a: 20.0", "c & d: 60.0"]
    assert (rare.label, frequent.label) == ("rare 20.0", "frequent 60.0")
    assert plot.axis_title == "training images with the class"


def test_labels_of_plots_cover_no_other():
    plot = class_plot(classes_of("abc", "rcf"), np.array([50.0, 50.1, 50.2]), "AP")
    ys = [group.label_y for group in plot.groups]
    assert np.diff(ys).max() <= -MIN_LABEL_DISTANCE


def test_plot_of_nothing_is_none():
    assert class_plot(classes_of("a"), np.array([math.nan]), "AP") is None


def test_groups_are_ordered_by_frequency():
    assert group_order(classes_of("abc", "fcr")) == ["rare", "common", "frequent"]


@pytest.fixture
def image_file(tmp_path):
    path = str(tmp_path / "1.png")
    cv2.imwrite(path, np.full((120, 160, 3), 90, dtype=np.uint8))
    return path


def test_images_show_what_an_object_was_taken_for(image_file, results_of):
    objects = [annotation(1, 1, 1, (20, 20, 30, 30))]
    rows = [
        detection(1, 2, (21, 20, 30, 30), 0.9),  # another class on the object, more certain
        detection(1, 1, (20, 21, 30, 30), 0.4),
        detection(1, 1, (90, 90, 20, 20), 0.8),  # elsewhere
    ]
    drawn = []

    def draw(image, annotated, detected, texts):
        drawn.append((image.shape, annotated.round(), texts))
        return image

    names, files = {1: "cat", 2: "dog"}, {1: image_file}
    images = cutouts_of_classes([1], lambda _: objects, results_of(rows), names, files, draw)
    assert images[1][0].caption == "dog 0.90; cat 0.40"
    shape, annotated, texts = drawn[0]
    assert shape == (200, 200, 3)  # 64 x 64 pixels around (35, 35), enlarged 3.125 times
    np.testing.assert_allclose(annotated, [[53, 53, 147, 147]], atol=1)
    assert texts == ["dog 0.90", "cat 0.40"]
    assert cv2.imdecode(np.frombuffer(images[1][0].jpeg, np.uint8), 1).shape == shape


def test_cut_out_stays_inside_the_image(image_file, results_of):
    objects = [annotation(1, 1, 1, (130, 0, 30, 120))]
    shapes = []

    def draw(image, annotated, detected, texts):
        shapes.append(image.shape)
        return image

    files = {1: image_file}
    images = cutouts_of_classes([1], lambda _: objects, results_of([]), {}, files, draw)
    assert shapes == [(150, 200, 3)]  # the whole 120 x 160 pixels
    assert images[1][0].caption == "not detected"


@pytest.mark.parametrize("size_hw", [(1, 5000), (5000, 1)])
def test_a_cutout_of_a_very_long_object_has_no_empty_side(tmp_path, results_of, size_hw):
    height, width = size_hw
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((*size_hw, 3), np.uint8))
    objects = [annotation(1, 1, 1, (0, 0, width, height))]
    files = {1: str(tmp_path / "a.png")}
    cutouts = cutouts_of_classes([1], lambda _: objects, results_of([]), {}, files, draw_rectangles)
    assert len(cutouts[1]) == 1


def test_unreadable_image_is_left_out_with_a_warning(tmp_path, results_of, caplog):
    objects = [annotation(1, 1, 1, (20, 20, 30, 30))]
    files = {1: str(tmp_path / "gone.jpg")}
    images = cutouts_of_classes([1], lambda _: objects, results_of([]), {}, files, draw=None)
    assert images == {}
    assert "the report lacks 1 images that cannot be read" in caplog.text
    assert "gone.jpg" in caplog.text


def test_report_is_one_page_without_outside_references(tmp_path, results_of):
    evaluation = evaluation_of(classes_of(["<b>", "dog"], "rf"), [10, 20])
    path = tmp_path / "report.html"
    write_report(evaluation, results_of([]), path, dataset_name="a & b", image_files=lambda: {})
    page = path.read_text()
    assert "<h1>a &amp; b</h1>" in page
    assert "&lt;b&gt;" in page
    assert page.count("<circle") == 2
    assert "<title>&lt;b&gt;: 10.0</title>" in page
    assert "rare 10.0</text>" in page
    assert "prefers-color-scheme: dark" in page
    assert not any(reference in page for reference in ("http", "<script", "<link", "url("))
