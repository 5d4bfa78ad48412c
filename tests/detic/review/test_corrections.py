import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from detectron2.data import DatasetCatalog

from detic.datasets.box_sources import register_box_sources
from detic.errors import InputError
from detic.review.corrections import run_import
from detic.vocabulary.model_classes import ModelClasses
from detic_commands.label.import_labels import argument_parser
from tests.quick_labeller import CLASS_NAMES, found_in


@pytest.fixture
def imported(tmp_path, capsys):
    """A function that imports files with the flags of the command; returns the entry it prints."""

    def imported(*arguments):
        output = tmp_path / "corrected" / "boxes.json"
        line = [*map(str, arguments), "--output", str(output), "--overwrite"]
        assert run_import(argument_parser().parse_args(line)) == 0
        [entry] = yaml.safe_load(capsys.readouterr().out)
        return entry

    return imported


def written(entry):
    return json.loads(Path(entry["annotations"]).read_text())


def accepted(folder):
    """Label Studio's export of tasks whose predictions are all accepted."""
    tasks = json.loads((folder / "tasks.json").read_text())
    for one in tasks:
        one["annotations"] = one.pop("predictions")
    (folder / "export.json").write_text(json.dumps(tasks))
    return folder / "export.json"


def cvat_xml(photos, boxes):
    """CVAT's own format: boxes (label, left, top, right, bottom) of the first image."""
    shapes = "".join(
        f'<box label="{label}" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"/>'
        for label, x1, y1, x2, y2 in boxes
    )
    first, *others = [f'<image id="{i}" name="{name}">' for i, name in enumerate(photos)]
    rest = "".join(f"{image}</image>" for image in others)
    return f"<annotations><version>1.1</version>{first}{shapes}</image>{rest}</annotations>"


def corrected(format, photos, merged, job, tmp_path):
    """What people made of the labels with a tool: nothing was wrong."""
    if format == "label-studio":
        return accepted(merged(job, format, "review"))
    if format == "cvat xml":
        boxes = [(found.name, *found.box_xyxy) for found in found_in(photos[0])]
        (tmp_path / "annotations.xml").write_text(cvat_xml(photos, boxes))
        return tmp_path / "annotations.xml"
    if format == "cvat":
        return merged(job, format, "review") / "annotations" / "instances_default.json"
    return merged(job, format, "review.json")


@pytest.mark.parametrize("format", ["coco", "cvat", "label-studio", "cvat xml"])
def test_what_is_imported_can_be_registered_and_loaded(
    job, photos, merged, imported, tmp_path, catalogs, cfg, format
):
    entry = imported(corrected(format, photos, merged, job, tmp_path), "--job", job.folder)
    classes = ["jug", "mug", "cup"]  # of the model that is trained, in another order
    (tmp_path / "names.txt").write_text("\n".join(classes))
    cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH = str(tmp_path / "names.txt")
    register_box_sources([entry], ModelClasses.from_config(cfg))
    records = DatasetCatalog.get(entry["name"])
    assert [record["file_name"] for record in records] == [str(tmp_path / name) for name in photos]
    shown = photos[:1] if format == "cvat xml" else photos
    for record, name in zip(records, shown, strict=False):
        found = found_in(name)
        assert [classes[a["category_id"]] for a in record["annotations"]] == found.names.tolist()
        if format in ("coco", "cvat xml"):
            boxes = np.array([a["bbox"] for a in record["annotations"]]).reshape(-1, 4)
            np.testing.assert_allclose(boxes[:, :2], found.boxes_xyxy[:, :2])


def test_ids_of_classes_are_the_jobs(job, photos, imported, tmp_path):
    (tmp_path / "a.xml").write_text(cvat_xml(photos, [("Mug", 1, 2, 11, 22)]))
    document = written(imported(tmp_path / "a.xml", "--job", job.folder))
    assert [category["name"] for category in document["categories"]] == list(CLASS_NAMES)
    [row] = document["annotations"]
    assert (row["category_id"], row["bbox"]) == (2, [1, 2, 10, 20])


def test_several_files_without_a_job_are_one(photos, imported, tmp_path):
    for number, name in enumerate(photos[:2]):
        (tmp_path / f"{number}.xml").write_text(cvat_xml([name], [(f"class {number}", 0, 0, 9, 9)]))
    entry = imported(tmp_path / "0.xml", tmp_path / "1.xml")
    document = written(entry)
    assert [image["file_name"] for image in document["images"]] == photos[:2]
    assert {c["id"]: c["name"] for c in document["categories"]} == {1: "class 0", 2: "class 1"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([("mugg", 0, 0, 9, 9)], r"1\.png: unknown class 'mugg'; choose .*did you mean 'mug'"),
        ([("mug", 0, 0, 0, 9)], r"image 0, shape 1: its box is not as expected .it has no area"),
        ([("mug", "x", 0, 0, 9)], r"image 0, shape 1: its box is not as expected"),
        ("<annotations>", "no XML"),
        ("<other/>", "its root is <other>; expected <annotations>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "it declares a document type"),
        ("<annotations/>", "has no annotated image"),
    ],
)
def test_mistakes_of_an_export_are_named(job, photos, imported, tmp_path, content, problem):
    text = content if isinstance(content, str) else cvat_xml(photos, content)
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(InputError, match=problem):
        imported(tmp_path / "a.xml", "--job", job.folder)
    assert not (tmp_path / "corrected").exists()


def test_images_that_are_missing_elsewhere_or_there_twice_are_refused(photos, imported, tmp_path):
    file = tmp_path / "photos" / "a.xml"
    file.write_text(cvat_xml(["gone.png"], []))
    with pytest.raises(InputError, match=r"there is no image 'gone\.png'"):
        imported(file)
    (tmp_path / "secret.png").write_bytes((tmp_path / photos[0]).read_bytes())
    file.write_text(cvat_xml(["../secret.png"], []))
    with pytest.raises(InputError, match=r"secret\.png: not below .*photos; --images names"):
        imported(file)
    file.write_text(cvat_xml(["1.png", "1.png"], []))
    with pytest.raises(InputError, match=r"1\.png is annotated twice"):
        imported(file)


def test_the_folder_may_link_to_images(photos, imported, tmp_path):
    (tmp_path / "elsewhere.png").write_bytes((tmp_path / photos[0]).read_bytes())
    (tmp_path / "photos" / "link.png").symlink_to(tmp_path / "elsewhere.png")
    file = tmp_path / "photos" / "a.xml"
    file.write_text(cvat_xml(["link.png"], []))
    imported(file)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.json", "[{", r"a\.json is not valid JSON"),
        ("a.json", '[{"id": 1}]', "no list of Label Studio's tasks"),
        ("a.json", '{"images": 3, "annotations": []}', r"a\.json"),
        ("a.txt", "cats", "has no format that is known"),
        ("gone.json", None, "is not there"),
    ],
)
def test_files_of_other_kinds_end_in_one_message(imported, tmp_path, name, content, problem):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=problem):
        imported(tmp_path / name, "--images", tmp_path)
