"""From a detector to a file that other programs run."""

import copy
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from detic.errors import InputError
from detic.export.description import Origin, describe
from detic.export.detr_graph import DetrGraph
from detic.export.exported_detector import open_exported
from detic.export.formats import Format, format_to_write
from detic.export.graph import TwoStageGraph
from detic.export.int8 import (
    MAX_VERIFIED,
    MIN_MATCHED_SHARE,
    RoughAgreement,
    check_int8,
    compare_roughly,
    num_best_objects,
    roughly_verified_in_words,
    sample_files,
    write_int8,
)
from detic.export.metadata import ExportMetadata
from detic.export.program import check_torch, trace
from detic.export.recipe import check_detectron2
from detic.export.reference import look_through, typical_classes
from detic.export.verification import VERIFIED_SHARE, Agreement, compare, verified_in_words
from detic.files import check_place, refuse_existing, unfinished_path
from detic.image_sources import load_image
from detic.images import read_image
from detic.modeling.build import DetectionModel
from detic.modeling.detr.meta_arch import DeformableDetr
from detic.modeling.meta_arch import CustomRCNN
from detic.paths import resource
from detic.predictor import Detector

logger = logging.getLogger(__name__)

_WEIGHTS_SUFFIX = ".bin"  # of the second file of a format that has one


@dataclass(frozen=True)
class ExportParams:
    """What is exported."""

    format: str
    masks: bool = True  # if the model knows masks
    fixed_size_hw: tuple[int, int] | None = None  # of images; None: any
    int8_images: Path | None = None  # folder of sample images for integers of 8 bits; None: floats
    overwrite: bool = False


def export_detector(
    detector: Detector, path: Path, params: ExportParams, origin: Origin
) -> Agreement | RoughAgreement:
    """Write a file that finds what a detector finds; return how well it does in some images.

    The file appears when it is complete and verified.

    Args:
        detector: on the CPU, in float32.
        path: with the suffix of the format.

    Raises:
        InputError: the detector cannot be exported, the file cannot be written or may not be
            replaced, a package is missing, or the file finds other objects.
    """
    file_format = check_export(path, params)
    masks = params.masks and has_masks(detector.model)
    graph = build_graph(copy.deepcopy(detector.model), masks)
    logger.info("making the graph")
    width = detector.vocabulary_reader.embedding_dim
    program, min_side_px = trace(graph, width, params.fixed_size_hw)
    metadata = describe(
        detector,
        origin,
        masks=masks,
        min_side_px=min_side_px,
        fixed_size_hw=params.fixed_size_hw,
    )
    logger.info("writing it as %s", params.format)
    with _unfinished_files(path) as unfinished:
        if params.int8_images is None:
            return _write_exactly(detector, program, metadata, file_format, unfinished)
        return _write_int8(detector, program, metadata, params, unfinished)


@contextmanager
def _unfinished_files(path: Path) -> Iterator[Path]:
    """Yield a temporary path; its file, and maybe the weights beside it, are renamed at the end."""
    with unfinished_path(path) as unfinished:
        weights = unfinished.with_suffix(_WEIGHTS_SUFFIX)
        try:
            yield unfinished
            if weights.exists():
                with unfinished_path(path.with_suffix(_WEIGHTS_SUFFIX)) as place:
                    shutil.move(weights, place)  # to another disk, if the place is a link
        finally:
            weights.unlink(missing_ok=True)


def build_graph(model: DetectionModel, masks: bool) -> nn.Module:
    """Return a detector as a function of tensors.

    Raises:
        InputError: there is none for models like this one.
    """
    check_detectron2()
    if isinstance(model, DeformableDetr):
        return DetrGraph(model).eval()
    part = model.roi_heads if isinstance(model, CustomRCNN) else model
    if not hasattr(part, "classify_boxes"):
        raise InputError(
            f"{type(part).__name__} cannot be exported; choose a recipe with DeticCascadeROIHeads or "
            "CustomRes5ROIHeads"
        )
    assert isinstance(model, CustomRCNN)
    return TwoStageGraph(model, masks).eval()


def has_masks(model: DetectionModel) -> bool:
    return isinstance(model, CustomRCNN) and model.roi_heads.mask_on


def check_export(path: Path, params: ExportParams) -> Format:
    """Return the format of a file that can be written.

    Raises:
        InputError: it cannot, or may not be replaced, or a package is missing.
    """
    check_torch()
    file_format = format_to_write(params.format)
    if path.suffix != file_format.suffix:
        raise InputError(
            f"{path} should end in {file_format.suffix}, as files of format {params.format} do"
        )
    check_place(path)
    refuse_existing(path, params.overwrite)
    if params.int8_images is not None:
        check_int8(params.format)
        sample_files(params.int8_images)
    if path.suffix == ".xml":
        refuse_existing(path.with_suffix(_WEIGHTS_SUFFIX), params.overwrite)
    return file_format


def _write_exactly(
    detector: Detector,
    program: ExportedProgram,
    metadata: ExportMetadata,
    file_format: Format,
    path: Path,
) -> Agreement:
    size_hw = metadata.fixed_size_hw
    images = [network_input(detector, image, size_hw) for image in _sample_images()]
    classes = typical_classes(detector.model, images[0], metadata.embedding_dim)
    reference = look_through(detector.model, images, classes, masks=metadata.has_masks)
    file_format.write(program, replace(metadata, verified=verified_in_words(reference)), path)
    logger.info("comparing it with the detector")
    agreement = compare(reference, open_exported(path).run)
    if agreement.num_matched < VERIFIED_SHARE * agreement.num_objects:
        raise InputError(
            f"the exported program finds other objects than the detector: only {agreement}; nothing "
            "was written; other versions of torch, onnxscript and the program that runs the file "
            "may do better"
        )
    if agreement.num_objects == 0:
        logger.warning("%s", agreement)
    return agreement


def _write_int8(
    detector: Detector,
    program: ExportedProgram,
    metadata: ExportMetadata,
    params: ExportParams,
    path: Path,
) -> RoughAgreement:
    assert params.int8_images is not None
    images = [
        network_input(detector, load_image(file), params.fixed_size_hw)
        for file in sample_files(params.int8_images)
    ]
    classes = typical_classes(detector.model, images[0], metadata.embedding_dim)
    verified = images[:MAX_VERIFIED]
    reference = look_through(detector.model, verified, classes, masks=metadata.has_masks)
    thresholds = np.zeros(len(classes), np.float32)
    samples = [(image.numpy(), classes.numpy(), thresholds) for image in images]
    if not num_best_objects(reference):
        raise InputError(
            f"the detector finds no object in the first {len(verified)} images of {params.int8_images}, "
            "which it is compared in; name images with objects"
        )
    in_words = roughly_verified_in_words(reference)
    metadata = replace(metadata, precision="int8", verified=in_words)
    write_int8(program, metadata, samples, params.format, path)
    logger.info("comparing it with the detector")
    agreement = compare_roughly(reference, open_exported(path).run)
    if agreement.num_matched < MIN_MATCHED_SHARE * agreement.num_objects:
        raise InputError(
            f"with integers of 8 bits other objects are found: only {agreement}; nothing was written; "
            "name images that are more like those of use, or leave --int8 out"
        )
    return agreement


def _sample_images() -> list[np.ndarray]:
    """Return two images (H, W, 3) of different shape: a scene, and clouds."""
    scene = read_image(resource("docs/pictures/scene.png"), "BGR")
    coarse = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return [scene, cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC)]


def network_input(
    detector: Detector, image: np.ndarray, fixed_size_hw: tuple[int, int] | None = None
) -> Tensor:
    """Return an image (H, W, 3) uint8 in BGR order as a graph takes it.

    One of a fixed size is resized to fit, and filled up with the mean colour at right and bottom.
    """
    if fixed_size_hw is None:
        return detector.input_format.model_input(image)["image"].permute(1, 2, 0).contiguous()
    scale = min(np.array(fixed_size_hw) / image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    resized = cv2.resize(image, (width, height))
    if detector.input_format.channel_order == "RGB":
        resized = resized[:, :, ::-1]
    mean = detector.model.pixel_mean.flatten().round().to(torch.uint8)
    filled = mean.repeat(*fixed_size_hw, 1)
    filled[:height, :width] = torch.from_numpy(resized.copy())
    return filled
