"""A trained detector."""

from functools import cache

import pytest

from detic import Detector


@pytest.fixture(scope="session")
def shapes_detector():
    """A function that returns the detector of drawn shapes, which looks for four kinds of them."""

    @cache
    def build(**options):
        names = ["green gear", "yellow mug", "red star", "blue boat"]
        options = {"device": "cpu", "score_threshold": 0.02} | options
        return Detector.from_pretrained("shapes-detic", names, **options)

    return build
