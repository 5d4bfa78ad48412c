"""Datasets by name, their metadata, mappers, samplers and data loaders.

Importing it registers the built-in datasets (datasets/builtin.py); no file is opened.
"""

from . import datasets, samplers, transforms
from .build import (
    build_batch_data_loader,
    build_detection_test_loader,
    build_detection_train_loader,
    get_detection_dataset_dicts,
    print_instances_class_histogram,
)
from .catalog import DatasetCatalog, Metadata, MetadataCatalog
from .common import DatasetFromList, MapDataset, ToIterableDataset
from .dataset_mapper import DatasetMapper
