"""Correspondences between datasets."""

from detic.preparation.tables import (
    coco_to_lvis,
    imagenet_class_ids,
    imagenet_to_lvis,
    objects365_names,
)
from detic.vocabulary import builtin_categories


def test_every_coco_class_is_one_lvis_class():
    lvis_id_of = coco_to_lvis()
    assert lvis_id_of.keys() == {category["id"] for category in builtin_categories("coco")}
    assert len(set(lvis_id_of.values())) == 80
    names = {category["id"]: category["name"] for category in builtin_categories("lvis")}
    assert names[lvis_id_of[64]] == "flowerpot"  # potted plant


def test_hot_dog_is_sausage_because_lvis_lacks_its_synset():
    assert coco_to_lvis()[58] == 916
    assert all(category["synset"] != "frank.n.02" for category in builtin_categories("lvis"))


def test_imagenet_ids_keep_those_of_lvis_and_go_on_by_wordnet_id():
    ids = imagenet_class_ids()
    assert sorted(ids.values())[-1] == 22047
    assert len(set(ids.values())) == len(ids) == 21841
    assert ids["n02682922"] == imagenet_to_lvis()["n02682922"] == 1
    others = sorted(wnid for wnid in ids if wnid not in imagenet_to_lvis())
    assert [ids[wnid] for wnid in others] == list(range(1204, 22048))


def test_corrected_names_are_those_of_the_class_list():
    names = {category["id"]: category["name"] for category in builtin_categories("objects365")}
    fixes = objects365_names()
    assert len(fixes) == 13
    assert all(names[number] == corrected for number, (_, corrected) in fixes.items())
