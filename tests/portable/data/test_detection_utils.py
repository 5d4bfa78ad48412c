"""Reading images, transforming annotations, making Instances."""

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.structures import BitMasks, Boxes, BoxMode, Instances, PolygonMasks
from PIL import Image
from pycocotools import mask as mask_util

DOUBLE = T.ResizeTransform(10, 20, 20, 40)


def annotation(**values):
    return {"bbox": [1, 2, 3, 4], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 5} | values


def test_formats_of_an_image(image_file, image):
    np.testing.assert_array_equal(utils.read_image(image_file), image)
    np.testing.assert_array_equal(utils.read_image(image_file, "BGR"), image[:, :, ::-1])
    assert utils.read_image(image_file, "L").shape == (40, 60, 1)


def test_exif_orientation_is_applied(tmp_path, image):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side: turn clockwise to view
    path = tmp_path / "turned.png"
    Image.fromarray(image).save(path, exif=exif)
    np.testing.assert_array_equal(utils.read_image(str(path), "RGB"), np.rot90(image, -1))


def test_the_size_in_a_record_is_checked_or_filled_in(image):
    record = {}
    utils.check_image_size(record, image)
    assert record == {"height": 40, "width": 60}
    with pytest.raises(utils.SizeMismatchError, match=r"a.png is 40x60.* record says 60x40"):
        utils.check_image_size({"file_name": "a.png", "height": 60, "width": 40}, image)


def test_boxes_are_scaled_and_clipped_to_the_image():
    inside = utils.transform_instance_annotations(annotation(), DOUBLE, (20, 40))
    assert inside["bbox"].tolist() == [2, 4, 8, 12]
    assert inside["bbox_mode"] == BoxMode.XYXY_ABS
    outside = annotation(bbox=[-3, 5, 100, 100])
    assert utils.transform_instance_annotations(outside, [DOUBLE], (20, 40))["bbox"].tolist() == [
        0, 10, 40, 20,
    ]  # fmt: skip


def test_polygons_of_integers_are_not_truncated():
    grow = T.ResizeTransform(10, 20, 15, 30)
    anno = annotation(segmentation=[[1, 1, 5, 1, 5, 3]])
    polygons = utils.transform_instance_annotations(anno, grow, (15, 30))["segmentation"]
    np.testing.assert_allclose(polygons, [[1.5, 1.5, 7.5, 1.5, 7.5, 4.5]])


def test_run_length_masks_are_transformed_as_images():
    mask = np.zeros((10, 20), dtype=np.uint8, order="F")
    mask[2:5, :4] = 1
    anno = annotation(segmentation=mask_util.encode(mask))
    flipped = utils.transform_instance_annotations(anno, T.HFlipTransform(20), (10, 20))
    np.testing.assert_array_equal(flipped["segmentation"], mask[:, ::-1])


def test_instances_of_annotations():
    square = [[1.0, 2.0, 4.0, 2.0, 4.0, 6.0, 1.0, 6.0]]
    annos = [annotation(segmentation=square), annotation(category_id=0, segmentation=square)]
    instances = utils.annotations_to_instances(annos, (10, 20))
    assert instances.gt_boxes.tensor.tolist() == [[1, 2, 4, 6]] * 2
    assert instances.gt_classes.tolist() == [5, 0]
    assert instances.gt_classes.dtype == torch.int64
    assert isinstance(instances.gt_masks, PolygonMasks)
    bitmasks = utils.annotations_to_instances(annos, (10, 20), mask_format="bitmask").gt_masks
    assert isinstance(bitmasks, BitMasks)
    assert bitmasks.tensor.shape == (2, 10, 20)
    assert bitmasks.tensor[0].sum() == 12
    assert bitmasks.tensor[0, 2:6, 1:4].all()


def test_bitmasks_of_all_sorts_of_segmentations_agree():
    mask = np.zeros((10, 20), dtype=np.uint8, order="F")
    mask[2:6, 1:4] = 1
    polygon = [np.array([1.0, 2, 4, 2, 4, 6, 1, 6])]
    annos = [annotation(segmentation=s) for s in (mask, mask_util.encode(mask), polygon)]
    masks = utils.annotations_to_instances(annos, (10, 20), mask_format="bitmask").gt_masks
    assert (masks.tensor == torch.from_numpy(mask).bool()).all()


def test_no_annotations_make_empty_instances():
    instances = utils.annotations_to_instances([], (10, 20))
    assert instances.gt_boxes.tensor.shape == (0, 4)
    assert instances.gt_classes.shape == (0,)
    assert not instances.has("gt_masks")
    assert len(utils.filter_empty_instances(instances)) == 0


def test_mask_formats_that_do_not_fit_are_named():
    rle = mask_util.encode(np.zeros((10, 20), dtype=np.uint8, order="F"))
    with pytest.raises(ValueError, match=r"set INPUT.MASK_FORMAT to 'bitmask'"):
        utils.annotations_to_instances([annotation(segmentation=rle)], (10, 20))
    with pytest.raises(ValueError, match="unknown mask format 'rle'; choose polygon or bitmask"):
        utils.annotations_to_instances([annotation(segmentation=rle)], (1, 1), mask_format="rle")


def test_empty_boxes_and_empty_masks_are_filtered():
    instances = Instances((10, 10))
    instances.gt_boxes = Boxes(torch.tensor([[0, 0, 5, 5], [3, 3, 3, 9], [0, 0, 5, 5.0]]))
    masks = torch.ones(3, 10, 10, dtype=torch.bool)
    masks[2] = False
    instances.gt_masks = BitMasks(masks)
    kept, keep = utils.filter_empty_instances(instances, return_mask=True)
    assert keep.tolist() == [True, False, False]
    assert len(kept) == 1
    assert len(utils.filter_empty_instances(instances, by_mask=False)) == 2
    assert len(utils.filter_empty_instances(instances, by_box=False)) == 2
    assert len(utils.filter_empty_instances(instances, box_threshold=4.9)) == 1
    assert len(utils.filter_empty_instances(instances, box_threshold=5)) == 0


def test_augmentations_of_a_config():
    cfg = get_cfg()
    cfg.INPUT.MIN_SIZE_TRAIN = (20, 30)
    cfg.INPUT.RANDOM_FLIP = "vertical"
    resize, flip = utils.build_augmentation(cfg, is_train=True)
    assert (resize.short_edge_length, resize.max_size) == ((20, 30), 1333)
    assert flip.vertical
    assert not flip.horizontal
    (resize,) = utils.build_augmentation(cfg, is_train=False)
    assert resize.short_edge_length in (800, (800, 800))
    cfg.INPUT.RANDOM_FLIP = "none"
    assert len(utils.build_augmentation(cfg, is_train=True)) == 1
    cfg.INPUT.RANDOM_FLIP = "diagonal"
    with pytest.raises(ValueError, match="in one direction, horizontal or vertical"):
        utils.build_augmentation(cfg, is_train=True)


def test_datasets_used_together_must_have_the_same_classes(catalogs):
    _, metadata = catalogs
    metadata.get("a").thing_classes = metadata.get("b").thing_classes = ["cat"]
    metadata.get("c").thing_classes = ["dog"]
    utils.check_metadata_consistency("thing_classes", ["a", "b"])
    with pytest.raises(ValueError, match="'a' and 'c' have different 'thing_classes'"):
        utils.check_metadata_consistency("thing_classes", ["a", "b", "c"])


@pytest.mark.parametrize(("format", "order"), [("RGB", [0, 1, 2]), ("BGR", [2, 1, 0])])
def test_images_become_rgb(image, format, order):
    expected = image[:, :, order]
    np.testing.assert_array_equal(utils.convert_image_to_rgb(image, format), expected)
    tensor = torch.from_numpy(image)
    np.testing.assert_array_equal(utils.convert_image_to_rgb(tensor, format), expected)


def test_grey_images_become_rgb(image):
    grey = image[:, :, :1]
    np.testing.assert_array_equal(utils.convert_image_to_rgb(grey, "L"), grey.repeat(3, axis=2))


def test_weights_of_the_federated_loss_are_powers_of_counts(catalogs):
    counts = [{"id": 2, "image_count": 16}, {"id": 1, "image_count": 4}]
    catalogs[1].get("pets").class_image_count = counts
    assert utils.get_fed_loss_cls_weights("pets", 0.5).tolist() == [2, 4]
