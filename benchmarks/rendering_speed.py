"""Measure how long drawing detections takes.

    python benchmarks/rendering_speed.py
    python benchmarks/rendering_speed.py --instances 200 --size 1920x1080 --save crowd.png

Target: 20 instances with masks, boxes and labels on 640 x 480 in less than 30 ms.
"""

import argparse
import statistics
import time

import cv2
import numpy as np

from detic.detections import Detections
from detic.rendering import DrawStyle, draw

NAMES = ("person", "car", "dog", "cat", "traffic light", "remote control", "café table", "猫")


def random_detections(count: int, size_hw: tuple[int, int], seed: int = 0) -> Detections:
    """Return detections with wavy masks, smaller the more there are."""
    rng = np.random.default_rng(seed)
    largest = min(0.4, 1.8 / count**0.5)
    masks = np.stack([_wavy_mask(size_hw, largest, rng) for _ in range(count)])
    boxes = [_bounds(mask) for mask in masks]
    labels = rng.integers(len(NAMES), size=count)
    return Detections(
        boxes_xyxy=np.array(boxes, np.float32),
        scores=np.sort(rng.uniform(0.5, 1, count).astype(np.float32))[::-1],
        labels=labels,
        names=np.array(NAMES)[labels],
        image_size_hw=size_hw,
        masks=masks,
    )


def _wavy_mask(size_hw: tuple[int, int], largest: float, rng: np.random.Generator) -> np.ndarray:
    size_wh = np.array(size_hw[::-1])
    radii = size_wh * rng.uniform(0.3 * largest, largest, 2) / 2
    centre = rng.uniform(radii, size_wh - radii)
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    waves = 0.9 + 0.1 * np.sin(3 * angles + rng.uniform(0, 6))
    outline = centre + radii * waves[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    mask = np.zeros(size_hw, np.uint8)
    cv2.fillPoly(mask, [outline.round().astype(np.int32)], 1)
    return mask.astype(bool)


def _bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return x, y, x + width, y + height


def measure(image: np.ndarray, detections: Detections, style: DrawStyle, rounds: int) -> float:
    """Return the median time of one drawing in milliseconds."""
    draw(image, detections, style)
    times_ms = []
    for _ in range(rounds):
        start = time.perf_counter()
        draw(image, detections, style)
        times_ms.append(1000 * (time.perf_counter() - start))
    return statistics.median(times_ms)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instances", type=int, default=20, help="objects of the image")
    parser.add_argument("--size", default="640x480", help="WIDTHxHEIGHT of the image")
    parser.add_argument("--rounds", type=int, default=30, help="drawings timed; the median counts")
    parser.add_argument("--threads", type=int, default=1, help="of OpenCV")
    parser.add_argument("--save", metavar="FILE", help="write the image, to look at it")
    args = parser.parse_args()

    cv2.setNumThreads(args.threads)
    width, height = map(int, args.size.split("x"))
    ramp = np.linspace(40, 200, width, dtype=np.uint8)
    image = np.repeat(np.tile(ramp, (height, 1))[..., None], 3, axis=2)
    detections = random_detections(args.instances, (height, width))
    styles = {
        "masks, boxes, labels": DrawStyle(),
        "masks": DrawStyle(boxes=False, labels=False),
        "boxes, labels": DrawStyle(masks=False),
    }
    print(f"{args.instances} instances on {args.size}, {args.threads} thread(s), median ms:")
    for name, style in styles.items():
        print(f"  {name:<22}{measure(image, detections, style, args.rounds):6.1f}")
    if args.save:
        cv2.imwrite(args.save, draw(image, detections))


if __name__ == "__main__":
    main()
