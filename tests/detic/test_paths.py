"""Where files are found, from whatever folder a program runs in."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from detic.errors import InputError
from detic.paths import (
    RESOURCES,
    as_file_name,
    at_home,
    cache_folder,
    dataset_path,
    datasets_root,
    find_file,
    looked_for,
    resource,
)
from detic.recipes import load_recipe
from detic.vocabulary import read_vocabulary_file
from detic.vocabulary.text_weights import SHAPES_ENCODER, find_text_weights

ROOT = Path(__file__).resolve().parents[2]
COCO = "datasets/vocabularies/coco.json"
RECIPE = "configs/shapes/Detic.yaml"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """The test runs in an empty folder, without variables that name others."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("DETECTRON2_DATASETS", "DETIC_MODELS"):
        monkeypatch.delenv(name, raising=False)
    return folder


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_home_that_nobody_knows_is_part_of_a_name():
    assert at_home("~no-such-user/a.pth") == Path("~no-such-user/a.pth")
    assert find_file("~no-such-user/a.pth") == Path("~no-such-user/a.pth")


@pytest.mark.parametrize("path", [RECIPE, COCO, SHAPES_ENCODER, "docs/pictures/scene.png"])
def test_what_comes_with_the_project_is_found(path):
    assert find_file(path) == resource(path)
    assert resource(path).is_file()


@pytest.mark.parametrize("path", [RECIPE, COCO, "models/shapes/detic.pth"])
def test_own_files_come_first(elsewhere, path):
    write(elsewhere / path)
    assert find_file(path) == Path(path)


def test_datasets_are_found_below_their_root(tmp_path, monkeypatch, elsewhere):
    write(elsewhere / "datasets/a.json")
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "data"))
    assert find_file("datasets/a.json") == tmp_path / "data/a.json"  # not another root's
    assert find_file(COCO) == resource(COCO)
    own = write(tmp_path / "data/vocabularies/coco.json")
    assert find_file(COCO) == own


def test_models_are_found_in_the_folder_of_models(tmp_path, monkeypatch):
    monkeypatch.setenv("DETIC_MODELS", str(tmp_path / "mine"))
    own = write(tmp_path / "mine/a.pth")
    assert find_file("models/a.pth") == own


def test_whole_paths_are_looked_for_there_alone(tmp_path):
    assert find_file(tmp_path / "a") == tmp_path / "a"
    assert looked_for(tmp_path / "a") == f"looked for {tmp_path}/a"


def test_messages_list_the_places(elsewhere):
    places = f"looked for {elsewhere}/configs/none.yaml, {RESOURCES}/configs/none.yaml"
    with pytest.raises(InputError, match=re.escape(places)):
        load_recipe("configs/none.yaml")
    for read in (read_vocabulary_file, find_text_weights):
        with pytest.raises(InputError, match=f"looked for {elsewhere}/none.txt, {RESOURCES}/none"):
            read("none.txt")


@pytest.mark.parametrize("base", ["base.yaml", RECIPE])
def test_recipes_are_based_on_files_beside_them_or_of_the_project(tmp_path, base):
    write(tmp_path / "base.yaml", f"_BASE_: {RECIPE}\nSEED: 3\n")
    recipe = write(tmp_path / "mine.yaml", f"_BASE_: {base}\nSOLVER:\n  MAX_ITER: 7\n")
    cfg = load_recipe(recipe)
    assert cfg.SOLVER.MAX_ITER == 7
    assert cfg.MODEL.WEIGHTS == load_recipe(RECIPE).MODEL.WEIGHTS


def test_a_process_has_one_datasets_root(tmp_path):
    code = """
import os
import detic
from detectron2.data import MetadataCatalog
from detic.datasets.box_sources import read_entry
from detic.paths import dataset_path
os.environ["DETECTRON2_DATASETS"] = "/another"
print(dataset_path("datasets/x"))
print(MetadataCatalog.get("oid_train").image_root)
print(MetadataCatalog.get("lvis_v1_val").image_root)
print(read_entry({"name": "mine", "dataset": "oid_train"}).images)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"DETECTRON2_DATASETS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        f"{tmp_path}/x",
        f"{tmp_path}/oid/images/",
        f"{tmp_path}/coco/",
        f"{tmp_path}/oid/images/",
    ]


def test_the_root_is_settled_by_the_first_question(monkeypatch):
    assert datasets_root() == Path("datasets")
    monkeypatch.setenv("DETECTRON2_DATASETS", "/another")
    assert dataset_path("datasets/x") == Path("datasets/x")


@pytest.mark.parametrize(
    "name", ["../../x", "/x", "a\\b", "a\0b", "a\nb", "n" * 999, "é" * 999, "\udcff", "..", ""]
)
def test_names_lead_nowhere(name, tmp_path):
    folder = tmp_path / f"inference_{as_file_name(name)}"
    folder.mkdir()
    assert [path.name for path in tmp_path.iterdir() if path.name != "elsewhere"] == [folder.name]


def test_names_that_differ_stay_different():
    names = ["a/b", "a%2Fb", "a%252Fb", "n" * 200, "n" * 201]
    assert len({as_file_name(name) for name in names}) == len(names)


@pytest.mark.parametrize("name", ["lvis_v1_val", "my boxes", "Größe", "v1.0+cc"])
def test_ordinary_names_stay(name):
    assert as_file_name(name) == name


class TestCache:
    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch):
        for name in ("DETIC_CACHE", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)

    def test_variables_come_first(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        assert cache_folder() == tmp_path / ".cache" / "detic"
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert cache_folder() == tmp_path / "xdg" / "detic"
        monkeypatch.setenv("DETIC_CACHE", str(tmp_path / "own"))
        assert cache_folder() == tmp_path / "own"

    def test_a_home_that_cannot_be_written_is_said_once(self, monkeypatch, tmp_path, caplog):
        monkeypatch.setenv("HOME", "/proc/none")
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        folders = {cache_folder() for _ in range(3)}
        assert folders == {tmp_path / f"detic-{os.getuid()}"}
        assert folders.pop().stat().st_mode & 0o77 == 0  # nobody else writes there
        assert caplog.text.count("cannot be written; the cache is") == 1
