"""Vocabularies that clients send: checked before anything large is made of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from detic.errors import InputError, in_short, shown
from detic.serving.examples import Images, take_images, with_images_in
from detic.serving.limits import HTTPError, Limits, check_num_texts
from detic.vocabulary import Vocabulary
from detic.vocabulary.vocabulary import ClassEntry
from detic.vocabulary.vocabulary_file import parse_items, vocabulary_of_items

STRUCTURAL = (",", "{", "[")  # characters of JSON: each begins a value or follows one
STRUCTURAL_OF_EXAMPLE = 10  # {"image": "...", "box": [0, 0, 9, 9]}, has 7
STRUCTURAL_OF_CLASS = 20  # with all fields it has 16, besides those in its texts and examples
FIELDS = frozenset(field.name for field in fields(ClassEntry))


@dataclass(frozen=True, eq=False)
class VocabularyUpload:
    """A vocabulary as a client sends it."""

    classes: Vocabulary
    images: Images = field(default_factory=dict)  # of its examples, by name


def parse_upload(text: str, file_name: str, limits: Limits) -> VocabularyUpload:
    """Return the vocabulary that a client sent.

    Args:
        text: as the content of a vocabulary file, whose examples hold images in base64.
        file_name: names it in messages; its suffix tells the format.

    Raises:
        InputError: it is no vocabulary.
        HTTPError: it is no JSON, or has more texts or images, or larger ones, than there may be.
    """
    _check_num_structural(text, limits)
    try:
        items = parse_items(text, Path(file_name))
    except InputError as error:
        reason = error.__cause__
        if isinstance(reason, ValueError):  # its remedy is for files that were downloaded
            raise HTTPError(400, f"the body is no JSON: {reason}") from error
        raise
    return upload_of(items, file_name, limits)


def upload_of(items: Sequence, file_name: str, limits: Limits) -> VocabularyUpload:
    """Return the vocabulary of names and mappings of a client; as ``parse_upload`` does."""
    check_num_texts(len(items), limits)  # before anything else looks at a million items
    _check_fields(items, file_name)
    check_num_texts(_num_texts(items), limits)
    items, images = take_images(items, file_name, limits)
    classes = with_images_in(Path(), vocabulary_of_items(items, Path(file_name)))
    _check_lengths(classes, limits)
    return VocabularyUpload(classes, images)


def _check_num_structural(text: str, limits: Limits) -> None:
    """Refuse a text of which so many objects would be made that they fill the memory.

    Images in base64 have none of the characters that are counted. There is room for names of nothing but
    commas.
    """
    most = limits.max_texts * (STRUCTURAL_OF_CLASS + limits.max_text_length)
    most += limits.max_examples * STRUCTURAL_OF_EXAMPLE
    count = sum(map(text.count, STRUCTURAL))
    if count > most:
        raise HTTPError(
            422,
            f"the body has {count:,} of the characters {' '.join(STRUCTURAL)}; at most {most:,} are read, which "
            f"{limits.max_texts} names, synonyms and prompts never need; send fewer",
        )


def _check_fields(items: Sequence, file_name: str) -> None:
    for position, item in enumerate(items, start=1):
        others = set(item) - FIELDS if isinstance(item, dict) else None
        if others:
            known = ", ".join(sorted(FIELDS))
            place = f"{file_name}, entry {position}"
            raise InputError(
                f"{place} has the field {shown(min(map(str, others)))}; choose {known}"
            )


def _num_texts(items: Sequence) -> int:
    """Return how much there is to embed, before it is built."""
    return sum(
        (1 + _length(item.get("synonyms"))) * max(1, _length(item.get("prompts")))
        if isinstance(item, dict)
        else 1
        for item in items
    )


def _length(value: object) -> int:
    return len(value) if isinstance(value, list) else 0


def _check_lengths(classes: Vocabulary, limits: Limits) -> None:
    most = limits.max_text_length
    for entry in classes.entries:
        for text in (entry.name, *entry.synonyms, *(entry.prompts or ())):
            if len(text) > most:
                raise HTTPError(
                    422, f"{in_short(text)!r} has more than {most} characters; shorten it"
                )
