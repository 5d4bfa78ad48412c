"""Which versions of which packages Detic asks for, and whether a version is among them."""

import operator
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
_COMPARISONS = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
# Other distributions of the same package; one of them has to be there.
TWINS = {
    "opencv-python": (
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    )
}


@dataclass(frozen=True)
class Requirement:
    """A distribution and the versions of it that serve."""

    name: str
    bounds: str  # such as ">=2.4,<3"; empty: any

    @property
    def names(self) -> tuple[str, ...]:
        """The distribution, then others that serve as well."""
        return (self.name, *TWINS.get(self.name, ()))

    def is_met_by(self, version: str) -> bool:
        """Return whether a version serves.

        >>> Requirement("torch", ">=2.4,<3").is_met_by("2.10.0+cu128")
        True
        """
        for bound in filter(None, map(str.strip, self.bounds.split(","))):
            sign, wanted = _parts(r"([<>=!]=?)\s*(.+)", bound)
            if not _COMPARISONS[sign](_numbers(version), _numbers(wanted)):
                return False
        return True


def requirements() -> list[Requirement]:
    """Return what Detic needs: as pyproject.toml of a checkout says, else as it was installed."""
    parts = [_parts(r"([\w.-]+)(.*)", text) for text in _of_checkout() or _installed()]
    return [Requirement(name, bounds.strip()) for name, bounds in parts]


def _parts(pattern: str, text: str) -> tuple[str, str]:
    found = re.match(pattern, text)
    if found is None:
        raise ValueError(f"{text!r} is no requirement")
    return found[1], found[2]


def _of_checkout() -> list[str]:
    try:
        import tomllib  # from Python 3.11 on
    except ModuleNotFoundError:
        return []
    if not _PYPROJECT.is_file():
        return []
    return tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]


def _installed() -> list[str]:
    try:
        declared = metadata.requires("detic") or []
    except metadata.PackageNotFoundError:
        return []
    return [text for text in declared if "extra ==" not in text]


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version without what is local to a build, and without ending zeros."""
    numbers = [int(number) for number in re.findall(r"\d+", version.partition("+")[0])]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
