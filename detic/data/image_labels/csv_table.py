"""Pictures listed in a table, each with any number of labels."""

import csv
from pathlib import Path

from detic.data.image_labels.class_index import ClassIndex
from detic.data.image_labels.record import image_label_record
from detic.data.image_labels.remembered import picture_sizes
from detic.errors import InputError

HEADER = ["path", "labels"]
SEPARATOR = "|"


def load_csv_table(
    csv_file: Path,
    classes: ClassIndex,
    image_root: Path | None = None,
    index_file: Path | None = None,
) -> list[dict]:
    """Return the records of the pictures in a table.

    The table has the header ``path,labels`` and a row for each picture, such as
    ``kitchen/0001.jpg,cup|spoon``. Without labels a picture shows none of the classes.

    Args:
        csv_file: the table, UTF-8.
        classes: finds the class of a label.
        image_root: folder that paths are relative to; by default that of the table.
        index_file: where sizes of pictures are remembered; by default beside the table.

    Raises:
        InputError: the table or one of its labels is not as described.
    """
    image_root = image_root or csv_file.parent
    rows = _read_rows(csv_file)
    names = [name for name, _ in rows]
    sizes = picture_sizes(image_root, names, index_file or csv_file.with_suffix(".sizes.json"))
    records = []
    for number, (name, labels) in enumerate(rows, start=1):
        where = f"{csv_file}, picture {number}"
        indices = [classes.require(label, where) for label in labels]
        place = {"file_name": str(image_root / name)}
        records.append(image_label_record(number, place, sizes.get(name), indices))
    return records


def _read_rows(csv_file: Path) -> list[tuple[str, list[str]]]:
    """Return path and labels of each picture."""
    try:
        with open(csv_file, newline="", encoding="utf-8-sig") as file:
            header, *rows = csv.reader(file)
    except FileNotFoundError as error:
        raise InputError(f"no table at {csv_file}") from error
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise InputError(f"{csv_file} is no table in UTF-8 ({error})") from error
    if header != HEADER or any(len(row) != len(HEADER) for row in rows):
        raise InputError(
            f"{csv_file} must have the header 'path,labels' and two columns, labels separated by "
            f"'{SEPARATOR}', such as 'kitchen/0001.jpg,cup{SEPARATOR}spoon'"
        )
    return [
        (name, [label.strip() for label in labels.split(SEPARATOR) if label.strip()])
        for name, labels in rows
    ]
