"""Images, records and registered datasets for the data tests."""

import numpy as np
import pytest
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode
from PIL import Image

from centernet.config import add_centernet_config
from detic.config import add_detic_config, add_extension_config
from tests.detic.clips import write_clip
from tests.tiny_detector import write_tiny_files


@pytest.fixture
def catalogs():
    """Detectron2's catalogs; what a test adds to them is removed afterwards."""
    before = set(DatasetCatalog.list()), set(MetadataCatalog.list())
    yield DatasetCatalog, MetadataCatalog
    for catalog, names in zip((DatasetCatalog, MetadataCatalog), before, strict=True):
        for name in set(catalog.list()) - names:
            catalog.remove(name)


@pytest.fixture
def write_image(tmp_path):
    """A function that writes a random image below tmp_path and returns its path."""

    def write(name, width=60, height=40, seed=0, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.RandomState(seed).randint(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path, **options)
        return path

    return write


@pytest.fixture
def box_records(write_image):
    """Seven records with a box each, of wide, high and square images and two classes."""
    records = []
    for i, (width, height) in enumerate([(60, 40), (40, 60), (50, 50), (60, 40)] * 2):
        path = write_image(f"boxes/{i}.png", width, height, seed=i)
        annotation = {
            "bbox": [5, 10, 20, 10],
            "bbox_mode": BoxMode.XYWH_ABS,
            "category_id": i % 2,
            "segmentation": [[5, 10, 25, 10, 25, 20, 5, 20]],
        }
        records.append(
            {
                "file_name": str(path),
                "width": width,
                "height": height,
                "image_id": i,
                "annotations": [annotation],
            }
        )
    return records[:7]


@pytest.fixture
def cfg():
    """A whole configuration with two classes, without worker processes."""
    cfg = get_cfg()
    add_centernet_config(cfg)
    add_detic_config(cfg)
    add_extension_config(cfg)
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 2
    cfg.MODEL.MASK_ON = True
    cfg.INPUT.FORMAT = "RGB"
    cfg.INPUT.CUSTOM_AUG = "EfficientDetResizeCrop"
    cfg.INPUT.TRAIN_SIZE = 64
    cfg.DATASETS.TRAIN = ("pets",)
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.SOLVER.IMS_PER_BATCH = 2
    cfg.SEED = 1
    return cfg


@pytest.fixture
def pets(catalogs, box_records):
    """The name of a registered dataset of the seven records."""
    datasets, metadata = catalogs
    datasets.register("pets", lambda: [dict(record) for record in box_records])
    metadata.get("pets").thing_classes = ["cat", "dog"]
    return "pets"


@pytest.fixture
def labels(catalogs, write_image):
    """The name of a registered dataset of eight images with image labels, most of dogs."""
    records = [
        {
            "file_name": str(write_image(f"labels/{i}.png", 30 + 20 * (i % 2), 40, seed=20 + i)),
            "width": 30 + 20 * (i % 2),
            "height": 40,
            "image_id": 100 + i,
            "annotations": [],
            "pos_category_ids": [int(i > 0)],
        }
        for i in range(8)
    ]
    catalogs[0].register("labels", lambda: [dict(record) for record in records])
    catalogs[1].get("labels").thing_classes = ["cat", "dog"]
    return "labels"


@pytest.fixture
def joint_cfg(cfg, pets, labels):
    """A configuration that trains on both, in the proportion of one to four."""
    cfg.WITH_IMAGE_LABELS = True
    cfg.DATASETS.TRAIN = (pets, labels)
    node = cfg.DATALOADER
    node.SAMPLER_TRAIN = "MultiDatasetSampler"
    node.MULTI_DATASET_GROUPING = True
    node.USE_DIFF_BS_SIZE = True
    node.DATASET_RATIO = [1, 4]
    node.USE_RFS = [True, False]
    node.REPEAT_THRESHOLD = 0.1
    node.DATASET_ANN = ["box", "image"]
    node.DATASET_BS = [2, 3]
    node.DATASET_INPUT_SIZE = [64, 32]
    return cfg


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory):
    return write_tiny_files(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def own_text_cache(tmp_path, monkeypatch):
    """Embedded class names are kept in the folder of the test."""
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def clip(tmp_path):
    """A video of ``tests.detic.clips``."""
    return write_clip(tmp_path / "clip.avi")
