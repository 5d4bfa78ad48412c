"""The table of all datasets.

Paths are relative to the datasets root, ``$DETECTRON2_DATASETS`` or ``datasets``.
"""

from dataclasses import dataclass

from detic.annotation import AnnotationKind
from detic.errors import unknown_choice

BOX, IMAGE = AnnotationKind.BOX, AnnotationKind.IMAGE
CAPTION, TAGS = AnnotationKind.CAPTION, AnnotationKind.CAPTION_AND_TAGS


@dataclass(frozen=True)
class DatasetSpec:
    """One dataset: what it is annotated with, how it is scored and where it is."""

    name: str
    kind: AnnotationKind
    # Its class list, a key of detic.datasets.class_lists.CLASS_METADATA; None: that of the file itself
    vocabulary: str | None
    evaluator: str  # lvis, coco, oid; or imagenet: image labels, which cannot be tested on
    image_root: str  # the folder that file names in the annotation file are relative to
    annotation_file: str
    also_needs: tuple[str, ...] = ()  # further files that training or testing on it reads

    @property
    def is_lvis_style(self) -> bool:
        """Whether the annotation file is in the style of LVIS rather than COCO."""
        return self.evaluator in ("lvis", "imagenet")


LVIS_COUNTS = "metadata/lvis_v1_train_cat_info.json"
COCO_COUNTS = "coco/zero-shot/instances_train2017_seen_2_oriorder_cat_info.json"
SHAPES_COUNTS = "shapes/annotations/train_norare_cat_info.json"

# A table is read by columns, so its rows stay on one line each.
# fmt: off
DETECTRON2_SPECS = (  # names that detectron2 registers itself
    DatasetSpec("lvis_v1_train", BOX, "lvis", "lvis", "coco/", "lvis/lvis_v1_train.json", (LVIS_COUNTS,)),
    DatasetSpec("lvis_v1_val", BOX, "lvis", "lvis", "coco/", "lvis/lvis_v1_val.json"),
    DatasetSpec("lvis_v1_test_dev", BOX, "lvis", "lvis", "coco/", "lvis/lvis_v1_image_info_test_dev.json"),
    DatasetSpec("lvis_v1_test_challenge", BOX, "lvis", "lvis", "coco/", "lvis/lvis_v1_image_info_test_challenge.json"),
    DatasetSpec("coco_2017_train", BOX, "coco", "coco", "coco/train2017", "coco/annotations/instances_train2017.json"),
    DatasetSpec("coco_2017_val", BOX, "coco", "coco", "coco/val2017", "coco/annotations/instances_val2017.json"),
)
DETIC_SPECS = (
    DatasetSpec("lvis_v1_train_norare", BOX, "lvis", "lvis", "coco/", "lvis/lvis_v1_train_norare.json", (LVIS_COUNTS,)),
    DatasetSpec("lvis_v1_train+coco", BOX, "lvis", "lvis", "coco/", "lvis/lvis_v1_train+coco_mask.json", (LVIS_COUNTS,)),
    DatasetSpec("lvis_v1_train_22k", BOX, "imagenet21k", "lvis", "coco/", "lvis/lvis_v1_train_lvis-22k.json", (LVIS_COUNTS,)),

    DatasetSpec("imagenet_lvis_v1", IMAGE, "lvis", "imagenet", "imagenet/ImageNet-LVIS/", "imagenet/annotations/imagenet_lvis_image_info.json"),
    DatasetSpec("imagenet_lvis-22k", IMAGE, "imagenet21k", "imagenet", "imagenet/ImageNet-LVIS/", "imagenet/annotations/imagenet-22k_image_info_lvis-22k.json", ("imagenet/metadata-22k/tar_files.npy",)),

    DatasetSpec("cc3m_v1_train", CAPTION, "lvis", "lvis", "cc3m/training/", "cc3m/train_image_info.json"),
    DatasetSpec("cc3m_v1_val", CAPTION, "lvis", "lvis", "cc3m/validation/", "cc3m/val_image_info.json"),
    DatasetSpec("cc3m_v1_train_tags", TAGS, "lvis", "lvis", "cc3m/training/", "cc3m/train_image_info_tags.json"),
    DatasetSpec("cc3m_coco_train_tags", TAGS, "coco", "lvis", "cc3m/training/", "cc3m/coco_train_image_info_tags.json"),
    DatasetSpec("coco_caption_train_tags", TAGS, "coco", "lvis", "coco/train2017/", "coco/annotations/captions_train2017_tags_allcaps.json"),

    DatasetSpec("coco_zeroshot_train", BOX, "coco_seen", "coco", "coco/train2017", "coco/zero-shot/instances_train2017_seen_2.json"),
    DatasetSpec("coco_zeroshot_val", BOX, "coco_unseen", "coco", "coco/val2017", "coco/zero-shot/instances_val2017_unseen_2.json"),
    DatasetSpec("coco_not_zeroshot_val", BOX, "coco_seen", "coco", "coco/val2017", "coco/zero-shot/instances_val2017_seen_2.json"),
    DatasetSpec("coco_generalized_zeroshot_val", BOX, "coco", "coco", "coco/val2017", "coco/zero-shot/instances_val2017_all_2_oriorder.json"),
    DatasetSpec("coco_zeroshot_train_oriorder", BOX, "coco", "coco", "coco/train2017", "coco/zero-shot/instances_train2017_seen_2_oriorder.json", (COCO_COUNTS,)),

    DatasetSpec("objects365_v2_train", BOX, "objects365", "coco", "objects365/train", "objects365/annotations/zhiyuan_objv2_train_fixname_fixmiss.json"),
    DatasetSpec("objects365_v2_val", BOX, "objects365", "coco", "objects365/val", "objects365/annotations/zhiyuan_objv2_val_fixname.json"),
    DatasetSpec("objects365_v2_val_rare", BOX, "objects365", "coco", "objects365/val", "objects365/annotations/zhiyuan_objv2_val_fixname_rare.json"),
    DatasetSpec("objects365_train", BOX, "objects365_v1", "coco", "objects365/train", "objects365/annotations/objects365_train.json"),
    DatasetSpec("objects365_val", BOX, "objects365_v1", "coco", "objects365/val", "objects365/annotations/objects365_val.json"),

    DatasetSpec("oid_train", BOX, "openimages", "oid", "oid/images/", "oid/annotations/oid_challenge_2019_train_bbox.json"),
    DatasetSpec("oid_val_expanded", BOX, "openimages", "oid", "oid/images/validation/", "oid/annotations/oid_challenge_2019_val_expanded.json", ("oid/annotations/challenge-2019-label500-hierarchy.json",)),
    DatasetSpec("oid_val_expanded_rare", BOX, "openimages", "oid", "oid/images/validation/", "oid/annotations/oid_challenge_2019_val_expanded_rare.json", ("oid/annotations/challenge-2019-label500-hierarchy.json",)),

    DatasetSpec("shapes_train", BOX, None, "lvis", "shapes/", "shapes/annotations/train.json", (SHAPES_COUNTS,)),
    DatasetSpec("shapes_train_base", BOX, None, "lvis", "shapes/", "shapes/annotations/train_norare.json", (SHAPES_COUNTS,)),
    DatasetSpec("shapes_val", BOX, None, "lvis", "shapes/", "shapes/annotations/val.json"),
    DatasetSpec("shapes_labels", IMAGE, None, "imagenet", "shapes/", "shapes/annotations/labels.json"),
)
# fmt: on

SPECS = {spec.name: spec for spec in DETECTRON2_SPECS + DETIC_SPECS}


def find_spec(name: str) -> DatasetSpec:
    """Return the dataset of a name.

    Raises:
        InputError: no such dataset; the message has the nearest name.
    """
    if name not in SPECS:
        raise unknown_choice("dataset", name, SPECS)
    return SPECS[name]
