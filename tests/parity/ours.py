"""All that the comparison takes from the packages under test, in one place."""

from detectron2.config import CfgNode, get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data import transforms as T
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances, PolygonMasks
from detectron2.utils.events import EventStorage

from centernet.config import add_centernet_config
from centernet.losses import BOX_LOSSES, FocalParams, heatmap_focal_loss
from centernet.targets import TargetParams, compute_grids, dense_targets, positive_cells
from detic.annotation import AnnotationKind
from detic.config import add_detic_config
from detic.datasets.lvis_style import load_lvis_style_json
from detic.engine.optimizer import build_parameterwise_optimizer
from detic.loading.augmentation import (
    AugmentationParams,
    EfficientDetResizeCrop,
    build_test_augmentations,
    build_train_augmentations,
)
from detic.loading.batching import Buckets, source_and_shape_buckets
from detic.loading.image_reader import ImageReader
from detic.loading.index_stream import Epoch, StrideReader
from detic.loading.mapper import (
    EvaluationMapper,
    MapperParams,
    TrainMapper,
    build_train_mapper,
)
from detic.loading.sampling import (
    dataset_weights,
    repeat_factors,
    tag_repeat_factors,
    weighted_draw,
)
from detic.loading.train_source import TrainSources
from detic.modeling.federated import load_class_frequencies, sample_federated_classes
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier, with_background
from detic.vocabulary.embedding_file import read_embeddings
from detic.vocabulary.model_classes import random_embeddings
from detic.vocabulary.text_encoder import build_text_encoder

__all__ = [
    "BOX_LOSSES",
    "AnnotationKind",
    "AugmentationParams",
    "Boxes",
    "Buckets",
    "CfgNode",
    "DatasetCatalog",
    "EfficientDetResizeCrop",
    "Epoch",
    "EvaluationMapper",
    "EventStorage",
    "FocalParams",
    "ImageReader",
    "Instances",
    "MapperParams",
    "MetadataCatalog",
    "PolygonMasks",
    "ShapeSpec",
    "StrideReader",
    "T",
    "TargetParams",
    "TrainMapper",
    "TrainSources",
    "ZeroShotClassifier",
    "base_config",
    "build_model",
    "build_parameterwise_optimizer",
    "build_test_augmentations",
    "build_text_encoder",
    "build_train_augmentations",
    "build_train_mapper",
    "compute_grids",
    "dataset_weights",
    "dense_targets",
    "get_cfg",
    "heatmap_focal_loss",
    "load_class_frequencies",
    "load_lvis_style_json",
    "positive_cells",
    "random_embeddings",
    "read_embeddings",
    "repeat_factors",
    "sample_federated_classes",
    "source_and_shape_buckets",
    "tag_repeat_factors",
    "weighted_draw",
    "with_background",
]


def base_config() -> CfgNode:
    """Return the keys of the published recipes with their defaults."""
    cfg = get_cfg()
    add_centernet_config(cfg)
    add_detic_config(cfg)
    return cfg
