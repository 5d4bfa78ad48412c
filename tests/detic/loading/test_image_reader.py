"""Images from files, shards and tar collections."""

import pickle

import numpy as np
import pytest
from PIL import Image

from detic.datasets.tar_collection import write_tar_collection
from detic.datasets.tar_files import tar_members
from detic.errors import InputError
from detic.loading.image_reader import ImageReader, UnreadableImage, image_name
from tests.detic.datasets.test_tar_files import write_tar

SIDEWAYS = Image.Exif()
SIDEWAYS[0x0112] = 6  # turn by 90 degrees to see it upright


@pytest.fixture
def image(write_image):
    return write_image("a.png", 6, 4)


def pixels_of(path):
    return np.asarray(Image.open(path))


def test_a_file_is_read_in_the_wanted_format(image):
    record = {"file_name": str(image), "height": 4, "width": 6}
    np.testing.assert_array_equal(ImageReader("RGB")(record), pixels_of(image))
    np.testing.assert_array_equal(ImageReader("BGR")(record), pixels_of(image)[:, :, ::-1])


def test_a_missing_size_is_filled_in(image):
    record = {"file_name": str(image)}
    ImageReader("RGB")(record)
    assert (record["height"], record["width"]) == (4, 6)


def test_a_member_of_a_shard_is_read_in_place(image, tmp_path):
    shard = write_tar(tmp_path / "s.tar", [("x.txt", b"?"), ("a.png", image.read_bytes())])
    member = tar_members(shard)[0][1]
    end = member.offset + member.size
    span = (member.header_offset, end - member.header_offset)
    record = {"shard": str(shard), "member": "a.png", "span": span}
    reader = pickle.loads(pickle.dumps(ImageReader("RGB")))
    np.testing.assert_array_equal(reader(record), pixels_of(image))


def test_a_tar_index_leads_to_its_image(image, tmp_path):
    tar = write_tar(tmp_path / "n.tar", [("a.png", image.read_bytes())])
    tars = write_tar_collection([tar], tmp_path / "tar_files.npy", tmp_path)
    reader = ImageReader("BGR", tars)
    np.testing.assert_array_equal(reader({"tar_index": 0}), pixels_of(image)[:, :, ::-1])


@pytest.mark.parametrize("place", ["file", "shard"])
def test_images_are_turned_upright(write_image, tmp_path, place):
    path = write_image("sideways.jpg", 6, 4, exif=SIDEWAYS)
    record = {"file_name": str(path), "height": 6, "width": 4}
    if place == "shard":
        shard = write_tar(tmp_path / "s.tar", [("a.jpg", path.read_bytes())])
        record = {"shard": str(shard), "member": "a.jpg", "span": (0, shard.stat().st_size)}
    assert ImageReader("RGB")(record).shape == (6, 4, 3)


def test_a_damaged_image_is_unreadable(image):
    image.write_bytes(image.read_bytes()[:60])
    with pytest.raises(UnreadableImage) as caught:
        ImageReader("RGB")({"file_name": str(image)})
    assert caught.value.name == str(image)


def test_an_unknown_format_is_refused():
    with pytest.raises(InputError, match=r"INPUT\.FORMAT: unknown image format 'L'; choose BGR or"):
        ImageReader("L")


def test_a_missing_image_and_a_wrong_size_are_unreadable(image, tmp_path):
    with pytest.raises(UnreadableImage, match="FileNotFoundError"):
        ImageReader("RGB")({"file_name": str(tmp_path / "missing.jpg")})
    with pytest.raises(UnreadableImage, match="SizeMismatchError"):
        ImageReader("RGB")({"file_name": str(image), "height": 6, "width": 4})


def test_mistakes_of_the_configuration_are_no_damage(tmp_path):
    with pytest.raises(InputError, match="image 3 is number 7 of a tar index, but no tar files"):
        ImageReader("RGB")({"tar_index": 7, "image_id": 3})
    with pytest.raises(InputError, match="record 3 has neither file_name nor shard nor tar_index"):
        ImageReader("RGB")({"image_id": 3})


def test_every_place_has_a_name():
    assert image_name({"file_name": "a/b.jpg"}) == "a/b.jpg"
    assert image_name({"shard": "a/s.tar", "member": "c.jpg"}) == "a/s.tar/c.jpg"
    assert image_name({"tar_index": 5}) == "tar index 5"


def test_an_unreadable_image_can_be_sent_to_another_process():
    sent = pickle.loads(pickle.dumps(UnreadableImage("a.jpg", "why")))
    assert str(sent) == "a.jpg: why"
