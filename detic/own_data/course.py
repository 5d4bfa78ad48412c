"""The whole course of ``detic train --data``: files, recipe, evaluation, training, report."""

import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from detic.commands import run_command
from detic.errors import InputError, some_of
from detic.evaluation.forgetting import (
    ForgettingReport,
    compare,
    read_evaluation,
    write_forgetting_report,
)
from detic.own_data.annotated import TRAIN, VAL, AnnotatedImage, in_split
from detic.own_data.conversion import LABELS, OwnClasses, OwnFiles, write_files
from detic.own_data.derivation import PASSES
from detic.own_data.facts import machine_facts
from detic.own_data.formats import read_export
from detic.own_data.recipe import OWN_CLASSES, RECIPE, TRAINING, VOCABULARY, write_recipe
from detic.released_models import ReleasedModel, find_model
from detic.vocabulary.names import loose_name

logger = logging.getLogger(__name__)

BEFORE = "before"  # the folder of the first evaluation
OLD, BOXES, OTHERS = "old classes", "new classes with boxes", "new classes without boxes"

PARTS = {TRAIN: "to train on", VAL: "to validate on", LABELS: "with labels"}


@dataclass(frozen=True)
class Order:
    """What is to be taught, and where."""

    data: tuple[Path, ...]  # files and folders of exports
    model: str  # the released detector to start from
    output: Path
    validation: Path | None = None  # an export to validate on; None: as the data say
    images: Path | None = None  # the folder of the images, where it is not with the data
    format: str | None = None  # of the data; None: the one that is recognised
    replay: tuple[str, ...] | None = None  # datasets; None: those of the detector that are here
    passes: float = PASSES  # over the images of the largest source
    num_gpus: int | None = None  # None: one, if there is one
    overrides: tuple[str, ...] = ()  # keys and values for evaluations and training
    dry_run: bool = False  # write the recipe, and end
    overwrite: bool = False


def teach(order: Order) -> None:
    """Read data, make a recipe, evaluate, train, and tell what was gained and lost.

    Raises:
        InputError: the data, the detector or the place of the output cannot be used; or a part of the
            course failed.
    """
    if not order.data:
        raise InputError("--data names no file or folder; name the export of an annotation tool")
    recipe = order.output / RECIPE
    _check_output(order, recipe)
    model = _released(order.model)
    num_gpus = order.num_gpus
    if num_gpus is None:
        num_gpus = int(torch.cuda.is_available())
    files = write_files(_read(order), order.output / "data")
    logger.info("your data: %s", summary(files))
    write_recipe(
        order.output,
        model,
        files,
        machine_facts(num_gpus),
        replayed=order.replay,
        passes=order.passes,
        weights=f"models/{model.file_name}" if order.dry_run else str(model.find_weights()),
    )
    common = ["--config-file", str(recipe), "--num-gpus", str(num_gpus)]
    if not order.dry_run:
        before = str(order.output / BEFORE)
        run_command("evaluate", *common, "OUTPUT_DIR", before, *order.overrides)
        run_command("train", *common, *order.overrides)
        _report(order.output, files.classes, "segm/AP" if files.has_masks else "bbox/AP")
    logger.info("%s", next_commands(order.output, common))


def _check_output(order: Order, recipe: Path) -> None:
    if "auto" in order.output.parts:
        raise InputError(
            f"--output {order.output} has a folder 'auto', which in recipes stands for their names; "
            "choose another"
        )
    if recipe.exists() and not order.overwrite:
        raise InputError(
            f"{recipe} exists and is kept; `detic train --config-file {recipe}` trains it, "
            "--overwrite makes it anew"
        )


def _released(name: str) -> ReleasedModel:
    model = find_model(name)
    if not isinstance(model, ReleasedModel):
        raise InputError(
            f"{name} is a saved detector, which does not say how it was trained; name a released one "
            "with --model, and your weights at the end of the line: MODEL.WEIGHTS FILE"
        )
    return model


def _read(order: Order) -> list[AnnotatedImage]:
    """Return the images of all exports; with one to validate on, the others train."""
    images = [
        image for place in order.data for image in read_export(place, order.images, order.format)
    ]
    if order.validation is None:
        return images
    training = [image for image in images if image.split in (TRAIN, None)]
    return in_split(training, TRAIN) + in_split(read_export(order.validation, order.images), VAL)


def summary(files: OwnFiles) -> str:
    """Return what is in files: how many images and classes, and the classes with fewest boxes."""
    parts = [f"{files.num_images.get(key, 0)} images {what}" for key, what in PARTS.items()]
    rarest = sorted(files.num_boxes.items(), key=lambda item: item[1])
    named = some_of([f"{name} ({count})" for name, count in rarest], 3)
    if files.classes.without_boxes:
        parts.append(f"{len(files.classes.without_boxes)} classes without boxes")
    return f"{', '.join(parts)}; {len(rarest)} classes with boxes, the rarest first: {named}"


def _report(output: Path, classes: OwnClasses, metric: str) -> None:
    report = forgetting(output, classes, metric)
    write_forgetting_report(report, output)
    logger.info("what was gained and lost:\n\n%s", report.as_markdown())


def forgetting(output: Path, classes: OwnClasses, metric: str) -> ForgettingReport:
    """Return what changed from the evaluation before to that after the training.

    Args:
        output: of the course.
        classes: one's own; all others are old.
        metric: a column of per_class.csv.
    """
    group_of = {loose_name(name): BOXES for name in classes.with_boxes}
    group_of |= {loose_name(name): OTHERS for name in classes.without_boxes}
    before = read_evaluation(output / BEFORE, metric)
    after = read_evaluation(output / TRAINING, metric)
    groups = {name: group_of.get(loose_name(name), OLD) for _, name in before}
    present = [group for group in (OLD, BOXES, OTHERS) if group in groups.values()]
    return compare(before, after, groups.__getitem__, metric, present)


def next_commands(output: Path, common: Sequence[str]) -> str:
    """Return what to do with the detector, as commands.

    Args:
        output: of the course.
        common: arguments that name the recipe and the device.
    """
    weights = ["MODEL.WEIGHTS", str(output / TRAINING / "model_final.pth")]
    recipe = list(common[:2])
    vocabulary = ["--vocabulary-file", str(output / VOCABULARY)]
    own = ["--vocabulary-file", str(output / OWN_CLASSES)]
    drawn = ["--input", "IMAGES", "--output", "drawn/"]
    commands = {
        "train, or go on where it was interrupted": ["train", *common, "--resume"],
        "evaluate": ["evaluate", *common, *weights],
        "find your classes": ["detect", *recipe, *drawn, *own, "--opts", *weights],
        "find all classes": ["detect", *recipe, *drawn, *vocabulary, "--opts", *weights],
    }
    if not (output / BEFORE).exists():
        before = ["OUTPUT_DIR", str(output / BEFORE)]
        commands = {"evaluate the detector as it is": ["evaluate", *common, *before]} | commands
    lines = [f"  # {what}\n  {shlex.join(['detic', *words])}" for what, words in commands.items()]
    python = (
        f"  # in Python\n  Detector.from_config({str(output / RECIPE)!r}, {weights[1]!r}, "
        f"vocabulary={own[1]!r})"
    )
    return "\n".join(["to go on:", *lines, python])
