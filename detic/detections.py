"""What was found in one image, as numpy arrays.

Shapes: N detections, H x W image, C classes, D embedding width.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from detectron2.layers import paste_masks_in_image
from detectron2.structures import Instances
from torch import Tensor

from detic.compact_masks import CompactMasks, mask_areas, paste_in_parts
from detic.errors import InputError, some_of
from detic.image_arrays import cut
from detic.image_sources import ImageLike, ImageSource, load_image, shown_name

if TYPE_CHECKING:
    import os

    import pandas
    import supervision

    from detic.rendering import DrawStyle

NUM_SUMMED_UP = 8  # classes that a summary names


@dataclass(frozen=True, eq=False)
class Detection:
    """One object."""

    name: str
    score: float  # in (0, 1]
    box_xyxy: tuple[float, float, float, float]  # pixels
    label: int  # index into the vocabulary
    parent: str | None = None  # of its class
    mask: np.ndarray | None = None  # (H, W) bool
    image: ImageSource | None = None

    def __repr__(self) -> str:
        box = ", ".join(f"{side:.1f}" for side in self.box_xyxy)
        return f"Detection(name={self.name!r}, score={self.score:.2f}, box_xyxy=({box}))"

    def crop(self, margin: float = 0.0, image: ImageLike | None = None) -> np.ndarray:
        """Return the part of the image in the box, (h, w, 3) uint8 BGR; see ``Detections.crops``."""
        return cut(_pixels(self.image if image is None else image), self.box_xyxy, margin)


@dataclass(frozen=True, eq=False, repr=False)
class Detections:
    """Objects of one image, highest score first; row i of every array is the i-th object.

    ``detections["red star"]`` selects by name, ``detections[mask_or_slice_or_indices]`` rows;
    ``detections[3]`` gives one row, still as Detections. Iteration gives each object as a Detection.

    A pickle holds masks as run lengths, and the path of the image but not its pixels.
    """

    boxes_xyxy: np.ndarray  # (N, 4) float32, pixels
    scores: np.ndarray  # (N,) float32 in (0, 1]
    labels: np.ndarray  # (N,) int64 index into the vocabulary
    names: np.ndarray  # (N,) str
    image_size_hw: tuple[int, int]
    parents: np.ndarray | None = None  # (N,) str, "" of classes without; None: no class has one
    # (N, H, W) bool, compact of huge images in tiles or by ``Detector.compact_masks``; None: not
    # predicted
    masks: np.ndarray | CompactMasks | None = None
    region_embeddings: np.ndarray | None = None  # (N, D) float32 of unit length, with features=True
    class_scores: np.ndarray | None = None  # (N, C) float32 of all classes, with all_scores=True
    track_ids: np.ndarray | None = None  # (N,) int64, -1: not confirmed; None: not tracked
    image: ImageSource | None = None  # what was looked at; read again for drawings and crops
    class_colors: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)  # RGB, by name

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        return f"Detections({self.summary()})"

    def __getstate__(self) -> dict[str, Any]:
        from detic.result_rows import encoded_masks

        coded = encoded_masks(self.masks) if isinstance(self.masks, np.ndarray) else self.masks
        return self.__dict__ | {"masks": coded}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from detic.result_rows import decoded_masks

        if isinstance(state["masks"], list):
            state["masks"] = decoded_masks(state["masks"], state["image_size_hw"])
        self.__dict__.update(state)

    def parent(self, row: int) -> str | None:
        """Return the parent of an object's class, None if it has none."""
        return None if self.parents is None else str(self.parents[row]) or None

    @property
    def shown_names(self) -> list[str]:
        """What the objects are called before people: ``banana``, or ``fruit (banana)``."""
        parents = map(self.parent, range(len(self)))
        return [
            f"{parent} ({name})" if parent else name
            for name, parent in zip(self.names.tolist(), parents, strict=True)
        ]

    def count(self) -> Counter[str]:
        """Return the number of objects of each class, as it is shown."""
        return Counter(self.shown_names)

    def summary(self) -> str:
        """Return a line such as ``3 objects: 2 red star, 1 blue boat``."""
        total = "1 object" if len(self) == 1 else f"{len(self)} objects"
        counts = [
            name if count == 1 else f"{count} {name}" for name, count in self.count().most_common()
        ]
        return f"{total}: {some_of(counts, NUM_SUMMED_UP)}" if counts else total

    def __getitem__(
        self, rows: int | slice | str | list[int] | list[str] | np.ndarray
    ) -> "Detections":
        """Return the chosen rows.

        Args:
            rows: an index, a slice, (N,) bool, or indices in any order; the name of a class, or a list
                of names, of which none may have been found.
        """
        if isinstance(rows, int | np.integer):
            rows = [int(rows)]
        named = [rows] if isinstance(rows, str) else rows
        if isinstance(named, list) and any(isinstance(name, str) for name in named):
            rows = np.isin(self.names, named)
        columns = {name: getattr(self, name) for name in COLUMNS}
        chosen: dict[str, Any] = {n: c if c is None else c[rows] for n, c in columns.items()}
        return replace(self, **chosen)

    def __iter__(self) -> Iterator[Detection]:
        """Yield each object."""
        for row in range(len(self)):
            x1, y1, x2, y2 = self.boxes_xyxy[row].tolist()
            yield Detection(
                name=str(self.names[row]),
                score=float(self.scores[row]),
                box_xyxy=(x1, y1, x2, y2),
                label=int(self.labels[row]),
                parent=self.parent(row),
                mask=None if self.masks is None else self.masks[row],
                image=self.image,
            )

    def crops(self, margin: float = 0.0, image: ImageLike | None = None) -> list[np.ndarray]:
        """Return the part of the image in each box, (h, w, 3) uint8 BGR.

        Args:
            margin: around each box, in shares of its width and height.
            image: that was looked at, where the detections do not know it any more.

        Raises:
            InputError: the image cannot be read, or has another size.
        """
        pixels = self._pixels(image)
        return [cut(pixels, box, margin) for box in self.boxes_xyxy.tolist()]

    def plot(
        self, style: "DrawStyle | None" = None, *, image: ImageLike | None = None
    ) -> np.ndarray:
        """Return the image with what was found in it, (H, W, 3) uint8 BGR.

        Args:
            style: what to draw, and how; it may enlarge the image.
            image: that was looked at, where the detections do not know it any more.

        Raises:
            InputError: the image cannot be read, or has another size.
        """
        from detic.rendering import DrawStyle, draw

        style = style or DrawStyle()
        colors = {**self.class_colors, **style.class_colors}
        return draw(self._pixels(image), self, replace(style, class_colors=colors))

    def show(self, style: "DrawStyle | None" = None, *, image: ImageLike | None = None) -> None:
        """Show the drawing in the notebook, or in the program of this machine that shows images.

        Args:
            style: and what follows, as of ``plot``.

        Raises:
            InputError: as ``plot`` does, or there is no such program.
        """
        from detic.rendering.files import show_image

        show_image(self.plot(style, image=image))

    def save(
        self,
        path: "str | os.PathLike",
        style: "DrawStyle | None" = None,
        *,
        image: ImageLike | None = None,
    ) -> None:
        """Write the drawing to an image file, or what was found to a .json file; replace what is there.

        Args:
            path: its suffix says what is written.
            style: and what follows, as of ``plot``.

        Raises:
            InputError: as ``plot`` does, the suffix is not known, or the file cannot be written.
        """
        from detic.files import write_text
        from detic.rendering.files import check_suffix, write_image

        if str(path).lower().endswith(".json"):
            write_text(path, self.to_json() + "\n")
        else:
            check_suffix(path)
            write_image(path, self.plot(style, image=image))

    def to_json(self, image_id: int = 1) -> str:
        """Return a JSON object: an entry of the list that ``detic detect --json`` writes.

        Args:
            image_id: of the image, in this entry.
        """
        from detic.outputs import ImageRecord
        from detic.outputs.json_lines import as_json, image_entry

        name = shown_name(self.image.name) if self.image else ""
        return as_json(image_entry(ImageRecord(name, image_id, stem=""), self))

    def to_coco(self, image_id: int = 1, category_ids: Sequence[int] | None = None) -> list[dict]:
        """Return the objects as COCO's results have them, masks as run lengths.

        Args:
            image_id: of the image in the annotations.
            category_ids: of the classes, by label; None: labels counted from 1.
        """
        from detic.result_rows import result_rows

        ids = (
            range(1, int(self.labels.max(initial=0)) + 2) if category_ids is None else category_ids
        )
        return list(result_rows(image_id, self, ids, rounded=True))

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return a table of pandas: one row an object, with ``mask_area`` in pixels if there are masks.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as e:
            raise InputError(
                "to_dataframe() needs the package pandas; install it with `pip install pandas`"
            ) from e
        columns = {"name": self.names, "parent": self.parents, "label": self.labels}
        columns["score"] = self.scores
        columns |= zip(("x1", "y1", "x2", "y2"), self.boxes_xyxy.T, strict=True)
        if self.masks is not None:
            columns["mask_area"] = mask_areas(self.masks)
        return pandas.DataFrame({n: c for n, c in columns.items() if c is not None})

    def to_supervision(self) -> "supervision.Detections":
        """Return the same as Roboflow's ``supervision`` knows it, for its trackers and annotators.

        Raises:
            InputError: supervision is not installed.
        """
        try:
            import supervision
        except ImportError as e:
            raise InputError(
                "to_supervision() needs the package supervision; install it with "
                "`pip install supervision`"
            ) from e
        data = {"class_name": self.names, "parent": self.parents}
        return supervision.Detections(
            xyxy=self.boxes_xyxy,
            mask=self._supervision_masks(),
            confidence=self.scores,
            class_id=self.labels,
            tracker_id=self.track_ids,
            data={key: column for key, column in data.items() if column is not None},
        )

    def _supervision_masks(self) -> "np.ndarray | supervision.CompactMask | None":
        """Return the masks as supervision has them, of a huge image compact where it can be."""
        import supervision

        if not isinstance(self.masks, CompactMasks):
            return self.masks
        if not hasattr(supervision, "CompactMask"):  # before 0.28
            return np.asarray(self.masks)
        rows = self.masks.run_lengths()
        first_and_last = self.masks.boxes_xyxy - np.array([0, 0, 1, 1])
        return supervision.CompactMask.from_coco_rle(rows, first_and_last, self.image_size_hw)

    def _pixels(self, image: ImageLike | None) -> np.ndarray:
        """Return the image that was looked at, or that is handed over in its place."""
        pixels = _pixels(self.image if image is None else image)
        height, width = self.image_size_hw
        if pixels.shape[:2] != (height, width):
            raise InputError(
                f"the image has {pixels.shape[1]} x {pixels.shape[0]} pixels now, and {width} x {height} "
                "when the objects were found; hand over what it was then: image=..."
            )
        return pixels


COLUMNS = (
    "boxes_xyxy",
    "scores",
    "labels",
    "names",
    "parents",
    "masks",
    "region_embeddings",
    "class_scores",
    "track_ids",
)


def _pixels(image: ImageLike | ImageSource | None) -> np.ndarray:
    """Return an image, (H, W, 3) uint8 BGR.

    Raises:
        InputError: it cannot be read, or is None.
    """
    if image is None:
        raise InputError(
            "the image of these detections is not known; hand it over as well: image=..."
        )
    return image.read() if isinstance(image, ImageSource) else load_image(image)


def from_instances(
    instances: Instances,
    class_names: np.ndarray,
    class_parents: np.ndarray | None = None,
    *,
    image: ImageSource | None = None,
    class_colors: Mapping[str, tuple[int, int, int]] | None = None,
) -> Detections:
    """Return the model's detections of one image as arrays.

    Args:
        instances: postprocessed, with ``pred_boxes``, ``scores``, ``pred_classes`` and maybe
            ``pred_masks`` or ``mask_cells``, ``region_embeddings`` and ``class_scores``.
        class_names: (C,) str.
        class_parents: (C,) str, "" of classes without.
        image: that they were found in.
        class_colors: RGB of the classes that have a colour of their own, by name.
    """
    columns = {
        name: getattr(instances, name).float().cpu().numpy()
        for name in ("scores", "region_embeddings", "class_scores")
        if instances.has(name)
    }
    labels = instances.pred_classes.cpu().numpy()
    height, width = instances.image_size
    border = np.array([width, height, width, height], dtype=np.float32)
    return Detections(
        # Deformable DETR lets boxes reach over the border.
        boxes_xyxy=instances.pred_boxes.tensor.float().cpu().numpy().clip(0, border),
        labels=labels,
        names=class_names[labels],
        parents=None if class_parents is None else class_parents[labels],
        image_size_hw=instances.image_size,
        masks=_masks(instances),
        image=image,
        class_colors=class_colors or {},
        **columns,
    )


def _masks(instances: Instances) -> np.ndarray | CompactMasks | None:
    if instances.has("mask_cells"):
        boxes = instances.pred_boxes.tensor
        return paste_in_parts(_pasted, instances.mask_cells, boxes, instances.image_size)
    return instances.pred_masks.cpu().numpy() if instances.has("pred_masks") else None


def _pasted(cells: Tensor, boxes_xyxy: Tensor, image_size_hw: tuple[int, int]) -> np.ndarray:
    return paste_masks_in_image(cells, boxes_xyxy, image_size_hw).cpu().numpy()
