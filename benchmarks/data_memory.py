"""Measure how much memory the training loader needs beside its list of images.

    python benchmarks/data_memory.py --images 100000 --workers 8 --start-method fork

The images are made up after LVIS: 12.7 annotations each, polygons of 50 points on average. All share
one JPEG file, so the disk does not matter. Memory is what the processes have of their own, and what
the whole machine has shared: batches on their way belong to no process. Nothing else should run.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from detectron2.data import DatasetCatalog
from detectron2.data import transforms as T
from detectron2.structures import BoxMode
from PIL import Image

from detic.annotation import AnnotationKind
from detic.loading.augmentation import EfficientDetResizeCrop
from detic.loading.build import TrainData, build_train_loader
from detic.loading.image_reader import ImageReader
from detic.loading.loader import TrainLoader
from detic.loading.mapper import TrainMapper
from detic.recipes import default_config

MIB = 2**20
ANNOTATIONS_PER_IMAGE = 12.7  # LVIS v1 training set: 1.27 million in 100 170 images
POINTS_PER_POLYGON = 50
NUM_CLASSES = 1203
LIST_NAME = "detic-arrays"  # of the records' memory, in /proc


def lvis_like_records(count: int, file_name: str, seed: int = 0) -> Iterator[dict]:
    """Yield made-up records of 640 x 480 images."""
    rng = np.random.default_rng(seed)
    for image_id in range(count):
        annotations = [_annotation(rng) for _ in range(rng.poisson(ANNOTATIONS_PER_IMAGE))]
        yield {
            "file_name": file_name,
            "height": 480,
            "width": 640,
            "image_id": image_id,
            "neg_category_ids": rng.integers(0, NUM_CLASSES, 6).tolist(),
            "not_exhaustive_category_ids": [],
            "annotations": annotations,
        }


def _annotation(rng: np.random.Generator) -> dict:
    size = rng.uniform(10, 200, 2)
    corner = rng.uniform(0, (640, 480) - size)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 3 + rng.poisson(POINTS_PER_POLYGON - 3)))
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = corner + size / 2 * (1 + circle * rng.uniform(0.7, 1, (len(angles), 1)))
    return {
        "bbox": [*corner.round(2).tolist(), *size.round(2).tolist()],
        "bbox_mode": BoxMode.XYWH_ABS,
        "category_id": int(rng.integers(NUM_CLASSES)),
        "segmentation": [points.round(2).reshape(-1).tolist()],
    }


def write_image(path: Path) -> None:
    """Write a 640 x 480 JPEG file with some texture, about as large as those of COCO."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((640, 480), Image.Resampling.BICUBIC)).astype(int)
    noisy = (smooth + rng.integers(-12, 13, smooth.shape)).clip(0, 255)
    Image.fromarray(noisy.astype(np.uint8)).save(path, quality=90)


def build_mapper(size: int, scale: tuple[float, float]) -> TrainMapper:
    """Return the mapper of the LVIS recipes."""
    return TrainMapper(
        read_image=ImageReader("RGB"),
        augmentations=[[EfficientDetResizeCrop(size, scale), T.RandomFlip()]],
        kinds=[AnnotationKind.BOX],
        mask_format="polygon",
    )


def memory_mib(processes: list[int]) -> tuple[float, float]:
    """Return the memory of processes outside and within the list of records, in MiB.

    A page that several processes share counts once. Files mapped from disk, such as libraries, are
    left out: other programs share them, so their part changes by itself.
    """
    memory = Path("/proc/meminfo").read_text().splitlines()
    total = next(_kib(line) for line in memory if line.startswith("Shmem:"))
    of_list = 0
    for process in processes:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        total += sum(_kib(line) for line in rollup if line.startswith("Pss_Anon"))
        in_list = False
        for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
            if not line.split()[0].endswith(":"):
                in_list = LIST_NAME in line
            elif in_list and line.startswith("Pss:"):
                of_list += _kib(line)
    return (total - of_list) / 1024, of_list / 1024


def _kib(line: str) -> int:
    return int(line.split()[1])


def build_loader(num_images: int, image: Path, arguments: argparse.Namespace) -> TrainLoader:
    """Return the loader of a recipe for boxes, over made-up images."""
    DatasetCatalog.register("made_up", lambda: list(lvis_like_records(num_images, str(image))))
    cfg = default_config()
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = NUM_CLASSES
    cfg.MODEL.MASK_ON = True
    cfg.INPUT.CUSTOM_AUG = "EfficientDetResizeCrop"
    cfg.DATASETS.TRAIN = ("made_up",)
    cfg.DATALOADER.SAMPLER_TRAIN = "RepeatFactorTrainingSampler"
    cfg.DATALOADER.REPEAT_THRESHOLD = 0.001
    cfg.DATALOADER.NUM_WORKERS = arguments.workers
    cfg.DATALOADER.START_METHOD = arguments.start_method
    cfg.DATALOADER.PREFETCH = arguments.prefetch
    cfg.SOLVER.IMS_PER_BATCH = arguments.batch_size
    data = TrainData.from_config(cfg, world_size=1)
    return build_train_loader(data, ranks=[0], world_size=1, seed=0)


def measure(arguments: argparse.Namespace) -> None:
    """Print what the loader needs when it is built and while it runs."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.jpg"
        write_image(image)
        before, _ = memory_mib([os.getpid()])
        started = time.perf_counter()
        loader = build_loader(arguments.images, image, arguments)
        seconds = time.perf_counter() - started
        built, of_list = memory_mib([os.getpid()])
        print(f"{len(loader.records)} images loaded in {seconds:.0f} s; before: {before:.0f} MiB")
        print(f"then: {built - before:+.0f} MiB and the list of images, {of_list:.0f} MiB")
        _run(loader, arguments.batches, before)


def _run(loader: TrainLoader, num_batches: int, before: float) -> None:
    batches = iter(loader)
    started = time.perf_counter()
    for done in range(1, num_batches + 1):
        batch = next(batches)
        if done % max(1, num_batches // 4) == 0:
            children = [child.pid for child in multiprocessing.active_children()]
            other, of_list = memory_mib([os.getpid(), *children])
            print(
                f"after {done} batches of {len(batch)}: {other - before:+.0f} MiB and the list, "
                f"{of_list:.0f} MiB"
            )
    print(f"{num_batches / (time.perf_counter() - started):.1f} batches/s")


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000, help="number of images")
    parser.add_argument("--workers", type=int, default=8, help="processes that read images")
    parser.add_argument("--start-method", default="fork", help="fork, forkserver or spawn")
    parser.add_argument("--prefetch", type=int, default=2, help="batches each worker reads ahead")
    parser.add_argument("--batch-size", type=int, default=8, help="images per batch")
    parser.add_argument("--batches", type=int, default=240, help="number of batches to read")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    measure(arguments)


if __name__ == "__main__":
    main()
