"""Parquet files of images: the column that holds them, and their rows. Needs the package pyarrow."""

from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from detic.errors import InputError, some_of

if TYPE_CHECKING:
    import pyarrow.parquet

_ROWS_AT_ONCE = 32
_USUAL_COLUMNS = (
    *("image", "jpg", "jpeg", "png", "webp", "image_bytes", "bytes", "content"),
    *("url", "URL", "image_url", "path", "file_name"),
)


def pyarrow_parquet() -> Any:
    """Return the module.

    Raises:
        InputError: the package is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            "Parquet files need the package pyarrow; install it with `pip install pyarrow`"
        ) from error
    return pyarrow.parquet


def open_parquet(file: IO[bytes], name: str) -> "pyarrow.parquet.ParquetFile":
    """Return a Parquet file.

    Raises:
        InputError: it is none, or pyarrow is missing.
    """
    module = pyarrow_parquet()
    try:
        return module.ParquetFile(file)
    except Exception as error:  # pyarrow has several
        raise InputError(f"{name} cannot be read as a Parquet file ({error})") from error


def image_column(columns: Sequence[str], wanted: str | None, name: str) -> str:
    """Return the column of a Parquet file that holds the images.

    Args:
        columns: of the file.
        wanted: the one that the user names; None: the first of the usual ones.
        name: of the file, for the message.

    Raises:
        InputError: there is none.
    """
    candidates = _USUAL_COLUMNS if wanted is None else (wanted,)
    found = [column for column in candidates if column in columns]
    if not found:
        raise InputError(
            f"{name} has no column {wanted or 'of images that is known by its name'}; name one with "
            f"--image-column: {some_of(list(columns), 20)}"
        )
    return found[0]


def row_ranges(file: "pyarrow.parquet.ParquetFile", size: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and the one after the last of pieces of at most ``size`` rows.

    No piece reaches over the end of a row group, which is read as a whole.
    """
    start = 0
    for group in range(file.metadata.num_row_groups):
        stop = start + file.metadata.row_group(group).num_rows
        for first in range(start, stop, size):
            yield first, min(first + size, stop)
        start = stop


def read_rows(source: IO[bytes], column: str, start: int, stop: int) -> Iterator[Any]:
    """Yield the values of a column in the rows from ``start`` to before ``stop``."""
    file = open_parquet(source, "the file")
    group, first = _group_of(file, start)
    for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=[column]):
        values = batch.column(0)
        here = values.slice(max(0, start - first), max(0, stop - max(start, first)))
        yield from (value.as_py() for value in here)
        first += len(values)
        if first >= stop:
            return


def _group_of(file: "pyarrow.parquet.ParquetFile", row: int) -> tuple[int, int]:
    """Return the row group that a row is in, and its first row."""
    first = 0
    for group in range(file.metadata.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if row < first + count:
            return group, first
        first += count
    raise InputError(f"the Parquet file has no row {row}; it has changed")
