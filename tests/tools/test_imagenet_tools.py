"""ImageNet: from tar files to the registered datasets."""

import io
import tarfile

import pytest

from detic.datasets.lvis_style import load_lvis_style_json
from detic.errors import InputError

AEROSOL, ORGANISM = "n02682922", "n00004475"


@pytest.fixture
def tars(root, jpeg):
    """The tar files of a class of LVIS, with one image, and of another class, with two."""
    for wnid, count in ((AEROSOL, 1), (ORGANISM, 2)):
        path = root / f"imagenet/ImageNet-21K/{wnid}.tar"
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for number in range(count):
                info = tarfile.TarInfo(f"{wnid}_{number}.JPEG")
                info.size = len(jpeg)
                tar.addfile(info, io.BytesIO(jpeg))


def load(root, name, dataset):
    path = root / "imagenet/annotations" / name
    return load_lvis_style_json(str(path), str(root / "imagenet/ImageNet-LVIS"), dataset)


def test_unpacked_images(run_tool, root, tars, capsys):
    assert run_tool("unzip_imagenet_lvis") == 1  # 996 classes are missing
    assert "has 1 of 997 classes" in capsys.readouterr().out
    assert run_tool("create_imagenetlvis_json") == 0
    (record,) = load(root, "imagenet_lvis_image_info.json", "imagenet_lvis_v1")
    assert record["file_name"].endswith(f"ImageNet-LVIS/{AEROSOL}/{AEROSOL}_0.JPEG")
    assert (record["height"], record["width"], record["pos_category_ids"]) == (4, 6, [0])


def test_a_list_of_classes_of_ones_own(run_tool, root, tars):
    (root / "wnids.txt").write_text(f"{ORGANISM}\n")
    assert run_tool("unzip_imagenet_lvis", "--data_path", "datasets/wnids.txt") == 0
    assert len(list((root / f"imagenet/ImageNet-LVIS/{ORGANISM}").iterdir())) == 2


def test_images_of_lvis_classes_in_tar_files(run_tool, root, tars):
    run_tool("preprocess_imagenet22k")
    run_tool("create_imagenetlvis_json", "--from_tars")
    (record,) = load(root, "imagenet_lvis_image_info.json", "imagenet_lvis_v1")
    assert (record["tar_index"], record["pos_category_ids"]) == (2, [0])


def test_all_images_in_tar_files_with_the_joint_class_list(run_tool, root, write_json, tars):
    write_json("lvis/lvis_v1_train.json", {"images": [], "categories": []})
    run_tool("preprocess_imagenet22k")
    run_tool("get_imagenet_21k_full_tar_json")
    run_tool("create_lvis_21k", "--not_save_lvis")
    name = "imagenet-22k_image_info_lvis-22k.json"
    records = load(root, name, "imagenet_lvis-22k")
    assert [(r["tar_index"], r["pos_category_ids"]) for r in records] == [
        (0, [1203]),
        (1, [1203]),
        (2, [0]),
    ]


def test_the_index_can_be_moved_together_with_the_tar_files(run_tool, root, tars):
    run_tool("preprocess_imagenet22k")
    moved = root / "elsewhere"
    (root / "imagenet").rename(moved)
    arguments = [
        "--tarfile_path",
        str(moved / "metadata-22k/tar_files.npy"),
        "--tar_index_dir",
        str(moved / "metadata-22k/tarindex_npy"),
    ]
    assert run_tool("get_imagenet_21k_full_tar_json", *arguments) == 0


def test_missing_tar_files_are_reported(run_tool):
    with pytest.raises(InputError, match=r"no tar files such as n02682922\.tar"):
        run_tool("preprocess_imagenet22k")
    with pytest.raises(InputError, match=r"tar_files\.npy not found; .*preprocess_imagenet22k"):
        run_tool("get_imagenet_21k_full_tar_json")


def test_a_close_look_at_images_in_tar_files(run_tool, root, read_json, write_json, tars, capsys):
    run_tool("preprocess_imagenet22k")
    run_tool("create_imagenetlvis_json", "--from_tars")
    capsys.readouterr()
    run_tool("check_data", "--deep", "imagenet_lvis_v1")
    assert "problem" not in capsys.readouterr().out
    name = "imagenet/annotations/imagenet_lvis_image_info.json"
    document = read_json(name)
    document["images"][0]["width"] = 7
    write_json(name, document)
    assert run_tool("check_data", "--deep", "imagenet_lvis_v1") == 1
    text = capsys.readouterr().out
    assert "problem: other image sizes: 1, such as number 2, image 0 of " in text
    assert "is 6x4, not 7x4" in text
    document["images"][0]["tar_index"] = 3
    write_json(name, document)
    (root / f"imagenet/ImageNet-21K/{AEROSOL}.tar").unlink()
    assert run_tool("check_data", "--deep", "imagenet_lvis_v1") == 1
    text = capsys.readouterr().out
    assert "problem: missing tar files: 1" in text
    assert "problem: numbers beyond the images of the tar index: 1, such as 3" in text
