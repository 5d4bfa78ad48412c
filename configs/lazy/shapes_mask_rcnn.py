"""Mask R-CNN with a closed vocabulary on the drawn images of the benchmark `shapes`.

    make quickstart    # draws the images
    python train_net.py --config-file configs/lazy/shapes_mask_rcnn.py --num-gpus 0 train.max_iter=200

An example of a Python recipe: each part is a call that is made when the training starts, and any
argument can be changed on the command line, such as `model.roi_heads.batch_size_per_image=64`.
"""

import torch
from detectron2.config import LazyCall as L
from detectron2.data import (
    DatasetMapper,
    build_detection_test_loader,
    build_detection_train_loader,
    get_detection_dataset_dicts,
)
from detectron2.data import transforms as T
from detectron2.layers import ShapeSpec
from detectron2.modeling import FPN, GeneralizedRCNN, StandardROIHeads
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.backbone.fpn import LastLevelMaxPool
from detectron2.modeling.backbone.resnet import BasicStem, ResNet
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.proposal_generator import RPN, StandardRPNHead
from detectron2.modeling.roi_heads import (
    FastRCNNConvFCHead,
    FastRCNNOutputLayers,
    MaskRCNNConvUpsampleHead,
)
from detectron2.solver import WarmupParamScheduler
from detectron2.solver.build import get_default_optimizer_params
from fvcore.common.param_scheduler import CosineParamScheduler

SIDE = 128  # pixels of an image
WIDTH = 64  # channels of all levels
_STRIDES_PX = {"p2": 4, "p3": 8, "p4": 16, "p5": 32}

model = L(GeneralizedRCNN)(
    backbone=L(FPN)(
        bottom_up=L(ResNet)(
            stem=L(BasicStem)(in_channels=3, out_channels=64, norm="BN"),
            stages=L(ResNet.make_default_stages)(depth=18, norm="BN"),
            out_features=["res2", "res3", "res4", "res5"],
        ),
        in_features="${.bottom_up.out_features}",
        out_channels=WIDTH,
        top_block=L(LastLevelMaxPool)(),  # makes p6 of p5
    ),
    proposal_generator=L(RPN)(
        in_features=[*_STRIDES_PX, "p6"],
        head=L(StandardRPNHead)(in_channels=WIDTH, num_anchors=3),
        anchor_generator=L(DefaultAnchorGenerator)(
            sizes=[[16], [32], [64], [128], [256]],
            aspect_ratios=[0.5, 1.0, 2.0],
            strides=[*_STRIDES_PX.values(), 64],
            offset=0.0,
        ),
        anchor_matcher=L(Matcher)(
            thresholds=[0.3, 0.7], labels=[0, -1, 1], allow_low_quality_matches=True
        ),
        box2box_transform=L(Box2BoxTransform)(weights=[1.0, 1.0, 1.0, 1.0]),
        batch_size_per_image=64,
        positive_fraction=0.5,
        pre_nms_topk=(500, 250),  # in training, in evaluation
        post_nms_topk=(100, 50),
    ),
    roi_heads=L(StandardROIHeads)(
        num_classes=96,
        batch_size_per_image=32,
        positive_fraction=0.25,
        proposal_matcher=L(Matcher)(
            thresholds=[0.5], labels=[0, 1], allow_low_quality_matches=False
        ),
        box_in_features=[*_STRIDES_PX],
        box_pooler=L(ROIPooler)(
            output_size=7,
            scales=[1 / stride for stride in _STRIDES_PX.values()],
            sampling_ratio=2,
            pooler_type="ROIAlignV2",
        ),
        box_head=L(FastRCNNConvFCHead)(
            input_shape=L(ShapeSpec)(channels=WIDTH, height=7, width=7), conv_dims=[], fc_dims=[128]
        ),
        box_predictor=L(FastRCNNOutputLayers)(
            input_shape=128,
            num_classes="${..num_classes}",
            box2box_transform=L(Box2BoxTransform)(weights=[10.0, 10.0, 5.0, 5.0]),
            test_score_thresh=0.01,
        ),
        mask_in_features=[*_STRIDES_PX],
        mask_pooler=L(ROIPooler)(
            output_size=14,
            scales="${..box_pooler.scales}",
            sampling_ratio=2,
            pooler_type="ROIAlignV2",
        ),
        mask_head=L(MaskRCNNConvUpsampleHead)(
            input_shape=L(ShapeSpec)(channels=WIDTH, height=14, width=14),
            num_classes=1,  # one mask for all classes
            conv_dims=[32, 32, 32],
        ),
    ),
    pixel_mean=[103.53, 116.28, 123.675],
    pixel_std=[57.375, 57.12, 58.395],
    input_format="BGR",
)

dataloader = {
    "train": L(build_detection_train_loader)(
        dataset=L(get_detection_dataset_dicts)(names="shapes_train_base"),
        mapper=L(DatasetMapper)(
            is_train=True,
            # Large-scale jitter: boxes are those of the masks that the window leaves.
            augmentations=[
                L(T.ResizeScale)(
                    min_scale=0.5, max_scale=1.5, target_height=SIDE, target_width=SIDE
                ),
                L(T.FixedSizeCrop)(crop_size=(SIDE, SIDE)),
                L(T.RandomFlip)(horizontal=True),
            ],
            image_format="${model.input_format}",
            use_instance_mask=True,
            recompute_boxes=True,
        ),
        total_batch_size=8,
        num_workers=1,
    ),
    # The evaluator is that of the dataset, as there is no dataloader["evaluator"].
    "test": L(build_detection_test_loader)(
        dataset=L(get_detection_dataset_dicts)(names="shapes_val", filter_empty=False),
        mapper=L(DatasetMapper)(
            is_train=False,
            augmentations=[L(T.ResizeShortestEdge)(short_edge_length=SIDE, max_size=2 * SIDE)],
            image_format="${model.input_format}",
        ),
        num_workers=1,
    ),
}

optimizer = L(torch.optim.AdamW)(
    # The training sets params.model.
    params=L(get_default_optimizer_params)(base_lr="${..lr}", weight_decay_norm=0.0),
    lr=0.001,
    weight_decay=0.0001,
)

lr_multiplier = L(WarmupParamScheduler)(
    scheduler=L(CosineParamScheduler)(start_value=1.0, end_value=0.0),
    warmup_length=0.05,  # of the training
    warmup_factor=0.01,
)

train = {
    "output_dir": "output/lazy/shapes_mask_rcnn",
    "init_checkpoint": "",  # from scratch
    "max_iter": 2000,  # 16 epochs of 1000 images
    "eval_period": 0,  # at the end only
    "checkpointer": {"period": 500},
    "amp": {"enabled": False},
    "device": "cuda",
    "seed": 0,
}
