"""What thresholds by class change, as a table."""

from collections.abc import Sequence
from functools import reduce

from tabulate import tabulate

from detic.calibration.evidence import ClassEvidence
from detic.calibration.thresholds import Counts, shown
from detic.vocabulary.vocabulary import Vocabulary

NUM_SHOWN = 10  # classes in the table
HEADERS = ("class", "objects", "threshold", "right", "wrong", "after: right", "wrong")


def summary_of(
    before: Vocabulary, after: Vocabulary, evidence: Sequence[ClassEvidence], common: float
) -> str:
    """Return a table of the classes that change most, a row of all, and how many have a threshold.

    Args:
        before: the vocabulary as it was.
        after: the same with thresholds.
        evidence: of each class.
        common: the threshold of classes without one of their own.
    """
    rows = [
        (entry, shown(old, of_class, common), shown(entry, of_class, common))
        for old, entry, of_class in zip(before.entries, after.entries, evidence, strict=True)
    ]
    changed = sorted(rows, key=lambda row: -abs(row[1].wrong - row[2].wrong))
    lines = [
        (entry.name, old.objects, entry.score_threshold, old.right, old.wrong, new.right, new.wrong)
        for entry, old, new in changed[:NUM_SHOWN]
    ]
    old, new = (reduce(Counts.__add__, column) for column in list(zip(*rows, strict=True))[1:])
    lines.append(("all classes", old.objects, None, old.right, old.wrong, new.right, new.wrong))
    num_fitted = sum(a != b for a, b in zip(before.entries, after.entries, strict=True))
    return "\n".join(
        [
            tabulate(lines, HEADERS, missingval=""),
            f"precision {old.precision:.1%} before, {new.precision:.1%} after; recall "
            f"{old.recall:.1%} before, {new.recall:.1%} after",
            f"{num_fitted} of {len(before)} classes have a new threshold",
        ]
    )
