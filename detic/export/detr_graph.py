"""Deformable DETR as a function of tensors, whose vocabulary is an argument.

Shapes: H x W image, C classes, D embedding width, Q queries, K candidates, N detections.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from detic.modeling.detr.boxes import cxcywh_to_xyxy
from detic.modeling.detr.levels import sizes_of
from detic.modeling.detr.meta_arch import DeformableDetr
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier


class DetrGraph(nn.Module):
    """The modules of a detector, wired so that no shape depends on the image but the outputs'.

    It computes what ``model.inference`` does.

    Args:
        model: in evaluation mode, with a zero-shot classifier.
    """

    def __init__(self, model: DeformableDetr):
        super().__init__()
        self.model = model

    def forward(
        self, image: Tensor, class_embeddings: Tensor, thresholds: Tensor
    ) -> dict[str, Tensor]:
        """Return the detections of an image as `TwoStageGraph` does, without masks."""
        model = self.model
        last = model.detr(*model.preprocess([{"image": image.permute(2, 0, 1)}])).layers[-1]
        (queries,), (boxes,) = last.content, last.boxes  # (Q, d), (Q, 4)
        classifier = model.classifier
        assert isinstance(classifier, ZeroShotClassifier)
        embedded = classifier.embed(queries)
        columns = classifier.columns(class_embeddings)
        scores = classifier.similarity(embedded, columns).sigmoid()  # (Q, C)
        best, rows, classes = self._best(scores)
        above = (best > thresholds[classes]).nonzero()[:, 0]  # only now N is known
        rows = rows[above]
        sizes = sizes_of([(image.shape[0], image.shape[1])], boxes.device).repeat(1, 2)
        return {
            "boxes": cxcywh_to_xyxy(boxes[rows]) * sizes,
            "scores": best[above],
            "classes": classes[above],
            "region_embeddings": F.normalize(embedded[rows], dim=1),
        }

    def _best(self, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the highest scores (K,), those that there are not as 0, their queries and classes."""
        params = self.model.score_params
        limit, num_classes = params.max_detections, scores.shape[1]
        if params.one_class_per_proposal:
            scores, classes = scores.max(dim=1)
            best, rows = _highest(scores, limit)
            return best, rows, classes[rows]
        best, places = _highest(scores.flatten(), limit)
        rows = places // num_classes
        return best, rows, places - rows * num_classes


def _highest(scores: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Return the highest of scores (M,) and their places, as many as ``limit``."""
    best, places = F.pad(scores, (0, limit)).topk(limit)
    return best, places.clamp(max=scores.shape[0] - 1)
