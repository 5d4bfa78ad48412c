"""Two-stage detector: backbone, proposal generator, heads on regions."""

from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.structures import ImageList, Instances
from detectron2.utils.events import get_event_storage
from torch import nn
from torchvision.utils import draw_bounding_boxes

from ..backbone import Backbone, build_backbone
from ..postprocessing import detector_postprocess
from ..proposal_generator import build_proposal_generator
from ..roi_heads import build_roi_heads
from .build import META_ARCH_REGISTRY

__all__ = ["GeneralizedRCNN"]

NUM_DRAWN_PROPOSALS = 20

# One dict per image, as the data loader makes it.
BatchedInputs = list[dict[str, Any]]


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
        vis_period: iterations between pictures of training examples; 0 for none.

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
        vis_period: int = 0,
    ):
        super().__init__()
        if len(pixel_mean) != len(pixel_std):
            raise ValueError(
                f"pixel_mean and pixel_std need one value per channel, got {len(pixel_mean)} "
                f"and {len(pixel_std)} values"
            )
        if vis_period > 0 and input_format is None:
            raise ValueError("vis_period needs input_format, the channel order to draw in")
        self.backbone = backbone
        self.proposal_generator = proposal_generator
        self.roi_heads = roi_heads
        self.input_format = input_format
        self.vis_period = vis_period
        for name, values in (("pixel_mean", pixel_mean), ("pixel_std", pixel_std)):
            per_channel = torch.tensor(list(values), dtype=torch.float32).view(-1, 1, 1)
            self.register_buffer(name, per_channel, persistent=False)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Returns constructor arguments: the three parts and the pixel statistics."""
        backbone = build_backbone(cfg)
        shapes = backbone.output_shape()
        return {
            "backbone": backbone,
            "proposal_generator": build_proposal_generator(cfg, shapes),
            "roi_heads": build_roi_heads(cfg, shapes),
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "input_format": cfg.INPUT.FORMAT,
            "vis_period": cfg.VIS_PERIOD,
        }

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.pixel_mean.device

    def forward(self, batched_inputs: BatchedInputs) -> BatchedInputs | dict[str, torch.Tensor]:
        """Returns losses by name in training mode, detections otherwise.

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
        gt_instances = self._ground_truth(batched_inputs)
        features = self.backbone(images.tensor)
        proposals, proposal_losses = self.proposal_generator(images, features, gt_instances)
        if self.vis_period > 0 and get_event_storage().iter % self.vis_period == 0:
            self.visualize_training(batched_inputs, proposals)
        _, detector_losses = self.roi_heads(images, features, proposals, gt_instances)
        return {**detector_losses, **proposal_losses}

    def inference(
        self,
        batched_inputs: BatchedInputs,
        detected_instances: list[Instances] | None = None,
        do_postprocess: bool = True,
    ) -> BatchedInputs | list[Instances]:
        """Returns detections.

        Args:
            batched_inputs: see `forward`.
            detected_instances: boxes and classes per image that are known already; only what the
                heads predict inside given boxes (masks) is computed.
            do_postprocess: report in the requested size, as dicts with `instances`. Otherwise
                Instances in the pixels of the network input.
        """
        assert not self.training, "inference() is for evaluation mode; call .eval() first"
        images = self.preprocess_image(batched_inputs)
        features = self.backbone(images.tensor)
        if detected_instances is None:
            proposals, _ = self.proposal_generator(images, features, None)
            results, _ = self.roi_heads(images, features, proposals, None)
        else:
            given = [instances.to(self.device) for instances in detected_instances]
            results = self.roi_heads.forward_with_given_boxes(features, given)
        if not do_postprocess:
            return results
        return self._postprocess(results, batched_inputs, images.image_sizes)

    def preprocess_image(self, batched_inputs: BatchedInputs) -> ImageList:
        """Returns the normalised images as one batch, padded with zeros at right and bottom."""
        images = [
            (inputs["image"].to(self.device) - self.pixel_mean) / self.pixel_std
            for inputs in batched_inputs
        ]
        return ImageList.from_tensors(
            images,
            self.backbone.size_divisibility,
            padding_constraints=self.backbone.padding_constraints,
        )

    def visualize_training(self, batched_inputs: BatchedInputs, proposals: list[Instances]) -> None:
        """Stores a picture of the first image: its ground truth beside its best proposals."""
        image = batched_inputs[0]["image"].to("cpu", torch.uint8)
        if self.input_format == "BGR":
            image = image.flip(0)
        best = proposals[0].proposal_boxes[:NUM_DRAWN_PROPOSALS]
        halves = [
            draw_bounding_boxes(image, boxes.tensor.cpu(), colors="lime", width=2)
            for boxes in (batched_inputs[0]["instances"].gt_boxes, best)
        ]
        name = "Left: ground truth; right: proposals"
        get_event_storage().put_image(name, torch.cat(halves, dim=2))

    def _ground_truth(self, batched_inputs: BatchedInputs) -> list[Instances] | None:
        if "instances" not in batched_inputs[0]:
            return None
        return [inputs["instances"].to(self.device) for inputs in batched_inputs]

    @staticmethod
    def _postprocess(
        instances: list[Instances],
        batched_inputs: BatchedInputs,
        image_sizes: list[tuple[int, int]],
    ) -> BatchedInputs:
        """Returns `{"instances": ...}` per image in the size its input asks for.

        Args:
            instances: detections in the pixels of the network input.
            batched_inputs: `height` and `width` default to the size of the network input.
            image_sizes: (height, width) of each network input without padding.
        """
        processed = []
        for results, inputs, (height, width) in zip(
            instances, batched_inputs, image_sizes, strict=True
        ):
            size_hw = inputs.get("height", height), inputs.get("width", width)
            processed.append({"instances": detector_postprocess(results, *size_hw)})
        return processed
