"""Steps of a dataset mapper: read an image, transform annotations, make Instances of them.

Image sizes are (height, width) in pixels; images are (H, W, C) uint8.
"""

from collections.abc import Sequence

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
    """Return an image, turned upright as its EXIF orientation asks.

    Args:
        file_name: a path or URL that PathManager opens.
        format: "BGR" or a PIL mode such as "RGB" and "L", which gives (H, W, 1); None keeps the
            mode of the file.
    """
    with PathManager.open(file_name, "rb") as file:
        image = ImageOps.exif_transpose(Image.open(file))
        return convert_PIL_to_numpy(image, format)


def convert_PIL_to_numpy(image: Image.Image, format: str | None) -> np.ndarray:
    """Return the pixels of a PIL image in the given format; see read_image."""
    if format is not None:
        image = image.convert("RGB" if format == "BGR" else format)
    pixels = np.asarray(image)
    if format == "BGR":
        return pixels[:, :, ::-1]
    return pixels[:, :, None] if format == "L" else pixels


def convert_image_to_rgb(image: np.ndarray | torch.Tensor, format: str) -> np.ndarray:
    """Return an image (H, W, 3) in "RGB", "BGR", or (H, W, 1) in "L", as RGB uint8."""
    pixels = image.cpu().numpy() if isinstance(image, torch.Tensor) else image
    if format == "BGR":
        return pixels[:, :, ::-1]
    if format == "L":
        pixels = pixels.reshape(*pixels.shape[:2], 1).repeat(3, axis=2)
    elif format != "RGB":
        pixels = np.asarray(Image.fromarray(pixels.astype(np.uint8), mode=format).convert("RGB"))
    return pixels


def check_image_size(dataset_dict: dict, image: np.ndarray) -> None:
    """Check the size written in a record against the image; fill it in where it is missing.

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
    """Return the annotation, its box and segmentation transformed in place.

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
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, list):
        # Transforms work in place: the copy is floating point also where all numbers are integers.
        polygons = [np.array(p, dtype=np.float64).reshape(-1, 2) for p in segmentation]
        annotation["segmentation"] = [p.reshape(-1) for p in transforms.apply_polygons(polygons)]
    elif isinstance(segmentation, dict):
        mask = transforms.apply_segmentation(mask_util.decode(segmentation))
        annotation["segmentation"] = (mask == 1).astype(np.uint8)  # 255: beside the image
    return annotation


def annotations_to_instances(
    annos: list[dict], image_size: tuple[int, int], mask_format: str = "polygon"
) -> Instances:
    """Return the annotations of one image as training targets.

    Args:
        annos: transformed ones, with `bbox`, `bbox_mode`, `category_id` (contiguous) and, all of
            them or none, `segmentation`.
        mask_format: "polygon" for PolygonMasks, "bitmask" for BitMasks.

    Returns:
        Instances with `gt_boxes`, `gt_classes` and, given segmentations, `gt_masks`.
    """
    boxes_xyxy = [BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYXY_ABS) for a in annos]
    target = Instances(tuple(image_size))
    target.gt_boxes = Boxes(np.array(boxes_xyxy, dtype=np.float32).reshape(-1, 4))
    target.gt_classes = torch.tensor([int(a["category_id"]) for a in annos], dtype=torch.int64)
    if annos and "segmentation" in annos[0]:
        segmentations = [a["segmentation"] for a in annos]
        target.gt_masks = _to_masks(segmentations, image_size, mask_format)
    return target


def _to_masks(
    segmentations: list, image_size: tuple[int, int], mask_format: str
) -> PolygonMasks | BitMasks:
    if mask_format == "bitmask":
        return BitMasks(np.stack([_to_bitmask(s, image_size) for s in segmentations]))
    if mask_format != "polygon":
        raise ValueError(f"unknown mask format {mask_format!r}; choose polygon or bitmask")
    if not all(isinstance(segmentation, list) for segmentation in segmentations):
        raise ValueError(
            "mask format 'polygon' needs polygons; set INPUT.MASK_FORMAT to 'bitmask' for data "
            "with run-length encoded masks"
        )
    return PolygonMasks(segmentations)


def _to_bitmask(segmentation: list | dict | np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Return polygons, a COCO run-length encoding or a mask as a mask, (H, W)."""
    if isinstance(segmentation, list):
        return polygons_to_bitmask(segmentation, *image_size)
    return mask_util.decode(segmentation) if isinstance(segmentation, dict) else segmentation


def filter_empty_instances(
    instances: Instances,
    by_box: bool = True,
    by_mask: bool = True,
    box_threshold: float = 1e-5,
    return_mask: bool = False,
) -> Instances | tuple[Instances, torch.Tensor]:
    """Return the instances that augmentation has left something of.

    Args:
        by_box: drop boxes with a side not longer than box_threshold pixels.
        by_mask: drop instances whose mask is empty.
        return_mask: return as well the (N,) bool tensor of those kept.
    """
    keep = torch.ones(len(instances), dtype=torch.bool)
    if by_box:
        keep &= instances.gt_boxes.nonempty(threshold=box_threshold)
    if by_mask and instances.has("gt_masks"):
        keep &= instances.gt_masks.nonempty()
    kept = instances if keep.all() else instances[keep]
    return (kept, keep) if return_mask else kept


def check_metadata_consistency(key: str, dataset_names: Sequence[str]) -> None:
    """Raise ValueError unless several datasets agree on a piece of metadata, which all have."""
    values = [getattr(MetadataCatalog.get(name), key) for name in dataset_names]
    for name, value in zip(dataset_names, values, strict=True):
        if value != values[0]:
            raise ValueError(
                f"datasets {dataset_names[0]!r} and {name!r} have different {key!r}, so they "
                "cannot be used together as one"
            )


def build_augmentation(cfg: CfgNode, is_train: bool) -> list[T.Augmentation]:
    """Return the augmentations that cfg.INPUT describes: a resize, in training also a flip."""
    if not is_train:
        return [T.ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST, "choice")]
    resize = T.ResizeShortestEdge(
        cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING
    )
    direction = cfg.INPUT.RANDOM_FLIP
    if direction == "none":
        return [resize]
    flip = T.RandomFlip(horizontal=direction == "horizontal", vertical=direction == "vertical")
    return [resize, flip]


build_transform_gen = build_augmentation  # the name in earlier versions


def get_fed_loss_cls_weights(
    dataset_names: str | Sequence[str], freq_weight_power: float = 1.0
) -> torch.Tensor:
    """Return the weight of each class in the sample of a federated loss, (C,) float32.

    It is the number of its training images, which the metadata of the (first) dataset give as
    `class_image_count`, to the power of `freq_weight_power`.
    """
    names = [dataset_names] if isinstance(dataset_names, str) else list(dataset_names)
    check_metadata_consistency("class_image_count", names)
    counts = sorted(MetadataCatalog.get(names[0]).class_image_count, key=lambda entry: entry["id"])
    images = torch.tensor([entry["image_count"] for entry in counts], dtype=torch.float32)
    return images**freq_weight_power
