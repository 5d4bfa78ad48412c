"""The demonstration program as a user runs it."""

import json
import subprocess
import sys

import cv2
import fsspec
import numpy as np
import pytest

import demo
from detic.demo import detection_run, run_images
from detic.errors import InputError
from detic.modeling.precision import PRECISIONS
from detic.modeling.roi_heads import inference
from detic.outputs import WRITERS
from detic.predictor.tracking import TRACKERS
from detic.rendering import PALETTES
from detic.vocabulary import CANDIDATE_LISTS
from detic_commands import detect
from tests.tiny_detector import OVERRIDES, RECIPE, ROOT, noise, write_tiny_files


@pytest.fixture(scope="module")
def tiny_files(tmp_path_factory):
    return write_tiny_files(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def run(tiny_files, tmp_path, monkeypatch):
    """Runs the program in a folder with two images; returns its exit status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        cv2.imwrite(f"in/{name}.png", noise())
    weights = [
        "MODEL.WEIGHTS",
        tiny_files.weights,
        "MODEL.TEXT_ENCODER.WEIGHTS",
        tiny_files.text_weights,
    ]

    def run(*arguments):
        model = ["--config-file", RECIPE, "--cpu", "--opts", *OVERRIDES, *weights]
        monkeypatch.setattr(sys, "argv", ["demo.py", *map(str, [*arguments, *model])])
        with pytest.raises(SystemExit) as end:
            demo.main()
        return end.value.code

    return run


def test_tiles_cut_images_and_wrong_ones_are_told(run, tmp_path, capsys):
    arguments = ("--input", "in/a.png", "--custom-vocabulary", "cat", "--confidence-threshold", "0")
    assert run(*arguments, "--tiles", "48", "--batch-size", "4", "--json", "tiles.json") == 0
    assert run(*arguments, "--tiles", "--json", "one_tile.json") == 0
    (tiled,), (whole,) = (
        json.loads((tmp_path / name).read_text()) for name in ("tiles.json", "one_tile.json")
    )
    assert (tiled["width"], tiled["height"]) == (whole["width"], whole["height"]) == (80, 60)
    assert tiled["detections"] != whole["detections"]
    assert run(*arguments, "--tiles", "8", "--json", "small.json") == 2
    assert "a side of 16 pixels or more, not 8" in capsys.readouterr().err


def test_help_is_complete():
    shown = subprocess.run(
        [sys.executable, ROOT / "demo.py", "--help"], capture_output=True, text=True, check=True
    )
    assert "python demo.py --input desk.jpg --output out.jpg" in shown.stdout
    for action in demo.argument_parser()._actions:
        assert action.help, action.option_strings


def test_flags_of_the_release_are_there():
    flags = (
        "--config-file c.yaml --input a.jpg b.jpg --output out --vocabulary custom "
        "--custom_vocabulary a,b --confidence-threshold 0.3 --pred_all_class --cpu "
        "--opts MODEL.WEIGHTS w.pth"
    )
    args = demo.argument_parser().parse_args(flags.split())
    assert args.input == ["a.jpg", "b.jpg"]
    assert args.opts == ["MODEL.WEIGHTS", "w.pth"]
    assert demo.argument_parser().parse_args(["--webcam"]).webcam == "0"
    assert demo.argument_parser().parse_args(["--webcam", "screen"]).webcam == "screen"


def test_choices_are_those_of_the_packages():
    assert set(PALETTES) == set(detect.PALETTES)
    assert set(PRECISIONS) == set(detect.PRECISIONS)
    assert CANDIDATE_LISTS == detect.CANDIDATE_LISTS
    assert set(TRACKERS) == set(detect.TRACKERS)
    assert set(WRITERS) == {*detect.FORMATS, "json", "npz"}


def test_custom_vocabulary_to_drawings_and_every_kind_of_data(run, tmp_path):
    arguments = "--input in --output out --json found.json --features found.npz --format csv"
    custom = ["--vocabulary", "custom", "--custom_vocabulary", "cat, paper cup"]
    status = run(
        *arguments.split(), "--save-to", "found.csv", "--confidence-threshold", "0", *custom
    )
    assert status == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.png", "b.png"}
    first, second = json.loads((tmp_path / "found.json").read_text())
    assert first["file_name"] == "in/a.png"
    assert {d["name"] for d in first["detections"]} <= {"cat", "paper cup"}
    count = len(first["detections"]) + len(second["detections"])
    assert count > 0
    assert np.load(tmp_path / "found.npz")["features"].shape == (count, 8)
    assert len((tmp_path / "found.csv").read_text().splitlines()) == count + 1


@pytest.mark.parametrize(
    ("arguments", "masks"),
    [
        ("--output out", True),
        ("--output out --hide-masks", False),
        ("--output out --boxes-only --features f.npz --format voc --save-to voc", False),
        ("--output out --boxes-only --json found.json", True),
        ("--format csv --save-to found.csv", False),
        ("--format yolo --save-to yolo", True),
    ],
)
def test_masks_are_predicted_where_they_are_drawn_or_written(run, monkeypatch, arguments, masks):
    predicted = []
    monkeypatch.setattr(
        inference,
        "add_masks",
        lambda heads, features, found, dtype: predicted.append(True) or found,
    )
    status = run("--input", "in/a.png", "--custom_vocabulary", "cat", *arguments.split())
    assert status == 0
    assert bool(predicted) == masks


def test_parent_queries_find_kinds(run, tmp_path, caplog, capsys):
    arguments = "--input in/a.png --json found.json --confidence-threshold 0 --expand-parents"
    with caplog.at_level("INFO"):
        assert run(*arguments.split(), "--custom_vocabulary", "tools, xyzzy") == 0
    assert "classes of lvis join the vocabulary: tools (29)" in caplog.messages
    (image,) = json.loads((tmp_path / "found.json").read_text())
    kinds = [found for found in image["detections"] if "parent" in found]
    assert kinds
    assert {found["parent"] for found in kinds} == {"tools"}
    assert f"tools ({kinds[0]['name']})" in capsys.readouterr().out


def test_mistakes_end_in_one_line_and_status_2(run, tmp_path, capsys):
    assert run("--input", "in", "--output", "out", "--custom_vocabulary", "cat,cat") == 2
    assert capsys.readouterr().err == (
        "error: class list: 'cat' is both name 1 and name 2; remove one\n"
    )
    assert not (tmp_path / "out").exists()


def test_results_are_kept_unless_they_may_be_replaced(run, tmp_path, capsys):
    (tmp_path / "found.json").write_text("mine")
    arguments = ("--input", "in", "--json", "found.json", "--custom_vocabulary", "cat")
    assert run(*arguments) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert run(*arguments, "--overwrite") == 0
    assert len(json.loads((tmp_path / "found.json").read_text())) == 2


def test_names_that_are_no_utf8_end_in_results(run, tmp_path):
    (tmp_path / "in" / "a.png").rename(tmp_path / "in" / "caf\udce9.png")
    arguments = ("--input", "in", "--json", "f.json", "--format", "voc", "--save-to", "xml")
    assert run(*arguments, "--custom_vocabulary", "cat") == 0
    names = [image["file_name"] for image in json.loads((tmp_path / "f.json").read_text())]
    assert sorted(names) == ["in/b.png", r"in/caf\xe9.png"]


def test_missing_files_are_told_before_weights_are_looked_for(run, capsys):
    assert run("--input", "nothere.jpg", "--custom_vocabulary", "cat", "--output", "out") == 2
    assert capsys.readouterr().err == "error: there is no file nothere.jpg\n"


def test_nothing_readable_ends_in_status_2(run, tmp_path, caplog):
    (tmp_path / "text.jpg").write_text("no image")
    with caplog.at_level("INFO"):
        status = run(
            "--input", "text.jpg", "missing.jpg", "--output", "out", "--custom_vocabulary", "cat"
        )
    assert status == 2
    assert "text.jpg' is not an image" in caplog.text
    assert "there is no image 'missing.jpg'" in caplog.text
    assert "no input could be read" in caplog.text


def test_some_readable_is_a_success(run, tmp_path, caplog):
    with caplog.at_level("INFO"):
        status = run(
            "--input", "in/a.png", "missing.jpg", "--output", "out", "--custom_vocabulary", "cat"
        )
    assert status == 0
    assert "skipped: there is no image 'missing.jpg'" in caplog.text


def test_left_out_inputs_have_a_status_of_their_own_if_asked_for(run):
    arguments = ("--custom_vocabulary", "cat", "--json", "a.json", "--overwrite", "--strict")
    assert run("--input", "in/a.png", *arguments) == 0
    assert run("--input", "in/a.png", "missing.jpg", *arguments) == 3
    assert run("--input", "missing.jpg", *arguments) == 2


def test_the_summary_is_all_that_is_on_standard_output(run, capsys):
    arguments = ("--input", "in", "--custom_vocabulary", "cat", "--confidence-threshold", "1")
    assert run(*arguments, "--json", "a.json") == 0
    assert capsys.readouterr().out == "0 objects in 2 inputs\n"
    assert run(*arguments, "--json", "/dev/stdout", "--overwrite") == 0
    assert "0 objects in 2 inputs\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("failure", "status"), [(KeyboardInterrupt(), 130), (InputError("the disk is full"), 2)]
)
def test_what_was_found_before_a_run_ends_early_is_kept(
    run, tmp_path, capsys, monkeypatch, failure, status
):
    def write(path, image, real=run_images.write_image):
        if path.name == "b.png":
            raise failure
        real(path, image)

    monkeypatch.setattr(run_images, "write_image", write)
    outputs = ("--output", "out", "--json", "found.json")
    assert run("--input", "in", *outputs, "--custom_vocabulary", "cat") == status
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]
    found = json.loads((tmp_path / "found.json").read_text())
    assert [image["file_name"] for image in found] == ["in/a.png", "in/b.png"]
    assert "in 1 input" in capsys.readouterr().out


def test_batch_size_must_be_positive(run, capsys):
    assert run("--input", "in", "--batch-size", "0") == 2
    assert "0 is too small; choose at least 1" in capsys.readouterr().err


def test_drawings_are_as_the_flags_say(run, monkeypatch):
    styles = []
    monkeypatch.setattr(
        detection_run, "draw", lambda image, found, style: styles.append(style) or image
    )
    flags = ["--mask-opacity", "0.4", "--line-width", "5", "--no-scores"]
    assert (
        run("--input", "in/a.png", "--output", "a.png", "--custom-vocabulary", "cat", *flags) == 0
    )
    (style,) = styles
    assert (style.mask_opacity, style.line_px, style.scores) == (0.4, 5, False)


def test_images_at_addresses_are_detected_in(run, tmp_path):
    with fsspec.open("memory://in/c d.png", "wb") as file:
        file.write((tmp_path / "in" / "a.png").read_bytes())
    inputs = ["memory://in/c d.png", "in/a.png", "memory://in/none.png"]
    arguments = ["--custom-vocabulary", "cat", "--output", "out/", "--json", "found.json"]
    assert run("--input", *inputs, *arguments) == 0
    files = {
        image["file_name"]: image for image in json.loads((tmp_path / "found.json").read_text())
    }
    assert files.keys() == {"in/a.png", "memory://in/c d.png"}
    of_file, of_address = files.values()
    assert of_file["detections"] == of_address["detections"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.png", "c d.png"}
