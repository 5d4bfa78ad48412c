"""Configuration keys of Detic, with their defaults."""

from collections.abc import Mapping
from typing import Any

from detectron2.config import CfgNode as CN


def add_detic_config(cfg: CN) -> None:
    """Add the Detic keys to ``cfg`` in place.

    :func:`centernet.config.add_centernet_config` comes first; the box-head keys that both share are
    declared there. Keys marked "accepted" exist because published recipes set them; nothing
    here reads them.
    """
    cfg.WITH_IMAGE_LABELS = False  # batches may carry image labels or captions instead of boxes
    cfg.FP16 = False  # run the backbone under automatic mixed precision in training
    cfg.FIND_UNUSED_PARAM = True  # DistributedDataParallel's find_unused_parameters
    _add_classifier(cfg)
    _add_supervision(cfg)
    _add_backbones(cfg)
    _add_data(cfg)
    _add_solver(cfg)
    _add_detr(cfg)
    _add_accepted(cfg)


def _add_classifier(cfg: CN) -> None:
    node = cfg.MODEL.ROI_BOX_HEAD
    node.USE_ZEROSHOT_CLS = False  # classify by text embeddings (paper, section 3.1)
    # (C, D) .npy of class embeddings; "rand": a learnable matrix, replaced before use
    node.ZEROSHOT_WEIGHT_PATH = "datasets/metadata/lvis_v1_clip_a+cname.npy"
    node.ZEROSHOT_WEIGHT_DIM = 512  # D
    node.NORM_WEIGHT = True  # cosine similarity; False: plain product
    node.NORM_TEMP = 50.0  # factor on the cosine
    node.USE_BIAS = 0.0  # start of one learnable bias; >= 0: no bias
    node.IGNORE_ZERO_CATS = False  # classes without training images cost nothing
    node.CAT_FREQ_PATH = "datasets/metadata/lvis_v1_train_cat_info.json"

    cfg.MODEL.ROI_HEADS.MASK_WEIGHT = 1.0
    cfg.MODEL.ROI_HEADS.ONE_CLASS_PER_PROPOSAL = False  # keep each proposal's best class only

    cfg.MODEL.DYNAMIC_CLASSIFIER = False  # classify against a sample of a huge vocabulary
    cfg.MODEL.NUM_SAMPLE_CATS = 50  # size of that sample

    cfg.MODEL.RESET_CLS_TESTS = False  # another classifier for each of DATASETS.TEST
    cfg.MODEL.TEST_CLASSIFIERS = []  # their .npy files
    cfg.MODEL.TEST_NUM_CLASSES = []  # and class counts


def _add_supervision(cfg: CN) -> None:
    node = cfg.MODEL.ROI_BOX_HEAD
    # Which proposal an image label supervises: a key of PROPOSAL_SELECTORS, wsddn or wsod.
    node.IMAGE_LABEL_LOSS = "max_size"
    node.IMAGE_LOSS_WEIGHT = 0.1
    node.WS_NUM_PROPS = 128  # proposals per image-labelled image
    node.ADD_IMAGE_BOX = False  # append a centred box to them
    node.IMAGE_BOX_SIZE = 1.0  # its side relative to the image's
    node.WITH_SOFTMAX_PROP = False  # predict a score over proposals too (WSDDN)
    node.SOFTMAX_WEAK_LOSS = False  # cross entropy instead of BCE on the selected proposal
    node.CAPTION_WEIGHT = 1.0
    node.NEG_CAP_WEIGHT = 0.125  # weight of other images' captions
    node.ADD_FEATURE_TO_PROP = False  # accepted

    cfg.MODEL.WITH_CAPTION = False  # build the text encoder for caption batches
    cfg.MODEL.SYNC_CAPTION_BATCH = False  # contrast captions across processes
    cfg.MODEL.CAP_BATCH_RATIO = 4  # caption images per box image of a batch
    cfg.MODEL.DATASET_LOSS_WEIGHT = []  # factor on all losses, by index in DATASETS.TRAIN


def _add_backbones(cfg: CN) -> None:
    cfg.MODEL.SWIN = CN()
    cfg.MODEL.SWIN.SIZE = "T"  # T, S, B, B-22k, B-22k-384, L-22k or L-22k-384
    cfg.MODEL.SWIN.USE_CHECKPOINT = False  # recompute activations in the backward pass
    cfg.MODEL.SWIN.OUT_FEATURES = (1, 2, 3)  # stages

    cfg.MODEL.TIMM = CN()
    cfg.MODEL.TIMM.BASE_NAME = "resnet50"
    # Level l is the l-th map of the model. ResNets and plain ViTs: its stride is 2 ** l; ConvNeXts,
    # which begin with stride 4: 2 ** (l + 1)
    cfg.MODEL.TIMM.OUT_LEVELS = (3, 4, 5)
    cfg.MODEL.TIMM.NORM = "FrozenBN"  # "" keeps timm's batch normalisation
    cfg.MODEL.TIMM.FREEZE_AT = 0  # 1 freezes the stem, 2 also the first stage (ViTs: block) ...
    cfg.MODEL.TIMM.PRETRAINED = False  # timm's weights when MODEL.WEIGHTS is empty


def _add_data(cfg: CN) -> None:
    node = cfg.DATALOADER
    # Parallel to DATASETS.TRAIN
    node.DATASET_RATIO = [1, 1]
    node.USE_RFS = [False, False]  # repeat images with rare classes
    node.DATASET_ANN = ["box", "box"]  # values of detic.annotation.AnnotationKind
    node.DATASET_BS = [8, 32]  # images per batch and process, with USE_DIFF_BS_SIZE
    node.DATASET_INPUT_SIZE = [896, 384]  # EfficientDetResizeCrop, LargeScaleJitter; pixels
    node.DATASET_INPUT_SCALE = [(0.1, 2.0), (0.5, 1.5)]
    node.DATASET_MIN_SIZES = [(640, 800), (320, 400)]  # ResizeShortestEdge, pixels
    node.DATASET_MAX_SIZES = [1333, 667]
    node.USE_DIFF_BS_SIZE = False  # batch size and input size by dataset
    node.MULTI_DATASET_GROUPING = False  # one dataset per batch

    node.USE_TAR_DATASET = False  # images of records without file_name come from tar files
    node.TARFILE_PATH = "datasets/imagenet/metadata-22k/tar_files.npy"
    node.TAR_INDEX_DIR = "datasets/imagenet/metadata-22k/tarindex_npy"


def _add_solver(cfg: CN) -> None:
    cfg.SOLVER.USE_CUSTOM_SOLVER = False  # rates by the multipliers, one weight decay for all
    cfg.SOLVER.OPTIMIZER = "SGD"  # or ADAMW
    cfg.SOLVER.BACKBONE_MULTIPLIER = 1.0  # on the learning rate of the backbone
    cfg.SOLVER.CUSTOM_MULTIPLIER = 1.0  # and of parameters whose name contains
    cfg.SOLVER.CUSTOM_MULTIPLIER_NAME = []  # one of these


def _add_detr(cfg: CN) -> None:
    node = cfg.MODEL.DETR = CN()  # of the META_ARCHITECTURE DeformableDetr
    node.NUM_CLASSES = 80
    node.FROZEN_WEIGHTS = ""  # accepted
    node.CLS_WEIGHT = 2.0  # of the class loss, and of classes in the matching
    node.L1_WEIGHT = 5.0  # of the distance of boxes, likewise
    node.GIOU_WEIGHT = 2.0  # of their generalized IoU, likewise
    node.DEEP_SUPERVISION = True  # losses for every layer of the decoder, not for the last alone
    node.NO_OBJECT_WEIGHT = 0.1  # accepted
    node.NUM_FEATURE_LEVELS = 4  # the backbone's maps, then further ones of half the size each
    node.TWO_STAGE = False  # queries are the encoder's best proposals; else they are learned
    node.WITH_BOX_REFINE = False  # each layer of the decoder refines the boxes of the one before
    node.FOCAL_ALPHA = 0.25  # weight of positives in the class loss, 1 - alpha of negatives
    node.NHEADS = 8  # of every attention
    node.DROPOUT = 0.1
    node.DIM_FEEDFORWARD = 2048  # inner width of the feed-forward networks
    node.ENC_LAYERS = 6
    node.DEC_LAYERS = 6
    node.PRE_NORM = False  # accepted
    node.HIDDEN_DIM = 256  # width of tokens and queries
    node.NUM_OBJECT_QUERIES = 100
    node.USE_FED_LOSS = False  # sample classes for the class loss by ROI_BOX_HEAD.CAT_FREQ_PATH
    node.WEAK_WEIGHT = 0.1  # of the loss of image labels


def _add_accepted(cfg: CN) -> None:
    cfg.EVAL_PRED_AR = False
    cfg.EVAL_PROPOSAL_AR = False
    cfg.EVAL_CAT_SPEC_AR = False
    cfg.EVAL_AP_FIX = False
    cfg.QUICK_DEBUG = False
    cfg.IS_DEBUG = False
    cfg.SAVE_DEBUG_PATH = "output/save_debug/"
    cfg.GEN_PSEDO_LABELS = False  # score every dataset by the LVIS evaluator


def add_extension_config(cfg: CN) -> None:
    """Add the keys that published recipes do not know to ``cfg`` in place."""
    _add_own_data(cfg)
    _add_training(cfg)
    # Deformable DETR classifies by text embeddings: those of ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH
    cfg.MODEL.DETR.USE_ZEROSHOT_CLS = False
    _add_text_encoder(cfg)
    _add_evaluation(cfg)


def _add_own_data(cfg: CN) -> None:
    node = cfg.DATALOADER
    # Image-labelled data of one's own, each a mapping with name, format (folder, tars, shards or
    # csv), path and maybe classes, class_map; see detic.datasets.image_labels.registration
    node.IMAGE_SOURCES = []
    # Data with boxes of one's own, each a mapping with name, format (coco or lvis), annotations,
    # images; or with name and a registered dataset. Options choose and weigh boxes by their scores,
    # and say which classes are labelled: min_score, min_score_of, top_share, uncertain_from,
    # weigh_by_score, labelled_classes; see detic.datasets.box_sources
    node.BOX_SOURCES = []
    # Share of unreadable images above which a training or an evaluation stops; others are listed
    node.MAX_BAD_FRACTION = 0.01
    # How worker processes are started: fork, forkserver or spawn; "": as Python does by default
    node.START_METHOD = ""
    node.PREFETCH = 2  # batches that each worker prepares ahead


def _add_training(cfg: CN) -> None:
    cfg.TRACKING = ""  # also report a training to a service: wandb or mlflow
    cfg.SOLVER.ACCUMULATE = 1  # batches per process and step; they stand for as many processes
    cfg.SOLVER.AMP.DTYPE = "float16"  # or bfloat16; for SOLVER.AMP.ENABLED, the whole model
    cfg.SOLVER.EMA_DECAY = 0.0  # average the weights with this decay per step; 0: off
    # Total batch of the first dataset that BASE_LR was tuned for; BASE_LR scales with ours. 0: off
    cfg.SOLVER.LR_REFERENCE_BATCH = 0
    cfg.SOLVER.CHECKPOINT_MINUTES = 20.0  # besides CHECKPOINT_PERIOD, a rolling checkpoint; 0: off
    cfg.SOLVER.CHECKPOINT_KEEP = 0  # the last so many of each CHECKPOINT_PERIOD stay; 0: all
    # Factor on the learning rate of the backbone's last stage (plain ViTs: block), squared for the
    # one before, and so on down to the stem
    cfg.SOLVER.BACKBONE_LAYER_DECAY = 1.0
    # Normalise images by the mean and standard deviation that timm knows of MODEL.TIMM.BASE_NAME,
    # in the order of INPUT.FORMAT, instead of PIXEL_MEAN and PIXEL_STD
    cfg.MODEL.TIMM.USE_PIXEL_STATISTICS = False
    cfg.MODEL.COMPILE_BACKBONE = False  # torch.compile, in training
    cfg.MODEL.ALLOW_PARTIAL_WEIGHTS = False  # run although detector weights are missing


def _add_text_encoder(cfg: CN) -> None:
    cfg.MODEL.TEXT_ENCODER = CN()
    # Turns class names into embeddings: openai, a file of the same architecture, or a model of
    # open_clip with a tag or a file, such as open_clip:ViT-B-16-SigLIP2:webli
    cfg.MODEL.TEXT_ENCODER.WEIGHTS = "openai"
    cfg.MODEL.TEXT_ENCODER.PROMPT = "a"  # a template's name, or a text with {} for the class name


def _add_evaluation(cfg: CN) -> None:
    # What evaluations and detectors compute in: fp32; bf16, faster, on CPUs and GPUs that multiply in
    # bfloat16; fp16, the backbone alone, on a GPU
    cfg.MODEL.INFERENCE_PRECISION = "fp32"
    cfg.TEST.FIXED_AP = False  # LVIS: AP of the best 10 000 detections of each class too
    # A vocabulary (name or file) per test set instead of TEST_CLASSIFIERS; "": the model's own
    cfg.TEST.VOCABULARIES = []
    cfg.TEST.SHOWN_IMAGES = 4  # of each test set, drawn in TensorBoard by a training; 0: none


def class_count_key(cfg: CN) -> str:
    """Return the key that says how many classes the model of a recipe has."""
    node = "DETR" if is_deformable_detr(cfg) else "ROI_HEADS"
    return f"MODEL.{node}.NUM_CLASSES"


def class_count(cfg: CN) -> int:
    """Return how many classes the model of a recipe has, without background."""
    return (cfg.MODEL.DETR if is_deformable_detr(cfg) else cfg.MODEL.ROI_HEADS).NUM_CLASSES


def is_deformable_detr(cfg: CN) -> bool:
    return cfg.MODEL.META_ARCHITECTURE == "DeformableDetr"


def is_zero_shot(cfg: CN) -> bool:
    """Return whether the model of a recipe classifies by text embeddings."""
    if is_deformable_detr(cfg):
        # add_detic_config alone, as upstream programs call it, does not declare the key.
        return cfg.MODEL.DETR.get("USE_ZEROSHOT_CLS", False)
    return cfg.MODEL.ROI_BOX_HEAD.USE_ZEROSHOT_CLS


def with_values(cfg: CN, values: Mapping[str, Any]) -> CN:
    """Return a frozen copy of ``cfg`` with other values; ``cfg`` itself stays as it is.

    Args:
        values: by key, such as ``{"MODEL.WEIGHTS": "w.pth"}``.
    """
    changed = cfg.clone()
    changed.defrost()
    for key, value in values.items():
        *path, name = key.split(".")
        node = changed
        for part in path:
            node = node[part]
        node[name] = value
    changed.freeze()
    return changed
