"""Deformable DETR, supervised by boxes and by labels of images.

Shapes: B images, C classes, D embedding width.
"""

from collections.abc import Sequence

import torch
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY, Backbone, build_backbone
from detectron2.structures import ImageList, Instances
from torch import Tensor, nn

from detic.annotation import AnnotationKind
from detic.modeling.backbone.timm import pixel_statistics
from detic.modeling.detr.boxes import xyxy_to_cxcywh
from detic.modeling.detr.config import (
    check_config,
    criterion_params,
    federated_frequencies,
    transformer_params,
)
from detic.modeling.detr.detections import best_detections
from detic.modeling.detr.image_label_loss import image_label_loss
from detic.modeling.detr.levels import padding_of
from detic.modeling.detr.losses import SetCriterion, count_objects
from detic.modeling.detr.matching import Targets
from detic.modeling.detr.network import DetrNetwork
from detic.modeling.request import DetectionRequest
from detic.modeling.roi_heads.class_scores import ClassScores, ScoreParams
from detic.modeling.roi_heads.classifier import ClassifierParams, class_logits_by_slice
from detic.modeling.roi_heads.inference import add_extras
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from detic.transfer import send


@META_ARCH_REGISTRY.register()
class DeformableDetr(nn.Module):
    """A transformer that finds objects without proposals to choose from and without NMS.

    Args:
        network: images to queries.
        criterion: of boxes.
        image_label_weight: of the loss of image labels; None: batches have none.
        pixel_mean, pixel_std: by channel, in the order of INPUT.FORMAT.
        scores: which detections are reported; the thresholds of a request count alone.

    Source: Zhu et al., arXiv 2010.04159, section 4.2; the loss of image labels is Detic's.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    @configurable
    def __init__(
        self,
        *,
        network: DetrNetwork,
        criterion: SetCriterion,
        image_label_weight: float | None,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        scores: ScoreParams,
    ):
        super().__init__()
        self.detr = network
        self.criterion = criterion
        self.image_label_weight = image_label_weight
        self.score_params = scores
        for name, values in (("pixel_mean", pixel_mean), ("pixel_std", pixel_std)):
            by_channel = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)
            self.register_buffer(name, by_channel, persistent=False)

    @classmethod
    def from_config(cls, cfg) -> dict:
        check_config(cfg)
        backbone = build_backbone(cfg)
        classifier = ClassifierParams.from_config(cfg)
        return pixel_statistics(cfg, backbone) | {
            "network": DetrNetwork(backbone, classifier, transformer_params(cfg)),
            "criterion": SetCriterion(criterion_params(cfg), federated_frequencies(cfg)),
            "image_label_weight": cfg.MODEL.DETR.WEAK_WEIGHT if cfg.WITH_IMAGE_LABELS else None,
            "scores": ScoreParams(
                one_class_per_proposal=cfg.MODEL.ROI_HEADS.ONE_CLASS_PER_PROPOSAL,
                max_detections=cfg.TEST.DETECTIONS_PER_IMAGE,
            ),
        }

    @property
    def device(self) -> torch.device:
        return self.pixel_mean.device

    def padded_size_hw(self, image_size_hw: tuple[int, int]) -> tuple[int, int]:
        """Return the size, pixels, of the batch of an image that is alone: its own."""
        return image_size_hw

    @property
    def backbone(self) -> Backbone:
        return self.detr.maps.backbone

    @property
    def classifier(self) -> ZeroShotClassifier | nn.Linear:
        """That of detections; of a closed model a linear layer."""
        return self.detr.classifier

    def forward(
        self, batched_inputs: list[dict], object_counts: Tensor | None = None
    ) -> list[dict] | dict[str, Tensor]:
        """Return detections, or losses by name in training.

        Args:
            batched_inputs: B dicts with ``image`` (uint8 or float, channels first, in the
                channel order of INPUT.FORMAT), ``height`` and ``width`` of the output and, in
                training, ``instances``; with image labels also ``ann_type`` (an AnnotationKind
                value, that of the first counts) and ``pos_category_ids``.
            object_counts: (1,) what the losses are normalised by in training; None: the number of
                objects of the batch itself. See :meth:`count_targets`.

        Returns:
            Per image ``{"instances": ...}`` with ``pred_boxes`` (xyxy, output pixels), ``scores``
            and ``pred_classes``.
        """
        if not self.training:
            return self.inference(batched_inputs)
        images, padding = self.preprocess(batched_inputs)
        transformed = self.detr(images, padding)
        layers = self.detr.predictions(transformed)
        targets = self._targets(batched_inputs)
        losses = self.criterion(layers, transformed.proposals, targets, object_counts)
        if self.image_label_weight is not None:
            kind = AnnotationKind(batched_inputs[0]["ann_type"])
            has_labels = kind in (AnnotationKind.IMAGE, AnnotationKind.CAPTION_AND_TAGS)
            labels = [x["pos_category_ids"] if has_labels else [] for x in batched_inputs]
            losses["loss_image"] = self.image_label_weight * image_label_loss(layers, labels)
        return losses

    @torch.no_grad()
    def inference(
        self, batched_inputs: list[dict], request: DetectionRequest | None = None
    ) -> list[dict]:
        """Return detections as :meth:`forward` does, of what is requested.

        Where they are asked for, the N detections of an image have the fields
        ``region_embeddings`` (N, D) and ``class_scores`` (N, C).

        Raises:
            InputError: other classes are requested of a model with a closed vocabulary.
        """
        request = request or DetectionRequest()
        images, padding = self.preprocess(batched_inputs)
        last = self.detr(images, padding, request.precision.backbone).layers[-1]
        scores = self._scores(last.content, request)
        of_queries = torch.cat([c for _, c in scores.reportable_chunks()], dim=1)  # (B * Q, C)
        if self.score_params.one_class_per_proposal:
            of_queries = of_queries * (of_queries == of_queries.amax(dim=1, keepdim=True))
        limit = self.score_params.limited_to(request.max_detections).max_detections
        has_thresholds = (
            request.classes is not None and request.classes.score_thresholds is not None
        )
        detections = best_detections(
            of_queries.unflatten(0, last.boxes.shape[:2]),
            last.boxes,
            [(x["height"], x["width"]) for x in batched_inputs],
            limit,
            scores.thresholds if has_thresholds else None,
        )
        queries_per_image = [last.boxes.shape[1]] * len(detections)
        features = last.content.flatten(0, 1)
        add_extras(detections, queries_per_image, features, scores, self.classifier, request)
        return [{"instances": of_image} for of_image in detections]

    def count_targets(self, batched_inputs: list[dict]) -> Tensor:
        """Return what the losses of a training batch are normalised by, (1,)."""
        return count_objects(self._targets(batched_inputs), self.device)

    def preprocess(self, batched_inputs: list[dict]) -> tuple[Tensor, Tensor]:
        """Return normalised images (B, 3, H, W) and where they are padded, (B, H, W) bool.

        H and W are the largest of the batch, or multiples of what the backbone needs; Detectron2's
        ResNets need none.
        """
        images = [
            (send(x["image"], self.device) - self.pixel_mean) / self.pixel_std
            for x in batched_inputs
        ]
        batch = ImageList.from_tensors(images, self.backbone.size_divisibility)
        return batch.tensor, padding_of(batch.image_sizes, batch.tensor)

    def _targets(self, batched_inputs: list[dict]) -> list[Targets]:
        return [_relative(x["instances"], self.device) for x in batched_inputs]

    def _scores(self, content: Tensor, request: DetectionRequest) -> ClassScores:
        """Return the class scores of the queries (B, Q, width), image by image."""
        x = content.flatten(0, 1)
        columns = None if request.classes is None else request.classes.columns
        logits = class_logits_by_slice(self.classifier, x, columns)
        return ClassScores(
            [lambda classes: logits(classes).sigmoid()],
            self.detr.num_classes,
            x.new_zeros(len(x)),  # there are no scores of proposals
            self.score_params,
            request.classes,
        )


def _relative(instances: Instances, device: torch.device) -> Targets:
    """Return the objects of an image on a device, in shares of the image's width and height."""
    height, width = instances.image_size
    boxes = instances.gt_boxes.tensor  # not on the device yet: nor are the sides
    scale = boxes.new_tensor([width, height, width, height])
    relative = xyxy_to_cxcywh(boxes / scale)
    return Targets(send(instances.gt_classes, device), send(relative, device))
