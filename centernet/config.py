"""Configuration keys of the CenterNet2 proposal network, with their defaults."""

from detectron2.config import CfgNode as CN


def add_centernet_config(cfg: CN) -> None:
    """Add the CenterNet keys to ``cfg`` in place.

    Call it before :func:`detic.config.add_detic_config`. Keys marked "accepted" exist because
    published recipes set them; nothing here reads them.
    """
    _add_proposal_network(cfg)
    _add_box_head(cfg)
    _add_other_backbones(cfg)
    _add_training(cfg)


def _add_proposal_network(cfg: CN) -> None:
    node = cfg.MODEL.CENTERNET = CN()
    node.NUM_CLASSES = 80  # channels of the class heat map; unused when ONLY_PROPOSAL
    node.IN_FEATURES = ["p3", "p4", "p5", "p6", "p7"]
    node.FPN_STRIDES = [8, 16, 32, 64, 128]  # pixels, one per entry of IN_FEATURES
    # Half box diagonals (pixels) a level answers for, both ends included; ranges overlap.
    node.SOI = [[0, 80], [64, 160], [128, 320], [256, 640], [512, 10000000]]

    # Head
    node.NORM = "GN"
    node.USE_DEFORMABLE = False  # accepted: False only, deformable convolutions need a compiler
    node.NUM_CLS_CONVS = 4
    node.NUM_BOX_CONVS = 4
    node.NUM_SHARE_CONVS = 0
    node.PRIOR_PROB = 0.01  # probability that the heat maps start from
    node.WITH_AGN_HM = False  # predict a class-agnostic heat map
    node.ONLY_PROPOSAL = False  # predict nothing else
    node.AS_PROPOSAL = False  # accepted: class heat maps always serve as proposals

    # Targets
    node.HM_MIN_OVERLAP = 0.8  # a Gaussian's radius keeps shifted boxes above this overlap
    node.MIN_RADIUS = 4  # pixels
    node.MORE_POS = False  # also count the best-regressed cells around a centre as positive
    node.MORE_POS_THRESH = 0.2  # regression loss below which such a cell counts
    node.MORE_POS_TOPK = 9  # and at most this many per object

    # Losses
    node.LOC_LOSS_TYPE = "giou"  # iou, linear_iou or giou
    node.POS_WEIGHT = 1.0
    node.NEG_WEIGHT = 1.0
    node.REG_WEIGHT = 2.0
    node.SIGMOID_CLAMP = 1e-4  # heat stays within [clamp, 1 - clamp]
    node.HM_FOCAL_BETA = 4  # exponent of (1 - target) on negatives
    node.HM_FOCAL_ALPHA = 0.25  # weight of positives; negative switches both weights off
    node.LOSS_GAMMA = 2.0  # focusing exponent
    node.IGNORE_HIGH_FP = -1.0  # negatives hotter than this cost nothing; not positive: off
    node.NOT_NORM_REG = True  # regression cells weigh 1 rather than their heat
    node.NO_REDUCE = False  # normalise by this process's positives, not by the mean over all

    # Decoding
    node.INFERENCE_TH = 0.05  # heat above which a cell is a candidate
    node.CENTER_NMS = False  # peaks of the heat map instead of box NMS
    node.NOT_NMS = False
    node.NMS_TH_TRAIN = 0.6
    node.NMS_TH_TEST = 0.6
    node.PRE_NMS_TOPK_TRAIN = 1000
    node.POST_NMS_TOPK_TRAIN = 100
    node.PRE_NMS_TOPK_TEST = 1000
    node.POST_NMS_TOPK_TEST = 100


def _add_box_head(cfg: CN) -> None:
    node = cfg.MODEL.ROI_BOX_HEAD
    node.USE_SIGMOID_CE = False
    node.PRIOR_PROB = 0.01  # probability that a linear sigmoid classifier starts from
    node.USE_EQL_LOSS = False  # accepted
    node.EQL_FREQ_CAT = 200  # accepted
    node.CAT_FREQ_PATH = "datasets/lvis/lvis_v1_train_cat_info.json"  # images per class
    node.USE_FED_LOSS = False  # classify against a sample of the classes (LVIS annotation)
    node.FED_LOSS_NUM_CAT = 50  # size of that sample
    node.FED_LOSS_FREQ_WEIGHT = 0.5  # drawn with probability image_count ** this
    node.MULT_PROPOSAL_SCORE = False  # sqrt(class probability * proposal score) at inference


def _add_other_backbones(cfg: CN) -> None:
    cfg.MODEL.BIFPN = CN()  # accepted
    cfg.MODEL.BIFPN.NUM_LEVELS = 5
    cfg.MODEL.BIFPN.NUM_BIFPN = 6
    cfg.MODEL.BIFPN.NORM = "GN"
    cfg.MODEL.BIFPN.OUT_CHANNELS = 160
    cfg.MODEL.BIFPN.SEPARABLE_CONV = False

    cfg.MODEL.DLA = CN()  # accepted
    cfg.MODEL.DLA.OUT_FEATURES = ["dla2"]
    cfg.MODEL.DLA.USE_DLA_UP = True
    cfg.MODEL.DLA.NUM_LAYERS = 34
    cfg.MODEL.DLA.MS_OUTPUT = False
    cfg.MODEL.DLA.NORM = "BN"
    cfg.MODEL.DLA.DLAUP_IN_FEATURES = ["dla3", "dla4", "dla5"]
    cfg.MODEL.DLA.DLAUP_NODE = "conv"


def _add_training(cfg: CN) -> None:
    cfg.SOLVER.RESET_ITER = False  # accepted
    cfg.SOLVER.TRAIN_ITER = -1  # stop after this many iterations, schedule unchanged; -1: off

    cfg.INPUT.CUSTOM_AUG = ""  # a key of detic.loading.augmentation.RESIZES; "": detectron2's steps
    cfg.INPUT.TRAIN_SIZE = 640  # side of square inputs in training, pixels
    cfg.INPUT.TEST_SIZE = 640  # and at test time, where TEST_INPUT_TYPE asks for it
    cfg.INPUT.SCALE_RANGE = (0.1, 2.0)  # scale jitter relative to TRAIN_SIZE
    cfg.INPUT.TEST_INPUT_TYPE = "default"  # default: ResizeShortestEdge; else CUSTOM_AUG
    cfg.INPUT.NOT_CLAMP_BOX = False  # boxes may leave the image: clamp their centres

    cfg.DEBUG = False  # accepted, as are the rest
    cfg.SAVE_DEBUG = False
    cfg.SAVE_PTH = False
    cfg.VIS_THRESH = 0.3
    cfg.DEBUG_SHOW_NAME = False
