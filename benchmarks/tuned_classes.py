"""Measure classes tuned on a frozen detector, in the drawn worlds.

    python -m detic.shapes.own_data                                # fine-tuning and replay, to compare with
    python benchmarks/tuned_classes.py own --datasets datasets     # 1, 3, 10, 30 and all examples of own classes
    python benchmarks/tuned_classes.py base --datasets datasets    # the base classes on boxes they were trained on
    python -m detic.shapes.benchmark --seed 31 --start random      # and other seeds
    python benchmarks/tuned_classes.py queries --runs output/benchmark-shapes/seed31-random

``own`` evaluates what ``detic vocabulary tune`` writes: mask AP, and the seconds that it takes. ``base``
gives box AP. ``queries`` asks the detector of stage 1 for the 28 classes that it has no boxes
of: by name, by examples, by both; box AP out of 96 classes, mean and standard deviation over the worlds.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate
from torch.nn import functional as F
from torchvision.ops import box_iou

from detic.evaluation.forgetting import read_evaluation
from detic.evaluation.lvis_protocol import score_lvis
from detic.evaluation.results_reader import read_results
from detic.modeling.regions import RegionFeatures
from detic.modeling.roi_heads.class_scores import ClassScores, ScoreParams
from detic.modeling.roi_heads.inference import detect
from detic.predictor import Detector
from detic.predictor.region_reader import RegionReader
from detic.shapes.own_data import BOXES, IMAGES, METRIC, OLD, OWN_FOLDER
from detic.shapes.runs import CONFIGS, SHIPPED, run_command
from detic.shapes.world_spec import read_world_spec
from detic.tuning import BoxedObject, ExampleImage, boxed_examples, few_of_each, tune
from detic.tuning.evidence import SAME_IOU
from detic.vocabulary import EmbeddedVocabulary

COUNTS = (1, 3, 10, 30, None)  # examples of each class; None: all
QUERY_COUNTS = (1, 3, 10)
BASE_SCENES = 300  # whose boxes the base classes are fitted to


def own_classes(datasets: Path, output: Path, seed: int) -> str:
    """Return mask AP of old and new classes by the number of examples, as a table."""
    own = datasets / OWN_FOLDER
    sources = ["--boxes", str(own / "boxes.json"), "--images", str(own / "shapes")]
    sources += ["--image_folders", str(own / "images")]
    group_of = {c.name: OLD for c in read_world_spec(datasets).classes}
    for shape_class in read_world_spec(own).classes:
        group_of[shape_class.name] = IMAGES if shape_class.novel else BOXES
    start = own / "vocabulary.txt"
    rows = [["by name", "", *_evaluated("OwnData", start, output / "name", datasets, group_of)]]
    for number in COUNTS:
        folder = output / f"seed{seed}-{number or 'all'}"
        few = [] if number is None else ["--at_most", str(number), "--seed", str(seed)]
        seconds = _tuned(start, folder, [*sources, *few])
        found = _evaluated("OwnData", folder / "tuned.safetensors", folder, datasets, group_of)
        rows.append([number or "all", f"{seconds:.0f} s", *found])
    return tabulate(rows, ["examples", "time", OLD, BOXES, IMAGES], "github", floatfmt=".1f")


def base_classes(datasets: Path) -> str:
    """Return box AP before and after the vectors of all base classes were fitted to boxes of scenes."""
    folder = datasets / "shapes"
    boxes = boxed_examples(folder / "annotations" / "train_norare.json", folder)[:BASE_SCENES]
    world = World(datasets, SHIPPED / "boxsup.pth", SHIPPED / "clip_text.safetensors")
    novel = world.is_novel.numpy()
    rows = []
    for label, vectors in (
        ("names", world.by_name),
        ("fitted", world.fitted(boxes, world.by_name)),
    ):
        found = world.class_ap(vectors)
        rows.append([label, np.nanmean(found[~novel]), np.nanmean(found[novel])])
    return tabulate(rows, ["vectors", "base", "novel"], "github", floatfmt=".1f")


def _tuned(start: Path, folder: Path, sources: Sequence[str]) -> float:
    """Let the command write ``tuned.safetensors`` into a folder; return the seconds it took."""
    began = time.perf_counter()
    run_command(
        *("vocabulary", "tune", "--config-file", str(CONFIGS / "Detic.yaml")),
        *("--vocabulary", str(start), "--out_path", str(folder / "tuned.safetensors")),
        *("--overwrite", "--device", "cpu", *sources),
        *("--opts", "MODEL.WEIGHTS", str(SHIPPED / "detic.pth")),
    )
    return time.perf_counter() - began


def _evaluated(
    recipe: str,
    vectors: Path,
    output: Path,
    datasets: Path,
    group_of: Mapping[str, str],
) -> list[float]:
    """Return the mean mask AP of each group of classes, in percent."""
    run_command(
        *("evaluate", "--config-file", str(CONFIGS / f"{recipe}.yaml"), "--num-gpus", "0"),
        *("OUTPUT_DIR", str(output), "MODEL.WEIGHTS", str(SHIPPED / "detic.pth")),
        *("MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH", str(vectors)),
        datasets=datasets,
    )
    found = read_evaluation(output, METRIC)
    return [
        float(np.nanmean([ap for (_, name), ap in found.items() if group_of[name] == group]))
        for group in dict.fromkeys(group_of.values())
    ]


class World:
    """A detector of a world, and its regions in the validation scenes.

    Args:
        datasets: the datasets root that holds the world.
        weights: of the detector.
        text_weights: of its text encoder.
    """

    def __init__(self, datasets: Path, weights: Path, text_weights: Path):
        self.folder = datasets / "shapes"
        self.classes = read_world_spec(datasets).classes
        self.novel = [c.name for c in self.classes if c.novel]
        self.is_novel = torch.tensor([c.novel for c in self.classes])
        self.detector = Detector.from_config(
            CONFIGS / "BoxSup.yaml",
            weights,
            [c.name for c in self.classes],
            device="cpu",
            text_weights=text_weights,
        )
        self.by_name = self.detector.vocabulary
        self.heads = self.detector.model.roi_heads
        self.read = RegionReader(
            self.detector.model, self.detector.input_format, self.detector.precision
        )
        self.annotations = self.folder / "annotations" / "val.json"
        images = json.loads(self.annotations.read_text())["images"]
        paths = {image["id"]: self.folder / image["file_name"] for image in images}
        self.scenes = {i: self.read(ExampleImage(path)) for i, path in paths.items()}

    def few(self, count: int, seed: int) -> list[ExampleImage]:
        """Return ``count`` boxes of each novel class."""
        train = boxed_examples(self.folder / "annotations" / "train.json", self.folder)
        novel = set(self.novel)
        kept = [
            ExampleImage(e.image, tuple(o for o in e.objects if o.name in novel)) for e in train
        ]
        return few_of_each([e for e in kept if e.objects], count, seed)

    def fitted(self, examples: list[ExampleImage], start: EmbeddedVocabulary) -> EmbeddedVocabulary:
        """Return what the detector fits; classes without a region on their boxes stay as they are."""
        found = [
            replace(e, objects=tuple(o for o in e.objects if self._is_found(e, o)))
            for e in examples
        ]
        found = [e for e in found if e.objects]
        return tune(start, found, self.read, self.heads.stage_classifiers)

    def _is_found(self, example: ExampleImage, shown: BoxedObject) -> bool:
        boxes = self.read(example).regions.boxes_xyxy
        return bool((box_iou(torch.tensor([shown.box_xyxy]), boxes) >= SAME_IOU).any())

    def without_names(self) -> EmbeddedVocabulary:
        """Return the vocabulary with names of novel classes that mean nothing."""
        parts = self.detector.embed([f"part {4711 + i}" for i in range(len(self.novel))])
        return self.with_novel(parts.embeddings)

    def with_novel(self, vectors: torch.Tensor) -> EmbeddedVocabulary:
        """Return the vocabulary with these vectors of the novel classes."""
        embeddings = self.by_name.embeddings.clone()
        embeddings[self.is_novel] = vectors
        return EmbeddedVocabulary(self.by_name.entries, embeddings)

    def of_regions(self, examples: list[ExampleImage]) -> dict[str, EmbeddedVocabulary]:
        """Return the vocabularies whose novel vectors are made of the regions on the boxes alone.

        As they are; centred, and scaled to the spread of the texts; and as the mean of the texts of base
        classes that they are like.
        """
        on_box: dict[str, list[torch.Tensor]] = {name: [] for name in self.novel}
        anywhere = []
        for example in examples:
            regions = self.read(example).regions
            mean = F.normalize(regions.embeddings, dim=2).mean(dim=0)
            anywhere.append(mean)
            for shown in example.objects:
                on_box[shown.name].append(mean[_nearest(regions, shown.box_xyxy)])
        raw = torch.stack([torch.stack(on_box[name]).mean(dim=0) for name in self.novel])
        texts = F.normalize(self.by_name.embeddings[~self.is_novel], dim=1)
        every = torch.cat(anywhere)
        centred, spread = raw - every.mean(dim=0), (every - every.mean(dim=0)).norm(dim=1).mean()
        centre = texts.mean(dim=0)
        scale = (texts - centre).norm(dim=1).mean() / spread
        alike = F.normalize(centred, dim=1) @ F.normalize(texts - centre, dim=1).t()
        return {
            "region, as it is": self.with_novel(raw),
            "region, centred and scaled": self.with_novel(centre + scale * centred),
            "mean of similar names": self.with_novel((alike / 0.02).softmax(dim=1) @ texts),
        }

    def class_ap(self, vocabulary: EmbeddedVocabulary) -> np.ndarray:
        """Return the box AP of each class (C,), in percent."""
        columns = F.pad(F.normalize(vocabulary.embeddings, dim=1).t(), (0, 1))
        params = replace(
            self.heads.score_params, score_threshold=0.01, one_class_per_proposal=False
        )
        rows = [
            row
            for image_id, (size_hw, regions) in self.scenes.items()
            for row in _detected(regions, size_hw, columns, params, image_id)
        ]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(rows, file)
            file.flush()
            scores = score_lvis(self.annotations, read_results(file.name), ("bbox",))
        return np.array(scores.tasks["bbox"].class_ap["AP"])

    def novel_ap(self, vocabulary: EmbeddedVocabulary) -> float:
        """Return the mean box AP of the novel classes, in percent."""
        return float(np.nanmean(self.class_ap(vocabulary)[self.is_novel.numpy()]))


def _nearest(regions: RegionFeatures, box_xyxy: Sequence[float]) -> int:
    """Return the region that overlaps a box most."""
    return int(box_iou(torch.tensor([box_xyxy]), regions.boxes_xyxy)[0].argmax())


def _detected(
    regions: RegionFeatures,
    size_hw: tuple[int, int],
    columns: torch.Tensor,
    params: ScoreParams,
    image_id: int,
) -> list[dict]:
    """Return the detections of an image as rows of COCO's result format; ids count from 1."""
    stages = [
        lambda classes, embedded=embedded: (embedded @ columns[:, classes]).sigmoid()
        for embedded in regions.embeddings
    ]
    scores = ClassScores(stages, columns.shape[1] - 1, regions.scores, params)
    (found,) = detect(scores, [regions.boxes_xyxy], [size_hw], params)
    boxes = found.pred_boxes.tensor
    xywh = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1).tolist()
    columns_of = (found.pred_classes + 1).tolist()
    return [
        {"image_id": image_id, "category_id": c, "bbox": box, "score": score}
        for c, box, score in zip(columns_of, xywh, found.scores.tolist(), strict=True)
    ]


def queries(runs: Sequence[Path], seed: int) -> str:
    """Return novel AP by the way a class is asked for, mean and deviation over worlds, as a table."""
    found: dict[tuple[str, int], list[float]] = {}
    for run in runs:
        stage_1 = run / "BoxSup" / "model_final.pth"
        world = World(run / "datasets", stage_1, run / "clip" / "clip_text.safetensors")
        found.setdefault(("name", 0), []).append(world.novel_ap(world.by_name))
        for count in QUERY_COUNTS:
            examples = world.few(count, seed)
            asked = world.of_regions(examples) | {
                "fitted, name without meaning": world.fitted(examples, world.without_names()),
                "fitted, with the name": world.fitted(examples, world.by_name),
            }
            for way, vocabulary in asked.items():
                found.setdefault((way, count), []).append(world.novel_ap(vocabulary))
        print(run, {key: round(values[-1], 1) for key, values in found.items()}, flush=True)
    ways = dict.fromkeys(way for way, _ in found)
    counts = (0, *QUERY_COUNTS)
    rows = [[way, *(_in_words(found.get((way, count))) for count in counts)] for way in ways]
    return tabulate(rows, ["novel box AP", "no example", *map(str, QUERY_COUNTS)], "github")


def _in_words(values: list[float] | None) -> str:
    if values is None:
        return ""
    spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("own", "base", "queries"), help="the comparison")
    parser.add_argument("--datasets", type=Path, default=Path("datasets"), help="datasets root")
    parser.add_argument("--output", type=Path, default=Path("output/tuned_classes"), help="folder")
    parser.add_argument("--runs", type=Path, nargs="+", default=[], help="runs of the benchmark")
    parser.add_argument("--seed", type=int, default=0, help="draws the examples")
    options = parser.parse_args()
    datasets, output = options.datasets.resolve(), options.output.resolve() / options.what
    if options.what == "own":
        print(own_classes(datasets, output, options.seed))
    elif options.what == "base":
        print(base_classes(datasets))
    else:
        print(queries(options.runs, options.seed))


if __name__ == "__main__":
    main()
