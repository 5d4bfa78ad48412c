"""The memory of embedded texts on disk: one file per text encoder and prompt template.

Shapes: N texts, D embedding width.
"""

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from detic.errors import InputError
from detic.vocabulary.embedding_file import EmbeddingTable, read_table, write_embeddings

Features = Mapping[str, torch.Tensor]  # (D,) float32 by text

logger = logging.getLogger(__name__)


class EmbeddingCache:
    """Features of texts by template, for one text encoder.

    A file holds every text ever put into one template. It is replaced as a whole under a lock, so
    processes that share the folder read complete files and lose none of each other's texts. What
    was read stays in memory until another process replaces the file.

    Args:
        folder: where the files are; made when something is stored.
        fingerprint: of the text encoder's weights, see ``weights_fingerprint``.
    """

    def __init__(self, folder: str | os.PathLike, fingerprint: str):
        self.folder = Path(folder)
        self.fingerprint = fingerprint
        self.is_read_only = False  # store nothing, where names come from anyone
        self._in_memory: dict[str, tuple[tuple[int, ...], Features]] = {}  # by template

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is in memory: it is read again, and each vector would bring its table."""
        return self.__dict__ | {"_in_memory": {}}

    def path(self, template: str) -> Path:
        """Return the file of a template."""
        digest = hashlib.sha256(template.encode()).hexdigest()[:16]
        return self.folder / f"texts_{self.fingerprint}_{digest}.safetensors"

    def load(self, template: str) -> Features:
        """Return the known features by text, not to be changed; a damaged file counts as none."""
        path = self.path(template)
        if not path.exists():
            return {}
        version = _version(path)  # before reading: a file replaced meanwhile is read again
        known_version, features = self._in_memory.get(template, (None, {}))
        if version != known_version:
            features = self._read(path, template)
            self._in_memory[template] = (version, features)
        return features

    def _read(self, path: Path, template: str) -> Features:
        try:
            table = read_table(path)
        except InputError as error:
            logger.warning("the embedding cache is rebuilt: %s", error)
            return {}
        origin = (table.fingerprint, table.templates)
        if table.names is None or origin != (self.fingerprint, (template,)):
            logger.warning("the embedding cache is rebuilt: %s is not a part of it", path)
            return {}
        return dict(zip(table.names, table.embeddings, strict=True))

    def store(self, template: str, features: Features) -> None:
        """Add features to those on disk; a folder that cannot be written is left alone.

        Args:
            template: the template the texts were put into.
            features: (D,) float32 by text.
        """
        if self.is_read_only:
            return
        from filelock import FileLock

        path = self.path(template)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                features = {**self.load(template), **features}
                write_embeddings(path, self._table(template, features))
                self._in_memory[template] = (_version(path), features)
        except (OSError, InputError) as error:
            logger.warning(
                "class embeddings are not remembered: %s; name a writable folder in the environment "
                "variable DETIC_CACHE",
                error,
            )

    def _table(self, template: str, features: Features) -> EmbeddingTable:
        return EmbeddingTable(
            embeddings=torch.stack(list(features.values())),
            names=tuple(features),
            templates=(template,),
            fingerprint=self.fingerprint,
        )


def _version(path: Path) -> tuple[int, ...]:
    """Return what changes whenever a file is replaced."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino
