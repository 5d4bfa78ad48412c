"""The table of what values of a recipe may be."""

import math
from pathlib import Path

import pytest

from detic.errors import InputError
from detic.recipes import default_config, load_recipe
from detic.recipes.rules import LENGTHS, RULES
from detic.recipes.values import find_mistake, leaves

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
NAN, INF, HUGE = math.nan, math.inf, 10**30
DEFAULTS = default_config()

# Keys with the same rule are rows of their own below.
NOT_POSITIVE = [0, -5, 1.5, True, None, HUGE]
NEGATIVE_COUNT = [-1, 1.5, True, None, HUGE]
NEGATIVE = [-0.5, NAN, INF, True, None, "x"]
NOT_ABOVE_0 = [0.0, -0.1, NAN, INF, True, None]
NO_SHARE = [-0.1, 1.1, NAN, True, None]
NO_PROBABILITY = [0.0, 1.0, 1.5, NAN, None]
NO_COUNTS = [[0], [-1], [1.5], [True], 5, [None], None]
NO_SHARES = [[], [1.5], [NAN], [True], 0.5]
NO_TEXTS = [[1], "x", [None], ["a\0b"], ["\ud800"]]
NO_FLAG = [None, 1, "yes"]
UNKNOWN = ["nope", "", None, 5]

WRONG_VALUES = {
    "SEED": [HUGE, 2**32, 1.5, True, None],
    "TRACKING": ["nope", None, 5],
    "INPUT.FORMAT": ["nope", "rgb", "", "L"],
    "INPUT.MASK_FORMAT": UNKNOWN,
    "INPUT.MIN_SIZE_TRAIN": [[], *NO_COUNTS],
    "INPUT.MIN_SIZE_TRAIN_SAMPLING": UNKNOWN,
    "INPUT.MAX_SIZE_TRAIN": NOT_POSITIVE,
    "INPUT.MIN_SIZE_TEST": NEGATIVE_COUNT,
    "INPUT.MAX_SIZE_TEST": NOT_POSITIVE,
    "INPUT.RANDOM_FLIP": UNKNOWN,
    "INPUT.CROP.TYPE": UNKNOWN,
    "INPUT.CROP.SIZE": [[0.9], [0.9, 0], [0.9, NAN], [1, 1, 1]],
    "INPUT.TRAIN_SIZE": NOT_POSITIVE,
    "INPUT.TEST_SIZE": NOT_POSITIVE,
    "INPUT.SCALE_RANGE": [(2.0, 0.1), (0.0, 1.0), (1.0,), (1.0, NAN), 1.0],
    "DATASETS.TRAIN": NO_TEXTS,
    "DATASETS.TEST": NO_TEXTS,
    "DATALOADER.NUM_WORKERS": NEGATIVE_COUNT,
    "DATALOADER.PREFETCH": NOT_POSITIVE,
    "DATALOADER.REPEAT_THRESHOLD": NEGATIVE,
    "DATALOADER.MAX_BAD_FRACTION": NO_SHARE,
    "DATALOADER.DATASET_RATIO": [[0, 0], [-1, 1], [1, NAN], [1, "x"], [True, 1], 5],
    "DATALOADER.USE_RFS": [[1, 0], ["yes"], True],
    "DATALOADER.DATASET_ANN": [["box", "boxes"], ["box", 1], "box"],
    "DATALOADER.DATASET_BS": NO_COUNTS,
    "DATALOADER.DATASET_INPUT_SIZE": NO_COUNTS,
    "DATALOADER.DATASET_INPUT_SCALE": [[(2, 1)], [(1, 2), 5], [(1, 2, 3)], [(0, 1)], [(1, NAN)]],
    "DATALOADER.DATASET_MIN_SIZES": [[(640, 800), 320], [()], [(0,)], [(1.5,)]],
    "DATALOADER.DATASET_MAX_SIZES": NO_COUNTS,
    "SOLVER.LR_SCHEDULER_NAME": UNKNOWN,
    "SOLVER.MAX_ITER": NOT_POSITIVE,
    "SOLVER.TRAIN_ITER": [0, 1.5, None],
    "SOLVER.BASE_LR": NOT_ABOVE_0,
    "SOLVER.LR_REFERENCE_BATCH": NEGATIVE_COUNT,
    "SOLVER.STEPS": [(20, 10), (-1,), (1.5,), 5, ("x",)],
    "SOLVER.GAMMA": NEGATIVE,
    "SOLVER.WARMUP_FACTOR": NEGATIVE,
    "SOLVER.WARMUP_ITERS": NEGATIVE_COUNT,
    "SOLVER.WARMUP_METHOD": UNKNOWN,
    "SOLVER.CHECKPOINT_PERIOD": NOT_POSITIVE,
    "SOLVER.CHECKPOINT_MINUTES": NEGATIVE,
    "SOLVER.CHECKPOINT_KEEP": NEGATIVE_COUNT,
    "SOLVER.IMS_PER_BATCH": NOT_POSITIVE,
    "SOLVER.REFERENCE_WORLD_SIZE": NEGATIVE_COUNT,
    "SOLVER.ACCUMULATE": NOT_POSITIVE,
    "SOLVER.OPTIMIZER": UNKNOWN,
    "SOLVER.MOMENTUM": NO_SHARE,
    "SOLVER.WEIGHT_DECAY": NEGATIVE,
    "SOLVER.WEIGHT_DECAY_NORM": [-0.5, NAN, INF, True],
    "SOLVER.WEIGHT_DECAY_BIAS": [-0.5, NAN, INF, True],
    "SOLVER.BIAS_LR_FACTOR": NEGATIVE,
    "SOLVER.BACKBONE_MULTIPLIER": NEGATIVE,
    "SOLVER.BACKBONE_LAYER_DECAY": [*NOT_ABOVE_0, 1.1],
    "SOLVER.CUSTOM_MULTIPLIER": NEGATIVE,
    "SOLVER.CUSTOM_MULTIPLIER_NAME": NO_TEXTS,
    "SOLVER.EMA_DECAY": [1.0, -0.1, NAN, None],
    "SOLVER.CLIP_GRADIENTS.CLIP_TYPE": UNKNOWN,
    "SOLVER.CLIP_GRADIENTS.CLIP_VALUE": NOT_ABOVE_0,
    "SOLVER.CLIP_GRADIENTS.NORM_TYPE": [0.0, -1.0, NAN, None],
    "TEST.EVAL_PERIOD": [1.5, True, None, HUGE],
    "TEST.DETECTIONS_PER_IMAGE": [0, 1.5, None],
    "TEST.VOCABULARIES": NO_TEXTS,
    "TEST.SHOWN_IMAGES": [-1, 1.5, True, None, HUGE],
    "MODEL.PIXEL_MEAN": [[1.0, 2.0], [1.0, 2.0, NAN], [1.0, 2.0, "x"], 5.0],
    "MODEL.PIXEL_STD": [[1.0, 2.0, 0.0], [1.0, 2.0], [1.0, 2.0, INF]],
    "MODEL.BACKBONE.FREEZE_AT": [-2, 1.5, True, None, HUGE],
    "MODEL.RESNETS.DEPTH": [0, 51, "50", None],
    "MODEL.RESNETS.NUM_GROUPS": NOT_POSITIVE,
    "MODEL.RESNETS.WIDTH_PER_GROUP": NOT_POSITIVE,
    "MODEL.RESNETS.RES2_OUT_CHANNELS": NOT_POSITIVE,
    "MODEL.RESNETS.STEM_OUT_CHANNELS": NOT_POSITIVE,
    "MODEL.RESNETS.RES5_DILATION": [0, 3, True],
    "MODEL.SWIN.OUT_FEATURES": [(), (4,), (-1,), ("x",)],
    "MODEL.TIMM.OUT_LEVELS": [(), (0,), ("x",)],
    "MODEL.TIMM.FREEZE_AT": NEGATIVE_COUNT,
    "MODEL.TIMM.USE_PIXEL_STATISTICS": [None, 1, "yes"],
    "MODEL.FPN.OUT_CHANNELS": NOT_POSITIVE,
    "MODEL.FPN.FUSE_TYPE": UNKNOWN,
    "MODEL.DYNAMIC_CLASSIFIER": NO_FLAG,
    "MODEL.NUM_SAMPLE_CATS": NOT_POSITIVE,
    "MODEL.CAP_BATCH_RATIO": NOT_POSITIVE,
    "MODEL.DATASET_LOSS_WEIGHT": [[-1.0], [NAN], 1.0],
    "MODEL.TEST_CLASSIFIERS": NO_TEXTS,
    "MODEL.TEST_NUM_CLASSES": NO_COUNTS,
    "MODEL.RPN.IOU_THRESHOLDS": NO_SHARES,
    "MODEL.RPN.BATCH_SIZE_PER_IMAGE": NOT_POSITIVE,
    "MODEL.RPN.POSITIVE_FRACTION": NO_SHARE,
    "MODEL.RPN.LOSS_WEIGHT": NEGATIVE,
    "MODEL.RPN.BBOX_REG_LOSS_WEIGHT": NEGATIVE,
    "MODEL.RPN.SMOOTH_L1_BETA": NEGATIVE,
    "MODEL.RPN.NMS_THRESH": NO_SHARE,
    "MODEL.RPN.PRE_NMS_TOPK_TRAIN": NOT_POSITIVE,
    "MODEL.RPN.PRE_NMS_TOPK_TEST": NOT_POSITIVE,
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": NOT_POSITIVE,
    "MODEL.RPN.POST_NMS_TOPK_TEST": NOT_POSITIVE,
    "MODEL.CENTERNET.NUM_CLASSES": NOT_POSITIVE,
    "MODEL.CENTERNET.IN_FEATURES": [[], *NO_TEXTS],
    "MODEL.CENTERNET.FPN_STRIDES": [[], *NO_COUNTS],
    "MODEL.CENTERNET.SOI": [[], [[0]], [[0, -5]], [[0, NAN]], [5], [[80, 0]]],
    "MODEL.CENTERNET.NUM_CLS_CONVS": NEGATIVE_COUNT,
    "MODEL.CENTERNET.NUM_BOX_CONVS": NEGATIVE_COUNT,
    "MODEL.CENTERNET.NUM_SHARE_CONVS": NEGATIVE_COUNT,
    "MODEL.CENTERNET.PRIOR_PROB": NO_PROBABILITY,
    "MODEL.CENTERNET.HM_MIN_OVERLAP": NO_PROBABILITY,
    "MODEL.CENTERNET.MIN_RADIUS": NEGATIVE,
    "MODEL.CENTERNET.MORE_POS_THRESH": NEGATIVE,
    "MODEL.CENTERNET.MORE_POS_TOPK": NOT_POSITIVE,
    "MODEL.CENTERNET.LOC_LOSS_TYPE": UNKNOWN,
    "MODEL.CENTERNET.POS_WEIGHT": NEGATIVE,
    "MODEL.CENTERNET.NEG_WEIGHT": NEGATIVE,
    "MODEL.CENTERNET.REG_WEIGHT": NEGATIVE,
    "MODEL.CENTERNET.SIGMOID_CLAMP": [0.0, 0.5, NAN, None],
    "MODEL.CENTERNET.HM_FOCAL_BETA": NEGATIVE,
    "MODEL.CENTERNET.HM_FOCAL_ALPHA": [1.5, NAN, None],
    "MODEL.CENTERNET.LOSS_GAMMA": NEGATIVE,
    "MODEL.CENTERNET.IGNORE_HIGH_FP": [1.5, NAN, None],
    "MODEL.CENTERNET.INFERENCE_TH": NO_SHARE,
    "MODEL.CENTERNET.NMS_TH_TRAIN": NO_SHARE,
    "MODEL.CENTERNET.NMS_TH_TEST": NO_SHARE,
    "MODEL.CENTERNET.PRE_NMS_TOPK_TRAIN": NOT_POSITIVE,
    "MODEL.CENTERNET.PRE_NMS_TOPK_TEST": NOT_POSITIVE,
    "MODEL.CENTERNET.POST_NMS_TOPK_TRAIN": NOT_POSITIVE,
    "MODEL.CENTERNET.POST_NMS_TOPK_TEST": NOT_POSITIVE,
    "MODEL.ROI_HEADS.NUM_CLASSES": NOT_POSITIVE,
    "MODEL.ROI_HEADS.IN_FEATURES": [[], *NO_TEXTS],
    "MODEL.ROI_HEADS.IOU_THRESHOLDS": NO_SHARES,
    "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": NOT_POSITIVE,
    "MODEL.ROI_HEADS.POSITIVE_FRACTION": NO_SHARE,
    "MODEL.ROI_HEADS.SCORE_THRESH_TEST": NO_SHARE,
    "MODEL.ROI_HEADS.NMS_THRESH_TEST": NO_SHARE,
    "MODEL.INFERENCE_PRECISION": [*UNKNOWN, "half", "BF16"],
    "MODEL.ROI_HEADS.MASK_WEIGHT": NEGATIVE,
    "MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS": [(1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 0.0)],
    "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT": NEGATIVE,
    "MODEL.ROI_BOX_HEAD.SMOOTH_L1_BETA": NEGATIVE,
    "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": NOT_POSITIVE,
    "MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO": NEGATIVE_COUNT,
    "MODEL.ROI_BOX_HEAD.NUM_FC": NEGATIVE_COUNT,
    "MODEL.ROI_BOX_HEAD.FC_DIM": NOT_POSITIVE,
    "MODEL.ROI_BOX_HEAD.NUM_CONV": NEGATIVE_COUNT,
    "MODEL.ROI_BOX_HEAD.CONV_DIM": NOT_POSITIVE,
    "MODEL.ROI_BOX_HEAD.PRIOR_PROB": NO_PROBABILITY,
    "MODEL.ROI_BOX_HEAD.FED_LOSS_NUM_CAT": NOT_POSITIVE,
    "MODEL.ROI_BOX_HEAD.FED_LOSS_FREQ_WEIGHT": NEGATIVE,
    "MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_DIM": NOT_POSITIVE,
    "MODEL.ROI_BOX_HEAD.NORM_TEMP": NOT_ABOVE_0,
    "MODEL.ROI_BOX_HEAD.USE_BIAS": [NAN, INF, None, "x"],
    "MODEL.ROI_BOX_HEAD.IMAGE_LOSS_WEIGHT": NEGATIVE,
    "MODEL.ROI_BOX_HEAD.WS_NUM_PROPS": NOT_POSITIVE,
    "MODEL.ROI_BOX_HEAD.IMAGE_BOX_SIZE": [0.0, 1.5, NAN],
    "MODEL.ROI_BOX_HEAD.CAPTION_WEIGHT": NEGATIVE,
    "MODEL.ROI_BOX_HEAD.NEG_CAP_WEIGHT": NEGATIVE,
    "MODEL.ROI_BOX_CASCADE_HEAD.IOUS": NO_SHARES,
    "MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS": [[(1.0,) * 3] * 3, [5] * 3, [(0.0,) * 4] * 3],
    "MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION": NOT_POSITIVE,
    "MODEL.ROI_MASK_HEAD.POOLER_SAMPLING_RATIO": NEGATIVE_COUNT,
    "MODEL.ROI_MASK_HEAD.NUM_CONV": NEGATIVE_COUNT,
    "MODEL.ROI_MASK_HEAD.CONV_DIM": NOT_POSITIVE,
    "MODEL.DETR.NUM_CLASSES": NOT_POSITIVE,
    "MODEL.DETR.CLS_WEIGHT": NEGATIVE,
    "MODEL.DETR.L1_WEIGHT": NEGATIVE,
    "MODEL.DETR.GIOU_WEIGHT": NEGATIVE,
    "MODEL.DETR.DEEP_SUPERVISION": NO_FLAG,
    "MODEL.DETR.NUM_FEATURE_LEVELS": NOT_POSITIVE,
    "MODEL.DETR.TWO_STAGE": NO_FLAG,
    "MODEL.DETR.WITH_BOX_REFINE": NO_FLAG,
    "MODEL.DETR.FOCAL_ALPHA": NO_SHARE,
    "MODEL.DETR.NHEADS": NOT_POSITIVE,
    "MODEL.DETR.DROPOUT": [1.0, -0.1, NAN, None],
    "MODEL.DETR.DIM_FEEDFORWARD": NOT_POSITIVE,
    "MODEL.DETR.ENC_LAYERS": NEGATIVE_COUNT,
    "MODEL.DETR.DEC_LAYERS": NOT_POSITIVE,
    "MODEL.DETR.HIDDEN_DIM": NOT_POSITIVE,
    "MODEL.DETR.NUM_OBJECT_QUERIES": NOT_POSITIVE,
    "MODEL.DETR.USE_FED_LOSS": NO_FLAG,
    "MODEL.DETR.WEAK_WEIGHT": NEGATIVE,
    "MODEL.DETR.USE_ZEROSHOT_CLS": NO_FLAG,
}


def test_every_row_of_the_table_is_tried():
    assert WRONG_VALUES.keys() == RULES.keys()


def test_every_row_is_a_key_of_the_default_configuration():
    known = dict(leaves(DEFAULTS)).keys()
    assert RULES.keys() <= known
    assert {key for lengths in LENGTHS for key in (lengths.key, lengths.other)} <= known


def with_value(key, value):
    cfg = default_config()
    *path, name = key.split(".")
    node = cfg
    for part in path:
        node = node[part]
    node[name] = value
    return cfg


@pytest.mark.parametrize("key", RULES)
def test_a_value_that_cannot_be_is_named_with_its_key(key):
    for value in WRONG_VALUES[key]:
        mistake = find_mistake(with_value(key, value), DEFAULTS)
        assert mistake is not None, value
        assert mistake.key == key
        assert "expected" in mistake.problem or "holds" in mistake.problem


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("SOLVER.BASE_LR", -1.0, "is -1.0; expected a number above 0"),
        ("SOLVER.BASE_LR", NAN, "holds nan; expected a number"),
        ("SOLVER.MAX_ITER", 0, "is 0; expected a whole number of at least 1"),
        ("SEED", HUGE, "holds a number of more than 64 bits"),
        (
            "SEED",
            2**40,
            f"is {2**40}; expected a whole number from 0 to 4294967295, or negative for one that is "
            "drawn",
        ),
        ("INPUT.MASK_FORMAT", "nope", "is 'nope'; expected 'polygon' or 'bitmask'"),
        ("MODEL.CENTERNET.HM_FOCAL_ALPHA", 2.0, "is 2.0; expected a number of at most 1"),
        (
            "DATALOADER.DATASET_ANN",
            ["box", "boxes"],
            "is ['box', 'boxes']; expected a list, each 'box', 'image', 'caption', 'captiontag', 'prop' "
            "or 'proptag'",
        ),
        # Keys without a rule of their own
        ("GLOBAL.HACK", NAN, "holds nan; expected a number"),
        (
            "OUTPUT_DIR",
            "a\0b",
            "is 'a\\x00b', which holds characters that no file name or text may have",
        ),
        ("OUTPUT_DIR", None, "is empty; expected a value such as './output'"),
        ("DATALOADER.IMAGE_SOURCES", [{"name": "a", "size": NAN}], "holds nan; expected a number"),
    ],
)
def test_mistakes_are_put_into_words(key, value, problem):
    assert find_mistake(with_value(key, value), DEFAULTS) == (key, problem)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        (
            "MODEL.CENTERNET.FPN_STRIDES",
            [8],
            "has 1 entries; expected 5, as MODEL.CENTERNET.IN_FEATURES has 5",
        ),
        (
            "MODEL.CENTERNET.SOI",
            [[0, 80]],
            "has 1 entries; expected 5, as MODEL.CENTERNET.IN_FEATURES has 5",
        ),
        (
            "MODEL.ROI_HEADS.IOU_LABELS",
            [0],
            "has 1 entries; expected 2, as MODEL.ROI_HEADS.IOU_THRESHOLDS has 1",
        ),
        (
            "MODEL.RPN.IOU_LABELS",
            [0],
            "has 1 entries; expected 3, as MODEL.RPN.IOU_THRESHOLDS has 2",
        ),
        (
            "MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS",
            ((1.0,) * 4,),
            "has 1 entries; expected 3, as MODEL.ROI_BOX_CASCADE_HEAD.IOUS has 3",
        ),
    ],
)
def test_lists_that_belong_together_are_as_long(key, value, problem):
    assert find_mistake(with_value(key, value), DEFAULTS) == (key, problem)


def test_ends_of_ranges_and_values_that_switch_off_are_accepted():
    for key, value in (
        ("SOLVER.WEIGHT_DECAY_BIAS", None),
        ("SOLVER.WEIGHT_DECAY", 0),
        ("SOLVER.CLIP_GRADIENTS.NORM_TYPE", INF),
        ("SOLVER.STEPS", ()),
        ("SOLVER.STEPS", (10, 10)),  # two steps at once
        ("TEST.EVAL_PERIOD", -1),
        ("MODEL.BACKBONE.FREEZE_AT", -1),
        ("TEST.DETECTIONS_PER_IMAGE", -1),
        ("SOLVER.TRAIN_ITER", -1),
        ("DATALOADER.NUM_WORKERS", 0),
        ("INPUT.MIN_SIZE_TEST", 0),
        ("SEED", -1),
        ("MODEL.CENTERNET.SOI", [[0, 80]] * 6),
        ("MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0),
        ("MODEL.ROI_HEADS.NMS_THRESH_TEST", 1),
    ):
        assert find_mistake(with_value(key, value), DEFAULTS) is None


@pytest.mark.parametrize("path", CONFIGS.rglob("*.yaml"), ids=lambda p: p.stem)
def test_every_recipe_passes(path):
    assert find_mistake(load_recipe(path), DEFAULTS) is None


def test_a_mistake_of_the_recipe_names_the_file_and_one_of_the_command_line_does_not(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("SOLVER: {BASE_LR: .nan}")
    with pytest.raises(InputError, match=r"^recipe '.*mine\.yaml': SOLVER\.BASE_LR holds nan"):
        load_recipe(path)
    with pytest.raises(InputError, match=r"^SOLVER\.BASE_LR is -1\.0; expected"):
        load_recipe(path, ["SOLVER.BASE_LR", "-1.0"])
    assert load_recipe(path, ["SOLVER.BASE_LR", "1.0"]).SOLVER.BASE_LR == 1
