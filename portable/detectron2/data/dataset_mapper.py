"""The default mapper: a record of a dataset becomes an input of the model."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from detectron2.config import CfgNode, configurable

from . import detection_utils as utils
from . import transforms as T


class DatasetMapper:
    """Reads the image of a record, augments it, and makes training targets of the annotations.

    Args:
        is_train: annotations are wanted.
        image_format: what the model takes, "BGR" or "RGB".
        use_instance_mask: make masks of the segmentations.
        instance_mask_format: "polygon" or "bitmask".
        recompute_boxes: take boxes from the masks, which are tighter after a crop.
    """

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        augmentations: Sequence[T.Augmentation | T.Transform],
        image_format: str,
        use_instance_mask: bool = False,
        instance_mask_format: str = "polygon",
        recompute_boxes: bool = False,
    ) -> None:
        self.is_train = is_train
        self.augmentations = T.AugmentationList(augmentations)
        self.image_format = image_format
        self.use_instance_mask = use_instance_mask
        self.instance_mask_format = instance_mask_format
        self.recompute_boxes = recompute_boxes

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict:
        augmentations = utils.build_augmentation(cfg, is_train)
        crop = cfg.INPUT.CROP.ENABLED and is_train
        if crop:
            augmentations.insert(0, T.RandomCrop(cfg.INPUT.CROP.TYPE, cfg.INPUT.CROP.SIZE))
        return {
            "is_train": is_train,
            "augmentations": augmentations,
            "image_format": cfg.INPUT.FORMAT,
            "use_instance_mask": cfg.MODEL.MASK_ON,
            "instance_mask_format": cfg.INPUT.MASK_FORMAT,
            "recompute_boxes": crop and cfg.MODEL.MASK_ON,
        }

    def __call__(self, dataset_dict: dict) -> dict:
        """Return a copy of the record as an input of the model.

        It has `image`, (C, H, W) uint8, and in training `instances` in place of `annotations`.
        """
        dataset_dict = copy.deepcopy(dataset_dict)
        image = utils.read_image(dataset_dict["file_name"], format=self.image_format)
        utils.check_image_size(dataset_dict, image)
        aug_input = T.AugInput(image)
        transforms = self.augmentations(aug_input)
        # A copy in one piece: the image may be a view with negative strides, or read-only.
        pixels = np.array(aug_input.image.transpose(2, 0, 1), order="C")
        dataset_dict["image"] = torch.from_numpy(pixels)
        if not self.is_train:
            dataset_dict.pop("annotations", None)
        elif "annotations" in dataset_dict:
            self._transform_annotations(dataset_dict, transforms, aug_input.image.shape[:2])
        return dataset_dict

    def _transform_annotations(
        self, dataset_dict: dict, transforms: T.Transform, image_shape: tuple[int, int]
    ) -> None:
        """Replace `annotations` by the `instances` of the augmented image, without crowds."""
        annos = [a for a in dataset_dict.pop("annotations") if a.get("iscrowd", 0) == 0]
        if not self.use_instance_mask:
            for anno in annos:
                anno.pop("segmentation", None)
        annos = [utils.transform_instance_annotations(a, transforms, image_shape) for a in annos]
        instances = utils.annotations_to_instances(
            annos, image_shape, mask_format=self.instance_mask_format
        )
        if self.recompute_boxes and instances.has("gt_masks"):
            instances.gt_boxes = instances.gt_masks.get_bounding_boxes()
        dataset_dict["instances"] = utils.filter_empty_instances(instances)
