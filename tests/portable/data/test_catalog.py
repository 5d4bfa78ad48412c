"""DatasetCatalog and MetadataCatalog."""

import copy
import pickle

import pytest
from detectron2.data import Metadata


def test_a_registered_dataset_is_loaded_at_each_get(catalogs):
    datasets, _ = catalogs
    datasets.register("pets", lambda: [{"image_id": 1}])
    assert datasets.get("pets") == [{"image_id": 1}]
    assert datasets.get("pets") is not datasets.get("pets")
    assert "pets" in datasets.list()


def test_an_unknown_dataset_is_answered_with_the_nearest_names(catalogs):
    datasets, _ = catalogs
    with pytest.raises(KeyError, match="unknown dataset 'lvis_v1_vla'; nearest: lvis_v1_val"):
        datasets.get("lvis_v1_vla")


def test_a_name_is_registered_once_until_removed(catalogs):
    datasets, _ = catalogs
    datasets.register("pets", list)
    with pytest.raises(ValueError, match="'pets' is already registered"):
        datasets.register("pets", list)
    datasets.remove("pets")
    datasets.register("pets", list)


def test_metadata_is_one_object_per_name(catalogs):
    _, metadata = catalogs
    metadata.get("pets").thing_classes = ["cat", "dog"]
    assert metadata.get("pets").thing_classes == ["cat", "dog"]
    assert metadata.get("pets").name == "pets"
    assert metadata.get("pets").get("colors", "none") == "none"
    assert metadata.get("pets").as_dict() == {"name": "pets", "thing_classes": ["cat", "dog"]}


def test_metadata_cannot_change():
    meta = Metadata(name="pets").set(thing_classes=["cat"])
    meta.thing_classes = ["cat"]
    with pytest.raises(ValueError, match=r"'thing_classes' of dataset 'pets' is already \['cat'\]"):
        meta.thing_classes = ["dog"]


def test_a_missing_attribute_is_answered_with_the_nearest_ones():
    meta = Metadata(name="pets", thing_classes=["cat"])
    with pytest.raises(
        AttributeError, match="'pets' has no 'thing_clases'; nearest: thing_classes"
    ):
        _ = meta.thing_clases


def test_deferred_values_are_made_once_and_only_when_missed():
    calls = []
    meta = Metadata(name="pets")._defer(lambda: calls.append(1) or {"thing_classes": ["cat"]})
    assert meta.name == "pets"
    assert calls == []
    assert meta.thing_classes == ["cat"]
    assert meta.get("colors") is None
    assert calls == [1]
    with pytest.raises(ValueError, match="cannot become"):
        meta.thing_classes = ["dog"]


def test_metadata_survives_copy_and_pickle():
    meta = Metadata(name="pets", thing_classes=["cat"])
    for twin in (copy.deepcopy(meta), pickle.loads(pickle.dumps(meta))):
        assert twin.as_dict() == meta.as_dict()
