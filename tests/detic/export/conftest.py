"""A trained detector."""

from functools import cache

import detectron2
import pytest
from torch.fx.experimental import _config as symbolic_shapes

from detic import Detector


@pytest.fixture(autouse=True)
def can_export():
    if "portable" not in detectron2.__version__:
        pytest.skip("exporting needs the Detectron2 of this project")
    if not hasattr(symbolic_shapes, "backed_size_oblivious"):
        pytest.skip("exporting needs a later torch")


@pytest.fixture(scope="session")
def shapes_detector():
    """A function that returns the detector of drawn shapes, which looks for four kinds of them."""

    @cache
    def build(**options):
        names = ["green gear", "yellow mug", "red star", "blue boat"]
        options = {"device": "cpu", "score_threshold": 0.02} | options
        return Detector.from_pretrained("shapes-detic", names, **options)

    return build
