"""Thin detectors and small ground truth for the tests of the modeling package."""

import pytest
import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.modeling import GeneralizedRCNN, build_model
from detectron2.modeling.backbone import BottleneckBlock
from detectron2.structures import Boxes, Instances, PolygonMasks
from detectron2.utils.events import EventStorage

IMAGE_SIZE_HW = (64, 96)


@pytest.fixture(autouse=True)
def one_thread():
    """One thread: these tensors are too small to share."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def storage():
    """An active event storage."""
    with EventStorage() as active:
        yield active


@pytest.fixture
def c4_cfg() -> CfgNode:
    """A thin ResNet-50-C4 with masks, three classes."""
    cfg = get_cfg()
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.MASK_ON = True
    cfg.MODEL.RESNETS.STEM_OUT_CHANNELS = 8
    cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 16
    cfg.MODEL.RESNETS.WIDTH_PER_GROUP = 4
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[16, 32]]
    cfg.MODEL.RPN.POST_NMS_TOPK_TRAIN = 20
    cfg.MODEL.RPN.POST_NMS_TOPK_TEST = 10
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 3
    cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE = 16
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    cfg.MODEL.ROI_MASK_HEAD.CONV_DIM = 8
    cfg.TEST.DETECTIONS_PER_IMAGE = 5
    return cfg


@pytest.fixture
def fpn_cfg(c4_cfg: CfgNode) -> CfgNode:
    """The same with a feature pyramid, standard heads and class-agnostic boxes and masks."""
    cfg = c4_cfg
    cfg.MODEL.BACKBONE.NAME = "build_resnet_fpn_backbone"
    cfg.MODEL.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    cfg.MODEL.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    cfg.MODEL.FPN.OUT_CHANNELS = 8
    cfg.MODEL.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[8], [16], [32], [64], [128]]
    cfg.MODEL.ROI_HEADS.NAME = "StandardROIHeads"
    cfg.MODEL.ROI_HEADS.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    cfg.MODEL.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    cfg.MODEL.ROI_BOX_HEAD.NUM_FC = 2
    cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 16
    cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION = 4
    cfg.MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG = True
    cfg.MODEL.ROI_MASK_HEAD.NUM_CONV = 1
    cfg.MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION = 4
    cfg.MODEL.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK = True
    return cfg


@pytest.fixture
def cascade_cfg(fpn_cfg: CfgNode) -> CfgNode:
    """The same with a cascade of three stages."""
    fpn_cfg.MODEL.ROI_HEADS.NAME = "CascadeROIHeads"
    return fpn_cfg


def build_calm_model(cfg: CfgNode) -> GeneralizedRCNN:
    """Return a model whose features stay small without trained batch statistics."""
    torch.manual_seed(0)
    model = build_model(cfg)
    for module in model.modules():
        if isinstance(module, BottleneckBlock):
            module.conv3.norm.weight.fill_(0.1)
    return model


def ground_truth(boxes: list[list[float]], classes: list[int]) -> Instances:
    """Return objects of one image whose masks fill their boxes."""
    polygons = [[[x1, y1, x2, y1, x2, y2, x1, y2]] for x1, y1, x2, y2 in boxes]
    return Instances(
        IMAGE_SIZE_HW,
        gt_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)),
        gt_classes=torch.tensor(classes, dtype=torch.int64),
        gt_masks=PolygonMasks(polygons),
    )


def training_batch() -> list[dict]:
    """Return two images: one with two objects, one without any."""
    height, width = IMAGE_SIZE_HW
    generator = torch.Generator().manual_seed(0)
    objects = [
        ground_truth([[8, 8, 40, 40], [50, 10, 90, 60]], [0, 2]),
        ground_truth([], []),
    ]
    return [
        {
            "image": torch.randint(0, 256, (3, height, width), generator=generator).byte(),
            "instances": instances,
            "height": 2 * height,
            "width": 2 * width,
        }
        for instances in objects
    ]
