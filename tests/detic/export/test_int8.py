"""Files with integers of 8 bits are fitted to sample images, and find the best objects."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from detic.errors import InputError
from detic.export import exporter
from detic.export.description import Origin
from detic.export.exported_detector import open_exported
from detic.export.exporter import ExportParams, check_export, export_detector
from detic.export.int8 import (
    MAX_SAMPLES,
    _found_by_both,
    quantised_nodes,
    roughly_verified_in_words,
    sample_files,
)
from detic.export.reference import Reference
from detic.paths import resource

BOX, BOX_BESIDE, FAR_BOX = [0.0, 0, 10, 10], [0.0, 0, 10, 9], [50.0, 50, 60, 60]


def objects(*rows):
    boxes, scores, classes = zip(*rows, strict=True) if rows else ((), (), ())
    return {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "scores": np.array(scores, np.float32),
        "classes": np.array(classes, np.int64),
        "region_embeddings": np.ones((len(rows), 4), np.float32) / 2,
    }


@pytest.mark.parametrize(
    ("row", "is_found"),
    [
        ((BOX_BESIDE, 0.7, 3), True),
        ((FAR_BOX, 0.8, 3), False),
        ((BOX, 0.8, 4), False),  # another class
        ((BOX, 0.6, 3), False),  # more than a fifth less
    ],
)
def test_an_object_is_found_by_both_roughly(row, is_found):
    assert _found_by_both(objects((BOX, 0.8, 3)), objects(row)).tolist() == [is_found] * 2


def test_objects_that_score_less_than_half_of_the_best_may_be_found_by_one():
    assert _found_by_both(objects((BOX, 0.8, 3), (FAR_BOX, 0.3, 3)), objects()).tolist() == [False]
    assert _found_by_both(objects(), objects()).tolist() == []


@pytest.mark.parametrize(
    ("cosine", "is_found"), [(0.95, True), (0.85, False)], ids=["similar", "another thing"]
)
def test_objects_found_by_both_have_similar_embeddings(cosine, is_found):
    one, other = objects((BOX, 0.8, 3)), objects((BOX, 0.8, 3))
    other["region_embeddings"] *= cosine
    assert _found_by_both(one, other).tolist() == [is_found] * 2


@pytest.mark.parametrize(
    ("last_column", "is_found"), [(18, True), (10, False)], ids=["two thirds", "a third"]
)
def test_masks_of_objects_found_by_both_overlap(last_column, is_found):
    one, other = objects((BOX, 0.8, 3)), objects((BOX_BESIDE, 0.8, 3))
    one["masks"] = [np.pad(np.ones((10, 10), bool), ((0, 1), (0, 1)))]
    other["masks"] = np.zeros((1, 28, 28), np.float32)
    other["masks"][:, :, :last_column] = 1
    assert _found_by_both(one, other).tolist() == [is_found] * 2


def test_true_counts_are_told():
    found = [objects((BOX, 0.8, 3), (BOX, 0.5, 3), (BOX, 0.3, 3)), objects((BOX, 0.1, 0))]
    reference = Reference([torch.zeros(9, 9, 3)] * 2, torch.zeros(4, 4), 0.0, found)
    words = roughly_verified_in_words(reference)
    assert (
        "by file and detector, which finds 3 of them: of the same class, with IoU of boxes" in words
    )
    assert words.endswith("in 2 of the images that ranges were measured on")


def test_images_without_objects_are_refused(tmp_path, shapes_detector, monkeypatch):
    Image.new("RGB", (60, 40)).save(tmp_path / "nothing.png")
    nothing = Reference((), torch.zeros(4, 64), 0.0, [objects()])
    monkeypatch.setattr(exporter, "look_through", lambda *_, **__: nothing)
    metadata = exporter.describe(shapes_detector(), Origin("Detic", ""), masks=True)
    params = ExportParams("onnx", int8_images=tmp_path)
    with pytest.raises(InputError, match=r"no object in the first 1 images .*images with objects"):
        exporter._write_int8(shapes_detector(), None, metadata, params, tmp_path / "m.onnx")


def test_ranges_are_measured_on_images_from_all_over_a_folder(tmp_path):
    for i in range(2 * MAX_SAMPLES):
        Image.new("RGB", (1, 1)).save(tmp_path / f"{i:03}.png")
    names = [file.name for file in sample_files(tmp_path)]
    assert len(names) == MAX_SAMPLES
    assert (names[0], names[-1]) == ("000.png", f"{2 * MAX_SAMPLES - 1}.png")


def test_it_needs_images_and_a_format_that_has_integers(tmp_path):
    with pytest.raises(InputError, match="there are no images in"):
        sample_files(tmp_path)
    with pytest.raises(InputError, match="no folder; --int8 takes a folder of sample images"):
        sample_files(tmp_path / "none.png")
    with pytest.raises(
        InputError, match="no int8 in files of format pt2; choose one of onnx, openv"
    ):
        check_export(tmp_path / "m.pt2", ExportParams("pt2", int8_images=tmp_path))


def test_convolutions_what_follows_them_and_wide_layers_compute_with_integers():
    helper = pytest.importorskip("onnx", reason="needs the packages of detic[export]").helper
    weights = {"w": [4, 3, 1, 1], "wide": [8, 4096], "narrow": [8, 64]}
    rows = [
        ("Conv", ["image", "w"], "a"),
        ("Relu", ["a"], "b"),
        ("Add", ["a", "b"], "sum"),
        ("Add", ["a", "image"], "other_sum"),
        ("Sigmoid", ["sum"], "c"),
        ("Relu", ["c"], "d"),
        ("Gemm", ["d", "wide"], "e"),
        ("Gemm", ["d", "narrow"], "f"),
        ("MatMul", ["d", "image"], "g"),
    ]
    nodes = [helper.make_node(kind, of, [name], name=name) for kind, of, name in rows]
    initializers = [
        helper.make_tensor(name, 1, dims, b"\0" * 4 * torch.tensor(dims).prod().item(), raw=True)
        for name, dims in weights.items()
    ]
    graph = helper.make_graph(nodes, "g", [], [], initializers)
    assert quantised_nodes(graph) == ["a", "b", "sum", "e"]


@pytest.mark.slow
def test_a_file_with_integers_finds_the_best_objects(tmp_path, shapes_detector):
    for package in ("onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="needs the packages of detic[export]")
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(resource("docs/pictures/scene.png"), images)
    Image.new("RGB", (60, 40)).save(images / "nothing.png")
    path = tmp_path / "m.onnx"
    params = ExportParams("onnx", int8_images=images)
    agreement = export_detector(shapes_detector(), path, params, Origin("Detic", ""))
    assert agreement.num_objects > 5
    metadata = open_exported(path).metadata
    assert metadata.precision == "int8"
    assert metadata.verified.startswith("90% of the objects that score at least half")
    assert metadata.verified.endswith("in 2 of the images that ranges were measured on")
    assert str(tmp_path).encode() not in path.read_bytes()
    assert path.stat().st_size < 4e6  # of 2.3 million weights
