"""What detections are scored on: a registered dataset, or just an annotation file."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog

from detic.data.annotation_file import read_document
from detic.evaluation.ground_truth import read_ground_truth
from detic.evaluation.results_file import ImageId
from detic.vocabulary.choices import unknown_choice

OPEN_VOCABULARY_COCO = "coco_generalized_zeroshot_val"  # the one set with seen and unseen classes


@dataclass(frozen=True)
class TestSet:
    """Annotated images and how detections on them are scored."""

    __test__ = False  # not a test case, whatever its name begins with

    name: str
    kind: str | None  # lvis, coco, oid
    annotation_file: Path
    image_files: Callable[[], Mapping[ImageId, str]]  # by image id

    @property
    def is_open_vocabulary(self) -> bool:
        """Whether the classes are divided into seen and unseen ones."""
        return self.name == OPEN_VOCABULARY_COCO
