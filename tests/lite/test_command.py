"""The program, in a process that has no torch."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from detic_lite import command
from tests.lite.without_torch import run_without_torch


def test_it_needs_neither_torch_nor_detic(tmp_path):
    done = run_without_torch(
        "m.onnx", "--input", "a.jpg", "--custom-vocabulary", "cat", cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: there is no file m.onnx\n"


@pytest.fixture
def run(detector_of, monkeypatch, tmp_path):
    """A function that runs the program in a folder with an image, with a graph that finds a cat."""
    cat = {
        "boxes": np.array([[0, 0, 10, 20]], np.float32),
        "scores": np.array([0.75], np.float32),
        "classes": np.array([0]),
        "region_embeddings": np.ones((1, 3), np.float32),
    }
    detector = detector_of(lambda inputs: cat)
    monkeypatch.setattr(command, "LiteDetector", lambda *args, **kwargs: detector)
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 40)).save("a.png")

    def call(*flags):
        arguments = ["detic-lite", "m.onnx", "--custom-vocabulary", "cat", *flags]
        monkeypatch.setattr("sys.argv", arguments)
        with pytest.raises(SystemExit) as ended:
            command.main()
        return ended.value.code

    return call


def test_results_are_a_json_document(run, tmp_path, capfd):
    (tmp_path / "7.png").symlink_to("a.png")
    assert run("--input", "a.png", "7.png", "a.png") == 0
    first, second = json.loads(capfd.readouterr().out)
    assert (first["image_id"], second["image_id"]) == (1, 2)
    assert (first["file_name"], second["file_name"]) == ("a.png", "7.png")
    assert first["detections"] == [
        {"name": "cat", "label": 0, "score": 0.75, "box_xyxy": [0, 0, 20, 40]}
    ]


def test_files_are_kept_unless_told(run, tmp_path, capfd):
    (tmp_path / "found.json").write_text("mine")
    assert run("--input", "a.png", "--json", "found.json") == 2
    assert "--overwrite" in capfd.readouterr().err
    assert run("--input", "a.png", "--json", "lost/found.json") == 2
    assert "there is no folder lost" in capfd.readouterr().err
    assert run("--input", "a.png", "--json", "found.json", "--overwrite") == 0
    assert len(json.loads((tmp_path / "found.json").read_text())) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "found.json"]


def test_turned_and_compressed_images_are_drawn_as_they_are_seen(run, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    image = Image.new("RGB", (80, 40))
    image.save(tmp_path / "turned.jpg", exif=exif)
    image.save(tmp_path / "packed.tif", compression="tiff_lzw")
    names = ("turned.jpg", "packed.tif")
    assert run("--input", *names, "--output", "drawn", "--json", "found.json") == 0
    entries = json.loads((tmp_path / "found.json").read_text())
    assert [(e["width"], e["height"]) for e in entries] == [(40, 80), (80, 40)]
    drawn = [Image.open(tmp_path / "drawn" / name).size for name in names]
    assert drawn == [(40, 80), (80, 40)]


def test_a_result_replaces_nothing_that_the_call_needs(run, tmp_path, capfd):
    before = (tmp_path / "a.png").read_bytes()
    assert run("--input", "a.png", "--json", "a.png", "--overwrite") == 2
    assert "--json would replace a.png" in capfd.readouterr().err
    assert (tmp_path / "a.png").read_bytes() == before


def test_images_that_cannot_be_read_are_named_and_left_out(run, tmp_path, capfd):
    (tmp_path / "text.jpg").write_text("no image")
    assert run("--input", "lost.png", "a.png", "text.jpg") == 1
    printed = capfd.readouterr()
    assert [entry["file_name"] for entry in json.loads(printed.out)] == ["a.png"]
    assert printed.err == (
        "skipped: there is no image lost.png\nskipped: text.jpg is no image, or it is damaged\n"
    )


def test_nothing_read_gives_an_empty_list(run, capfd):
    assert run("--input", "lost.png") == 1
    assert capfd.readouterr().out == "[]\n"


def test_drawings_that_a_format_cannot_hold_are_named_and_left_out(run, tmp_path, capfd):
    Image.new("RGB", (2**14, 1)).save(tmp_path / "wide.webp.png")  # WebP has no wider images
    (tmp_path / "wide.webp.png").rename(tmp_path / "wide.webp")
    flags = ("--input", "wide.webp", "a.png", "--output", "drawn", "--json", "found.json")
    assert run(*flags) == 1
    assert "skipped: cannot draw drawn/wide.webp: " in capfd.readouterr().err
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["a.png"]
    assert len(json.loads((tmp_path / "found.json").read_text())) == 2


def test_drawings_go_to_a_folder_and_a_line_tells_of_them(run, tmp_path, capfd):
    assert run("--input", "a.png", "--output", "drawn/deep") == 0
    assert capfd.readouterr().out == "1 object in 1 image: 1 cat\n"
    assert [path.name for path in (tmp_path / "drawn/deep").iterdir()] == ["a.png"]


def test_a_broken_font_shows_before_anything_is_written(run, tmp_path, capfd):
    (tmp_path / "a.ttf").write_text("no font")
    assert run("--input", "a.png", "--output", "drawn", "--font", "a.ttf") == 2
    assert "cannot read the font a.ttf" in capfd.readouterr().err
    assert not (tmp_path / "drawn").exists()


def test_names_of_files_that_are_no_text_are_codes(run, tmp_path, capfd):
    name = os.fsdecode(b"caf\xe9.png")
    try:
        (tmp_path / "a.png").rename(tmp_path / name)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    assert run("--input", name) == 0
    (entry,) = json.loads(capfd.readouterr().out)
    assert entry["file_name"] == name
