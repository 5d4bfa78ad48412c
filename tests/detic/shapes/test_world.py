import hashlib
import json

import pytest

from detic.errors import InputError
from detic.shapes.world import generate_world, main
from detic.shapes.world_spec import read_world_spec
from tests.detic.shapes.conftest import NOUNS, SIZES


def load(root, name):
    return json.loads((root / f"shapes/annotations/{name}.json").read_text())


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_every_image_that_is_named_exists_and_no_other(tiny_world_root):
    folder = tiny_world_root / "shapes"
    named = [
        image["file_name"]
        for name in ("train", "val", "labels")
        for image in load(tiny_world_root, name)["images"]
    ]
    on_disk = {str(path.relative_to(folder)) for path in folder.rglob("*.jpg")}
    assert set(named) == on_disk
    assert len(named) == 12 + 4 + 12


def test_annotations_refer_to_images_and_categories(tiny_world_root):
    for name in ("train", "val"):
        document = load(tiny_world_root, name)
        image_ids = {image["id"] for image in document["images"]}
        category_ids = {category["id"] for category in document["categories"]}
        annotations = document["annotations"]
        assert {entry["image_id"] for entry in annotations} <= image_ids
        assert {entry["category_id"] for entry in annotations} <= category_ids
        assert len({entry["id"] for entry in annotations}) == len(annotations) > 0


def test_novel_boxes_are_in_train_and_val_but_not_in_norare(tiny_world_root):
    novel = {c["id"] for c in load(tiny_world_root, "train")["categories"] if c["frequency"] == "r"}
    assert len(novel) == 4
    shown = {
        name: {entry["category_id"] for entry in load(tiny_world_root, name)["annotations"]}
        for name in ("train", "train_norare", "val")
    }
    assert shown["train"] & novel
    assert shown["val"] & novel
    assert not shown["train_norare"] & novel


def test_novel_classes_have_no_images_in_the_class_frequencies(tiny_world_root):
    cat_info = load(tiny_world_root, "train_norare_cat_info")
    assert all((c["image_count"] == 0) == (c["frequency"] == "r") for c in cat_info)


def test_every_class_has_label_images(tiny_world_root):
    labels = load(tiny_world_root, "labels")
    assert [image["pos_category_ids"] for image in labels["images"]] == [[n] for n in range(1, 13)]
    assert [category["image_count"] for category in labels["categories"]] == [1] * 12
    assert labels["annotations"] == []


def test_the_same_world_is_drawn_by_two_processes(tiny_world_root, tmp_path):
    generate_world(tmp_path, 3, **SIZES, nouns=NOUNS, workers=2, progress=False)
    assert digests(tmp_path / "shapes") == digests(tiny_world_root / "shapes")


def test_finished_world_is_kept(tiny_world_root):
    stamp = (tiny_world_root / "shapes/world.json").stat().st_mtime_ns
    generate_world(tiny_world_root, 3, **SIZES, nouns=NOUNS, progress=False)
    assert (tiny_world_root / "shapes/world.json").stat().st_mtime_ns == stamp


def test_another_world_is_refused_unless_overwritten(tmp_path):
    tiny = {"train_images": 2, "val_images": 1, "labels_per_class": 1, "nouns": NOUNS[:2]}
    generate_world(tmp_path, 0, **tiny, progress=False)
    with pytest.raises(
        InputError, match=r"holds another world \(seed 0 instead of 1\); use another"
    ):
        generate_world(tmp_path, 1, **tiny, progress=False)
    generate_world(tmp_path, 1, **tiny, progress=False, overwrite=True)
    assert read_world_spec(tmp_path).seed == 1
    assert [path.name for path in tmp_path.iterdir()] == ["shapes"]


def test_foreign_folder_is_never_replaced(tmp_path):
    (tmp_path / "shapes").mkdir()
    with pytest.raises(InputError, match="is no shapes world; move it away"):
        generate_world(tmp_path, 0, overwrite=True)


def test_failed_drawing_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("detic.shapes.world.write_scene", fail)
    with pytest.raises(OSError, match="disk full"):
        generate_world(tmp_path, 0, progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["train_images", "val_images", "labels_per_class", "workers"])
def test_numbers_must_be_positive(tmp_path, name):
    with pytest.raises(InputError, match=f"{name} must be 1 or more, got 0"):
        generate_world(tmp_path, 0, **{name: 0})


def test_seed_must_not_be_negative(tmp_path):
    with pytest.raises(InputError, match="seed must be 0 or more, got -1"):
        generate_world(tmp_path, -1)


def test_command_line_reports_mistakes_without_a_traceback(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--root", str(tmp_path), "--nouns", "star", "kee"])
    assert "unknown noun 'kee'; choose from star" in capsys.readouterr().err


def test_help_shows_a_command_to_paste(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python -m detic.shapes.world --root datasets --seed 0" in capsys.readouterr().out
