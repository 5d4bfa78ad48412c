"""What the values of a recipe may be, by key.

Values that name files, classes or registered parts are checked by whoever looks for these.
"""

import math
from typing import NamedTuple

from detic.annotation import AnnotationKind
from detic.value_rules import (
    Rule,
    is_number,
    is_whole,
    list_of,
    never_falls,
    number,
    number_above,
    number_between,
    number_or_none,
    one_of,
    whole,
)

LARGEST_SEED = 2**32 - 1  # of numpy


FLAG = Rule(lambda value: isinstance(value, bool), "True or False")
TEXT = Rule(lambda value: isinstance(value, str), "a text")
SHARE = number(0, 1)
PROBABILITY = number_between(0, 1)
PIXELS = whole(1)
SCALES = Rule(
    lambda value: list_of(number_above(0), 2).holds(value) and value[0] <= value[1],
    "two numbers above 0, the lower one first",
)
INTERVAL = Rule(
    lambda value: list_of(number(0), 2).holds(value) and value[0] < value[1],
    "two numbers of at least 0, the lower one first",
)
STEPS = Rule(
    lambda value: list_of(whole(0)).holds(value) and never_falls(value),
    "a list of whole numbers of at least 0, none below the one before",
)
COUNT_OR_NEGATIVE = Rule(
    lambda value: is_whole(value) and value != 0, "a whole number above 0, or negative for none"
)
SEED = Rule(
    lambda value: is_whole(value) and value <= LARGEST_SEED,
    f"a whole number from 0 to {LARGEST_SEED}, or negative for one that is drawn",
)
DECAY = Rule(lambda value: is_number(value) and 0 <= value < 1, "a number from 0 to below 1")
NORM_ORDER = Rule(
    lambda value: value == math.inf or number_above(0).holds(value), "a number above 0 or inf"
)
RATIOS = Rule(
    lambda value: list_of(number(0)).holds(value) and (any(value) or not value),
    "a list of numbers of at least 0, one of them above",
)
KINDS = one_of(*(kind.value for kind in AnnotationKind))

RULES: dict[str, Rule] = {
    "SEED": SEED,
    "TRACKING": one_of("", "wandb", "mlflow"),
    # Images
    "INPUT.FORMAT": one_of("BGR", "RGB"),
    "INPUT.MASK_FORMAT": one_of("polygon", "bitmask"),
    "INPUT.MIN_SIZE_TRAIN": list_of(PIXELS, at_least=1),
    "INPUT.MIN_SIZE_TRAIN_SAMPLING": one_of("choice", "range"),
    "INPUT.MAX_SIZE_TRAIN": PIXELS,
    "INPUT.MIN_SIZE_TEST": whole(0),  # 0 keeps the size of the image
    "INPUT.MAX_SIZE_TEST": PIXELS,
    "INPUT.RANDOM_FLIP": one_of("horizontal", "vertical", "none"),
    "INPUT.CROP.TYPE": one_of("relative_range", "relative", "absolute", "absolute_range"),
    "INPUT.CROP.SIZE": list_of(number_above(0), 2),
    "INPUT.TRAIN_SIZE": PIXELS,
    "INPUT.TEST_SIZE": PIXELS,
    "INPUT.SCALE_RANGE": SCALES,
    # Data
    "DATASETS.TRAIN": list_of(TEXT),
    "DATASETS.TEST": list_of(TEXT),
    "DATALOADER.NUM_WORKERS": whole(0),
    "DATALOADER.PREFETCH": whole(1),
    "DATALOADER.REPEAT_THRESHOLD": number(0),
    "DATALOADER.MAX_BAD_FRACTION": SHARE,
    "DATALOADER.DATASET_RATIO": RATIOS,
    "DATALOADER.USE_RFS": list_of(FLAG),
    "DATALOADER.DATASET_ANN": list_of(KINDS),
    "DATALOADER.DATASET_BS": list_of(whole(1)),
    "DATALOADER.DATASET_INPUT_SIZE": list_of(PIXELS),
    "DATALOADER.DATASET_INPUT_SCALE": list_of(SCALES),
    "DATALOADER.DATASET_MIN_SIZES": list_of(list_of(PIXELS, at_least=1)),
    "DATALOADER.DATASET_MAX_SIZES": list_of(PIXELS),
    # Schedule
    "SOLVER.LR_SCHEDULER_NAME": one_of("WarmupMultiStepLR", "WarmupCosineLR"),
    "SOLVER.MAX_ITER": whole(1),
    "SOLVER.TRAIN_ITER": COUNT_OR_NEGATIVE,
    "SOLVER.BASE_LR": number_above(0),
    "SOLVER.LR_REFERENCE_BATCH": whole(0),
    "SOLVER.STEPS": STEPS,
    "SOLVER.GAMMA": number(0),
    "SOLVER.WARMUP_FACTOR": number(0),
    "SOLVER.WARMUP_ITERS": whole(0),
    "SOLVER.WARMUP_METHOD": one_of("linear", "constant"),
    "SOLVER.CHECKPOINT_PERIOD": whole(1),
    "SOLVER.CHECKPOINT_MINUTES": number(0),
    "SOLVER.CHECKPOINT_KEEP": whole(0),
    "SOLVER.IMS_PER_BATCH": whole(1),
    "SOLVER.REFERENCE_WORLD_SIZE": whole(0),
    "SOLVER.ACCUMULATE": whole(1),
    # Optimizer
    "SOLVER.OPTIMIZER": one_of("SGD", "ADAMW"),
    "SOLVER.MOMENTUM": SHARE,
    "SOLVER.WEIGHT_DECAY": number(0),
    "SOLVER.WEIGHT_DECAY_NORM": number_or_none(0),
    "SOLVER.WEIGHT_DECAY_BIAS": number_or_none(0),
    "SOLVER.BIAS_LR_FACTOR": number(0),
    "SOLVER.BACKBONE_MULTIPLIER": number(0),
    "SOLVER.BACKBONE_LAYER_DECAY": number_above(0, 1),
    "SOLVER.CUSTOM_MULTIPLIER": number(0),
    "SOLVER.CUSTOM_MULTIPLIER_NAME": list_of(TEXT),
    "SOLVER.EMA_DECAY": DECAY,
    "SOLVER.CLIP_GRADIENTS.CLIP_TYPE": one_of("value", "norm", "full_model"),
    "SOLVER.CLIP_GRADIENTS.CLIP_VALUE": number_above(0),
    "SOLVER.CLIP_GRADIENTS.NORM_TYPE": NORM_ORDER,
    # Evaluation
    "TEST.EVAL_PERIOD": Rule(is_whole, "a whole number"),  # not above 0: at the end only
    "TEST.DETECTIONS_PER_IMAGE": COUNT_OR_NEGATIVE,
    "TEST.VOCABULARIES": list_of(TEXT),
    "TEST.SHOWN_IMAGES": whole(0),
    # Model
    "MODEL.PIXEL_MEAN": list_of(number(), 3),
    "MODEL.PIXEL_STD": list_of(number_above(0), 3),
    "MODEL.BACKBONE.FREEZE_AT": whole(-1),  # -1 is 0, as in Detectron2
    "MODEL.RESNETS.DEPTH": one_of(18, 34, 50, 101, 152),
    "MODEL.RESNETS.NUM_GROUPS": whole(1),
    "MODEL.RESNETS.WIDTH_PER_GROUP": whole(1),
    "MODEL.RESNETS.RES2_OUT_CHANNELS": whole(1),
    "MODEL.RESNETS.STEM_OUT_CHANNELS": whole(1),
    "MODEL.RESNETS.RES5_DILATION": one_of(1, 2),
    "MODEL.SWIN.OUT_FEATURES": list_of(whole(0, 3), at_least=1),
    "MODEL.TIMM.OUT_LEVELS": list_of(whole(1), at_least=1),
    "MODEL.TIMM.FREEZE_AT": whole(0),
    "MODEL.TIMM.USE_PIXEL_STATISTICS": FLAG,
    "MODEL.FPN.OUT_CHANNELS": whole(1),
    "MODEL.FPN.FUSE_TYPE": one_of("sum", "avg"),
    "MODEL.DYNAMIC_CLASSIFIER": FLAG,
    "MODEL.NUM_SAMPLE_CATS": whole(1),
    "MODEL.CAP_BATCH_RATIO": whole(1),
    "MODEL.DATASET_LOSS_WEIGHT": list_of(number(0)),
    "MODEL.TEST_CLASSIFIERS": list_of(TEXT),
    "MODEL.TEST_NUM_CLASSES": list_of(whole(1)),
    # Proposals
    "MODEL.RPN.IOU_THRESHOLDS": list_of(SHARE, at_least=1),
    "MODEL.RPN.BATCH_SIZE_PER_IMAGE": whole(1),
    "MODEL.RPN.POSITIVE_FRACTION": SHARE,
    "MODEL.RPN.LOSS_WEIGHT": number(0),
    "MODEL.RPN.BBOX_REG_LOSS_WEIGHT": number(0),
    "MODEL.RPN.SMOOTH_L1_BETA": number(0),
    "MODEL.RPN.NMS_THRESH": SHARE,
    "MODEL.RPN.PRE_NMS_TOPK_TRAIN": whole(1),
    "MODEL.RPN.PRE_NMS_TOPK_TEST": whole(1),
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": whole(1),
    "MODEL.RPN.POST_NMS_TOPK_TEST": whole(1),
    "MODEL.CENTERNET.NUM_CLASSES": whole(1),
    "MODEL.CENTERNET.IN_FEATURES": list_of(TEXT, at_least=1),
    "MODEL.CENTERNET.FPN_STRIDES": list_of(PIXELS, at_least=1),
    "MODEL.CENTERNET.SOI": list_of(INTERVAL, at_least=1),
    "MODEL.CENTERNET.NUM_CLS_CONVS": whole(0),
    "MODEL.CENTERNET.NUM_BOX_CONVS": whole(0),
    "MODEL.CENTERNET.NUM_SHARE_CONVS": whole(0),
    "MODEL.CENTERNET.PRIOR_PROB": PROBABILITY,
    "MODEL.CENTERNET.HM_MIN_OVERLAP": PROBABILITY,
    "MODEL.CENTERNET.MIN_RADIUS": number(0),
    "MODEL.CENTERNET.MORE_POS_THRESH": number(0),
    "MODEL.CENTERNET.MORE_POS_TOPK": whole(1),
    "MODEL.CENTERNET.LOC_LOSS_TYPE": one_of("iou", "linear_iou", "giou"),
    "MODEL.CENTERNET.POS_WEIGHT": number(0),
    "MODEL.CENTERNET.NEG_WEIGHT": number(0),
    "MODEL.CENTERNET.REG_WEIGHT": number(0),
    "MODEL.CENTERNET.SIGMOID_CLAMP": number_between(0, 0.5),
    "MODEL.CENTERNET.HM_FOCAL_BETA": number(0),
    "MODEL.CENTERNET.HM_FOCAL_ALPHA": number(high=1),  # negative: off
    "MODEL.CENTERNET.LOSS_GAMMA": number(0),
    "MODEL.CENTERNET.IGNORE_HIGH_FP": number(high=1),  # not positive: off
    "MODEL.CENTERNET.INFERENCE_TH": SHARE,
    "MODEL.CENTERNET.NMS_TH_TRAIN": SHARE,
    "MODEL.CENTERNET.NMS_TH_TEST": SHARE,
    "MODEL.CENTERNET.PRE_NMS_TOPK_TRAIN": whole(1),
    "MODEL.CENTERNET.PRE_NMS_TOPK_TEST": whole(1),
    "MODEL.CENTERNET.POST_NMS_TOPK_TRAIN": whole(1),
    "MODEL.CENTERNET.POST_NMS_TOPK_TEST": whole(1),
    # Heads
    "MODEL.ROI_HEADS.NUM_CLASSES": whole(1),
    "MODEL.ROI_HEADS.IN_FEATURES": list_of(TEXT, at_least=1),
    "MODEL.ROI_HEADS.IOU_THRESHOLDS": list_of(SHARE, at_least=1),
    "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": whole(1),
    "MODEL.ROI_HEADS.POSITIVE_FRACTION": SHARE,
    "MODEL.ROI_HEADS.SCORE_THRESH_TEST": SHARE,
    "MODEL.ROI_HEADS.NMS_THRESH_TEST": SHARE,
    "MODEL.INFERENCE_PRECISION": one_of("fp32", "fp16", "bf16"),
    "MODEL.ROI_HEADS.MASK_WEIGHT": number(0),
    "MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS": list_of(number_above(0), 4),
    "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT": number(0),
    "MODEL.ROI_BOX_HEAD.SMOOTH_L1_BETA": number(0),
    "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": whole(1),
    "MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO": whole(0),
    "MODEL.ROI_BOX_HEAD.NUM_FC": whole(0),
    "MODEL.ROI_BOX_HEAD.FC_DIM": whole(1),
    "MODEL.ROI_BOX_HEAD.NUM_CONV": whole(0),
    "MODEL.ROI_BOX_HEAD.CONV_DIM": whole(1),
    "MODEL.ROI_BOX_HEAD.PRIOR_PROB": PROBABILITY,
    "MODEL.ROI_BOX_HEAD.FED_LOSS_NUM_CAT": whole(1),
    "MODEL.ROI_BOX_HEAD.FED_LOSS_FREQ_WEIGHT": number(0),
    "MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_DIM": whole(1),
    "MODEL.ROI_BOX_HEAD.NORM_TEMP": number_above(0),
    "MODEL.ROI_BOX_HEAD.USE_BIAS": number(),
    "MODEL.ROI_BOX_HEAD.IMAGE_LOSS_WEIGHT": number(0),
    "MODEL.ROI_BOX_HEAD.WS_NUM_PROPS": whole(1),
    "MODEL.ROI_BOX_HEAD.IMAGE_BOX_SIZE": number_above(0, 1),
    "MODEL.ROI_BOX_HEAD.CAPTION_WEIGHT": number(0),
    "MODEL.ROI_BOX_HEAD.NEG_CAP_WEIGHT": number(0),
    "MODEL.ROI_BOX_CASCADE_HEAD.IOUS": list_of(SHARE, at_least=1),
    "MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS": list_of(list_of(number_above(0), 4)),
    "MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION": whole(1),
    "MODEL.ROI_MASK_HEAD.POOLER_SAMPLING_RATIO": whole(0),
    "MODEL.ROI_MASK_HEAD.NUM_CONV": whole(0),
    "MODEL.ROI_MASK_HEAD.CONV_DIM": whole(1),
    # Deformable DETR
    "MODEL.DETR.NUM_CLASSES": whole(1),
    "MODEL.DETR.CLS_WEIGHT": number(0),
    "MODEL.DETR.L1_WEIGHT": number(0),
    "MODEL.DETR.GIOU_WEIGHT": number(0),
    "MODEL.DETR.DEEP_SUPERVISION": FLAG,
    "MODEL.DETR.NUM_FEATURE_LEVELS": whole(1),
    "MODEL.DETR.TWO_STAGE": FLAG,
    "MODEL.DETR.WITH_BOX_REFINE": FLAG,
    "MODEL.DETR.FOCAL_ALPHA": SHARE,
    "MODEL.DETR.NHEADS": whole(1),
    "MODEL.DETR.DROPOUT": DECAY,
    "MODEL.DETR.DIM_FEEDFORWARD": whole(1),
    "MODEL.DETR.ENC_LAYERS": whole(0),
    "MODEL.DETR.DEC_LAYERS": whole(1),
    "MODEL.DETR.HIDDEN_DIM": whole(1),
    "MODEL.DETR.NUM_OBJECT_QUERIES": whole(1),
    "MODEL.DETR.USE_FED_LOSS": FLAG,
    "MODEL.DETR.WEAK_WEIGHT": number(0),
    "MODEL.DETR.USE_ZEROSHOT_CLS": FLAG,
}


class Lengths(NamedTuple):
    """Two lists of which the first is as long as the second, or ``more`` entries longer."""

    key: str
    other: str
    more: int = 0
    may_be_longer: bool = False


LENGTHS = (
    Lengths("MODEL.CENTERNET.FPN_STRIDES", "MODEL.CENTERNET.IN_FEATURES"),
    Lengths("MODEL.CENTERNET.SOI", "MODEL.CENTERNET.IN_FEATURES", may_be_longer=True),
    Lengths("MODEL.RPN.IOU_LABELS", "MODEL.RPN.IOU_THRESHOLDS", more=1),
    Lengths("MODEL.ROI_HEADS.IOU_LABELS", "MODEL.ROI_HEADS.IOU_THRESHOLDS", more=1),
    Lengths("MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS", "MODEL.ROI_BOX_CASCADE_HEAD.IOUS"),
)

# Lists below DATALOADER with an entry for each of DATASETS.TRAIN
PER_DATASET = (
    *("DATASET_ANN", "DATASET_RATIO", "USE_RFS", "DATASET_BS"),
    *("DATASET_INPUT_SIZE", "DATASET_INPUT_SCALE", "DATASET_MIN_SIZES", "DATASET_MAX_SIZES"),
)
