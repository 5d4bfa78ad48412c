"""Losses that teach the classifier from labels of whole images.

The paper's idea (section 3.2): no box is assigned by prediction; each label supervises one proposal
that is chosen by a rule, by default the largest.

Shapes: B images, N proposals of one image, K labels of one image, C classes; column C of
logits is the background.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def select_max_size(logits: Tensor, areas: Tensor, labels: Tensor) -> Tensor:
    """Return the largest proposal for every label.

    The last one is left out because it may be the appended image box; the released models were
    trained so even where no image box was appended.
    """
    candidates = areas[:-1] if len(areas) > 1 else areas
    return candidates.argmax().expand(len(labels))


def select_max_score(logits: Tensor, areas: Tensor, labels: Tensor) -> Tensor:
    """Return the proposal that scores each label highest."""
    return logits[:, labels].argmax(dim=0)


def select_first(logits: Tensor, areas: Tensor, labels: Tensor) -> Tensor:
    """Return the proposal with the highest objectness: proposals come sorted by it."""
    return torch.zeros_like(labels)


def select_image(logits: Tensor, areas: Tensor, labels: Tensor) -> Tensor:
    """Return the image box, which is appended last."""
    return torch.full_like(labels, len(areas) - 1)


def select_min_loss(logits: Tensor, areas: Tensor, labels: Tensor) -> Tensor:
    """Return the proposal with the smallest loss for each label."""
    # BCE(x, 1) - BCE(x, 0) = -x, so the label only subtracts its own logit.
    loss = F.softplus(logits).sum(dim=1, keepdim=True) - logits[:, labels]  # (N, K)
    return loss.argmin(dim=0)


# Rules (logits (N, C + 1), areas (N,) square pixels, labels (K,)) -> proposal indices (K,).
PROPOSAL_SELECTORS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "max_size": select_max_size,
    "max_score": select_max_score,
    "first": select_first,
    "image": select_image,
    "min_loss": select_min_loss,
}

# Names of the rule that weighs all proposals instead of choosing one.
WEIGHTED_RULES = ("wsddn", "wsod")


def selected_proposal_loss(
    class_logits: Sequence[Tensor],
    areas: Sequence[Tensor],
    labels: Sequence[Tensor],
    select: Callable[[Tensor, Tensor, Tensor], Tensor],
    use_softmax: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """Return the loss of the proposals that ``select`` chooses, and their indices.

    Binary cross entropy against the one-hot label, summed over all C + 1 columns (or softmax
    cross entropy), averaged over the labels of an image, then over images. Images without labels
    or proposals contribute 0.

    Args:
        class_logits: B tensors (N_i, C + 1).
        areas: B tensors (N_i,) square pixels.
        labels: B tensors (K_i,) int64 columns.

    Returns:
        A scalar and B tensors (K_i,) of proposal indices (empty without proposals).
    """
    rows, columns, weights, chosen = [], [], [], []
    for logits, area, label in zip(class_logits, areas, labels, strict=True):
        if len(logits) == 0 or len(label) == 0:
            chosen.append(label[:0])
            continue
        index = select(logits.detach(), area, label)
        chosen.append(index)
        rows.append(logits[index])
        columns.append(label)
        weights.append(logits.new_full((len(label),), 1 / len(label)))
    if not rows:
        return _zero_of(class_logits), chosen
    loss = _losses_of_rows(torch.cat(rows), torch.cat(columns), use_softmax)
    return (loss * torch.cat(weights)).sum() / len(class_logits), chosen


def _losses_of_rows(logits: Tensor, columns: Tensor, use_softmax: bool) -> Tensor:
    """Return the loss (M,) of logits (M, C + 1) whose labels are ``columns`` (M,)."""
    if use_softmax:
        return F.cross_entropy(logits, columns, reduction="none")
    targets = F.one_hot(columns, logits.shape[1]).to(logits)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=1)


def _zero_of(logits: Sequence[Tensor]) -> Tensor:
    """Return 0 with a gradient path to all of ``logits``."""
    return torch.stack([x[:0].sum() for x in logits]).sum()


def weighted_proposal_loss(
    class_logits: Sequence[Tensor], proposal_logits: Sequence[Tensor], labels: Sequence[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Return the WSDDN loss (arXiv 1511.02853) and each label's strongest proposal.

    A proposal's share of a class is its class probability times its softmax over the proposals of
    the image; the shares of all proposals sum to the image's probability of the class.

    Args:
        class_logits, proposal_logits: B tensors (N_i, C + 1).
        labels: B tensors (K_i,) int64 columns.

    Returns:
        As :func:`selected_proposal_loss`, but binary cross entropy is averaged over columns.
    """
    losses, chosen = [], []
    for logits, over_proposals, label in zip(class_logits, proposal_logits, labels, strict=True):
        if len(logits) == 0 or len(label) == 0:
            losses.append(logits[:0].sum() + over_proposals[:0].sum())
            chosen.append(label[:0])
            continue
        share = logits.sigmoid() * over_proposals.softmax(dim=0)
        image_probs = share.sum(dim=0).clamp(1e-10, 1 - 1e-10).expand(len(label), -1)
        targets = F.one_hot(label, logits.shape[1]).float()
        with torch.autocast(logits.device.type, enabled=False):  # BCE of probabilities: float32
            losses.append(F.binary_cross_entropy(image_probs.float(), targets))
        chosen.append(share[:, label].argmax(dim=0))
    return torch.stack(losses).mean(), chosen


def caption_loss(
    caption_logits: Sequence[Tensor], first_caption: int, negative_weight: float
) -> Tensor:
    """Return the loss of matching each image's box with its own caption.

    Binary cross entropy of the last proposal, which must be the image box, against all captions;
    averaged over images. Images without proposals contribute 0.

    Args:
        caption_logits: B tensors (N_i, T) over the T captions of all processes.
        first_caption: column of this process's first image.
        negative_weight: weight of the captions of other images.
    """
    total = _zero_of(caption_logits)
    for i, logits in enumerate(caption_logits):
        if len(logits) == 0:
            continue
        target = torch.zeros_like(logits[-1])
        target[first_caption + i] = 1
        weight = target + negative_weight * (1 - target)
        total = total + F.binary_cross_entropy_with_logits(
            logits[-1], target, weight=weight, reduction="sum"
        )
    return total / len(caption_logits)
