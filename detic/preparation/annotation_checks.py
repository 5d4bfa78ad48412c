"""What is wrong or peculiar with the annotations of an image, as they stand in the file."""

from collections.abc import Iterable, Sequence

from detic.datasets.annotation_file import AnnotationFile
from detic.datasets.segmentation import NO_AREA_PX2, mask_problem, polygon_area
from detic.errors import InputError
from detic.preparation.findings import Findings

MARGIN_PX = 1.5  # annotators' tools let boxes and polygons end a pixel outside
LABEL_LISTS = ("pos_category_ids", "neg_category_ids")


def check_annotations(image: dict, annotations: Iterable[dict], findings: Findings) -> None:
    """Add what is wrong or peculiar with the boxes and masks of an image to the findings."""
    size_hw = (image["height"], image["width"])
    where = f"image {image['id']}"
    for annotation in annotations:
        _check_box(annotation["bbox"], size_hw, where, findings)
        if segmentation := annotation.get("segmentation"):
            has_area = min(annotation["bbox"][2:]) > 0
            _check_mask(segmentation, size_hw, has_area, where, findings)


def _check_box(
    box_xywh: Sequence[float], size_hw: tuple[int, int], where: str, findings: Findings
) -> None:
    height, width = size_hw
    x, y, w, h = box_xywh
    if w <= 0 or h <= 0:
        findings.peculiarities["boxes without area"].append(where)
    elif x >= width or y >= height or x + w <= 0 or y + h <= 0:
        findings.problems["boxes wholly outside their image"].append(where)
    elif _is_outside((x, x + w), width) or _is_outside((y, y + h), height):
        findings.peculiarities["boxes that leave the image"].append(where)


def _check_mask(
    segmentation: list | dict,
    size_hw: tuple[int, int],
    box_has_area: bool,
    where: str,
    findings: Findings,
) -> None:
    problem = mask_problem(segmentation, size_hw)
    height, width = size_hw
    # COCO has a few flat boxes; their masks are as flat and told with them.
    if problem == "polygons without area" and not box_has_area:
        return
    if problem:
        findings.problems[problem].append(where)
    elif isinstance(segmentation, list):
        if any(polygon_area(polygon) < NO_AREA_PX2 for polygon in segmentation):
            findings.peculiarities["masks with a polygon without area"].append(where)
        if any(_is_outside(p[0::2], width) or _is_outside(p[1::2], height) for p in segmentation):
            findings.peculiarities["polygons that leave the image"].append(where)


def _is_outside(coordinates: Iterable[float], size: int) -> bool:
    return min(coordinates) < -MARGIN_PX or max(coordinates) > size + MARGIN_PX


def check_image_labels(
    content: AnnotationFile, image: dict, present: set[int], findings: Findings, *, is_oid: bool
) -> set[int]:
    """Return the ids of the classes that an image shows, and add what is wrong with its labels.

    Args:
        content: the file.
        image: one of its images.
        present: category ids of the image's boxes.
        findings: what to add to.
        is_oid: whether detections are scored as in OpenImages: on verified classes alone, so that
            each image needs both lists, and the classes of its boxes in the list of present ones.
    """
    where = f"image {image['id']}"
    for field in filter(image.__contains__, LABEL_LISTS):
        try:
            content.class_indices(image, image[field])
        except InputError:
            findings.problems[f"{field} that are no ids of the file's categories"].append(where)
            return present
    labels = image.get("pos_category_ids", ())
    if is_oid and not all(field in image for field in LABEL_LISTS):
        findings.problems[f"images without {' or '.join(LABEL_LISTS)}"].append(where)
    elif is_oid and not present.issubset(labels):
        findings.problems["boxes of classes that are not in pos_category_ids"].append(where)
    return present.union(labels)
