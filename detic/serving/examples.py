"""Images that show the classes of a client's vocabulary: texts in base64 inside its entries.

They are called after their content. So no name of a client becomes a path, and a vocabulary with another
image has another version.
"""

import binascii
import hashlib
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from detic.errors import InputError
from detic.files import write_bytes
from detic.serving.images import check_header
from detic.serving.limits import HTTPError, Limits
from detic.vocabulary import Vocabulary

Images = dict[str, bytes]  # content of files by name
_NAME_DIGITS = 32


def take_images(items: Sequence, file_name: str, limits: Limits) -> tuple[list, Images]:
    """Return the items of a vocabulary with names in place of their images, and the images.

    Args:
        items: unchecked; what is no list of examples stays as it is.
        file_name: names them in messages.

    Raises:
        InputError, HTTPError: an example is no image, or there are too many.
    """
    images: Images = {}
    taken = []
    num_examples = 0
    for position, item in enumerate(items, start=1):
        examples = item.get("examples") if isinstance(item, dict) else None
        if isinstance(examples, list):
            num_examples += len(examples)
            if num_examples > limits.max_examples:
                raise HTTPError(422, f"the vocabulary has more than {limits.max_examples} examples")
            where = f"{file_name}, entry {position}"
            item = item | {"examples": [_named(e, where, images, limits) for e in examples]}
        taken.append(item)
    return taken, images


def _named(example: object, where: str, images: Images, limits: Limits) -> object:
    """Return an example with the name of its image, which joins the others."""
    if isinstance(example, str):
        example = {"image": example}
    if not isinstance(example, dict) or not isinstance(text := example.get("image"), str):
        return example  # which is told with all that examples may be
    try:
        content = b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(
            f"{where}: an image of 'examples' is no text in base64; send its file so"
        ) from error
    try:
        check_header(content, limits)
    except HTTPError as error:
        raise HTTPError(error.status, f"{where}, an image of 'examples': {error}") from error
    name = hashlib.sha256(content).hexdigest()[:_NAME_DIGITS]
    images[name] = content
    return example | {"image": name}


def with_images_in(folder: Path, classes: Vocabulary) -> Vocabulary:
    """Return classes whose examples are files of a folder, wherever they were before."""
    return Vocabulary(
        tuple(
            replace(
                entry,
                examples=tuple(
                    replace(example, image=str(folder / Path(example.image).name))
                    for example in entry.examples
                ),
            )
            for entry in classes.entries
        )
    )


def write_images(images: Images, folder: Path) -> None:
    """Write images into a folder, which is made if there are any."""
    if images:
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in images.items():
        write_bytes(folder / name, content)
