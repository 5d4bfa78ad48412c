"""What all records together say."""

import numpy as np
import pytest

from detic.datasets.image_records import (
    JoinedRecords,
    RecordList,
    RecordsOnDemand,
    fill_missing_masks,
    have_boxes,
)

MASK = {"bbox": [0, 0, 5, 5], "category_id": 2, "segmentation": [[0, 0, 5, 0, 5, 5]]}
BARE = {"bbox": [1, 2, 3, 4], "category_id": 0}
CROWD = BARE | {"iscrowd": 1}


def records_of(*annotations_of, **fields):
    return RecordList({"annotations": [dict(a) for a in of], **fields} for of in annotations_of)


def test_boxes_stand_for_masks_where_others_have_some(caplog):
    records = fill_missing_masks(records_of([MASK, BARE]), "pets")
    box = BARE | {"segmentation": [[1, 2, 4, 2, 4, 6, 1, 6]], "has_mask": False}
    assert records == [{"annotations": [MASK, box]}]
    assert "pets: 1 of 2 annotations have no mask; they train boxes and classes only" in caplog.text


@pytest.mark.parametrize("annotations", [[], [BARE]])
def test_data_without_masks_stay_so(annotations):
    records = records_of(annotations)
    assert fill_missing_masks(records, "pets") == [{"annotations": annotations}]


def test_joined_records_are_as_one_list():
    parts = [records_of([MASK, BARE], [CROWD]), records_of([]), records_of([BARE], width=2)]
    one = RecordList(record for part in parts for record in part)
    several = JoinedRecords(parts)
    assert list(several) == one
    assert several[-1] == one[-1]
    assert several.are_wide().tolist() == one.are_wide().tolist() == [False] * 3 + [True]
    for name in ("box_labels", "image_labels", "boxes"):
        a, b = getattr(several, name)(), getattr(one, name)()
        for field in vars(a):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
    assert have_boxes(several).tolist() == [True, False, False, True]
    assert list(several.kept(np.array([0, 3]))) == [one[0], one[3]]


def test_an_image_counts_once_for_a_class_that_it_repeats():
    labels = records_of([BARE, MASK, BARE], [], [MASK]).box_labels().of_images_once()
    assert labels.images.tolist() == [0, 0, 2]
    assert labels.classes.tolist() == [0, 2, 2]


def test_whoever_asks_the_catalog_gets_a_list():
    records = RecordsOnDemand(lambda: JoinedRecords([records_of([MASK])]))()
    assert type(records) is list
    assert records == [{"annotations": [MASK]}]
