"""Images, records and registered datasets for the data tests."""

import json

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from PIL import Image


@pytest.fixture
def image():
    """A random (40, 60, 3) uint8 image."""
    return np.random.RandomState(0).randint(0, 256, (40, 60, 3), dtype=np.uint8)


@pytest.fixture
def image_file(tmp_path, image):
    """The path of that image, as RGB."""
    path = tmp_path / "image.png"
    Image.fromarray(image).save(path)
    return str(path)


@pytest.fixture
def catalogs():
    """Both catalogs; what a test adds to them is removed afterwards."""
    before = set(DatasetCatalog), set(MetadataCatalog)
    yield DatasetCatalog, MetadataCatalog
    for catalog, names in zip((DatasetCatalog, MetadataCatalog), before, strict=True):
        for name in set(catalog) - names:
            catalog.remove(name)


@pytest.fixture
def write_json(tmp_path):
    """A function that writes an annotation file and returns its path."""

    def write(content):
        path = tmp_path / "annotations.json"
        path.write_text(json.dumps(content))
        return str(path)

    return write
