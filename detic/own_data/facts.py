"""The facts that a recipe is derived from: of the data, the detector and the machine."""

import math
import os

import torch
from detectron2.config import CfgNode

from detic.annotation import AnnotationKind
from detic.engine.host_memory import available_bytes
from detic.errors import InputError
from detic.loading.training_data import load_dataset
from detic.own_data.annotated import TRAIN, VAL
from detic.own_data.conversion import LABELS, OwnFiles
from detic.own_data.derivation import DataFacts, DetectorFacts, MachineFacts, SourceFacts
from detic.own_data.replay import Replay
from detic.vocabulary.names import loose_name

BOX, IMAGE = AnnotationKind.BOX, AnnotationKind.IMAGE
MY_BOXES, MY_IMAGES, MY_VAL = "my_boxes", "my_images", "my_val"  # in DATASETS
DEFAULT_MEMORY = 4 * 2**30  # bytes, where the system does not say
SQUARE_RESIZES = ("EfficientDetResizeCrop", "LargeScaleJitter")


def machine_facts(num_gpus: int) -> MachineFacts:
    """Return what this machine has to train on."""
    memory = torch.cuda.mem_get_info()[0] if num_gpus else available_bytes()
    return MachineFacts(memory or DEFAULT_MEMORY, num_gpus, os.cpu_count() or 1)


def detector_facts(cfg: CfgNode) -> DetectorFacts:
    """Return how a detector was trained, as its recipe says."""
    side_px, resizing = _resizing(cfg)
    return DetectorFacts(
        base_lr=cfg.SOLVER.BASE_LR,
        batch=cfg.SOLVER.IMS_PER_BATCH,
        is_adaptive=cfg.SOLVER.OPTIMIZER == "ADAMW",
        num_federated=cfg.MODEL.ROI_BOX_HEAD.FED_LOSS_NUM_CAT,
        num_workers=cfg.DATALOADER.NUM_WORKERS,
        side_px=side_px,
        resizing=resizing,
    )


def _resizing(cfg: CfgNode) -> tuple[int, dict[str, dict[AnnotationKind, object]]]:
    """Return the side of images with boxes in pixels, and the keys that resize by kind of source.

    Images with labels are of half the side where the recipe knows none.
    """
    node = cfg.DATALOADER
    kinds = list(node.DATASET_ANN) if node.USE_DIFF_BS_SIZE else []

    def of_kinds(key: str, for_boxes: object, for_images: object) -> dict:
        known = dict(zip(map(AnnotationKind, kinds), node[key], strict=False))
        return {BOX: known.get(BOX, for_boxes), IMAGE: known.get(IMAGE, for_images)}

    if cfg.INPUT.CUSTOM_AUG in SQUARE_RESIZES:
        side = cfg.INPUT.TRAIN_SIZE
        sizes = of_kinds("DATASET_INPUT_SIZE", side, side // 2)
        scales = of_kinds("DATASET_INPUT_SCALE", list(cfg.INPUT.SCALE_RANGE), [0.5, 1.5])
        scales = {kind: list(scale) for kind, scale in scales.items()}
        return sizes[BOX], {"DATASET_INPUT_SIZE": sizes, "DATASET_INPUT_SCALE": scales}
    shorter, longer = list(cfg.INPUT.MIN_SIZE_TRAIN), cfg.INPUT.MAX_SIZE_TRAIN
    mins = of_kinds("DATASET_MIN_SIZES", shorter, [side // 2 for side in shorter])
    maxs = of_kinds("DATASET_MAX_SIZES", longer, longer // 2)
    mins = {kind: list(sides) for kind, sides in mins.items()}
    side = round(math.sqrt(max(mins[BOX]) * maxs[BOX]))
    return side, {"DATASET_MIN_SIZES": mins, "DATASET_MAX_SIZES": maxs}


def data_facts(files: OwnFiles, replay: Replay, num_classes: int) -> DataFacts:
    """Return what there is to learn from.

    Args:
        files: of one's own data.
        replay: what the detector was trained on before.
        num_classes: own and old ones.

    Raises:
        InputError: no source has boxes, or there is nothing to evaluate on.
    """
    own = {TRAIN: (MY_BOXES, BOX), LABELS: (MY_IMAGES, IMAGE)}
    sources = [
        SourceFacts(*own[key], num_images=files.num_images[key])
        for key in own
        if key in files.paths
    ]
    classes = {loose_name(name) for name in files.num_boxes}
    for name, spec in replay.training.items():
        records = load_dataset(spec.name)
        repeats_rare = spec.kind is BOX and spec.vocabulary == "lvis"
        sources.append(SourceFacts(name, spec.kind, len(records), False, repeats_rare))
        if spec.kind is BOX:
            names = replay.vocabulary(spec).names
            classes |= {loose_name(names[c]) for c in set(records.box_labels().classes.tolist())}
    if not classes:
        raise InputError(
            "the data label whole images and have no boxes; a detector learns from both, so add data "
            "with boxes, or replay some with --replay"
        )
    tests = ([MY_VAL] if VAL in files.paths else []) + list(replay.test)
    if not tests:
        raise InputError(
            "no image with boxes is left to evaluate on, and no test set of the detector is on this "
            "machine; name data to validate on with --val"
        )
    return DataFacts(tuple(sources), tuple(tests), num_classes, len(classes))
