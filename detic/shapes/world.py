"""Draw the images of the embedded benchmark and write their annotation files.

    python -m detic.shapes.world --root datasets --seed 0

writes, in about a quarter of a minute on one core:

    datasets/shapes/train/000001.jpg ...           scenes to train on
    datasets/shapes/val/000001.jpg ...             scenes to evaluate on
    datasets/shapes/labels/red_star/0001.jpg ...   images of one class each
    datasets/shapes/annotations/{train,train_norare,val,labels}.json
    datasets/shapes/annotations/train_norare_cat_info.json   class frequencies, novel classes zero
    datasets/shapes/world.json                     what the world was made from

File names in the annotation files are relative to ``datasets/shapes``.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

import cv2

from detic.errors import InputError
from detic.files import unfinished_folder, write_json
from detic.preparation.lvis_variants import count_classes, without_rare
from detic.progress import track
from detic.shapes.annotation import category, document, with_novel_as_rare
from detic.shapes.classes import check_nouns
from detic.shapes.images import (
    TRAIN_SPLIT,
    VAL_SPLIT,
    write_label_image,
    write_scene,
)
from detic.shapes.nouns import BENCHMARK_NOUNS
from detic.shapes.world_spec import FOLDER, MANIFEST, WorldSpec, read_world_spec
from detic_commands.data import shapes
from detic_commands.running import run

logger = logging.getLogger("detic.shapes.world")  # also when run with python -m


def generate_world(
    root: str | os.PathLike,
    seed: int,
    train_images: int = 1000,
    val_images: int = 200,
    labels_per_class: int = 30,
    *,
    nouns: Sequence[str] = BENCHMARK_NOUNS,
    workers: int = 1,
    progress: bool = True,
    overwrite: bool = False,
) -> Path:
    """Draw a world, unless it is there already; return its folder, ``<root>/shapes``.

    Args:
        root: the datasets root.
        seed: decides everything that is drawn.
        train_images: number of scenes to train on.
        val_images: number of scenes to evaluate on.
        labels_per_class: number of label images of each class.
        nouns: two or more of ``detic.shapes.nouns.ALL_NOUNS``.
        workers: processes that draw; with one, everything happens in this process.
        progress: whether to show progress bars.
        overwrite: whether to replace a world that was made from other arguments.

    Raises:
        InputError: a noun is unknown, a number is not positive, or the folder holds something
            else and is not to be overwritten.
    """
    spec = WorldSpec(seed, train_images, val_images, labels_per_class, tuple(nouns))
    _check(spec, workers)
    folder = Path(root) / FOLDER
    if folder.exists() and _is_finished(folder, spec, overwrite):
        logger.info("%s is complete, nothing to draw", folder)
        return folder
    with unfinished_folder(folder) as unfinished:
        _draw_world(unfinished, spec, workers, progress)
        if folder.exists():
            shutil.rmtree(folder)
    logger.info("drew %d classes into %s", len(spec.classes), folder)
    return folder


def _check(spec: WorldSpec, workers: int) -> None:
    check_nouns(spec.nouns)
    if spec.seed < 0:
        raise InputError(f"seed must be 0 or more, got {spec.seed}")
    numbers = {**asdict(spec), "workers": workers}
    for name in ("train_images", "val_images", "labels_per_class", "workers"):
        if numbers[name] < 1:
            raise InputError(f"{name} must be 1 or more, got {numbers[name]}")


def _is_finished(folder: Path, spec: WorldSpec, overwrite: bool) -> bool:
    """Return whether the folder holds this very world; refuse to replace anything else unasked."""
    if not (folder / MANIFEST).is_file():
        raise InputError(
            f"{folder} exists but is no shapes world; move it away or use another root"
        )
    found = read_world_spec(folder.parent)
    if found == spec:
        return True
    if overwrite:
        return False
    differing = ", ".join(
        f"{name} {getattr(found, name)} instead of {value}"
        for name, value in vars(spec).items()
        if getattr(found, name) != value
    )
    raise InputError(
        f"{folder} holds another world ({differing}); use another root, or overwrite=True "
        f"(--overwrite) to replace it"
    )


def _draw_world(root: Path, spec: WorldSpec, workers: int, progress: bool) -> None:
    """Write all files of the world below ``root``, the manifest last."""
    shared = {"root": root, "seed": spec.seed, "nouns": spec.nouns}

    def drawn(parallel_map: Callable, write: Callable, name: str, count: int) -> list:
        entries = parallel_map(partial(write, **shared), range(1, count + 1))
        label = f"{FOLDER}/{name}"
        return list(track(entries, description=label, total=count, unit="image", show=progress))

    write_train = partial(write_scene, split=TRAIN_SPLIT)
    write_val = partial(write_scene, split=VAL_SPLIT)
    write_label = partial(write_label_image, per_class=spec.labels_per_class)
    with _parallel_map(workers) as parallel_map:
        train = drawn(parallel_map, write_train, "train", spec.train_images)
        val = drawn(parallel_map, write_val, "val", spec.val_images)
        num_labels = len(spec.classes) * spec.labels_per_class
        labels = drawn(parallel_map, write_label, "labels", num_labels)
    for name, content in _documents(spec, _joined(train), _joined(val), labels).items():
        write_json(root / "annotations" / f"{name}.json", content)
    write_json(root / MANIFEST, asdict(spec))


@contextmanager
def _parallel_map(workers: int) -> Iterator[Callable]:
    """Yield a map whose calls are shared by the given number of processes, results in order."""
    if workers == 1:
        yield map
        return
    # Fresh processes rather than forks: a fork may inherit locks held by other threads.
    pool = ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
    )
    with pool:
        yield partial(pool.map, chunksize=16)


def _joined(scenes: list[tuple[dict, list[dict]]]) -> tuple[list[dict], list[dict]]:
    """Return the image entries of all scenes, and their annotations in one list."""
    return [image for image, _ in scenes], list(chain.from_iterable(rows for _, rows in scenes))


def _documents(
    spec: WorldSpec,
    train: tuple[list[dict], list[dict]],
    val: tuple[list[dict], list[dict]],
    label_images: list[dict],
) -> dict[str, dict | list[dict]]:
    """Return the annotation files by name.

    Letters and counts are those of the training scenes in all files but two: ``labels`` counts its
    own images, and ``train_norare_cat_info`` counts without the novel classes' boxes.
    """
    bare = [category(shape_class) for shape_class in spec.classes]
    counted = count_classes({"categories": bare, "annotations": train[1]})
    train_document = document(with_novel_as_rare(counted, spec.classes), *train)
    categories = train_document["categories"]
    norare = without_rare(train_document)
    label_categories = [{**entry, "image_count": spec.labels_per_class} for entry in categories]
    return {
        "train": train_document,
        "train_norare": norare,
        "train_norare_cat_info": count_classes(norare),
        "val": document(categories, *val),
        "labels": document(label_categories, label_images, []),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw a world as the command line says."""
    parser = shapes.argument_parser("python -m detic.shapes.world")
    run(shapes.main, parser.parse_args(arguments))


if __name__ == "__main__":
    main()
