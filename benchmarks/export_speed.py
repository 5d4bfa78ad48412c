"""Measure how long exported files take for an image, beside their detector.

    python benchmarks/export_speed.py --model shapes-detic --files shapes.onnx shapes.xml shapes.pt2
    python benchmarks/export_speed.py --config-file configs/Detic_LI_CLIP_R5021k_640b64_4x_ft4x_max-size.yaml \\
        --files detic.onnx detic.xml --size 480 640 --opts MODEL.WEIGHTS models/my_weights.pth

All take turns in one process, and the least time of all rounds counts. Masks are pasted into the image by
the same function. The ratio is that of the detector's time to the file's.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from detectron2.layers import paste_masks_in_image
from torch import Tensor

from detic import Detector
from detic.detections import from_instances
from detic.export.exported_detector import open_exported
from detic.export.verification import detect, typical_classes
from detic.images import read_image
from detic.modeling.build import DetectionModel
from detic.modeling.precision import PRECISIONS
from detic.modeling.request import DetectionRequest, RequestedClasses
from detic.modeling.roi_heads.classifier import class_columns
from detic.paths import resource
from detic.recipes import load_recipe
from detic.vocabulary.vocabulary import Vocabulary

# (image, class embeddings, thresholds) -> number of detections
Way = Callable[[Tensor, Tensor, Tensor], int]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="as of `detic export`")
    parser.add_argument("--config-file", help="recipe, in place of --model")
    parser.add_argument("--files", nargs="+", type=Path, required=True, help="exported files")
    parser.add_argument("--size", nargs=2, type=int, default=(128, 171), help="height, width")
    parser.add_argument("--detections", nargs="+", type=int, default=(17, 300))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--bf16", action="store_true", help="also bf16 of the detector and OpenVINO"
    )
    parser.add_argument("--opts", nargs=argparse.REMAINDER, default=[], help="keys and values")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    detector = build(args)
    scene = read_image(resource("docs/pictures/scene.png"), "RGB")
    image = torch.from_numpy(cv2.resize(scene, tuple(args.size[::-1])))
    classes = typical_classes(detector.model, image, detector.vocabulary_reader.embedding_dim)
    ways = dict(all_ways(detector.model, args.files, args.bf16))
    for count in args.detections:
        thresholds = torch.full(
            (len(classes),), threshold_for(detector.model, image, classes, count)
        )
        report(ways, (image, classes, thresholds), args.rounds)


def build(args: argparse.Namespace) -> Detector:
    if args.model:
        return Detector.from_pretrained(args.model, ["any"], device="cpu")
    cfg = load_recipe(args.config_file, args.opts)
    width = cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_DIM
    classes = Vocabulary.from_names(["any"]).with_embeddings(torch.ones(1, width))
    return Detector.from_config(
        args.config_file, cfg.MODEL.WEIGHTS, classes, device="cpu", overrides=args.opts
    )


def all_ways(
    model: DetectionModel, files: list[Path], with_bf16: bool
) -> Iterator[tuple[str, Way]]:
    """Yield the detector, then the files, each by what it is called."""
    for precision in ("fp32", "bf16")[: 1 + with_bf16]:
        yield f"detector {precision}", partial(run_detector, model, precision)
    for file in files:
        yield file.name, partial(run_exported, open_exported(file).run)
        if with_bf16 and file.suffix == ".xml":
            yield f"{file.name} bf16", partial(run_exported, open_openvino_bf16(file))


def open_openvino_bf16(file: Path) -> Callable:
    import openvino

    hints = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.Core().compile_model(file, "CPU", hints)

    def run(image, class_embeddings, thresholds):
        found = compiled([image, class_embeddings, thresholds])
        return {output.any_name: found[output] for output in compiled.outputs}

    return run


def run_detector(
    model: DetectionModel, precision: str, image: Tensor, classes: Tensor, thresholds: Tensor
) -> int:
    columns = class_columns(model.classifier, classes)
    request = DetectionRequest(
        RequestedClasses(columns, thresholds),
        region_embeddings=True,
        precision=PRECISIONS[precision],
    )
    height, width = image.shape[:2]
    inputs = [{"image": image.permute(2, 0, 1), "height": height, "width": width}]
    found = model.inference(inputs, request)[0]["instances"]
    return len(from_instances(found, np.array([str(i) for i in range(len(classes))])))


def run_exported(run: Callable, image: Tensor, classes: Tensor, thresholds: Tensor) -> int:
    found = run(image.numpy(), classes.numpy(), thresholds.numpy())
    masks, boxes = (torch.from_numpy(found[name]) for name in ("masks", "boxes"))
    return len(paste_masks_in_image(masks, boxes, image.shape[:2]))


def threshold_for(model: DetectionModel, image: Tensor, classes: Tensor, count: int) -> float:
    """Return the threshold that so many detections exceed, or as many as there are."""
    scores = detect(model, image, classes, torch.zeros(len(classes))).scores
    if len(scores) <= count:
        return 0.0
    return float((scores[count - 1] + scores[count]) / 2)


def report(ways: dict[str, Way], inputs: tuple[Tensor, Tensor, Tensor], rounds: int) -> None:
    counts = {name: way(*inputs) for name, way in ways.items()}  # the first call is slower
    least = dict.fromkeys(ways, (np.inf, np.inf))
    for _ in range(rounds):
        for name, way in ways.items():
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            way(*inputs)
            cost = time.perf_counter() - wall_s, time.process_time() - cpu_s
            least[name] = tuple(map(min, least[name], cost))
    print(f"\n{'':24} {'detections':>10} {'wall ms':>8} {'CPU ms':>8} {'ratio':>6}")
    first = least[next(iter(ways))][1]
    for name, (wall_s, cpu_s) in least.items():
        numbers = f"{1e3 * wall_s:8.1f} {1e3 * cpu_s:8.1f} {first / cpu_s:6.2f}"
        print(f"{name:24} {counts[name]:10} {numbers}", flush=True)


if __name__ == "__main__":
    main()
