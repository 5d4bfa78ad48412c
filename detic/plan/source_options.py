"""Whether a recipe's model and evaluation can follow the options of its box sources."""

from collections.abc import Iterable

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from detic.datasets.box_sources import WHERE, BoxSource
from detic.errors import InputError

# Heads whose losses know weights of boxes and labelled classes
HEADS = ("DeticCascadeROIHeads", "CustomRes5ROIHeads")


def check_training_options(cfg: CfgNode) -> None:
    """Check that the model of a recipe can be trained as the options of its sources say.

    Args:
        cfg: its sources are registered.

    Raises:
        InputError: names the source, the option and the key that does not suit it.
    """
    names = [name.strip() for entry in cfg.DATASETS.TRAIN for name in entry.split(",")]
    for source in _box_sources(names):
        for option in _options_of_losses(source):
            for key, is_met, expected in _needs(cfg, option):
                if not is_met:
                    raise InputError(
                        f"{WHERE} {source.name!r}: {option} needs {key} {expected}; leave the option "
                        "out, or train another model"
                    )


def check_tests_see_all_boxes(names: Iterable[str]) -> None:
    """Check that no test set has its boxes chosen by scores: evaluations read the whole file.

    Raises:
        InputError: names the source.
    """
    for source in _box_sources(names):
        if source.selection.looks_at_scores:
            raise InputError(
                f"DATASETS.TEST has {source.name!r}, whose boxes {WHERE} chooses by scores; test on "
                "annotations that people have made"
            )


def _box_sources(names: Iterable[str]) -> list[BoxSource]:
    known = [name for name in names if name in DatasetCatalog.list()]  # of others, loading tells
    sources = (MetadataCatalog.get(name).get("box_source") for name in known)
    return [source for source in sources if source is not None]


def _options_of_losses(source: BoxSource) -> list[str]:
    """Return the options of a source that losses have to follow."""
    given = {
        "weigh_by_score": source.selection.weighs,
        "labelled_classes": source.labelled_classes is not None,
        "uncertain_from": source.selection.uncertain_from is not None,
    }
    return [option for option, is_given in given.items() if is_given]


def _needs(cfg: CfgNode, option: str) -> list[tuple[str, bool, str]]:
    """Return what an option needs: keys, whether they are as it needs them, and how that is."""
    node = cfg.MODEL
    heads = HEADS[:1] if option == "uncertain_from" else HEADS
    proposals = node.PROPOSAL_GENERATOR.NAME
    needs = [
        ("MODEL.META_ARCHITECTURE", node.META_ARCHITECTURE == "CustomRCNN", "CustomRCNN"),
        ("MODEL.ROI_HEADS.NAME", node.ROI_HEADS.NAME in heads, " or ".join(heads)),
        ("MODEL.ROI_BOX_HEAD.USE_SIGMOID_CE", node.ROI_BOX_HEAD.USE_SIGMOID_CE, "True"),
    ]
    if option == "uncertain_from":
        needs.append(("MODEL.PROPOSAL_GENERATOR.NAME", proposals == "CenterNet", "CenterNet"))
    if option == "labelled_classes" and proposals == "CenterNet":
        key = "MODEL.CENTERNET.ONLY_PROPOSAL"
        needs.append((key, node.CENTERNET.ONLY_PROPOSAL, "True"))
    return needs
