"""A detector as a folder of plain files, on this machine or on the Hugging Face hub.

It holds the weights, the recipe, the vocabulary with its embeddings, the text encoder unless OpenAI or
open_clip give that to everybody, and a card that says how to use it.
"""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import yaml
from detectron2.config import CfgNode
from torch import Tensor

from detic.config import with_values
from detic.errors import InputError, some_of
from detic.files import is_file, unfinished_folder, write_bytes, write_text
from detic.recipes import default_config
from detic.vocabulary.embedding_file import EmbeddingTable, read_table, write_embeddings
from detic.vocabulary.encoder_identity import local_fingerprint
from detic.vocabulary.model_classes import KEY
from detic.vocabulary.open_clip_encoder import PREFIX, OpenClipName, is_open_clip
from detic.vocabulary.text_weights import OPENAI, local_text_weights, read_text_weights
from detic.vocabulary.vocabulary import ClassEntry, EmbeddedVocabulary, check_names
from detic.vocabulary.vocabulary_file import read_vocabulary_file

HUB = "hf://"
RECIPE = "recipe.yaml"
WEIGHTS = "model.safetensors"
CLASSES = "vocabulary.yaml"
EMBEDDINGS = "embeddings.safetensors"
TEXT_ENCODER = "text_encoder.safetensors"  # not there: the recipe's
CARD = "README.md"
NEEDED = (RECIPE, WEIGHTS, CLASSES, EMBEDDINGS)
FILES = (*NEEDED, TEXT_ENCODER, CARD)

# What detection depends on; the rest of a recipe tells of a training and of its machine
_SECTIONS = ("MODEL", "INPUT", "TEST")
_LEFT_OUT = {
    "MODEL.DEVICE",
    "MODEL.WEIGHTS",
    "MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH",
    KEY,
    *("MODEL.RESET_CLS_TESTS", "MODEL.TEST_CLASSIFIERS", "MODEL.TEST_NUM_CLASSES"),
}


@dataclass(frozen=True)
class SavedDetector:
    """A folder that ``write_detector`` wrote.

    Raises:
        InputError: a file is missing.
    """

    folder: Path

    def __post_init__(self):
        missing = [name for name in NEEDED if not is_file(self.folder / name)]
        if missing:
            raise InputError(
                f"{self.folder} is no saved detector: {', '.join(missing)} not there; expected what "
                "Detector.save_pretrained writes"
            )

    @property
    def recipe(self) -> Path:
        """The YAML file that says how the detector is built."""
        return self.folder / RECIPE

    @property
    def text_weights(self) -> Path | None:
        """Its text encoder, None for the recipe's."""
        path = self.folder / TEXT_ENCODER
        return path if is_file(path) else None

    @property
    def vocabulary(self) -> EmbeddedVocabulary:
        """What it looks for unless told otherwise."""
        classes = read_vocabulary_file(self.folder / CLASSES)
        table = read_table(self.folder / EMBEDDINGS)
        if table.names != classes.names:
            raise InputError(f"{self.folder}: {CLASSES} and {EMBEDDINGS} have different classes")
        return classes.with_embeddings(table.embeddings)

    def find_weights(self) -> Path:
        """Return the file of the weights."""
        return self.folder / WEIGHTS


def fetch_detector(address: str) -> SavedDetector:
    """Return a detector of the Hugging Face hub; its files are fetched once and kept in the hub's cache.

    Args:
        address: ``hf://organisation/name``, with ``@revision`` behind it if a certain one is wanted.

    Raises:
        InputError: it cannot be fetched, or is no detector.
    """
    from huggingface_hub import snapshot_download

    repository, _, revision = address.removeprefix(HUB).partition("@")
    try:
        folder = snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=list(FILES),
            endpoint=os.environ.get("HF_ENDPOINT"),
        )
    except Exception as error:  # the exceptions of whichever HTTP client the hub's client uses
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"cannot fetch {address} ({reason}); check the name and the network; what is not public "
            "needs `hf auth login`"
        ) from error
    return SavedDetector(Path(folder))


def write_detector(
    folder: str | os.PathLike,
    recipe: CfgNode,
    weights: Mapping[str, Tensor],
    vocabulary: EmbeddedVocabulary,
    text_weights: str | os.PathLike,
) -> None:
    """Write a folder that ``SavedDetector`` reads; it appears when it is complete.

    Args:
        folder: is made; nothing may be there.
        recipe: configuration of the detector.
        weights: of the detector, by name.
        vocabulary: what it looks for unless told otherwise.
        text_weights: its text encoder: ``openai``, a file, which is copied, or a model that
            open_clip fetches.

    Raises:
        InputError: something is there, it cannot be written, names of classes repeat, or the text
            encoder is a model of open_clip in files of this machine.
    """
    if os.path.lexists(folder):
        raise InputError(f"{folder} exists and is kept; name another folder")
    check_names(vocabulary.names, "vocabulary to save")
    encoder = _own_encoder(text_weights)
    recipe = with_values(recipe, {"MODEL.TEXT_ENCODER.WEIGHTS": os.fspath(text_weights)})
    left_out = _LEFT_OUT | ({"MODEL.TEXT_ENCODER.WEIGHTS"} if encoder else set())
    with unfinished_folder(folder) as unfinished:
        write_text(unfinished / RECIPE, _as_yaml(_differences(recipe, left_out)))
        _write_tensors(unfinished / WEIGHTS, weights)
        entries = [_as_item(entry) for entry in vocabulary.entries]
        write_text(unfinished / CLASSES, _as_yaml(entries))
        table = EmbeddingTable(
            embeddings=vocabulary.embeddings,
            names=vocabulary.names,
            model=TEXT_ENCODER if encoder else os.fspath(text_weights),
            fingerprint=local_fingerprint(text_weights),
        )
        write_embeddings(unfinished / EMBEDDINGS, table)
        if encoder is not None:
            _write_tensors(unfinished / TEXT_ENCODER, read_text_weights(encoder))
        write_text(unfinished / CARD, _card(Path(folder).absolute().name, recipe, vocabulary))


def _own_encoder(text_weights: str | os.PathLike) -> Path | None:
    """Return the file of a text encoder that others cannot fetch."""
    source = os.fspath(text_weights)
    if not is_open_clip(source):
        return None if source == OPENAI else local_text_weights(source)
    if OpenClipName.parse(source).is_published:
        return None
    raise InputError(
        f"the text encoder {source} lies in files of this machine and is not copied; publish it "
        f"and train with {PREFIX}hf-hub:ORGANISATION/NAME"
    )


def _differences(recipe: CfgNode, left_out: set[str]) -> dict[str, Any]:
    """Return the sections that detection depends on, without what is as by default."""
    defaults = default_config()
    changed = {name: _changed(recipe[name], defaults[name], left_out, name) for name in _SECTIONS}
    return {name: section for name, section in changed.items() if section}


def _changed(node: CfgNode, defaults: CfgNode, left_out: set[str], path: str) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for key, value in node.items():
        name = f"{path}.{key}"
        if isinstance(value, CfgNode) and key in defaults:
            section = _changed(value, defaults[key], left_out, name)
            changed |= {key: section} if section else {}
        elif name not in left_out and value != defaults.get(key):
            changed[key] = value
    return changed


def _as_item(entry: ClassEntry) -> dict[str, Any] | str:
    """Return a class as a vocabulary file has it: its name, with what else is known of it."""
    given = {
        field.name: getattr(entry, field.name)
        for field in fields(entry)
        if field.default is MISSING or getattr(entry, field.name) != field.default
    }
    return entry.name if len(given) == 1 else given


class _Dumper(yaml.SafeDumper):
    """Writes tuples as lists, and what is equal each time anew."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(tuple, _Dumper.represent_list)


def _as_yaml(document: dict | list) -> str:
    return yaml.dump(document, Dumper=_Dumper, allow_unicode=True, sort_keys=False)


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save

    # Each with memory of its own, as the format wants it; save_file would make a file that other users
    # of a shared folder cannot read.
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_bytes(path, save(own, {"format": "pt"}))


def _card(name: str, recipe: CfgNode, vocabulary: EmbeddedVocabulary) -> str:
    """Return the text that the hub shows of a detector."""
    classes = some_of([f"`{name}`" for name in vocabulary.names], 20)
    return f"""---
library_name: detic
pipeline_tag: zero-shot-object-detection
tags:
- open-vocabulary
- object-detection
---
# {name}

An open-vocabulary detector. Unless told otherwise it looks for {len(vocabulary)} classes: {classes}.

```python
from detic import Detector

detector = Detector.from_pretrained("hf://organisation/{name}")
detections = detector("image.jpg")
detector.set_vocabulary(["a class", "of your own"])
```

| file | content |
|---|---|
| `{WEIGHTS}` | weights |
| `{RECIPE}` | recipe: {recipe.MODEL.BACKBONE.NAME} |
| `{CLASSES}`, `{EMBEDDINGS}` | vocabulary and its embeddings |
| `{TEXT_ENCODER}` | text encoder; without it, that of the recipe |
"""
