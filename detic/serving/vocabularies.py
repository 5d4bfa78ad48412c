"""The vocabularies of the service: stored ones by their ids, and those of single requests.

A vocabulary is embedded in a thread of its own and then put in place at once: requests that have
taken an older one finish with it.
"""

import asyncio
import hashlib
import json
import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detic.errors import InputError, in_short, shown
from detic.files import write_text
from detic.serving.limits import Limits, Refusal
from detic.serving.served_detector import VERSION_DIGITS
from detic.vocabulary import Vocabulary, read_vocabulary_file
from detic.vocabulary.names import as_file_items
from detic.vocabulary.vocabulary_file import parse_items, vocabulary_of_items

DEFAULT = "default"  # the id of what is looked for unless a request says otherwise
# Of a class that a client describes: fields that name files of this machine are not among them.
FIELDS = frozenset(
    ("name", "synonyms", "prompts", "parent", "negative", "score_threshold", "color")
)
NUM_REMEMBERED = 64  # vocabularies of single requests
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ServedVocabulary:
    """A vocabulary as requests use it."""

    id: str | None  # None: of one request
    version: str  # changes with its content
    classes: Vocabulary
    prepared: Any  # as ServedDetector.detect takes it

    def summary(self) -> dict[str, Any]:
        return {"id": self.id, "version": self.version, "size": len(self.classes)}


class Vocabularies:
    """All vocabularies of a service. Only the event loop's thread calls it.

    Args:
        prepare: as of ``ServedDetector``; called in one thread.
        default: what is looked for unless a request says otherwise.
        limits: of what clients store and ask for.
        folder: keeps stored vocabularies, as ``<id>.json``; None: they end with the service.

    Raises:
        InputError: one of the folder's files is no vocabulary.
    """

    def __init__(
        self,
        prepare: Callable[[Vocabulary], Any],
        default: Vocabulary,
        limits: Limits,
        folder: Path | None = None,
    ):
        self._prepare = prepare
        self._limits = limits
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, "vocabularies")
        self._num_waiting = 0
        self._stored = {DEFAULT: self._prepared(DEFAULT, default)}
        self._remembered: OrderedDict[str, asyncio.Future[ServedVocabulary]] = OrderedDict()
        if folder is not None:
            self._read(folder)

    def __len__(self) -> int:
        return len(self._stored)

    def summaries(self) -> list[dict[str, Any]]:
        return [vocabulary.summary() for _, vocabulary in sorted(self._stored.items())]

    def get(self, id: str) -> ServedVocabulary:
        """Return a stored vocabulary.

        Raises:
            Refusal: there is none.
        """
        if id not in self._stored:
            raise Refusal(
                404, f"there is no vocabulary {shown(id)}; GET /v1/vocabularies lists them"
            )
        return self._stored[id]

    async def put(self, id: str, classes: Vocabulary) -> tuple[ServedVocabulary, bool]:
        """Store a vocabulary under an id; return it, and whether the id is new.

        Raises:
            InputError: it does not suit the detector, or the id is no id.
            Refusal: there are too many.
        """
        _check_id(id)
        self._check_count(id)
        vocabulary = await self._in_thread(id, classes)
        self._check_count(id)
        is_new = id not in self._stored
        if self._folder is not None:
            items = json.dumps(as_file_items(classes), ensure_ascii=False, indent=1)
            await asyncio.to_thread(write_text, self._folder / f"{id}.json", items + "\n")
        self._stored[id] = vocabulary
        return vocabulary, is_new

    def delete(self, id: str) -> None:
        """Forget a stored vocabulary.

        Raises:
            Refusal: there is none, or it is the default one.
        """
        self.get(id)
        if id == DEFAULT:
            raise Refusal(422, "the default vocabulary stays; PUT replaces it")
        if self._folder is not None:
            (self._folder / f"{id}.json").unlink(missing_ok=True)
        del self._stored[id]

    async def of_names(self, names: Sequence[str]) -> ServedVocabulary:
        """Return the vocabulary of a request's own names.

        Raises:
            InputError, Refusal: a name is empty or there twice, or there are too many.
        """
        classes = classes_of_items(list(names), "names.json", self._limits)
        version = version_of(classes)
        coming = self._remembered.get(version)
        if coming is None:
            coming = asyncio.ensure_future(self._in_thread(None, classes))
            coming.add_done_callback(lambda done: self._forget_failed(version, done))
            self._remembered[version] = coming
        self._remembered.move_to_end(version)
        if len(self._remembered) > NUM_REMEMBERED:
            self._remembered.popitem(last=False)
        return await asyncio.shield(coming)  # others may wait for it, too

    def _forget_failed(self, version: str, done: "asyncio.Future[ServedVocabulary]") -> None:
        if done.cancelled() or done.exception() is not None:
            self._remembered.pop(version, None)

    def close(self) -> None:
        self._thread.shutdown()

    async def _in_thread(self, id: str | None, classes: Vocabulary) -> ServedVocabulary:
        if self._num_waiting >= self._limits.max_requests:
            raise Refusal(503, "too many vocabularies wait; try again later", {"Retry-After": "5"})
        self._num_waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._prepared, id, classes)
        finally:
            self._num_waiting -= 1

    def _prepared(self, id: str | None, classes: Vocabulary) -> ServedVocabulary:
        return ServedVocabulary(id, version_of(classes), classes, self._prepare(classes))

    def _check_count(self, id: str) -> None:
        most = self._limits.max_vocabularies
        if id not in self._stored and len(self._stored) >= most:
            raise Refusal(422, f"{most} vocabularies are stored already; delete one")

    def _read(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.json")):
            _check_id(path.stem)
            self._stored[path.stem] = self._prepared(path.stem, read_vocabulary_file(path))
            logger.info("vocabulary %s of %s", path.stem, path)


def version_of(classes: Vocabulary) -> str:
    """Return the first digits of a digest of what a vocabulary says."""
    text = json.dumps(as_file_items(classes), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:VERSION_DIGITS]


def parse_classes(text: str, file_name: str, limits: Limits) -> Vocabulary:
    """Return the vocabulary that a client sent.

    Args:
        text: as the content of a vocabulary file.
        file_name: names it in messages; its suffix tells the format.

    Raises:
        InputError: it is no vocabulary.
        Refusal: it has more texts, or longer ones, than there may be.
    """
    return classes_of_items(parse_items(text, Path(file_name)), file_name, limits)


def classes_of_items(items: Sequence, file_name: str, limits: Limits) -> Vocabulary:
    """Return the vocabulary of names and mappings of a client; as ``parse_classes`` does."""
    for position, item in enumerate(items, start=1):
        others = set(item) - FIELDS if isinstance(item, dict) else None
        if others:
            known = ", ".join(sorted(FIELDS))
            place = f"{file_name}, entry {position}"
            raise InputError(
                f"{place} has the field {shown(min(map(str, others)))}; choose {known}"
            )
    classes = vocabulary_of_items(items, Path(file_name))
    _check_texts(classes, limits)
    return classes


def _check_texts(classes: Vocabulary, limits: Limits) -> None:
    num_texts = 0
    for entry in classes.entries:
        names = (entry.name, *entry.synonyms)
        for text in (*names, *(entry.prompts or ())):
            if len(text) > limits.max_text_length:
                most = limits.max_text_length
                raise Refusal(
                    422, f"{in_short(text)!r} has more than {most} characters; shorten it"
                )
        num_texts += len(names) * len(entry.prompts or ("",))
    if num_texts > limits.max_texts:
        raise Refusal(
            422,
            f"the vocabulary has {num_texts} names, synonyms and prompts; at most "
            f"{limits.max_texts} are looked for at a time",
        )


def _check_id(id: str) -> None:
    if _ID.fullmatch(id) is None:
        raise InputError(
            f"{shown(id)} is no id of a vocabulary; take up to 64 letters, digits, '-', '_' and '.'"
        )
