"""ImageNet images of LVIS classes."""

import tarfile

import pytest

from detic.errors import InputError
from detic.preparation.imagenet_lvis import (
    image_label_document,
    list_images,
    read_wnids,
    unpack_classes,
)

WNIDS = ["n00000001", "n00000002", "n00000003"]


def test_classes_are_unpacked_and_missing_ones_returned(tmp_path, jpeg, write_tar):
    write_tar(tmp_path / "tars/n00000001.tar", {"n00000001_5.JPEG": jpeg()})
    write_tar(tmp_path / "tars/n00000003.tar", {"n00000003_1.JPEG": jpeg()})
    assert unpack_classes(tmp_path / "tars", tmp_path / "out/deep", WNIDS) == ["n00000002"]
    unpacked = {str(p.relative_to(tmp_path / "out/deep")) for p in tmp_path.glob("out/deep/*/*")}
    assert unpacked == {"n00000001/n00000001_5.JPEG", "n00000003/n00000003_1.JPEG"}


def test_unpacking_goes_on_where_it_was(tmp_path, jpeg, write_tar):
    write_tar(tmp_path / "n00000001.tar", {"a.JPEG": jpeg()})
    unpack_classes(tmp_path, tmp_path / "out", WNIDS[:1])
    (tmp_path / "n00000001.tar").unlink()
    assert unpack_classes(tmp_path, tmp_path / "out", WNIDS[:1]) == []


def test_a_damaged_tar_file_is_named_and_leaves_no_class_behind(tmp_path):
    (tmp_path / "n00000001.tar").write_bytes(b"no tar file" * 100)
    with pytest.raises(InputError, match=r"n00000001\.tar is damaged"):
        unpack_classes(tmp_path, tmp_path / "out", WNIDS)
    assert list((tmp_path / "out").iterdir()) == []


def test_members_that_lead_outside_are_refused(tmp_path, write_tar):
    write_tar(tmp_path / "in/n00000001.tar", {"../../evil.JPEG": b"x"})
    with pytest.raises(InputError, match=r"n00000001\.tar is damaged"):
        unpack_classes(tmp_path / "in", tmp_path / "out", WNIDS[:1])
    assert not list(tmp_path.glob("**/evil.JPEG"))


def test_links_that_lead_outside_are_refused(tmp_path):
    with tarfile.open(tmp_path / "n00000001.tar", "w") as tar:
        link = tarfile.TarInfo("a.JPEG")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(InputError, match="damaged"):
        unpack_classes(tmp_path, tmp_path / "out", WNIDS[:1])


def test_a_folder_without_tar_files_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has none of the 3 tar files such as n00000001\.tar"):
        unpack_classes(tmp_path, tmp_path / "out", WNIDS)


def test_images_are_listed_by_name_with_upright_sizes(tmp_path, jpeg):
    for name, content in {
        "n00000002/b.JPEG": jpeg(6, 4),
        "n00000002/a.JPEG": jpeg(6, 4, orientation=6),
        "n00000001/z.JPEG": jpeg(3, 5),
        "n00000001/damaged.JPEG": b"",
        "n00000001/readme.txt": b"",
        "others/c.JPEG": jpeg(),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    images = list_images(tmp_path, {"n00000001": 40, "n00000002": 7})
    assert [tuple(image.values()) for image in images] == [
        (1, "n00000001/z.JPEG", 3, 5, [40]),
        (2, "n00000002/a.JPEG", 4, 6, [7]),
        (3, "n00000002/b.JPEG", 6, 4, [7]),
    ]


def test_sizes_of_listed_images_are_remembered(tmp_path, jpeg, monkeypatch):
    (tmp_path / "n00000001").mkdir()
    (tmp_path / "n00000001/a.JPEG").write_bytes(jpeg())
    first = list_images(tmp_path, {"n00000001": 40})
    monkeypatch.setattr("detic.datasets.image_sizes.read_image_size", None)
    assert list_images(tmp_path, {"n00000001": 40}) == first


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(InputError, match="no images in"):
        list_images(tmp_path, {"n00000001": 1})
    with pytest.raises(InputError, match="is no folder"):
        list_images(tmp_path / "none", {"n00000001": 1})


def test_image_counts_are_those_of_the_listed_images():
    categories = [{"id": 7, "image_count": 99}, {"id": 8, "image_count": 99}]
    images = [{"pos_category_ids": [7]}, {"pos_category_ids": [7]}]
    document = image_label_document(images, categories)
    assert document["annotations"] == []
    assert [category["image_count"] for category in document["categories"]] == [2, 0]


def test_lists_of_wordnet_ids(tmp_path):
    path = tmp_path / "wnids.txt"
    path.write_text("n00000001\nn00000002\n")
    assert read_wnids(path) == WNIDS[:2]
    path.write_text("n00000001\ncat\n")
    with pytest.raises(InputError, match=r"\['cat'\]; expected WordNet ids"):
        read_wnids(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_wnids(tmp_path / "none.txt")
