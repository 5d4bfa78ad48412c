"""Models that recipes ask for and that cannot be."""

import pytest

from detic.errors import InputError
from detic.modeling.build import build_detector
from detic.recipes import load_recipe


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "MODEL.META_ARCHITECTURE",
            "nope",
            "MODEL.META_ARCHITECTURE: unknown model 'nope'; choose CustomRCNN",
        ),
        ("MODEL.BACKBONE.NAME", "nope", "no object named 'nope' in the BACKBONE registry"),
        ("MODEL.FPN.IN_FEATURES", "[]", "look at MODEL.FPN.IN_FEATURES"),
        ("MODEL.FPN.IN_FEATURES", "['x']", "'x' is not there; look at MODEL.FPN.IN_FEATURES"),
        ("MODEL.TIMM.OUT_LEVELS", "(9,)", "look at .* MODEL.TIMM.OUT_LEVELS"),
        (
            "MODEL.CENTERNET.FPN_STRIDES",
            "[1, 2, 4]",
            "p3, p4, p5 have strides of .8, 16, 32. pixels",
        ),
        ("MODEL.ROI_HEADS.NAME", "StandardROIHeads", "has no 'class_image_count'"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_message(key, value, message):
    cfg = load_recipe("configs/shapes/Detic.yaml", [key, value, "MODEL.DEVICE", "cpu"])
    with pytest.raises(InputError, match=message):
        build_detector(cfg)
