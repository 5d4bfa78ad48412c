"""What a close look at a dataset found."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

NUM_EXAMPLES = 3


@dataclass
class Findings:
    """What was found in a dataset.

    Problems stop training or make it wrong; peculiarities are worth knowing, and published
    datasets have some.
    """

    num_images: int = 0
    num_annotations: int = 0
    num_classes: int = 0  # with annotations or image labels
    problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    peculiarities: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def lines(self) -> Iterator[str]:
        """Yield a line of counts, then one for each kind of finding, with examples."""
        yield (
            f"{self.num_images} images, {self.num_annotations} annotations, "
            f"{self.num_classes} classes in use"
        )
        for word, found in (("problem", self.problems), ("note", self.peculiarities)):
            for kind, where in found.items():
                yield f"{word}: {kind}: {len(where)}, such as {', '.join(where[:NUM_EXAMPLES])}"
