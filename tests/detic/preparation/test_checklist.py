"""What a dataset needs and how to get it."""

import importlib.util
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from detic.datasets.table import SPECS
from detic.preparation.checklist import missing_files, needed_files, steps_to
from detic.preparation.sources import ALTERNATIVES, SOURCES

REPOSITORY = Path(__file__).parents[3]


def make(root, *paths):
    for path in paths:
        target = root / path
        target = target / "something" if path.endswith("/") else target
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_every_file_of_every_dataset_has_a_source(spec):
    for choice in needed_files(spec):
        assert all(path in SOURCES for path in choice)


def test_what_commands_read_has_a_source():
    for source in (*SOURCES.values(), *ALTERNATIVES.values()):
        assert all(path in SOURCES for path in source.inputs)


def test_every_command_is_one_its_program_understands():
    sources = (*SOURCES.values(), *ALTERNATIVES.values())
    commands = {source.how for source in sources if source.is_command}
    for command in commands - {SOURCES["shapes/"].how}:
        _, script, *arguments = shlex.split(command)
        module_spec = importlib.util.spec_from_file_location("tool", REPOSITORY / script)
        tool = importlib.util.module_from_spec(module_spec)
        module_spec.loader.exec_module(tool)
        tool.parse_arguments(arguments)


def test_a_dataset_is_ready_when_its_files_are_there(tmp_path):
    spec = SPECS["lvis_v1_train_norare"]
    assert len(missing_files(spec, tmp_path)) == 4
    make(tmp_path, *(choice[0] for choice in needed_files(spec)))
    assert missing_files(spec, tmp_path) == []


def test_an_empty_folder_of_images_counts_as_missing(tmp_path):
    (tmp_path / "coco/train2017").mkdir(parents=True)
    assert "coco/train2017/" in missing_files(SPECS["lvis_v1_train"], tmp_path)


def test_images_in_tar_files_will_do_for_imagenet(tmp_path):
    spec = SPECS["imagenet_lvis_v1"]
    assert "imagenet/ImageNet-LVIS/" in missing_files(spec, tmp_path)
    make(tmp_path, "imagenet/metadata-22k/tar_files.npy")
    assert "imagenet/ImageNet-LVIS/" not in missing_files(spec, tmp_path)


def test_labels_are_made_from_tar_files_by_those_who_keep_them(tmp_path):
    spec = SPECS["imagenet_lvis_v1"]

    def commands():
        steps = steps_to(missing_files(spec, tmp_path), tmp_path)
        return [step.source.how for step in steps if "imagenet" in step.files[0]]

    assert any("unzip_imagenet_lvis" in command for command in commands())
    make(tmp_path, "imagenet/metadata-22k/tar_files.npy")
    assert commands() == ["python tools/create_imagenetlvis_json.py --from_tars"]
    make(tmp_path, "imagenet/ImageNet-LVIS/")
    assert commands() == ["python tools/create_imagenetlvis_json.py"]


def test_steps_start_with_downloads_and_respect_what_commands_read(tmp_path):
    steps = steps_to(missing_files(SPECS["coco_zeroshot_train_oriorder"], tmp_path), tmp_path)
    is_command = [step.source.is_command for step in steps]
    assert is_command == sorted(is_command)
    done = set()
    for step in steps:
        assert done.issuperset(step.source.inputs)
        done.update(step.files)


def test_what_is_there_needs_no_step(tmp_path):
    make(tmp_path, "lvis/lvis_v1_train.json")
    (step,) = steps_to(["lvis/lvis_v1_train_norare.json"], tmp_path)
    assert step.source.instruction == "run python tools/remove_lvis_rare.py"
    assert step.files == ("lvis/lvis_v1_train_norare.json",)


def test_files_of_one_command_are_one_step(tmp_path):
    wanted = ["cc3m/training/", "cc3m/train_image_info.json"]
    fetch, run = steps_to(wanted, tmp_path)
    assert fetch.source.instruction.startswith("get https://")
    assert set(run.files) == set(wanted)


def test_datasets_without_a_class_list_need_no_embeddings():
    spec = replace(SPECS["coco_2017_val"], vocabulary=None)
    assert len(needed_files(SPECS["coco_2017_val"])) == len(needed_files(spec)) + 1
