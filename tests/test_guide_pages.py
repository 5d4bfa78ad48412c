"""The Python of docs/video.md and docs/large_images.md, as a reader would try it."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from detic.videos import video_writer

ROOT = Path(__file__).resolve().parents[1]


def python_blocks(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a short street.mp4 and a small map.tif, in which the scene is seen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path / "cache"))
    scene = cv2.imread(str(ROOT / "docs" / "pictures" / "scene.png"))
    cv2.imwrite("map.tif", np.hstack((scene, scene)))
    with video_writer(Path("street.mp4"), fps=10) as write:
        for number in range(3):
            write(scene, number / 10, (number + 1) / 10)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_python_goes_through_a_video(capsys):
    frames, tracks = python_blocks("video.md")
    exec(compile(frames, "video.md", "exec"), {})
    shown = capsys.readouterr().out.splitlines()
    assert [line[:6] for line in shown] == ["0.00 s", "0.10 s", "0.20 s"]
    assert "green gear" in shown[0]
    pytest.importorskip("trackers", reason="trackers is not installed")
    exec(compile(tracks, "video.md", "exec"), {})
    assert "0.20 s 1 " in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_python_finds_what_large_images_show(capsys):
    (block,) = python_blocks("large_images.md")
    exec(compile(block, "large_images.md", "exec"), {})
    assert capsys.readouterr().out.startswith("4 ['")
