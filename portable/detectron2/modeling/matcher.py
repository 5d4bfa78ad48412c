"""Match every prediction to one ground-truth object by thresholding a quality matrix.

Shapes: M ground-truth objects, N predictions (anchors or proposals).
"""

import torch


class Matcher:
    """Labels predictions positive, negative or ignored by their best match.

    Args:
        thresholds: increasing positive cut points of the match quality (IoU).
        labels: one of -1 (ignore), 0 (negative), 1 (positive) for each interval between the cut
            points, from the lowest quality to the highest; one more than there are thresholds. An
            interval contains its lower end.
        allow_low_quality_matches: also call positive whatever reaches the highest quality that
            any prediction has with some object, so that every object has a positive.

    Source: the anchor assignment of Faster R-CNN (arXiv 1506.01497), section 3.1.2.
    """

    def __init__(
        self,
        thresholds: list[float],
        labels: list[int],
        allow_low_quality_matches: bool = False,
    ):
        if len(labels) != len(thresholds) + 1 or list(thresholds) != sorted(thresholds):
            raise ValueError(
                "a matcher needs increasing thresholds and one more label than thresholds, got "
                f"{list(thresholds)} and {list(labels)}"
            )
        self.thresholds = [-float("inf"), *thresholds, float("inf")]
        self.labels = list(labels)
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the best object of each prediction and the prediction's label.

        Args:
            match_quality_matrix: (M, N) float, at least 0.

        Returns:
            matches: (N,) int64 indices into the M objects; 0 where there is no object.
            match_labels: (N,) int8 with values -1, 0, 1.
        """
        num_objects, num_predictions = match_quality_matrix.shape
        if num_objects == 0 or num_predictions == 0:
            matches = match_quality_matrix.new_zeros(num_predictions, dtype=torch.int64)
            return matches, torch.full_like(matches, self.labels[0], dtype=torch.int8)

        best_quality, matches = match_quality_matrix.max(dim=0)
        labels = torch.full_like(matches, self.labels[0], dtype=torch.int8)
        for cut_point, label in zip(self.thresholds[1:-1], self.labels[1:], strict=True):
            labels = labels.masked_fill(best_quality >= cut_point, label)
        if self.allow_low_quality_matches:
            self.set_low_quality_matches_(labels, match_quality_matrix)
        return matches, labels

    def set_low_quality_matches_(
        self, match_labels: torch.Tensor, match_quality_matrix: torch.Tensor
    ) -> None:
        """Set to 1 the labels (N,) of predictions that are the best of some object.

        An object that overlaps nothing ties with every prediction at quality 0. The released models
        were trained with that, so those predictions become positive.
        """
        best_of_object = match_quality_matrix.max(dim=1, keepdim=True).values
        match_labels[(match_quality_matrix == best_of_object).any(dim=0)] = 1
