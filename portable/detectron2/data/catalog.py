"""The two global tables of datasets: names to loading functions, names to metadata."""

import difflib
from collections import UserDict
from collections.abc import Callable, Iterable
from typing import Any


def _nearest(name: str, known: Iterable[str]) -> str:
    """Returns the part of an error message that helps with a mistyped name."""
    known = sorted(known)
    matches = difflib.get_close_matches(name, known, n=5, cutoff=0.4)
    if matches:
        return "nearest: " + ", ".join(matches)
    return "known: " + (", ".join(known) or "none")


class _DatasetCatalog(UserDict):
    """Functions that load a dataset as a list of dicts, by dataset name."""

    def register(self, name: str, func: Callable[[], list[dict]]) -> None:
        """Adds a dataset.

        Args:
            name: e.g. "coco_2017_val".
            func: takes nothing and returns the records; calling it twice gives the same list.

        Raises:
            ValueError: the name is taken.
            TypeError: func is not callable.
        """
        if not callable(func):
            raise TypeError(
                f"dataset {name!r} needs a function that loads it, not {type(func).__name__}"
            )
        if name in self:
            raise ValueError(
                f"dataset {name!r} is already registered; choose another name or remove it first"
            )
        self[name] = func

    def get(self, name: str) -> list[dict]:
        """Returns the records of a dataset, freshly loaded.

        Raises:
            KeyError: no such dataset; the message lists the nearest names.
        """
        if name not in self:
            raise KeyError(f"unknown dataset {name!r}; {_nearest(name, self)}")
        return self[name]()

    def list(self) -> list[str]:
        """Returns the names of all registered datasets."""
        return list(self.keys())

    def remove(self, name: str) -> None:
        """Forgets a dataset; its name can then be registered again."""
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
        values = self._values if key in self._values else self._complete()
        if key not in values:
            raise AttributeError(
                f"metadata of dataset {values['name']!r} has no {key!r}; {_nearest(key, values)}"
            )
        return values[key]

    def __setattr__(self, key: str, value: Any) -> None:
        known = self._complete()
        if key in known and known[key] != value:
            raise ValueError(
                f"{key!r} of dataset {known['name']!r} is already {_brief(known[key])} and "
                f"cannot become {_brief(value)}; register the data under another name"
            )
        known[key] = value

    def __repr__(self) -> str:
        return f"Metadata({', '.join(f'{k}={_brief(v)}' for k, v in self._values.items())})"

    def defer(self, provide: Callable[[], dict[str, Any]]) -> "Metadata":
        """Returns self, whose further values come from `provide` when first asked for.

        It lets a module register datasets when imported and read their class lists later.
        """
        self._deferred.append(provide)
        return self

    def set(self, **values: Any) -> "Metadata":
        """Returns self with the given values set."""
        for key, value in values.items():
            setattr(self, key, value)
        return self

    def get(self, key: str, default: Any = None) -> Any:
        """Returns one value, or the default where it is not set."""
        return getattr(self, key, default)

    def as_dict(self) -> dict[str, Any]:
        """Returns all values; a shallow copy."""
        return dict(self._complete())

    def _complete(self) -> dict[str, Any]:
        while self._deferred:
            provided = self._deferred.pop(0)()
            self.set(**provided)
        return self._values


class _MetadataCatalog(UserDict):
    """Metadata objects by dataset name."""

    def get(self, name: str) -> Metadata:
        """Returns the metadata of a dataset, made when first asked for.

        The dataset itself need not be registered: a name with metadata alone is a way to carry
        class names to an evaluator or a renderer.
        """
        if not name:
            raise ValueError("metadata needs the name of a dataset, got an empty one")
        if name not in self:
            self[name] = Metadata(name=name)
        return self[name]

    def list(self) -> list[str]:
        """Returns the names of all datasets that have metadata."""
        return list(self.keys())

    def remove(self, name: str) -> None:
        """Forgets the metadata of a dataset."""
        self.pop(name)


def _brief(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


DatasetCatalog = _DatasetCatalog()
MetadataCatalog = _MetadataCatalog()
