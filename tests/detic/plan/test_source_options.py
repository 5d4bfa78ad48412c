"""What the options of box sources need of a recipe."""

import json

import pytest

from detic.datasets.own_data import OwnData
from detic.errors import InputError
from detic.plan.source_options import check_tests_see_all_boxes, check_training_options

CHOOSING = {"min_score": 0.5, "uncertain_from": 0.2}


@pytest.fixture
def registered(cfg, catalogs, tmp_path):
    """A function that registers a source with options and returns a recipe that trains on it."""
    (tmp_path / "names.json").write_text(json.dumps(["cat", "dog"]))

    def registered(options, *overrides):
        cfg.merge_from_list(
            [
                *("MODEL.META_ARCHITECTURE", "CustomRCNN", "MODEL.CENTERNET.ONLY_PROPOSAL", True),
                *(
                    "MODEL.ROI_HEADS.NAME",
                    "DeticCascadeROIHeads",
                    "DATASETS.TRAIN",
                    ("pets, mine",),
                ),
                *("MODEL.PROPOSAL_GENERATOR.NAME", "CenterNet"),
                *("MODEL.ROI_BOX_HEAD.USE_SIGMOID_CE", True, "MODEL.ROI_HEADS.NUM_CLASSES", 2),
                *("MODEL.DETR.NUM_CLASSES", 2),
                *("MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH", str(tmp_path / "names.json")),
                *overrides,
            ]
        )
        entry = {"name": "mine", "format": "coco", "annotations": "a.json", "images": "x"}
        cfg.DATALOADER.BOX_SOURCES = [entry | options]
        OwnData.from_config(cfg).register()
        return cfg

    return registered


@pytest.mark.parametrize(
    ("options", "overrides", "message"),
    [
        (
            CHOOSING,
            ("MODEL.PROPOSAL_GENERATOR.NAME", "RPN"),
            "'mine': uncertain_from needs MODEL.PROPOSAL_GENERATOR.NAME CenterNet; leave",
        ),
        (
            CHOOSING,
            ("MODEL.ROI_HEADS.NAME", "CustomRes5ROIHeads"),
            "uncertain_from needs MODEL.ROI_HEADS.NAME DeticCascadeROIHeads;",
        ),
        (
            {"weigh_by_score": True},
            ("MODEL.META_ARCHITECTURE", "DeformableDetr"),
            "weigh_by_score needs MODEL.META_ARCHITECTURE CustomRCNN",
        ),
        (
            {"labelled_classes": "annotated"},
            ("MODEL.ROI_BOX_HEAD.USE_SIGMOID_CE", False),
            "labelled_classes needs MODEL.ROI_BOX_HEAD.USE_SIGMOID_CE True",
        ),
        (
            {"labelled_classes": "annotated"},
            ("MODEL.CENTERNET.ONLY_PROPOSAL", False),
            "labelled_classes needs MODEL.CENTERNET.ONLY_PROPOSAL True",
        ),
    ],
)
def test_an_option_that_the_model_cannot_follow_is_named(registered, options, overrides, message):
    with pytest.raises(InputError, match=message):
        check_training_options(registered(options, *overrides))


def test_every_option_suits_the_heads_of_detic(registered):
    options = {"labelled_classes": "categories", "weigh_by_score": True}
    check_training_options(registered(CHOOSING | options))


def test_the_choice_of_boxes_alone_suits_every_model(registered):
    other = ("MODEL.META_ARCHITECTURE", "DeformableDetr", "MODEL.ROI_HEADS.NAME", "X")
    check_training_options(registered({"min_score": 0.5}, *other))


def test_boxes_chosen_by_scores_cannot_be_tested_on(registered):
    registered({"top_share": 0.5})
    check_tests_see_all_boxes(["unknown"])  # told where it is loaded
    with pytest.raises(InputError, match=r"DATASETS\.TEST has 'mine', whose boxes"):
        check_tests_see_all_boxes(["mine"])
