"""Proposals of images that have labels or captions but no boxes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from detectron2.structures import Boxes, Instances

from detic.transfer import send


@dataclass(frozen=True)
class WeakProposalParams:
    """Which proposals an image label may supervise."""

    num_proposals: int = 128  # the highest-scoring ones
    add_image_box: bool = False  # append a centred box
    image_box_size: float = 1.0  # its side relative to the image's

    @classmethod
    def from_config(cls, cfg) -> "WeakProposalParams":
        node = cfg.MODEL.ROI_BOX_HEAD
        return cls(node.WS_NUM_PROPS, node.ADD_IMAGE_BOX, node.IMAGE_BOX_SIZE)


@torch.no_grad()
def weak_proposals(proposals: Sequence[Instances], params: WeakProposalParams) -> list[Instances]:
    """Return the first proposals of each image, clipped to it, and the image box last.

    Args:
        proposals: sorted by score, with ``proposal_boxes`` and ``objectness_logits``.

    Returns:
        Instances with the same two fields; the image box has objectness 1.
    """
    return [_of_image(p, params) for p in proposals]


def centered_box(image_size_hw: tuple[int, int], relative_size: float) -> Boxes:
    """Return the one box (1, 4) in the middle of an image.

    >>> centered_box((100, 200), 0.5).tensor
    tensor([[ 50.,  25., 150.,  75.]])
    """
    height, width = image_size_hw
    margin = (1 - relative_size) / 2
    box = [width * margin, height * margin, width * (1 - margin), height * (1 - margin)]
    return Boxes(torch.tensor([box]))


def _of_image(proposals: Instances, params: WeakProposalParams) -> Instances:
    first = proposals[: params.num_proposals]
    boxes = first.proposal_boxes.clone()
    boxes.clip(proposals.image_size)
    objectness = first.objectness_logits
    if params.add_image_box:
        image_box = centered_box(proposals.image_size, params.image_box_size)
        boxes = Boxes.cat([boxes, Boxes(send(image_box.tensor, boxes.device))])
        objectness = torch.cat([objectness, objectness.new_ones(1)])
    return Instances(proposals.image_size, proposal_boxes=boxes, objectness_logits=objectness)
