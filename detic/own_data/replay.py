"""The data that a detector was trained on before, as far as they are on this machine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog

from detic.annotation import AnnotationKind
from detic.datasets.table import SPECS, DatasetSpec, find_spec
from detic.paths import datasets_root
from detic.vocabulary import Vocabulary, builtin_vocabulary
from detic.vocabulary.builtin import FILES


@dataclass(frozen=True)
class Replay:
    """Registered datasets to train on again, and to test on, by their names in the recipe."""

    training: dict[str, DatasetSpec]
    test: dict[str, DatasetSpec]

    def vocabularies(self) -> list[Vocabulary]:
        """Return the classes of each dataset."""
        specs = (*self.training.values(), *self.test.values())
        return list(map(self.vocabulary, specs))

    @staticmethod
    def vocabulary(spec: DatasetSpec) -> Vocabulary:
        """Return the classes of a dataset, in its order."""
        if spec.vocabulary in FILES:
            return builtin_vocabulary(spec.vocabulary)
        return Vocabulary.from_names(MetadataCatalog.get(spec.name).thing_classes)


def replay_of(cfg: CfgNode, names: Sequence[str] | None) -> Replay:
    """Return what can be replayed and tested on.

    Args:
        cfg: the recipe of the detector.
        names: of datasets; None: those of the recipe that are on this machine.

    Raises:
        InputError: a dataset is not known.
    """
    if names is None:
        trained = (name.strip() for entry in cfg.DATASETS.TRAIN for name in entry.split(","))
        training = _here(trained)
        if cfg.MODEL.DYNAMIC_CLASSIFIER:  # image labels of tens of thousands of classes
            training = [spec for spec in training if spec.kind is AnnotationKind.BOX]
    else:
        training = list(map(find_spec, names))
    return Replay(
        {f"replay_{spec.name}": spec for spec in training},
        {f"old_{spec.name}": spec for spec in _here(cfg.DATASETS.TEST)},
    )


def _here(names: Iterable[str]) -> list[DatasetSpec]:
    """Return the datasets whose annotations and images are below the datasets root."""
    kinds = (AnnotationKind.BOX, AnnotationKind.IMAGE)
    root = datasets_root()
    specs = [SPECS[name] for name in names if name in SPECS and SPECS[name].kind in kinds]
    return [
        spec
        for spec in specs
        if (root / spec.annotation_file).is_file() and (root / spec.image_root).is_dir()
    ]
