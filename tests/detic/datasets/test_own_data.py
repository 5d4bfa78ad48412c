"""Data that a recipe names, next to registered datasets."""

import itertools
import json

import pytest

from detic.datasets.own_data import OwnData, check_class_order
from detic.errors import InputError
from detic.vocabulary.model_classes import ModelClasses
from tests.detic.recipe_loaders import train_loader


@pytest.fixture
def names(tmp_path):
    """A vocabulary file with the classes of the dataset pets, and one more in front."""
    path = tmp_path / "names.txt"
    path.write_text("fox\nCat\ndog\n")
    return path


@pytest.fixture
def own_cfg(joint_cfg, names, write_image, box_records, tmp_path):
    """A recipe with boxes of dogs, and folders of foxes."""
    images = [
        {
            "id": r["image_id"],
            "file_name": r["file_name"],
            "height": r["height"],
            "width": r["width"],
        }
        for r in box_records
    ]
    annotations = [
        {"id": i, "image_id": r["image_id"], "category_id": 4, "bbox": [5, 10, 20, 10]}
        for i, r in enumerate(box_records)
    ]
    content = {"categories": [{"id": 4, "name": "dog"}], "images": images}
    (tmp_path / "boxes.json").write_text(json.dumps(content | {"annotations": annotations}))
    for i in range(3):
        write_image(f"folders/Fox/{i}.png", 40, 32, seed=i)
    joint_cfg.MODEL.ROI_HEADS.NUM_CLASSES = 3
    joint_cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH = str(names)
    joint_cfg.DATASETS.TRAIN = ("boxes", "folders")
    boxes = {"name": "boxes", "format": "coco", "images": ""}
    joint_cfg.DATALOADER.BOX_SOURCES = [boxes | {"annotations": str(tmp_path / "boxes.json")}]
    folder = {"name": "folders", "format": "folder", "path": str(tmp_path / "folders")}
    joint_cfg.DATALOADER.IMAGE_SOURCES = [folder]
    return joint_cfg


def test_all_sources_have_the_classes_of_the_model_s_vocabulary(own_cfg):
    own_cfg.INPUT.SCALE_RANGE = [1.0, 1.0]
    for batch in itertools.islice(train_loader(own_cfg), 12):
        for example in batch:
            if example["ann_type"] == "box":
                assert example["instances"].gt_classes.tolist() == [2]
            else:
                assert example["pos_category_ids"] == [0]


def test_batches_of_boxes_without_masks_have_none(own_cfg):
    batches = itertools.islice(train_loader(own_cfg), 12)
    boxes = [e for batch in batches for e in batch if e["ann_type"] == "box"]
    assert boxes
    assert not any(e["instances"].has("gt_masks") for e in boxes)


def test_a_dataset_with_another_order_of_classes_is_refused(own_cfg, pets):
    OwnData.from_config(own_cfg).register()
    check_class_order(ModelClasses.from_config(own_cfg), ["boxes", "folders"])
    with pytest.raises(
        InputError,
        match="class number 1 of dataset 'pets' is 'cat', that of the model 'fox'; put "
        r"\{name: my_pets, dataset: pets\} into DATALOADER.BOX_SOURCES",
    ):
        check_class_order(ModelClasses.from_config(own_cfg), [pets])


def test_the_first_classes_may_be_those_of_a_dataset(own_cfg, pets, names):
    names.write_text("cat\nDog\nfox\n")
    check_class_order(ModelClasses.from_config(own_cfg), [pets])


def test_recipes_with_embeddings_are_trusted(joint_cfg, pets):
    joint_cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH = "not_there.npy"
    check_class_order(ModelClasses.from_config(joint_cfg), [pets])


def test_the_vocabulary_file_decides_the_number_of_classes(own_cfg):
    own_cfg.MODEL.ROI_HEADS.NUM_CLASSES = 80
    with pytest.raises(InputError, match=r"names\.txt names 3 classes, .*set .*NUM_CLASSES to 3"):
        OwnData.from_config(own_cfg).register()
