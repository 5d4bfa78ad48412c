"""The classes that a model is to find in each test set of a recipe.

Shapes: C classes, D embedding width.
"""

import logging

from detectron2.data import MetadataCatalog
from torch import Tensor, nn

from detic.datasets.class_lists import categories_of_file
from detic.datasets.table import SPECS
from detic.errors import InputError
from detic.evaluation.evaluation_set import registered_set
from detic.paths import find_file
from detic.vocabulary import Vocabulary, builtin_vocabulary, read_embeddings
from detic.vocabulary.builtin import FILES as BUILTIN
from detic.vocabulary.class_order import in_class_order
from detic.vocabulary.vocabulary_reader import VocabularyReader

logger = logging.getLogger(__name__)


def class_embeddings(cfg, i: int, model: nn.Module) -> Tensor | None:
    """Return the class embeddings (C, D) of the i-th test set; None: the model's own classes.

    Raises:
        InputError: the lists of the recipe are too short, or its files do not fit the model or
            the test set.
    """
    vocabularies = cfg.TEST.VOCABULARIES
    if vocabularies:
        source = _entry(vocabularies, i, "TEST.VOCABULARIES", cfg)
        return _named_embeddings(cfg, i, model, source) if source else None
    if not cfg.MODEL.RESET_CLS_TESTS:
        return None
    return _embeddings_of_classifier(cfg, i, model)


def names_of_classes(dataset_name: str) -> list[tuple[str, str]]:
    """Return two names of each class of a dataset: that of its class list and that of its metadata.

    They differ for one class of LVIS, which is embedded as bull and called horned_cow in metadata.
    """
    shown = MetadataCatalog.get(dataset_name).get("thing_classes")
    if not shown:
        categories = categories_of_file(str(registered_set(dataset_name).annotation_file))
        shown = [category["name"] for category in categories]
    vocabulary = SPECS[dataset_name].vocabulary if dataset_name in SPECS else None
    listed = builtin_vocabulary(vocabulary).names if vocabulary in BUILTIN else shown
    return list(zip(listed, shown, strict=True))


def _named_embeddings(cfg, i: int, model: nn.Module, source: str) -> Tensor:
    dataset_name = cfg.DATASETS.TEST[i]
    vocabulary = _reader(cfg, model).read(source)
    where = f"TEST.VOCABULARIES {source!r} for {dataset_name}"
    return in_class_order(vocabulary, names_of_classes(dataset_name), where).embeddings


def _embeddings_of_classifier(cfg, i: int, model: nn.Module) -> Tensor:
    """Return the embeddings of a file of MODEL.TEST_CLASSIFIERS, made now if it is missing."""
    num_classes = _entry(cfg.MODEL.TEST_NUM_CLASSES, i, "MODEL.TEST_NUM_CLASSES", cfg)
    path = find_file(_entry(cfg.MODEL.TEST_CLASSIFIERS, i, "MODEL.TEST_CLASSIFIERS", cfg))
    if path.is_file():
        dim = model.roi_heads.classifier.embedding_dim
        return read_embeddings(path, dim, num_classes, cfg.MODEL.TEXT_ENCODER.WEIGHTS).embeddings
    logger.info("%s is missing: its class names are embedded now", path)
    names = [listed for listed, _ in names_of_classes(cfg.DATASETS.TEST[i])]
    if len(names) != num_classes:
        raise InputError(
            f"MODEL.TEST_NUM_CLASSES says {num_classes} for {cfg.DATASETS.TEST[i]}, which has "
            f"{len(names)} classes"
        )
    return _reader(cfg, model).read(Vocabulary.from_names(names)).embeddings


def _reader(cfg, model: nn.Module) -> VocabularyReader:
    text_encoder = cfg.MODEL.TEXT_ENCODER
    dim = model.roi_heads.classifier.embedding_dim
    return VocabularyReader(text_encoder.WEIGHTS, text_encoder.PROMPT, dim)


def _entry(values: list, i: int, key: str, cfg):
    """Return the i-th of ``values``, one for each of DATASETS.TEST."""
    if len(values) != len(cfg.DATASETS.TEST):
        raise InputError(
            f"{key} has {len(values)} entries for the {len(cfg.DATASETS.TEST)} of DATASETS.TEST"
        )
    return values[i]
