from dataclasses import replace

import numpy as np
import pytest

from detic.detections import Detections
from detic.errors import InputError
from detic.rendering import DrawStyle, class_color, draw, vocabulary_colors
from detic.vocabulary import ClassEntry, Vocabulary

GREY = np.full((120, 160, 3), 90, np.uint8)
NOTHING_BUT = {"masks": False, "boxes": False, "labels": False}


def detections(names=("cat", "dog"), boxes=((20, 40, 70, 100), (90, 50, 140, 110))):
    masks = np.zeros((len(names), 120, 160), dtype=bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1 + 4 : y2 - 4, x1 + 4 : x2 - 4] = True
    return Detections(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.linspace(0.9, 0.5, len(names), dtype=np.float32),
        labels=np.arange(len(names)),
        names=np.array(names, dtype=str),
        image_size_hw=(120, 160),
        masks=masks,
    )


def changed(style, found=None):
    return (draw(GREY, found or detections(), style) != GREY).any(axis=2)


def test_the_image_itself_stays():
    image = GREY.copy()
    assert draw(image, detections()) is not image
    np.testing.assert_array_equal(image, GREY)


def test_nothing_found_draws_nothing():
    none = detections()[[]]
    np.testing.assert_array_equal(draw(GREY, none), GREY)


def test_masks_are_drawn_where_they_are():
    drawn = changed(DrawStyle(**NOTHING_BUT | {"masks": True}))
    inside = detections().masks.any(axis=0)
    assert drawn[inside].all()
    assert drawn.sum() < 1.3 * inside.sum()  # outlines


def test_boxes_are_drawn_in_the_color_of_their_class():
    drawn = draw(GREY, detections(), DrawStyle(**NOTHING_BUT | {"boxes": True}))
    assert drawn[70, 20].tolist() == list(class_color("cat")[::-1])
    assert drawn[70, 139].tolist() == list(class_color("dog")[::-1])
    assert (drawn[60:80, 30:60] == 90).all()


def test_labels_are_drawn_above_their_boxes():
    drawn = draw(GREY, detections(), DrawStyle(**NOTHING_BUT | {"labels": True}))
    assert drawn[39, 21].tolist() == list(class_color("cat")[::-1])
    assert (drawn[60:] == 90).all()


def test_parents_are_drawn_like_longer_names():
    style = DrawStyle(**NOTHING_BUT | {"labels": True})
    kinds = replace(detections(), parents=np.array(["pet", ""]))
    colors = {"pet (cat)": class_color("cat")}
    whole = detections(("pet (cat)", "dog"))
    expected = draw(GREY, whole, replace(style, class_colors=colors))
    np.testing.assert_array_equal(draw(GREY, kinds, style), expected)


def test_ids_of_tracks_stand_before_names():
    style = DrawStyle(**NOTHING_BUT | {"labels": True})
    tracked = replace(detections(), track_ids=np.array([3, -1]))
    colors = {"#3 cat": class_color("cat")}
    expected = draw(GREY, detections(("#3 cat", "dog")), replace(style, class_colors=colors))
    np.testing.assert_array_equal(draw(GREY, tracked, style), expected)


def test_labels_without_scores_are_shorter():
    style = DrawStyle(**NOTHING_BUT | {"labels": True})
    assert changed(replace(style, scores=False)).sum() < changed(style).sum()


def test_label_wider_than_the_image_is_shortened():
    style = DrawStyle(**NOTHING_BUT | {"labels": True})
    drawn = changed(style, detections(("w" * 300, "dog")))
    assert drawn[:40].sum(axis=1).max() > 120  # it takes up most of the width, 160 pixels


def test_detections_without_masks_are_drawn():
    assert changed(DrawStyle(), replace(detections(), masks=None)).any()


@pytest.mark.parametrize("names", [("猫", "crème brûlée"), ("कुत्ता", "🙂"), ("", "x" * 200)])
def test_any_name_can_be_drawn(names):
    assert changed(DrawStyle(), detections(names)).any()


def test_upscale_enlarges_image_and_places():
    style = DrawStyle(**NOTHING_BUT | {"boxes": True}, upscale=3)
    drawn = draw(GREY, detections(), style)
    assert drawn.shape == (360, 480, 3)
    assert drawn[210, 60].tolist() == list(class_color("cat")[::-1])


def test_a_crowd_is_drawn_with_smaller_text():
    crowd = detections([f"class {i}" for i in range(100)], [(20, 40, 70, 100)] * 100)
    labels = changed(DrawStyle(**NOTHING_BUT | {"labels": True}), crowd)
    assert labels.mean() > 0.2


def test_boxes_beyond_the_border_are_drawn_as_far_as_they_go():
    found = replace(detections(), boxes_xyxy=np.array([[-5, -5, 30, 30], [150, 100, 200, 200]]))
    assert changed(DrawStyle(), found).any()


def test_image_of_another_size_is_refused():
    with pytest.raises(InputError, match="image of 120 x 160 cannot be drawn onto one of 60 x 80"):
        draw(GREY[:60, :80], detections())


def test_vocabulary_chooses_colors():
    entries = (ClassEntry("cat", color=(1, 2, 3)), ClassEntry("dog"))
    colors = vocabulary_colors(Vocabulary(entries))
    assert colors == {"cat": (1, 2, 3)}
    drawn = draw(
        GREY, detections(), DrawStyle(**NOTHING_BUT | {"boxes": True}, class_colors=colors)
    )
    assert drawn[70, 20].tolist() == [3, 2, 1]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"palette": "vivd"}, "unknown palette 'vivd'; choose vivid, pastel or colorblind"),
        ({"mask_opacity": 1.5}, "the opacity of masks is 1.5; choose a number from 0 to 1"),
        ({"mask_opacity": float("nan")}, "the opacity of masks is nan"),
        ({"line_px": 0}, "lines are 1 to 100 pixels wide, not 0"),
        ({"upscale": 0}, "enlarged 1 to 16 times, not 0 times"),
        ({"font_file": "none.ttf"}, "cannot read the font"),
    ],
)
def test_wrong_styles_are_refused(field, message):
    with pytest.raises(InputError, match=message):
        DrawStyle(**field)


def test_names_of_lvis_are_drawn_plain():
    style = DrawStyle(**NOTHING_BUT | {"labels": True})
    colors = dict.fromkeys(("crab_(animal)", "crab", "dog"), (9, 9, 9))
    style = replace(style, class_colors=colors)
    drawn = draw(GREY, detections(("crab_(animal)", "dog")), style)
    np.testing.assert_array_equal(drawn, draw(GREY, detections(("crab", "dog")), style))
    whole = draw(GREY, detections(("crab_(animal)", "dog")), replace(style, plain_names=False))
    assert (whole != drawn).any()


def test_lines_have_the_width_that_is_asked_for():
    found = replace(detections(), masks=None)
    style = DrawStyle(**NOTHING_BUT | {"boxes": True})
    widths = [changed(replace(style, line_px=px), found)[70, :45].sum() for px in (1, 7)]
    assert widths[0] == 1
    assert widths[1] == pytest.approx(7, abs=2)  # OpenCV rounds their ends


def test_frames_share_the_colors_of_a_style_that_is_handed_on():
    first = DrawStyle().with_colors_of(["class 2"])
    second = first.with_colors_of([f"class {i}" for i in range(8)])
    assert second.color("class 2") == first.color("class 2")
    assert second.with_colors_of(["class 3", "class 7"]) is second


def test_classes_of_a_small_vocabulary_keep_their_colors_in_all_images():
    entries = [ClassEntry(f"class {i}") for i in range(8)]
    entries[0] = replace(entries[0], color=(1, 2, 3))
    small = DrawStyle().for_vocabulary(Vocabulary(tuple(entries)))
    assert len(set(small.class_colors.values())) == 8
    assert small.color("class 0") == (1, 2, 3)
    large = [*entries, *(ClassEntry(f"other {i}") for i in range(50))]
    assert DrawStyle().for_vocabulary(Vocabulary(tuple(large))).class_colors == {
        "class 0": (1, 2, 3)
    }
