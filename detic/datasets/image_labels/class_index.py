"""From the label of an image, as folders and tables spell it, to the class of the model."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from detic.documents import read_json
from detic.errors import InputError, unknown_choice
from detic.vocabulary.names import loose_name

logger = logging.getLogger(__name__)


class ClassIndex:
    """Finder of the 0-based class of a label.

    A label is a class name; underscores count as spaces, and capitals only where names differ in
    nothing else. Other labels, such as WordNet ids, need a map.

    Args:
        class_names: by class.
        class_map: label -> category id, counted from 1 as in LVIS, or class name.
    """

    def __init__(
        self, class_names: Sequence[str], class_map: Mapping[str, int | str] | None = None
    ):
        self.class_names = class_names
        self._map = class_map
        self._exact: dict[str, list[int]] = defaultdict(list)
        self._loose: dict[str, list[int]] = defaultdict(list)
        for index, name in enumerate(class_names):
            self._exact[name].append(index)
            self._loose[loose_name(name)].append(index)

    @property
    def has_map(self) -> bool:
        """Whether labels outside the classes are to be expected, as the map chooses among them."""
        return self._map is not None

    def find(self, label: str) -> int | None:
        """Return the class of a label; None if there is no such class.

        Raises:
            InputError: several classes have this name, or the map leads nowhere.
        """
        mapped = self._map.get(label) if self._map is not None else None
        if isinstance(mapped, int):
            return self.checked(mapped - 1, f"the class map, {label!r}")
        name = label if mapped is None else mapped
        for table, key in ((self._exact, name), (self._loose, loose_name(name))):
            matches = table.get(key, [])
            if len(matches) > 1:
                raise InputError(
                    f"{name!r} is the name of {len(matches)} classes, numbers "
                    f"{', '.join(str(match + 1) for match in matches)}; choose one with a class map"
                )
            if matches:
                return matches[0]
        if mapped is not None:
            raise unknown_choice("class", mapped, self.class_names, where=f"class map, {label!r}")
        return None

    def require(self, label: str, where: str) -> int:
        """Return the class of a label.

        Raises:
            InputError: there is no such class; the message begins with ``where``.
        """
        index = self.find(label)
        if index is None:
            raise unknown_choice("class", label, self.class_names, where=where)
        return index

    def indices(self, labels: Iterable[str | int], where: str) -> list[int]:
        """Return the classes of the labels of an image; if there is a map, unknown ones are left out.

        Args:
            labels: names or labels of the map, or classes as numbers from 0.
            where: where the image is, for messages.

        Raises:
            InputError: without a map, a name is no class; or there is no class of a number.
        """
        found = [self._index(label, where) for label in labels]
        return [index for index in found if index is not None]

    def _index(self, label: str | int, where: str) -> int | None:
        if isinstance(label, int):
            return self.checked(label, where)
        return self.find(label) if self.has_map else self.require(label, where)

    def checked(self, index: int, where: str) -> int:
        """Return a 0-based class that was given as a number.

        Raises:
            InputError: there is no such class; the message begins with ``where``.
        """
        if not 0 <= index < len(self.class_names):
            raise InputError(
                f"{where}: there is no class number {index + 1}; {len(self.class_names)} classes "
                "are counted from 1"
            )
        return index

    def match_names(self, paths: Sequence[Path]) -> list[tuple[Path, int]]:
        """Return the folders or files that are named after a class, with that class.

        Raises:
            InputError: without a map, a name is no class; or none of them is.
        """
        matched = []
        for path in paths:
            label = path.stem if path.is_file() else path.name
            index = self.find(label) if self.has_map else self.require(label, str(path))
            if index is not None:
                matched.append((path, index))
        if not matched:
            raise InputError(
                f"none of {len(paths)} names, the first being "
                f"{str(paths[0]) if paths else '(nothing there)'!r}, is a class or in the class map"
            )
        if len(matched) < len(paths):
            left_out = len(paths) - len(matched)
            logger.info("left out %d names that are not in the class map", left_out)
        return matched


def report_left_out(source: Path, num_left_out: int, num_images: int) -> None:
    """Log how many images have only labels that are not in the class map.

    Raises:
        InputError: there is no other image.
    """
    if num_left_out and num_left_out == num_images:
        raise InputError(
            f"{source}: no label of {num_images} images is a class or in the class map"
        )
    if num_left_out:
        logger.info(
            "%s: left out %d of %d images, none of whose labels is in the class map",
            source,
            num_left_out,
            num_images,
        )


def read_class_map(path: str | Path) -> dict[str, int | str]:
    """Return a class map: a json object of labels to category ids, from 1, or class names.

    Raises:
        InputError: the file is missing or holds something else.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not all(
        isinstance(value, int | str) and not isinstance(value, bool) for value in content.values()
    ):
        raise InputError(
            f"{path} is no class map; expected a json object such as "
            '{"n02084071": 378, "n02121808": "cat"}'
        )
    return content
