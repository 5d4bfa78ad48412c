"""The package of docs/extending.md, written as the page says and trained with."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from tests.tiny_detector import noise

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```\w+\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the page's files, and a datasets root with data for its dataset."""
    folder = tmp_path_factory.mktemp("extending")
    for name, text in FILES.items():
        write(folder / name, text.replace('"Detic.yaml"', f'"{ROOT}/configs/shapes/Detic.yaml"'))
    table = folder / "datasets" / "my_table"
    names = [f"{i}.png" for i in range(8)]
    rows = [f"{name},80,60,{('gear', 'mug')[i % 2]},10,10,50,40" for i, name in enumerate(names)]
    write(table / "boxes.csv", "\n".join(["file,width,height,class,x0,y0,x1,y1", *rows]))
    paths = [table / name for name in names]
    paths += [table / "labels" / label / name for label in ("gear", "mug") for name in names]
    for seed, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), noise(seed=seed))
    return folder


def run(folder, *command, **environment):
    paths = os.pathsep.join([str(folder), *sys.path])
    settings = {"PYTHONPATH": paths, "DETECTRON2_DATASETS": str(folder / "datasets")}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | settings | {"OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def training(*options, imports=("--import", "my_detic")):
    return [
        *(ROOT / "train_net.py", "--config-file", "configs/shapes/Mine.yaml", *imports),
        *("--num-gpus", "2", "MODEL.DEVICE", "cpu", "DATALOADER.NUM_WORKERS", "0", *options),
    ]


def test_the_page_has_all_files():
    assert sorted(FILES) == [
        *("configs/shapes/Mine.yaml", "embed_names.py", "my_detic/__init__.py"),
        *("my_detic/backbone.py", "my_detic/boxes.py", "my_detic/rule.py"),
    ]


def test_the_package_trains_in_spawned_processes(folder):
    assert run(folder, "embed_names.py") == (0, "")
    status, text = run(folder, *training("OUTPUT_DIR", "trained"))
    assert status == 0, text
    assert "my_table" in text
    assert (folder / "trained" / "model_final.pth").is_file()
    config = (folder / "trained" / "config.yaml").read_text(encoding="utf-8")
    assert "build_plain_fpn_backbone" in config
    assert "IMAGE_LABEL_LOSS: median_size" in config


def test_a_package_that_is_not_there_ends_in_one_line(folder):
    status, text = run(folder, *training(imports=("--import", "my_detick")))
    assert (status, text.count("\n")) == (2, 1)
    assert "Python finds no module my_detick" in text


def test_demo_imports_packages_too(folder):
    command = [ROOT / "demo.py", "--input", "datasets/my_table/0.png", "--output", "out.png"]
    status, text = run(folder, *command, DETIC_IMPORTS="my_missing")
    assert (status, "Python finds no module my_missing" in text) == (2, True), text
    status, text = run(folder, *command, "--import", "my_other")
    assert (status, "Python finds no module my_other" in text) == (2, True), text
