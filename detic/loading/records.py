"""The records of all training images, held once per machine.

Shapes: N records.
"""

import pickle
from collections.abc import Iterable, Sequence
from typing import Any

from detic.datasets.segmentation import usable_polygons
from detic.loading.shared_memory import ArrayWriter, SharedArrays


class PackedRecords(Sequence):
    """A sequence of records in one block of memory; each access makes a fresh dictionary.

    Args:
        arrays: with those that ``pack_records`` writes.
    """

    def __init__(self, arrays: SharedArrays):
        self._arrays = arrays
        self._bytes = arrays["records"]
        self._ends = arrays["records_ends"]

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: Any) -> Any:
        index = range(len(self))[index]
        start = self._ends[index - 1] if index > 0 else 0
        return pickle.loads(memoryview(self._bytes[start : self._ends[index]]))

    def __reduce__(self):
        return PackedRecords, (self._arrays,)


def pack_records(writer: ArrayWriter, records: Iterable[dict]) -> None:
    """Write records where ``PackedRecords`` finds them."""
    protocol = pickle.HIGHEST_PROTOCOL
    writer.add_chunks("records", (pickle.dumps(record, protocol) for record in records))


def trainable_annotations(annotations: Iterable[dict]) -> list[dict]:
    """Return annotations as the mapper needs them, without those that it cannot use.

    Polygons of fewer than three points are left out, and annotations that have no other. Boxes
    become floating point, so that the mapper does not cut them to whole pixels.
    """
    usable = []
    for annotation in annotations:
        changed: dict[str, Any] = {"bbox": [float(value) for value in annotation["bbox"]]}
        polygons = annotation.get("segmentation")
        if isinstance(polygons, list):
            polygons = usable_polygons(polygons)
            if not polygons:
                continue
            changed["segmentation"] = polygons
        usable.append(annotation | changed)
    return usable
