"""From a detector to a file that other programs run."""

import copy
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import detectron2
import numpy as np
import torch
from torch import Tensor, nn

from detic.errors import InputError
from detic.export.description import Origin, describe
from detic.export.exported_detector import open_exported
from detic.export.formats import Format, find_format
from detic.export.graph import TwoStageGraph
from detic.export.program import check_torch, trace
from detic.export.verification import Agreement, compare, typical_classes
from detic.files import check_place, refuse_existing, unfinished_path
from detic.images import read_image
from detic.modeling.build import DetectionModel
from detic.modeling.meta_arch import CustomRCNN
from detic.paths import resource
from detic.predictor import Detector

logger = logging.getLogger(__name__)

_VERIFIED_SHARE = 0.98  # of the objects, which have to be equal
_WEIGHTS_SUFFIX = ".bin"  # of the second file of a format that has one


@dataclass(frozen=True)
class ExportParams:
    """What is exported."""

    format: str
    masks: bool = True  # if the model knows masks
    fixed_size_hw: tuple[int, int] | None = None  # of images; None: any
    overwrite: bool = False


def export_detector(
    detector: Detector, path: Path, params: ExportParams, origin: Origin
) -> Agreement:
    """Write a file that finds what a detector finds; return how well it does in two images.

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
    with unfinished_path(path) as unfinished:
        weights = unfinished.with_suffix(_WEIGHTS_SUFFIX)
        try:
            logger.info("writing it as %s", params.format)
            file_format.write(program, metadata, unfinished)
            logger.info("comparing it with the detector")
            agreement = _verify(detector, unfinished, params.fixed_size_hw)
            if weights.exists():
                weights.replace(path.with_suffix(_WEIGHTS_SUFFIX))
        finally:
            weights.unlink(missing_ok=True)
    return agreement


def build_graph(model: DetectionModel, masks: bool) -> nn.Module:
    """Return a detector as a function of tensors.

    Raises:
        InputError: there is none for models like this one.
    """
    if "portable" not in detectron2.__version__:
        raise InputError(
            "exporting needs the Detectron2 of this project, the folder `portable`; upstream's cannot be "
            "made a graph"
        )
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
    file_format = find_format(params.format)
    if path.suffix != file_format.suffix:
        raise InputError(
            f"{path} should end in {file_format.suffix}, as files of format {params.format} do"
        )
    check_place(path)
    refuse_existing(path, params.overwrite)
    if path.suffix == ".xml":
        refuse_existing(path.with_suffix(_WEIGHTS_SUFFIX), params.overwrite)
    return file_format


def _verify(detector: Detector, path: Path, fixed_size_hw: tuple[int, int] | None) -> Agreement:
    images = [_network_input(detector, image, fixed_size_hw) for image in _sample_images()]
    width = detector.vocabulary_reader.embedding_dim
    classes = typical_classes(detector.model, images[0], width)
    agreement = compare(detector.model, open_exported(path).run, images, classes, 0.0)
    if agreement.num_matched < _VERIFIED_SHARE * agreement.num_objects:
        raise InputError(
            f"the exported program finds other objects than the detector: only {agreement}; nothing "
            "was written; other versions of torch, onnxscript and the program that runs the file "
            "may do better"
        )
    return agreement


def _sample_images() -> list[np.ndarray]:
    """Return two images (H, W, 3) of different shape: a scene, and clouds."""
    scene = read_image(resource("docs/pictures/scene.png"), "BGR")
    coarse = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return [scene, cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC)]


def _network_input(
    detector: Detector, image: np.ndarray, fixed_size_hw: tuple[int, int] | None
) -> Tensor:
    """Return an image as a graph takes it, (H, W, 3) uint8."""
    if fixed_size_hw is not None:
        height, width = fixed_size_hw
        return torch.from_numpy(cv2.resize(image, (width, height)))
    return detector.input_format.model_input(image)["image"].permute(1, 2, 0).contiguous()
