"""Compare Detic's tiles with supervision's InferenceSlicer: objects found, found twice, and parts left.

    python benchmarks/tiles_quality.py

Pieces of a mosaic of the scene of the documents begin at four places, so that tiles cut its objects
anywhere. Counted are the objects that lie in a piece as a whole, and what is reported beside all objects.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from detic import Detector
from detic.predictor import Tiles

ROOT = Path(__file__).resolve().parents[1]
SCENE = ROOT / "docs" / "pictures" / "scene.png"
NAMES = ["green gear", "yellow mug", "red star", "blue boat", "purple umbrella", "yellow key"]
STARTS = ((0, 0), (37, 21), (64, 64), (90, 110))  # x, y of the pieces in the mosaic
TILE = 128  # pixels, as the scene

Boxes = tuple[np.ndarray, np.ndarray]  # (N, 4) xyxy pixels, (N,) names


@dataclass
class Counts:
    """What a way of cutting images comes to."""

    objects: int = 0  # that lie in a piece as a whole
    found: int = 0
    twice: int = 0
    beside: int = 0  # reported where no object is, or as another than it is
    cpu_s: float = 0.0


def box_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the overlaps (N, M) of boxes (N, 4) and (M, 4)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    shared = (np.minimum(boxes[:, None, 2:], others[None, :, 2:]) - low).clip(0).prod(axis=2)
    areas, other_areas = ((b[:, 2:] - b[:, :2]).prod(axis=1) for b in (boxes, others))
    return shared / np.maximum(areas[:, None] + other_areas - shared, 1e-9)


def pieces(scene: np.ndarray, objects: Boxes, side: int) -> list[tuple[np.ndarray, Boxes]]:
    """Return parts of the mosaic with all objects that show in each."""
    boxes, names = objects
    count = side // TILE + 1
    mosaic = np.tile(scene, (count, count, 1))
    corners = np.array([(x, y, x, y) for y in range(count) for x in range(count)]) * TILE
    all_boxes = (boxes[None] + corners[:, None]).reshape(-1, 4)
    all_names = np.tile(names, len(corners))
    return [
        (
            np.ascontiguousarray(mosaic[y : y + side, x : x + side]),
            (all_boxes - [x, y] * 2, all_names),
        )
        for x, y in STARTS
    ]


def count(find: Callable[[np.ndarray], Boxes], parts: list[tuple[np.ndarray, Boxes]]) -> Counts:
    """Return what a function finds in the pieces."""
    counts = Counts()
    for image, (boxes, names) in parts:
        start = time.process_time()
        found, found_names = find(image)
        counts.cpu_s += time.process_time() - start
        is_whole = ((boxes >= 0) & (boxes <= len(image))).all(axis=1)
        is_same = names[:, None] == found_names[None]
        hits = is_same & (box_iou(boxes, found) > 0.5) & is_whole[:, None]
        # An object at the border may be reported as far as it shows.
        shown = is_same & (box_iou(boxes.clip(0, len(image)), found) > 0.4)
        counts.objects += int(is_whole.sum())
        counts.found += int(hits.any(axis=1).sum())
        counts.twice += int((hits.sum(axis=1) > 1).sum())
        counts.beside += int((~hits.any(axis=0) & ~shown.any(axis=0)).sum())
    return counts


def ways(detector: Detector) -> dict[str, Callable[[np.ndarray], Boxes]]:
    """Return the ways to compare by name."""
    import supervision as sv

    def whole(image: np.ndarray) -> Boxes:
        found = detector(image)
        return found.boxes_xyxy, found.names

    def tiles(image: np.ndarray) -> Boxes:
        found = detector(image, tiles=Tiles(TILE))
        return found.boxes_xyxy, found.names

    def slicer(rule: str) -> Callable[[np.ndarray], Boxes]:
        cut = sv.InferenceSlicer(
            lambda image: detector(image).to_supervision(),
            slice_wh=TILE,
            overlap_wh=TILE // 4,
            overlap_filter=rule,
            compact_masks=True,
        )

        def find(image: np.ndarray) -> Boxes:
            found = cut(image)
            return found.xyxy, found.data.get("class_name", np.zeros(0, str))

        return find

    rules = ("non_max_suppression", "non_max_merge")
    return {"whole image": whole, "tiles": tiles} | {f"slicer, {r}": slicer(r) for r in rules}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--side", type=int, default=384, help="of the pieces, pixels")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    detector = Detector.from_pretrained("shapes-detic", NAMES, device="cpu", score_threshold=0.3)
    scene = cv2.imread(str(SCENE))
    alone = detector(scene)
    parts = pieces(scene, (alone.boxes_xyxy, alone.names), args.side)
    for name, find in ways(detector).items():
        print(f"{name:28}", count(find, parts))


if __name__ == "__main__":
    main()
