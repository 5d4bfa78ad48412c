import math

import pytest

from detic.review.uncertainty import entropy, most_uncertain, uncertainty


class Images(list):
    """Images of a job that is none."""

    job = None


def image(image_id, *found):
    """An image with objects (label, score)."""
    return {
        "image_id": image_id,
        "detections": [{"label": label, "score": score} for label, score in found],
    }


def chosen(images, count):
    return [image["image_id"] for image in most_uncertain(Images(images), count)]


def test_entropy_is_highest_at_one_half_and_the_same_on_both_sides():
    assert entropy(0.5) == 1
    assert entropy(0.9) == pytest.approx(entropy(0.1)) == pytest.approx(0.468996, abs=1e-6)
    assert entropy(0.0) == entropy(1.0) == 0


def test_scores_near_one_half_come_first_and_empty_images_last():
    images = [image(1), image(2, (0, 0.95)), image(3, (0, 0.5)), image(4, (0, 0.2))]
    assert chosen(images, 3) == [3, 4, 2]
    assert chosen(images, 9) == [3, 4, 2, 1]


def test_rare_classes_come_before_common_ones():
    common = [image(number, (0, 0.5)) for number in range(1, 10)]
    rare = image(10, (1, 0.8))  # 0.72 bits, and there is no other; the common ones have 1 / sqrt(9)
    assert chosen([*common, rare], 2) == [10, 1]


def test_crowds_of_one_class_count_once_and_several_classes_each():
    counts = {0: 4, 1: 4}
    crowd = image(1, (0, 0.5), (0, 0.5), (0, 0.9))
    assert uncertainty(crowd, counts) == 0.5
    assert uncertainty(image(2, (0, 0.5), (1, 0.5)), counts) == 1.0
    assert math.isclose(uncertainty(image(3, (0, 0.9)), counts), entropy(0.9) / 2)


def test_equal_images_keep_the_order_of_the_plan():
    images = [image(number, (0, 0.5)) for number in (3, 1, 2)]
    assert chosen(images, 3) == chosen(images[::-1], 3) == [1, 2, 3]
