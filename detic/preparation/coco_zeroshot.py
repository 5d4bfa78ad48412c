"""Open-vocabulary COCO: splitting COCO by seen and unseen classes.

Source: Bansal et al., Zero-Shot Object Detection (arXiv 1804.04340) for the classes; Zareian et
al., Open-Vocabulary Object Detection Using Captions (arXiv 2011.10678) for the generalized setting.
"""

from collections.abc import Sequence

from detic.datasets.class_lists import zeroshot_categories
from detic.progress import track

# Split file: the group of classes it keeps, for the COCO file of train and of val
GROUPS = {"train2017": ("seen",), "val2017": ("seen", "unseen", "all")}


def keep_group(document: dict, group: str) -> dict:
    """Return a COCO file with the annotations and categories of a group of classes.

    Images without such an annotation are left out. Everything else stays.

    Args:
        document: content of a COCO file with all 80 classes.
        group: seen, unseen or all (both; the 15 classes in neither are left out).
    """
    wanted = {category["id"] for category in zeroshot_categories(group)}
    bar = track(document["annotations"], description=f"{group} classes", unit="annotation")
    annotations = [a for a in bar if a["category_id"] in wanted]
    with_annotation = {a["image_id"] for a in annotations}
    return {
        **document,
        "images": [i for i in document["images"] if i["id"] in with_annotation],
        "annotations": annotations,
        "categories": [c for c in document["categories"] if c["id"] in wanted],
    }


def with_categories(document: dict, categories: Sequence[dict]) -> dict:
    """Return an annotation file with other categories, in their order.

    With all 80 categories of COCO, a split file has the 80 columns of the released classifiers;
    classes outside the split have no annotation.
    """
    return {**document, "categories": list(categories)}
