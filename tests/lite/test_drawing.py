import numpy as np
import pytest
from PIL import Image

from detic_lite import Detections, InputError, draw
from detic_lite.drawing import label_color

GREY = Image.new("RGB", (120, 80), (100, 100, 100))


def one_object(label=0, **changes):
    mask = np.zeros((1, 80, 120), dtype=bool)
    mask[0, 30:70, 40:80] = True
    columns = {
        "boxes_xyxy": np.array([[40, 30, 80, 70]], np.float32),
        "scores": np.array([0.75], np.float32),
        "labels": np.array([label]),
        "names": np.array(["cat"]),
        "image_size_hw": (80, 120),
        "masks": mask,
    }
    return Detections(**columns | changes)


def test_masks_are_translucent_in_a_box_under_a_label():
    drawn = np.asarray(draw(GREY, one_object()))
    red = label_color(0)
    assert drawn[30, 50].tolist() == list(red)  # the box
    assert drawn[50, 60].tolist() == [round(100 + 0.3 * (part - 100)) for part in red]
    assert (drawn[:30, 40:] == red).all(axis=2).sum() > 200  # the label, above the box
    assert (drawn[72:] == 100).all()
    assert np.asarray(GREY).max() == 100


def test_without_masks_boxes_are_empty():
    drawn = np.asarray(draw(GREY, one_object(masks=None)))
    assert (drawn[35:65, 45:75] == 100).all()


def test_classes_have_colours_of_their_own():
    colors = [label_color(label) for label in range(12)]
    apart = [
        abs(np.subtract(one, other)).max() for i, one in enumerate(colors) for other in colors[:i]
    ]
    assert min(apart) >= 40
    blue = np.asarray(draw(GREY, one_object(class_colors={"cat": (0, 0, 255)})))
    assert blue[30, 50].tolist() == [0, 0, 255]


def test_objects_at_borders_and_empty_masks_are_drawn():
    boxes = np.array([[0, 0, 120, 80], [119.6, 79.7, 120, 80], [0, 0, 5, 5]], np.float32)
    rows = {"scores": np.ones(3), "labels": np.arange(3), "names": np.array(["cat" * 20] * 3)}
    found = one_object(boxes_xyxy=boxes, masks=np.zeros((3, 80, 120), bool), **rows)
    assert draw(GREY, found).size == (120, 80)


def test_other_images_and_fonts_are_refused(tmp_path):
    with pytest.raises(InputError, match="of 120 x 80 pixels cannot be drawn onto one of 8 x 9"):
        draw(Image.new("RGB", (8, 9)), one_object())
    (tmp_path / "a.ttf").write_text("no font")
    with pytest.raises(InputError, match="cannot read the font"):
        draw(GREY, one_object(), tmp_path / "a.ttf")
