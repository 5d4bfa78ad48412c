"""What a look at one thing found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One line of the report."""

    label: str
    found: str
    wrong: str | None = None  # what is wrong with it and what to do; None: nothing


def as_text(title: str, lines: list[Line]) -> str:
    """Return a section of the report; lines with something wrong are marked."""
    width = max((len(line.label) for line in lines), default=0)
    rows = [f"{'!' if line.wrong else ' '} {line.label:{width}}  {line.found}" for line in lines]
    return "\n".join([title, *rows])


def size_text(num_bytes: int) -> str:
    """Return a size as people read it.

    >>> size_text(67108864)
    '64 MiB'
    """
    mebibytes = num_bytes / 2**20
    return f"{mebibytes:.0f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"
