"""CSV: one row a detection."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from detic.detections import Detections
from detic.files import unfinished_text
from detic.outputs.writer import Category, ImageRecord, Write
from detic.result_rows import rounded_box, rounded_score
from detic.spreadsheet import as_cell

COLUMNS = (
    *("file_name", "frame", "image_width", "image_height"),
    *("label", "name", "parent", "score", "x1", "y1", "x2", "y2", "track_id"),
)


@contextmanager
def write_csv(path: Path, categories: Sequence[Category]) -> Iterator[Write]:
    """Yield a function that writes the rows of an image.

    ``frame`` is empty but in videos, ``parent`` for classes without, ``track_id`` for what is not
    tracked. Texts are cells as ``detic.spreadsheet`` has them.
    """
    with unfinished_text(path) as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)

        def write(image: ImageRecord, detections: Detections) -> None:
            height, width = detections.image_size_hw
            frame = "" if image.frame is None else image.frame
            for i in range(len(detections)):
                label, name = int(detections.labels[i]), str(detections.names[i])
                score, box = detections.scores[i], detections.boxes_xyxy[i]
                texts = as_cell(name), as_cell(detections.parent(i) or "")
                track = "" if detections.track_ids is None else int(detections.track_ids[i])
                values = (label, *texts, rounded_score(score), *rounded_box(box), track)
                rows.writerow((as_cell(image.file_name), frame, width, height, *values))

        yield write
