"""Measure what detection in tiles needs for a large image: peak memory, time, objects found.

    python benchmarks/large_images.py
    python benchmarks/large_images.py --side 4096 --formats ppm png jpg --no-masks

The image is a mosaic of the scene of the documents, each scene enlarged to a tile's side, so that the
number of its objects is known. Each format is measured in a process of its own.

Target: 20 000 x 20 000 pixels in at most 4 GB.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SCENE = ROOT / "docs" / "pictures" / "scene.png"
NAMES = ["green gear", "yellow mug", "red star", "blue boat", "purple umbrella", "yellow key"]
FORMATS = ("ppm", "tif", "png", "jpg")
LARGEST = "DETIC_MAX_IMAGE_PIXELS"


def write_mosaic(path: Path, side_px: int, scene_px: int) -> None:
    """Write an image of ``side_px`` x ``side_px`` pixels, row of scenes by row of scenes."""
    from PIL import Image

    scene = cv2.resize(cv2.imread(str(SCENE))[:, :, ::-1], (scene_px, scene_px))
    row = Image.fromarray(np.tile(scene, (1, -(-side_px // scene_px), 1))[:, :side_px])
    mosaic = Image.new("RGB", (side_px, side_px))
    for y in range(0, side_px, scene_px):
        mosaic.paste(row, (0, y))
    mosaic.save(path, **({"compress_level": 1} if path.suffix == ".png" else {}))


def measure(path: Path, tile_px: int, masks: bool) -> dict:
    """Return what the detection in a file took, in this process."""
    import torch

    from detic import Detector

    torch.set_num_threads(1)
    options = {"device": "cpu", "score_threshold": 0.3, "masks": masks}
    detector = Detector.from_pretrained("shapes-detic", NAMES, **options)
    before = peak_mib()
    start, start_cpu = time.perf_counter(), time.process_time()
    found = detector(path, tiles=tile_px)
    mask_bytes = 0 if found.masks is None else sum(len(m["counts"]) for m in _coded(found.masks))
    return {
        "objects": len(found),
        "masks": type(found.masks).__name__,
        "coded_mask_bytes": mask_bytes,
        "wall_s": round(time.perf_counter() - start, 1),
        "cpu_s": round(time.process_time() - start_cpu, 1),
        "detector_mib": before,
        "peak_mib": peak_mib(),
    }


def _coded(masks) -> list[dict]:
    from detic.result_rows import encoded_masks

    return encoded_masks(masks)


def peak_mib() -> int:
    """Return the most memory that this process has held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def in_a_process(*arguments: object) -> str:
    """Return what this script prints, called with other arguments."""
    limit = {LARGEST: str(10**10)}
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(
        command, env=os.environ | limit | paths, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--side", type=int, default=20_000, help="of the image, pixels")
    parser.add_argument("--tile", type=int, default=1024, help="side of tiles and scenes, pixels")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=["ppm", "png"])
    parser.add_argument("--no-masks", action="store_true", help="boxes alone")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)  # in a process of its own
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.write is not None:
        write_mosaic(args.write, args.side, args.tile)
    elif args.measure is not None:
        print(json.dumps(measure(args.measure, args.tile, not args.no_masks)))
    else:
        _compare(args)


def _compare(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for suffix in args.formats:
            path = Path(folder, f"mosaic.{suffix}")
            common = ("--side", args.side, "--tile", args.tile)
            in_a_process(*common, "--write", path)
            size_mb = path.stat().st_size // 10**6
            flags = ["--no-masks"] if args.no_masks else []
            print(
                suffix, f"{size_mb} MB:", in_a_process(*common, *flags, "--measure", path).strip()
            )
            path.unlink()


if __name__ == "__main__":
    main()
