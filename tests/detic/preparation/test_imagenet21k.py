"""ImageNet-21K in its tar files, and its classes joined with those of LVIS."""

import pytest

from detic.datasets.tar_collection import write_tar_collection
from detic.errors import InputError
from detic.preparation.imagenet21k import (
    merged_categories,
    tar_categories,
    tar_images,
    with_merged_ids,
)
from detic.vocabulary import builtin_categories

ORGANISM, AEROSOL = "n00004475", "n02682922"  # class 1204; class 1 of LVIS


@pytest.fixture
def index(tmp_path, jpeg, write_tar):
    """The tar index of two classes, one image of which is damaged."""
    write_tar(tmp_path / f"tars/{AEROSOL}.tar", {"a.JPEG": jpeg(6, 4)})
    write_tar(
        tmp_path / f"tars/{ORGANISM}.tar",
        {"b.JPEG": b"damaged", "c.JPEG": jpeg(6, 4, orientation=6)},
    )
    files = tmp_path / "meta/tar_files.npy", tmp_path / "meta/tarindex_npy"
    write_tar_collection((tmp_path / "tars").glob("*.tar"), *files)
    return files


def test_images_are_numbered_over_all_tar_files(index):
    images = tar_images(*index, {ORGANISM: 1, AEROSOL: 2})
    assert images == [
        {"id": 2, "pos_category_ids": [1], "height": 6, "width": 4, "tar_index": 1},
        {"id": 3, "pos_category_ids": [2], "height": 4, "width": 6, "tar_index": 2},
    ]


def test_some_classes_keep_the_numbers_of_all(index):
    assert [image["tar_index"] for image in tar_images(*index, {AEROSOL: 1})] == [2]
    with pytest.raises(InputError, match="no image of the 1 classes"):
        tar_images(*index, {"n99999999": 1})


def test_categories_come_in_the_order_of_the_tar_files(index):
    assert tar_categories(*index) == [
        {"id": 1, "wnid": ORGANISM, "name": "organism", "synset": "organism.n.01"},
        {"id": 2, "wnid": AEROSOL, "name": "aerosol_can", "synset": "aerosol.n.02"},
    ]


def test_tar_files_of_unknown_classes_are_named(tmp_path, jpeg, write_tar):
    write_tar(tmp_path / "dogs.tar", {"a.JPEG": jpeg()})
    write_tar_collection([tmp_path / "dogs.tar"], tmp_path / "tar_files.npy", tmp_path)
    with pytest.raises(InputError, match=r"dogs\.tar is named by no class"):
        tar_categories(tmp_path / "tar_files.npy", tmp_path)


def test_all_22047_classes_are_there_and_lvis_keeps_its_fields():
    merged = merged_categories([{"id": 1, "name": "aerosol_can", "frequency": "c"}])
    assert [category["id"] for category in merged] == list(range(1, 22048))
    assert merged[0] == {"id": 1, "name": "aerosol_can", "frequency": "c"}
    assert merged[1203]["name"] == "organism"


def test_classes_are_matched_by_synset_and_not_by_name():
    merged = builtin_categories("imagenet21k")
    first = next(c for c in merged[1203:] if c["name"] in {d["name"] for d in merged[:1203]})
    categories = [
        {"id": 5, "name": "anything", "synset": "aerosol.n.02"},
        {"id": 6, "name": first["name"], "synset": first["synset"]},
        {"id": 7, "name": first["name"], "synset": "unheard.n.01"},
    ]
    images = [{"pos_category_ids": [6, 5, 6]}, {"pos_category_ids": [7]}]
    assert with_merged_ids(images, categories) == [{"pos_category_ids": [1, first["id"]]}]
