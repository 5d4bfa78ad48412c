"""Steps of a dataset mapper: read an image, transform annotations, make Instances of them.

Image sizes are (height, width) in pixels; images are (H, W, C) uint8.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.structures import (
    BitMasks,
    Boxes,
    BoxMode,
    Instances,
    PolygonMasks,
    polygons_to_bitmask,
)
from detectron2.utils.file_io import PathManager
from fvcore.transforms.transform import Transform, TransformList
from PIL import Image, ImageOps
from pycocotools import mask as mask_util

from . import transforms as T
from .catalog import MetadataCatalog


class SizeMismatchError(ValueError):
    """An image does not have the size that its record says."""


def read_image(file_name: str, format: str | None = None) -> np.ndarray:
    """Returns an image, turned upright as its EXIF orientation asks.

    Args:
        file_name: a path or URL that PathManager opens.
        format: "BGR" or a PIL mode such as "RGB" and "L"; None keeps the mode of the file.

    Returns:
        (H, W, C) uint8; (H, W, 1) for "L".
    """
    with PathManager.open(file_name, "rb") as file:
        image = ImageOps.exif_transpose(Image.open(file))
        return convert_PIL_to_numpy(image, format)


def convert_PIL_to_numpy(image: Image.Image, format: str | None) -> np.ndarray:
    """Returns the pixels of a PIL image in the given format; see read_image."""
    if format is not None:
        image = image.convert("RGB" if format == "BGR" else format)
    pixels = np.asarray(image)
    if format == "BGR":
        return pixels[:, :, ::-1]
    return pixels[:, :, None] if format == "L" else pixels


def convert_image_to_rgb(image: np.ndarray | torch.Tensor, format: str) -> np.ndarray:
    """Returns the image as (H, W, 3) RGB uint8.

    Args:
        image: (H, W, C) in [0, 255], any numeric type.
        format: what it is in; see read_image.
    """
    if isinstance(image, torch.Tensor):
        image = image.cpu().numpy()
    pixels = image.astype(np.uint8)
    if format == "BGR":
        return pixels[:, :, ::-1]
    if format == "L":
        pixels = pixels[:, :, 0]
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB"))


def check_image_size(dataset_dict: dict, image: np.ndarray) -> None:
    """Checks the size written in a record against the image; fills it in where it is missing.

    Raises:
        SizeMismatchError: they differ.
    """
    height, width = image.shape[:2]
    expected = (dataset_dict.setdefault("height", height), dataset_dict.setdefault("width", width))
    if expected != (height, width):
        raise SizeMismatchError(
            f"image {dataset_dict.get('file_name', '(no file_name)')} is {height}x{width} "
            f"(height x width), its record says {expected[0]}x{expected[1]}; correct the "
            "annotation file (sizes are those after EXIF rotation)"
        )


def transform_instance_annotations(
    annotation: dict, transforms: Transform | Sequence[Transform], image_size: tuple[int, int]
) -> dict:
    """Returns the annotation, its box and segmentation transformed in place.

    Args:
        annotation: with `bbox` and `bbox_mode`; `segmentation` is optional, a list of flat
            polygons or a COCO run-length encoding, which becomes an (H, W) uint8 mask.
        transforms: those applied to the image.
        image_size: of the transformed image. Boxes, which become XYXY_ABS, are clipped to it.
    """
    if isinstance(transforms, (list, tuple)):
        transforms = TransformList(transforms)
    box_xyxy = BoxMode.convert(annotation["bbox"], annotation["bbox_mode"], BoxMode.XYXY_ABS)
    box_xyxy = transforms.apply_box(np.array([box_xyxy], dtype=np.float64))[0]
    height, width = image_size
    annotation["bbox"] = box_xyxy.clip(min=0, max=(width, height, width, height))
    annotation["bbox_mode"] = BoxMode.XYXY_ABS
    if "segmentation" in annotation:
        segmentation = annotation["segmentation"]
        annotation["segmentation"] = _transform_segmentation(segmentation, transforms, image_size)
    return annotation


def _transform_segmentation(
    segmentation: list | dict, transforms: Transform, image_size: tuple[int, int]
) -> list[np.ndarray] | np.ndarray:
    if isinstance(segmentation, list):
        # Transforms work in place: the copy is floating point also where all numbers are integers.
        polygons = [np.array(p, dtype=np.float64).reshape(-1, 2) for p in segmentation]
        return [p.reshape(-1) for p in transforms.apply_polygons(polygons)]
    if isinstance(segmentation, dict):
        mask = transforms.apply_segmentation(mask_util.decode(segmentation))
        if mask.shape != tuple(image_size):
            raise ValueError(
                f"the transformed mask is {mask.shape}, the image {tuple(image_size)}; the "
                "run-length encoding does not have the size of the image before the transform"
            )
        return mask
    raise ValueError(
        f"cannot transform a segmentation of type {type(segmentation).__name__}; it is a list of "
        "flat polygons or a COCO run-length encoding (a dict)"
    )


def annotations_to_instances(
    annos: list[dict], image_size: tuple[int, int], mask_format: str = "polygon"
) -> Instances:
    """Returns the annotations of one image as training targets.

    Args:
        annos: transformed ones, with `bbox`, `bbox_mode`, `category_id` (contiguous) and, all of
            them or none, `segmentation`.
        image_size: of the image.
        mask_format: "polygon" for PolygonMasks, "bitmask" for BitMasks.

    Returns:
        Instances with `gt_boxes`, `gt_classes` (N,) int64 and, given segmentations, `gt_masks`.
    """
    if mask_format not in MASK_BUILDERS:
        raise ValueError(f"unknown mask format {mask_format!r}; choose {', '.join(MASK_BUILDERS)}")
    boxes_xyxy = [BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYXY_ABS) for a in annos]
    target = Instances(tuple(image_size))
    target.gt_boxes = Boxes(np.array(boxes_xyxy, dtype=np.float32).reshape(-1, 4))
    target.gt_classes = torch.tensor([int(a["category_id"]) for a in annos], dtype=torch.int64)
    if annos and "segmentation" in annos[0]:
        segmentations = [a["segmentation"] for a in annos]
        target.gt_masks = MASK_BUILDERS[mask_format](segmentations, image_size)
    return target


def _polygon_masks(segmentations: list, image_size: tuple[int, int]) -> PolygonMasks:
    for segmentation in segmentations:
        if not isinstance(segmentation, list):
            raise ValueError(
                f"mask format 'polygon' needs polygons, got a {type(segmentation).__name__}; set "
                "INPUT.MASK_FORMAT to 'bitmask' for data with run-length encoded masks"
            )
    return PolygonMasks(segmentations)


def _bit_masks(segmentations: list, image_size: tuple[int, int]) -> BitMasks:
    masks = [_to_bitmask(segmentation, image_size) for segmentation in segmentations]
    return BitMasks(torch.from_numpy(np.stack(masks).astype(bool)))


def _to_bitmask(segmentation: Any, image_size: tuple[int, int]) -> np.ndarray:
    if isinstance(segmentation, list):
        return polygons_to_bitmask(segmentation, *image_size)
    if isinstance(segmentation, dict):
        return mask_util.decode(segmentation)
    if isinstance(segmentation, np.ndarray) and segmentation.ndim == 2:
        return segmentation
    raise ValueError(
        f"cannot make a bitmask of a {type(segmentation).__name__}; expected polygons, a COCO "
        "run-length encoding or an (H, W) array"
    )


MASK_BUILDERS = {"polygon": _polygon_masks, "bitmask": _bit_masks}


def filter_empty_instances(
    instances: Instances,
    by_box: bool = True,
    by_mask: bool = True,
    box_threshold: float = 1e-5,
    return_mask: bool = False,
) -> Instances | tuple[Instances, torch.Tensor]:
    """Returns the instances that augmentation has left something of.

    Args:
        instances: with `gt_boxes` and maybe `gt_masks`.
        by_box: drop boxes with a side not longer than box_threshold pixels.
        by_mask: drop instances whose mask is empty.
        box_threshold: see by_box.
        return_mask: whether to return as well the (N,) bool tensor of those kept.
    """
    keep = torch.ones(len(instances), dtype=torch.bool)
    if by_box:
        keep &= instances.gt_boxes.nonempty(threshold=box_threshold)
    if by_mask and instances.has("gt_masks"):
        keep &= instances.gt_masks.nonempty()
    kept = instances[keep]
    return (kept, keep) if return_mask else kept


def check_metadata_consistency(key: str, dataset_names: Sequence[str]) -> None:
    """Checks that several datasets agree on a piece of metadata.

    Raises:
        ValueError: they do not; AttributeError: one of them does not have it.
    """
    values = [getattr(MetadataCatalog.get(name), key) for name in dataset_names]
    for name, value in zip(dataset_names, values, strict=True):
        if value != values[0]:
            raise ValueError(
                f"datasets {dataset_names[0]!r} and {name!r} have different {key!r}, so they "
                "cannot be used together as one"
            )


def build_augmentation(cfg: CfgNode, is_train: bool) -> list[T.Augmentation]:
    """Returns the augmentations that cfg.INPUT describes: a resize, in training also a flip."""
    if not is_train:
        return [T.ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST, "choice")]
    resize = T.ResizeShortestEdge(
        cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING
    )
    direction = cfg.INPUT.RANDOM_FLIP
    if direction == "none":
        return [resize]
    if direction not in ("horizontal", "vertical"):
        raise ValueError(
            f"unknown INPUT.RANDOM_FLIP {direction!r}; choose horizontal, vertical or none"
        )
    flip = T.RandomFlip(horizontal=direction == "horizontal", vertical=direction == "vertical")
    return [resize, flip]
