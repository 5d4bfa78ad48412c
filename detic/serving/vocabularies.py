"""The vocabularies of the service: stored ones by their ids, and those of single requests.

A vocabulary is embedded in a thread of its own and then put in place at once: requests that have
taken an older one finish with it.
"""

import asyncio
import hashlib
import json
import logging
import re
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from detic.errors import InputError, shown
from detic.files import is_hidden, remove_leftovers, write_text
from detic.serving.examples import with_images_in, write_images
from detic.serving.limits import HTTPError, Limits, check_num_texts
from detic.serving.served_detector import VERSION_DIGITS
from detic.serving.uploads import VocabularyUpload, upload_of
from detic.vocabulary import Vocabulary, read_vocabulary_file
from detic.vocabulary.names import as_file_items

DEFAULT = "default"  # the id of what is looked for unless a request says otherwise
NUM_REMEMBERED = 64  # vocabularies of single requests
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_RETRY = {"Retry-After": "5"}

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
        folder: keeps stored vocabularies, as ``<id>.json``, with their images in ``<id>.images``; None:
            they end with the service.

    Raises:
        InputError: the default vocabulary does not suit the detector.
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
        self._changing = asyncio.Lock()  # what is stored, here and in the folder
        self._num_waiting = 0
        self._default = self._prepared(DEFAULT, VocabularyUpload(default))
        self._stored = {DEFAULT: self._default}
        self._remembered: OrderedDict[tuple[str, ...], _OfNames] = OrderedDict()
        if folder is not None:
            self._read(folder)

    def __len__(self) -> int:
        return len(self._stored)

    def summaries(self) -> list[dict[str, Any]]:
        return [vocabulary.summary() for _, vocabulary in sorted(self._stored.items())]

    def get(self, id: str) -> ServedVocabulary:
        """Return a stored vocabulary.

        Raises:
            HTTPError: there is none.
        """
        if id not in self._stored:
            raise HTTPError(
                404, f"there is no vocabulary {shown(id)}; GET /v1/vocabularies lists them"
            )
        return self._stored[id]

    async def put(self, id: str, upload: VocabularyUpload) -> tuple[ServedVocabulary, bool]:
        """Store a vocabulary under an id; return it, and whether the id is new.

        Raises:
            InputError: it does not suit the detector, or the id is no id.
            HTTPError: there are too many, or it cannot be kept.
        """
        _check_id(id)
        self._check_count(id)
        vocabulary = await self._in_thread(partial(self._prepared, id, upload))
        # Whoever stops waiting now must not leave the folder and the memory at odds.
        is_new = await asyncio.shield(self._store(id, vocabulary, upload))
        return vocabulary, is_new

    async def _store(self, id: str, vocabulary: ServedVocabulary, upload: VocabularyUpload) -> bool:
        """Put a vocabulary in place; return whether the id is new."""
        async with self._changing:
            self._check_count(id)
            is_new = id not in self._stored
            if self._folder is not None:
                await asyncio.to_thread(_keep, self._folder, id, upload)
            self._stored[id] = vocabulary
        return is_new

    async def delete(self, id: str) -> None:
        """Forget a stored vocabulary; of the default one, what replaced it.

        Raises:
            HTTPError: there is none, or it stays in the folder.
        """
        await asyncio.shield(self._forget(id))

    async def _forget(self, id: str) -> None:
        async with self._changing:
            self.get(id)
            if self._folder is not None:
                await asyncio.to_thread(_remove, self._folder, id)
            if id == DEFAULT:
                self._stored[id] = self._default
            else:
                del self._stored[id]

    async def of_names(self, names: Sequence[str]) -> ServedVocabulary:
        """Return the vocabulary of a request's own names.

        Raises:
            InputError, HTTPError: a name is empty or there twice, or there are too many.
        """
        check_num_texts(len(names), self._limits)
        key = tuple(names)
        remembered = self._remembered.get(key) or self._remember(key)
        self._remembered.move_to_end(key)
        if len(self._remembered) > NUM_REMEMBERED:
            self._remembered.popitem(last=False)
        remembered.num_waiting += 1
        try:
            return await asyncio.shield(remembered.coming)  # others may wait for it, too
        finally:
            remembered.num_waiting -= 1
            if not remembered.num_waiting and not remembered.is_begun:
                self._forget_names(key, remembered)
                remembered.coming.cancel()

    def _remember(self, key: tuple[str, ...]) -> "_OfNames":
        """Return the vocabulary of names that are new, which is coming."""
        remembered = _OfNames()

        def forget_failed(done: asyncio.Future) -> None:
            if done.cancelled() or done.exception() is not None:
                self._forget_names(key, remembered)

        remembered.coming = asyncio.ensure_future(self._embedded(key, remembered))
        remembered.coming.add_done_callback(forget_failed)
        self._remembered[key] = remembered
        return remembered

    async def _embedded(self, names: Sequence[str], remembered: "_OfNames") -> ServedVocabulary:
        upload = await asyncio.to_thread(upload_of, names, "names", self._limits)

        def prepare() -> ServedVocabulary:
            remembered.is_begun = True
            return self._prepared(None, upload)

        return await self._in_thread(prepare)

    def _forget_names(self, key: tuple[str, ...], remembered: "_OfNames") -> None:
        if self._remembered.get(key) is remembered:
            del self._remembered[key]

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    async def _in_thread(self, prepare: Callable[[], ServedVocabulary]) -> ServedVocabulary:
        if self._num_waiting >= self._limits.max_requests:
            raise HTTPError(503, "too many vocabularies wait; try again later", _RETRY)
        self._num_waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, prepare)
        finally:
            self._num_waiting -= 1

    def _prepared(self, id: str | None, upload: VocabularyUpload) -> ServedVocabulary:
        classes = upload.classes
        if not upload.images:
            return ServedVocabulary(id, version_of(classes), classes, self._prepare(classes))
        with ExitStack() as stack:
            with _telling_no_paths():
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                write_images(upload.images, folder)
            try:
                prepared = self._prepare(with_images_in(folder, classes))
            except InputError as error:  # about the files of a folder that no client knows
                raise InputError(str(error).replace(f"{folder}/", "")) from error
        return ServedVocabulary(id, version_of(classes), classes, prepared)

    def _check_count(self, id: str) -> None:
        most = self._limits.max_vocabularies
        if id not in self._stored and len(self._stored) >= most:
            raise HTTPError(422, f"{most} vocabularies are stored already; delete one")

    def _read(self, folder: Path) -> None:
        """Read what is stored in a folder, but for what this detector cannot take."""
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        for path in sorted(folder.glob("*.json")):
            if is_hidden(path.name):  # another machine writes it
                continue
            try:
                self._stored[path.stem] = self._of_file(path)
            except InputError as error:
                logger.warning("%s stays where it is and is not served: %s", path, error)
                continue
            logger.info("vocabulary %s of %s", path.stem, path)
            if path.stem == DEFAULT:
                logger.warning("it replaces that of the command line; DELETE gives that back")

    def _of_file(self, path: Path) -> ServedVocabulary:
        _check_id(path.stem)
        classes = read_vocabulary_file(path)
        shown_classes = with_images_in(Path(), classes)
        version = version_of(shown_classes)
        return ServedVocabulary(path.stem, version, shown_classes, self._prepare(classes))


@dataclass(eq=False)
class _OfNames:
    """A vocabulary of single requests, which may still be coming."""

    coming: "asyncio.Future[ServedVocabulary]" = field(init=False)
    num_waiting: int = 0  # requests
    is_begun: bool = False  # the thread ends what it has begun, for whoever asks again


@contextmanager
def _telling_no_paths() -> Iterator[None]:
    """Log the errors of the service's own disk, and tell clients no more than that there is one."""
    try:
        yield
    except (OSError, InputError) as error:
        logger.error("%s", error)
        message = "the service cannot write to its disk, its log says why; try again later"
        raise HTTPError(503, message, _RETRY) from error


@_telling_no_paths()
def _keep(folder: Path, id: str, upload: VocabularyUpload) -> None:
    """Write a vocabulary and its images into a folder, and remove the images of an older one."""
    images = _image_folder(folder, id)
    write_images(upload.images, images)
    classes = with_images_in(Path(images.name), upload.classes)
    items = json.dumps(as_file_items(classes), ensure_ascii=False, indent=1)
    write_text(folder / f"{id}.json", items + "\n")
    for path in images.glob("*"):
        if path.name not in upload.images:
            path.unlink()


@_telling_no_paths()
def _remove(folder: Path, id: str) -> None:
    (folder / f"{id}.json").unlink(missing_ok=True)
    shutil.rmtree(_image_folder(folder, id), ignore_errors=True)


def _image_folder(folder: Path, id: str) -> Path:
    return folder / f"{id}.images"


def version_of(classes: Vocabulary) -> str:
    """Return the first digits of a digest of what a vocabulary says."""
    text = json.dumps(as_file_items(classes), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:VERSION_DIGITS]


def _check_id(id: str) -> None:
    if _ID.fullmatch(id) is None:
        raise InputError(
            f"{shown(id)} is no id of a vocabulary; take up to 64 letters, digits, '-', '_' and '.'"
        )
