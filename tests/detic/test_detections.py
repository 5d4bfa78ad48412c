import json
import pickle
import sys
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hotcoco import mask as rle
from PIL import ImageShow

from detic.detections import Detections
from detic.errors import InputError
from detic.image_sources import image_source
from detic.rendering import DrawStyle, draw
from tests.tiny_detector import noise


@pytest.fixture
def three():
    return Detections(
        boxes_xyxy=np.arange(12, dtype=np.float32).reshape(3, 4),
        scores=np.array([0.9, 0.5, 0.2], dtype=np.float32),
        labels=np.array([1, 0, 1]),
        names=np.array(["dog", "cat", "dog"]),
        image_size_hw=(4, 6),
        masks=np.arange(72).reshape(3, 4, 6) % 2 == 0,
    )


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        (1, ["cat"]),
        (-1, ["dog"]),
        (slice(0, 2), ["dog", "cat"]),
        ("dog", ["dog", "dog"]),
        (["cat", "bird"], ["cat"]),
        ([True, False, True], ["dog", "dog"]),
        (np.array([False, True, True]), ["cat", "dog"]),
        ([2, 0], ["dog", "dog"]),
    ],
)
def test_indexing_selects_rows_of_every_column(three, rows, names):
    chosen = three[rows]
    assert len(chosen) == len(names)
    assert chosen.names.tolist() == names
    assert chosen.boxes_xyxy.shape == (len(names), 4)
    assert chosen.masks.shape == (len(names), 4, 6)
    assert chosen.image_size_hw == (4, 6)
    assert chosen.class_scores is None


def test_no_rows_keep_their_shapes(three):
    none = three[three.scores > 1]
    assert len(none) == 0
    assert none.boxes_xyxy.shape == (0, 4)
    assert none.masks.shape == (0, 4, 6)


def test_names_are_shown_with_their_parents(three):
    assert three.shown_names == ["dog", "cat", "dog"]
    assert three.parent(0) is None
    kinds = replace(three, parents=np.array(["pet", "", "pet"]))
    assert kinds.shown_names == ["pet (dog)", "cat", "pet (dog)"]
    assert kinds[1:].shown_names == ["cat", "pet (dog)"]
    assert [kinds.parent(row) for row in range(3)] == ["pet", None, "pet"]
    assert kinds[[]].shown_names == []


def test_supervision_gets_boxes_masks_scores_and_names(three, monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(Detections=dict))
    converted = three.to_supervision()
    assert converted["xyxy"] is three.boxes_xyxy
    assert converted["mask"] is three.masks
    assert converted["confidence"] is three.scores
    assert converted["class_id"] is three.labels
    assert converted["data"].keys() == {"class_name"}
    assert converted["data"]["class_name"].tolist() == ["dog", "cat", "dog"]
    kinds = replace(three, parents=np.array(["pet", "", "pet"])).to_supervision()
    assert kinds["data"]["parent"].tolist() == ["pet", "", "pet"]


def test_missing_supervision_is_named_with_its_remedy(three, monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(InputError, match="pip install supervision"):
        three.to_supervision()


@pytest.fixture
def seen():
    """Two stars and a boat in an image that is known."""
    boxes = np.array([[2, 3, 12, 13], [20, 5, 30.5, 25], [40, 10, 60, 30]], dtype=np.float32)
    masks = np.zeros((3, 40, 64), dtype=bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = True
    return Detections(
        boxes_xyxy=boxes,
        scores=np.array([0.9, 0.5, 0.25], dtype=np.float32),
        labels=np.array([1, 0, 1]),
        names=np.array(["star", "boat", "star"]),
        image_size_hw=(40, 64),
        masks=masks,
        image=image_source(noise(40, 64)),
    )


def test_a_line_says_what_was_found(seen):
    assert repr(seen) == "Detections(3 objects: 2 star, boat)"
    assert repr(seen[1]) == "Detections(1 object: boat)"
    assert repr(seen[[]]) == "Detections(0 objects)"
    assert seen.count() == {"star": 2, "boat": 1}
    many = replace(seen, names=np.array([*"abcdefghijk"]), scores=np.ones(11))
    assert repr(many) == "Detections(11 objects: a, b, c, d, e, f, g, h and 3 more)"


def test_iteration_gives_objects(seen):
    star, boat, _ = seen
    assert repr(star) == "Detection(name='star', score=0.90, box_xyxy=(2.0, 3.0, 12.0, 13.0))"
    assert (boat.name, boat.label, boat.parent) == ("boat", 0, None)
    assert boat.score == 0.5
    assert boat.mask.sum() == 200
    np.testing.assert_array_equal(boat.crop(), noise(40, 64)[5:25, 20:31])


def test_crops_are_the_pixels_of_the_boxes(seen):
    crops = seen.crops(margin=0.5)
    assert [crop.shape for crop in crops] == [(18, 17, 3), (35, 22, 3), (40, 34, 3)]
    other = noise(40, 64, seed=1)
    np.testing.assert_array_equal(seen.crops(image=other)[0], other[3:13, 2:12])


def test_a_drawing_is_that_of_the_image_in_the_colours_of_the_vocabulary(seen):
    style = DrawStyle(scores=False)
    np.testing.assert_array_equal(seen.plot(style), draw(noise(40, 64), seen, style))
    colored = replace(seen, class_colors={"star": (1, 2, 3)})
    drawn = colored.plot(DrawStyle(masks=False, labels=False))
    assert drawn[8, 2].tolist() == [3, 2, 1]


def test_the_image_is_asked_for_where_it_is_not_known(seen):
    unknown = replace(seen, image=None)
    with pytest.raises(InputError, match="is not known; hand it over as well: image="):
        unknown.plot()
    np.testing.assert_array_equal(unknown.plot(image=noise(40, 64)), seen.plot())
    with pytest.raises(InputError, match="has 80 x 60 pixels now, and 64 x 40 when"):
        seen.crops(image=noise())


def test_a_suffix_says_what_is_saved(seen, tmp_path):
    seen.save(tmp_path / "drawn.png")
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "drawn.png")), seen.plot())
    seen.save(tmp_path / "found.json")
    assert json.loads((tmp_path / "found.json").read_text()) == json.loads(seen.to_json())
    for name in ("drawn.gif", "drawn"):
        with pytest.raises(
            InputError, match=r"is not written; choose .bmp, .*, .json for what was"
        ):
            seen.save(tmp_path / name)


@pytest.mark.parametrize("shell", [None, SimpleNamespace()], ids=["no shell", "a terminal's"])
def test_a_drawing_is_shown_by_a_program_of_the_system(seen, monkeypatch, shell):
    shown = []
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(ImageShow, "show", lambda image: bool(shown.append(image.size)) or True)
    seen.show(DrawStyle(upscale=2))
    assert shown == [(128, 80)]
    monkeypatch.setattr(ImageShow, "show", lambda image: False)
    with pytest.raises(InputError, match="no program here shows images; `save"):
        seen.show()


def test_a_drawing_is_shown_in_a_notebook(seen, monkeypatch):
    shown = []
    shell = SimpleNamespace(kernel=SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=shown.append))
    seen.show()
    np.testing.assert_array_equal(np.asarray(shown[0])[:, :, ::-1], seen.plot())


def test_json_is_what_the_program_writes(seen, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), noise(40, 64))
    entry = json.loads(replace(seen, image=image_source(tmp_path / "a.png")).to_json(image_id=7))
    assert (entry["file_name"], entry["image_id"]) == (str(tmp_path / "a.png"), 7)
    assert (entry["width"], entry["height"]) == (64, 40)
    first = entry["detections"][0]
    assert first["name"] == "star"
    assert first["box_xyxy"] == [2, 3, 12, 13]
    np.testing.assert_array_equal(rle.decode(first["mask"]), seen.masks[0])


def test_coco_has_ids_of_labels(seen):
    rows = seen.to_coco(image_id=5)
    assert [row["category_id"] for row in rows] == [2, 1, 2]
    assert rows[0]["bbox"] == [2, 3, 10, 10]
    assert rows[1]["image_id"] == 5
    assert [row["category_id"] for row in seen.to_coco(category_ids=[90, 17])] == [17, 90, 17]
    assert seen[[]].to_coco() == []


def test_a_table_has_a_row_for_each_object(seen, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict))
    table = seen.to_dataframe()
    assert list(table) == ["name", "label", "score", "x1", "y1", "x2", "y2", "mask_area"]
    assert table["x2"].tolist() == [12, 30.5, 60]
    assert table["mask_area"].tolist() == [100, 200, 400]
    parents = np.array(["sign", "", "sign"])
    assert "parent" in replace(seen, parents=parents, masks=None).to_dataframe()


def test_missing_pandas_is_named_with_its_remedy(seen, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas"):
        seen.to_dataframe()


def test_pickles_are_small_and_whole_but_for_the_image(seen):
    large = replace(seen, masks=np.ones((3, 1000, 1000), bool), image_size_hw=(1000, 1000))
    pickled = pickle.dumps(replace(large, image=image_source(noise(1000, 1000))))
    assert len(pickled) < 3000
    again = pickle.loads(pickled)
    np.testing.assert_array_equal(again.masks, large.masks)
    assert again.names.tolist() == large.names.tolist()
    with pytest.raises(InputError, match="not in the pickle"):
        again.plot()
    assert pickle.loads(pickle.dumps(seen[[]])).masks.shape == (0, 40, 64)
    assert pickle.loads(pickle.dumps(replace(seen, masks=None))).masks is None
