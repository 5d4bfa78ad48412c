"""The table of objects of an image."""

import pickle

import pytest
import torch
from detectron2.structures import Boxes, Instances

from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in


@pytest.fixture
def three():
    return Instances(
        (10, 20),
        boxes=Boxes(torch.arange(12.0).reshape(3, 4)),
        scores=torch.tensor([0.1, 0.2, 0.3]),
        names=["a", "b", "c"],
    )


def test_fields_are_attributes(three):
    three.classes = torch.tensor([5, 6, 7])
    assert three.has("classes")
    assert three.get("classes").tolist() == [5, 6, 7]
    three.remove("classes")
    assert list(three.get_fields()) == ["boxes", "scores", "names"]
    assert three.image_size == (10, 20)
    assert len(three) == 3


def test_missing_field_lists_the_others(three):
    with pytest.raises(AttributeError, match="no field 'masks'; their fields are: boxes, scores"):
        _ = three.masks


def test_lengths_must_agree(three):
    with pytest.raises(ValueError, match="field 'classes' has 2 rows but the instances have 3"):
        three.classes = torch.zeros(2)
    only = Instances((1, 1), scores=torch.zeros(2))
    only.scores = torch.zeros(5)  # replacing the only field may change the length
    assert len(only) == 5


def test_indexing_selects_rows_of_every_field(three):
    assert three[:2].names == ["a", "b"]
    assert three[1].scores.tolist() == pytest.approx([0.2])
    assert three[-1].names == ["c"]
    del three.get_fields()["names"]
    assert three[three.scores > 0.15].boxes.tensor[:, 0].tolist() == [4, 8]
    with pytest.raises(IndexError):
        three[3]


def test_cat_joins_tensors_boxes_and_lists(three):
    joined = Instances.cat([three[:1], three[1:]])
    assert torch.equal(joined.boxes.tensor, three.boxes.tensor)
    assert joined.names == ["a", "b", "c"]


def test_cat_refuses_what_does_not_fit(three):
    with pytest.raises(ValueError, match="image sizes and fields must be equal"):
        Instances.cat([three, Instances((1, 1), scores=torch.zeros(1))])


def test_without_fields_the_length_is_undefined():
    with pytest.raises(NotImplementedError, match="set a field first"):
        len(Instances((1, 1)))
    assert "0 rows" in str(Instances((1, 1)))


def test_to_moves_what_can_move(three):
    assert three.to("cpu").names == three.names


def test_pickling(three):
    again = pickle.loads(pickle.dumps(three))
    assert again.names == three.names
    assert again.image_size == three.image_size


def test_instances_are_not_iterated_over_by_accident():
    with pytest.raises(NotImplementedError, match="index them with numbers"):
        iter(Instances((2, 2), scores=torch.zeros(1)))


def test_masks_select_rows_and_have_one_entry_for_each(three):
    three.remove("names")  # lists take no masks
    chosen = three[torch.tensor([True, False, True])]
    assert torch.equal(chosen.scores, three.scores[[0, 2]])
    with pytest.raises(IndexError, match="a mask of 2 rows cannot index 3 instances"):
        three[torch.tensor([True, False])]


@needs_stand_in
def test_a_mask_on_a_device_is_waited_for_once_not_in_every_field():
    with StandInDevice() as device:
        rows = torch.arange(3, device=DEVICE)
        instances = Instances((1, 1), a=rows, b=rows + 1, c=rows + 2)
        assert instances[rows > 0].c.shape == (2,)
        assert device.waits.total() == 1
