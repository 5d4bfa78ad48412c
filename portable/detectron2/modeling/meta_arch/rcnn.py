"""Two-stage detector: backbone, proposal generator, heads on regions."""

from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.structures import ImageList, Instances
from torch import nn

from .._postprocessing import postprocess_batch
from ..backbone import Backbone, build_backbone
from ..proposal_generator import build_proposal_generator
from ..roi_heads import build_roi_heads
from .build import META_ARCH_REGISTRY

# One dict per image, as the data loader makes it.
_BatchedInputs = list[dict[str, Any]]


@META_ARCH_REGISTRY.register()
class GeneralizedRCNN(nn.Module):
    """Detects objects by proposing regions and classifying them.

    Args:
        backbone: images -> features by name.
        proposal_generator: (images, features, gt) -> (proposals, losses).
        roi_heads: (images, features, proposals, gt) -> (detections, losses).
        pixel_mean: per channel, subtracted from the image.
        pixel_std: per channel, divides the image.
        input_format: channel order of the images, such as "BGR".

    Source: Faster R-CNN (arXiv 1506.01497).
    """

    @configurable
    def __init__(
        self,
        *,
        backbone: Backbone,
        proposal_generator: nn.Module,
        roi_heads: nn.Module,
        pixel_mean: tuple[float, ...],
        pixel_std: tuple[float, ...],
        input_format: str | None = None,
    ):
        super().__init__()
        if len(pixel_mean) != len(pixel_std):
            raise ValueError(
                f"pixel_mean and pixel_std need one value per channel, got {len(pixel_mean)} "
                f"and {len(pixel_std)} values"
            )
        self.backbone = backbone
        self.proposal_generator = proposal_generator
        self.roi_heads = roi_heads
        self.input_format = input_format
        for name, values in (("pixel_mean", pixel_mean), ("pixel_std", pixel_std)):
            per_channel = torch.tensor(list(values), dtype=torch.float32).view(-1, 1, 1)
            self.register_buffer(name, per_channel, persistent=False)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        backbone = build_backbone(cfg)
        shapes = backbone.output_shape()
        return {
            "backbone": backbone,
            "proposal_generator": build_proposal_generator(cfg, shapes),
            "roi_heads": build_roi_heads(cfg, shapes),
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "input_format": cfg.INPUT.FORMAT,
        }

    @property
    def device(self) -> torch.device:
        return self.pixel_mean.device

    def forward(self, batched_inputs: _BatchedInputs) -> _BatchedInputs | dict[str, torch.Tensor]:
        """Return losses by name in training mode, detections otherwise.

        Args:
            batched_inputs: per image `image`, a (3, H, W) tensor in the channel order
                `input_format`; in training `instances` with the ground truth in the pixels of
                `image`; at inference optionally `height` and `width`, the size to report
                detections in.

        Returns:
            In training, scalar tensors. At inference, per image a dict with `instances`.
        """
        if not self.training:
            return self.inference(batched_inputs)
        images = self.preprocess_image(batched_inputs)
        gt_instances = [inputs["instances"].to(self.device) for inputs in batched_inputs]
        features = self.backbone(images.tensor)
        proposals, proposal_losses = self.proposal_generator(images, features, gt_instances)
        _, detector_losses = self.roi_heads(images, features, proposals, gt_instances)
        return {**detector_losses, **proposal_losses}

    def inference(
        self,
        batched_inputs: _BatchedInputs,
        detected_instances: list[Instances] | None = None,
        do_postprocess: bool = True,
    ) -> _BatchedInputs | list[Instances]:
        """Return detections as `forward` does.

        Args:
            detected_instances: per image, `pred_boxes` and `pred_classes` that are known, in pixels
                of the network input; only the rest, such as masks, is then predicted.
            do_postprocess: False for Instances in the pixels of the network input.
        """
        assert not self.training, "inference() is for evaluation mode; call .eval() first"
        images = self.preprocess_image(batched_inputs)
        features = self.backbone(images.tensor)
        if detected_instances is None:
            proposals, _ = self.proposal_generator(images, features, None)
            results, _ = self.roi_heads(images, features, proposals, None)
        else:
            detected = [instances.to(self.device) for instances in detected_instances]
            results = self.roi_heads.forward_with_given_boxes(features, detected)
        if not do_postprocess:
            return results
        return self._postprocess(results, batched_inputs, images.image_sizes)

    def preprocess_image(self, batched_inputs: _BatchedInputs) -> ImageList:
        """Return the normalised images as one batch, padded with zeros at right and bottom."""
        images = [
            (inputs["image"].to(self.device) - self.pixel_mean) / self.pixel_std
            for inputs in batched_inputs
        ]
        return ImageList.from_tensors(
            images,
            self.backbone.size_divisibility,
            padding_constraints=self.backbone.padding_constraints,
        )

    @staticmethod
    def _postprocess(
        instances: list[Instances],
        batched_inputs: _BatchedInputs,
        image_sizes: list[tuple[int, int]],
    ) -> _BatchedInputs:
        """Return `{"instances": ...}` per image in the size its input asks for.

        That is `height` and `width` of the inputs, by default the size of the network input.
        """
        sizes_hw = [
            (inputs.get("height", height), inputs.get("width", width))
            for inputs, (height, width) in zip(batched_inputs, image_sizes, strict=True)
        ]
        return [{"instances": found} for found in postprocess_batch(instances, sizes_hw)]
