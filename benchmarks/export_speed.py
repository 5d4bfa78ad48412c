"""Measure how long exported files take for an image, beside their detector.

    python benchmarks/export_speed.py --model shapes-detic
    python benchmarks/export_speed.py --recipe Detic_LI_CLIP_R5021k_640b64_4x_ft4x_max-size --size 480 640
    python benchmarks/export_speed.py --model shapes-detic --files shapes.onnx shapes.xml shapes.pt2

Without --files, the detector is exported in all formats first. A --recipe has random weights, and
hardly any NMS, so that it finds many objects. All take turns in one process, and the least time of all rounds counts.
Masks are pasted into the image by the same function. Ratios are those of the detector's times to the file's.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from detectron2.layers import paste_masks_in_image
from random_models import CONFIGS, random_detector, random_recipe
from torch import Tensor

from detic import Detector
from detic.detections import from_instances
from detic.export.description import Origin, describe
from detic.export.exported_detector import open_exported
from detic.export.exporter import build_graph
from detic.export.formats import FORMATS, onnx_to_openvino
from detic.export.int8 import INT8_FORMATS, with_integers
from detic.export.program import trace
from detic.export.reference import detect, typical_classes
from detic.images import read_image
from detic.modeling.build import DetectionModel
from detic.modeling.precision import PRECISIONS
from detic.modeling.request import DetectionRequest, RequestedClasses
from detic.modeling.roi_heads.classifier import class_columns
from detic.paths import resource
from detic.vocabulary.vocabulary import Vocabulary

# (image, class embeddings, thresholds) -> number of detections
Runner = Callable[[Tensor, Tensor, Tensor], int]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="shapes-detic", help="as of `detic export`")
    parser.add_argument("--recipe", help="of configs/, with random weights, in place of --model")
    parser.add_argument("--files", nargs="+", type=Path, help="exported files of the model")
    parser.add_argument("--size", nargs=2, type=int, default=(128, 171), help="height, width")
    parser.add_argument("--detections", nargs="+", type=int, default=(17, 300))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bf16", action="store_true", help="also of the detector and OpenVINO")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        detector = build(args, Path(folder))
        scene = read_image(resource("docs/pictures/scene.png"), "RGB")
        image = torch.from_numpy(cv2.resize(scene, tuple(args.size[::-1])))
        classes = typical_classes(detector.model, image, detector.vocabulary_reader.embedding_dim)
        files = args.files or export_all(detector, image, classes, Path(folder))
        runners = dict(all_runners(detector.model, files, args.bf16))
        torch.set_grad_enabled(False)
        for count in args.detections:
            threshold = threshold_for(detector.model, image, classes, count)
            inputs = image, classes, torch.full((len(classes),), threshold)
            report(runners, inputs, args.rounds)


def build(args: argparse.Namespace, folder: Path) -> Detector:
    if not args.recipe:
        return Detector.from_pretrained(args.model, ["any"], device="cpu")
    weights = folder / "weights.pth"
    cfg = random_recipe(args.recipe, folder)
    torch.save({"model": random_detector(cfg).state_dict()}, weights)
    width = cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_DIM
    classes = Vocabulary.from_names(["any"]).with_embeddings(torch.ones(1, width))
    recipe = CONFIGS / f"{args.recipe}.yaml"
    # Random boxes overlap: NMS would leave few.
    keep_boxes = ["MODEL.ROI_HEADS.NMS_THRESH_TEST", "0.99"]
    return Detector.from_config(recipe, weights, classes, device="cpu", overrides=keep_boxes)


def export_all(detector: Detector, image: Tensor, classes: Tensor, folder: Path) -> list[Path]:
    """Return files of all formats, with floats and with integers."""
    graph = build_graph(deepcopy(detector.model), masks=True)
    program = trace(graph, classes.shape[1], None).program
    metadata = describe(detector, Origin("measured", ""), masks=True)
    exact, *_ = files = [folder / f"fp32{of.suffix}" for of in FORMATS.values()]
    FORMATS["pt2"].write(program, metadata, folder / "fp32.pt2")
    FORMATS["onnx"].write(program, metadata, exact)  # torch converts a program but once
    onnx_to_openvino(exact, metadata, folder / "fp32.xml")
    samples = [
        (view.contiguous().numpy(), classes.numpy(), np.zeros(len(classes), np.float32))
        for view in (image, image.flip(1))
    ]
    for name in INT8_FORMATS:
        files.append(folder / f"int8{FORMATS[name].suffix}")
        with_integers(exact, metadata, samples, name, files[-1])
    return files


def all_runners(
    model: DetectionModel, files: list[Path], with_bf16: bool
) -> Iterator[tuple[str, Runner]]:
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


def report(runners: dict[str, Runner], inputs: tuple[Tensor, Tensor, Tensor], rounds: int) -> None:
    counts = {name: run(*inputs) for name, run in runners.items()}  # the first call is slower
    least = {name: np.full(2, np.inf) for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            run(*inputs)
            cost = time.perf_counter() - wall_s, time.process_time() - cpu_s
            least[name] = np.minimum(least[name], cost)
    print(f"\n{'':24} {'detections':>10} {'wall ms':>8} {'ratio':>6} {'CPU ms':>8} {'ratio':>6}")
    first = next(iter(least.values()))
    for name, cost in least.items():
        columns = [
            f"{1e3 * s:8.1f} {ratio:6.2f}" for s, ratio in zip(cost, first / cost, strict=True)
        ]
        print(f"{name:24} {counts[name]:10} {' '.join(columns)}", flush=True)


if __name__ == "__main__":
    main()
