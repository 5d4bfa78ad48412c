"""What an evaluation yields: metrics by task and precision by class.

C classes, in the order of their category ids.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

FREQUENCY_NAMES = {"r": "rare", "c": "common", "f": "frequent"}


@dataclass(frozen=True)
class ClassTable:
    """The classes of an annotation file, by rising category id."""

    ids: tuple[int, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...]  # rare, common, frequent; seen, unseen; "" for a class of no group
    num_gt: tuple[int, ...]  # annotated instances that count, in the evaluated set
    num_train_images: tuple[int | None, ...]  # with the class, where the annotation file tells

    def __len__(self) -> int:
        return len(self.ids)

    def members(self, group: str) -> list[int]:
        """Return the indices of the classes of a group."""
        return [index for index, name in enumerate(self.groups) if name == group]

    def regrouped(self, names_of_group: Mapping[str, Sequence[str]]) -> "ClassTable":
        """Return the same classes in other groups, given as {group: class names}."""
        group_of = {name: group for group, names in names_of_group.items() for name in names}
        return replace(self, groups=tuple(group_of.get(name, "") for name in self.names))


def class_table(categories: Sequence[dict], num_gt: dict[int, int]) -> ClassTable:
    """Return the table of an annotation file's categories.

    Args:
        categories: with ``id`` and ``name``; LVIS's also have ``frequency`` and ``image_count``.
        num_gt: annotated instances by category id.
    """
    categories = sorted(categories, key=lambda category: category["id"])
    return ClassTable(
        ids=tuple(category["id"] for category in categories),
        names=tuple(category["name"] for category in categories),
        groups=tuple(
            FREQUENCY_NAMES.get(category.get("frequency", ""), "") for category in categories
        ),
        num_gt=tuple(num_gt.get(category["id"], 0) for category in categories),
        num_train_images=tuple(
            count if type(count := category.get("image_count")) is int else None
            for category in categories
        ),
    )


@dataclass(frozen=True)
class ClassCurves:
    """Precision over recall of each class, where an IoU of 0.5 makes a hit."""

    precision: np.ndarray  # (R, C) fractions at R recalls from 0 to 1, NaN without annotations
    recall: np.ndarray  # (C,) the highest that is reached, percent or NaN

    @property
    def ap50(self) -> np.ndarray:
        """The mean precision of each class, (C,) percent or NaN."""
        return 100 * self.precision.mean(axis=0)


@dataclass(frozen=True)
class TaskScore:
    """The scores of one task, such as bbox or segm."""

    metrics: dict[str, float]  # NaN where nothing is annotated that could be found
    class_ap: dict[str, np.ndarray]  # by metric, the first is the main one: (C,) percent or NaN
    metrics_scale: float = 100.0  # what a perfect metric is: percent, or 1 for fractions
    reports_classes: bool = False  # whether the results also name the main metric of each class
    curves: ClassCurves | None = None

    @property
    def percent(self) -> dict[str, float]:
        """The metrics in percent."""
        return {name: value * 100 / self.metrics_scale for name, value in self.metrics.items()}

    @property
    def main_class_ap(self) -> np.ndarray:
        """The main metric of each class, (C,) percent or NaN."""
        return next(iter(self.class_ap.values()))

    def as_results(self, class_names: Sequence[str]) -> dict[str, float]:
        """Return the metrics as Detectron2 knows them, with ``AP-<class>`` if classes count."""
        if not self.reports_classes or len(class_names) < 2:
            return dict(self.metrics)
        per_class = zip(class_names, self.main_class_ap.tolist(), strict=True)
        return self.metrics | {f"AP-{name}": value for name, value in per_class}


@dataclass(frozen=True)
class Evaluation:
    """All scores of one set of predictions, and the ground truth to show beside them."""

    classes: ClassTable
    tasks: dict[str, TaskScore]
    num_images: int
    annotations_of_class: Callable[[int], list[dict]] = field(repr=False)  # by category id

    def results(self) -> dict[str, dict[str, float]]:
        """Return {task: {metric: value}}."""
        return {task: score.as_results(self.classes.names) for task, score in self.tasks.items()}
