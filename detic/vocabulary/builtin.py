"""The class lists that come with the project, kept under ``datasets/vocabularies``."""

import gzip
import json
from pathlib import Path

from detic.errors import unknown_choice
from detic.vocabulary.vocabulary import ClassEntry, Vocabulary

FOLDER = Path(__file__).resolve().parents[2] / "datasets" / "vocabularies"
FILES = {
    "lvis": "lvis.json",
    "coco": "coco.json",
    "objects365": "objects365.json",
    "openimages": "openimages.json",
    "imagenet21k": "imagenet21k.json.gz",
}


def builtin_categories(name: str) -> list[dict]:
    """Return the categories of a built-in class list as its dataset describes them.

    Args:
        name: lvis, coco, objects365, openimages or imagenet21k.

    Returns:
        One dictionary for each class, by rising ``id``. It has ``id`` and ``name``, and where the
        dataset has them ``synset``, ``synonyms``, ``frequency``, ``image_count``,
        ``instance_count``, ``freebase_id``.
    """
    if name not in FILES:
        raise unknown_choice("vocabulary", name, FILES)
    contents = (FOLDER / FILES[name]).read_bytes()
    return json.loads(gzip.decompress(contents) if FILES[name].endswith(".gz") else contents)


def builtin_vocabulary(name: str, *, synonyms: bool = False) -> Vocabulary:
    """Return a built-in class list as a vocabulary, without embeddings.

    Args:
        name: lvis, coco, objects365, openimages or imagenet21k.
        synonyms: also take LVIS's synonyms, to be embedded along with the names. The released
            classifiers embed the name alone.
    """
    return Vocabulary(
        tuple(
            ClassEntry(
                name=category["name"],
                synonyms=tuple(category.get("synonyms", ())) if synonyms else (),
            )
            for category in builtin_categories(name)
        )
    )
