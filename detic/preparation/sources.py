"""Where the files of the datasets come from: an address to fetch or a command to make them.

Paths are relative to the datasets root; those of folders end in a slash. Commands name files below
``datasets/``, which the programs take for the datasets root.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """How to come by a file or folder."""

    how: str  # an address if it is fetched, a command if it is made
    inputs: tuple[str, ...] = ()  # what the command reads

    @property
    def is_command(self) -> bool:
        """Whether it is made by a command."""
        return self.how.startswith("python ")

    @property
    def instruction(self) -> str:
        """What to do, e.g. "get https://..."."""
        if self.is_command:
            return f"run {self.how}"
        return f"get {self.how}" if self.how.startswith("http") else self.how


LVIS = Source("https://www.lvisdataset.org/dataset")
COCO_ANNOTATIONS = Source("http://images.cocodataset.org/annotations/annotations_trainval2017.zip")
IMAGENET = Source("https://image-net.org/download-images (ImageNet-21K, a tar file for each class)")
CC3M = Source("https://ai.google.com/research/ConceptualCaptions/download")
OBJECTS365 = Source("https://www.objects365.org/download.html (version 2)")
OBJECTS365_V1 = Source("https://www.objects365.org (version 1)")
OPENIMAGES = Source("https://storage.googleapis.com/openimages/web/challenge2019.html")
OPENIMAGES_IMAGES = Source("https://storage.googleapis.com/openimages/web/download_v7.html")
SHAPES = Source("python -m detic.shapes.world --root ${DETECTRON2_DATASETS:-datasets} --seed 0")
UNPUBLISHED = Source("make it yourself: which classes it keeps as rare was not published")

LVIS_TRAIN = "lvis/lvis_v1_train.json"
COCO_TRAIN = "coco/annotations/instances_train2017.json"
COCO_VAL = "coco/annotations/instances_val2017.json"
COCO_CAPTIONS = "coco/annotations/captions_train2017.json"
SEEN_TRAIN = "coco/zero-shot/instances_train2017_seen_2.json"
SEEN_TRAIN_ORIORDER = "coco/zero-shot/instances_train2017_seen_2_oriorder.json"
ALL_VAL = "coco/zero-shot/instances_val2017_all_2.json"
IMAGENET_TARS = "imagenet/ImageNet-21K/"
IMAGENET_LVIS = "imagenet/ImageNet-LVIS/"
TAR_INDEX = "imagenet/metadata-22k/tar_files.npy"
IMAGENET_LVIS_LABELS = "imagenet/annotations/imagenet_lvis_image_info.json"
IMAGENET_ALL = "imagenet/annotations/imagenet-22k_image_info.json"
CC3M_LIST = "cc3m/GCC-training.tsv"
CC3M_VAL_LIST = "cc3m/GCC-1.1.0-Validation.tsv"
CC3M_TRAIN = "cc3m/train_image_info.json"
O365 = "objects365/annotations/zhiyuan_objv2_"
OID_CLASSES = "oid/annotations/challenge-2019-classes-description-500.csv"
OID_HIERARCHY = "oid/annotations/challenge-2019-label500-hierarchy.json"
OID_TRAIN_TABLES = (
    "oid/annotations/challenge-2019-train-detection-bbox.csv",
    "oid/annotations/challenge-2019-train-detection-human-imagelabels.csv",
    "oid/annotations/train-images-boxable-with-rotation.csv",
)
OID_VAL_TABLES = (
    "oid/annotations/challenge-2019-validation-detection-bbox.csv",
    "oid/annotations/challenge-2019-validation-detection-human-imagelabels.csv",
    "oid/annotations/validation-images-with-rotation.csv",
)

SPLIT_COCO = Source("python tools/get_coco_zeroshot.py", (COCO_TRAIN, COCO_VAL))
DOWNLOAD_CC3M = Source("python tools/download_cc.py", (CC3M_LIST,))
DOWNLOAD_CC3M_VAL = Source(
    "python tools/download_cc.py --ann datasets/cc3m/GCC-1.1.0-Validation.tsv "
    "--save_image_path datasets/cc3m/validation/ --out_path datasets/cc3m/val_image_info.json",
    (CC3M_VAL_LIST,),
)

SOURCES: dict[str, Source] = {
    # LVIS
    LVIS_TRAIN: LVIS,
    "lvis/lvis_v1_val.json": LVIS,
    "lvis/lvis_v1_image_info_test_dev.json": LVIS,
    "lvis/lvis_v1_image_info_test_challenge.json": LVIS,
    "lvis/lvis_v1_train_norare.json": Source("python tools/remove_lvis_rare.py", (LVIS_TRAIN,)),
    "lvis/lvis_v1_train+coco_mask.json": Source(
        "python tools/merge_lvis_coco.py", (LVIS_TRAIN, COCO_TRAIN)
    ),
    "lvis/lvis_v1_train_lvis-22k.json": Source(
        "python tools/create_lvis_21k.py --not_save_imagenet", (LVIS_TRAIN,)
    ),
    "metadata/lvis_v1_train_cat_info.json": Source(
        "python tools/get_lvis_cat_info.py --builtin lvis "
        "--out_path datasets/metadata/lvis_v1_train_cat_info.json"
    ),
    # COCO
    "coco/train2017/": Source("http://images.cocodataset.org/zips/train2017.zip"),
    "coco/val2017/": Source("http://images.cocodataset.org/zips/val2017.zip"),
    "coco/test2017/": Source("http://images.cocodataset.org/zips/test2017.zip"),
    COCO_TRAIN: COCO_ANNOTATIONS,
    COCO_VAL: COCO_ANNOTATIONS,
    COCO_CAPTIONS: COCO_ANNOTATIONS,
    "coco/annotations/captions_train2017_tags_allcaps.json": Source(
        "python tools/get_cc_tags.py --cc_ann datasets/coco/annotations/captions_train2017.json "
        "--out_path datasets/coco/annotations/captions_train2017_tags_allcaps.json --allcaps "
        "--convert_caption --cat_path datasets/coco/annotations/instances_val2017.json",
        (COCO_CAPTIONS, COCO_VAL),
    ),
    SEEN_TRAIN: SPLIT_COCO,
    "coco/zero-shot/instances_val2017_seen_2.json": SPLIT_COCO,
    "coco/zero-shot/instances_val2017_unseen_2.json": SPLIT_COCO,
    ALL_VAL: SPLIT_COCO,
    SEEN_TRAIN_ORIORDER: Source(
        f"python tools/get_coco_zeroshot_oriorder.py --data_path datasets/{SEEN_TRAIN}",
        (SEEN_TRAIN, COCO_VAL),
    ),
    "coco/zero-shot/instances_val2017_all_2_oriorder.json": Source(
        f"python tools/get_coco_zeroshot_oriorder.py --data_path datasets/{ALL_VAL}",
        (ALL_VAL, COCO_VAL),
    ),
    "coco/zero-shot/instances_train2017_seen_2_oriorder_cat_info.json": Source(
        f"python tools/get_lvis_cat_info.py --ann datasets/{SEEN_TRAIN_ORIORDER}",
        (SEEN_TRAIN_ORIORDER,),
    ),
    # ImageNet
    IMAGENET_TARS: IMAGENET,
    IMAGENET_LVIS: Source("python tools/unzip_imagenet_lvis.py", (IMAGENET_TARS,)),
    TAR_INDEX: Source("python tools/preprocess_imagenet22k.py", (IMAGENET_TARS,)),
    IMAGENET_LVIS_LABELS: Source("python tools/create_imagenetlvis_json.py", (IMAGENET_LVIS,)),
    IMAGENET_ALL: Source("python tools/get_imagenet_21k_full_tar_json.py", (TAR_INDEX,)),
    "imagenet/annotations/imagenet-22k_image_info_lvis-22k.json": Source(
        "python tools/create_lvis_21k.py --not_save_lvis", (LVIS_TRAIN, IMAGENET_ALL)
    ),
    # Conceptual Captions
    CC3M_LIST: CC3M,
    CC3M_VAL_LIST: CC3M,
    "cc3m/training/": DOWNLOAD_CC3M,
    CC3M_TRAIN: DOWNLOAD_CC3M,
    "cc3m/validation/": DOWNLOAD_CC3M_VAL,
    "cc3m/val_image_info.json": DOWNLOAD_CC3M_VAL,
    "cc3m/train_image_info_tags.json": Source(
        f"python tools/get_cc_tags.py --cc_ann datasets/{CC3M_TRAIN} "
        "--out_path datasets/cc3m/train_image_info_tags.json",
        (CC3M_TRAIN,),
    ),
    "cc3m/coco_train_image_info_tags.json": Source(
        f"python tools/get_cc_tags.py --cc_ann datasets/{CC3M_TRAIN} "
        "--out_path datasets/cc3m/coco_train_image_info_tags.json "
        f"--cat_path datasets/{COCO_VAL}",
        (CC3M_TRAIN, COCO_VAL),
    ),
    # Objects365
    "objects365/train/": OBJECTS365,
    "objects365/val/": OBJECTS365,
    f"{O365}train.json": OBJECTS365,
    f"{O365}val.json": OBJECTS365,
    f"{O365}train_fixname.json": Source(
        f"python tools/fix_o365_names.py --ann datasets/{O365}train.json", (f"{O365}train.json",)
    ),
    f"{O365}train_fixname_fixmiss.json": Source(
        f"python tools/fix_o365_path.py --ann datasets/{O365}train_fixname.json "
        "--img_dir datasets/objects365/train/",
        (f"{O365}train_fixname.json", "objects365/train/"),
    ),
    f"{O365}val_fixname.json": Source(
        f"python tools/fix_o365_names.py --ann datasets/{O365}val.json", (f"{O365}val.json",)
    ),
    f"{O365}val_fixname_rare.json": UNPUBLISHED,
    "objects365/annotations/objects365_train.json": OBJECTS365_V1,
    "objects365/annotations/objects365_val.json": OBJECTS365_V1,
    # OpenImages
    "oid/images/": OPENIMAGES_IMAGES,
    "oid/images/validation/": OPENIMAGES_IMAGES,
    OID_CLASSES: OPENIMAGES,
    OID_HIERARCHY: OPENIMAGES,
    **dict.fromkeys((*OID_TRAIN_TABLES, *OID_VAL_TABLES), OPENIMAGES),
    "oid/annotations/oid_challenge_2019_train_bbox.json": Source(
        "python tools/convert_openimages.py --split train",
        (OID_CLASSES, *OID_TRAIN_TABLES, "oid/images/"),
    ),
    "oid/annotations/oid_challenge_2019_val_expanded.json": Source(
        "python tools/convert_openimages.py --split val",
        (OID_CLASSES, OID_HIERARCHY, *OID_VAL_TABLES, "oid/images/validation/"),
    ),
    "oid/annotations/oid_challenge_2019_val_expanded_rare.json": UNPUBLISHED,
    # Shapes
    "shapes/": SHAPES,
    "shapes/annotations/train.json": SHAPES,
    "shapes/annotations/train_norare.json": SHAPES,
    "shapes/annotations/train_norare_cat_info.json": SHAPES,
    "shapes/annotations/val.json": SHAPES,
    "shapes/annotations/labels.json": SHAPES,
}

# Class embeddings of the recipes, by vocabulary
EMBEDDINGS = {
    "lvis": "metadata/lvis_v1_clip_a+cname.npy",
    "coco": "metadata/coco_clip_a+cname.npy",
    "objects365": "metadata/o365_clip_a+cnamefix.npy",
    "openimages": "metadata/oid_clip_a+cname.npy",
    "imagenet21k": "metadata/lvis-21k_clip_a+cname.npy",
}
SOURCES |= {
    path: Source(
        f"python tools/dump_clip_features.py --vocabulary {vocabulary} --out_path datasets/{path}"
    )
    for vocabulary, path in EMBEDDINGS.items()
}

# Another way to make a file, for those who have what it needs but not what the first way needs
ALTERNATIVES: dict[str, Source] = {
    IMAGENET_LVIS_LABELS: Source(
        "python tools/create_imagenetlvis_json.py --from_tars", (TAR_INDEX,)
    ),
}
