"""Annotation files of a world, in the format of LVIS.

Annotation is federated as in LVIS: in each image some absent classes are verified as absent.
Classes that are neither annotated nor verified are unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detic.preparation.lvis_variants import with_frequencies
from detic.shapes.captions import NOUN_SYNONYMS
from detic.shapes.classes import ShapeClass
from detic.shapes.masks import mask_to_box_xywh, mask_to_polygons
from detic.shapes.scene import DrawnObject, Image

DESCRIPTION = "Shapes: a procedurally drawn open-vocabulary world"


@dataclass(frozen=True)
class FederationRates:
    """How completely images are annotated."""

    negative: float  # share of the absent classes that are verified as absent
    hidden: float = 0.03  # share of the present classes that are left unannotated
    not_exhaustive: float = 0.015  # share of the present classes declared annotated in part


TRAIN_RATES = FederationRates(negative=0.15)
VAL_RATES = FederationRates(negative=0.5)


def annotate(
    image: Image, class_ids: Sequence[int], rates: FederationRates, rng: np.random.Generator
) -> tuple[dict, list[dict]]:
    """Return what is known about an image and its annotations, both still without image id.

    Args:
        image: the image with its objects.
        class_ids: ids of all classes of the world.
        rates: how completely to annotate.
        rng: draws the classes that each rate applies to.

    Returns:
        The fields ``neg_category_ids`` and ``not_exhaustive_category_ids`` of the image, and one
        annotation for each object, from back to front.
    """
    present = sorted({drawn.shape_class.id for drawn in image.objects})
    absent = sorted(set(class_ids) - set(present))
    hidden = _chosen(present, rates.hidden, rng)
    partly = _chosen(sorted(set(present) - set(hidden)), rates.not_exhaustive, rng)
    shown = [drawn for drawn in image.objects if drawn.shape_class.id not in hidden]
    for class_id in partly:
        of_class = [drawn for drawn in shown if drawn.shape_class.id == class_id]
        if len(of_class) > 1:
            shown = [drawn for drawn in shown if drawn is not of_class[0]]
    image_fields = {
        "neg_category_ids": _chosen(absent, rates.negative, rng),
        "not_exhaustive_category_ids": partly,
    }
    return image_fields, [_annotation(drawn) for drawn in shown]


def _chosen(class_ids: Sequence[int], share: float, rng: np.random.Generator) -> list[int]:
    return [class_id for class_id in class_ids if rng.random() < share]


def _annotation(drawn: DrawnObject) -> dict:
    return {
        "category_id": drawn.shape_class.id,
        "bbox": mask_to_box_xywh(drawn.mask),
        "area": int(drawn.mask.sum()),
        "segmentation": mask_to_polygons(drawn.mask),
    }


def category(shape_class: ShapeClass) -> dict:
    """Return the entry of a class in the list of categories, without frequency and counts."""
    synonyms = [f"{shape_class.look} {noun}" for noun in NOUN_SYNONYMS[shape_class.noun]]
    return {
        "id": shape_class.id,
        "name": shape_class.name,
        "synset": f"{shape_class.name.replace(' ', '_')}.n.01",
        "synonyms": [shape_class.name, *synonyms],
        "def": f"the shape of a {shape_class.noun}, {shape_class.look}",
    }


def with_novel_as_rare(categories: Sequence[dict], classes: Sequence[ShapeClass]) -> list[dict]:
    """Return counted categories with ``frequency``: r for novel classes, c or f for base classes.

    Base classes in fewer images than the median base class are c, the others f.
    """
    novel_ids = {shape_class.id for shape_class in classes if shape_class.novel}
    median = np.median(
        [entry["image_count"] for entry in categories if entry["id"] not in novel_ids]
    )
    return [
        {**entry, "frequency": "r"} if entry["id"] in novel_ids else entry
        for entry in with_frequencies(categories, rare_below=0, common_below=median)
    ]


def document(categories: list[dict], images: list[dict], annotations: list[dict]) -> dict:
    """Return a complete annotation file, the annotations numbered from 1."""
    numbered = [{"id": number, **entry} for number, entry in enumerate(annotations, start=1)]
    return {
        "info": {"description": DESCRIPTION},
        "licenses": [],
        "categories": categories,
        "images": images,
        "annotations": numbered,
    }
