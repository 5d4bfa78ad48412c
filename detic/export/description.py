"""What a detector has to say about itself in a file."""

from dataclasses import dataclass
from typing import Any

from detectron2.data import transforms as T

from detic import __version__
from detic.errors import InputError
from detic.export.metadata import ExportMetadata
from detic.loading.augmentation import KeepSides
from detic.predictor import Detector
from detic.vocabulary.encoder_identity import encoder_name, local_fingerprint
from detic.vocabulary.prompts import resolve_template


@dataclass(frozen=True)
class Origin:
    """Where a detector is from."""

    recipe: str  # its name
    weights_sha256: str


def describe(
    detector: Detector,
    origin: Origin,
    *,
    masks: bool,
    min_side_px: int = 1,
    fixed_size_hw: tuple[int, int] | None = None,
) -> ExportMetadata:
    """Return the metadata of a detector's graph, of which nothing is verified so far.

    Raises:
        InputError: its images are resized in a way that the metadata cannot tell.
    """
    model, reader = detector.model, detector.vocabulary_reader
    mean, std = (tuple(x.flatten().tolist()) for x in (model.pixel_mean, model.pixel_std))
    order = detector.input_format.channel_order
    short, longest = _resize(detector)
    scores = getattr(model, "roi_heads", model).score_params
    fill: Any = tuple(round(x) for x in (mean if order == "RGB" else mean[::-1]))
    return ExportMetadata(
        detic_version=__version__,
        recipe=origin.recipe,
        weights_sha256=origin.weights_sha256,
        text_encoder=encoder_name(reader.text_weights),
        text_encoder_fingerprint=local_fingerprint(reader.text_weights),
        prompt=resolve_template(reader.prompt),
        embedding_dim=reader.embedding_dim,
        channel_order=order,
        short_side_px=short,
        max_side_px=longest,
        min_side_px=min_side_px,
        size_divisibility=max(getattr(model.backbone, "size_divisibility", 1), 1),
        fixed_size_hw=fixed_size_hw,
        fill_rgb=fill,
        pixel_mean=mean,
        pixel_std=std,
        default_threshold=detector.score_threshold,
        detections_per_image=scores.max_detections,
        one_class_per_box=scores.one_class_per_proposal,
        has_masks=masks,
        precision="fp32",
        verified="nothing",
    )


def _resize(detector: Detector) -> tuple[int, int]:
    """Return the short side that images are resized to, and the limit of the long one, pixels."""
    steps = detector.input_format.augmentations
    resize = steps[0].resize if len(steps) == 1 and isinstance(steps[0], KeepSides) else None
    if not isinstance(resize, T.ResizeShortestEdge):
        raise InputError(
            "this recipe resizes test images in a way that an exported file cannot tell; set "
            "INPUT.TEST_INPUT_TYPE to default"
        )
    return int(max(resize.short_edge_length)), int(resize.max_size)
