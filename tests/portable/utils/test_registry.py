"""Registries."""

import pytest
from detectron2.utils.registry import Registry


def test_registered_objects_are_found_by_name():
    registry = Registry("HEAD")

    @registry.register()
    class Small:
        pass

    assert registry.get("Small") is Small
    assert "Small" in registry


def test_unknown_name_lists_the_choices():
    registry = Registry("HEAD")
    with pytest.raises(KeyError, match="HEAD registry; choose from: nothing is registered yet"):
        registry.get("Smal")
    registry.register(dict)
    with pytest.raises(KeyError, match=r"no object named 'Smal' in the HEAD registry.*: dict"):
        registry.get("Smal")
