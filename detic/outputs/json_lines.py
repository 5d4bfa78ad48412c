"""JSON: one record an image, in lines or in one document."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from detic.detections import Detections
from detic.files import unfinished_text
from detic.outputs.writer import Category, ImageRecord, Write
from detic.result_rows import encoded_masks, rounded_box, rounded_score


@contextmanager
def write_json_lines(path: Path, categories: Sequence[Category]) -> Iterator[Write]:
    """Yield a function that writes one line an image."""
    with unfinished_text(path) as file:

        def write(image: ImageRecord, detections: Detections) -> None:
            file.write(as_json(image_entry(image, detections)) + "\n")

        yield write


@contextmanager
def write_json(path: Path, categories: Sequence[Category]) -> Iterator[Write]:
    """Yield a function that adds one image to a list, which is one JSON document."""
    with json_list(path) as append:
        yield lambda image, detections: append(image_entry(image, detections))


@contextmanager
def json_list(path: Path) -> Iterator:
    """Yield a function that appends an object to a JSON list as it is written."""
    with unfinished_text(path) as file:
        separator = "[\n"

        def append(entry: dict) -> None:
            nonlocal separator
            file.write(separator + as_json(entry))
            separator = ",\n"

        yield append
        file.write("\n]\n" if separator == ",\n" else "[]\n")


def image_entry(image: ImageRecord, detections: Detections) -> dict:
    """Return an image with its detections as JSON objects."""
    height, width = detections.image_size_hw
    frame = {} if image.frame is None else {"frame": image.frame}
    return {
        "file_name": image.file_name,
        **frame,
        "image_id": image.image_id,
        "width": width,
        "height": height,
        "detections": detection_entries(detections),
    }


def detection_entries(detections: Detections) -> list[dict]:
    """Return each object as a JSON object."""
    masks = None if detections.masks is None else encoded_masks(detections.masks)
    entries = []
    for i in range(len(detections)):
        parent = detections.parent(i)
        entry = {
            "name": str(detections.names[i]),
            **({} if parent is None else {"parent": parent}),
            "label": int(detections.labels[i]),
            "score": rounded_score(detections.scores[i]),
            "box_xyxy": rounded_box(detections.boxes_xyxy[i]),
        }
        if detections.track_ids is not None:
            entry["track_id"] = int(detections.track_ids[i])
        if masks is not None:
            entry["mask"] = masks[i]
        if detections.class_scores is not None:
            entry["class_scores"] = [rounded_score(s) for s in detections.class_scores[i]]
        entries.append(entry)
    return entries


def as_json(entry: dict) -> str:
    """Return an object as one line of JSON."""
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
