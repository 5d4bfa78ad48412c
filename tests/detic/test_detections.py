import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from detic.detections import Detections
from detic.errors import InputError


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
