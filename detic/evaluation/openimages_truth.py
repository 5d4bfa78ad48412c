"""The annotations of Open Images: boxes, and the classes verified to be in an image or not.

I images, C classes, M annotations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detic.datasets.annotation_file import AnnotationFile
from detic.errors import InputError
from detic.evaluation.ground_truth import Annotations, read_ground_truth
from detic.evaluation.openimages_ap import mask_shapes


@dataclass(frozen=True)
class VerifiedImages:
    """The images of Open Images, whose labels were verified, and their annotations."""

    content: AnnotationFile
    images: dict[int | str, dict]  # I, by id
    annotations: list[dict]  # M
    is_verified: np.ndarray  # (I, C) bool: the class is known to be in the image, or not to be

    @property
    def category_ids(self) -> list[int]:
        return list(self.content.class_index)

    @property
    def index_of_freebase_id(self) -> dict[str, int]:
        """The class index by freebase id, such as "/m/01g317"."""
        categories = self.content.categories
        if not all(isinstance(category.get("freebase_id"), str) for category in categories):
            raise InputError(
                f"{self.content.path} has categories without 'freebase_id', which the class "
                "hierarchy goes by; make the file with `python tools/convert_openimages.py`"
            )
        return {category["freebase_id"]: index for index, category in enumerate(categories)}

    @property
    def has_masks(self) -> bool:
        return all(annotation.get("segmentation") for annotation in self.annotations)

    def annotations_of_class(self, category_id: int) -> list[dict]:
        return [a for a in self.annotations if a["category_id"] == category_id]

    def image_indices(self, image_ids: Sequence[int | str]) -> np.ndarray:
        """Return the image index of each id."""
        index_of = {image_id: index for index, image_id in enumerate(self.images)}
        return np.array([index_of[image_id] for image_id in image_ids], dtype=np.int64)

    def keys(self, image_indices: np.ndarray, category_ids: np.ndarray) -> np.ndarray:
        """Return image index * C + class index of objects."""
        class_indices = np.searchsorted(self.category_ids, category_ids)  # ids of the file, rising
        return image_indices * len(self.category_ids) + class_indices

    def shapes(self, rows: Sequence[dict], task: str) -> np.ndarray:
        """Return boxes (N, 4) or masks (N,) of annotations or detections."""
        if task == "bbox":
            return np.array([row["bbox"] for row in rows], dtype=np.float64).reshape(-1, 4)
        images = [self.images[row["image_id"]] for row in rows]
        return mask_shapes(
            [row["segmentation"] for row in rows],
            [(image["height"], image["width"]) for image in images],
        )


def read_verified_images(annotations: Annotations) -> VerifiedImages:
    """Return the annotations of Open Images.

    Raises:
        InputError: the file is missing or malformed, an image has no verified labels, or an
            annotation's class is not among those of its image.
    """
    content = read_ground_truth(annotations).content
    is_verified = np.zeros((len(content.images), len(content.categories)), dtype=bool)
    for row, image in zip(is_verified, content.images, strict=True):
        for field in ("neg_category_ids", "pos_category_ids"):
            if field not in image:
                raise content.error("image", image, f"has no '{field}', which Open Images needs")
            row[content.class_indices(image, image[field])] = True
        _check_positive(content, image)
    return VerifiedImages(
        content=content,
        images={image["id"]: image for image in content.images},
        annotations=[a for _, of_image in content.images_with_annotations() for a in of_image],
        is_verified=is_verified,
    )


def _check_positive(content: AnnotationFile, image: dict) -> None:
    positive = set(image["pos_category_ids"])
    for annotation in content.annotations_of.get(image["id"], ()):
        if annotation["category_id"] not in positive:
            raise content.error(
                "annotation",
                annotation,
                f"its category {annotation['category_id']} is not in 'pos_category_ids' of image "
                f"{image['id']}; every annotated class has to be verified",
            )
