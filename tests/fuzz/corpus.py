"""Readers of files, each with whole files that it reads. The files are small and made on the spot."""

import io
import json
import pickle
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from detic.datasets.annotation_cache import (
    UNUSUAL,
    load_cache,
    read_annotation_table,
    write_cache,
)
from detic.datasets.coco_style import load_coco_style_json
from detic.datasets.image_labels.class_index import ClassIndex, read_class_map
from detic.datasets.image_labels.csv_table import load_csv_table
from detic.datasets.image_labels.shards import load_shards
from detic.datasets.image_sizes import image_sizes
from detic.datasets.lvis_style import load_lvis_style_json, lvis_style_records
from detic.engine.checkpoints import load_training_state
from detic.evaluation.build import ScoreOptions, choose_protocol
from detic.evaluation.evaluation_set import annotated_set
from detic.evaluation.forgetting import read_evaluation
from detic.evaluation.ground_truth import read_ground_truth
from detic.evaluation.results_reader import read_results
from detic.loading.image_reader import ImageReader
from detic.recipes import load_recipe
from detic.vocabulary import read_vocabulary_file
from detic.vocabulary.embedding_file import EmbeddingTable, read_table, write_embeddings
from detic.weight_files import read_weights

CLASSES = ClassIndex(["cup", "spoon"])
TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4)}


@dataclass(frozen=True)
class Reader:
    """Something that reads files."""

    make: Callable[[Path], Sequence[Path]]  # writes whole files into a folder
    read: Callable[[Path], Any]
    is_archive: bool = False  # a zip file, whose members can be damaged


def _save(path: Path, content: Any) -> Path:
    if not isinstance(content, bytes):
        content = (content if isinstance(content, str) else json.dumps(content)).encode()
    path.write_bytes(content)
    return path


def _annotations() -> dict:
    square = [[1, 1, 9, 1, 9, 9, 1, 9]]
    run_lengths = {"size": [20, 30], "counts": [21, 5, 15, 5, 554]}
    categories = [
        {"id": 1, "name": "cup", "frequency": "f", "image_count": 1, "synset": "cup.n.01"},
        {"id": 2, "name": "spoon", "frequency": "r", "image_count": 1, "synset": "spoon.n.01"},
    ]
    image = {"height": 20, "width": 30, "neg_category_ids": [], "not_exhaustive_category_ids": []}
    box = {"bbox": [1, 1, 8, 8], "area": 64, "iscrowd": 0}
    return {
        "info": {"year": 2026},
        "categories": categories,
        "images": [
            {"id": 1, "file_name": "a.jpg", "coco_url": "http://x/train2017/a.jpg", **image},
            {"id": 2, "file_name": "b.jpg", "coco_url": "http://x/train2017/b.jpg", **image},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": square, **box},
            {"id": 2, "image_id": 2, "category_id": 2, "segmentation": run_lengths, **box},
        ],
    }


def _annotation_files(folder: Path) -> list[Path]:
    return [_save(folder / "a.json", _annotations())]


def _results(folder: Path) -> list[Path]:
    row = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 8, 8], "score": 0.5}
    mask = {"segmentation": {"size": [20, 30], "counts": "e05?0k`0"}}
    return [
        _save(folder / "p.json", [row, row]),
        _save(folder / "m.json", [row | mask, row | mask]),
    ]


def _vocabularies(folder: Path) -> list[Path]:
    entries = [{"name": "cup", "synonyms": ["mug"], "color": [1, 2, 3]}, "spoon"]
    return [
        _save(folder / "v.json", entries),
        _save(folder / "v.yaml", entries),
        _save(folder / "w.yaml", "- name: cup\n  parent: spoon\n- &a spoon\n"),
        _save(folder / "v.txt", "cup\nspoon # of silver\n"),
    ]


def _recipes(folder: Path) -> list[Path]:
    keys = {"SOLVER": {"BASE_LR": 0.1, "STEPS": [1, 2]}, "OUTPUT_DIR": "x", "SEED": 3}
    return [
        _save(folder / "r.yaml", keys),
        _save(folder / "s.yaml", "MODEL:\n  MASK_ON: true\nDATASETS:\n  TRAIN: [a, b]\n"),
    ]


def _archives(folder: Path) -> list[Path]:
    module = torch.jit.script(torch.nn.Linear(2, 3))
    torch.jit.save(module, folder / "script.pt")
    torch.save({"model": TENSORS, "iteration": 3}, folder / "w.pth")
    return [folder / "w.pth", folder / "script.pt"]


def _other_weights(folder: Path) -> list[Path]:
    torch.save(TENSORS, folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file(TENSORS, folder / "w.safetensors")
    arrays = {name: tensor.numpy() for name, tensor in TENSORS.items()}
    pickled = _save(folder / "w.pkl", pickle.dumps({"model": arrays}, protocol=2))
    return [folder / "old.pth", folder / "w.safetensors", pickled]


def _checkpoints(folder: Path) -> list[Path]:
    parts = dict.fromkeys(("model", "optimizer", "scheduler", "scaler", "loader"), TENSORS)
    torch.save(parts | {"iteration": 3, "seed": 1}, folder / "c.pth")
    return [folder / "c.pth"]


def _embeddings(folder: Path) -> list[Path]:
    table = EmbeddingTable(torch.ones(2, 4), ("cup", "spoon"), "m", ("a {}",), "feed")
    paths = [folder / "e.npy", folder / "e.safetensors"]
    for path in paths:
        write_embeddings(path, table)
    return paths


def _encoded(format: str, **options) -> bytes:
    pixels = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def _images(folder: Path) -> list[Path]:
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30))
    deep.save(folder / "deep.png")
    kinds = {"a.bmp": "BMP", "a.gif": "GIF", "a.png": "PNG", "a.tif": "TIFF", "a.webp": "WEBP"}
    return [
        _save(folder / "a.jpg", _encoded("JPEG", exif=exif)),
        folder / "deep.png",
        *(_save(folder / name, _encoded(kind)) for name, kind in kinds.items()),
    ]


def _tars(folder: Path) -> list[Path]:
    members = {
        "a.jpg": _encoded("JPEG"),
        "a.json": b'["cup"]',
        "b.png": _encoded("PNG"),
        "b.cls": b"1",
    }
    with tarfile.open(folder / "s.tar", "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return [folder / "s.tar"]


def _tables(folder: Path) -> list[Path]:
    return [_save(folder / "t.csv", "path,labels\na.jpg,cup|spoon\nb.jpg,cup\n")]


def _class_maps(folder: Path) -> list[Path]:
    return [_save(folder / "m.json", {"n01": 1, "n02": "spoon"})]


def _remembered(folder: Path) -> list[Path]:
    entries = {"a.jpg": [20, 30, 999, 999]}
    return [_save(folder / "sizes.json", {"version": 2, "entries": entries})]


def _evaluations(folder: Path) -> list[Path]:
    table = "name,frequency,bbox/AP,num_gt\ncup,f,50.0,3\nspoon,r,,0\n"
    return [_save(folder / "per_class.csv", table)]


def _read_evaluation(path: Path) -> Any:
    place = path.with_name("per_class.csv")
    place.write_bytes(path.read_bytes())
    return read_evaluation(place.parent, "bbox/AP")


def _caches(folder: Path) -> list[Path]:
    (source,) = _annotation_files(folder)
    place = folder / "a.arrays"
    write_cache(place, read_annotation_table(source), _digest_of(source))
    return [place]


def _digest_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _read_cache(path: Path) -> Any:
    """Read the cache of an annotation file, and all records if it serves."""
    try:
        table = load_cache(
            path, "a.json", _digest_of(_save(path.with_name("b.json"), _annotations()))
        )
    except UNUSUAL as error:  # told and made again
        return error
    return list(lvis_style_records(table, "ROOT"))


def _score(path: Path) -> Any:
    """Score detections against an annotation file."""
    row = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 8, 8], "score": 0.5}
    results = read_results(_save(path.with_name("results.json"), [row]))
    return choose_protocol(annotated_set(path), ScoreOptions(("bbox",))).score(results)


def _read_shards(path: Path) -> Any:
    index = path.with_suffix(".index.json")
    index.unlink(missing_ok=True)
    return load_shards(path, CLASSES, index)


READERS = {
    "coco_annotations": Reader(_annotation_files, lambda p: load_coco_style_json(str(p), "")),
    "lvis_annotations": Reader(_annotation_files, lambda p: load_lvis_style_json(str(p), "")),
    "annotation_caches": Reader(_caches, _read_cache),
    "ground_truth": Reader(_annotation_files, read_ground_truth),
    "scores": Reader(_annotation_files, _score),
    "results": Reader(_results, read_results),
    "vocabularies": Reader(_vocabularies, read_vocabulary_file),
    "recipes": Reader(_recipes, load_recipe),
    "weight_archives": Reader(_archives, read_weights, is_archive=True),
    "other_weights": Reader(_other_weights, read_weights),
    "checkpoints": Reader(_checkpoints, load_training_state, is_archive=True),
    "embeddings": Reader(_embeddings, read_table),
    "images": Reader(_images, lambda p: ImageReader("RGB")({"file_name": str(p)})),
    "tars": Reader(_tars, _read_shards),
    "tables": Reader(
        _tables, lambda p: load_csv_table(p, CLASSES, index_file=p.with_name("i.json"))
    ),
    "class_maps": Reader(_class_maps, read_class_map),
    "remembered_sizes": Reader(_remembered, lambda p: image_sizes(p.parent, ["a.jpg"], p)),
    "evaluations": Reader(_evaluations, _read_evaluation),
}
