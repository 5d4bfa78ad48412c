"""Image-labelled data as they lie on disk: folders, tar files, shards, tables."""

import io
import json
import logging
import os

import numpy as np
import pytest
from PIL import Image

from detic.datasets import image_sizes
from detic.datasets.image_labels.class_index import ClassIndex
from detic.datasets.image_labels.class_tars import load_class_tars
from detic.datasets.image_labels.csv_table import load_csv_table
from detic.datasets.image_labels.folders import load_image_folder
from detic.datasets.image_labels.shards import load_shards
from detic.errors import InputError
from detic.images import read_image_size
from detic.loading.image_reader import ImageReader
from tests.detic.datasets.test_tar_files import write_tar

CLASSES = ClassIndex(["alarm_clock", "cup", "spoon"])


def image(width, height, format="JPEG"):
    stream = io.BytesIO()
    Image.new("RGB", (width, height)).save(stream, format)
    return stream.getvalue()


def summary(records):
    return [(r.get("height"), r.get("width"), r["pos_category_ids"]) for r in records]


def interrupted_after(count):
    """Return read_image_size as it is when somebody presses Ctrl-C after some images."""
    answers = iter(range(count))

    def size(file):
        if next(answers, None) is None:
            raise KeyboardInterrupt
        return read_image_size(file)

    return size


def readable(records):
    """Return the sizes that reading the images gives."""
    return [ImageReader("RGB")(record).shape[:2] for record in records]


class TestFolders:
    @pytest.fixture
    def root(self, write_image, tmp_path):
        write_image("root/cup/b.png", 30, 20)
        write_image("root/cup/a.jpg", 20, 30)
        write_image("root/alarm clock/c.png", 8, 9)
        (tmp_path / "root/cup/notes.txt").write_text("no image")
        (tmp_path / "root/.hidden").mkdir()
        return tmp_path / "root"

    def test_each_folder_is_a_class(self, root):
        records = load_image_folder(root, CLASSES)
        assert summary(records) == [(9, 8, [0]), (30, 20, [1]), (20, 30, [1])]
        assert [r["image_id"] for r in records] == [1, 2, 3]
        assert [r["annotations"] for r in records] == [[]] * 3
        assert readable(records) == [(9, 8), (30, 20), (20, 30)]

    def test_wordnet_ids_need_a_map(self, root):
        (root / "cup").rename(root / "n03147509")
        with pytest.raises(InputError, match="unknown class 'n03147509'"):
            load_image_folder(root, CLASSES)
        classes = ClassIndex(CLASSES.class_names, {"n03147509": 2})
        assert {tuple(r["pos_category_ids"]) for r in load_image_folder(root, classes)} == {
            (0,),
            (1,),
        }

    def test_sizes_are_read_once(self, root, monkeypatch):
        first = load_image_folder(root, CLASSES)
        monkeypatch.setattr(image_sizes, "read_image_size", None)
        assert load_image_folder(root, CLASSES) == first

    def test_images_added_later_are_looked_at(self, root, write_image):
        load_image_folder(root, CLASSES)
        write_image("root/spoon/d.png", 5, 6)
        assert summary(load_image_folder(root, CLASSES))[-1] == (6, 5, [2])

    def test_an_image_of_another_size_in_its_place_is_noticed(self, root, write_image):
        load_image_folder(root, CLASSES)
        path = write_image("root/cup/a.jpg", 7, 5)
        os.utime(path, (1, 1))  # moved there, it may be older than the index
        assert summary(load_image_folder(root, CLASSES))[1] == (5, 7, [1])

    def test_files_of_other_kinds_are_left_out_with_a_warning(self, root, caplog):
        (root / "cup" / "notes.txt").touch()
        (root / "cup" / ".hidden").touch()
        assert len(load_image_folder(root, CLASSES)) == 3
        assert "left out 1 file without the suffix of an image: " in caplog.text
        assert caplog.messages[-1].endswith("cup/notes.txt")

    def test_images_in_subfolders_are_left_out_with_a_warning(self, root, write_image, caplog):
        write_image("root/cup/blue/deep/e.png")
        assert len(load_image_folder(root, CLASSES)) == 3
        assert "left out 1 images in subfolders of class folders, such as " in caplog.text
        assert "e.png; move them up into the folder of their class" in caplog.text

    def test_leftovers_of_macos_are_no_images(self, root):
        (root / "cup" / "._a.jpg").write_bytes(b"attributes")
        assert len(load_image_folder(root, CLASSES)) == 3

    def test_an_interrupted_start_goes_on_where_it_was(self, root, monkeypatch):
        monkeypatch.setattr(image_sizes, "CHUNK", 1)
        monkeypatch.setattr(image_sizes, "read_image_size", interrupted_after(2))
        with pytest.raises(KeyboardInterrupt):
            load_image_folder(root, CLASSES)
        monkeypatch.setattr(image_sizes, "read_image_size", interrupted_after(1))
        assert len(load_image_folder(root, CLASSES)) == 3

    def test_an_unreadable_image_stays_without_size(self, root, caplog):
        (root / "cup" / "z.jpg").write_bytes(b"damaged")
        with caplog.at_level(logging.WARNING):
            assert summary(load_image_folder(root, CLASSES))[-1] == (None, None, [1])
        assert "z.jpg cannot be read" in caplog.text

    @pytest.mark.parametrize("content", ["{", '{"version": 0}', "[]"])
    def test_a_damaged_index_is_made_anew(self, root, content, caplog):
        first = load_image_folder(root, CLASSES)
        (root / ".picture_sizes.json").write_text(content)
        with caplog.at_level(logging.WARNING):
            assert load_image_folder(root, CLASSES) == first
        assert "looking at all images again" in caplog.text

    def test_the_index_can_be_elsewhere_or_nowhere(self, root, tmp_path, caplog, monkeypatch):
        load_image_folder(root, CLASSES, tmp_path / "index" / "sizes.json")
        assert (tmp_path / "index" / "sizes.json").exists()
        assert not (root / ".picture_sizes.json").exists()

        def refuse(path, content):
            raise InputError(f"cannot write {path}: permission denied")

        monkeypatch.setattr(image_sizes, "write_json", refuse)
        assert len(load_image_folder(root, CLASSES)) == 3
        assert "the sizes of images are not remembered" in caplog.text

    def test_a_missing_folder_is_named(self, tmp_path):
        with pytest.raises(InputError, match="nowhere is no folder; it should hold one folder for"):
            load_image_folder(tmp_path / "nowhere", CLASSES)


class TestClassTars:
    @pytest.fixture
    def root(self, tmp_path):
        write_tar(tmp_path / "cup.tar", [("a.JPEG", image(30, 20)), ("b.JPEG", b"damaged")])
        write_tar(tmp_path / "spoon.tar", [("x" * 120 + ".png", image(4, 5, "PNG"))])
        return tmp_path

    def test_each_tar_file_is_a_class(self, root):
        records = load_class_tars(root, CLASSES)
        assert summary(records) == [(20, 30, [1]), (None, None, [1]), (5, 4, [2])]
        assert [r["image_id"] for r in records] == [1, 2, 3]
        assert readable([records[0], records[2]]) == [(20, 30), (5, 4)]

    def test_the_index_is_made_once(self, root):
        load_class_tars(root, CLASSES)
        files = sorted((root / "tarindex_npy").iterdir())
        before = [path.stat().st_mtime_ns for path in files]
        assert len(files) == 8  # four arrays a tar file
        load_class_tars(root, CLASSES)
        assert [path.stat().st_mtime_ns for path in files] == before

    def test_thousands_of_tar_files_show_their_progress(self, root, capsys, monkeypatch):
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
        load_class_tars(root, CLASSES)
        assert "tar files: 100%" in capsys.readouterr().err

    def test_leftovers_of_macos_are_no_tar_files(self, root):
        (root / "._cup.tar").write_bytes(b"attributes")
        assert len(load_class_tars(root, CLASSES)) == 3

    def test_an_index_that_cannot_be_written_is_named(self, root, monkeypatch):
        def refuse(path, array):
            raise PermissionError("read-only")

        monkeypatch.setattr(np, "save", refuse)
        with pytest.raises(InputError, match="cannot be written: read-only; name a writable index"):
            load_class_tars(root, CLASSES)


class TestShards:
    @pytest.fixture
    def shards(self, tmp_path):
        write_tar(
            tmp_path / "000.tar",
            [
                ("0001.jpg", image(30, 20)),
                ("0001.cls", b"2"),
                ("0002.JPG", image(20, 30)),
                ("0002.cls", b"cup|Alarm Clock\n"),
                ("0003.txt", b"a sample without an image"),
            ],
        )
        write_tar(
            tmp_path / "001.tar",
            [
                ("a/0001.json", json.dumps({"labels": ["spoon", 1]}).encode()),
                ("a/0001.png", image(4, 5, "PNG")),
                ("b/0001.png", image(6, 5, "PNG")),
                ("b/0001.json", json.dumps([]).encode()),
                ("b/0002.png", b"damaged"),
                ("b/0002.json", json.dumps({"label": "cup"}).encode()),
            ],
        )
        return tmp_path

    def test_labels_stand_beside_their_images(self, shards):
        records = load_shards(shards, CLASSES)
        assert summary(records) == [
            (20, 30, [2]),
            (30, 20, [0, 1]),
            (5, 4, [1, 2]),
            (5, 6, []),
            (None, None, [1]),
        ]
        assert readable(records[:4]) == [(20, 30), (30, 20), (5, 4), (5, 6)]

    def test_a_single_shard_can_be_named(self, shards):
        assert len(load_shards(shards / "000.tar", CLASSES)) == 2

    def test_only_changed_shards_are_looked_into(self, shards, monkeypatch):
        from detic.datasets.image_labels import shards as module

        first = load_shards(shards, CLASSES)
        looked_into = []
        read_shard = module.read_shard
        monkeypatch.setattr(
            module, "read_shard", lambda s: looked_into.append(s.name) or read_shard(s)
        )
        assert load_shards(shards, CLASSES) == first
        os.utime(shards / "001.tar", (1, 1))
        assert load_shards(shards, CLASSES) == first
        assert looked_into == ["001.tar"]

    def test_shards_are_remembered_one_by_one(self, shards, monkeypatch):
        (shards / "002.tar").write_bytes(b"damaged")
        for _ in range(2):
            with pytest.raises(InputError, match=r"002\.tar cannot be read"):
                load_shards(shards, CLASSES)
            # At the second start nothing of the first two shards is looked at.
            monkeypatch.setattr("detic.datasets.image_labels.shards.read_image_size", None)

    def test_images_with_a_dot_in_their_name_are_counted(self, tmp_path, caplog):
        members = [("a/img.02.jpg", image(3, 3)), ("a/img.02.cls", b"cup")]
        sound = [("a/img_01.jpg", image(3, 4)), ("a/img_01.cls", b"cup")]
        write_tar(tmp_path / "s.tar", [*members, *sound])
        for _ in range(2):  # also when the shard is remembered
            caplog.clear()
            assert summary(load_shards(tmp_path, CLASSES)) == [(4, 3, [1])]
            assert "left out 1 images with a dot in their name, such as " in caplog.text
            assert "s.tar/a/img.02.jpg: the name of a sample ends at its first dot" in caplog.text

    def test_an_empty_sidecar_does_not_hide_the_other(self, tmp_path):
        members = [("a.jpg", image(3, 4)), ("a.cls", b""), ("a.json", b'["cup"]')]
        write_tar(tmp_path / "s.tar", members)
        assert summary(load_shards(tmp_path, CLASSES)) == [(4, 3, [1])]

    def test_images_of_a_sample_come_in_the_order_of_the_shard(self, tmp_path):
        suffixes = ["webp", "png", "bmp", "gif", "jpg"]
        images = [(f"a.{suffix}", image(3, 4)) for suffix in suffixes]
        write_tar(tmp_path / "s.tar", [("a.cls", b"cup"), *images])
        members = [record["member"] for record in load_shards(tmp_path, CLASSES)]
        assert members == [name for name, _ in images]

    def test_with_a_map_other_labels_are_left_out(self, tmp_path):
        members = [("a.jpg", image(3, 4)), ("a.cls", b"n7|n8")]
        members += [("b.jpg", image(3, 4)), ("b.cls", b"n8")]
        write_tar(tmp_path / "s.tar", members)
        classes = ClassIndex(CLASSES.class_names, {"n7": "cup"})
        assert summary(load_shards(tmp_path, classes)) == [(4, 3, [1])]

    @pytest.mark.parametrize(
        ("sidecar", "content", "message"),
        [
            ("a.txt", b"cup", r"image 'a' has no labels; put \.cls or \.json beside it"),
            ("a.cls", b"3", r"a\.jpg: there is no class number 4; 3 classes are counted from 1"),
            ("a.cls", b"9" * 5000, "unknown class '999"),
            ("a.cls", b"cups", "unknown class 'cups'"),
            ("a.cls", b"\xff", "codec can't decode"),
            ("a.json", b"{", r"a\.json is not valid JSON"),
            ("a.json", b'{"tags": 1}', r"labels are \[None\]; expected class names or numbers"),
            ("a.json", b"[true]", r"labels are \[True\]"),
        ],
    )
    def test_unusable_labels_are_named(self, tmp_path, sidecar, content, message):
        write_tar(tmp_path / "s.tar", [("a.jpg", image(3, 3)), (sidecar, content)])
        with pytest.raises(InputError, match=message):
            load_shards(tmp_path, CLASSES)

    def test_no_shards_are_an_error(self, tmp_path):
        with pytest.raises(InputError, match=r"no shards at .*; expected a \.tar file or a folder"):
            load_shards(tmp_path, CLASSES)
        with pytest.raises(InputError, match="no shards at"):
            load_shards(tmp_path / "s.tar", CLASSES)


class TestTables:
    @pytest.fixture
    def table(self, write_image, tmp_path):
        write_image("kitchen/1.png", 30, 20)
        write_image("kitchen/2, blue.png", 20, 30)
        path = tmp_path / "labels.csv"
        path.write_text('path,labels\nkitchen/1.png,cup|spoon\n"kitchen/2, blue.png",\n')
        return path

    def test_an_image_has_any_number_of_labels(self, table):
        records = load_csv_table(table, CLASSES)
        assert summary(records) == [(20, 30, [1, 2]), (30, 20, [])]
        assert readable(records) == [(20, 30), (30, 20)]

    def test_paths_may_start_from_another_folder(self, table, tmp_path):
        (tmp_path / "tables").mkdir()
        moved = table.rename(tmp_path / "tables" / "labels.csv")
        assert len(readable(load_csv_table(moved, CLASSES, tmp_path))) == 2

    def test_an_unknown_label_is_named(self, table):
        table.write_text("path,labels\nkitchen/1.png,cup|spon\n")
        with pytest.raises(
            InputError, match=r"labels\.csv, image 1: unknown class 'spon'; .*spoon"
        ):
            load_csv_table(table, CLASSES)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", r"must have the header 'path,labels' in its first line, not ''"),
            ("file,label\na.png,cup\n", "must have the header .*, not 'file,label'"),
            ("path,labels\na.png,cup\nb.png,cup,spoon\n", "line 3: 3 columns; expected a path"),
        ],
    )
    def test_another_layout_is_refused(self, table, text, message):
        table.write_text(text)
        with pytest.raises(InputError, match=message):
            load_csv_table(table, CLASSES)

    @pytest.mark.parametrize("blank", ["\n", "   \n", ",\n"])
    def test_blank_lines_are_passed_over(self, table, blank):
        table.write_text(f"path,labels\n{blank}kitchen/1.png,cup\n{blank}")
        assert summary(load_csv_table(table, CLASSES)) == [(20, 30, [1])]

    def test_with_a_map_other_labels_are_left_out(self, table):
        table.write_text("path,labels\nkitchen/1.png,n7|n8\nkitchen/1.png,n8\nkitchen/1.png,\n")
        records = load_csv_table(table, ClassIndex(CLASSES.class_names, {"n7": "cup"}))
        assert [r["pos_category_ids"] for r in records] == [[1], []]
        table.write_text("path,labels\nkitchen/1.png,n8\n")
        with pytest.raises(InputError, match="no label of 1 images is a class or in the class m"):
            load_csv_table(table, ClassIndex(CLASSES.class_names, {"n7": "cup"}))

    def test_a_missing_table_is_named(self, tmp_path):
        with pytest.raises(InputError, match=r"none\.csv not found"):
            load_csv_table(tmp_path / "none.csv", CLASSES)
