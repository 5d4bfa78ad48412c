"""What a model has gained and forgotten: two evaluations of the same test sets, class by class.

An evaluation is a folder with per_class.csv, or one with such folders in it: the ``OUTPUT_DIR`` of
a training or of ``train_net.py --eval-only``.
"""

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

from detic.errors import InputError, unknown_choice
from detic.files import write_json, write_text
from detic.spreadsheet import from_cell
from detic.vocabulary.names import loose_name

FILE_NAME = "per_class.csv"
NUM_LOST = 10  # classes listed because they lost most

# Precision in percent by dataset and class name; NaN for a class without annotations
ClassPrecisions = dict[tuple[str, str], float]


@dataclass(frozen=True)
class ClassChange:
    """The precision of one class on one test set, before and after."""

    dataset: str
    name: str
    group: str
    before: float  # percent
    after: float

    @property
    def change(self) -> float:
        return self.after - self.before


@dataclass(frozen=True)
class GroupChange:
    """The mean precision of a group of classes, before and after."""

    group: str
    num_classes: int
    before: float  # percent, NaN without classes
    after: float

    @property
    def change(self) -> float:
        return self.after - self.before


@dataclass(frozen=True)
class ForgettingReport:
    """All classes that are annotated, and the means of their groups."""

    metric: str  # a column of per_class.csv
    groups: Sequence[GroupChange]
    classes: Sequence[ClassChange]

    @property
    def most_lost(self) -> list[ClassChange]:
        """The classes that lost most, the worst first; none that lost nothing."""
        falling = sorted(self.classes, key=lambda c: c.change)
        return [c for c in falling[:NUM_LOST] if c.change < 0]

    def as_markdown(self) -> str:
        """Return the tables of groups and of the classes that lost most."""
        groups = [(g.group, g.num_classes, g.before, g.after, g.change) for g in self.groups]
        text = _table(["", "classes", f"{self.metric} before", "after", "change"], groups)
        if self.most_lost:
            lost = [(c.name, c.dataset, c.before, c.after, c.change) for c in self.most_lost]
            headers = ["lost most", "test set", f"{self.metric} before", "after", "change"]
            text += "\n\n" + _table(headers, lost)
        return text + "\n"

    def as_json(self) -> dict:
        """Return all numbers; a mean of no classes is null."""
        return {
            "metric": self.metric,
            "groups": [_with_change(group) for group in self.groups],
            "classes": [_with_change(change) for change in self.classes],
        }


def read_evaluation(folder: str | Path, metric: str) -> ClassPrecisions:
    """Return the precision of each class of each test set of an evaluation.

    Args:
        folder: see the module.
        metric: a column of per_class.csv, such as bbox/AP.

    Raises:
        InputError: there is no evaluation, or it has no such metric.
    """
    folder = Path(folder)
    files = [folder / FILE_NAME] if (folder / FILE_NAME).is_file() else []
    files = files or sorted(folder.glob(f"*/{FILE_NAME}"))
    if not files:
        raise InputError(
            f"{folder} holds no evaluation; name the OUTPUT_DIR of a training or of "
            f"`train_net.py --eval-only`, or a folder in it that has {FILE_NAME}"
        )
    return {
        (path.parent.name.removeprefix("inference_"), name): value
        for path in files
        for name, value in _read_classes(path, metric)
    }


def compare(
    before: ClassPrecisions,
    after: ClassPrecisions,
    group_of: Callable[[str], str],
    metric: str,
    groups: Sequence[str],
) -> ForgettingReport:
    """Return what changed from one evaluation to another.

    Args:
        before: of all classes, those without annotations included.
        after: of the same classes.
        group_of: gives the group of a class name.
        metric: what the precisions are.
        groups: all groups, in the order of the report.

    Raises:
        InputError: the evaluations are of different test sets.
    """
    for ours, theirs, which in ((before, after, "after"), (after, before, "before")):
        for dataset, name in ours.keys() - theirs.keys():
            raise InputError(
                f"class {name!r} of test set {dataset!r} is missing in the evaluation {which}; "
                "evaluate both models on the same DATASETS.TEST"
            )
    classes = [
        ClassChange(dataset, name, group_of(name), value, after[dataset, name])
        for (dataset, name), value in before.items()
        if not math.isnan(value)
    ]
    means = [_mean_change(group, [c for c in classes if c.group == group]) for group in groups]
    return ForgettingReport(metric, means, classes)


def old_and_new(
    names: Iterable[str], *, old: Iterable[str] | None = None, new: Iterable[str] | None = None
) -> Callable[[str], str]:
    """Return a function that tells whether a class name is "old" or "new".

    Args:
        names: of all classes.
        old: the old ones; the others are new.
        new: the new ones; the others are old.

    Raises:
        InputError: not exactly one of both lists is given, or none of its names is a class.
    """
    if (old is None) == (new is None):
        raise InputError("name either the old classes or the new ones; the others are the rest")
    listed = {loose_name(name) for name in old or new or ()}
    if not listed & {loose_name(name) for name in names}:
        raise InputError(
            f"none of the {len(listed)} class names in the list of "
            f"{'old' if new is None else 'new'} classes is a class of the evaluations"
        )
    inside, outside = ("old", "new") if new is None else ("new", "old")
    return lambda name: inside if loose_name(name) in listed else outside


def write_forgetting_report(report: ForgettingReport, folder: str | Path) -> None:
    """Write forgetting.md and forgetting.json."""
    write_text(Path(folder) / "forgetting.md", report.as_markdown())
    write_json(Path(folder) / "forgetting.json", report.as_json())


def _read_classes(path: Path, metric: str) -> list[tuple[str, float]]:
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    metrics = [column for column in (rows[0] if rows else {}) if "/" in column]
    if not metrics:
        raise InputError(f"{path} has no precisions of classes; evaluate again")
    if metric not in metrics:
        raise unknown_choice("metric", metric, metrics, where=str(path))
    return [(from_cell(row["name"]), float(row[metric] or "nan")) for row in rows]


def _mean_change(group: str, classes: Sequence[ClassChange]) -> GroupChange:
    if not classes:
        return GroupChange(group, 0, math.nan, math.nan)
    before, after = np.mean([(c.before, c.after) for c in classes], axis=0).tolist()
    return GroupChange(group, len(classes), before, after)


def _table(headers: Sequence[str], rows: Sequence[tuple]) -> str:
    formats = [".1f"] * (len(headers) - 1) + ["+.1f"]
    return tabulate(rows, headers, tablefmt="github", floatfmt=formats)


def _with_change(change: GroupChange | ClassChange) -> Mapping[str, str | float | None]:
    values = asdict(change) | {"change": change.change}
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in values.items()
    }
