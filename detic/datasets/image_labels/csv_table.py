"""Images listed in a table, each with any number of labels."""

from pathlib import Path

from detic.datasets.image_labels.class_index import ClassIndex, report_left_out
from detic.datasets.image_labels.labelled_image import image_label_record
from detic.datasets.image_sizes import image_sizes
from detic.documents import read_rows
from detic.errors import InputError, shown

HEADER = ["path", "labels"]
SEPARATOR = "|"


def load_csv_table(
    csv_file: Path,
    classes: ClassIndex,
    image_root: Path | None = None,
    index_file: Path | None = None,
) -> list[dict]:
    """Return the records of the images in a table.

    The table has the header ``path,labels`` and a row for each image, such as
    ``kitchen/0001.jpg,cup|spoon``. Without labels an image shows none of the classes. Labels that a
    class map does not have are left out, and images that have no other.

    Args:
        csv_file: the table, UTF-8.
        classes: finds the class of a label.
        image_root: folder that paths are relative to; by default that of the table.
        index_file: where sizes of images are remembered; by default beside the table.

    Raises:
        InputError: the table or one of its labels is not as described.
    """
    image_root = image_root or csv_file.parent
    rows = _read_rows(csv_file)
    names = [name for name, _ in rows]
    sizes = image_sizes(image_root, names, index_file or csv_file.with_suffix(".sizes.json"))
    records = []
    for number, (name, labels) in enumerate(rows, start=1):
        indices = classes.indices(labels, f"{csv_file}, image {number}")
        if indices or not labels:
            place = {"file_name": str(image_root / name)}
            records.append(image_label_record(number, place, sizes.get(name), indices))
    report_left_out(csv_file, len(rows) - len(records), len(rows))
    return records


def _read_rows(csv_file: Path) -> list[tuple[str, list[str]]]:
    """Return path and labels of each image; blank lines are passed over."""
    rows = list(read_rows(csv_file))
    header = rows.pop(0)[1] if rows else []
    if header != HEADER:
        raise InputError(
            f"{csv_file} must have the header 'path,labels' in its first line, not "
            f"{shown(','.join(header))}"
        )
    for line, row in rows:
        if len(row) != len(HEADER):
            raise InputError(
                f"{csv_file}, line {line}: {len(row)} columns; expected a path and labels separated "
                f"by '{SEPARATOR}', such as 'kitchen/0001.jpg,cup{SEPARATOR}spoon'"
            )
    return [
        (name, [label.strip() for label in labels.split(SEPARATOR) if label.strip()])
        for _, (name, labels) in rows
    ]
