"""The fields of annotation files: what each may be, and the one form that its values take.

Annotation tools differ: ids are 1, 1.0 or "1", a crowd is true, 1 or "1". What means the same becomes
the same here, so training and scoring read a file alike. Fields that are not listed are not looked
at. Boxes are XYWH in pixels.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlparse

from detic.errors import InputError, shown

MAX_ID = 2**63 - 1
MAX_SIDE_PX = 1_000_000  # of an image
FAR_PX = 1e9  # no image reaches there
CROWD_FLAGS: Mapping[Any, int] = {0: 0, 1: 1, "0": 0, "1": 1, None: 0}
FREQUENCIES = ("r", "c", "f")  # rare, common, frequent
LABEL_LISTS = ("pos_category_ids", "neg_category_ids", "not_exhaustive_category_ids")


@dataclass(frozen=True)
class Field:
    """What a field of a record may be."""

    read: Callable[[Any], Any]  # its value in the form used everywhere; ValueError: it has none
    expected: str  # what a message expects
    is_needed: bool = True  # else it may be missing or null, and is taken out then


def whole_number(value: Any) -> int:
    """Return an integer, or an integer written as 1.0."""
    number = int(value) if type(value) is float and value.is_integer() else value
    if type(number) is not int or abs(number) > MAX_ID:  # true is an int to Python, no number here
        raise ValueError
    return number


def identifier(value: Any) -> int | str:
    """Return the id of an image or annotation: a text stays one."""
    return value if type(value) is str else whole_number(value)


def category_id(value: Any) -> int:
    """Return the id of a category, which may be written as a text of digits."""
    is_digits = type(value) is str and value.isascii() and value.isdigit()
    number = whole_number(int(value) if is_digits and len(value) < 20 else value)
    if not 0 <= number < MAX_ID:
        raise ValueError
    return number


def side(value: Any) -> int:
    """Return the height or width of an image."""
    number = whole_number(value)
    if not 1 <= number <= MAX_SIDE_PX:
        raise ValueError
    return number


def tar_index(value: Any) -> int:
    """Return the number of an image in tar files."""
    number = whole_number(value)
    if number < 0:
        raise ValueError
    return number


def text(value: Any) -> str:
    """Return a text that can be written."""
    if type(value) is not str:
        raise ValueError
    value.encode()  # half a character raises UnicodeEncodeError, which is a ValueError
    return value


def file_name(value: Any) -> str:
    """Return a path that a file system can have."""
    if not text(value) or "\0" in value:
        raise ValueError
    return value


def address(value: Any) -> str:
    """Return an address with a path in it."""
    file_name(urlparse(text(value)).path.lstrip("/"))
    return value


def crowd_flag(value: Any) -> int:
    """Return 1 for an annotation of a whole crowd, 0 for one object."""
    try:
        return CROWD_FLAGS[value]
    except (KeyError, TypeError) as error:
        raise ValueError from error


def frequency(value: Any) -> str:
    """Return how frequent a class of LVIS is."""
    if value not in FREQUENCIES:
        raise ValueError
    return value


def box(value: Any) -> list[float]:
    """Return the four numbers of a box."""
    if not is_box(value):
        raise ValueError
    return value


def is_box(value: Any) -> bool:
    """Return whether a value is a list of four numbers of an image's size."""
    if type(value) is not list or len(value) != 4:
        return False
    for number in value:
        is_number = type(number) is float or type(number) is int
        if not is_number or not -FAR_PX < number < FAR_PX:  # which NaN is not either
            return False
    return True


def is_score(value: Any) -> bool:
    """Return whether a value is how sure a detector is, a number from 0 to 1."""
    return (type(value) is float or type(value) is int) and 0 <= value <= 1


IDENTIFIER = Field(identifier, "a whole number of at most 63 bits, or a text")
CATEGORY_ID = Field(category_id, "a whole number from 0 on")
SIDE = Field(side, f"an integer from 1 to {MAX_SIDE_PX}")
CATEGORY_FIELDS = {
    "id": CATEGORY_ID,
    "name": Field(text, "a text"),
    "frequency": Field(frequency, "r, c or f", is_needed=False),
}
IMAGE_FIELDS = {
    "id": IDENTIFIER,
    "height": SIDE,
    "width": SIDE,
}
# Where an image is; the first one that is there counts, the others are not looked at
LOCATION_FIELDS = {
    "file_name": Field(file_name, "the path of a file", is_needed=False),
    "coco_url": Field(address, "an address with a path", is_needed=False),
    "tar_index": Field(tar_index, "a whole number from 0 on", is_needed=False),
}
ANNOTATION_FIELDS = {
    "id": Field(identifier, "a whole number or a text", is_needed=False),
    "image_id": IDENTIFIER,
    "category_id": CATEGORY_ID,
    "iscrowd": Field(crowd_flag, "0 or 1", is_needed=False),
    "bbox": Field(box, "[x, y, width, height], four numbers of pixels"),
}


def read_fields(record: dict, fields: Mapping[str, Field], where: str) -> None:
    """Give the fields of a record the form used everywhere.

    Args:
        record: changed in place.
        fields: what to look at.
        where: which file and record this is, for the message.

    Raises:
        InputError: a field is missing or has a value that it cannot have.
    """
    for name, field in fields.items():
        value = record.get(name)
        if value is None and not field.is_needed:
            record.pop(name, None)
            continue
        try:
            record[name] = field.read(value)
        except ValueError as error:
            is_there = name in record
            problem = f"'{name}' is {shown(value)}" if is_there else f"'{name}' is missing"
            raise InputError(f"{where}: {problem}; expected {field.expected}") from error


def read_location(image: dict, where: str) -> None:
    """Give the field that says where an image is the form used everywhere.

    Tools write an address of "" or 0 beside the name of the file.

    Args:
        image: changed in place; fields after the first that is there stay as they are.
        where: which file and image this is, for the message.

    Raises:
        InputError: the field has a value that it cannot have.
    """
    for name, field in LOCATION_FIELDS.items():
        read_fields(image, {name: field}, where)
        if name in image:
            return


def read_label_lists(image: dict, known: Set[int] | None, where: str) -> None:
    """Give the lists of category ids of an image the form used everywhere.

    Args:
        image: changed in place.
        known: the ids of the file's categories; None: they are not known.
        where: which file and image this is, for the message.

    Raises:
        InputError: one is no list of ids, or tells of classes that the file does not have.
    """
    for name in LABEL_LISTS:
        if name not in image:
            continue
        ids = image[name]
        try:
            image[name] = [category_id(value) for value in _as_list(ids)]
        except ValueError as error:
            raise _list_error(where, name, ids) from error
        # LVIS itself tells of classes that a file without its rare ones lacks.
        if known is not None and not name.startswith("not_") and not known >= set(image[name]):
            raise _list_error(where, name, ids)


def _as_list(value: Any) -> list:
    if type(value) is not list:
        raise ValueError
    return value


def _list_error(where: str, name: str, ids: Any) -> InputError:
    return InputError(
        f"{where}: {shown(ids)} is not a list of ids of the file's categories ('{name}')"
    )
