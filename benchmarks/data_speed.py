"""Measure how many images one core decodes, augments and turns into training targets.

    python benchmarks/data_speed.py --images 200

The images are 640 x 480 JPEG files with annotations made up after LVIS (see data_memory.py). Times
are CPU times of one thread, so other programs on the machine matter little.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from data_memory import build_mapper, lvis_like_records, write_image
from PIL import Image
from tabulate import tabulate

from detic.loading.augmentation import EfficientDetResizeCrop
from detic.loading.image_augmentation import augment
from detic.loading.image_reader import shape_only


@dataclass(frozen=True)
class Setting:
    """One of the recipes' ways to make examples."""

    name: str
    size: int  # pixels
    scale: tuple[float, float]
    mask_format: str


SETTINGS = (
    Setting("boxes, 640 px", 640, (0.1, 2.0), "polygon"),
    Setting("boxes, 640 px, bitmasks", 640, (0.1, 2.0), "bitmask"),
    Setting("boxes, 896 px", 896, (0.1, 2.0), "polygon"),
    Setting("labels, 320 px", 320, (0.5, 1.5), "polygon"),
)


def cpu_ms(function: Callable, arguments: Sequence) -> float:
    """Return the CPU time of one call in milliseconds, the best of three rounds."""
    rounds = []
    for _ in range(3):
        np.random.seed(0)
        started = time.process_time()
        for argument in arguments:
            function(argument)
        rounds.append((time.process_time() - started) / len(arguments) * 1000)
    return min(rounds)


def measure_setting(setting: Setting, records: Sequence[dict]) -> list:
    """Return a row of the table: the parts of the work, the whole, and images per second."""
    mapper = build_mapper(setting.size, setting.scale)
    mapper.mask_format = setting.mask_format
    if setting.name.startswith("labels"):
        records = [record | {"annotations": []} for record in records]
    image = mapper.read_image.decode(records[0])
    decode = cpu_ms(mapper.read_image.decode, records)
    steps = mapper.augmentations[0]
    augmented = cpu_ms(lambda _: augment(image, steps, "RGB"), records)
    whole = cpu_ms(mapper, records)
    return [setting.name, decode, augmented, whole - decode - augmented, whole, 1000 / whole]


def measure_bound(setting: Setting, content: bytes, repetitions: int) -> list:
    """Return a row of the table for what no loader can do without: decoding and resizing."""
    jitter = EfficientDetResizeCrop(setting.size, setting.scale)

    def decode(_: int) -> Image.Image:
        image = Image.open(io.BytesIO(content))
        image.load()
        return image

    def resize(image: Image.Image) -> Image.Image:
        return jitter.get_transform(shape_only(image)).resize_window(image)

    decoded = cpu_ms(decode, range(repetitions))
    whole = cpu_ms(lambda number: resize(decode(number)), range(repetitions))
    name = f"{setting.size} px, decoded and resized alone"
    return [name, decoded, whole - decoded, 0, whole, 1000 / whole]


def measure_draft(content: bytes, repetitions: int) -> list[list]:
    """Return rows with the decoding time at full and at reduced resolution."""

    def decode(divisor: int) -> np.ndarray:
        image = Image.open(io.BytesIO(content))
        image.draft("RGB", (image.width // divisor, image.height // divisor))
        return np.asarray(image)

    return [[f"1/{d}", cpu_ms(decode, [d] * repetitions)] for d in (1, 2, 4)]


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=200, help="number of images")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.jpg"
        write_image(image)
        records = [
            record | {"dataset_source": 0}
            for record in lvis_like_records(arguments.images, str(image))
        ]
        content = image.read_bytes()
        rows = [measure_setting(setting, records) for setting in SETTINGS]
        rows += [measure_bound(SETTINGS[i], content, arguments.images) for i in (0, 3)]
        columns = ["setting", "decode ms", "resize, flip ms", "targets ms", "total ms", "images/s"]
        print(tabulate(rows, columns, floatfmt=".1f"))
        draft = measure_draft(content, arguments.images)
        print(tabulate(draft, ["JPEG decoded at", "ms"], floatfmt=".1f"))


if __name__ == "__main__":
    main()
