"""Exported files, opened and run.

Shapes: H x W image, C classes, D embedding width, N detections, S side of a mask.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detic.errors import InputError, in_short, shown, unknown_choice
from detic.export.formats import FORMATS, Run, format_to_run
from detic.export.metadata import ExportMetadata, metadata_from_json
from detic.vocabulary.embedding_file import EmbeddingTable, read_table
from detic.vocabulary.encoder_identity import is_same_name


@dataclass(frozen=True)
class ExportedDetector:
    """A file that was exported, ready to run."""

    path: Path
    metadata: ExportMetadata
    run: Run

    def __call__(
        self, image: np.ndarray, class_embeddings: np.ndarray, thresholds: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return what is found in an image, highest score first.

        Args:
            image: (H, W, 3) uint8, resized and in the channel order that the metadata tell.
            class_embeddings: (C, D) float32, of one class at least.
            thresholds: (C,) float32, scores that detections have to exceed.

        Returns:
            ``boxes`` (N, 4) XYXY in pixels of the image, ``scores`` (N,), ``classes`` (N,) int64,
            ``region_embeddings`` (N, D) and maybe ``masks`` (N, S, S), which fill their boxes.

        Raises:
            InputError: the shapes are others, or a threshold is negative.
        """
        width, fixed = self.metadata.embedding_dim, self.metadata.fixed_size_hw
        if class_embeddings.ndim != 2 or class_embeddings.shape[1] != width:
            raise InputError(
                f"class embeddings of shape {class_embeddings.shape}; {self.path} takes (classes, {width})"
            )
        if thresholds.shape != (len(class_embeddings),) or not (thresholds >= 0).all():
            raise InputError(
                f"thresholds {shown(thresholds)}; {self.path} takes one of 0 or more for each of the "
                f"{len(class_embeddings)} classes"
            )
        if fixed is not None and image.shape[:2] != fixed:
            raise InputError(
                f"an image of {image.shape[1]} x {image.shape[0]} pixels; {self.path} takes "
                f"{fixed[1]} x {fixed[0]} alone"
            )
        return self.run(image, class_embeddings, thresholds)

    def read_classes(self, path: Path) -> EmbeddingTable:
        """Return the classes of an embedding file.

        Raises:
            InputError: they are of another text encoder than the detector's.
        """
        table, own = read_table(path), self.metadata
        prints = {table.fingerprint, own.text_encoder_fingerprint}
        if None in prints:
            is_other = table.model is not None and not is_same_name(table.model, own.text_encoder)
        else:
            is_other = len(prints) > 1
        width = table.embeddings.shape[1]
        if is_other or width != own.embedding_dim:
            raise InputError(
                f"{path} was made by a different text encoder: {table.model or 'unknown'}, {width} wide; "
                f"{self.path} takes {own.text_encoder}, {own.embedding_dim} wide; embed the names again "
                "with that one"
            )
        return table


def open_exported(path: Path) -> ExportedDetector:
    """Return what an exported file holds.

    Raises:
        InputError: it is none, is damaged, or a package that runs it is missing.
    """
    by_suffix = {of.suffix: name for name, of in FORMATS.items()}
    if path.suffix not in by_suffix:
        raise unknown_choice("kind of exported file", path.suffix or path.name, by_suffix)
    if not path.is_file():
        raise InputError(f"there is no exported detector {path}")
    file_format = format_to_run(by_suffix[path.suffix])
    try:
        text, run = file_format.open(path)
    except Exception as error:  # each program has exceptions of its own
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"{path} cannot be read ({in_short(reason)}); export it again") from error
    return ExportedDetector(path, metadata_from_json(text, path), run)
