"""What a weight file gave to a model and what it did not."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tabulate import tabulate


@dataclass(frozen=True)
class ShapeMismatch:
    """A tensor that file and model know in different shapes."""

    name: str  # in the model
    file_shape: tuple[int, ...]
    model_shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} is {self.file_shape} in the file and {self.model_shape} in the model"


@dataclass(frozen=True)
class LoadReport:
    """The fate of every tensor of a file and of a model. Names are the model's where it has one."""

    path: str
    names: str  # whose names the file uses
    num_model_tensors: int
    matched: tuple[str, ...]  # loaded
    missing: tuple[str, ...]  # learned by training, but not in the file
    mismatched: tuple[ShapeMismatch, ...]  # in the file, but of another shape; not loaded
    unexpected: tuple[str, ...]  # in the file only
    vocabulary_sizes: tuple[int, int] | None  # classes of the file and the model, if they differ

    @property
    def random(self) -> tuple[str, ...]:
        """Model tensors that training would have set and that keep their random values."""
        return (*self.missing, *(mismatch.name for mismatch in self.mismatched))

    def table(self) -> str:
        """Return the report as a table of a few lines."""
        rows = [
            ("tensor names", self.names),
            ("matched", f"{len(self.matched)} of the model's {self.num_model_tensors} tensors"),
        ]
        if self.vocabulary_sizes:
            file_classes, model_classes = self.vocabulary_sizes
            rows.append(
                ("classifier", f"the model's own {model_classes} classes, not {file_classes}")
            )
        rows += [
            (label, group_names(names))
            for label, names in (
                ("missing", self.missing),
                ("of another shape", [mismatch.name for mismatch in self.mismatched]),
                ("not used", self.unexpected),
            )
            if names
        ]
        return tabulate(rows, headers=("weights", self.path), tablefmt="simple")


def group_names(names: Iterable[str]) -> str:
    """Return tensor names grouped by the parts of the model they belong to.

    >>> group_names(["roi_heads.box_head.0.fc1.weight", "roi_heads.box_head.1.fc1.weight", "fc.bias"])
    'fc.bias, roi_heads.box_head.* (2)'
    """
    names = sorted(names)
    sizes = Counter(_group(name) for name in names)
    members = {_group(name): name for name in names}
    return ", ".join(
        members[group] if size == 1 else f"{group}.* ({size})" for group, size in sizes.items()
    )


def _group(name: str) -> str:
    """Return the first two components of a name, one if the second is a number or the last."""
    first, *rest = name.split(".")
    if len(rest) < 2 or rest[0].isdigit():
        return first
    return f"{first}.{rest[0]}"
