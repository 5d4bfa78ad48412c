"""Reading tables of comma-separated values, with the line of whatever is wrong in them."""

import csv
import os
from collections.abc import Iterator

from detic.errors import InputError


def read_rows(path: str | os.PathLike) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a table that are not empty, each with the number of its line.

    Raises:
        InputError: the file cannot be read, is no UTF-8 text, or no table.
    """
    try:
        # newline="": the csv module looks at the ends of lines itself, also inside quotes.
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            try:
                yield from ((rows.line_num, row) for row in rows if row)
            except csv.Error as error:
                raise InputError(f"{path}, line {rows.line_num}: {error}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
