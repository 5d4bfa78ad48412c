"""The recipe that teaches a detector one's own classes."""

import shlex
import sys
from pathlib import Path

from detectron2.config import CfgNode

from detic.config import class_count_key, is_deformable_detr, is_zero_shot
from detic.errors import InputError
from detic.files import write_json, write_text
from detic.own_data.annotated import TRAIN, VAL
from detic.own_data.conversion import LABELS, OwnFiles
from detic.own_data.derivation import DataFacts, MachineFacts, Setting, derive
from detic.own_data.facts import (
    MY_BOXES,
    MY_IMAGES,
    MY_VAL,
    SQUARE_RESIZES,
    data_facts,
    detector_facts,
)
from detic.own_data.recipe_file import recipe_text
from detic.own_data.replay import Replay, replay_of
from detic.paths import RESOURCES
from detic.recipes import load_recipe
from detic.released_models import ReleasedModel
from detic.vocabulary import Vocabulary
from detic.vocabulary.model_classes import KEY
from detic.vocabulary.names import as_file_items, join_vocabularies

RECIPE, VOCABULARY, OWN_CLASSES = "recipe.yaml", "vocabulary.json", "own_classes.json"
TRAINING = "training"  # the folder of the training, in that of the recipe


def write_recipe(
    folder: Path,
    model: ReleasedModel,
    files: OwnFiles,
    machine: MachineFacts,
    *,
    replayed: tuple[str, ...] | None,
    passes: float,
    weights: str,
) -> None:
    """Write the recipe that teaches a detector, and its vocabulary.

    Args:
        folder: where they go.
        replayed: datasets to train on again; None: those of the detector that are on this machine.
        passes: over the images of the largest source.
        weights: of the detector.

    Raises:
        InputError: the detector has a closed vocabulary, or no source has boxes.
    """
    cfg = load_recipe(model.recipe)
    if is_deformable_detr(cfg) or not is_zero_shot(cfg):
        raise InputError(f"{model.name} cannot learn classes by name; choose another --model")
    replay = replay_of(cfg, replayed)
    own = files.classes.names
    vocabulary = join_vocabularies([*replay.vocabularies(), Vocabulary.from_names(own)])
    write_json(folder / VOCABULARY, as_file_items(vocabulary))
    write_json(folder / OWN_CLASSES, list(own))
    data = data_facts(files, replay, len(vocabulary))
    settings = [
        *_of_detector(model, cfg, weights),
        *_of_classes(cfg, folder / VOCABULARY, len(vocabulary)),
        *_of_data(cfg, files, replay, data),
        *derive(data, detector_facts(cfg), machine, passes),
        Setting("OUTPUT_DIR", str(folder / TRAINING)),
    ]
    heading = _heading(model, files, replay)
    write_text(folder / RECIPE, recipe_text(_base(model.recipe), settings, heading))


def _base(recipe: Path) -> str:
    """Return a recipe as another one names it: as in a checkout, if it comes with the project."""
    inside = recipe.is_relative_to(RESOURCES)
    return str(recipe.relative_to(RESOURCES) if inside else recipe.resolve())


def _heading(model: ReleasedModel, files: OwnFiles, replay: Replay) -> str:
    classes = files.classes
    lines = [
        f"{model.name} learns {len(classes.with_boxes)} classes with boxes and "
        f"{len(classes.without_boxes)} without.",
        "Replayed: " + (", ".join(s.name for s in replay.training.values()) or "nothing") + ".",
        "Made by: " + shlex.join(["detic", *sys.argv[1:]]),
        "Edit it, and train it: detic train --config-file FILE",
    ]
    return "\n".join(lines)


def _of_detector(model: ReleasedModel, cfg: CfgNode, weights: str) -> list[Setting]:
    origin = f"from {model.url}" if model.url else ""
    settings = [Setting("MODEL.WEIGHTS", weights, origin)]
    if model.text_weights is not None:
        encoder = str(model.text_weights)
        settings.append(Setting("MODEL.TEXT_ENCODER.WEIGHTS", encoder, "embeds the class names"))
    if cfg.MODEL.DYNAMIC_CLASSIFIER:
        why = "for tens of thousands of classes"
        settings.append(Setting("MODEL.DYNAMIC_CLASSIFIER", False, why))
        settings.append(Setting("MODEL.ROI_BOX_HEAD.USE_FED_LOSS", True))
    return settings


def _of_classes(cfg: CfgNode, vocabulary: Path, count: int) -> list[Setting]:
    return [
        Setting(class_count_key(cfg), count, f"names in {vocabulary.name}, old ones first"),
        Setting(KEY, str(vocabulary)),
        Setting("MODEL.ROI_BOX_HEAD.IGNORE_ZERO_CATS", False, "classes without boxes learn too"),
        Setting("MODEL.RESET_CLS_TESTS", False, "all test sets are searched for all classes"),
        Setting("TEST.VOCABULARIES", []),
    ]


def _of_data(cfg: CfgNode, files: OwnFiles, replay: Replay, data: DataFacts) -> list[Setting]:
    keys = {TRAIN: MY_BOXES, VAL: MY_VAL, LABELS: MY_IMAGES}
    entries = [
        {
            "name": name,
            "format": "lvis" if key == LABELS else "coco",
            "annotations": str(files.paths[key]),
            "images": str(files.image_root),
        }
        for key, name in keys.items()
        if key in files.paths
    ]
    old = replay.training | replay.test
    entries += [{"name": name, "dataset": spec.name} for name, spec in old.items()]
    has_labels = any(source.kind.has_image_labels for source in data.sources)
    settings = [
        Setting("DATALOADER.BOX_SOURCES", entries),
        Setting("DATALOADER.IMAGE_SOURCES", []),
        Setting("DATALOADER.SAMPLER_TRAIN", "MultiDatasetSampler", "draws sources by their shares"),
        Setting("DATALOADER.MULTI_DATASET_GROUPING", True, "a batch is of one source"),
        Setting("DATALOADER.USE_DIFF_BS_SIZE", True),
        Setting("DATALOADER.FILTER_EMPTY_ANNOTATIONS", False, "images that show nothing teach too"),
        Setting("WITH_IMAGE_LABELS", has_labels),
        Setting("SOLVER.LR_SCHEDULER_NAME", "WarmupCosineLR"),
    ]
    if cfg.INPUT.CUSTOM_AUG not in SQUARE_RESIZES:
        settings.append(Setting("INPUT.CUSTOM_AUG", "ResizeShortestEdge"))
    return settings
