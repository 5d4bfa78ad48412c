"""`Instances`: everything known about the objects of one image, as parallel columns."""

from typing import Any

import torch


class Instances:
    """A table with one row per object and freely named columns ("fields").

    Fields are attributes: `instances.gt_boxes = Boxes(...)`, `instances.scores`. Indexing selects
    rows in every field. A field is anything with a length and indexing: a tensor, `Boxes`,
    `BitMasks`, `PolygonMasks`, a list. Names that start with an underscore are not fields.
    """

    def __init__(self, image_size: tuple[int, int], **kwargs: Any):
        """Make a table for an image of (height, width) pixels, with first fields."""
        self._image_size = image_size
        self._fields: dict[str, Any] = {}
        for name, value in kwargs.items():
            self.set(name, value)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self._image_size

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self.set(name, value)

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__.get("_fields", {})
        if name in fields:
            return fields[name]
        raise AttributeError(
            f"instances have no field '{name}'; their fields are: {', '.join(fields) or 'none'}"
        )

    def set(self, name: str, value: Any) -> None:
        """Add a field or replace it; ValueError if its length differs from that of the others."""
        others = [field for key, field in self._fields.items() if key != name]
        if others and len(value) != len(others[0]):
            raise ValueError(
                f"field '{name}' has {len(value)} rows but the instances have {len(others[0])}"
            )
        self._fields[name] = value

    def has(self, name: str) -> bool:
        """Return whether there is a field `name`."""
        return name in self._fields

    def get(self, name: str) -> Any:
        """Return the field `name`; KeyError if there is none."""
        return self._fields[name]

    def remove(self, name: str) -> None:
        """Delete the field `name`; KeyError if there is none."""
        del self._fields[name]

    def get_fields(self) -> dict[str, Any]:
        """Return the fields by name; the dict is the instances' own."""
        return self._fields

    def to(self, *args: Any, **kwargs: Any) -> "Instances":
        """Return the instances with `.to(...)` applied to the fields that have it."""
        moved = {
            name: value.to(*args, **kwargs) if hasattr(value, "to") else value
            for name, value in self._fields.items()
        }
        return Instances(self._image_size, **moved)

    def __getitem__(self, item: int | slice | torch.Tensor) -> "Instances":
        """Return the chosen rows; an int gives one row, still as `Instances`."""
        if isinstance(item, int):
            row = range(len(self))[item]  # negative numbers, IndexError beyond the end
            item = slice(row, row + 1)
        elif isinstance(item, torch.Tensor) and item.dtype == torch.bool and self._fields:
            if len(item) != len(self):
                raise IndexError(f"a mask of {len(item)} rows cannot index {len(self)} instances")
            # Each field would wait for an accelerator to know how many rows these are.
            item = item.nonzero()[:, 0]
        chosen = {name: value[item] for name, value in self._fields.items()}
        return Instances(self._image_size, **chosen)

    def __len__(self) -> int:
        for value in self._fields.values():
            return len(value)
        raise NotImplementedError("instances without fields have no length; set a field first")

    def __iter__(self):
        raise NotImplementedError("instances cannot be iterated over; index them with numbers")

    @staticmethod
    def cat(instance_lists: list["Instances"]) -> "Instances":
        """Return the rows of all instances, which share the image size and the field names."""
        first = instance_lists[0]
        for other in instance_lists[1:]:
            if other.image_size != first.image_size or set(other._fields) != set(first._fields):
                raise ValueError(
                    f"cannot concatenate {other} to {first}: image sizes and fields must be equal"
                )
        joined = {name: _join([i.get(name) for i in instance_lists]) for name in first.get_fields()}
        return Instances(first.image_size, **joined)

    def __repr__(self) -> str:
        rows = len(self) if self._fields else 0
        height, width = self._image_size
        fields = ", ".join(f"{name}: {value}" for name, value in self._fields.items())
        return f"Instances({rows} rows, image {height} x {width}, fields: [{fields}])"


def _join(columns: list[Any]) -> Any:
    """Return the concatenation of values of one field: tensors, lists or types with `cat`."""
    kind = type(columns[0])
    if issubclass(kind, torch.Tensor):
        return torch.cat(columns)
    if issubclass(kind, list):
        return [item for column in columns for item in column]
    return kind.cat(columns)
