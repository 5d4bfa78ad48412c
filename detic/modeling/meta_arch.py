"""The detector: backbone, proposal network and heads, supervised by boxes, labels or captions.

Shapes: B images, C classes, T captions, D embedding width.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN
from detectron2.structures import ImageList, Instances
from torch import Tensor, nn

from centernet.proposal_generator import CenterNet
from detic.annotation import AnnotationKind
from detic.errors import InputError
from detic.modeling.backbone.timm import pixel_statistics
from detic.modeling.captions import encode_captions, gather_captions
from detic.modeling.dynamic_vocabulary import ClassSampler
from detic.modeling.precision import FP32, Precision, computing_in
from detic.modeling.regions import RegionFeatures, scaled
from detic.modeling.request import DetectionRequest
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from detic.modeling.supervision import BatchCaptions, Supervision
from detic.transfer import send, send_instances
from detic.vocabulary.text_encoder import build_text_encoder
from detic.vocabulary.text_weights import OPENAI

# Detectron2's own heads know boxes only.
_BOX_ONLY_HEADS = ("StandardROIHeads", "CascadeROIHeads")


@dataclass(frozen=True)
class CaptionParams:
    """How captions are contrasted."""

    across_processes: bool = False
    images_per_box_image: int = 4  # caption batches are this many times larger than box batches


@META_ARCH_REGISTRY.register()
class CustomRCNN(GeneralizedRCNN):
    """A two-stage detector that learns from boxes, image labels and captions (Detic).

    Args:
        half_precision_backbone: run it under automatic mixed precision in training on a GPU.
        dataset_loss_weights: factor on all losses by ``dataset_source``; empty: none.
        class_sampler: classify each training batch against a sample; None: all classes.
        text_encoder: captions to (T, D); frozen.
        kwargs: those of detectron2's GeneralizedRCNN.
    """

    @configurable
    def __init__(
        self,
        *,
        with_image_labels: bool,
        half_precision_backbone: bool,
        box_only_heads: bool,
        dataset_loss_weights: Sequence[float],
        class_sampler: ClassSampler | None,
        text_encoder: nn.Module | None,
        captions: CaptionParams,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.with_image_labels = with_image_labels
        self.half_precision_backbone = half_precision_backbone
        self.box_only_heads = box_only_heads
        self.dataset_loss_weights = list(dataset_loss_weights)
        self.class_sampler = class_sampler
        self.caption_params = captions
        if text_encoder is not None:
            self.text_encoder = text_encoder.requires_grad_(False)

    @classmethod
    def from_config(cls, cfg) -> dict:
        node = cfg.MODEL
        if node.DYNAMIC_CLASSIFIER and (node.ROI_BOX_HEAD.USE_FED_LOSS or node.WITH_CAPTION):
            raise InputError(
                "MODEL.DYNAMIC_CLASSIFIER samples classes itself and knows no captions: "
                "set MODEL.ROI_BOX_HEAD.USE_FED_LOSS and MODEL.WITH_CAPTION to False"
            )
        encoder = node.get("TEXT_ENCODER", {}).get("WEIGHTS", OPENAI)  # other projects lack the key
        if node.WITH_CAPTION and encoder != OPENAI:
            raise InputError(
                "MODEL.WITH_CAPTION True embeds captions by OpenAI's ViT-B/32, and MODEL.TEXT_ENCODER."
                f"WEIGHTS is {encoder!r}; class names and captions need one text encoder: set it to "
                f"{OPENAI!r}"
            )
        parts = super().from_config(cfg)
        return (
            parts
            | pixel_statistics(cfg, parts["backbone"])
            | {
                "with_image_labels": cfg.WITH_IMAGE_LABELS,
                "half_precision_backbone": cfg.FP16,
                "box_only_heads": node.ROI_HEADS.NAME in _BOX_ONLY_HEADS,
                "dataset_loss_weights": node.DATASET_LOSS_WEIGHT,
                "class_sampler": ClassSampler.from_config(cfg) if node.DYNAMIC_CLASSIFIER else None,
                "text_encoder": build_text_encoder() if node.WITH_CAPTION else None,
                "captions": CaptionParams(node.SYNC_CAPTION_BATCH, node.CAP_BATCH_RATIO),
            }
        )

    def forward(
        self, batched_inputs: list[dict], object_counts: Tensor | None = None
    ) -> list[dict] | dict[str, Tensor]:
        """Return detections, or losses by name in training.

        Args:
            batched_inputs: B dicts with ``image`` (uint8 or float, channels first, in the
                channel order of INPUT.FORMAT), optional ``height`` and ``width`` of the output and,
                in training, ``instances``; with image labels also ``ann_type`` (an AnnotationKind
                value, the same for the batch), ``pos_category_ids`` and, for caption batches,
                ``captions``. With boxes maybe ``labelled_classes`` (C,) bool, the only classes whose
                absence is known, and ``excluded_boxes`` (Z, 4) xyxy pixels, in which nothing is
                background.
            object_counts: (2,) what the proposal losses are normalised by in training; None: the
                counts of the batch itself. See :meth:`count_targets`.

        Returns:
            Per image ``{"instances": ...}`` with ``pred_boxes`` (xyxy, output pixels), ``scores``,
            ``pred_classes`` and ``pred_masks``.
        """
        if not self.training:
            return self.inference(batched_inputs)
        images = self.preprocess_image(batched_inputs)
        gt_instances = [send_instances(x["instances"], self.device) for x in batched_inputs]
        supervision = self._supervision(batched_inputs)
        if supervision.kind.has_boxes and not supervision.kind.has_box_classes:
            for instances in gt_instances:
                instances.gt_classes = torch.zeros_like(instances.gt_classes)

        on_gpu = self.device.type == "cuda"
        features = self.backbone_features(
            images, torch.float16 if self.half_precision_backbone and on_gpu else None
        )
        options: dict[str, Any] = {}
        if object_counts is not None:
            options["object_counts"] = object_counts
        if supervision.excluded_boxes is not None:
            options["excluded_boxes"] = supervision.excluded_boxes
        trains_proposals = supervision.kind.has_boxes
        with nullcontext() if trains_proposals else torch.no_grad():
            proposals, losses = self.proposal_generator(images, features, gt_instances, **options)
        if not trains_proposals:
            zero = self._zero_of_proposals(features)
            losses = {name: loss * 0.0 + zero for name, loss in losses.items()}
        losses |= self._roi_losses(images, features, proposals, gt_instances, supervision)
        return self._weigh(losses, batched_inputs)

    @torch.no_grad()
    def inference(
        self, batched_inputs: list[dict], request: DetectionRequest | None = None
    ) -> list[dict]:
        """Return detections as :meth:`forward` does, of what is requested.

        Where they are asked for, the N detections of an image have the fields
        ``region_embeddings`` (N, D) and ``class_scores`` (N, C).
        """
        request = request or DetectionRequest()
        images = self.preprocess_image(batched_inputs)
        features = self.backbone_features(images, request.precision.backbone)
        with computing_in(request.precision.heads, self.device):
            proposals, _ = self.proposal_generator(images, features, None)
        if self.box_only_heads:
            detections, _ = self.roi_heads(images, features, proposals)
        else:
            detections, _ = self.roi_heads(images, features, proposals, request=request)
        if not request.pasted_masks:
            _keep_mask_cells(detections)
        return self._postprocess(detections, batched_inputs, images.image_sizes)

    @torch.no_grad()
    def describe_regions(
        self, batched_inputs: list[dict], precision: Precision = FP32
    ) -> list[RegionFeatures]:
        """Return the regions of each image as detection compares them with classes.

        Args:
            batched_inputs: as :meth:`forward` takes them; boxes are in the pixels of the output.
            precision: that the model computes in.
        """
        images = self.preprocess_image(batched_inputs)
        features = self.backbone_features(images, precision.backbone)
        with computing_in(precision.heads, self.device):
            proposals, _ = self.proposal_generator(images, features, None)
        regions = self.roi_heads.describe_regions(features, proposals, precision.heads)
        return [
            scaled(of_image, x["width"] / width, x["height"] / height)
            for of_image, x, (height, width) in zip(
                regions, batched_inputs, images.image_sizes, strict=True
            )
        ]

    def preprocess_image(self, batched_inputs: list[dict]) -> ImageList:
        """Return the normalised images as one batch, padded at right and bottom."""
        sent = [x | {"image": send(x["image"], self.device)} for x in batched_inputs]
        return super().preprocess_image(sent)

    def padded_size_hw(self, image_size_hw: tuple[int, int]) -> tuple[int, int]:
        """Return the size, pixels, that ``preprocess_image`` gives an image that is alone."""
        # Upstream's backbones of 0.6 have no constraints.
        constraints = getattr(self.backbone, "padding_constraints", {})
        step = max(constraints.get("size_divisibility", self.backbone.size_divisibility), 1)
        square = constraints.get("square_size", 0)
        height, width = (-(-(square or side) // step) * step for side in image_size_hw)
        return height, width

    @property
    def classifier(self) -> ZeroShotClassifier:
        """That of the first stage; of a closed model a linear layer."""
        return self.roi_heads.classifier

    def count_targets(self, batched_inputs: list[dict]) -> Tensor | None:
        """Return what the proposal losses of a training batch are normalised by, (2,).

        None if they are normalised by what does not depend on the batch.
        """
        if not isinstance(self.proposal_generator, CenterNet):
            return None
        images = self.preprocess_image(batched_inputs)
        gt_instances = [send_instances(x["instances"], self.device) for x in batched_inputs]
        return self.proposal_generator.count_targets(gt_instances, images.tensor.shape[2:])

    def _zero_of_proposals(self, features: dict[str, Tensor]) -> Tensor:
        """Return 0, whose gradient is 0 in the proposal network and the maps that it looks at.

        All batches then have gradients for the same parameters, at no cost.
        """
        names = getattr(self.proposal_generator, "in_features", features)
        parts = [features[name][:0].sum() for name in names]
        parts += [p.flatten()[:0].sum() for p in self.proposal_generator.parameters()]
        return torch.stack([part.float() for part in parts]).sum()

    def _roi_losses(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        proposals: list[Instances],
        gt_instances: list[Instances],
        supervision: Supervision,
    ) -> dict[str, Tensor]:
        if self.box_only_heads:
            return self.roi_heads(images, features, proposals, gt_instances)[1]
        return self.roi_heads(images, features, proposals, gt_instances, supervision=supervision)[1]

    def backbone_features(
        self, images: ImageList, dtype: torch.dtype | None = None
    ) -> dict[str, Tensor]:
        """Return float32 feature maps by name, computed in mixed precision if a dtype is given."""
        if dtype is None:
            return self.backbone(self._laid_out(images.tensor))
        pixels = images.tensor.to(dtype, memory_format=torch.channels_last)
        with computing_in(dtype, self.device):
            features = self.backbone(pixels)
        return {
            name: x.to(torch.float32, memory_format=torch.contiguous_format)
            for name, x in features.items()
        }

    def _laid_out(self, images: Tensor) -> Tensor:
        """Return ``images`` in the memory format in which the whole network is fastest.

        A processor sums the statistics of a batch in double precision in planes only.
        """
        if self.device.type != "cpu" or (self.training and _has_batch_statistics(self.backbone)):
            return images
        if torch.compiler.is_compiling():  # other programs choose for themselves
            return images
        return images.contiguous(memory_format=torch.channels_last)

    def _supervision(self, batched_inputs: list[dict]) -> Supervision:
        """Return what the batch is annotated with, classes sampled and captions encoded."""
        if not self.with_image_labels:
            kind = AnnotationKind.BOX
            labels: list[list[int]] = [[] for _ in batched_inputs]
        else:
            kinds = {x["ann_type"] for x in batched_inputs}
            assert len(kinds) == 1, f"a batch mixes annotation types {sorted(kinds)}"
            kind = AnnotationKind(kinds.pop())
            labels = [x["pos_category_ids"] for x in batched_inputs]
        classes = None
        if self.class_sampler is not None and kind is not AnnotationKind.CAPTION:
            class_columns = self.roi_heads.classifier.zs_weight
            # The batch is not on the device yet: what is drawn from it is not read back.
            truth = [x["instances"] for x in batched_inputs]
            classes = self.class_sampler(kind, truth, labels, class_columns)
        return Supervision(
            kind,
            labels,
            classes,
            self._captions(kind, batched_inputs),
            self._labelled_classes(batched_inputs),
            self._excluded_boxes(batched_inputs),
        )

    def _labelled_classes(self, batched_inputs: list[dict]) -> Tensor | None:
        """Return the classes that each image is labelled for, (B, C) bool; None: all."""
        given = [x.get("labelled_classes") for x in batched_inputs]
        if all(of_image is None for of_image in given):
            return None
        every = torch.ones(self.roi_heads.num_classes, dtype=torch.bool)
        rows = [every if of_image is None else torch.as_tensor(of_image) for of_image in given]
        return send(torch.stack(rows), self.device)

    def _excluded_boxes(self, batched_inputs: list[dict]) -> list[Tensor] | None:
        """Return the boxes (Z, 4) of each image in which nothing is background; None: none."""
        nothing = torch.zeros(0, 4)
        boxes = [x.get("excluded_boxes", nothing) for x in batched_inputs]
        if not any(map(len, boxes)):
            return None
        return [send(of_image, self.device) for of_image in boxes]

    def _captions(self, kind: AnnotationKind, batched_inputs: list[dict]) -> BatchCaptions | None:
        """Return the captions to contrast; None for a batch without any."""
        if not hasattr(self, "text_encoder"):
            return None
        own = None
        if kind.has_captions:
            own = encode_captions([x["captions"] for x in batched_inputs], self.text_encoder)
            own = own.to(self.device)
        if not self.caption_params.across_processes:
            return None if own is None else BatchCaptions(own)
        # Every process takes part in the exchange; one without captions sends zeros.
        gathered, first = gather_captions(
            self._no_captions(kind, len(batched_inputs)) if own is None else own
        )
        return None if own is None else BatchCaptions(gathered, first)

    def _no_captions(self, kind: AnnotationKind, num_images: int) -> Tensor:
        """Return zeros in place of captions, (T, D); batches of boxes stand for larger ones."""
        if kind is AnnotationKind.BOX:
            num_images *= self.caption_params.images_per_box_image
        classifier = self.roi_heads.classifier
        return classifier.zs_weight.new_zeros(num_images, classifier.embedding_dim)

    def _weigh(self, losses: dict[str, Tensor], batched_inputs: list[dict]) -> dict[str, Tensor]:
        """Return the losses times the weight of the batch's dataset."""
        if not self.dataset_loss_weights:
            return losses
        sources = {x["dataset_source"] for x in batched_inputs}
        assert len(sources) == 1, f"a batch mixes datasets {sorted(sources)}"
        weight = self.dataset_loss_weights[sources.pop()]
        return {name: loss * weight for name, loss in losses.items()}


def _keep_mask_cells(detections: Sequence[Instances]) -> None:
    """Call masks by a name under which postprocessing does not paste them."""
    for of_image in detections:
        if of_image.has("pred_masks"):
            of_image.mask_cells = of_image.pred_masks[:, 0]
            of_image.remove("pred_masks")


def _has_batch_statistics(network: nn.Module) -> bool:
    return any(
        isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training for m in network.modules()
    )
