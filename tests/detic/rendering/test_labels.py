import numpy as np

from detic.rendering.labels import place_labels

CANVAS = (100, 200)  # height, width


def place(boxes, size_wh=(30, 10)):
    boxes = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    return place_labels(boxes, [size_wh] * len(boxes), CANVAS)


def test_label_stands_on_the_top_left_corner_of_its_box():
    assert place([[20, 40, 80, 90]]) == [(20, 30)]


def test_label_moves_inside_a_box_that_touches_the_top():
    assert place([[20, 0, 80, 90]]) == [(20, 0)]


def test_label_stays_inside_the_canvas_at_the_right():
    assert place([[190, 40, 200, 60]]) == [(170, 30)]


def test_second_label_of_a_box_takes_another_place():
    first, second = place([[20, 40, 80, 90], [20, 40, 80, 90]])
    assert first == (20, 30)
    assert second == (50, 30)  # aligned with the right side


def test_small_boxes_choose_first():
    large, small = place([[20, 40, 180, 95], [20, 40, 50, 60]])
    assert small == (20, 30)
    assert large != small


def test_labels_of_a_crowd_never_overlap_nor_leave_the_canvas():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, (180, 90), (200, 2))
    boxes = np.hstack([corners, corners + rng.uniform(3, 20, (200, 2))])
    taken = np.zeros(CANVAS, dtype=int)
    places = [p for p in place(boxes, size_wh=(20, 8)) if p is not None]
    for x, y in places:
        assert 0 <= x <= 180
        assert 0 <= y <= 92
        taken[y : y + 8, x : x + 20] += 1
    assert taken.max() == 1
    assert taken.mean() > 0.5  # where there is room, it is used


def test_label_larger_than_the_canvas_is_left_out():
    assert place([[20, 40, 80, 90]], size_wh=(300, 10)) == [None]


def test_no_boxes_have_no_labels():
    assert place([]) == []
