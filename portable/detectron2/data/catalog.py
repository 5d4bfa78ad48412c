"""The two global tables of datasets: names to loading functions, names to metadata."""

import difflib
from collections import UserDict
from collections.abc import Callable, Iterable
from typing import Any


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return the part of an error message that helps with a mistyped name."""
    known = sorted(known)
    matches = difflib.get_close_matches(name, known, n=5, cutoff=0.4)
    return "nearest: " + ", ".join(matches) if matches else "known: " + ", ".join(known)


class _DatasetCatalog(UserDict):
    """Functions that load a dataset as a list of dicts, by dataset name."""

    def register(self, name: str, func: Callable[[], list[dict]]) -> None:
        """Add a dataset, whose function returns the same records each time.

        Raises:
            ValueError: the name is taken.
        """
        if name in self:
            raise ValueError(
                f"dataset {name!r} is already registered; choose another name or remove it first"
            )
        self[name] = func

    def get(self, name: str) -> list[dict]:
        """Return the records of a dataset, freshly loaded; KeyError lists the nearest names."""
        if name not in self:
            raise KeyError(f"unknown dataset {name!r}; {_nearest(name, self)}")
        return self[name]()

    def list(self) -> list[str]:
        """Return the names of all registered datasets."""
        return list(self.keys())

    def remove(self, name: str) -> None:
        """Forget a dataset; its name can then be registered again."""
        self.pop(name)


class Metadata:
    """What is known about a dataset apart from its records, read and set as attributes.

    A value can be set once: setting it again to something different is an error, so that all
    users of a dataset agree on it.

        meta = MetadataCatalog.get("pets").set(thing_classes=["cat", "dog"])
        meta.thing_classes         # ["cat", "dog"]
        meta.get("colors")         # None
    """

    def __init__(self, **values: Any) -> None:
        super().__setattr__("_values", {"name": "N/A"} | values)
        super().__setattr__("_deferred", [])

    def __getattr__(self, key: str) -> Any:
        # Called only for what is not a real attribute. Copying and unpickling look for
        # underscored names before __init__ has run.
        if key.startswith("_"):
            raise AttributeError(key)
        values = self._values if key in self._values else self.as_dict()
        if key not in values:
            raise AttributeError(
                f"metadata of dataset {values['name']!r} has no {key!r}; {_nearest(key, values)}"
            )
        return values[key]

    def __setattr__(self, key: str, value: Any) -> None:
        known = self.as_dict()
        if key in known and known[key] != value:
            raise ValueError(
                f"{key!r} of dataset {known['name']!r} is already {known[key]!r:.80} and cannot "
                f"become {value!r:.80}; register the data under another name"
            )
        self._values[key] = value

    def _defer(self, provide: Callable[[], dict[str, Any]]) -> "Metadata":
        """Return self, whose further values come from `provide` when first asked for.

        It lets a module register datasets when imported and read their class lists later.
        """
        self._deferred.append(provide)
        return self

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self._values["name"]

    def set(self, **kwargs: Any) -> "Metadata":
        """Return self with the given values set."""
        for key, value in kwargs.items():
            setattr(self, key, value)
        return self

    def get(self, key: str, default: Any = None) -> Any:
        """Return one value, or the default where it is not set."""
        return getattr(self, key, default)

    def as_dict(self) -> dict[str, Any]:
        """Return all values; a shallow copy."""
        while self._deferred:
            provide = self._deferred.pop()
            self.set(**provide())
        return dict(self._values)


class _MetadataCatalog(UserDict):
    """Metadata objects by dataset name."""

    def get(self, name: str) -> Metadata:
        """Return the metadata of a dataset, registered or not, made when first asked for."""
        return self.setdefault(name, Metadata(name=name))

    def list(self) -> list[str]:
        """Return the names of all datasets that have metadata."""
        return list(self.keys())

    def remove(self, name: str) -> None:
        """Forget the metadata of a dataset."""
        self.pop(name)


DatasetCatalog = _DatasetCatalog()
MetadataCatalog = _MetadataCatalog()
