"""Images of many tar files by number, and the arrays that index them."""

import io
import os
import pickle
import tarfile

import numpy as np
import pytest
from PIL import Image

from detic.datasets.tar_collection import TarCollection, index_tar, write_tar_collection
from detic.errors import InputError
from tests.detic.datasets.test_tar_files import write_tar


def image(width, height, format="JPEG"):
    stream = io.BytesIO()
    Image.new("RGB", (width, height)).save(stream, format)
    return stream.getvalue()


@pytest.fixture
def tars(tmp_path):
    """Three tar files, one of which has no image."""
    folder = tmp_path / "tars"
    folder.mkdir()
    long_name = "n02/" + "y" * 120 + ".JPEG"
    first = [("n01_1.JPEG", image(30, 20)), ("n01_2.JPEG", image(20, 30))]
    return [
        write_tar(folder / "n02.tar", [("readme.txt", b"?"), (long_name, image(8, 9))]),
        write_tar(folder / "n01.tar", first),
        write_tar(folder / "n00.tar", [("readme.txt", b"?")]),
    ]


@pytest.fixture
def collection(tars, tmp_path):
    return write_tar_collection(tars, tmp_path / "tar_files.npy", tmp_path / "index")


def size_of(content):
    return Image.open(io.BytesIO(content)).size


def test_images_are_numbered_over_all_tar_files(collection):
    assert [path.name for path in collection.tar_paths] == ["n01.tar", "n02.tar"]
    assert len(collection) == 3
    assert [size_of(collection.read(i)) for i in range(3)] == [(30, 20), (20, 30), (8, 9)]
    assert [collection.locate(i) for i in range(3)] == [(0, 0), (0, 1), (1, 0)]


def test_the_arrays_are_those_of_the_release(collection, tmp_path):
    names = np.load(tmp_path / "index" / "n01_names.npy")
    offsets = np.load(tmp_path / "index" / "n01_offsets.npy")
    assert names.tolist() == ["n01_1.JPEG", "n01_2.JPEG"]
    with tarfile.open(collection.tar_paths[0]) as tar:
        headers = [member.offset // 512 for member in tar]
        last = tar.getmembers()[-1]
    assert offsets.dtype == np.int64
    assert offsets.tolist() == [*headers, -(-(last.offset_data + last.size) // 512)]


def test_an_index_in_the_release_s_layout_can_be_read(tars, tmp_path):
    with tarfile.open(tars[1]) as tar:
        offsets = [member.offset // 512 for member in tar]
    end = os.path.getsize(tars[1]) // 512
    (tmp_path / "index").mkdir()
    np.save(tmp_path / "index" / "n01_offsets.npy", np.array([*offsets, end]))
    np.save(tmp_path / "tar_files.npy", np.array([str(tars[1])]))
    collection = TarCollection(tmp_path / "tar_files.npy", tmp_path / "index")
    assert size_of(collection.read(1)) == (20, 30)


def test_moving_all_files_together_breaks_nothing(collection, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for name in ("tars", "index", "tar_files.npy"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    moved = TarCollection(tmp_path / "elsewhere/tar_files.npy", tmp_path / "elsewhere/index")
    assert moved.read(2) == image(8, 9)


def test_a_collection_can_be_sent_to_a_worker(collection):
    collection.read(0)
    assert pickle.loads(pickle.dumps(collection)).read(0) == collection.read(0)


def test_sizes_are_read_once_and_kept(tars, tmp_path):
    index = index_tar(tars[1], tmp_path / "index", with_sizes=True)
    assert index.sizes.tolist() == [[20, 30], [30, 20]]
    before = (tmp_path / "index" / "n01_sizes.npy").stat().st_mtime_ns
    index_tar(tars[1], tmp_path / "index", with_sizes=True)
    assert (tmp_path / "index" / "n01_sizes.npy").stat().st_mtime_ns == before


def test_a_changed_tar_file_is_indexed_again(tars, tmp_path):
    index_tar(tars[2], tmp_path / "index")
    write_tar(tars[2], [("a.JPEG", image(3, 4))])
    os.utime(tars[2], (4e9, 4e9))
    assert index_tar(tars[2], tmp_path / "index").names.tolist() == ["a.JPEG"]


def test_an_older_tar_file_in_the_place_of_another_is_indexed_again(tars, tmp_path):
    index_tar(tars[1], tmp_path / "index", with_sizes=True)
    write_tar(tars[1], [("b.JPEG", image(3, 4))])
    os.utime(tars[1], (1, 1))
    index = index_tar(tars[1], tmp_path / "index", with_sizes=True)
    assert (index.names.tolist(), index.sizes.tolist()) == (["b.JPEG"], [[4, 3]])


def test_a_tar_file_of_the_future_is_indexed_once(tars, tmp_path):
    os.utime(tars[1], (4e9, 4e9))
    index_tar(tars[1], tmp_path / "index")
    before = (tmp_path / "index" / "n01_names.npy").stat().st_mtime_ns
    index_tar(tars[1], tmp_path / "index")
    assert (tmp_path / "index" / "n01_names.npy").stat().st_mtime_ns == before


def test_unreadable_images_have_no_size(tmp_path):
    tar = write_tar(tmp_path / "a.tar", [("a.JPEG", b"no image"), ("b.JPEG", image(2, 1))])
    assert index_tar(tar, tmp_path, with_sizes=True).sizes.tolist() == [[-1, -1], [1, 2]]


def test_mistakes_are_named(tars, tmp_path, collection):
    with pytest.raises(InputError, match="there is no image 3 in 2 tar files with 3 images"):
        collection.read(3)
    with pytest.raises(InputError, match=r"missing\.npy not found; make the tar index with"):
        TarCollection(tmp_path / "missing.npy", tmp_path / "index")
    with pytest.raises(InputError, match="no image in 1 tar files"):
        write_tar_collection(tars[2:], tmp_path / "list.npy", tmp_path / "index")
    (tmp_path / "other").mkdir()
    same_name = write_tar(tmp_path / "other" / "n01.tar", [("a.JPEG", b"")])
    with pytest.raises(InputError, match="would share one index"):
        write_tar_collection([*tars, same_name], tmp_path / "list.npy", tmp_path / "index")
    (tmp_path / "broken.npy").write_bytes(b"")
    with pytest.raises(InputError, match=r"broken\.npy is no array that can be mapped"):
        TarCollection(tmp_path / "broken.npy", tmp_path / "index")
    (tmp_path / "broken.npy").write_bytes(b"{}")
    with pytest.raises(InputError, match=r"can be mapped \(it is no \.npy file\)"):
        TarCollection(tmp_path / "broken.npy", tmp_path / "index")
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(InputError, match=r"pipe\.npy is a pipe"):
        TarCollection(tmp_path / "pipe.npy", tmp_path / "index")
