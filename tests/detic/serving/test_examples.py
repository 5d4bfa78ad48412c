import asyncio
import json
from base64 import b64encode
from pathlib import Path

import pytest

from detic.errors import InputError
from detic.serving.examples import take_images
from detic.serving.limits import HTTPError, Limits
from detic.serving.uploads import parse_upload
from detic.serving.vocabularies import Vocabularies, version_of
from detic.vocabulary import Vocabulary

from .service_of_fakes import image_file

LIMITS = Limits(max_examples=2, max_pixels=100)
IMAGE = image_file()
TEXT = b64encode(IMAGE).decode()


def upload(*examples):
    text = json.dumps([{"name": "mug", "examples": list(examples)}, "plate"])
    return parse_upload(text, "body.json", LIMITS)


def test_images_are_called_after_their_content():
    one = upload({"image": TEXT, "box": [1, 1, 5, 4]}, TEXT)
    ((name, content),) = one.images.items()
    assert content == IMAGE
    (mug, _) = one.classes.entries
    assert [example.image for example in mug.examples] == [name, name]
    assert [example.box for example in mug.examples] == [(1, 1, 5, 4), None]
    other = upload(b64encode(image_file(7, 6)).decode())
    assert version_of(upload(TEXT).classes) == version_of(upload(TEXT).classes)
    assert version_of(other.classes) != version_of(upload(TEXT).classes)


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ("/etc/passwd", "body.json, entry 1: an image of 'examples' is no text in base64"),
        ("../x", "is no text in base64"),
        ("ä", "is no text in base64"),
        ("aGFsbG8=", "entry 1, an image of 'examples': the image cannot be read"),
        ("", "there is no image"),
        (b64encode(image_file(20, 20)).decode(), "20 x 20 pixels; at most 100"),
        ({"image": TEXT, "path": "x"}, "'examples' is list .*; expected"),
        ({"image": 3}, "'examples' is list .*; expected"),
        (None, "'examples' is list .*; expected"),
    ],
)
def test_what_is_no_image_is_told(example, message):
    with pytest.raises((InputError, HTTPError), match=message):
        upload(example)


def test_there_are_only_so_many():
    with pytest.raises(HTTPError, match="more than 2 examples"):
        take_images([{"examples": ["x"] * 3}], "body.json", LIMITS)


def in_store(test, prepare, folder):
    async def run():
        store = Vocabularies(prepare, Vocabulary.from_names(["thing"]), LIMITS, folder)
        try:
            return await test(store)
        finally:
            store.close()

    return asyncio.run(run())


@pytest.mark.parametrize("is_kept", [False, True])
def test_detectors_find_the_images_as_files(is_kept, tmp_path):
    read = []

    def prepare(classes):
        read.extend(Path(e.image).read_bytes() for entry in classes.entries for e in entry.examples)
        return classes.names

    async def put(store):
        await store.put("kitchen", upload(TEXT))
        assert store.get("kitchen").classes.entries == upload(TEXT).classes.entries

    async def get(store):
        assert store.get("kitchen").version == version_of(upload(TEXT).classes)
        await store.put("kitchen", upload(b64encode(image_file(7, 6)).decode()))
        (left,) = tmp_path.glob("kitchen.images/*")
        assert left.read_bytes() == image_file(7, 6)
        await store.delete("kitchen")

    in_store(put, prepare, tmp_path if is_kept else None)
    assert read == [IMAGE]
    if is_kept:
        in_store(get, prepare, tmp_path)
        assert read == [IMAGE, IMAGE, image_file(7, 6)]
    assert list(tmp_path.iterdir()) == []


def test_messages_name_no_folder_of_the_service():
    def prepare(classes):
        if classes.entries[0].examples:
            raise InputError(f"{classes.entries[0].examples[0].image}: no region")

    async def put(store):
        (name,) = upload(TEXT).images
        with pytest.raises(InputError, match=f"^{name}: no region"):
            await store.put("kitchen", upload(TEXT))

    in_store(put, prepare, None)
