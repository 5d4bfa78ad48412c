"""Files appear when they are complete and right, and mistakes are told before anything is computed."""

import sys

import numpy as np
import pytest
import torch

from detic.errors import InputError
from detic.export import exporter
from detic.export.description import Origin
from detic.export.exported_detector import ExportedDetector, open_exported
from detic.export.exporter import ExportParams, check_export, export_detector
from detic.export.formats import FORMATS, Format, format_to_run, format_to_write
from detic.export.reference import Reference
from detic.export.verification import Agreement
from detic.vocabulary import EmbeddingTable, write_embeddings
from detic_commands import export

ORIGIN = Origin("Detic", "")


@pytest.fixture(scope="module")
def detector(shapes_detector):
    return shapes_detector()


@pytest.fixture
def format_of(monkeypatch):
    """A function that makes a format of a function from the inputs to outputs."""

    def write_metadata(program, metadata, path):
        path.write_text(metadata.to_json())

    def make(run, write=write_metadata):
        made = Format(".pt2", (), (), write, lambda path: (path.read_text() or None, run))
        monkeypatch.setattr("detic.export.formats.FORMATS", {"pt2": made})
        monkeypatch.setattr("detic.export.exported_detector.FORMATS", {"pt2": made})
        monkeypatch.setattr(exporter, "trace", lambda *args: (None, 1))

    return make


def nothing(*inputs):
    return {"boxes": np.zeros((0, 4)), "scores": np.zeros(0), "classes": np.zeros(0)}


def test_a_file_that_finds_other_objects_does_not_appear(tmp_path, detector, format_of):
    format_of(nothing)
    with pytest.raises(InputError, match="finds other objects than the detector: only 0 of"):
        export_detector(detector, tmp_path / "m.pt2", ExportParams("pt2"), ORIGIN)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def run(detector):
    graph = exporter.build_graph(detector.model, masks=True)

    def run(*inputs):
        with torch.no_grad():
            outputs = graph(*map(torch.from_numpy, inputs))
        return {name: x.numpy() for name, x in outputs.items()}

    return run


@pytest.mark.parametrize("output", ["masks", "region_embeddings"])
def test_a_file_with_other_masks_or_embeddings_does_not_appear(
    tmp_path, detector, format_of, run, output
):
    format_of(lambda *inputs: (found := run(*inputs)) | {output: np.roll(found[output], 9, -1)})
    with pytest.raises(InputError, match="finds other objects than the detector"):
        export_detector(detector, tmp_path / "m.pt2", ExportParams("pt2"), ORIGIN)


def test_a_file_that_finds_the_same_appears(tmp_path, detector, format_of, run):
    format_of(run)
    agreement = export_detector(detector, tmp_path / "m.pt2", ExportParams("pt2"), ORIGIN)
    assert agreement.num_matched == agreement.num_objects > 10
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt2"]
    metadata = open_exported(tmp_path / "m.pt2").metadata
    assert metadata.has_masks
    assert f"the {agreement.num_objects} objects that" in metadata.verified
    assert "equal masks" in metadata.verified


def test_nothing_compared_is_told(tmp_path, detector, format_of, monkeypatch, caplog):
    format_of(nothing)
    of_nothing = {"region_embeddings": np.zeros((0, 64))} | nothing()
    reference = Reference((), torch.ones(1, 64), 0.0, [of_nothing])
    monkeypatch.setattr(exporter, "look_through", lambda *_, **__: reference)
    monkeypatch.setattr(exporter, "compare", lambda *_: Agreement(0, 0))
    with caplog.at_level("WARNING"):
        export_detector(detector, tmp_path / "m.pt2", ExportParams("pt2"), ORIGIN)
    assert "nothing was compared" in caplog.text
    assert open_exported(tmp_path / "m.pt2").metadata.verified.startswith("nothing")


def test_weights_go_where_a_link_of_their_name_leads(tmp_path, detector, format_of, run):
    format_of(run, in_two_files)
    (tmp_path / "disk").mkdir()
    (tmp_path / "m.bin").symlink_to("disk/weights.bin")
    export_detector(detector, tmp_path / "m.pt2", ExportParams("pt2"), ORIGIN)
    assert (tmp_path / "m.bin").is_symlink()
    assert (tmp_path / "disk/weights.bin").read_text() == "weights"
    assert not list(tmp_path.glob(".*"))


def test_images_of_a_fixed_size_keep_their_proportions_and_colours(detector):
    blue = np.full((10, 20, 3), (255, 0, 0), np.uint8)  # BGR
    given = exporter.network_input(detector, blue, (40, 40))
    assert given.shape == (40, 40, 3)
    assert detector.input_format.channel_order == "RGB"
    assert (given[:20] == torch.tensor([0, 0, 255])).all()
    mean = detector.model.pixel_mean.flatten().round()
    assert (given[20:] == mean).all()


def full_disk(program, metadata, path):
    path.write_text("half")
    raise OSError("no space left")


def in_two_files(program, metadata, path):
    path.with_suffix(".bin").write_text("weights")
    path.write_text(metadata.to_json())


@pytest.mark.parametrize(
    ("write", "error"), [(full_disk, "no space left"), (in_two_files, "finds other objects")]
)
def test_a_failure_leaves_what_was_there_and_no_parts(tmp_path, detector, format_of, write, error):
    format_of(nothing, write)
    (tmp_path / "m.pt2").write_text("precious")
    params = ExportParams("pt2", overwrite=True)
    with pytest.raises((InputError, OSError), match=error):
        export_detector(detector, tmp_path / "m.pt2", params, ORIGIN)
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt2"]
    assert (tmp_path / "m.pt2").read_text() == "precious"


def test_a_file_without_metadata_is_refused(tmp_path, format_of):
    format_of(nothing)
    (tmp_path / "m.pt2").touch()
    with pytest.raises(InputError, match=r"m\.pt2 does not say how its input is made.*export it"):
        open_exported(tmp_path / "m.pt2")


def test_a_file_is_replaced_if_told(tmp_path):
    (tmp_path / "m.pt2").write_text("precious")
    with pytest.raises(InputError, match=r"m\.pt2 exists and is kept; --overwrite replaces it"):
        check_export(tmp_path / "m.pt2", ExportParams("pt2"))
    check_export(tmp_path / "m.pt2", ExportParams("pt2", overwrite=True))


@pytest.mark.parametrize("taken", ["m.xml", "m.bin"])
def test_nothing_is_replaced_unless_told(tmp_path, monkeypatch, taken):
    pytest.importorskip("openvino", reason="needs the packages of detic[export]")
    (tmp_path / taken).write_text("precious")
    with pytest.raises(InputError, match=f"{taken} exists and is kept; --overwrite replaces it"):
        check_export(tmp_path / "m.xml", ExportParams("openvino"))
    check_export(tmp_path / "m.xml", ExportParams("openvino", overwrite=True))


def test_the_suffix_has_to_be_that_of_the_format(tmp_path):
    with pytest.raises(InputError, match=r"m\.pt should end in \.pt2"):
        check_export(tmp_path / "m.pt", ExportParams("pt2"))


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"onnx needs the package onnx; .* 'detic\[export\]'"):
        format_to_write("onnx")
    with pytest.raises(InputError, match="onnx needs the package onnxruntime"):
        format_to_run("onnx")


def test_running_needs_no_package_that_only_writing_needs(monkeypatch):
    for package in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, "onnxruntime", sys)
    assert format_to_run("onnx").suffix == ".onnx"


def test_the_command_line_knows_all_formats():
    assert set(export.FORMATS) == set(FORMATS)


def test_unknown_formats_are_refused():
    with pytest.raises(InputError, match=r"unknown format 'onx'; choose .* 'onnx'"):
        format_to_write("onx")


def test_what_is_no_exported_file_is_refused(tmp_path):
    (tmp_path / "m.pt2").write_bytes(b"none")
    with pytest.raises(InputError, match=r"m\.pt2 cannot be read"):
        open_exported(tmp_path / "m.pt2")
    with pytest.raises(InputError, match="there is no exported detector"):
        open_exported(tmp_path / "none.pt2")
    with pytest.raises(InputError, match=r"unknown kind of exported file '\.txt'"):
        open_exported(tmp_path / "m.txt")


@pytest.fixture
def exported(tmp_path, detector):
    metadata = exporter.describe(detector, ORIGIN, masks=True, fixed_size_hw=(64, 64))
    return ExportedDetector(tmp_path / "m.onnx", metadata, nothing)


def test_inputs_of_another_shape_are_refused(exported):
    image, thresholds = np.zeros((64, 64, 3), np.uint8), np.zeros(2, np.float32)
    with pytest.raises(InputError, match=r"shape \(2, 512\); .* takes \(classes, 64\)"):
        exported(image, np.zeros((2, 512), np.float32), thresholds)
    with pytest.raises(
        InputError, match=r"thresholds array.* one of 0 or more for each of the 1 cl"
    ):
        exported(image, np.zeros((1, 64), np.float32), thresholds)
    with pytest.raises(InputError, match=r"thresholds array\(\[ 0.5, -0.1\]\); "):
        exported(image, np.zeros((2, 64), np.float32), np.array([0.5, -0.1]))
    with pytest.raises(InputError, match=r"32 x 64 pixels; .*m.onnx takes 64 x 64 alone"):
        exported(image[:, :32], np.zeros((2, 64), np.float32), thresholds)


@pytest.mark.parametrize(
    ("table", "fits"),
    [
        (EmbeddingTable(torch.ones(1, 64), ("star",), "clip_text.safetensors"), True),
        (EmbeddingTable(torch.ones(1, 64), ("star",), "openai"), False),
        (EmbeddingTable(torch.ones(1, 64), ("star",), "clip_text.safetensors", (), "0"), False),
        (EmbeddingTable(torch.ones(1, 512), ("star",)), False),
    ],
    ids=["its own", "another by name", "another by its weights", "another width"],
)
def test_classes_have_to_come_from_the_detectors_text_encoder(tmp_path, exported, table, fits):
    path = tmp_path / "classes.safetensors"
    write_embeddings(path, table)
    if fits:
        assert exported.read_classes(path).names == ("star",)
        return
    with pytest.raises(InputError, match="was made by a different text encoder"):
        exported.read_classes(path)
