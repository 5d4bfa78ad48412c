"""What detections are scored on: a registered dataset, or just an annotation file."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog

from detic.datasets.annotation_file import AnnotationFile
from detic.datasets.class_lists import categories_of_file
from detic.errors import InputError, unknown_choice
from detic.evaluation.ground_truth import Annotations, read_ground_truth
from detic.evaluation.openimages_truth import read_verified_images
from detic.result_rows import ImageId

OPEN_VOCABULARY_COCO = "coco_generalized_zeroshot_val"  # the one set with seen and unseen classes


@dataclass(frozen=True)
class EvaluationSet:
    """Annotated images and how detections on them are scored."""

    name: str
    kind: str  # lvis, coco, oid, or imagenet, which cannot be scored
    annotation_file: Path
    image_files: Callable[[], Mapping[ImageId, str]]  # by image id
    content: AnnotationFile | None = None  # of the annotation file, where it was read already

    @property
    def annotations(self) -> Annotations:
        """The annotation file, or its content."""
        return self.content or self.annotation_file

    @property
    def is_open_vocabulary(self) -> bool:
        """Whether the classes are divided into seen and unseen ones."""
        return self.name == OPEN_VOCABULARY_COCO


def registered_set(dataset_name: str, kind: str | None = None) -> EvaluationSet:
    """Return a registered dataset.

    Args:
        dataset_name: its metadata has ``json_file`` and ``evaluator_type``.
        kind: how to score, if not as the metadata says.

    Raises:
        InputError: it is not registered, or its metadata do not tell how to score.
    """
    if dataset_name not in DatasetCatalog:
        raise unknown_choice("dataset", dataset_name, list(DatasetCatalog))
    metadata = MetadataCatalog.get(dataset_name)
    kind = kind or metadata.get("evaluator_type")
    if not kind or not metadata.get("json_file"):
        raise InputError(
            f"dataset '{dataset_name}' cannot be evaluated: its metadata need 'evaluator_type' "
            "(lvis, coco or oid) and 'json_file', the annotation file"
        )
    files = partial(_registered_image_files, dataset_name)
    return EvaluationSet(dataset_name, kind, Path(metadata.json_file), files)


def annotated_set(
    annotation_file: Path, kind: str | None = None, image_root: Path | None = None
) -> EvaluationSet:
    """Return the images of an annotation file.

    Args:
        annotation_file: in LVIS's or COCO's format.
        kind: how to score; by default as LVIS if the categories have frequencies, else as COCO.
        image_root: folder of the images, None if they are not at hand.

    Raises:
        InputError: the file is missing or malformed.
    """
    content = read_ground_truth(annotation_file).content
    if kind is None:
        with_frequency = any("frequency" in category for category in content.categories)
        kind = "lvis" if with_frequency else "coco"
    files = partial(_image_files_below, image_root, content)
    return EvaluationSet(annotation_file.stem, kind, annotation_file, files, content)


def check_annotations(evaluation_set: EvaluationSet) -> None:
    """Check that an annotation file can be scored on, as scoring itself does.

    Raises:
        InputError: it is missing or malformed, or lacks what the way of scoring needs.
    """
    if evaluation_set.kind == "oid":
        read_verified_images(evaluation_set.annotations)
    else:
        read_ground_truth(evaluation_set.annotations)


def category_ids(evaluation_set: EvaluationSet) -> Sequence[int | None]:
    """Return the category id of each class index: by the metadata's map, else by rank of the ids.

    Args:
        evaluation_set: a registered dataset; may have ``thing_dataset_id_to_contiguous_id``.

    Returns:
        None for a class of ``thing_classes`` that the dataset has no category for.
    """
    metadata = MetadataCatalog.get(evaluation_set.name)
    index_of = metadata.get("thing_dataset_id_to_contiguous_id")
    if index_of:
        id_of = {index: category_id for category_id, index in index_of.items()}
        num_classes = len(metadata.get("thing_classes") or index_of)
        return [id_of.get(index) for index in range(num_classes)]
    categories = categories_of_file(str(evaluation_set.annotation_file))
    return [category["id"] for category in categories]


def _registered_image_files(dataset_name: str) -> dict[ImageId, str]:
    """Return the image files of a registered dataset, without images in archives."""
    records = DatasetCatalog.get(dataset_name)
    return {record["image_id"]: record["file_name"] for record in records if "file_name" in record}


def _image_files_below(image_root: Path | None, content: AnnotationFile) -> dict[ImageId, str]:
    """Return where a file's images are: by ``file_name``, or by the end of ``coco_url``."""
    if image_root is None:
        return {}
    names = {
        image["id"]: image.get("file_name") or os.path.join(*image["coco_url"].split("/")[-2:])
        for image in content.images
        if "file_name" in image or "coco_url" in image
    }
    return {image_id: str(image_root / name) for image_id, name in names.items()}
