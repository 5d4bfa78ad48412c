"""The classes that a model is to find in each test set.

Shapes: C classes, D embedding width.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from detectron2.data import MetadataCatalog
from torch import Tensor

from detic.config import is_deformable_detr, is_zero_shot
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


@dataclass(frozen=True)
class TestClasses:
    """What a recipe says about the classes of its test sets, in lists parallel to DATASETS.TEST."""

    datasets: Sequence[str]
    vocabularies: Sequence[str]  # names or files; "": the model's own classes
    classifiers: Sequence[str]  # files of embeddings
    num_classes: Sequence[int]  # of each classifier
    reader: VocabularyReader  # embeds class names for the model

    __test__ = False  # not a test case, whatever pytest thinks of the name

    @classmethod
    def from_config(cls, cfg) -> "TestClasses":
        """Return the lists of a recipe; those that it does not use are empty.

        Raises:
            InputError: a list is not as long as DATASETS.TEST, or the classifier is closed.
        """
        node, datasets = cfg.MODEL, cfg.DATASETS.TEST
        vocabularies = cfg.TEST.VOCABULARIES
        resets = node.RESET_CLS_TESTS and not vocabularies
        if (vocabularies or resets) and not is_zero_shot(cfg):
            part = "DETR" if is_deformable_detr(cfg) else "ROI_BOX_HEAD"
            raise InputError(
                f"TEST.VOCABULARIES and MODEL.RESET_CLS_TESTS need MODEL.{part}."
                "USE_ZEROSHOT_CLS True: a closed classifier knows no other classes"
            )
        lists = {
            "TEST.VOCABULARIES": vocabularies,
            "MODEL.TEST_NUM_CLASSES": node.TEST_NUM_CLASSES if resets else (),
            "MODEL.TEST_CLASSIFIERS": node.TEST_CLASSIFIERS if resets else (),
        }
        for key, values in lists.items():
            is_used = resets if key.startswith("MODEL") else bool(values)
            if is_used and len(values) != len(datasets):
                raise InputError(
                    f"{key} has {len(values)} entries for the {len(datasets)} of DATASETS.TEST"
                )
        encoder, width = node.TEXT_ENCODER, node.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_DIM
        return cls(
            datasets=datasets,
            vocabularies=vocabularies,
            classifiers=lists["MODEL.TEST_CLASSIFIERS"],
            num_classes=lists["MODEL.TEST_NUM_CLASSES"],
            reader=VocabularyReader(encoder.WEIGHTS, encoder.PROMPT, width),
        )

    @property
    def are_those_of_model(self) -> bool:
        """Whether no test set has classes of its own."""
        return not (self.vocabularies or self.classifiers)

    def embeddings(self, i: int) -> Tensor | None:
        """Return the vectors (C, D) of the i-th test set; None: the model's own classes.

        Raises:
            InputError: a file does not fit the model or the test set.
        """
        if self.vocabularies:
            return self._named(i) if self.vocabularies[i] else None
        return self._of_classifier(i) if self.classifiers else None

    def _named(self, i: int) -> Tensor:
        source, dataset = self.vocabularies[i], self.datasets[i]
        where = f"TEST.VOCABULARIES {source!r} for {dataset}"
        vocabulary = self.reader.read(source)
        return in_class_order(vocabulary, names_of_classes(dataset), where).embeddings

    def _of_classifier(self, i: int) -> Tensor:
        """Return the vectors of a file of MODEL.TEST_CLASSIFIERS, made now if it is missing."""
        num_classes, dataset = self.num_classes[i], self.datasets[i]
        path = find_file(self.classifiers[i])
        if path.is_file():
            width, encoder = self.reader.embedding_dim, self.reader.text_weights
            return read_embeddings(path, width, num_classes, encoder).embeddings
        logger.info("%s is missing: its class names are embedded now", path)
        names = [listed for listed, _ in names_of_classes(dataset)]
        if len(names) != num_classes:
            raise InputError(
                f"MODEL.TEST_NUM_CLASSES says {num_classes} for {dataset}, which has {len(names)} "
                "classes"
            )
        return self.reader.read(Vocabulary.from_names(names)).embeddings


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
