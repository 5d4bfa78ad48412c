"""The table of datasets."""

import pytest

from detic.annotation import AnnotationKind
from detic.datasets.class_lists import CLASS_METADATA
from detic.datasets.table import DETECTRON2_SPECS, DETIC_SPECS, SPECS, find_spec
from detic.errors import InputError


def test_names_are_unique():
    assert len(SPECS) == len(DETECTRON2_SPECS) + len(DETIC_SPECS)


def test_vocabularies_and_evaluators_are_known():
    for spec in SPECS.values():
        assert spec.vocabulary is None or spec.vocabulary in CLASS_METADATA
        assert spec.evaluator in ("lvis", "coco", "oid", "imagenet")


def test_image_label_datasets_are_those_that_cannot_be_tested():
    image_labels = {s.name for s in SPECS.values() if s.kind is AnnotationKind.IMAGE}
    assert image_labels == {s.name for s in SPECS.values() if s.evaluator == "imagenet"}
    assert image_labels == {"imagenet_lvis_v1", "imagenet_lvis-22k", "shapes_labels"}


def test_paths_stay_below_the_datasets_root():
    for spec in SPECS.values():
        for path in (spec.image_root, spec.annotation_file, *spec.also_needs):
            assert not path.startswith(("/", "datasets/"))


def test_an_unknown_name_is_answered_with_the_nearest():
    assert find_spec("shapes_val").annotation_file == "shapes/annotations/val.json"
    with pytest.raises(
        InputError, match=r"unknown dataset 'lvis_v1_vall'.*did you mean 'lvis_v1_val'"
    ):
        find_spec("lvis_v1_vall")
