"""From a record to an input of the model: image, augmentation, in training targets.

Shapes: H, W image, N annotations.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.structures import Boxes, BoxMode, Instances
from fvcore.transforms.transform import Transform, TransformList
from hotcoco import mask as rle

from detic.annotation import AnnotationKind
from detic.datasets.tar_collection import TarCollection
from detic.loading.augmentation import (
    AugmentationParams,
    build_train_augmentations,
    check_polygons_can_be_cut,
)
from detic.loading.image_augmentation import augment
from detic.loading.image_reader import ImageReader, UnreadableImage
from detic.loading.train_source import TrainSource
from detic.paths import dataset_path


class TrainMapper:
    """Maker of training examples from records.

    Args:
        read_image: gives the image of a record.
        augmentations: by source.
        kinds: what each source is annotated with; None if all have boxes and the model does not
            ask.
        mask_format: polygon or bitmask; None for no masks. Images with run-length masks have
            bitmasks.
        recompute_boxes: whether boxes become those of the masks, which are tighter after a crop.
    """

    def __init__(
        self,
        *,
        read_image: ImageReader,
        augmentations: Sequence[Sequence[T.Augmentation]],
        kinds: Sequence[AnnotationKind] | None,
        mask_format: str | None,
        recompute_boxes: bool = False,
    ):
        self.read_image = read_image
        self.augmentations = augmentations
        self.kinds = kinds
        self.mask_format = mask_format
        self.recompute_boxes = recompute_boxes

    def __call__(self, record: dict) -> dict:
        """Return the record with ``image`` and ``instances`` in place of ``annotations``.

        Args:
            record: with ``dataset_source``; it is left alone.

        Returns:
            ``image`` is (3, H, W) uint8, ``instances`` has the targets of all annotations that are
            no crowds and of which something is left; ``gt_has_mask`` says whose masks are none, if
            there are any such, and ``gt_score`` how sure a detector was, if scores are given. With
            kinds there are ``ann_type`` and ``pos_category_ids`` as well. Where the record says so,
            its crowds are ``excluded_boxes``, (Z, 4) XYXY pixels.

        Raises:
            UnreadableImage: the image cannot be used.
        """
        example = dict(record)
        source = record["dataset_source"]
        image = self.read_image.decode(example)
        order = self.read_image.image_format
        example["image"], transforms = augment(image, self.augmentations[source], order)
        given = example.pop("annotations", [])
        annotations = [a for a in given if not a.get("iscrowd", 0)]
        image_size_hw = tuple(example["image"].shape[1:])
        example["instances"] = self._targets(annotations, transforms, image_size_hw)
        if example.pop("excludes_crowds", False):
            crowds = [a for a in given if a.get("iscrowd", 0)]
            example["excluded_boxes"] = _excluded_boxes(crowds, transforms, image_size_hw)
        if self.kinds is not None:
            example.setdefault("pos_category_ids", [])
            example["ann_type"] = self.kinds[source].value
        return example

    def _targets(
        self,
        annotations: Sequence[dict],
        transforms: TransformList,
        image_size_hw: tuple[int, int],
    ) -> Instances:
        keep_masks = self.mask_format is not None
        moved = transform_annotations(annotations, transforms, image_size_hw, keep_masks)
        instances = utils.annotations_to_instances(moved, image_size_hw, self._format_of(moved))
        if not all(annotation.get("has_mask", True) for annotation in annotations):
            has_mask = [annotation.get("has_mask", True) for annotation in annotations]
            instances.gt_has_mask = torch.tensor(has_mask)
        if any("score" in annotation for annotation in annotations):
            instances.gt_score = torch.tensor([a.get("score", 1.0) for a in annotations])
        if self.recompute_boxes and instances.has("gt_masks"):
            instances.gt_boxes = instances.gt_masks.get_bounding_boxes()
        return utils.filter_empty_instances(instances)

    def _format_of(self, annotations: Sequence[dict]) -> str:
        """Return the format of an image's masks: pixels if one of them has no polygons."""
        masks = [a["segmentation"] for a in annotations if "segmentation" in a]
        if any(isinstance(mask, np.ndarray) for mask in masks):
            return "bitmask"
        return self.mask_format or "polygon"


class EvaluationMapper:
    """Maker of the model's inputs from the records of a test set.

    Args:
        read_image: gives the image of a record.
        augmentations: deterministic ones: the test-time resize.
    """

    def __init__(self, read_image: ImageReader, augmentations: Sequence[T.Augmentation]):
        self.read_image = read_image
        self.augmentations = augmentations

    def __call__(self, record: dict) -> dict | UnreadableImage:
        """Return the record with ``image``, (3, H, W) uint8, and without ``annotations``.

        An image that cannot be used is returned as what is wrong with it.
        """
        example = {key: value for key, value in record.items() if key != "annotations"}
        try:
            image = self.read_image.decode(example)
        except UnreadableImage as error:
            return error
        order = self.read_image.image_format
        example["image"] = augment(image, self.augmentations, order).image
        return example


def transform_annotations(
    annotations: Sequence[dict],
    transforms: TransformList,
    image_size_hw: tuple[int, int],
    keep_masks: bool,
) -> list[dict[str, Any]]:
    """Return class, box and, if wanted, mask of annotations in the transformed image.

    Args:
        annotations: with ``bbox``, ``bbox_mode``, ``category_id``; ``segmentation`` may be polygons
            or a run-length mask.
        transforms: those applied to the image.
        image_size_hw: of the transformed image, to which boxes (XYXY, pixels) are clipped.
        keep_masks: whether to transform the segmentations.
    """
    moved = [
        {"category_id": a["category_id"], "bbox": box_xyxy, "bbox_mode": BoxMode.XYXY_ABS}
        for a, box_xyxy in zip(
            annotations, _moved_boxes(annotations, transforms, image_size_hw), strict=True
        )
    ]
    if keep_masks:
        masked = [i for i, a in enumerate(annotations) if "segmentation" in a]
        masks = _moved_masks([annotations[i]["segmentation"] for i in masked], transforms)
        for i, mask in zip(masked, masks, strict=True):
            moved[i]["segmentation"] = mask
    return moved


def _moved_boxes(
    annotations: Sequence[dict], transforms: TransformList, image_size_hw: tuple[int, int]
) -> list[np.ndarray]:
    """Return the boxes of annotations after all transforms, each (4,).

    The released models were trained with transforms that work in place, so a box of whole numbers
    is cut to whole pixels by each. The loader makes all boxes floating point before.
    """
    height, width = image_size_hw
    boxes = [np.asarray(annotation["bbox"]) for annotation in annotations]
    alike = defaultdict(list)
    for i, (annotation, box) in enumerate(zip(annotations, boxes, strict=True)):
        alike[annotation["bbox_mode"], box.dtype].append(i)
    for (mode, dtype), indices in alike.items():
        group = BoxMode.convert(np.array([boxes[i] for i in indices]), mode, BoxMode.XYXY_ABS)
        for transform in transforms.transforms:
            group = transform.apply_box(group.astype(np.float64)).astype(dtype)
        group = group.clip(0, [width, height, width, height])
        for i, box_xyxy in zip(indices, group, strict=True):
            boxes[i] = box_xyxy
    return boxes


def _excluded_boxes(
    crowds: Sequence[dict], transforms: TransformList, image_size_hw: tuple[int, int]
) -> torch.Tensor:
    """Return the boxes of crowds, of which something is left, in the transformed image, (Z, 4)."""
    boxes = np.array(_moved_boxes(crowds, transforms, image_size_hw), dtype=np.float32)
    moved = Boxes(torch.from_numpy(boxes.reshape(-1, 4)))
    return moved.tensor[moved.nonempty()]


def _moved_masks(
    segmentations: Sequence[list | dict], transforms: TransformList
) -> list[list[np.ndarray] | np.ndarray]:
    """Return flat polygons, or the (H, W) bool mask of a run-length encoding, per annotation."""
    polygons = iter(_moved_polygons([s for s in segmentations if isinstance(s, list)], transforms))
    return [
        next(polygons)
        if isinstance(segmentation, list)
        # What fills up a small image is no object, though its label is 255.
        else transforms.apply_segmentation(rle.decode(segmentation)) == 1
        for segmentation in segmentations
    ]


def _moved_polygons(instances: Sequence[list], transforms: TransformList) -> list[list[np.ndarray]]:
    """Return the flat polygons of instances after all transforms, per instance.

    Where transforms move each point by itself, all points are moved together.
    """
    flat = [
        [np.asarray(polygon, dtype=np.float64).reshape(-1) for polygon in polygons]
        for polygons in instances
    ]
    moves = transforms.transforms
    if not all(type(move).apply_polygons is Transform.apply_polygons for move in moves):
        return [_moved_apart(polygons, transforms) for polygons in flat]
    polygons = [polygon for polygons in flat for polygon in polygons]
    points = np.concatenate([np.empty(0), *polygons]).reshape(-1, 2)
    for move in moves:
        points = move.apply_coords(points)
    ends = np.cumsum([len(polygon) for polygon in polygons])
    moved = iter(np.split(points.reshape(-1), ends[:-1]))
    return [[next(moved) for _ in polygons] for polygons in flat]


def _moved_apart(polygons: list[np.ndarray], transforms: TransformList) -> list[np.ndarray]:
    moved = transforms.apply_polygons([polygon.reshape(-1, 2).copy() for polygon in polygons])
    return [points.reshape(-1) for points in moved]


@dataclass(frozen=True)
class MapperParams:
    """How records become training examples."""

    augmentation: AugmentationParams
    image_format: str  # RGB or BGR
    tar_files: tuple[Path, Path] | None = None  # list of tar files, folder of their index
    with_kinds: bool = False  # examples say what they are annotated with
    mask_format: str | None = None  # polygon or bitmask; None: no masks
    recompute_boxes: bool = False

    @classmethod
    def from_config(cls, cfg) -> "MapperParams":
        node = cfg.DATALOADER
        tar_files = None
        if node.USE_TAR_DATASET:
            tar_files = dataset_path(node.TARFILE_PATH), dataset_path(node.TAR_INDEX_DIR)
        has_masks = cfg.MODEL.MASK_ON
        return cls(
            augmentation=AugmentationParams.from_config(cfg),
            image_format=cfg.INPUT.FORMAT,
            tar_files=tar_files,
            with_kinds=cfg.WITH_IMAGE_LABELS,
            mask_format=cfg.INPUT.MASK_FORMAT if has_masks else None,
            recompute_boxes=has_masks and _cuts_masks(cfg),
        )


def _cuts_masks(cfg) -> bool:
    """Return whether boxes are to be taken from the masks, because a crop cuts objects.

    The published recipe with image labels and large-scale jitter keeps the boxes of the annotation,
    cut at the window; the one with boxes alone does not. Other resizes keep them as well.
    """
    if cfg.INPUT.CUSTOM_AUG == "":  # detectron2's augmentations, and its rule
        return cfg.INPUT.CROP.ENABLED
    return cfg.INPUT.CUSTOM_AUG == "LargeScaleJitter" and not cfg.WITH_IMAGE_LABELS


def build_train_mapper(params: MapperParams, sources: Sequence[TrainSource]) -> TrainMapper:
    """Return the mapper of the images of ``sources``.

    Raises:
        InputError: tar files are missing, the sizes of a source do not suit its augmentation, or a
            package is missing that cuts polygons.
    """
    tars = None if params.tar_files is None else TarCollection(*params.tar_files)
    augmentations = [build_train_augmentations(params.augmentation, s) for s in sources]
    if params.mask_format is not None:
        check_polygons_can_be_cut(list(chain(*augmentations)))
    return TrainMapper(
        read_image=ImageReader(params.image_format, tars),
        augmentations=augmentations,
        kinds=[source.kind for source in sources] if params.with_kinds else None,
        mask_format=params.mask_format,
        recompute_boxes=params.recompute_boxes,
    )
