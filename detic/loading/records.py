"""The records of all training images, held once per machine.

Shapes: N records.
"""

import pickle
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from detic.datasets.annotation_fields import is_box
from detic.datasets.image_records import ImageRecords, JoinedRecords, JoinedSequence
from detic.datasets.segmentation import mask_error, usable_mask
from detic.datasets.table_records import TableRecords
from detic.errors import InputError, shown
from detic.shared_arrays import ArrayWriter, SharedArrays


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


def shared(records: ImageRecords) -> Sequence[dict]:
    """Return records as the mapper needs them, in memory that processes share."""
    if isinstance(records, TableRecords):
        return records.trainable()
    if isinstance(records, JoinedRecords):
        return JoinedSequence(map(shared, records.parts))
    writer = ArrayWriter()
    pack_records(
        writer,
        (r | {"annotations": trainable_annotations(r.get("annotations", ()))} for r in records),
    )
    return PackedRecords(writer.finish())


class SharedRecords(JoinedSequence[Sequence[dict]]):
    """The records of all sources, one after the other, which say of which source they are."""

    def __getitem__(self, index: Any) -> Any:
        source, position = self.place(range(len(self))[index])
        return self.parts[source][position] | {"dataset_source": source}


def trainable_annotations(annotations: Iterable[dict]) -> list[dict]:
    """Return annotations as the mapper needs them.

    Boxes become floating point, so that the mapper does not cut them to whole pixels.
    """
    return [
        annotation | {"bbox": [float(value) for value in annotation["bbox"]]}
        for annotation in annotations
    ]


def checked_annotations(record: dict, origin: str) -> list[dict]:
    """Return the annotations of a record from a loader that is not ours, with masks that serve.

    Args:
        record: its polygons may be arrays.
        origin: the name of its dataset, for the message.

    Raises:
        InputError: a box or a mask is malformed.
    """
    return [_checked(record, annotation, origin) for annotation in record.get("annotations", ())]


def _checked(record: dict, annotation: dict, origin: str) -> dict:
    where = f"dataset {origin!r}, image {shown(record.get('image_id'))}"
    box, segmentation = annotation.get("bbox"), annotation.get("segmentation")
    if not is_box(_as_list(box)):
        raise InputError(f"{where}: 'bbox' is {shown(box)}; expected four numbers of pixels")
    if isinstance(segmentation, list | tuple):
        segmentation = [_as_list(polygon) for polygon in segmentation]
    elif isinstance(segmentation, dict) and isinstance(segmentation.get("counts"), bytes):
        segmentation = segmentation | {"counts": segmentation["counts"].decode("ascii", "replace")}
    if "height" in record and "width" in record:
        problem = mask_error(segmentation, (record["height"], record["width"]))
        if problem:
            raise InputError(f"{where}: {problem}")
    mask = usable_mask(segmentation)
    changed = {key: value for key, value in annotation.items() if key != "segmentation"}
    return changed if mask is None else changed | {"segmentation": mask}


def _as_list(values: Any) -> Any:
    """Return an array or a tuple as a list of Python's own numbers; anything else as it is."""
    is_array = isinstance(values, np.ndarray | tuple)
    return np.asarray(values).tolist() if is_array else values
