"""From records to training examples."""

import copy

import numpy as np
import pytest
import torch
from detectron2.data import transforms as T
from detectron2.structures import BitMasks, BoxMode, PolygonMasks, polygons_to_bitmask
from pycocotools import mask as mask_util

from detic.annotation import AnnotationKind
from detic.errors import InputError
from detic.loading.augmentation import ResizeCropTransform
from detic.loading.image_reader import ImageReader, UnreadableImage
from detic.loading.mapper import (
    MapperParams,
    TrainMapper,
    build_train_mapper,
    transform_annotations,
)
from detic.loading.train_source import TrainSources

HALF = [T.ResizeTransform(40, 60, 20, 30)]


@pytest.fixture
def record(box_records):
    return box_records[0] | {"dataset_source": 0}


def mapper(steps=HALF, **changes):
    arguments = {
        "read_image": ImageReader("RGB"),
        "augmentations": [steps],
        "kinds": None,
        "mask_format": "polygon",
    }
    return TrainMapper(**(arguments | changes))


def floats(record):
    record = copy.deepcopy(record)
    for annotation in record["annotations"]:
        annotation["bbox"] = [float(v) for v in annotation["bbox"]]
    return record


def test_scores_become_those_of_the_targets_and_boxes_without_one_are_sure(record):
    record = floats(record)
    assert not mapper()(record)["instances"].has("gt_score")
    record["annotations"] *= 2
    record["annotations"][1] = record["annotations"][1] | {"score": 0.25}
    assert mapper()(record)["instances"].gt_score.tolist() == [1.0, 0.25]


def test_crowds_are_excluded_where_the_record_says_so(record):
    record = floats(record)
    crowd = record["annotations"][0] | {"iscrowd": 1}
    outside = crowd | {"bbox": [70.0, 5.0, 9.0, 9.0]}
    record["annotations"] += [crowd, outside]
    assert "excluded_boxes" not in mapper()(record)
    example = mapper([*HALF, T.HFlipTransform(30)])(record | {"excludes_crowds": True})
    assert example["excluded_boxes"].tolist() == [[17.5, 5, 27.5, 10]]
    assert len(example["instances"]) == 1
    alone = mapper()(record | {"annotations": [], "excludes_crowds": True})
    assert alone["excluded_boxes"].shape == (0, 4)


def test_image_and_targets_are_transformed_together(record):
    example = mapper([*HALF, T.HFlipTransform(30)])(floats(record))
    assert example["image"].shape == (3, 20, 30)
    assert example["image"].dtype == torch.uint8
    instances = example["instances"]
    assert instances.gt_boxes.tensor.tolist() == [[17.5, 5, 27.5, 10]]
    assert instances.gt_classes.tolist() == [0]
    assert isinstance(instances.gt_masks, PolygonMasks)
    np.testing.assert_allclose(
        instances.gt_masks.polygons[0][0], [27.5, 5, 17.5, 5, 17.5, 10, 27.5, 10]
    )


def test_the_rest_of_the_record_stays_and_the_record_is_left_alone(record):
    before = copy.deepcopy(record)
    example = mapper()(record | {"captions": ["a cat"]})
    assert record == before
    assert example["captions"] == ["a cat"]
    assert "annotations" not in example
    assert "ann_type" not in example


def test_kinds_add_annotation_type_and_labels(record):
    example = mapper(kinds=[AnnotationKind.IMAGE])(record)
    assert (example["ann_type"], example["pos_category_ids"]) == ("image", [])
    assert mapper(kinds=[AnnotationKind.BOX])(record | {"pos_category_ids": [1]})[
        "pos_category_ids"
    ] == [1]


def test_each_source_has_its_augmentations(record):
    quarter = [T.ResizeTransform(40, 60, 10, 15)]
    two_sources = mapper(augmentations=[HALF, quarter])
    sizes = [two_sources(record | {"dataset_source": s})["image"].shape[1:] for s in (0, 1)]
    assert sizes == [(20, 30), (10, 15)]


def test_crowds_and_what_is_cropped_away_are_left_out(record):
    record["annotations"] += [
        record["annotations"][0] | {"iscrowd": 1},
        record["annotations"][0] | {"bbox": [40, 0, 10, 10], "category_id": 1},
    ]
    example = mapper([T.CropTransform(0, 0, 30, 40)], mask_format=None)(record)
    assert example["instances"].gt_classes.tolist() == [0]
    assert not example["instances"].has("gt_masks")


def test_an_image_without_annotations_has_empty_targets(record):
    for annotations in ({"annotations": []}, {}):
        example = mapper()({k: v for k, v in record.items() if k != "annotations"} | annotations)
        assert example["instances"].gt_boxes.tensor.shape == (0, 4)
        assert example["instances"].gt_classes.shape == (0,)


def test_bitmasks_have_the_size_of_the_crop(record):
    example = mapper([ResizeCropTransform(20, 30, 0, 4, 0.5, 10)], mask_format="bitmask")(record)
    masks = example["instances"].gt_masks
    assert isinstance(masks, BitMasks)
    # The box from (5, 10) to (25, 20) becomes (-1.5, 5) to (8.5, 10): 9 x 5 px at most
    assert masks.tensor.shape == (1, 10, 10)
    assert masks.tensor[0].nonzero().min(0).values.tolist() == [5, 0]


def test_run_length_masks_become_bitmasks(record):
    mask = np.zeros((40, 60), dtype=np.uint8, order="F")
    mask[10:20, 6:26] = 1
    record["annotations"][0]["segmentation"] = mask_util.encode(mask)
    masks = mapper(mask_format="bitmask")(record)["instances"].gt_masks
    assert masks.tensor[0].nonzero().min(0).values.tolist() == [5, 3]
    assert int(masks.tensor.sum()) == 5 * 10


def test_what_fills_up_a_small_image_belongs_to_no_run_length_mask(record):
    mask = np.zeros((40, 60), dtype=np.uint8, order="F")
    mask[10:20, 6:26] = 1
    record["annotations"][0]["segmentation"] = mask_util.encode(mask)
    filled_up = T.FixedSizeCrop((50, 70))
    instances = mapper([filled_up], mask_format="bitmask")(record)["instances"]
    assert instances.gt_masks.tensor.shape == (1, 50, 70)
    assert int(instances.gt_masks.tensor.sum()) == 10 * 20


@pytest.mark.parametrize("kind", ["polygons", "run lengths"])
def test_masks_are_cut_at_the_window(record, kind):
    square = np.array([5.0, 10, 25, 10, 25, 20, 5, 20])
    if kind == "run lengths":
        mask = polygons_to_bitmask([square], 40, 60).astype(np.uint8)
        record["annotations"][0]["segmentation"] = mask_util.encode(np.asfortranarray(mask))
    window = T.FixedSizeCrop((15, 60)).get_transform(np.zeros((15, 60, 3)))  # the upper 15 rows
    instances = mapper([window], recompute_boxes=True)(floats(record))["instances"]
    assert instances.gt_boxes.tensor.tolist() == [[5, 10, 25, 15]]
    above = T.CropTransform(0, 0, 60, 5)
    assert len(mapper([above], mask_format="bitmask")(floats(record))["instances"]) == 0


@pytest.mark.parametrize("augmentation", ["LargeScaleJitter", "DETR"])
def test_a_missing_package_that_cuts_polygons_is_named_before_the_training(
    cfg, monkeypatch, augmentation
):
    def without_shapely(self, polygons):
        raise ModuleNotFoundError("No module named 'shapely'", name="shapely")

    monkeypatch.setattr(T.CropTransform, "apply_polygons", without_shapely)
    cfg.INPUT.CUSTOM_AUG = augmentation
    cfg.INPUT.CROP.ENABLED = augmentation == "DETR"  # of every other image
    sources = TrainSources.from_config(cfg, 1).entries
    with pytest.raises(InputError, match="install it with `pip install shapely`"):
        build_train_mapper(MapperParams.from_config(cfg), sources)
    cfg.MODEL.MASK_ON = False
    build_train_mapper(MapperParams.from_config(cfg), sources)


@pytest.mark.parametrize(
    ("augmentation", "with_labels", "recomputed"),
    [
        ("LargeScaleJitter", False, True),
        ("LargeScaleJitter", True, False),  # as in the published recipe with image labels
        ("EfficientDetResizeCrop", False, False),
    ],
)
def test_large_scale_jitter_of_boxes_alone_takes_boxes_from_masks(
    cfg, augmentation, with_labels, recomputed
):
    cfg.INPUT.CUSTOM_AUG = augmentation
    cfg.WITH_IMAGE_LABELS = with_labels
    assert MapperParams.from_config(cfg).recompute_boxes == recomputed


def test_images_with_run_length_masks_have_bitmasks_beside_those_with_polygons(record):
    polygons = record["annotations"][0]
    pixels = np.zeros((40, 60), dtype=np.uint8, order="F")
    pixels[10:20, 6:26] = 1
    mixed = record | {
        "annotations": [polygons, polygons | {"segmentation": mask_util.encode(pixels)}]
    }
    assert isinstance(mapper()(record)["instances"].gt_masks, PolygonMasks)
    masks = mapper()(mixed)["instances"].gt_masks
    assert isinstance(masks, BitMasks)
    assert masks.tensor.sum((1, 2)).tolist() == [10 * 5, 10 * 5]


def test_boxes_that_stand_for_masks_are_marked(record):
    with_mask = record["annotations"][0]
    without = with_mask | {"segmentation": [[0, 0, 9, 0, 9, 9, 0, 9]], "has_mask": False}
    instances = mapper()(record | {"annotations": [with_mask, without]})["instances"]
    assert instances.gt_has_mask.tolist() == [True, False]
    assert not mapper()(record)["instances"].has("gt_has_mask")


def test_boxes_can_be_recomputed_from_masks(record):
    record["annotations"][0]["segmentation"] = [[6, 12, 20, 12, 20, 18]]
    boxes = mapper([T.NoOpTransform()], recompute_boxes=True)(record)["instances"].gt_boxes
    assert boxes.tensor.tolist() == [[6, 12, 20, 18]]


def test_boxes_are_clipped_to_the_image():
    annotation = {"bbox": [1.0, 2.0, 50.0, 60.0], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 3}
    transforms = T.TransformList([ResizeCropTransform(30, 30, 5, 0, 0.5, 20)])
    (moved,) = transform_annotations([annotation], transforms, (20, 20), keep_masks=True)
    assert moved["bbox"].tolist() == [0.5, 0, 20, 20]


def test_boxes_of_whole_numbers_are_cut_to_whole_pixels_as_in_the_released_training():
    annotation = {"bbox": [5, 9, 10, 10], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 0}
    # 5 * 0.7 = 3.5 is cut to 3 before the flip: 30 - 3 = 27, not 30 - 3.5 = 26.5
    steps = [ResizeCropTransform(30, 30, 0, 0, 0.7, 30), T.HFlipTransform(30)]
    transforms = T.TransformList(steps)
    (moved,) = transform_annotations([annotation], transforms, (30, 30), keep_masks=False)
    assert moved["bbox"].tolist() == [20, 6, 27, 13]
    as_floats = annotation | {"bbox": [5.0, 9.0, 10.0, 10.0]}
    moved = transform_annotations([annotation, as_floats], transforms, (30, 30), keep_masks=False)
    np.testing.assert_allclose(moved[0]["bbox"], [20, 6, 27, 13])
    np.testing.assert_allclose(moved[1]["bbox"], [19.5, 6.3, 26.5, 13.3])


class OneByOne(T.NoOpTransform):
    """A transform that does not say that it moves each point by itself."""

    def apply_polygons(self, polygons):
        return polygons


def test_annotations_move_together_as_each_by_itself():
    rng = np.random.default_rng(0)
    annotations = [
        {
            "category_id": i,
            "bbox": rng.uniform(0, 20, 4).tolist() if i % 2 else [1, 2, 3, 4],
            "bbox_mode": BoxMode.XYWH_ABS if i % 3 else BoxMode.XYXY_ABS,
        }
        | ({"segmentation": [rng.uniform(0, 20, 6).tolist() for _ in range(i)]} if i < 4 else {})
        for i in range(6)
    ]
    steps = [ResizeCropTransform(30, 30, 5, 3, 0.7, 20), T.HFlipTransform(17), T.NoOpTransform()]
    arguments = T.TransformList(steps), (20, 17), True
    together = transform_annotations(annotations, *arguments)
    apart = [transform_annotations([a], *arguments)[0] for a in annotations]
    in_lists = transform_annotations(
        annotations, T.TransformList([*steps, OneByOne()]), *arguments[1:]
    )
    for other in (apart, in_lists):
        for ours, theirs in zip(together, other, strict=True):
            assert ours.keys() == theirs.keys()
            assert ours["bbox"].tolist() == theirs["bbox"].tolist()
            assert str(ours.get("segmentation")) == str(theirs.get("segmentation"))


def test_an_unreadable_image_has_no_example(record):
    with pytest.raises(UnreadableImage):
        mapper()(record | {"file_name": "missing.png"})


def test_the_recipe_s_mapper_draws_what_the_seed_says(joint_cfg, record):
    recipe_mapper = build_train_mapper(
        MapperParams.from_config(joint_cfg), TrainSources.from_config(joint_cfg, 1).entries
    )
    examples = []
    for _ in range(2):
        np.random.seed(3)
        examples.append(recipe_mapper(record))
    assert torch.equal(examples[0]["image"], examples[1]["image"])
    assert examples[0]["ann_type"] == "box"
    np.random.seed(3)
    assert max(recipe_mapper(record | {"dataset_source": 1})["image"].shape) <= 32


def test_missing_tar_files_are_named(joint_cfg, tmp_path):
    joint_cfg.DATALOADER.USE_TAR_DATASET = True
    joint_cfg.DATALOADER.TARFILE_PATH = str(tmp_path / "tar_files.npy")
    with pytest.raises(InputError, match=r"tar_files\.npy not found"):
        build_train_mapper(
            MapperParams.from_config(joint_cfg), TrainSources.from_config(joint_cfg, 1).entries
        )
